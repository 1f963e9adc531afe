#!/usr/bin/env bash
# Builds everything in Release (build/cpu-release) and runs every test. Installs what is missing from Debian, nothing else.
# Usage: scripts/test.sh [--preset NAME]
# shellcheck source-path=SCRIPTDIR source=install.bash
source "$(dirname "${BASH_SOURCE[0]}")/install.bash"

preset=cpu-release
case ${1:-} in
  '') ;;
  --preset) preset=${2:?the name of a preset of CMakePresets.json} ;;
  *)
    sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"
    [[ $1 == -h || $1 == --help ]]
    exit
    ;;
esac

need "${build_packages[@]}" "${test_packages[@]}"
quietly "Configuring build/$preset" configure "$preset"
quietly "Building build/$preset" build "$preset"
ctest --test-dir "$repository/build/$preset" --output-on-failure
