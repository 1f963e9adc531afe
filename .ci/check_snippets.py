#!/usr/bin/env python3
"""Code in README.md and docs/ is that of compiled files.

    <!-- snippet: examples/readme.cpp -->                  the whole file
    <!-- snippet: examples/02_own_layer.cpp layer -->      what is between the lines "// [layer]" and "// [/layer]"

stands before a fenced block that must equal it. With --fix the blocks are brought up to date. Fenced blocks of C++ without such
a line are an error, and so are links to files that do not exist.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- snippet: (?P<source>\S+)(?: (?P<part>\S+))? -->\n+)?(?P<open>```(?P<language>\w*)\n)(?P<code>.*?)```", re.S)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def snippet(source, part):
    text = (ROOT / source).read_text()
    if part:
        match = re.search(rf"^[ \t]*(?://|#) \[{part}\]\n(.*?)^[ \t]*(?://|#) \[/{part}\]$", text, re.S | re.M)
        if not match:
            raise KeyError(f"{source} has no part [{part}]")
        text = match[1]
        indent = min((len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()), default=0)
        text = "".join(line[indent:] if line.strip() else "\n" for line in text.splitlines(keepends=True))
    return text


def main():
    fix = "--fix" in sys.argv
    problems, count = [], 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text()
        name = page.relative_to(ROOT)

        def check(match):
            nonlocal count
            line = text.count("\n", 0, match.start()) + 1
            if not match["source"]:
                if match["language"] in ("cpp", "c++", "cuda"):
                    problems.append(f"{name}:{line}: C++ without a snippet line")
                return match[0]
            count += 1
            try:
                expected = snippet(match["source"], match["part"])
            except (OSError, KeyError) as error:
                problems.append(f"{name}:{line}: {error}")
                return match[0]
            if match["code"] != expected and not fix:
                problems.append(f"{name}:{line}: differs from {match['source']} {match['part'] or ''}(--fix updates it)")
            return match[1] + match["open"] + expected + "```"

        updated = BLOCK.sub(check, text)
        if fix and updated != text:
            page.write_text(updated)
        prose = re.sub(r"```.*?```|`[^`\n]*`", lambda code: re.sub(r"[^\n]", " ", code[0]), text, flags=re.S)
        for link in LINK.finditer(prose):
            if not (page.parent / link[1]).exists():
                line = prose.count("\n", 0, link.start()) + 1
                problems.append(f"{name}:{line}: link to {link[1]}, which does not exist")
    print("\n".join(problems) if problems else f"snippets: {count} agree with their files")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
