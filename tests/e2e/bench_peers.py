#!/usr/bin/env python3
"""tools/bench-peers with daub alone on the default model, and with a command that prints what stable-diffusion.cpp would,
crashes and hangs.

    bench_peers.py PATH/daub SOURCE_DIR
"""
import json
import os
import subprocess
import sys
import tempfile

DAUB, TOOL = os.path.abspath(sys.argv[1]), os.path.join(os.path.abspath(sys.argv[2]), "tools", "bench-peers")
ENV = {k: v for k, v in os.environ.items() if k != "DAUB_DEBUG"}
failures = []

# Two steps 0.2 s apart after a start of 0.3 s; 40 ms of text; a crash at 128 pixels, no end at 192.
FAKE = """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -W) size=$2 ;; --steps) steps=$2 ;; esac; shift; done
[ $size = 128 ] && { echo "[ERROR] no memory left"; kill -SEGV $$; }
[ $size = 192 ] && sleep 300
sleep 0.3
echo "[INFO ] stable-diffusion.cpp:1: get_learned_condition completed, taking 40 ms"
for i in $(seq $steps); do sleep 0.2; printf '\\r  |====> | %d/%d - 0.20s/it' $i $steps; done
printf '\\n[INFO ] stable-diffusion.cpp:2: decode_first_stage completed, taking 1.25s\\n'
"""


def check(ok, what):
    if not ok:
        failures.append(what)
        print("FAIL", what)


def run(*args):
    return subprocess.run([sys.executable, TOOL, "--rounds", "1", "--steps", "2", "--quiet", *args], capture_output=True, env=ENV,
                          timeout=900)


def answer(*args):
    result = run("--json", *args)
    check(result.returncode == 0, "%s: exit status %d: %s" % (args, result.returncode, result.stderr.decode()[-400:]))
    return json.loads(result.stdout or b"null")


def daub_alone():
    out = answer("--daub", DAUB, "--peers", "daub", "--rows", "step,decode,text,memory", "--small", "64", "--large", "64")
    least = {row["row"]: row["peers"]["daub"]["min"] for row in out["rows"] if "daub" in row["peers"]}
    check(set(least) == {"step", "decode", "text", "memory"}, "rows of daub: %r %r" % (least, out["failures"]))
    check(all(value > 0 for value in least.values()) and 0.02 < least["memory"] < 4, "daub's figures: %r" % least)
    check(out["versions"]["daub"].startswith("daub 0."), "daub's version: %r" % out["versions"])
    for row in out["rows"]:
        result = row["peers"]["daub"]
        check(("scaled_min" in result) == bool(out["sgemm_gflops"] and row["unit"] == "s"), "scaled: %r" % row)


def misbehaving():
    with open("sd", "w") as file:
        file.write(FAKE)
    os.chmod("sd", 0o755)
    open("m.safetensors", "w").close()
    peer = ["--peers", "sdcpp", "--sdcpp", os.path.abspath("sd"), "--model", "m.safetensors"]
    out = answer(*peer, "--rows", "step,decode,text,start-later", "--small", "64")
    least = {row["row"]: row["peers"]["sdcpp"]["min"] for row in out["rows"] if row["peers"]}
    check(least.get("text") == 0.04 and least.get("decode") == 1.25, "times that a peer prints: %r %r" % (least, out["failures"]))
    check(0.15 < least.get("step", 0) < 2 and 0.15 < least.get("start-later", 0) < 5, "times of its steps: %r" % least)

    out = answer(*peer, "--rows", "step,memory,text", "--small", "128", "--large", "192", "--timeout", "2")
    why = {failure["row"]: failure["why"] for failure in out["failures"]}
    check(set(why) == {"step", "memory"} and "signal" in why["step"] and "stopped after 2 s" in why["memory"], "why: %r" % why)
    check([row["row"] for row in out["rows"] if row["peers"]] == ["text"], "a crash and a hang cost their own rows: %r" % out["rows"])
    text = run(*peer, "--rows", "step,text", "--small", "128").stdout.decode()
    check("| text, prompt and negative, s | 0.04 (0.04) |" in text and "round 1, step, sdcpp: no figure" in text, "table: %s" % text)


def refusals():
    out = run("--peers", "daub", "--daub", "none-such", "--rows", "step")
    check(out.returncode != 0 and b"none-such" in out.stderr and b"Traceback" not in out.stderr, "no daub: %r" % out.stderr)
    out = run("--rows", "stairs")
    check(out.returncode == 2 and b"'stairs' is none of" in out.stderr, "an unknown row: %r" % out.stderr)
    out = run("--model", "none.safetensors")
    check(out.returncode == 2 and b"none.safetensors" in out.stderr, "no model: %r" % out.stderr)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for test in (daub_alone, misbehaving, refusals):
        test()
    os.chdir("/")
print("%d failed" % len(failures))
sys.exit(1 if failures else 0)
