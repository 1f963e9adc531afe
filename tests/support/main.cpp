// Runs the tests of a program. Where they are to run on a GPU and there is none, exits with ctest's code for "skipped".
#include "support/devices.hpp"

#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdio>

int main(int argc, char** argv) {
  if (anylead::test::wants_cuda()) {
    constexpr int skipped = 77;
#ifdef ANYLEAD_TEST_CUDA
    if (!anylead::cuda::available()) {
      std::printf("skipped: no GPU: %s\n", anylead::cuda::unavailable_reason().c_str());
      return skipped;
    }
#else
    std::puts("skipped: built without CUDA");
    return skipped;
#endif
  }
  return Catch::Session().run(argc, argv);
}
