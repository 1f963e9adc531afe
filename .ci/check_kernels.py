#!/usr/bin/env python3
"""Fails on a kernel file that breaks the rules of kernels/README.md: how kernels are declared and started, what they include."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNELS = ROOT / "kernels"
# plain headers of the library that nvcc reads
CORE = {f"anylead/core/{name}.hpp" for name in
        ("bfloat16", "dims", "exec", "grad", "host_device", "index_math", "op_table", "random", "scalar_math", "types")}
CUDA_HEADER = re.compile(r"(cuda|cooperative_groups|mma|nvtx3/|cub/)")
FORBIDDEN = {
    r"<<<": "kernels are started by launch()",
    r"\bcudaLaunch\w*\(": "kernels are started by launch()",
    r"\bcuda(Device|Stream)Synchronize\(": "ops do not wait for the device",
    r"\batomic(Add|Max|Min|Exch|CAS)\(": "the order of atomic sums changes from run to run",
    r"\b(printf|exit|abort)\(": "the library neither prints nor exits",
    r"\b__CUDA(CC|_ARCH)__\b": "no function has two bodies: core/host_device.hpp alone asks for the compiler",
    r"use_fast_math|--ffast-math|\b__(expf|logf|powf|sinf|cosf|fdividef)\(": "no fast mathematics",
}


def without_comments(text):
    """Comments and texts blanked, line numbers kept."""
    blank = lambda match: re.sub(r"[^\n]", " ", match[0])
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.S)


def unnamed_regions(code):
    """Spans of unnamed namespaces."""
    for match in re.finditer(r"\bnamespace\s*\{", code):
        depth, i = 1, match.end()
        while depth and i < len(code):
            depth += {"{": 1, "}": -1}.get(code[i], 0)
            i += 1
        yield match.start(), i


KERNEL = re.compile(r"\b__global__\b([^;{]*?)\b(\w+)\s*\((?=[^()]*(?:\([^()]*\)[^()]*)*\)\s*\{)")


def kernels_of(path):
    """Names of the kernels that a file defines, itself or through the .cuh it includes."""
    code = without_comments(path.read_text(encoding="utf-8"))
    names = {match[2] for match in KERNEL.finditer(code)}
    for target in re.findall(r"#\s*include\s*<(anylead/cuda/\w+\.cuh)>", code):
        names |= kernels_of(KERNELS / target)
    return names


def check(path):
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    code = without_comments(text)
    line = lambda at: code.count("\n", 0, at) + 1

    for match in re.finditer(r'^\s*#\s*include\s*([<"])([^>"]+)', code, re.M):
        target, place = match[2], f"{name}:{line(match.start(2))}"
        if match[1] == '"':
            yield f"{place}: own headers are included as <anylead/...>"
        elif target.startswith("anylead/cuda/"):
            if not (KERNELS / target).exists():
                yield f"{place}: {target} does not exist"
            if target.endswith(".ipp") and path.name != "kernels.cuh":
                yield f"{place}: host code is compiled by g++, not here"
        elif target.startswith("anylead/"):
            if target not in CORE:
                yield f"{place}: {target} is not one of the plain headers that nvcc reads"
        elif "/" in target and not CUDA_HEADER.match(target):
            yield f"{place}: only std, CUDA and plain headers of the library in kernel files"

    for pattern, reason in FORBIDDEN.items():
        for match in re.finditer(pattern, code):
            yield f"{name}:{line(match.start())}: {match[0]}: {reason}"

    unnamed = list(unnamed_regions(code))
    kernels = set()
    for match in KERNEL.finditer(code):
        place = f"{name}:{line(match.start())}"
        kernels.add(match[2])
        if not match[2].endswith("_kernel"):
            yield f"{place}: {match[2]}: names of kernels end in _kernel"
        if "__launch_bounds__" not in match[1] and match[2] != "probe_kernel":
            yield f"{place}: {match[2]} has no __launch_bounds__"
        if not any(begin < match.start() < end for begin, end in unnamed):
            yield f"{place}: {match[2]} is not in an unnamed namespace"
    if len(kernels) != len(re.findall(r"\b__global__\b", code)):
        yield f"{name}: a kernel that this script cannot read, or two of one name"

    in_reach = kernels_of(path)
    for match in re.finditer(r'\blaunch\(\s*\w+,\s*"(\w+)",\s*(\w+)', code):
        place = f"{name}:{line(match.start())}"
        if match[2] != match[1] + "_kernel":
            yield f'{place}: {match[2]} is started under the name "{match[1]}"'
        if match[2] not in in_reach:
            yield f"{place}: {match[2]} is started in another translation unit than defines it"


def main():
    files = sorted([*KERNELS.rglob("*.cu"), *KERNELS.rglob("*.cuh")])
    problems = [problem for path in files for problem in check(path)]
    listed = (KERNELS / "anylead/cuda/kernels.cuh").read_text()
    for path in sorted((KERNELS / "src").glob("*")):
        header = {".cu": ".cuh", ".cpp": ".ipp"}.get(path.suffix)
        if header and f"<anylead/cuda/{path.stem}{header}>" not in listed:
            problems.append(f"kernels/anylead/cuda/kernels.cuh: {path.stem}{header} is missing")
    print("\n".join(problems) if problems else f"kernels: {len(files)} files keep the rules")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
