# Sourced by the other scripts: what they share. Debian packages are the only thing that is ever downloaded.
# shellcheck shell=bash

set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # used where this file is sourced
build_packages=(g++ cmake ninja-build libeigen3-dev nlohmann-json3-dev libcli11-dev)
# shellcheck disable=SC2034
test_packages=(catch2 libbenchmark-dev pkg-config)

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# need PACKAGE...: installs those that are missing, and says which.
need() {
  local missing=() package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true) == ii* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || fail "this system has no apt-get; install what corresponds to Debian's ${missing[*]}"
  local root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "needs root or sudo to install ${missing[*]}"
    root=(sudo)
  fi
  echo "Installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${root[@]}" apt-get update -qq &&
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    cat "$log" >&2
    fail "apt-get failed; its output is above"
  fi
  rm -f "$log"
}

# quietly NAME COMMAND...: one line with the time it took; the whole output only if it fails.
quietly() {
  local name=$1 log start=$SECONDS status=0
  shift
  log=$(mktemp)
  printf '%s ... ' "$name"
  "$@" >"$log" 2>&1 || status=$?
  if ((status)); then
    echo "failed"
    cat "$log" >&2
    rm -f "$log"
    fail "failed: $*"
  fi
  echo "$((SECONDS - start)) s"
  rm -f "$log"
}

# configure PRESET [ARGUMENT...], build PRESET [TARGET...]: in build/PRESET.
configure() {
  local preset=$1
  shift
  (cd "$repository" && CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja} cmake --preset "$preset" "$@")
}
build() {
  local preset=$1
  shift
  cmake --build "$repository/build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}
