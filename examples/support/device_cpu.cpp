#include <anylead/cpu.hpp>

#include "support/device.hpp"

using namespace anylead;

Device open_device(const std::string& name) {
  ANYLEAD_CHECK(name != "cuda", OptionError, "--device",
                "this program was built without CUDA; build preset cuda-release has it");
  ANYLEAD_CHECK(name == "cpu", OptionError, "--device", "expected cpu or cuda, found ", name);
  return cpu();
}
