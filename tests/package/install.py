#!/usr/bin/env python3
"""Packages: what cmake --install puts somewhere serves an outside program: install.py BUILD_FOLDER SOURCE_FOLDER CMAKE

The tree is installed, moved, and examples/minimal.c built against it by pkg-config and by find_package, with the shared library and
with the archive, and against the sources by add_subdirectory. All of them draw, and draw the same picture.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD, SOURCE, CMAKE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3]
MINIMAL = os.path.join(SOURCE, "examples", "minimal.c")
CC = os.environ.get("CC", "cc")
failures = []

PROJECT = """cmake_minimum_required(VERSION 3.22)
project(outside VERSION 1.0 LANGUAGES C)
%s
add_executable(shared "%s")
target_link_libraries(shared PRIVATE daub::daub)
add_executable(static "%s")
target_link_libraries(static PRIVATE daub::static)
"""


def check(ok, what):
    if not ok:
        failures.append(what)
        print("FAIL", what)


def run(*command, env=None, **kw):
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **(env or {})), timeout=1200, **kw)


def must(*command, **kw):
    result = run(*command, **kw)
    if result.returncode != 0:
        sys.exit("FAIL %s\n%s%s" % (" ".join(command), result.stdout[-4000:], result.stderr[-4000:]))
    return result.stdout


def needed(program):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", must("readelf", "-d", program))


def only(pattern):
    paths = glob.glob(pattern, recursive=True)
    check(len(paths) == 1, "%s: %r" % (pattern, paths))
    return paths[0] if paths else ""


def draw(program, library_folder=None):
    out = os.path.abspath("picture.ppm")
    if os.path.exists(out):
        os.remove(out)
    result = run(program, "a red apple", out, env={"LD_LIBRARY_PATH": library_folder} if library_folder else None)
    check(result.returncode == 0 and os.path.exists(out), "%s draws: %s" % (program, result.stderr))
    return open(out, "rb").read() if os.path.exists(out) else None


def by_cmake(name, lines, *options):
    os.makedirs(name)
    with open(os.path.join(name, "CMakeLists.txt"), "w", encoding="utf-8") as file:
        file.write(PROJECT % (lines, MINIMAL, MINIMAL))
    must(CMAKE, "-S", name, "-B", name + "/build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", *options)
    must(CMAKE, "--build", name + "/build", "--target", "shared", "static")
    shared, static = name + "/build/shared", name + "/build/static"
    check("libdaub.so.0" in needed(shared), "%s: shared needs %r" % (name, needed(shared)))
    check("libdaub.so.0" not in needed(static), "%s: static needs %r" % (name, needed(static)))
    return [draw(os.path.abspath(shared)), draw(os.path.abspath(static))]


def by_pkg_config(library_folder):
    env = {"PKG_CONFIG_PATH": os.path.join(library_folder, "pkgconfig")}
    check(must("pkg-config", "--modversion", "daub", env=env).strip() == "0.1.0", "the version")
    must(CC, MINIMAL, "-o", "pc-shared", *must("pkg-config", "--cflags", "--libs", "daub", env=env).split())
    check("libdaub.so.0" in needed("pc-shared"), "pkg-config: shared needs %r" % needed("pc-shared"))
    check("DAUB_0.1" in must("readelf", "-V", "pc-shared"), "a program asks for symbols of version DAUB_0.1")
    flags = must("pkg-config", "--static", "--cflags", "--libs", "daub", env=env).split()
    must(CC, MINIMAL, "-o", "pc-static", *["-l:libdaub.a" if flag == "-ldaub" else flag for flag in flags])
    check("libdaub.so.0" not in needed("pc-static"), "pkg-config: static needs %r" % needed("pc-static"))
    return [draw(os.path.abspath("pc-shared"), library_folder), draw(os.path.abspath("pc-static"))]


def components():
    """Each file belongs to one component, and to the right one."""
    owners = {}
    for component in ("runtime", "data", "tool", "dev"):
        must(CMAKE, "--install", BUILD, "--prefix", os.path.abspath("parts/" + component), "--component", component)
        for folder, _, files in os.walk("parts/" + component):
            for file in files:
                owners.setdefault(os.path.relpath(os.path.join(folder, file), "parts/" + component), []).append(component)
    every = {os.path.relpath(os.path.join(folder, file), "first") for folder, _, files in os.walk("first") for file in files}
    check(every == set(owners), "files without a component: %r" % (every ^ set(owners)))
    for path, names in owners.items():
        wanted = ("tool" if re.match(r"bin/|share/(man|bash-|zsh|fish)", path) else "data" if path.startswith("share/") else
                  "runtime" if ".so." in path else "dev")
        check(names == [wanted], "%s belongs to %r, not %s" % (path, names, wanted))


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        must(CMAKE, "--install", BUILD, "--prefix", os.path.abspath("first"))
        components()
        os.rename("first", "moved")
        library_folder = os.path.dirname(os.path.abspath(only("moved/lib/**/libdaub.so")))
        for path in ("bin/daub", "share/man/man1/daub.1*", "share/bash-completion/completions/daub", "share/zsh/site-functions/_daub",
                     "share/fish/vendor_completions.d/daub.fish", "include/daub.hpp", "share/daub/models/default/model_index.json"):
            only("moved/" + path)
        headers = [sorted(os.listdir(path)) for path in (os.path.join(SOURCE, "include"), "moved/include")]
        check(headers[0] == headers[1], "headers: %r, not %r" % (headers[1], headers[0]))
        pictures = by_pkg_config(library_folder)
        pictures += by_cmake("found", "find_package(daub 0.1 REQUIRED)", "-DCMAKE_PREFIX_PATH=" + os.path.abspath("moved"))
        pictures += by_cmake("inside", 'add_subdirectory("%s" daub)' % SOURCE)
        check(len(pictures) == 6 and len(set(pictures)) == 1, "six programs, one picture: %d" % len(set(pictures)))
        result = run(os.path.abspath("moved/bin/daub"), "a red apple", "--steps", "2", "-q", "-o", "command.png")
        check(result.returncode == 0 and os.path.exists("command.png"), "the installed command draws: %s" % result.stderr)
        # What lies beside the moved library, and beside the moved command, is what they take.
        shutil.rmtree("moved/share/daub/models/default/unet")
        for command, env in ((["moved/bin/daub", "a red apple"], {}), (["./pc-shared"], {"LD_LIBRARY_PATH": library_folder})):
            result = run(*command, env=env)
            check(result.returncode == 1 and "moved/" in result.stderr and "share/daub/models/default" in result.stderr,
                  "%s takes the model of its own tree: %s" % (command[0], result.stderr))
        os.chdir("/")
    print("%d failed" % len(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
