#!/usr/bin/env python3
"""What the documents say of the command is so: the shell blocks marked "sh run" run, and every command and option is described.

    commands.py PATH/daub SOURCE_DIR

A document's blocks run in order in one folder, where `daub` is the one given and $DAUB_SOURCE the source folder.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

DAUB, TOP = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
GUIDE = "docs/user-guide.md"
failures = []


def fail(what):
    failures.append(what)
    print("FAIL " + what)


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()


def environment(folder):
    env = {k: v for k, v in os.environ.items() if k not in ("DAUB_DEBUG", "DAUB_CAPS")}
    env.update(PATH=folder + os.pathsep + env["PATH"], DAUB_SOURCE=TOP)
    return env


def run_blocks(name, bin_folder):
    text, n = read(name), 0
    with tempfile.TemporaryDirectory() as folder:
        for match in re.finditer(r"^```sh run\n(.*?)^```$", text, flags=re.S | re.M):
            n += 1
            begin, line = time.monotonic(), text.count("\n", 0, match.start()) + 1
            result = subprocess.run(["bash", "-euo", "pipefail", "-c", match.group(1)], cwd=folder, env=environment(bin_folder),
                                    capture_output=True, text=True, timeout=300)
            print("%s:%d  %.1f s" % (name, line, time.monotonic() - begin))
            if result.returncode != 0:
                fail("%s:%d ended with %d: %s" % (name, line, result.returncode, result.stderr[-600:]))
    return n


def check_described():
    """Every command and every option of the manual page and the help texts stands in the guide, in backquotes."""
    guide = read(GUIDE)

    def help_of(*words):
        return subprocess.run([DAUB, *words, "--help"], capture_output=True, text=True, timeout=60).stdout

    manual = subprocess.run([DAUB, "man"], capture_output=True, text=True, timeout=60).stdout
    commands, options = re.findall(r"^\.B daub ([a-z-]+)$", manual, flags=re.M), set()
    for command in commands:
        if not re.search(r"`daub %s\b" % command, guide):
            fail("%s does not describe the command %s" % (GUIDE, command))
        options |= set(re.findall(r"^  (?:-\w, |    )(--[a-z][a-z0-9-]+)", help_of(command), flags=re.M))
    for style in json.loads(subprocess.run([DAUB, "styles", "--json"], capture_output=True, text=True, timeout=60).stdout):
        if "1 + %g × (the model's − 1)" % style["guidance_factor"] not in guide:
            fail("%s does not give the guidance of style %s" % (GUIDE, style["name"]))
    for option in sorted(options - {"--help", "--version"}):
        if not re.search(r"`(-\w`, `)?%s[ `[]" % option, guide):
            fail("%s does not describe the option %s" % (GUIDE, option))
    if len(commands) < 8 or len(options) < 30:
        fail("%d commands and %d options are listed: too few to be all" % (len(commands), len(options)))
    return len(commands) + len(options)


def main():
    n = check_described()
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(DAUB, os.path.join(folder, "daub"))
        for name in ["README.md"] + sorted("docs/" + f for f in os.listdir(os.path.join(TOP, "docs")) if f.endswith(".md")):
            n += run_blocks(name, folder)
    print("%d passed, %d failed: blocks run, commands and options described" % (n - len(failures), len(failures)))
    sys.exit(1 if failures else 0)


main()
