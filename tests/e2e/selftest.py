#!/usr/bin/env python3
"""daub selftest and daub bench --kernels, as a parent process uses them: selftest.py PATH/daub SOURCE_DIR

Every op and kernel of the source is checked, a wrong kernel is named, masks are honoured, and lines come as they are made.
"""
import glob
import json
import os
import re
import subprocess

from harness import DAUB, ENV, SOURCE, check, main

ENV.pop("DAUB_CAPS", None)

ELEMENTWISE = {"act", "add", "add_channels", "scale"}  # the ops of elementwise.c have one reference
UNCHECKED = {"probe"}  # a kernel of the tests of runtime/vk


def run(*args, **env):
    return subprocess.run([DAUB, *args], capture_output=True, text=True, env=dict(ENV, **env), timeout=1100)


def rows(result):
    try:
        return [json.loads(line) for line in result.stdout.splitlines()]
    except ValueError:
        check(False, "no JSON lines: %r %r" % (result.stdout[:300], result.stderr[:300]))
        return []


def names_in_source():
    """What each op's descriptor calls itself, and the kernels that shaders/*.cmake declare."""
    ops, kernels = set(), set()
    for path in glob.glob(os.path.join(SOURCE, "runtime", "op", "*.c")):
        with open(path, encoding="utf-8") as file:
            ops |= set(re.findall(r"const struct daub_op daub_op_\w+ = \{\s*\.name = \"(\w+)\"", file.read()))
    for path in glob.glob(os.path.join(SOURCE, "shaders", "*.cmake")):
        with open(path, encoding="utf-8") as file:
            kernels |= set(re.findall(r"^daub_add_kernel\((\w+)", file.read(), re.M))
    return ops, kernels


def everything():
    ops, kernels = names_in_source()
    check(len(ops) >= 12 and len(kernels) >= 20, "the source has %d ops and %d kernels" % (len(ops), len(kernels)))
    listed = run("selftest", "--list", "--json")
    named = {row["op"] for row in rows(listed)}
    check(ops - ELEMENTWISE <= named and {"conv2d", "elementwise", "rgba"} <= named,
          "no reference for %s" % sorted(ops - ELEMENTWISE - named))

    result = run("selftest", "--json")
    done = rows(result)
    check(result.returncode == 0 and done, "the selftest: %d %s" % (result.returncode, result.stderr[:300]))
    for row in done:
        check(row["ok"] and row["cases"] > 0 and row["error"] <= row["tolerance"] and row["kernels"], "a row: %s" % row)
    key = ["op", "words", "precision"]
    check([[row[k] for k in key] for row in done] == [[row[k] for k in key] for row in rows(listed)],
          "the list is another than the run")
    used = {kernel for row in done for kernel in row["kernels"].split()}
    cpu = any(row["words"] == "-lane" for row in done)  # lane kernels are what it takes of itself
    for kernel in sorted(kernels - UNCHECKED):
        if cpu or not kernel.startswith("winograd"):
            check(any(name.startswith(kernel + "_") for name in used), "no check runs the kernel %s" % kernel)


def wrong_kernels():
    result = run("selftest", "--op", "layer_norm,embed", "--precision", "f32", DAUB_DEBUG="broken=layer_norm*")
    lines = [line for line in result.stdout.splitlines() if line.endswith((" ok", "FAIL"))]
    bad = [line.split()[0] for line in lines if line.endswith("FAIL")]
    check(result.returncode == 1, "a wrong kernel: exit status %d" % result.returncode)
    check(bad and set(bad) == {"layer_norm"}, "a wrong kernel: %s" % result.stdout)
    check(any(line.startswith("embed") for line in lines), "a right one beside it: %s" % result.stdout)
    check("layer_norm case" in result.stdout and "kernels: layer_norm" in result.stdout, "names: %s" % result.stdout)

    for op in ("finite", "rgba", "sampler_step", "upsample", "rgb8"):
        result = run("selftest", "--op", op, "--precision", "f16", "--json", DAUB_DEBUG="broken=*")
        check(result.returncode == 1 and not any(row["ok"] for row in rows(result)), "wrong kernels of %s pass" % op)

    # of two kinds of kernel only the one that is wrong fails
    result = run("selftest", "--op", "gemm", "--precision", "f16", "--json", DAUB_DEBUG="broken=gemm_shared*")
    for row in rows(result):
        check(row["ok"] == ("gemm_shared" not in row["kernels"]), "a wrong kind of kernel: %s" % row)


def masks():
    result = run("selftest", "--op", "gemm", "--precision", "f16", "--json", DAUB_CAPS="-lane")
    for row in rows(result):
        check(row["words"] != "-lane" and row["kernels"].split() == ["gemm_shared_f16"], "under DAUB_CAPS: %s" % row)
    check(result.returncode == 0, "under DAUB_CAPS: %s" % result.stderr)


def mistakes():
    for args, word in (("--op nonesuch", "nonesuch"), ("--precision f64", "f64"), ("--device nonesuch", "nonesuch")):
        result = run("selftest", *args.split())
        check(result.returncode == 1 and word in result.stderr and not result.stdout,
              "selftest %s: %d %r" % (args, result.returncode, result.stderr))
    check(run("selftest", "a prompt").returncode == 2, "selftest takes no prompt")


def in_time():
    """A parent has each line when it is made, so that a crash costs the rest only."""
    with subprocess.Popen([DAUB, "selftest", "--json", "--precision", "f32"], stdout=subprocess.PIPE, env=ENV, text=True) as child:
        first = child.stdout.readline()
        running = child.poll() is None
        child.kill()
    check(running and json.loads(first)["op"], "no line while it runs: %r" % first)


def rates():
    result = run("bench", "--kernels", "--seconds", "2", "--json")
    lines = rows(result)
    check(result.returncode == 0 and len(lines) > 3, "the rates: %d %s" % (result.returncode, result.stderr))
    if len(lines) <= 3:
        return
    summary, timed = lines[-1], [row for row in lines[:-1] if row["runs"]]
    check(summary["complete"] and summary["best_gflops"] > 0 and summary["copy_gbs"] > 0, "the summary: %s" % summary)
    check(summary["left_out"] == len(lines) - 1 - len(timed), "what is left out: %s" % summary)
    linear = [row for row in timed if row["op"] == "linear" and not row["words"]]
    check(linear and linear[0]["kernel"].startswith("gemm_") and linear[0]["tile"], "a linear layer: %s" % linear)
    for row in timed:
        check(row["seconds"] > 0 and not row["sentence"], "a rate: %s" % row)
        if row["op"] not in ("copy", "stream"):
            check(abs(row["gflops"] * row["seconds"] / row["gflop"] - 1) < 1e-3, "a rate: %s" % row)
            check(row["gflops"] <= summary["best_gflops"] * 1.001, "faster than the best: %s" % row)
    check(run("bench", "--kernels", "--precision", "f64").returncode == 1, "bench --precision f64")
    some = rows(run("bench", "--kernels", "--op", "linear,stream", "--seconds", "1", "--json"))
    check({row["op"] for row in some[:-1]} == {"linear", "stream"}, "bench --kernels --op: %s" % some)
    check("nonesuch" in run("bench", "--kernels", "--op", "nonesuch").stderr, "bench --kernels --op nonesuch")


if __name__ == "__main__":
    main(everything, wrong_kernels, masks, mistakes, in_time, rates)
