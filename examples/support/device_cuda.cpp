#include <anylead/cpu.hpp>
#include <anylead/cuda.hpp>

#include "support/device.hpp"

using namespace anylead;

Device open_device(const std::string& name) {
  if (name == "cpu") return cpu();
  ANYLEAD_CHECK(name == "cuda", OptionError, "--device", "expected cpu or cuda, found ", name);
  ANYLEAD_CHECK(cuda::available(), OptionError, "--device", "no GPU to use: ", cuda::unavailable_reason(),
                "; --device cpu needs none");
  return cuda::device(0);
}
