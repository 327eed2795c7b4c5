#!/usr/bin/env python3
"""tools/gpu-report in its short form, and with a driver that crashes on one op and hangs in another.

    gpu_report.py PATH/daub SOURCE_DIR [TEST...]

The driver is played by a program that stands between the report and daub.
"""

import getpass
import html.parser
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

from harness import DAUB, ENV, SOURCE, check, main

ENV.pop("DAUB_CAPS", None)
TOOL = os.path.join(SOURCE, "tools", "gpu-report")
GOLDENS = os.path.join(os.path.dirname(DAUB), "daub-goldens")
PARTS = ["device", "ops", "goldens", "picture", "rates", "full"]
VOID = {"meta", "img", "br", "link", "input", "hr"}

# Passes daub selftest on line by line; where the device is as it is, dies at the first check of layer_norm and never
# ends at that of geglu, with a child of its own that would outlive it.
WRAPPER = """#!/usr/bin/env python3
import os, signal, subprocess, sys, time
if "selftest" not in sys.argv or "--list" in sys.argv or os.environ.get("DAUB_CAPS"):
    os.execv({daub!r}, [{daub!r}] + sys.argv[1:])
child = subprocess.Popen([{daub!r}] + sys.argv[1:], stdout=subprocess.PIPE, text=True)
for line in child.stdout:
    if '"op": "layer_norm"' in line:
        os.kill(os.getpid(), signal.SIGSEGV)
    if '"op": "geglu"' in line:
        sleeper = subprocess.Popen(["sleep", "500"])
        open({pid!r}, "w").write(str(sleeper.pid))
        time.sleep(500)
    print(line, end="", flush=True)
"""
# Passes daub-goldens on; with validation it says something, else in f32 it dies at a golden of the VAE.
GOLDENS_WRAPPER = """#!/usr/bin/env python3
import os, signal, subprocess, sys
child = subprocess.Popen([{goldens!r}] + sys.argv[1:], stdout=subprocess.PIPE, text=True)
if os.environ.get("DAUB_DEBUG") == "validate":
    print("daub-goldens: validation: VUID-played-0 says the test", file=sys.stderr, flush=True)
for line in child.stdout:
    if "vae/tiny" in line and "f32" in sys.argv:
        os.kill(os.getpid(), signal.SIGBUS)
    print(line, end="", flush=True)
sys.exit(child.wait())
"""
BROKEN = """#!/bin/sh
DAUB_DEBUG='broken=layer_norm*' exec '%s' "$@"
"""


class Page(html.parser.HTMLParser):
    """Whether tags are closed in order, and what the page would load."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.loads, self.ids, self.count = [], [], [], [], {}

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action"):
                self.loads.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_startendtag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def report(folder, *args):
    """Exit status, the JSON, and the page's text, of one run."""
    command = [sys.executable, TOOL, "--quiet", "--out", folder, *args]
    result = subprocess.run(command, capture_output=True, text=True, env=ENV, timeout=900)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    check(
        len(names) == 2
        and names[0].endswith(".html")
        and names[1].endswith(".json")
        and "Traceback" not in result.stderr,
        "files of %s: %s %s" % (args, names, result.stderr[-600:]),
    )
    if len(names) != 2:
        return result.returncode, None, ""
    with open(os.path.join(folder, names[1]), encoding="utf-8") as file:
        data = json.load(file)
    with open(os.path.join(folder, names[0]), encoding="utf-8") as file:
        return result.returncode, data, file.read()


def part(data, name):
    return next(p for p in data["parts"] if p["name"] == name)


def short():
    status, data, text = report("short", "--short", "--daub", DAUB, "--patience", "200")
    if not data:
        return
    check(status == 0 and data["green"], "the short report: %d %s" % (status, data["summary"]))
    check(
        [p["name"] for p in data["parts"]] == PARTS and all(p["status"] == "ok" for p in data["parts"]),
        "parts: %s" % [(p["name"], p["status"], p["sentence"]) for p in data["parts"]],
    )
    check(
        data["schema"] == "daub gpu report 1" and data["device"]["name"] and len(data["device"]["caps"]) > 8,
        "the device: %s" % data["device"],
    )
    check(
        all(o["checks"] > 0 and o["worst"] <= 1 for mask in part(data, "ops")["masks"] for o in mask["ops"]),
        "the ops' rows",
    )
    drawn = part(data, "picture")["drawn"]
    check(
        [d["precision"] for d in drawn] == ["f16", "f32"] and all(0 < d["distance"] < d["tolerance"] for d in drawn),
        "pictures: %s" % drawn,
    )
    check(
        drawn[1]["largest_byte_difference"] <= 1,
        "the picture in f32 is another: %s" % drawn[1]["largest_byte_difference"],
    )
    check(any(r.get("tflops") and 0 < r["share"] <= 1 for r in part(data, "rates")["rates"]), "rates")
    full = part(data, "full")["measured"]
    check(
        full["step_seconds"] > 0
        and full["memory_peak"] > 0
        and any(row["op"] == "conv3x3" for row in full["classes"])
        and len(full["timeline"]) > 2,
        "a model: %s" % full,
    )

    page = Page()
    page.feed(text)
    check(not page.wrong and not page.open, "tags that are not closed: %s %s" % (page.wrong, page.open))
    check(
        all(link.startswith(("#", "data:image/png;base64,")) for link in page.loads), "the page loads %s" % page.loads
    )
    check(
        "://" not in text and "@import" not in text and "url(" not in text and "<script" not in text,
        "the page names an address",
    )
    check([name for name in page.ids if name in PARTS] == PARTS, "sections: %s" % page.ids)
    check(page.count.get("img") == 3 and page.count.get("svg", 0) >= 3, "pictures and charts: %s" % page.count)
    check(len(text) < 200000 and len(json.dumps(data)) < 100000, "sizes: %d %d" % (len(text), len(json.dumps(data))))
    words = [SOURCE, os.path.dirname(DAUB), tempfile.gettempdir() + "/", os.path.expanduser("~") + "/"]
    words += [word for word in (socket.gethostname(), getpass.getuser()) if len(word) > 5]
    for word in words:
        check(word not in text and word not in json.dumps(data), "the report says %s" % word)


def misbehaving():
    pid = os.path.abspath("pid")
    with open("wrapper", "w", encoding="utf-8") as file:
        file.write(WRAPPER.format(daub=DAUB, pid=pid))
    os.chmod("wrapper", 0o755)
    status, data, text = report("wrong", "--short", "--only", "ops", "--patience", "20", "--daub", "./wrapper")
    if not data:
        return
    masks = part(data, "ops")["masks"]
    rows = {row["op"]: row for row in masks[0]["ops"]}
    check(status == 1 and not data["green"], "a crash: exit status %d" % status)
    check(
        rows["layer_norm"]["status"] == "failed" and "segmentation fault" in rows["layer_norm"]["sentence"],
        "a crash: %s" % rows["layer_norm"],
    )
    check(
        rows["geglu"]["status"] == "failed" and "silent for 20 s" in rows["geglu"]["sentence"],
        "a hang: %s" % rows["geglu"],
    )
    check(rows["embed"]["status"] == "ok" and rows["embed"]["checks"] > 0, "the op beside them: %s" % rows["embed"])
    check(all(row["status"] == "ok" for mask in masks[1:] for row in mask["ops"]), "the other masks: %s" % masks[1:])
    check(len(part(data, "ops")["failures"]) == 2, "failures: %s" % part(data, "ops")["failures"])
    check("segmentation fault" in text and "Something is wrong" in text, "the page does not say so")
    with open(pid, encoding="utf-8") as file:
        sleeper = int(file.read())
    time.sleep(0.2)
    try:
        with open("/proc/%d/stat" % sleeper, encoding="utf-8") as file:
            check(" Z " in file.read(), "what a hanging child started is still there")
    except OSError:
        pass


def goldens_that_fail():
    with open("goldens", "w", encoding="utf-8") as file:
        file.write(GOLDENS_WRAPPER.format(goldens=GOLDENS))
    os.chmod("goldens", 0o755)
    args = ["--short", "--only", "goldens", "--patience", "200", "--daub", DAUB, "--goldens", "./goldens"]
    status, data, text = report("goldens-out", *args)
    if not data:
        return
    sets = {(s["set"], s["dtype"], s["validate"]): s for s in part(data, "goldens")["sets"]}
    crashed, validated = sets["repository", "f32", False], sets["repository", "f16", True]
    bad = [row for row in crashed["rows"] if not row["ok"]]
    check(
        status == 1 and [row["golden"] for row in bad] == ["vae/tiny-sd15_case0_b1_8x8"],
        "a crash: %d %s" % (status, bad),
    )
    check(
        len(crashed["rows"]) == crashed["n"] and "bus error" in bad[0]["sentence"],
        "the goldens beside it: %s" % crashed,
    )
    check(validated["messages"] == 1 and "VUID-played-0" in validated["first_messages"][0], "messages: %s" % validated)
    check(len(part(data, "goldens")["failures"]) == 2 and "VUID-played-0" in text, "failures: %s" % data["summary"])


def wrong_kernels():
    with open("broken", "w", encoding="utf-8") as file:
        file.write(BROKEN % DAUB)
    os.chmod("broken", 0o755)
    status, data, _ = report("broken-out", "--short", "--only", "ops", "--daub", "./broken", "--patience", "200")
    if data:
        wrong = {row["op"] for mask in part(data, "ops")["masks"] for row in mask["ops"] if row["status"] == "failed"}
        check(status == 1 and wrong == {"layer_norm"}, "a wrong kernel: %d %s" % (status, wrong))
        check("layer_norm" in " ".join(part(data, "ops")["failures"]), "failures: %s" % part(data, "ops")["failures"])


def nothing_there():
    status, data, _ = report("none", "--short", "--daub", "no-such-program")
    if data:
        check(
            status == 1 and part(data, "device")["status"] == "failed", "no program: %d %s" % (status, data["summary"])
        )
        check([p["status"] for p in data["parts"][1:]] == ["left out"] * 5, "without a device: %s" % data["summary"])
    status, data, _ = report("other", "--only", "goldens", "--daub", DAUB, "--goldens", "no-such-program")
    if data:
        check(
            status == 0 and part(data, "goldens")["status"] == "left out",
            "no goldens: %d %s" % (status, data["summary"]),
        )


def in_time():
    begin = time.monotonic()
    status, data, _ = report("limit", "--only", "ops", "--limit", "6", "--daub", DAUB)
    took = time.monotonic() - begin
    if data:
        out = [mask for mask in part(data, "ops")["masks"] if mask["status"] == "left out"]
        check(took < 15, "a limit of 6 s took %.0f s" % took)
        check(
            out and "left out for want of time" in part(data, "ops")["sentence"],
            "what is left out: %s" % data["summary"],
        )
        check(status == 0, "what is left out is no failure: %d %s" % (status, data["summary"]))


def mistakes():
    for args, word in ((["--only", "nonesuch"], "nonesuch"), (["--limit", "1"], "--limit")):
        result = subprocess.run([sys.executable, TOOL, *args], capture_output=True, text=True, env=ENV, timeout=60)
        check(result.returncode == 2 and word in result.stderr, "%s: %d %s" % (args, result.returncode, result.stderr))
    text = subprocess.run([sys.executable, TOOL, "--help"], capture_output=True, text=True, env=ENV, timeout=60).stdout
    check(
        all(word in text for word in ("--short", "--only", "--device", "--out", "--limit", "--help")), "help: %s" % text
    )


def true_size():
    """The checkpoint that it writes is Stable Diffusion 1.5's; here its header, and no bytes."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(SOURCE, "tools"))
    from gpu_report import sd15

    head, size = sd15.header(sd15.tensors())
    with open("sd15.safetensors", "wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    result = subprocess.run(
        [DAUB, "inspect", "--json", "sd15.safetensors"], capture_output=True, text=True, env=ENV, timeout=60
    )
    check(result.returncode == 0, "inspect: %s" % result.stderr)
    if result.returncode == 0:
        info = json.loads(result.stdout)
        check(info["family"] == "sd1" and info["width"] == 512 and info["text"], "inspect: %s" % info)
    check(size == 2 * sd15.PARAMETERS, "bytes: %d" % size)
    result = subprocess.run(
        [DAUB, "estimate", "--json", "-m", "sd15.safetensors"], capture_output=True, text=True, env=ENV, timeout=60
    )
    check(
        result.returncode == 0 and json.loads(result.stdout)["peak"] > 2e9,
        "estimate: %s %s" % (result.stdout, result.stderr),
    )


if __name__ == "__main__":
    main(short, misbehaving, goldens_that_fail, wrong_kernels, nothing_there, in_time, mistakes, true_size)
