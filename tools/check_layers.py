#!/usr/bin/env python3
"""Checks that the code keeps to the layers of ARCHITECTURE.md, and the other habits that a script can see.

Prints one line a breach and ends with 1 if there is any.
"""
import os
import re
import subprocess
import sys

# what each layer may include, beside itself
MAY = {
    "base": set(),
    "graph": {"base"},
    "sample": {"base"},
    "vk": {"base"},
    "op": {"base", "graph", "sample", "vk"},
    "io": {"base", "graph", "vk", "op"},
    "check": {"base", "graph", "sample", "vk", "op", "io"},
    "nn": {"base", "graph", "op", "sample", "io"},
    "models": {"base", "graph", "op", "sample", "io", "nn"},
    "pipeline": {"base", "graph", "sample", "vk", "op", "io", "nn", "models"},
    "api": {"base", "graph", "sample", "vk", "op", "io", "nn", "models", "pipeline", "check"},
}
PUBLIC = ("daub.h", "daub_base.h", "daub_model.h", "daub_sampling.h", "daub.hpp", "daub_parameters.h", "daub_parameters.hpp",
          "daub_vulkan.h", "daub_tools.h")
LIMIT, GOAL = 800, 500
FAMILY = re.compile(r"\b(SD1|SD2|SDXL|SD3|FLUX|sd_version)\b")
VULKAN = re.compile(r"\b(Vk[A-Z]\w*|vk[A-Z]\w*|VK_[A-Z]\w*)\b")
ENDS_HOST = re.compile(r"\b(abort|exit|_exit|printf|puts|perror)\s*\(|\bfprintf\s*\(\s*std(out|err)")
PRIVATE = re.compile(r"(?<![\w.])/(home|Users|root)/\w+")  # a path of one machine


def layer_of(path):
    if path.startswith("models/nn/"):
        return "nn"
    if path.startswith("models/"):
        return "models"
    match = re.match(r"runtime/(\w+)/", path)
    return match.group(1) if match else None


def strip_comments(text):
    """The code without comments and texts, lines kept."""
    pattern = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def check_includes(path, text, breaches):
    layer = layer_of(path)
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        if path.startswith(("tools/", "examples/")):
            own = ".." not in target and os.path.exists(os.path.join(os.path.dirname(path), target))
            if target not in PUBLIC and not own and not target.endswith(".inc"):  # words that the build makes
                breaches.append("%s:%d: tools and examples include public headers only, not %s" % (path, number, target))
            elif target == "daub_tools.h" and path.startswith("examples/"):
                breaches.append("%s:%d: examples do without the unstable %s" % (path, number, target))
            continue
        if not layer:
            continue
        other = layer_of(target)
        if other is None:
            if not target.startswith(("include/", "shaders/params/")) and "/" in target:
                breaches.append("%s:%d: %s belongs to no layer" % (path, number, target))
        elif other != layer and other not in MAY[layer]:
            breaches.append("%s:%d: layer %s may not include %s of layer %s" % (path, number, layer, target, other))


def check_words(path, text, breaches):
    layer = layer_of(path)
    if not layer:
        return
    code = strip_comments(text)
    for number, line in enumerate(code.splitlines(), 1):
        if layer != "vk" and path != "runtime/api/vulkan.c" and VULKAN.search(line):
            breaches.append("%s:%d: %s outside runtime/vk" % (path, number, VULKAN.search(line).group(0)))
        if not os.path.basename(path).startswith("famil") and FAMILY.search(line):
            breaches.append("%s:%d: a model family is named outside models/family*" % (path, number))
        if path.endswith(".c") and ENDS_HOST.search(line):
            breaches.append("%s:%d: the library neither prints nor ends its host: %s" % (path, number, line.strip()))


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    try:
        files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True,
                               text=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):  # a release archive
        files = [os.path.relpath(os.path.join(folder, name)) for folder, _, names in os.walk(".") for name in names
                 if "build" not in folder]
    breaches, long_files = [], []
    for path in sorted(files):
        if not re.search(r"\.(c|h|comp|glsl|cmake|py|sh|md|txt)$", path) or not os.path.exists(path):
            continue
        if path.startswith(("tests/golden/", "tests/fuzz/corpus/", "models/default/")) or path.endswith("clip_merges.txt"):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not path.startswith("tests/") and PRIVATE.search(text):
            breaches.append("%s: names a path of one machine: %s" % (path, PRIVATE.search(text).group(0)))
        if not re.search(r"\.(c|h|comp|glsl|py)$", path):
            continue
        lines = text.count("\n")
        if lines > LIMIT:
            breaches.append("%s: %d lines, the limit is %d" % (path, lines, LIMIT))
        elif lines > GOAL:
            long_files.append("%s (%d)" % (path, lines))
        if "\t" in text or re.search(r"[ \t]+$", text, re.M) or (text and not text.endswith("\n")):
            breaches.append("%s: a tab, a trailing space or a missing last newline" % path)
        check_includes(path, text, breaches)
        check_words(path, text, breaches)
    for breach in breaches:
        print(breach)
    if long_files:
        print("over %d lines, worth splitting: %s" % (GOAL, ", ".join(long_files)))
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
