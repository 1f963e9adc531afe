#!/usr/bin/env bash
# Builds and runs programs that use anylead from outside. Usage: run.sh KIND SOURCE BUILD WORK, called by ctest.
set -euo pipefail
kind=$1 source=$2 build=$3 work=$4
prefix=$work/prefix

configure_and_build() { # FOLDER ARGUMENT...
  local folder=$1
  shift
  rm -rf "${work:?}/$kind"
  cmake -S "$folder" -B "$work/$kind" -DCMAKE_BUILD_TYPE=None "$@"
  cmake --build "$work/$kind"
}

case $kind in
  install)
    rm -rf "$prefix"
    cmake --install "$build" --prefix "$prefix"
    ;;
  find_package)
    configure_and_build "$source/examples/consumer" -DCMAKE_PREFIX_PATH="$prefix"
    "$work/$kind/my_study"
    ;;
  find_package_io)
    configure_and_build "$source/tests/consumer/io" -DCMAKE_PREFIX_PATH="$prefix"
    cd "$work/$kind"
    ./uses_io_lead
    ./uses_io_compiled
    ;;
  find_package_refused)
    rm -rf "${work:?}/$kind"
    if message=$(cmake -S "$source/tests/consumer/refused" -B "$work/$kind" -DCMAKE_PREFIX_PATH="$prefix" 2>&1); then
      echo "component cuda was not refused" >&2
      exit 1
    fi
    grep -q 'component cuda: anylead was built without CUDA' <<<"$message" || {
      echo "$message" >&2
      exit 1
    }
    ;;
  find_package_cuda)
    configure_and_build "$source/tests/consumer/cuda" -DCMAKE_PREFIX_PATH="$prefix"
    ${ANYLEAD_SIMULATOR:-} "$work/$kind/uses_cuda"
    ;;
  cuda_single_file)
    configure_and_build "$source/tests/consumer/cuda_single_file" -DCMAKE_PREFIX_PATH="$prefix"
    ${ANYLEAD_SIMULATOR:-} "$work/$kind/brings_kernels"
    ;;
  add_subdirectory)
    configure_and_build "$source/tests/consumer/subdirectory" -DANYLEAD_SOURCE="$source"
    "$work/$kind/embeds_anylead"
    ;;
  pkg_config_two_units)
    mkdir -p "$work/$kind"
    cd "$work/$kind"
    found=$(find "$prefix" -name anylead.pc -printf %h)
    read -ra flags < <(PKG_CONFIG_PATH=$found pkg-config --cflags --libs anylead)
    g++ -std=c++20 -Wno-psabi "$source"/tests/consumer/two_units/*.cpp "${flags[@]}" -o two_units
    ./two_units
    ;;
  *)
    echo "unknown kind $kind" >&2
    exit 2
    ;;
esac
