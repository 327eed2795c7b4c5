#!/usr/bin/env python3
"""What the stripped shared library shows and needs: exports.py LIBRARY INCLUDE_FOLDER NM READELF STRIP

Its symbols are the functions of the public headers and no others, in one version, it is below 3 MB, and it needs neither a C++ runtime nor
the Vulkan loader.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

LIMIT = 3000000  # bytes


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def declared(folder):
    names = set()
    for name in os.listdir(folder):
        if name.endswith(".h"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = re.sub(r"//[^\n]*", "", file.read())
            names |= set(re.findall(r"^DAUB_API [^;]*?\b(daub_\w+)\(", text, re.M))
    return names


def main():
    library, include, nm, readelf, strip = sys.argv[1:]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, "libdaub.so")
        shutil.copyfile(library, stripped)
        subprocess.run([strip, stripped], check=True)
        size = os.path.getsize(stripped)
        lines = [line.split()[-2:] for line in output(nm, "-D", "--defined-only", stripped).splitlines()]
        exported = {name.split("@")[0] for kind, name in lines if kind != "A"}  # A: the version itself
        versions = {name.partition("@@")[2] for kind, name in lines if kind != "A"}
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output(readelf, "-d", stripped))
        soname = re.findall(r"\(SONAME\).*\[(.*)\]", output(readelf, "-d", stripped))
    print("%d bytes, %d symbols, needs %s" % (size, len(exported), ", ".join(needed)))
    if size >= LIMIT:
        wrong.append("it has %d bytes, the limit is %d" % (size, LIMIT))
    for name in sorted(exported - declared(include)):
        wrong.append("it exports %s, which no public header declares" % name)
    for name in sorted(declared(include) - exported):
        wrong.append("it does not export %s" % name)
    for name in needed:
        if re.match(r"lib(vulkan|stdc\+\+|c\+\+|gcc_s)", name):
            wrong.append("it needs %s" % name)
    if not soname or not re.fullmatch(r"libdaub\.so\.\d+", soname[0]):
        wrong.append("its soname is %s" % soname)
    if versions != {"DAUB_0.1"}:
        wrong.append("its symbols have the versions %s" % sorted(versions))
    for line in wrong:
        print(line)
    return 1 if wrong or not exported else 0


if __name__ == "__main__":
    sys.exit(main())
