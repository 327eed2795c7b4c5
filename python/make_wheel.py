#!/usr/bin/env python3
"""A wheel with a built libdaub, what that needs beside the C library, and the default model: make_wheel.py LIBDAUB
FOLDER [MODEL]

Works in a copy, FOLDER/source, so that the source tree stays as it is; leaves
FOLDER/daub-VERSION-py3-none-PLATFORM.whl. Needs setuptools and wheel, and no network.
"""

import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEMS = re.compile(r"^(linux-vdso|ld-linux.*|lib(c|m|dl|pthread|rt|gcc_s))\.")  # there wherever Python is


def needed(library):
    """Paths of the libraries that a library loads, the system's own left out."""
    listed = subprocess.run(["ldd", library], check=True, capture_output=True, text=True).stdout
    for name, path in re.findall(r"^\s*(\S+) => (.+?)(?: \(0x\w+\))?$", listed, re.M):
        if not SYSTEMS.match(name):
            if not os.path.exists(path):
                raise SystemExit("make_wheel: %s needs %s, which is not found" % (library, name))
            yield name, path


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    library, folder = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    model = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else os.path.join(HERE, "..", "models", "default")
    source = os.path.join(folder, "source")
    shutil.rmtree(source, ignore_errors=True)
    package = os.path.join(source, "daub")
    shutil.copytree(os.path.join(HERE, "daub"), package, ignore=shutil.ignore_patterns("__pycache__", "lib", "model"))
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(os.path.join(HERE, name), source)
    for name in ("LICENSE", "THIRD_PARTY.md"):
        shutil.copy(os.path.join(HERE, "..", name), source)
    os.mkdir(os.path.join(package, "lib"))
    shutil.copyfile(library, os.path.join(package, "lib", "libdaub.so"))
    for name, path in needed(library):
        shutil.copyfile(path, os.path.join(package, "lib", name))
        # What Debian says of its licence goes along, by the package's name: libcjson1 has libcjson.so.1.
        owner = re.sub(r"\.so\.(\d+).*", r"\1", name)
        licence = os.path.join("/usr/share/doc", owner, "copyright")
        if os.path.exists(licence):
            shutil.copyfile(licence, os.path.join(source, "NOTICE." + owner))
    shutil.copytree(model, os.path.join(package, "model"), ignore=shutil.ignore_patterns("goldens", "sheet.*"))
    for name in os.listdir(folder):
        if name.endswith(".whl"):
            os.unlink(os.path.join(folder, name))
    os.chdir(source)
    from setuptools import build_meta  # what pip and build call

    print(os.path.join(folder, build_meta.build_wheel(folder)))


if __name__ == "__main__":
    main()
