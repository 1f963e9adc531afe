#!/usr/bin/env python3
"""Fails on an #include that crosses the layers of the library (docs/concepts.md) or names a file that is not there.

The host part of the CUDA backend, kernels/, is a layer as include/anylead/cpu is; its kernel files: check_kernels.py.
"""

import pathlib
import re
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ROOTS = [REPOSITORY / "include", REPOSITORY / "kernels"]

# layer -> layers it may include, beside itself
ALLOWED = {
    "core": set(),
    "cpu": {"core"},
    "cuda": {"core"},
    "autograd": {"core"},
    "ops": {"core", "autograd"},
    "nn": {"core", "autograd", "ops"},
    "optim": {"core", "autograd", "ops", "nn"},
    "ssl": {"core", "autograd", "ops", "nn"},
    "data": {"core"},
    "io": {"core", "autograd", "nn"},
    "report": {"core", "data"},
    "train": {"core", "autograd", "ops", "nn", "optim", "ssl", "data", "io", "report", "cpu"},
}
# single files that a layer may include of another
FILES = {
    "io": {"anylead/nn/module.hpp", "anylead/nn/parameter.hpp", "anylead/autograd/tape.hpp"},
    "report": {"anylead/data/record.hpp"},
    "optim": {"anylead/nn/module.hpp"},
}
ONLY = {"io": {"nn", "autograd"}, "report": {"data"}, "optim": {"nn"}}  # of these layers only the files above
FORBIDDEN = {"<iostream>", "<regex>", "<format>", "<source_location>"}


def layer(path):
    parts = pathlib.PurePosixPath(path).parts
    return parts[1] if len(parts) > 2 else ""  # umbrella headers lie in anylead/ itself


def main():
    problems = []
    for file in sorted(file for root in ROOTS for file in root.rglob("*.[hic]pp")):
        name = file.relative_to(REPOSITORY).as_posix()
        own = "cuda" if name.startswith("kernels/") else layer(name.removeprefix("include/"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
            if not match:
                continue
            target, place = match.group(2), f"{name}:{number}"
            if match.group(1) == '"':
                problems.append(f"{place}: own headers are included as <anylead/...>")
            if f"<{target}>" in FORBIDDEN:
                problems.append(f"{place}: <{target}> is not for headers")
            if target.startswith("Eigen/") and own != "cpu":
                problems.append(f"{place}: Eigen is for include/anylead/cpu")
            if not target.startswith("anylead/"):
                continue
            if not any((root / target).exists() for root in ROOTS):
                problems.append(f"{place}: {target} does not exist")
            other = layer(target)
            if own == "" or other == own:
                continue
            if own == "cuda" and target == "anylead/cuda.hpp":
                continue
            if other == "" and target != "anylead/cpu.hpp":
                problems.append(f"{place}: a layer includes the umbrella {target}")
            elif other == "" and own != "train":
                problems.append(f"{place}: layer {own} reaches a device through the op table, not through {target}")
            elif other and own not in ALLOWED:
                problems.append(f"{place}: unknown layer {own}")
            elif other and other not in ALLOWED[own]:
                problems.append(f"{place}: layer {own} may not include layer {other}")
            elif other in ONLY.get(own, ()) and target not in FILES[own]:
                problems.append(f"{place}: of layer {other}, layer {own} may only include {', '.join(sorted(FILES[own]))}")
    print("\n".join(problems) if problems else "layers: every include is allowed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
