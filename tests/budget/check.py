#!/usr/bin/env python3
"""What including the library costs: preprocessed lines, held to limits.txt, and seconds of g++ -O2, reported only.

More lines than the limit fail; 10 % fewer ask for a lower limit. --seconds also times the compiler (a minute).
"""

import pathlib
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
COMPILER = ["g++", "-std=c++20", "-O2", "-Wno-psabi", f"-I{ROOT / 'include'}", "-x", "c++", "-"]


def compiler(program, *arguments):
    return subprocess.run([*COMPILER, *arguments], input=program, capture_output=True, text=True, check=True, cwd="/tmp").stdout


def main():
    seconds_too = "--seconds" in sys.argv
    failed = False
    for line in (FOLDER / "limits.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        limit, *headers = line.split()
        program = "".join(f"#include <anylead/{header}>\n" for header in headers)
        program += "int main() { anylead::cpu(); }\n" if "cpu.hpp" in headers else "int main() {}\n"
        lines = sum(1 for text in compiler(program, "-E", "-P").splitlines() if text.strip())
        verdict = ""
        if lines > int(limit):
            failed = True
            verdict = "  OVER THE LIMIT: include less, or raise it in tests/budget/limits.txt and say why in the commit"
        elif lines < 0.9 * int(limit):
            verdict = "  the limit may be lowered"
        seconds = ""
        if seconds_too:
            start = time.monotonic()
            compiler(program, "-c", "-o", "/dev/null")
            seconds = f"{time.monotonic() - start:6.1f} s"
        print(f"{' '.join(headers):24} {lines:7} lines of {limit}{seconds}{verdict}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
