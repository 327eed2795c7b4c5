#!/usr/bin/env python3
"""What Markdown files point at is there: relative links and their anchors, files named in backquotes, presets of CMake in commands, and every
figure is shown somewhere.

    links.py SOURCE_DIR
"""
import json
import os
import re
import sys

TOP = os.path.abspath(sys.argv[1])
FOLDERS = ("include", "runtime", "models", "shaders", "examples", "tools", "tests", "docs")
FIGURES = "docs/figures"
failures = []


def fail(where, what):
    failures.append(what)
    print("FAIL %s: %s" % (os.path.relpath(where, TOP), what))


def documents():
    for folder, folders, files in os.walk(TOP):
        folders[:] = [f for f in folders if f not in ("build", ".git") and not f.startswith(".")]
        for name in files:
            if name.endswith(".md"):
                yield os.path.join(folder, name)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def prose(text):
    """Without fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)


def anchors(text):
    """As forges make them of headings."""
    heads = re.findall(r"^#+ +(.*?) *$", prose(text), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head).lower()).replace(" ", "-") for head in heads}


def check_links(path, shown):
    n = 0
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(read(path)))):
        if re.match(r"[a-z]+:", target):
            continue
        n += 1
        name, _, anchor = target.partition("#")
        to = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        shown.add(os.path.relpath(to, TOP))
        if not os.path.exists(to):
            fail(path, "a link to %s, which is not there" % target)
        elif anchor and anchor not in anchors(read(to)):
            fail(path, "a link to %s, whose file has no such heading" % target)
    return n


def check_names(path):
    """`runtime/op/gemm.c` exists. What has a placeholder in it (<name>, NAME, *) is not looked for."""
    n = 0
    for name in re.findall(r"`([\w./-]+)`", prose(read(path))):
        if name.split("/")[0] not in FOLDERS or "/" not in name or re.search(r"[A-Z]{2,}", os.path.splitext(os.path.basename(name))[0]):
            continue
        n += 1
        if not os.path.exists(os.path.join(TOP, name)):
            fail(path, "%s is named, which is not there" % name)
    return n


def check_presets(path, presets):
    """`ctest --preset dev` names a preset that ctest has; so of cmake and cmake --build."""
    n = 0
    for program, build, name in re.findall(r"\b(cmake|ctest|cpack) (--build )?--preset[ =]([\w-]+)", read(path)):
        kind = "buildPresets" if build else {"cmake": "configurePresets", "ctest": "testPresets", "cpack": "packagePresets"}[program]
        n += 1
        if name not in [p["name"] for p in presets.get(kind, ()) if not p.get("hidden")]:
            fail(path, "%s %s--preset %s: CMakePresets.json has no such preset of that kind" % (program, build, name))
    return n


def main():
    presets, n_presets = json.loads(read(os.path.join(TOP, "CMakePresets.json"))), 0
    shown, n_files, n_links, n_names = set(), 0, 0, 0
    for path in documents():
        n_files += 1
        n_links += check_links(path, shown)
        n_presets += check_presets(path, presets)
        if os.path.dirname(path) in (TOP, os.path.join(TOP, "docs")) and os.path.basename(path) not in ("ARCHITECTURE.md", "LICENSES.md"):
            n_names += check_names(path)
    for name in sorted(os.listdir(os.path.join(TOP, FIGURES))):
        if name.endswith((".png", ".jpg", ".svg")) and os.path.join(FIGURES, name) not in shown:
            fail(os.path.join(TOP, FIGURES, name), "no document shows it")
    total = sum(os.path.getsize(os.path.join(TOP, FIGURES, name)) for name in os.listdir(os.path.join(TOP, FIGURES)))
    if total > 2500000:
        fail(os.path.join(TOP, FIGURES), "%d bytes of figures, more than 2,500,000" % total)
    if n_links < 10 or n_names < 10 or n_presets < 5:
        fail(TOP, "%d links, %d names and %d presets in %d files: too few to be all" % (n_links, n_names, n_presets, n_files))
    print("%d files, %d links, %d names, %d presets, %d bytes of figures: %d wrong" %
          (n_files, n_links, n_names, n_presets, total, len(failures)))
    sys.exit(1 if failures else 0)


main()
