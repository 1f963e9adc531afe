#!/usr/bin/env bash
# Every header compiles alone, as headers only and (g++) as declarations of the compiled library.
# Usage: tests/headers/check.sh COMPILER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
compiler=${1:?a C++ compiler}
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror)
modes=(-UANYLEAD_COMPILED)
[[ $($compiler --version) == *clang* ]] || {
  warnings+=(-Wno-psabi)
  modes+=(-DANYLEAD_COMPILED)
}
eigen=(-isystem /usr/include/eigen3)

check() { # HEADER
  local mode
  for mode in "${modes[@]}"; do
    if ! echo "#include <${1#include/}>" |
      "$compiler" -std=c++20 -fsyntax-only "${warnings[@]}" "$mode" -Iinclude "${eigen[@]}" -x c++ -; then
      echo "$1 does not compile alone ($compiler $mode)"
      return 1
    fi
  done
}

running=0 failed=0
headers=$(find include/anylead -name '*.hpp' | sort)
for header in $headers; do
  check "$header" &
  if ((++running == $(nproc))); then
    wait -n || failed=1
    ((running -= 1)) || true
  fi
done
while ((running)); do
  wait -n || failed=1
  ((running -= 1)) || true
done
((failed == 0))
echo "headers: $(wc -l <<<"$headers") compile alone with $compiler"
