// Which instruction set runs: bodies are written once and compiled for each, the choice is made at run time.
//
// A pass is a struct with one always-inlined template:
//
//   struct Scale {
//     template <Isa kIsa, class T>
//     ANYLEAD_SIMD static void run(T* y, const T* x, T factor, Index n) { ... }
//   };
//   with_isa<Scale>(y, x, factor, n);
//
// so that the program is fast without -march flags and two translation units built with different flags agree.
// The numbers of one instruction set are bit-equal for any number of threads; those of two sets may differ in the last bits.
#pragma once

#include <cstdlib>
#include <string_view>
#include <type_traits>

#include <anylead/core/error.hpp>

#define ANYLEAD_SIMD [[gnu::always_inline]] inline

// Compilers say that a call passes vectors differently with and without an instruction set. Passes are inlined: no vector
// crosses a call. Not popped: g++ warns at the end of the translation unit.
#pragma GCC diagnostic ignored "-Wpsabi"

#if defined(__x86_64__)
#define ANYLEAD_TARGET_AVX512 gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#define ANYLEAD_TARGET_AVX2 gnu::target("avx2,fma,f16c")
#endif

namespace anylead {

enum class Isa { portable, avx2, avx512 };

constexpr std::string_view name(Isa isa) { return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "portable"; }

namespace detail {

inline Isa best_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::portable;
}

inline Isa chosen_isa() {
  const Isa best = best_isa();
  const char* wish = std::getenv("ANYLEAD_ISA");
  if (!wish || !*wish) return best;
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512})
    if (name(isa) == wish) {
      ANYLEAD_CHECK(isa <= best, OptionError, "ANYLEAD_ISA", "this processor has no ", wish, "; its best is ", name(best));
      return isa;
    }
  ANYLEAD_CHECK(false, OptionError, "ANYLEAD_ISA", "expected portable, avx2 or avx512, found ", wish);
}

}  // namespace detail

/// The instruction set of this process: the processor's best, or the one that the environment variable ANYLEAD_ISA names.
/// @throws OptionError (at the first call) if the variable names none or one that the processor lacks.
inline Isa current_isa() {
  static const Isa isa = detail::chosen_isa();
  return isa;
}

namespace detail {

// Not inlined, so that passes which call each other share their code.
template <class Pass, class... Args>
[[gnu::noinline]] void run_portable(Args... args) {
  Pass::template run<Isa::portable>(args...);
}
#if defined(__x86_64__)
template <class Pass, class... Args>
[[ANYLEAD_TARGET_AVX2]] void run_avx2(Args... args) {
  Pass::template run<Isa::avx2>(args...);
}
template <class Pass, class... Args>
[[ANYLEAD_TARGET_AVX512]] void run_avx512(Args... args) {
  Pass::template run<Isa::avx512>(args...);
}
#endif

}  // namespace detail

namespace detail {

template <class A, class T>
inline constexpr bool kNames = std::is_same_v<A, T*> || std::is_same_v<A, const T*>;

}  // namespace detail

/// Whether a pass is compiled for every instruction set. Those on double are not: they check the others, and each set more
/// costs compile time. Nor are passes that say so, because no step spends time in them:
///   static constexpr bool kOnce = true;
template <class Pass, class... Args>
inline constexpr bool kManyIsas = !requires {
  Pass::kOnce;
}
&&((detail::kNames<Args, float> || ...) || !(detail::kNames<Args, double> || ...));

/// Runs Pass::run<isa>(args...) compiled for the given instruction set. Arguments are copied: pass pointers and numbers.
template <class Pass, class... Args>
void with_isa(Isa isa, Args... args) {
#if defined(__x86_64__)
  if constexpr (kManyIsas<Pass, Args...>) {
    if (isa == Isa::avx512) return detail::run_avx512<Pass>(args...);
    if (isa == Isa::avx2) return detail::run_avx2<Pass>(args...);
  }
#endif
  detail::run_portable<Pass>(args...);
}

/// The same for the instruction set of this process.
template <class Pass, class... Args>
requires(!(std::is_same_v<Args, Isa> || ...)) void with_isa(Args... args) { with_isa<Pass>(current_isa(), args...); }

}  // namespace anylead
