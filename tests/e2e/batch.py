#!/usr/bin/env python3
"""daub --batch-file: many pictures by one model, checked before the first is drawn; and --json, which every command answers with JSON.

    batch.py PATH/daub SOURCE_DIR
"""
import json
import os
import signal
import subprocess
import time

import harness
from harness import DAUB, ENV, SOURCE, check, main, read, run, write


def lines_of(result):
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


def prompts():
    write("p.txt", "\ufeff# a comment\r\n\n  a red apple  \r\n   # another\n{\"prompt\": \"a \\u00e9t\\u00e9 \\ud83c\\udf4e\", \"seed\": 18446744073709551615, "
        "\"width\": 72, \"clip_skip\": 2, \"guidance\":3.5 , \"output\": \"own.ppm\"}\n{ \"prompt\" : \"boats\", \"count\": 2 }")
    result = run("--batch-file", "p.txt", "--steps", "2", "--seed", "3", "-o", "b-{line}-{n}.png", "--json", "-q")
    check(result.returncode == 0 and not result.stderr, "a batch: %r" % result.stderr)
    answers = lines_of(result)
    check([(a["line"], a["path"], a["seed"], a["prompt"], a["width"]) for a in answers] ==
          [(3, "b-3-1.png", 3, "a red apple", 64), (5, "own.ppm", 2**64 - 1, "a \u00e9t\u00e9 \U0001f34e", 72),
           (6, "b-6-1.png", 3, "boats", 64), (6, "b-6-2.png", 4, "boats", 64)], "a JSON object a picture: %r" % answers)
    base = ["--steps", "2", "-q", "-o", "one.png"]
    run("a red apple", "--seed", "3", *base)
    check(read("one.png") == read("b-3-1.png"), "a line draws what its prompt draws")
    run("boats", "--seed", "4", *base)
    check(read("one.png") == read("b-6-2.png"), "and with a count")
    run("a \u00e9t\u00e9 \U0001f34e", "--seed", str(2**64 - 1), "--width", "72", "--clip-skip", "2", "--guidance", "3.5", *base[:3], "-o", "one.ppm")
    check(read("one.ppm") == read("own.ppm"), "an object's options")
    result = run("--batch-file", "-", "--steps", "1", "--json", "-q", "--format", "ppm", input=b"a\nb\n")
    check([os.path.exists(a["path"]) for a in lines_of(result)] == [True, True], "standard input, and names by random seeds")
    result = run("--batch-file", "-", "--steps", "1", "--seed", "9", "-o", "s.png", "--json", "-q", input=b"a\n\nb\n")
    check([a["path"] for a in lines_of(result)] == ["s-1.png", "s-3.png"], "lines are kept apart: %r" % result.stdout)
    result = run("x", "--batch-file", "-", "--steps", "1", "-o", "v-{seed}.png", "--json", "-q", input=b'{"seed": 1}\n{"seed": 2, "steps": 2}\n')
    check([(a["path"], a["prompt"], a["steps"]) for a in lines_of(result)] == [("v-1.png", "x", 1), ("v-2.png", "x", 2)],
          "objects over the command line's prompt: %r" % result.stdout)
    write("in.ppm", b"P6\n64 64\n255\n" + bytes(64 * 64 * 3))
    result = run("--batch-file", "-", "--steps", "2", "-o", "i.png", "--json", "-q", input=b'{"prompt": "a", "init": "in.ppm", "strength": 0.5}\n{"prompt": "b"}')
    check([a["strength"] for a in lines_of(result)] == [0.5, 0], "a picture in, of one line: %r %r" % (result.stdout, result.stderr))


def refused(name, text, *args, words=()):
    """One sentence, and not a picture of the lines before it."""
    write("bad.txt", text)
    harness.refused(name, "--batch-file", "bad.txt", "--steps", "1", *args, words=words)


def mistakes():
    """What only the model or the device can refuse; of the lines themselves see tests/command."""
    refused("an unknown sampler", 'a\nb\n{"prompt": "c", "sampler": "eulr"}', words=["line 3:", "eulr", "euler"])
    refused("a size", 'a\n{"prompt": "c", "width": 63}', words=["line 2:", "63", "multiple"])
    refused("a picture that is not there", 'a\n{"prompt": "c", "init": "gone.png"}', words=["line 2:", "gone.png"])
    refused("bytes that are no text", b"a\n\xff\xfe\n", words=["line 2:", "UTF-8"])
    refused("too many bytes", "#" * (64 << 20) + "\n", words=["bad.txt has more than 67108864 bytes"])
    refused("too much memory", 'a\n{"prompt": "c", "size": "16384x16384"}', words=["line 2:", "16384x16384 needs"])


def failing_line():
    """A file that cannot be written once the pictures are being drawn: the run stops, or with --keep-going draws the others."""
    for going in (False, True):
        os.makedirs("full", exist_ok=True)
        write("f.txt", '{"prompt": "a", "output": "f1.png"}\n{"prompt": "b", "output": "/dev/full"}\n{"prompt": "c", "output": "f3.png"}\n')
        for name in ("f1.png", "f3.png"):
            if os.path.exists(name):
                os.unlink(name)
        result = run("--batch-file", "f.txt", "--steps", "1", "-q", "--format", "png", *(["--keep-going"] if going else []))
        check(result.returncode == 1 and b"f.txt, line 2: cannot write /dev/full" in result.stderr, "a failing line: %r" % result.stderr)
        check(os.path.exists("f1.png") and os.path.exists("f3.png") == going, "what was drawn, keep going %s" % going)


def interrupted():
    write("many.txt", "".join("picture %d\n" % i for i in range(200)))
    process = subprocess.Popen([DAUB, "--batch-file", "many.txt", "--steps", "20", "-q", "-o", "k-{line}.png"], env=ENV, stderr=subprocess.PIPE)
    for _ in range(600):
        if os.path.exists("k-2.png"):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    drawn = [name for name in os.listdir(".") if name.startswith("k-")]
    check(process.returncode == 130 and 2 <= len(drawn) < 200, "Ctrl-C: %r, %d pictures, %r" % (process.returncode, len(drawn), error))
    check(all(name.endswith(".png") and read(name)[-8:-4] == b"IEND" for name in drawn), "Ctrl-C leaves whole files: %r" % drawn)


def every_command():
    """--json: one valid JSON value on standard output, for pictures one a line."""
    run("a", "--steps", "1", "--seed", "1", "-q", "-o", "j.png")
    default = os.path.join(SOURCE, "models/default")
    os.symlink(default, b"odd \"\xff\\")
    for args in (["devices"], ["samplers"], ["inspect", default], ["inspect", b"odd \"\xff\\"], ["estimate"], ["bench", "--steps", "1"],
                 ["bench", "--ops", "--steps", "1"], ["a", "--steps", "1", "-o", "j2.png"], ["from-image", "j.png", "-o", "j3.png"],
                 ["encode", "a", "-o", "j.safetensors"], ["noise", "j.png", "-o", "j4.png", "--columns", "2"]):
        result = run(*args, "--json")
        try:
            json.loads(result.stdout)
            check(result.returncode == 0, "%r --json: %r" % (args, result.stderr))
        except ValueError as error:
            check(False, "%r --json is no JSON: %s %r %r" % (args, error, result.stdout[:200], result.stderr[:200]))
    result = run("inspect", "none", "--json")
    check(result.returncode == 1 and not result.stdout and result.stderr.startswith(b"daub: "), "a failure is a sentence and a status")


if __name__ == "__main__":
    main(prompts, mistakes, failing_line, interrupted, every_command)
