#!/usr/bin/env python3
"""The daub command as a user meets it: pictures in every format, their metadata, and one clear sentence for every bad input.

    command.py PATH/daub SOURCE_DIR
"""
import json
import os
import re
import shutil
import struct
import subprocess
import zlib

from harness import DAUB, ENV, SOURCE, check, main, read, refused, run, write


def png_chunks(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    at, out = 8, []
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body, crc = data[at + 8:at + 8 + n], struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0]
        check(zlib.crc32(kind + body) == crc, "CRC of chunk %s" % kind)
        out.append((kind, body))
        at += 12 + n
    return out


def pictures():
    base = ["a red apple", "--steps", "2", "--seed", "7", "--quiet"]
    result = run(*base, "-o", "a.png")
    check(result.returncode == 0 and not result.stdout and not result.stderr, "a quiet picture: %r" % result.stderr)
    chunks = png_chunks(open("a.png", "rb").read())
    check(struct.unpack(">II", chunks[0][1][:8]) == (64, 64), "size in IHDR")
    text = [body for kind, body in chunks if kind == b"tEXt"][0]
    check(text.startswith(b"parameters\0a red apple\nSteps: 2, Sampler: DDIM"), "parameters: %r" % text)
    for part in (b"CFG scale: 4", b"Seed: 7", b"Size: 64x64", b"Model hash: ", b"Model: default", b"RNG: CPU", b"Version: daub"):
        check(part in text, "%r in the parameters %r" % (part, text))
    run(*base, "-o", "b.png")
    check(open("a.png", "rb").read() == open("b.png", "rb").read(), "the same command gives the same bytes")
    run(*base, "--negative", "blue: \"dark\"", "-o", "n.png")
    check(b"\nNegative prompt: blue: \"dark\"\n" in open("n.png", "rb").read(), "the negative prompt is stored")
    run("\u30ea\u30f3\u30b4", *base[1:], "-o", "u.png")
    itxt = [body for kind, body in png_chunks(open("u.png", "rb").read()) if kind == b"iTXt"]
    check(itxt and "\u30ea\u30f3\u30b4".encode() in itxt[0], "a prompt beyond Latin-1 is in an iTXt chunk")

    result = run(*base, "-o", "-")
    check(result.stdout == open("a.png", "rb").read(), "standard output has the same bytes")
    run(*base, "-o", "a.ppm")
    ppm = open("a.ppm", "rb").read()
    check(ppm.startswith(b"P6\n64 64\n255\n") and len(ppm) == 13 + 64 * 64 * 3, "a PPM")
    run(*base, "-o", "a.jpg")
    jpeg = open("a.jpg", "rb").read()
    check(jpeg[:4] == b"\xff\xd8\xff\xe1" and b"Exif\0\0MM" in jpeg[:20] and "red apple".encode("utf-16-be") in jpeg,
          "a JPEG with its parameters")
    run(*base, "--memory", "small", "-o", "small.png")
    check(open("a.png", "rb").read() == open("small.png", "rb").read(), "little memory draws the same bytes")
    run(*base, "--memory", "stream", "--max-memory", "0.015G", "-o", "stream.png")
    check(open("a.png", "rb").read() == open("stream.png", "rb").read(), "streamed weights draw the same bytes")
    run(*base, "--vae-tiles", "2", "-o", "bands.ppm")
    bands = open("bands.ppm", "rb").read()
    check(len(bands) == len(ppm) and max(abs(a - b) for a, b in zip(bands, ppm)) <= 1, "decoding in bands draws the same picture")
    for choice in ("off", "auto"):
        run(*base, "--vae-tiles", choice, "-o", "tiles.ppm")
        check(open("tiles.ppm", "rb").read() == ppm, "--vae-tiles %s" % choice)
    run(*base[:3], "--seed", "3", "-n", "2", "--quiet", "-o", "small-{n}.png", "--memory", "small")
    run(*base[:3], "--seed", "3", "-n", "2", "--quiet", "-o", "many.png")
    for i in "12":
        check(open("small-%s.png" % i, "rb").read() == open("many-%s.png" % i, "rb").read(), "picture %s in little memory" % i)
    check(os.path.exists("many-1.png") and os.path.exists("many-2.png"), "two pictures, two names")
    run(*base[:3], "--seed", "4", "--quiet", "-o", "s-{seed}.png")
    check(os.path.exists("s-4.png") and open("s-4.png", "rb").read()[41:] != b"" and
          png_chunks(open("s-4.png", "rb").read())[2:] == png_chunks(open("many-2.png", "rb").read())[2:],
          "picture i has seed + i")
    result = run("x", "--steps", "1", "--json", "--quiet")
    answer = json.loads(result.stdout)
    check(os.path.exists(answer["path"]) and answer["path"] == "daub-%d.png" % answer["seed"], "a random seed, named and stored")
    result = run("apple " * 10000, "--steps", "1", "--seed", "1", "-o", "cut.png", "--emphasis", "off")
    check(result.returncode == 0 and b"too long" in result.stderr and b"cut from: apple" in result.stderr,
          "a long prompt says what was cut: %r" % result.stderr[:300])
    check(b"Emphasis: None" in open("cut.png", "rb").read(), "emphasis off is told in A1111's words")
    result = run("apple " * 10000, "--steps", "1", "--seed", "1", "-o", "cut.png")
    check(result.returncode == 1 and b"more than 48 chunks" in result.stderr, "a prompt of too many chunks: %r" % result.stderr[:300])
    result = run("(apple:1.2) " * 40, "--steps", "1", "--seed", "1", "--json", "--quiet", "-o", "long.png")
    answer = json.loads(result.stdout)
    check(answer["tokens"] == 40 and answer["chunks"] == 2 and answer["tokens_cut"] == 0 and answer["emphasis"] == "webui" and
          b"Emphasis" not in open("long.png", "rb").read(), "a long prompt in full: %r" % result.stdout)
    result = run("x", "--emphasis", "webiu", "-o", "never.png")
    check(result.returncode == 1 and b"wants webui or off, not 'webiu'; did you mean webui?" in result.stderr, "a near emphasis: %r" % result.stderr)
    result = run("encode", "a [b:c:0.5]", "-o", "never.safetensors")
    check(result.returncode == 1 and b"no single embedding" in result.stderr, "editing has no embedding: %r" % result.stderr)
    result = run("x", "--negative", "apple " * 100, "--steps", "1", "--seed", "1", "-o", "cut.png", "--emphasis", "off")
    check(result.returncode == 0 and b"negative prompt is 70 tokens too long" in result.stderr, "a long negative prompt: %r" % result.stderr)
    for name in ("daub-5.jpg", "daub-5-2.jpg"):
        run("x", "--steps", "1", "--seed", "5", "--format", "jpg", "--quiet")
        check(os.path.exists(name) and open(name, "rb").read(2) == b"\xff\xd8", "the default name %s follows the format" % name)
    os.symlink(os.path.join(SOURCE, "models/default"), b"odd, \xff")
    run("\u30ea", *base[1:], "-m", b"odd, \xff", "-o", "odd.png")
    itxt = [body for kind, body in png_chunks(open("odd.png", "rb").read()) if kind == b"iTXt"]
    check(itxt and b'Model: "odd, ?", Parts hash' in itxt[0].decode().encode(), "a model's odd name in the parameters: %r" % itxt)
    result = run("x", "--steps", "3", "--seed", "1", "-o", "p.png")
    check(b"denoise" in result.stderr and b"p.png" in result.stdout and b"\r" not in result.stderr, "plain progress lines")


def read_ppm(path):
    data = open(path, "rb").read()
    kind, size, limit, pixels = data.split(b"\n", 3)
    check(kind == b"P6" and limit == b"255", "%s is a PPM" % path)
    return tuple(int(n) for n in size.split()), pixels


def pictures_in():
    """--init, --strength and --mask: img2img and inpainting."""
    w, h = 136, 72
    pixels = bytes((x * 2 + y * c) % 256 for y in range(h) for x in range(w) for c in range(3))
    open("in.ppm", "wb").write(b"P6\n%d %d\n255\n" % (w, h) + pixels)
    mask = bytes(255 if 50 <= x < 99 and 13 <= y < 57 else 0 for y in range(h) for x in range(w))
    open("mask.pgm", "wb").write(b"P5\n%d %d\n255\n" % (w, h) + mask)
    base = ["a red apple", "--steps", "4", "--seed", "7"]
    result = run(*base, "--init", "in.ppm", "-o", "i2i.png")
    parameters = [body for kind, body in png_chunks(open("i2i.png", "rb").read()) if kind == b"tEXt"]
    check(parameters and b"Steps: 4," in parameters[0] and b", Denoising strength: 0.8, " in parameters[0] and b"136x72" in parameters[0],
          "parameters of img2img: %r" % parameters)
    check(b"encode" in result.stderr and b"3/3" in result.stderr and b"encode" in result.stdout, "phases of img2img: %r" % result.stderr)
    result = run(*base, "-i", "in.ppm", "--strength", "0.5", "-o", "half.ppm", "--json", "--quiet")
    answer = json.loads(result.stdout)
    check(answer["strength"] == 0.5 and answer["seconds"]["encode"] > 0, "img2img as JSON: %r" % answer)
    for name in ("png", "ppm"):
        run(*base, "--init", "i2i.png", "--mask", "mask.pgm", "-q", "-o", "kept." + name)
    run("x", "--init", "kept.png", "--mask", "mask.pgm", "--steps", "1", "-q", "-o", "again.ppm")
    run(*base, "--init", "in.ppm", "--mask", "mask.pgm", "-q", "-o", "painted.ppm")
    size, painted = read_ppm("painted.ppm")
    check(size == (w, h), "the size is the init picture's: %r" % (size,))
    check(all(painted[3 * i:3 * i + 3] == pixels[3 * i:3 * i + 3] for i in range(w * h) if mask[i] == 0), "what a mask keeps is kept")
    check(any(painted[3 * i:3 * i + 3] != pixels[3 * i:3 * i + 3] for i in range(w * h) if mask[i]), "what a mask paints is painted")
    check(all(a == b for i, (a, b) in enumerate(zip(read_ppm("again.ppm")[1], read_ppm("kept.ppm")[1])) if mask[i // 3] == 0),
          "pixels survive a PNG and two runs")
    estimate = json.loads(run("estimate", "--init", "in.ppm", "--json").stdout)
    check(estimate["encode"]["total"] > 0 and (estimate["width"], estimate["height"]) == (w, h), "estimate of img2img: %r" % estimate)
    check(json.loads(run("estimate", "--json").stdout)["encode"]["total"] == 0, "no encoder without a picture")
    refused("a mask of nothing", "x", "--mask", "mask.pgm", words=["init"])
    refused("strength of nothing", "x", "--strength", "0.5", words=["init"])
    refused("strength 0", "x", "--init", "in.ppm", "--strength", "0", words=["strength", "outside"], status=2)
    refused("too few steps", "x", "--init", "in.ppm", "--strength", "0.1", "--steps", "5", words=["0.1", "least is 0.2"])
    refused("another size", "x", "--init", "in.ppm", "--size", "64x64", words=["136x72", "64x64"])
    open("small.pgm", "wb").write(b"P5\n64 72\n255\n" + bytes(64 * 72))
    refused("a mask of another size", "x", "--init", "in.ppm", "--mask", "small.pgm", words=["mask", "64x72", "136x72"])
    open("odd.pgm", "wb").write(b"P5\n63 64\n255\n" + bytes(63 * 64))
    refused("an odd picture", "x", "--init", "odd.pgm", words=["63", "64", "multiple of 8"])
    refused("no picture", "x", "--init", "none.png", words=["none.png"])
    refused("a picture that is none", "x", "--init", "/dev/null", words=["/dev/null"])


def special_files():
    """A pipe is written to, not replaced by a file of its name."""
    os.mkfifo("pipe.ppm")
    reader = subprocess.Popen(["cat", "pipe.ppm"], stdout=subprocess.PIPE)
    result = run("a red apple", "--steps", "1", "-q", "-o", "pipe.ppm")
    data = reader.communicate(timeout=60)[0]
    check(result.returncode == 0 and data.startswith(b"P6"), "a picture into a pipe: %r" % result.stderr[:200])
    check(not os.path.isfile("pipe.ppm"), "the pipe became a file")
    os.unlink("pipe.ppm")


def weight_cache():
    """The same picture without, while it is made, from it, with a file of it cut, and where it cannot be written."""
    model = "model"
    shutil.copytree(os.path.join(SOURCE, "models/default"), model, ignore=shutil.ignore_patterns("goldens"))
    for folder, _, names in os.walk(model):
        for name in names:
            os.utime(os.path.join(folder, name), (1000, 1000))
    base = ["a red apple", "--steps", "2", "--seed", "7", "--quiet", "-m", model, "-o", "c.ppm"]
    run(*base)
    plain = open("c.ppm", "rb").read()

    def same(what, cache, warns=False):
        result = run(*base, "--weight-cache", cache)
        check(result.returncode == 0 and open("c.ppm", "rb").read() == plain and not result.stderr, "%s: %r" % (what, result.stderr))
        result = run(*[a for a in base if a != "--quiet"], "--weight-cache", cache) if warns else result
        check(not warns or b"weight cache" in result.stderr, "%s is told: %r" % (what, result.stderr))

    same("a cache that is made", "cache")
    files = sorted(os.listdir("cache"))
    check([f.split("-")[1] for f in files] == ["text_encoder", "unet", "vae"], "a file a component: %r" % files)
    inodes = [os.stat(os.path.join("cache", f)).st_ino for f in files]
    same("a cache that is there", "cache")
    check([os.stat(os.path.join("cache", f)).st_ino for f in files] == inodes, "a cache that serves is not written")
    os.truncate(os.path.join("cache", files[1]), 100000)
    same("a cut cache", "cache")
    check(os.stat(os.path.join("cache", files[1])).st_size > 100000, "a cut cache is written anew")
    same("a cache that cannot be written", "c.ppm/cache", warns=True)
    weights = os.path.join(model, "unet/diffusion_pytorch_model.safetensors")
    data = bytearray(open(weights, "rb").read())
    data[-4096 * 300:] = bytes(4096 * 300)
    open(weights, "wb").write(data)
    os.utime(weights, (1000, 1000))
    run(*base)
    check(open("c.ppm", "rb").read() != plain, "a changed model draws another picture")
    plain = open("c.ppm", "rb").read()
    same("a changed model", "cache")


def compiled_once():
    """A CPU driver compiles a kernel once, whatever is bound to it: a second start finds in the driver's cache all that it needs."""
    if b"llvmpipe" not in run("devices").stdout:
        return
    cache = os.path.abspath("driver-cache")
    os.mkdir(cache)
    env = {"XDG_CACHE_HOME": cache, "MESA_SHADER_CACHE_DIR": os.path.join(cache, "mesa"), "MESA_DISK_CACHE_MULTI_FILE": "1"}

    def start():
        result = run("a red apple", "--seed", "1", "--steps", "3", "--quiet", "-o", "once.png", env=env)
        check(result.returncode == 0, "a start with a fresh cache: %r" % result.stderr)
        return sum(len(files) for _, _, files in os.walk(env["MESA_SHADER_CACHE_DIR"]))

    first = start()
    second = start()
    check(0 < first == second, "a second start compiles nothing: %d files in the driver's cache, then %d" % (first, second))


def other_commands():
    for args, part in ((["devices"], b"* 0"), (["samplers"], b"dpmpp_2m"), (["--help"], b"daub \"a red apple\""),
                       (["help"], b"--steps"), (["man"], b".TH DAUB"), (["--version"], b"daub 0."), (["noise", "--help"], b"--columns"),
                       (["inspect", os.path.join(SOURCE, "models/default")], b"v_prediction"), (["devices", "-v"], b"binding range")):
        result = run(*args)
        check(result.returncode == 0 and part in result.stdout, "daub %s: %r" % (" ".join(args), result.stdout[:200] + result.stderr))
    for args in (["devices", "--json"], ["samplers", "--json"], ["inspect", os.path.join(SOURCE, "models/default"), "--json"],
                 ["bench", "--steps", "1", "--json"], ["estimate", "--json"], ["estimate", "a cat", "--memory", "small", "--vae-tiles", "3", "--json"]):
        result = run(*args)
        try:
            json.loads(result.stdout)
        except ValueError as error:
            check(False, "daub %s is no JSON: %s %r" % (" ".join(args), error, result.stderr))
    bench_ops()
    start = json.loads(run("bench", "--start", "--steps", "1", "--json").stdout)
    for name in ("first", "second"):
        parts = [start[name][part] for part in ("device", "weights", "first_step", "file")] + [start[name + "_start"] + 0.002]
        check(parts[0] > 0 and parts == sorted(parts), "the parts of a %s start: %r" % (name, start))
    helps()
    result = run("noise", "a.png", "-o", "strip.png", "--columns", "5")
    check(result.returncode == 0 and struct.unpack(">II", png_chunks(open("strip.png", "rb").read())[0][1][:8]) ==
          (5 * 68 - 4, 3 * 68 - 4), "a strip of three rows: %r" % result.stderr)
    result = run("encode", "a red heart", "-o", "e.safetensors")
    head = json.loads(open("e.safetensors", "rb").read()[8:].split(b"}}")[0] + b"}}") if result.returncode == 0 else {}
    check(set(head) - {"__metadata__"} == {"prompt_embeds", "negative_prompt_embeds"}, "daub encode: %r" % result.stderr)
    run("a red heart", "--steps", "2", "--seed", "1", "-o", "h1.ppm", "--quiet")
    run("--prompt-embeds", "e.safetensors", "--steps", "2", "--seed", "1", "-o", "h2.ppm", "--quiet")
    check(open("h1.ppm", "rb").read() == open("h2.ppm", "rb").read(), "embeddings stand for the prompt")


def full_disks():
    """What is printed and cannot be written is a failure, though it lies in a buffer until the end."""
    for words in (["devices"], ["samplers", "--json"], ["help"], ["man"], ["completions", "zsh"], ["--version"],
                  ["x", "--steps", "1", "--seed", "1", "-o", "full.ppm"]):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([DAUB, *words], stdout=full, stderr=subprocess.PIPE, env=ENV, timeout=300)
        check(result.returncode == 1 and b"daub: cannot write to standard output" in result.stderr, "%r onto a full disk: %d, %r" %
              (words, result.returncode, result.stderr))


def helps():
    """Help fits a screen and has examples; a command's help and the manual page name all options, by group."""
    screen = run("--help").stdout.decode()
    lines = screen.splitlines()
    check(len(lines) <= 24 and max(map(len, lines)) <= 80, "--help is a screen: %d lines of up to %d" % (len(lines), max(map(len, lines))))
    check(run().stdout.decode() == run("help").stdout.decode() == screen, "daub, daub help and daub --help say the same")
    for example in ('daub "a red apple"', "--model sd15.safetensors", "-o fox.png"):
        check(example in screen, "an example with %s" % example)
    man = run("man").stdout.decode().replace("\\-", "-")
    lines = [line for line in man.splitlines() if ".fi" in line or ".nf" in line]
    check(lines and set(lines) <= {".nf", ".fi"}, "requests of roff stand in lines of their own: %r" % lines)
    for variable in ("DAUB_DEBUG", "DAUB_CAPS"):  # what the parser knows, the manual page says
        known = run("x", env={variable: "zzzzzzzzzz"}).stderr.decode().split("known are ")[1].strip().split(", ")
        said = re.split(r"[:,.( ]+", man.split("\n%s (comma" % variable if variable == "DAUB_DEBUG" else "DAUB_CAPS: ")[1].split("\n")[0])
        check(len(known) > 5 and all(any(word == s or word[-1] == "=" and s.startswith(word) for s in said) for word in known),
              "%s's words %r in the manual page: %r" % (variable, known, said))
    options, headings = set(), set()
    commands = re.findall(r"^\.B daub (\S+)$", man, re.M)
    check(len(commands) == len(set(commands)) > 8, "commands: %r" % commands)
    for command in commands:
        text = run("help", command).stdout.decode()
        check(text == run(command, "--help").stdout.decode() and text.startswith("daub %s " % command), "daub help %s" % command)
        check(max(map(len, text.splitlines())) <= 100, "daub help %s has at most 100 columns" % command)
        check(command in screen, "%s stands in daub --help" % command)
        options |= set(re.findall(r"^  (?:-., |    )--([a-z-]+)", text, re.M))
        headings |= set(re.findall(r"^([A-Z].*)$", text, re.M))
    check(set(re.findall(r"^\.BI? (?:-.,\\ )?--([a-z-]+)", man, re.M)) == options, "daub man names every option: %r" % options)
    check(set(re.findall(r"^\.SS (.*)$", man, re.M)) == headings, "groups in the manual and the help: %r" % headings)
    check(len(headings) == 11, "every group has its heading: %r" % headings)
    for section in ("EXAMPLES", "FILES", "ENVIRONMENT", "SEE ALSO", "EXIT STATUS"):
        check(".SH %s\n" % section in man, "daub man has %s" % section)
    result = run("help", "nonsense")
    check(result.returncode == 2 and b"no command nonsense" in result.stderr, "help for no command: %r" % result.stderr)


def bench_ops():
    answer = json.loads(run("bench", "--ops", "--steps", "3", "--json").stdout)
    load, totals = answer["load"], {row["phase"]: row for row in answer["ops"] if row["op"] == "total"}
    check(set(totals) == {"text", "prompt", "time", "denoise", "sampler", "decode"}, "phases of --ops: %r" % list(totals))
    check([totals[phase]["runs"] for phase in ("text", "denoise", "sampler")] == [1, 3, 4], "runs of the phases")
    for row in answer["ops"]:
        what = "%s %s of --ops: %r" % (row["phase"], row["op"], row)
        check(row["dispatches"] >= row["layers"] > 0, what)
        check(row["gbytes"] > 0 and row["floor_gbytes"] > 0 and row["all"]["dispatches"] == row["runs"] * row["dispatches"], what)
    for phase, total in totals.items():
        rows = [row for row in answer["ops"] if row["phase"] == phase and row["op"] != "total"]
        check(sum(row["dispatches"] for row in rows) == total["dispatches"], "the sum of %s" % phase)
        check(total["gbytes"] >= 0.99 * total["floor_gbytes"], "%s moves less than its floor: %r" % (phase, total))
        check(total["span"] == 0 or 0 <= total["idle"] < 1, "idle share of %s: %r" % (phase, total))
    check(load["steps"] == 2 and load["wall"] > 0 and 0 <= load["host"] <= load["cpu"] and load["processors"] > 0, "load: %r" % load)
    text = run("bench", "--ops", "--steps", "3").stdout.decode()
    check("processors busy" in text and "floor MB" in text and "between dispatches" in text, "the table of --ops: %s" % text[:600])
    check(json.loads(run("bench", "--steps", "1", "--json").stdout)["ops"] == [], "no operations without --ops")


def bad_inputs():
    open("empty.safetensors", "wb").close()
    open("text.safetensors", "w").write("this is a web page, not a model " * 10)
    whole = open(os.path.join(SOURCE, "models/default/unet/diffusion_pytorch_model.safetensors"), "rb").read()
    open("truncated.safetensors", "wb").write(whole[:100000])
    os.mkdir("locked")
    os.mkdir("folder")
    p = ["x", "--steps", "1"]
    refused("an unknown memory mode", *p, "--memory", "tiny", words=["--memory", "tiny", "small", "stream"])
    refused("a limit that is no number", *p, "--max-memory", "much", words=["--max-memory", "much"])
    refused("a limit of no unit", *p, "--max-memory", "12T", words=["--max-memory", "12T"])
    refused("a limit too small for any mode", *p, "--max-memory", "100k", words=["needs", "the limit is 0.1 MB", "no mode"])
    refused("a limit too small for the mode", *p, "--max-memory", "24M", words=["needs 29.5 MB", "the limit is 24.0 MB", "memory mode small needs 19."])
    for rows in ("0", "16385", "-1", "2x", "of", ""):
        refused("%r rows for the VAE" % rows, *p, "--vae-tiles", rows, words=["--vae-tiles wants auto, off or a number"])
    refused("a device too small for bands", *p, "--size", "512x512", env={"DAUB_CAPS": "memory=8M"},
            words=["512x512 needs", "the limit is 8.4 MB", "the VAE decodes in bands already"])
    refused("a missing model", *p, "-m", "none.safetensors", words=["none.safetensors"])
    refused("an empty model", *p, "-m", "empty.safetensors", words=["empty.safetensors"])
    refused("no model", *p, "-m", "text.safetensors", words=["text.safetensors"])
    refused("a truncated model", *p, "-m", "truncated.safetensors", words=["truncated.safetensors"])
    refused("a folder that is no model", *p, "-m", "folder", words=["folder"])
    shutil.copytree(os.path.join(SOURCE, "models/default"), "shape", ignore=shutil.ignore_patterns("goldens"))
    config = json.load(open("shape/unet/config.json"))
    json.dump(dict(config, cross_attention_dim=136), open("shape/unet/config.json", "w"))
    refused("configs that do not fit", *p, "-m", "shape", words=["text encoder", "136", "128"])
    json.dump(config, open("shape/unet/config.json", "w"))
    text = json.load(open("shape/text_encoder/config.json"))
    json.dump(dict(text, intermediate_size=520), open("shape/text_encoder/config.json", "w"))
    refused("wrong shapes", *p, "-m", "shape", words=["layers.0.mlp.fc1.weight", "520", "512"])
    json.dump(text, open("shape/text_encoder/config.json", "w"))
    json.dump(dict(config, _class_name="UNet9DModel"), open("shape/unet/config.json", "w"))
    refused("an unknown class", *p, "-m", "shape", words=["UNet9DModel"])
    refused("no loader or driver", *p, words=["vulkan"], env={"VK_DRIVER_FILES": "/none.json", "VK_ICD_FILENAMES": "/none.json"})
    refused("no such device", *p, "--device", "voodoo", words=["voodoo"])
    refused("an unwritable output", *p, "-o", "none/x.png", words=["none"])
    refused("a folder as output", *p, "-o", "folder", words=["folder"])
    os.mkdir("folder.png")
    refused("a folder named as a picture", *p, "-o", "folder.png", words=["folder.png", "is a folder"])
    refused("embeddings to standard output", "encode", "x", "-o", "-", words=["standard output"])
    refused("a prompt beside embeddings", *p, "--prompt-embeds", "e.safetensors", words=["one or the other"])
    refused("a size beyond any memory", *p, "--size", "16384x16384", words=["16384x16384 needs"])
    open("wide.ppm", "wb").write(b"P6\n4000 1\n255\n" + bytes(12000))
    refused("a strip that is too wide", "noise", "wide.ppm", "--columns", "64", "-o", "n.png", words=["--columns"])
    refused("a newline in an option", "--st\nps", "3", words=["--steps"], status=2)
    refused("an unknown format", *p, "-o", "x.webp", words=["x.webp"])
    refused("width 0", *p, "--width", "0", words=["0", "width"], status=2)
    refused("width 63", *p, "--width", "63", words=["63", "multiple"])
    refused("width 100000", *p, "--width", "100000", words=["100000"], status=2)
    refused("a size that is none", *p, "--size", "64", words=["64"], status=2)
    refused("a size too large to be one", *p, "--size", "100000x8", words=["100000x8 is outside 1..16384"], status=2)
    run("x", "--steps", "1", "--seed", "1", "--quiet", "--size", "72X64", "-o", "capital.ppm")
    check(read_ppm("capital.ppm")[0] == (72, 64), "a capital X between width and height")
    refused("steps 0", "x", "--steps", "0", words=["steps"], status=2)
    refused("an unknown sampler", *p, "--sampler", "eular", words=["euler"])
    refused("an unknown schedule", *p, "--schedule", "karas", words=["karras"])
    refused("an unknown option", *p, "--stpes", "3", words=["--steps"], status=2)
    refused("no number", "x", "--steps", "many", words=["many"], status=2)
    refused("half a number", "x", "--steps", "3.5", words=["3.5"], status=2)
    refused("a seed that is none", *p, "--seed", "-1", words=["-1"], status=2)
    refused("invalid UTF-8", b"a\xff\xfe", "--steps", "1", words=["UTF-8"])
    refused("two prompts", "a", "b", words=["quotes"], status=2)
    refused("an option of another command", "devices", "--steps", "3", words=["devices"], status=2)
    refused("a wrong word in DAUB_CAPS", *p, words=["DAUB_CAPS", "-f17"], env={"DAUB_CAPS": "-f17"})
    refused("a wrong word in DAUB_DEBUG", *p, words=["DAUB_DEBUG", "speed"], env={"DAUB_DEBUG": "speed"})
    refused("a picture that is none", "noise", "text.safetensors", words=["text.safetensors"])


def readme_program():
    """The program in README compiles and draws as it is printed."""
    if "asan" in DAUB or "tsan" in DAUB:  # a plain program does not link their runtime
        return
    text = open(os.path.join(SOURCE, "README.md"), encoding="utf-8").read()
    program = text.split("```c\n")[1].split("```")[0]
    check(len(program.strip().splitlines()) <= 14, "README's program is short")
    open("program.c", "w").write(program)
    library = os.path.join(os.path.dirname(os.path.dirname(DAUB)), "lib")
    build = subprocess.run(["cc", "-std=c11", "-Wall", "-Werror", "program.c", "-I" + os.path.join(SOURCE, "include"), "-L" + library,
                            "-ldaub", "-o", "program"], capture_output=True)
    check(build.returncode == 0, "README's program compiles: %r" % build.stderr[:500])
    if build.returncode == 0:
        result = subprocess.run(["./program"], capture_output=True, timeout=300,
                                env=dict(ENV, LD_LIBRARY_PATH=library, DAUB_DEFAULT_MODEL=os.path.join(SOURCE, "models/default")))
        check(result.returncode == 0 and open("apple.ppm", "rb").read(2) == b"P6", "README's program draws: %r" % result)


if __name__ == "__main__":
    main(pictures, pictures_in, special_files, weight_cache, compiled_once, other_commands, full_disks, bad_inputs, readme_program)
