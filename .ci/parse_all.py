#!/usr/bin/env python3
"""Has the compiler of a build folder parse every source file of it, without building. Usage: parse_all.py BUILD_FOLDER"""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys


def parse(entry):
    command = re.sub(r" -o \S+", "", entry["command"])
    words = shlex.split(command) + ["-fsyntax-only"]
    done = subprocess.run(words, cwd=entry["directory"], capture_output=True, text=True)
    return entry["file"], done.returncode, done.stdout + done.stderr


def main():
    entries = json.loads((pathlib.Path(sys.argv[1]) / "compile_commands.json").read_text())
    failed = False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, status, output in pool.map(parse, entries):
            if status:
                print(f"{file} is refused:\n{output}")
                failed = True
    print(f"parsed {len(entries)} source files")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
