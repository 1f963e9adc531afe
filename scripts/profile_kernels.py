#!/usr/bin/env python3
"""Profiles the flagship kernels at the shapes of the base model.

  scripts/profile_kernels.py --simulator PROGRAM   counts traffic on a simulator, asks ptxas: writes docs/kernels/table.md
  scripts/profile_kernels.py --gpu                 measures times on a GPU: writes docs/kernels/times.md
  ... --simulator PROGRAM --only TEXT...           profiles passes whose names contain one of TEXT, keeps the others' rows

Both need the program flagships: cmake --preset cuda-sim (or cuda-release), then cmake --build build/cuda-sim --target
bench_flagships. The simulator writes a JSON object per launch into the file that SIMT_PROFILE names.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ("attention", "attention_bf16", "conv1d", "conv1d_bf16", "conv1d_block", "conv1d_gelu_gradient", "conv_positional",
           "conv_positional_bf16", "gumbel_quantize", "lead_conv1d", "masking", "pair_contrastive", "sampled_contrastive",
           "elementwise", "group_norm", "similarity")
# H100 SXM: bytes/s; FLOP/s in float; FLOP/s in bf16 by mma.sync, 60 % of the 989e12 that wgmma has
BANDWIDTH, FLOAT_RATE, HALF_RATE = 3.35e12, 67e12, 0.6 * 989e12
# sm_90: registers, shared bytes, warps and blocks of a multiprocessor; shared bytes that the system takes from each block
REGISTERS, SHARED, WARPS, BLOCKS, OWN_SHARED = 65536, 228 << 10, 64, 32, 1024


def run(command, **kwargs):
    done = subprocess.run(command, capture_output=True, text=True, **kwargs)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def short(name):
    """A kernel's name and template arguments, spelled alike whoever demangled them."""
    name = re.sub(r"anylead::cuda_ops::|anylead::|\(anonymous namespace\)::|_GLOBAL__N__\w+::|^void ", "", name)
    name = re.sub(r"\((bool|int|unsigned int|long|GradMode)\)", "", name)
    name = re.sub(r"\btrue\b", "1", re.sub(r"\bfalse\b", "0", name))
    depth, end = 0, len(name)
    for i, c in enumerate(name):  # up to the list of parameters
        depth += {"<": 1, ">": -1}.get(c, 0)
        if c == "(" and depth == 0:
            end = i
            break
    return name[:end].replace(" ", "")


def passes(program, batch):
    for line in run([program, "--list", str(batch)]).splitlines():
        name, shape, size, flops = line.split("\t")
        yield name, shape, int(size), int(flops)


def launches(simulator, program, name, batch):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "profile.json")
        run([simulator, program, name, str(batch)], env={**os.environ, "SIMT_PROFILE": path})
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]


def resources(nvcc):
    """Registers and spilled bytes of every kernel on sm_80 and sm_90, by its short name."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for source in SOURCES:
            text = run([nvcc, "-fatbin", "-gencode=arch=compute_80,code=sm_80", "-gencode=arch=compute_90,code=sm_90", "-O3",
                        "-std=c++20", "-Xptxas", "-v", f"-I{ROOT}/kernels", f"-I{ROOT}/include", "-o", f"{folder}/kernels", f"{ROOT}/kernels/src/{source}.cu"])
            entry = re.compile(r"Compiling entry function '(\S+)' for 'sm_(\d+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads"
                               r".*?Used (\d+) registers", re.S)
            for mangled, architecture, stores, loads, registers in entry.findall(text):
                name = short(run(["c++filt", mangled]).strip())
                found.setdefault(name, {})[architecture] = (int(registers), int(stores) + int(loads))
    return found


def resident_warps(threads, registers, shared):
    warps = -(-threads // 32)
    of_registers = REGISTERS // (-(-registers * 32 // 256) * 256 * warps)
    blocks = min(BLOCKS, WARPS // warps, of_registers, SHARED // (shared + OWN_SHARED))
    return blocks * warps


def traffic(launch):
    load, store = launch["global_load"], launch["global_store"]
    return {"requested": load["bytes"] + store["bytes"], "sectors": 32 * (load["sectors"] + store["sectors"]),
            "distinct": 32 * (launch["unique_read_sectors"] + launch["unique_write_sectors"]),
            "wavefronts": sum(launch[k]["wavefronts"] for k in ("shared_load", "shared_store")),
            "ideal": sum(launch[k]["ideal"] for k in ("shared_load", "shared_store"))}


def floor(name, size, flops):
    """Seconds below which an H100 cannot do a pass, and which of its rates says so."""
    moved, computed = size / BANDWIDTH, flops / (HALF_RATE if name.endswith("bf16") else FLOAT_RATE)
    return (moved, "bytes") if moved >= computed else (computed, "products")


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |\n"


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def kept_rows(path):
    """Rows of a table written before, by the pass that they begin with; headings are not among them."""
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else ():
        if line.startswith("| ") and not line.startswith(("| Pass ", "| ---")):
            section = "kernels" if line.split(" | ")[1].startswith("`") else "passes"
            rows.setdefault((section, line[2:].split(" | ")[0]), []).append(line)
    return rows


def table(simulator, program, nvcc, batch, kept, wanted):
    """kept: rows of passes that are not wanted(name)."""
    known, kernels = resources(nvcc), {}
    text = f"""# Kernels in numbers

Written by `scripts/profile_kernels.py --simulator PROGRAM` on {datetime.date.today().isoformat()}, **on a simulator, not on a GPU**:
traffic is counted, time is not measured. What the columns mean, and what a GPU has to confirm, is in the
[notes](README.md). The shapes are those of the base model with a batch of {batch}.

## Passes

"""
    text += row("Pass", "Shape", "Launches", "Products, MFLOP", "On tensor cores, MFLOP", "Other, MFLOP", "Fewest bytes, MB",
                "Requested / fewest", "Distinct / fewest", "Floor on an H100, us")
    text += row(*["---", "---"] + ["---:"] * 8)
    for name, shape, size, flops in passes(program, batch):
        if not wanted(name):
            text += "".join(kept.get(("passes", name), ()))
            kernels[name] = None
            continue
        done = launches(simulator, program, name, batch)
        total = [traffic(launch) for launch in done]
        seconds, bound = floor(name, size, flops)
        text += row(name, shape, len(done), number(flops / 1e6), number(sum(k["mma_flops"] for k in done) / 1e6),
                    number(sum(k["flops"] for k in done) / 1e6), number(size / 1e6),
                    f"{sum(t['requested'] for t in total) / size:.2f}", f"{sum(t['distinct'] for t in total) / size:.2f}",
                    f"{seconds * 1e6:.2f} ({bound})")
        for launch in done:
            kernels.setdefault(name, {}).setdefault(short(launch["kernel"]), launch)
    text += "\n## Kernels\n\n"
    text += row("Pass", "Kernel", "Threads", "Registers, sm_80/sm_90", "Spilled bytes", "Shared, KiB", "Resident warps of 64", "Coalescing",
                "Wavefronts / ideal")
    text += row(*["---", "---"] + ["---:"] * 7)
    for name, launched in kernels.items():
        if launched is None:
            text += "".join(kept.get(("kernels", name), ()))
            continue
        for kernel, launch in launched.items():
            t, threads = traffic(launch), launch["block"][0] * launch["block"][1] * launch["block"][2]
            shared = launch["static_shared"] + launch["dynamic_shared"]
            of = [known[kernel][architecture] for architecture in ("80", "90")]
            text += row(name, f"`{kernel}`", threads, "/".join(str(registers) for registers, _ in of),
                        "/".join(str(spilled) for _, spilled in of), f"{shared / 1024:.1f}", resident_warps(threads, of[1][0], shared),
                        f"{t['requested'] / t['sectors']:.2f}" if t["sectors"] else "",
                        f"{t['wavefronts'] / t['ideal']:.2f}" if t["ideal"] else "")
    return text


def times(program, batch):
    of = {name: (shape, size, flops) for name, shape, size, flops in passes(program, batch)}
    device = run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]).splitlines()[0]
    text = f"""# Kernels on a GPU

Written by `scripts/profile_kernels.py --gpu` on {datetime.date.today().isoformat()}: {device}, batch {batch}. The median of seven
measurements of many calls in a row; the floor is that of an H100 SXM.

"""
    text += row("Pass", "Shape", "us", "Floor, us", "Floor / time")
    text += row("---", "---", "---:", "---:", "---:")
    for line in run([program, "--time", str(batch)]).splitlines():
        name, measured = line.split("\t")
        shape, size, flops = of[name]
        seconds, bound = floor(name, size, flops)
        text += row(name, shape, f"{float(measured) * 1e6:.1f}", f"{seconds * 1e6:.2f} ({bound})",
                    f"{seconds / float(measured):.2f}")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--simulator", help="runs CUDA programs on the processor and writes profiles")
    where.add_argument("--gpu", action="store_true", help="measure times instead")
    parser.add_argument("--program", type=pathlib.Path, help="flagships; default: that of build/cuda-sim or build/cuda-release")
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="profile these passes only; the table has the others already")
    parser.add_argument("--batch", type=int, help="segments; default: 24 on a simulator, where convolutions take large tiles, 64 on a GPU")
    parser.add_argument("--out", type=pathlib.Path, help="default: docs/kernels/table.md or times.md")
    options = parser.parse_args()
    preset = "cuda-release" if options.gpu else "cuda-sim"
    program = options.program or ROOT / "build" / preset / "benchmarks" / "flagships"
    if not program.exists():
        sys.exit(f"{program} is not there: cmake --preset {preset} && cmake --build build/{preset} --target bench_flagships")
    if options.gpu:
        text, name = times(program, options.batch or 64), "times.md"
    else:
        name, wanted = "table.md", lambda of: not options.only or any(text in of for text in options.only)
        kept = kept_rows(options.out or ROOT / "docs" / "kernels" / name)
        text = table(options.simulator, program, options.nvcc, options.batch or 24, kept, wanted)
    out = options.out or ROOT / "docs" / "kernels" / name
    out.write_text(text, encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
