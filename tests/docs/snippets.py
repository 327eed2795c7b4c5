#!/usr/bin/env python3
"""The C in the documents compiles without a warning, and README's program draws what the command draws.

    snippets.py SOURCE_DIR COMPILER VULKAN_INCLUDE_DIR PATH/libdaub.so PATH/daub

A block that is no whole file is compiled as one, or as the body of a function, behind snippets.h, which declares what a host has. A
block "```c PATH" is an excerpt: its lines stand in that file, in their order, whatever is left out between them.
"""
import os
import re
import subprocess
import sys
import tempfile

COMPILER = sys.argv[2]
TOP, VULKAN, LIBRARY, DAUB = (os.path.abspath(sys.argv[i]) for i in (1, 3, 4, 5))
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-I", os.path.join(TOP, "include"), "-isystem", VULKAN]
DOCUMENTS = ["README.md", "docs/embedding.md", "docs/extending.md", "docs/user-guide.md", "docs/formats.md"]


def blocks(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        text = file.read()
    for match in re.finditer(r"^```c(?: (\S+))?\n(.*?)^```$", text, flags=re.S | re.M):
        yield text.count("\n", 0, match.start()) + 2, match.group(1), match.group(2)


def excerpt(name, line, source, code):
    with open(os.path.join(TOP, source), encoding="utf-8") as file:
        rest = iter([" ".join(row.split()) for row in file])
    for i, row in enumerate(code.splitlines()):
        if row.strip() and " ".join(row.split()) not in rest:
            print("FAIL %s:%d is not in %s, or not there: %s" % (name, line + i, source, row))
            return False
    return True


def compile_c(folder, source, *args):
    path = os.path.join(folder, "snippet.c")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    return subprocess.run([COMPILER, *FLAGS, *args, path], cwd=folder, capture_output=True, text=True)


def check(folder, name, line, code):
    here = '#line %d "%s"\n' % (line, name)
    if "int main(" in code:
        tries = [here + code]
    else:
        before = '#include "%s/tests/docs/snippets.h"\n' % TOP
        tries = [before + here + code, before + "void snippet(void);\nvoid snippet(void)\n{\n" + here + code + "}\n"]
    for source in tries:
        result = compile_c(folder, source, "-fsyntax-only")
        if result.returncode == 0:
            return True
    print("FAIL %s:%d does not compile:\n%s" % (name, line, result.stderr))
    return False


def readme_draws(folder):
    """The program in README.md, built and run: the same pixels as `daub "a red apple" --seed 0`."""
    code = next(code for _, _, code in blocks("README.md") if "int main(" in code)
    out = os.path.join(folder, "program")
    result = subprocess.run([COMPILER, *FLAGS, "-x", "c", "-", "-x", "none", "-o", out, LIBRARY, "-Wl,-rpath," + os.path.dirname(LIBRARY)], input=code,
                            capture_output=True, text=True)
    if result.returncode != 0:
        print("FAIL README.md's program does not link:\n" + result.stderr)
        return False
    env = {k: v for k, v in os.environ.items() if k != "DAUB_DEBUG"}
    result = subprocess.run([out], cwd=folder, env=env, timeout=300)
    drawn = subprocess.run([DAUB, "a red apple", "--seed", "0", "-q", "-o", "wanted.ppm"], cwd=folder, env=env, timeout=300)
    with open(os.path.join(folder, "apple.ppm"), "rb") as ours, open(os.path.join(folder, "wanted.ppm"), "rb") as wanted:
        same = ours.read()[-64 * 64 * 3:] == wanted.read()[-64 * 64 * 3:]
    if result.returncode or drawn.returncode or not same:
        print("FAIL README.md's program ended with %d, its picture is %s" % (result.returncode, "right" if same else "another one"))
    return same and result.returncode == 0


def main():
    n, good = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name in DOCUMENTS:
            for line, source, code in blocks(name):
                n += 1
                good += excerpt(name, line, source, code) if source else check(folder, name, line, code)
        n, good = n + 1, good + readme_draws(folder)
    print("%d passed, %d failed: pieces of C in documents" % (good, n - good))
    sys.exit(0 if n == good and n > 4 else 1)


main()
