#!/usr/bin/env python3
"""Styles, guidance intervals, another VAE, daub doctor on machines that are not well, and near names in every error.

    guide.py PATH/daub SOURCE_DIR
"""
import hashlib
import json
import os
import re
import shutil
import subprocess

import harness
from harness import DAUB, ENV, SOURCE, check, main, run

ENV.pop("DAUB_CAPS", None)

TINY = os.path.join(SOURCE, "tests/golden/checkpoints/tiny-sd15")
BASE = ["a red apple", "--seed", "7", "--quiet"]


def draw(name, *args):
    """A picture's bytes and what --json says of it."""
    result = run(*BASE, *args, "--json", "-o", name)
    check(result.returncode == 0, "%s: %r" % (args, result.stderr))
    return open(name, "rb").read(), json.loads(result.stdout)


def refused(words, *args, env=None, status=None):
    harness.refused(" ".join(args), *args, words=words, env=env, status=status)


def intervals():
    whole, _ = draw("whole.png", "--steps", "8")
    same, answer = draw("same.png", "--steps", "8", "--guidance-interval", "0:1")
    check(same == whole and answer["guidance_interval"] == [0, 1], "0:1 is no interval, in metadata too")
    part, answer = draw("part.png", "--steps", "8", "--guidance-interval", "0.25:0.75")
    check(part != whole and b', CFG interval: "0.25:0.75", Version' in part, "an interval is in the metadata")
    check(answer["guidance_interval"] == [0.25, 0.75], "and in the answer: %r" % answer)
    for text in ("0.5", "0.8:0.2", "0.5:0.5", "a:b", "0:2", "-1:1", "0.2:0.8x", "nan:1"):
        refused(["--guidance-interval wants START:END", text], *BASE, "--guidance-interval", text)
    refused(["holds none of the picture's steps"], *BASE, "--steps", "4", "--guidance-interval", "0.3:0.4", "-o", "x.png")
    estimate = run("estimate", "x", "--guidance-interval", "0:0.5", "--json")
    check(estimate.returncode == 0 and json.loads(estimate.stdout)["peak"] > 0, "estimate: %r" % estimate.stderr)


def styles():
    table = {s["name"]: s for s in json.loads(run("styles", "--json").stdout)}
    check(set(table) == {"strict", "vivid"}, "styles: %r" % table)
    text = run("styles").stdout.decode()
    info = json.loads(run("inspect", os.path.join(SOURCE, "models/default"), "--json").stdout)
    for name, s in table.items():
        check(s["description"] in text and "%g x" % s["guidance_factor"] in text, "daub styles tells of %s" % name)
        guidance = 1 + s["guidance_factor"] * (info["guidance"] - 1)
        steps = round(info["steps"] * s["steps_factor"])
        styled, answer = draw("styled.ppm", "--style", name)
        check(abs(answer["guidance"] - guidance) < 1e-4 and answer["steps"] == steps and answer["style"] == name and
              abs(answer["guidance_rescale"] - s["guidance_rescale"]) < 1e-6 and
              answer["guidance_interval"] == s["guidance_interval"], "what %s sets: %r" % (name, answer))
        given = ["--guidance", repr(guidance), "--steps", str(steps), "--guidance-rescale", str(s["guidance_rescale"])]
        for option in ("sampler", "schedule"):
            given += ["--" + option, s[option]] if s[option] else []
        if s["guidance_interval"] != [0, 1]:
            given += ["--guidance-interval", "%g:%g" % tuple(s["guidance_interval"])]
        check(draw("given.ppm", *given)[0] == styled, "%s is the options that it sets" % name)
        own = ["--guidance", "3", "--steps", "3", "--guidance-rescale", "0", "--guidance-interval", "0:1", "--sampler", "euler",
               "--schedule", "default"]
        check(draw("own.ppm", *own)[0] == draw("own2.ppm", *own, "--style", name)[0], "options win over %s" % name)
        picture, answer = draw("styled.png", "--style", name, "--steps", "2")
        for part in (", Style: %s, " % name, "Steps: 2,", "CFG scale: %g," % guidance, ", CFG rescale: %g" % s["guidance_rescale"]):
            check(part.encode() in picture or part.endswith(" 0"), "%s in the metadata" % part)
    picture, answer = draw("none.png", "--style", "none", "--steps", "2")
    check(answer["style"] == "" and b"Style" not in picture and picture == draw("none2.png", "--steps", "2")[0], "no style, said so: %r" % answer)
    run("encode", "a red apple", "-o", "e.safetensors")
    result = run("--prompt-embeds", "e.safetensors", "--style", "strict", "--seed", "7", "--quiet", "-o", "e.ppm")
    check(result.returncode == 0 and open("e.ppm", "rb").read() == draw("s.ppm", "--style", "strict")[0],
          "a style takes prompt embeddings: %r" % result.stderr)
    for command in ("estimate", "bench"):
        result = run(command, "x", "--style", "vivid", "--steps", "1", "--json")
        check(result.returncode == 0, "daub %s --style: %r" % (command, result.stderr))
    refused(["style", "prompts"], "--model", os.path.join(SOURCE, "tests/golden/checkpoints/tiny-ddpm"), "--style", "vivid", "-o", "x.png")


def vaes():
    own = os.path.join(TINY, "vae/diffusion_pytorch_model.safetensors")
    tiny = ["--model", TINY, "--steps", "1", "--size", "64x64"]
    plain, _ = draw("plain.ppm", *tiny)
    check(draw("vae.ppm", *tiny, "--vae", TINY)[0] == plain, "the model's own VAE draws the same")
    picture, _ = draw("vae.png", *tiny, "--vae", own)
    digest = hashlib.sha256(open(own, "rb").read()).hexdigest()[:10]
    check((", VAE hash: %s, VAE: %s" % (digest, os.path.basename(own))).encode() in picture, "the VAE in the metadata")
    check(b"VAE" not in draw("none.png", *tiny)[0], "and nothing without one")
    result = run("inspect", TINY, "--vae", own)
    check(b"in place of the model's own" in result.stdout and own.encode() in result.stdout, "inspect shows it: %r" % result.stdout)
    check(json.loads(run("inspect", TINY, "--vae", own, "--json").stdout)["vae"] == own, "and with --json")
    refused(["latents of 4 channels"], "x", "--vae", TINY, "-o", "x.png")  # the default model's have 16
    refused(["nowhere"], "x", "--vae", "nowhere", "-o", "x.png")


def doctor(*args, env=None):
    result = run("doctor", "--json", *args, env=env)
    check(b"daub:" not in result.stderr, "doctor on stderr: %r" % result.stderr)
    try:
        answer = json.loads(result.stdout)
    except ValueError as error:
        check(False, "doctor is no JSON: %s %r" % (error, result.stdout))
        return [], True
    wrong = [f for f in answer["findings"] if f["health"] == "wrong"]
    check(answer["healthy"] == (not wrong) and result.returncode == (1 if wrong else 0), "doctor's exit status %d with %r" %
          (result.returncode, wrong))
    return wrong, answer["findings"]


def ill(area, words, mend, env, *args):
    """One thing made wrong on purpose: it is found, and the command that mends it is said."""
    wrong, _ = doctor(*args, env=env)
    hits = [f for f in wrong if f["area"] == area and all(w in f["text"] for w in words) and mend in f["mend"]]
    check(hits, "%s %r is not found among %r" % (area, words, wrong))
    text = run("doctor", *args, env=env)
    check(text.returncode == 1 and b"-> " in text.stdout and b"wrong  " in text.stdout, "doctor's text: %r" % text.stdout)
    quiet = run("doctor", "-q", *args, env=env).stdout.decode()
    check("\nok " not in "\n" + quiet, "doctor -q says what is wrong only: %r" % quiet)


def doctors():
    os.mkdir("small")
    wrong, findings = doctor()
    check(not wrong, "this machine is well: %r" % wrong)
    for area in ("loader", "driver", "device", "layers", "memory", "cache", "model", "space"):
        check(any(f["area"] == area for f in findings), "doctor looks at %s" % area)
    check(b"nothing is wrong" in run("doctor").stdout, "and says so")
    said = [re.match(r"([\d.]+) GB are free in the working folder", f["text"]) for f in findings if f["area"] == "space"]
    free = shutil.disk_usage(".").free * 1e-9
    check(any(m and abs(float(m.group(1)) - free) < 1 for m in said), "doctor looks at where pictures go, %.1f GB: %r" % (free, findings))
    if os.geteuid() == 0 and shutil.which("unshare"):  # a folder of 64 kB, in a name space of its own
        small = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=64k none small && cd small && exec \"$0\" doctor -q", DAUB],
                               capture_output=True, env=ENV, timeout=300)
        check(b"unshare" in small.stderr or b"mount" in small.stderr or b"0.1 MB are free in the working folder" in small.stdout,
              "a working folder without room: %r" % small)

    os.mkdir("icd.d")
    open("icd.d/broken.json", "w").write('{"ICD": ')
    open("icd.d/gone.json", "w").write('{"ICD": {"library_path": "./libgone.so", "api_version": "1.1"}}')
    open("icd.d/empty.json", "w").write("{}")
    here = os.getcwd()
    ill("driver", ["nowhere.json", "not there"], "unset VK_ICD_FILENAMES", {"VK_DRIVER_FILES": "", "VK_ICD_FILENAMES": "/nowhere.json"})
    ill("device", [""], "", {"VK_DRIVER_FILES": "", "VK_ICD_FILENAMES": "/nowhere.json"})
    for name, words in (("broken", ["broken.json"]), ("gone", ["gone.json", "libgone.so"]), ("empty", ["library_path"])):
        ill("driver", words, "", {"VK_ADD_DRIVER_FILES": "%s/icd.d/%s.json" % (here, name)})
    ill("driver", ["broken.json"], "unset VK_DRIVER_FILES", {"VK_DRIVER_FILES": here + "/icd.d"})
    os.makedirs("data/vulkan/icd.d")
    open("data/vulkan/icd.d/mine.json", "w").write("[")
    if not any(ENV.get(v) for v in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")):
        ill("driver", ["mine.json"], "apt-get", {"XDG_DATA_HOME": here + "/data"})

    os.mkdir("loader")
    for name in ("libvulkan.so.1", "libvulkan.so"):
        open("loader/" + name, "w").close()
    ill("loader", ["no Vulkan loader"], "apt-get install libvulkan1", {"LD_LIBRARY_PATH": here + "/loader"})

    open("file", "w").close()
    ill("cache", ["nothing can be written to", "file/daub"], "XDG_CACHE_HOME", {"XDG_CACHE_HOME": here + "/file"})
    ill("cache", ["packed weights", here + "/file"], "--weight-cache", {}, "--weight-cache", here + "/file")
    os.makedirs("cache/daub")
    os.chmod("cache/daub", 0o555)
    if os.geteuid() != 0:  # root may write everywhere
        ill("cache", ["cache/daub"], "chmod", {"XDG_CACHE_HOME": here + "/cache"})
    os.chmod("cache/daub", 0o755)
    ill("space", ["/nowhere"], "TMPDIR", {"TMPDIR": "/nowhere"})
    ill("model", ["nothing"], "DAUB_DEFAULT_MODEL", {"DAUB_DEFAULT_MODEL": here + "/nothing"})
    ill("device", ["'9'"], "unset DAUB_DEVICE", {"DAUB_DEVICE": "9"})
    ill("environment", ["-f17"], "unset DAUB_CAPS", {"DAUB_CAPS": "-f17"})
    ill("environment", ["speed"], "unset DAUB_DEBUG", {"DAUB_DEBUG": "speed"})
    _, findings = doctor(env={"DAUB_DEVICE": "0"})
    check(any(f["text"] == "DAUB_DEVICE=0" for f in findings), "doctor shows the environment")


def near_names():
    for args, words in (
            (["--sampler", "eular"], ["did you mean euler"]),
            (["--schedule", "karas"], ["did you mean karras?"]),
            (["--style", "vivd"], ["unknown style", "did you mean vivid?"]),
            (["--memory", "smal"], ["did you mean small?"]),
            (["--rng", "cdua"], ["did you mean cuda?"]),
            (["--precision", "f61"], ["f16 or f32"]),
            (["--format", "pngg"], ["did you mean png"]),
            (["--stpes", "3"], ["did you mean --steps?"]),
            (["--guidance-intervall", "0:1"], ["did you mean --guidance-interval?"])):
        refused(words, "x", *args)
    refused(["did you mean small?"], "estimate", "x", "--memory", "smalll")
    refused(["did you mean inspect?"], "help", "inspct", status=2)
    refused(["did you mean daub inspect?"], "inspct", "model.safetensors", status=2)
    refused(["did you mean daub bench?"], "bnch", "--ops", status=2)
    for words in (["a", "red", "apple"], ["red", "apple"]):  # near to man and grid, for who looks for it
        result = run(*words)
        check(result.returncode == 2 and b"put a prompt with spaces in quotes\n" in result.stderr, "no quotes: %r" % result.stderr)
    refused(["DAUB_CAPS", "did you mean -lane?"], "x", env={"DAUB_CAPS": "-lan"})
    refused(["DAUB_DEBUG", "did you mean validate?"], "x", env={"DAUB_DEBUG": "valdiate"})
    name = json.loads(run("devices", "--json").stdout)[0]["name"].split()[0]
    refused(["no device", "did you mean %s?" % name], "x", "--device", name[:2] + name[3:])
    # One word may be a prompt: it is drawn, with a hint.
    result = run("devcies", "--steps", "1", "--seed", "1", "-o", "hint.png")
    check(result.returncode == 0 and os.path.exists("hint.png") and b"did you mean daub devices?" in result.stderr,
          "a hint at a command: %r" % result.stderr)
    for args in (["generate", "devcies"], ["devcies", "--quiet"], ["a devcies"], ["cat"]):
        result = run(*args, "--steps", "1", "--seed", "1", "-o", "hint.png")
        check(result.returncode == 0 and b"did you mean" not in result.stderr, "no hint for %r: %r" % (args, result.stderr))


if __name__ == "__main__":
    main(intervals, styles, vaes, doctors, near_names)
