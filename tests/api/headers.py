#!/usr/bin/env python3
"""Every public function and type has a comment: headers.py FOLDER

A function's comment stands above it, or above the declarations that it follows without an empty line, or behind it.
"""
import os
import re
import sys


def blocks(lines):
    """Runs of lines without an empty one, as (number of the first, lines)."""
    start = None
    for number, line in enumerate(lines + [""], 1):
        if line.strip() and start is None:
            start = number
        elif not line.strip() and start is not None:
            yield start, lines[start - 1:number - 1]
            start = None


def check_block(path, start, block, wrong):
    commented = False
    for offset, line in enumerate(block):
        if line.lstrip().startswith("//"):
            commented = True
        match = re.match(r"(DAUB_API\b.*?\b(daub_\w+)\(|typedef (struct|enum) (daub_\w+))", line)
        if not match:
            continue
        end = next((l for l in block[offset:] if ";" in l or l.endswith("{")), line)
        if not commented and "//" not in end:
            wrong.append("%s:%d: %s has no comment" % (path, start + offset, match.group(2) or match.group(4)))
        if ";" in end and "//" in end:
            commented = True


def main():
    wrong = []
    n = 0
    for name in sorted(os.listdir(sys.argv[1])):
        if not name.endswith(".h"):
            continue
        path = os.path.join(sys.argv[1], name)
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        n += sum(line.startswith("DAUB_API") for line in lines)
        for start, block in blocks(lines):
            check_block(path, start, block, wrong)
    for line in wrong:
        print(line)
    print("%d functions" % n)
    return 1 if wrong or n == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
