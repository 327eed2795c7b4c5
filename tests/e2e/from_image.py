#!/usr/bin/env python3
"""daub from-image: a picture's own parameters draw it again to the same bytes, and those of other programs as far as they are known.

    from_image.py PATH/daub SOURCE_DIR
"""
import hashlib
import json
import os
import re
import shutil
import struct
import zlib

import harness
from harness import SOURCE, check, main, read, run, write


def refused(name, *args, words=(), env=None):
    harness.refused(name, "from-image", *args, words=words, env=env)


def again(what, name, *args, given=(), warns=()):
    """Draws with args, then from what was drawn."""
    result = run(*args, "-q", "-o", name)
    check(result.returncode == 0, "%s: %r" % (what, result.stderr))
    result = run("from-image", name, "-o", "again-" + name, *given)
    warned = [line for line in result.stderr.decode("utf-8", "replace").splitlines() if "warning" in line]
    check(result.returncode == 0 and os.path.exists("again-" + name), "%s again: %r" % (what, result.stderr[-300:]))
    check(len(warned) == len(warns) and all(w in line for w, line in zip(warns, warned)), "%s: warnings %r" % (what, warned))
    if result.returncode == 0:
        check(read(name) == read("again-" + name), "%s: the same bytes" % what)


def same_bytes():
    base = ["--steps", "2", "--seed", "7"]
    again("a JPEG of low quality", "low.jpg", "a red apple", *base, "--quality", "40")
    again("Unicode in a JPEG", "unicode.jpg", "\u30ea\u30f3\u30b4, \u00e9t\u00e9 \U0001f34e", *base, "--negative", "\u732b")
    again("a prompt like the grammar's own", "odd.png", "a\nNegative prompt: b\nSteps: 1, Sampler: x, Size: 8x8", *base, "--negative",
          "c\nNegative prompt: d", "--size", "72x64")
    again("emphasis", "webui.png", "a (red:1.5) apple BREAK [a:b:1] [c|d], " + 80 * "long, ", *base)
    long = "a red apple BREAK in snow BREAK [at night::1]"
    again("prompts of other lengths", "long.png", long, *base, "--negative", "blue")
    again("a longer negative prompt", "long-negative.png", "a red apple", *base, "--negative", long)
    for how, key in (("empty", b"Pad conds: True"), ("last", b"Pad conds v0: True")):
        again("prompts padded, " + how, how + ".png", long, *base, "--negative", "blue", "--pad-prompts", how)
        check(key in read(how + ".png") and b"Pad conds" not in read("long.png"), "padding is recorded, " + how)
        check(read(how + ".png") != read("long.png"), "padding is another picture, " + how)
        run("from-image", how + ".png", "--pad-prompts", "off", "-q", "-o", "off.png")
        check(read("off.png") == read("long.png"), "no padding over what was recorded, " + how)
    run("a cat", *base, "--pad-prompts", "empty", "-q", "-o", "same.png")
    check(b"Pad conds" not in read("same.png"), "padding that changes nothing is not recorded")
    again("another VAE", "vae.png", "a red apple", *base, "--vae", os.path.join(SOURCE, "models/default"))
    check(b"VAE: default" in read("vae.png"), "the VAE is recorded")
    lists = json.loads(run("samplers", "--json").stdout)
    # Their names are test_parameters'; here the first of them, the last, and a pair.
    choices = [{"sampler": lists["samplers"][i]["name"]} for i in (0, -1)]
    choices += [{"sampler": "dpmpp_2m", "schedule": lists["schedules"][-1]}]
    lines = [json.dumps(dict(c, prompt="a cat", output="choice-%d.png" % i)) for i, c in enumerate(choices)]
    result = run("--batch-file", "-", *base, "-q", input="\n".join(lines).encode())
    check(result.returncode == 0, "some samplers: %r" % result.stderr)
    for i, choice in enumerate(choices):
        result = run("from-image", "choice-%d.png" % i, "-o", "choice.png")
        check(result.returncode == 0 and b"warning" not in result.stderr and read("choice.png") == read("choice-%d.png" % i),
              "%r: %r" % (choice, result.stderr[-200:]))
    again("every number", "numbers.png", "a cat", "--steps", "3", "--seed", "18446744073709551615", "--guidance", "3.3333333",
          "--guidance-rescale", "0.1234567", "--eta", "0.7123456789012", "--sampler", "ddim", "--clip-skip", "2", "--rng", "cuda",
          "--size", "72x136")
    again("precision f32, emphasis off", "f32.png", "a (red:1.5) cat", *base, "--precision", "f32", "--emphasis", "off")
    check(b"Precision: f32" in read("f32.png"), "f32 is recorded")
    again("a style and a guidance interval", "style.png", "a red apple", "--steps", "5", "--seed", "7", "--style", "vivid",
          "--guidance-interval", "0.2:0.8123456789")
    again("bands in memory mode small", "bands.png", "", *base, "--vae-tiles", "2", "--memory", "small")
    again("no bands, and guidance off", "whole.png", "a cat", *base, "--vae-tiles", "off", "--guidance", "1")
    run("a cat", *base, "-q", "-n", "3", "-o", "many-{n}.png")
    result = run("from-image", "many-3.png", "-q", "-o", "one.png")
    check(result.returncode == 0 and read("one.png") == read("many-3.png"), "the last picture of three")
    run("from-image", "many-1.png", "-q", "-n", "3", "-o", "three-{n}.png")
    check(all(read("three-%s.png" % n) == read("many-%s.png" % n) for n in "123"), "three from the first")


def pictures_in():
    base = ["a red apple", "--steps", "4", "--seed", "7"]
    w, h = 72, 64
    write("in.ppm", b"P6\n%d %d\n255\n" % (w, h) + bytes((3 * x + 5 * y) % 256 for y in range(h) for x in range(w) for _ in range(3)))
    write("mask.pgm", b"P5\n%d %d\n255\n" % (w, h) + bytes(255 if x > 30 else 0 for _ in range(h) for x in range(w)))
    again("img2img", "i2i.png", *base, "--init", "in.ppm", "--strength", "0.51234567890123")
    again("img2img, the picture given again", "i2i2.png", *base, "--init", "in.ppm", given=("--init", "in.ppm"))
    again("inpainting", "paint.png", *base, "--init", "in.ppm", "--mask", "mask.pgm")
    again("inpainting into a JPEG", "paint.jpg", *base, "--init", "in.ppm", "--mask", "mask.pgm")
    again("an absolute path", "abs.png", *base, "--init", os.path.abspath("in.ppm"))
    check(b"Init: in.ppm, Init hash: " + hashlib.sha256(read("in.ppm")).hexdigest()[:10].encode() in read("abs.png"),
          "an absolute path is recorded without its folders")
    again("another picture to begin with", "other.png", *base, "--init", "in.ppm", "--strength", "0.5")
    write("in2.ppm", read("in.ppm")[:-3] + b"abc")
    result = run("from-image", "other.png", "--init", "in2.ppm", "-o", "x.png")
    check(result.returncode == 0 and b"warning" in result.stderr and b"another init" in result.stderr, "another init is told: %r" % result.stderr)
    os.mkdir("sub")
    for name in ("i2i.png", "in.ppm"):
        shutil.copy(name, "sub")
    os.rename("in.ppm", "moved.ppm")
    result = run("from-image", "sub/i2i.png", "-q", "-o", "x.png")
    check(result.returncode == 0 and read("x.png") == read("i2i.png"), "the init picture beside the picture: %r" % result.stderr)
    refused("an init picture that is gone", "i2i.png", words=["in.ppm", "--init"])
    os.rename("in2.ppm", "in.ppm")
    refused("an init picture that has changed", "i2i.png", words=["in.ppm", "--init"])
    refused("another one, exactly", "i2i.png", "--init", "in.ppm", "--exact", words=["another init"])
    os.rename("moved.ppm", "in.ppm")
    run("encode", "a red heart", "-o", "e.safetensors", "-q")
    again("embeddings", "embeds.png", "--prompt-embeds", "e.safetensors", "--steps", "2", "--seed", "1")


def identities():
    """What a picture was made from besides its prompt: parts of a folder, configs, bands for want of memory; and only what it used."""
    base = ["a red apple", "--steps", "2", "--seed", "7"]
    default = os.path.join(SOURCE, "models/default")
    run(*base, "--sampler", "euler", "--eta", "0.5", "-q", "-o", "euler.png")
    run(*base, "--sampler", "ddim", "--eta", "0.5", "-q", "-o", "ddim.png")
    check(b"Eta DDIM" not in read("euler.png") and b"Eta DDIM: 0.5" in read("ddim.png"), "eta is of DDIM alone")

    shutil.copytree(default, "mine")
    vae = "mine/vae/diffusion_pytorch_model.safetensors"
    again("a folder", "folder.png", *base, "--model", "mine")
    check(b"Parts hash: " in read("folder.png"), "the other parts are recorded")
    data = bytearray(read(vae))
    data[-1] ^= 1
    write(vae, bytes(data))
    result = run("from-image", "folder.png", "--model", "mine", "-o", "x.png")
    check(result.returncode == 0 and b"another text encoder or VAE" in result.stderr, "another VAE in the folder: %r" % result.stderr)
    refused("another VAE, exactly", "folder.png", "--model", "mine", "--exact", words=["another text encoder or VAE", "mine"])

    shutil.copytree(default, "configs", ignore=shutil.ignore_patterns("*.safetensors"))
    again("configs from elsewhere", "configs.png", *base, "--model", default, "--config-from", "configs")
    check(b"Config: configs, Config hash: " in read("configs.png"), "the folder of configs is recorded")
    os.rename("configs", "elsewhere")
    refused("configs that are gone", "configs.png", words=["configs", "--config-from"])
    result = run("from-image", "configs.png", "--config-from", "elsewhere", "-q", "-o", "x.png")
    check(result.returncode == 0 and read("x.png") == read("configs.png"), "configs that are given: %r" % result.stderr)
    write("elsewhere/daub.json", read("elsewhere/daub.json") + b" ")
    result = run("from-image", "configs.png", "--config-from", "elsewhere", "-o", "x.png")
    check(b"another config-from" in result.stderr, "other configs are told: %r" % result.stderr)

    base = ["a red apple", "--steps", "1", "--seed", "7", "--guidance", "1", "--size", "256x256"]
    for percent in range(95, 30, -5):
        whole = json.loads(run("estimate", *base[1:], "--json").stdout)["peak"]
        limit = ["--max-memory", "%dK" % (whole * percent // 100 // 1024)]
        need = json.loads(run("estimate", *base[1:], "--json", *limit).stdout)
        if need["bands"] > 0 and need["fits"]:
            break
    again("bands that memory wanted", "tight.png", *base, *limit)
    check(b"VAE memory: " in read("tight.png"), "bands that memory wanted are recorded: %r" % need)
    run("from-image", "tight.png", "--vae-tiles", "auto", "-q", "-o", "x.png")
    check(b"VAE memory" not in read("x.png"), "no bands over what was recorded")


def cells():
    """daub grid --cells: each picture by itself, drawn again from what it says."""
    refused_grid = run("grid", "a cat", "--seed", "1", "--x", "steps=1,2", "--cells", "none", "-o", "g.png")
    check(refused_grid.returncode == 1 and b"none" in refused_grid.stderr and not os.path.exists("g.png"), "a folder that is missing")
    os.mkdir("cells")
    result = run("grid", "a cat", "--seed", "1", "--x", "steps=1,2", "--y", "sampler=ddim,euler,heun", "--cells", "cells", "-q", "-o", "g.png")
    check(result.returncode == 0 and len(os.listdir("cells")) == 6, "six cells: %r" % result.stderr)
    run("a cat", "--seed", "1", "--steps", "2", "--sampler", "heun", "-q", "-o", "one.png")
    check(read("one.png") == read("cells/3-2.png"), "a cell is the picture of its options")
    for name in ("1-1.png", "2-2.png"):
        run("from-image", "cells/" + name, "-q", "-o", "again.png")
        check(read("again.png") == read("cells/" + name), "%s again" % name)


def too_long_for_a_jpeg():
    """Parameters beyond a segment's 64 KiB are left out, and that is said; a PNG takes them."""
    prompt = "word, " * 6000
    result = run(prompt, "--emphasis", "off", "--steps", "1", "--seed", "1", "-o", "long.jpg")
    check(result.returncode == 0 and b"long.jpg has no parameters" in result.stderr and os.path.exists("long.jpg"), "said: %r" % result.stderr[-300:])
    refused("none in it", "long.jpg", words=["long.jpg"])
    sizes = re.search(rb"takes (\d+) bytes of them in UTF-16, and these have (\d+);", result.stderr)
    most, have = (int(n) for n in sizes.groups()) if sizes else (0, 0)
    check(2 * len(prompt) < have < 2 * len(prompt) + 1000, "the sentence's number: %r" % result.stderr[-300:])
    for more in (0, 1):  # exactly as many as it takes, and one letter more
        n = len(prompt.strip()) - (have - most) // 2 + more
        result = run(prompt[:n - 1] + "w", "--emphasis", "off", "--steps", "1", "--seed", "1", "-o", "edge.jpg")
        check((b"no parameters" in result.stderr) == (more == 1), "%d of %d bytes: %r" % (most + 2 * more, most, result.stderr[-200:]))
    result = run(prompt, "--emphasis", "off", "--steps", "1", "--seed", "1", "-o", "long.png")
    check(b"no parameters" not in result.stderr and prompt.strip().encode() in read("long.png"), "in a PNG")


def overrides():
    run("a red apple", "--steps", "3", "--seed", "7", "--guidance", "3", "-q", "--eta", "0.5", "-o", "o.png")
    # test_command_files has every field; these are pictures.
    for what, option, more in (("eta 0", ["--eta", "0"], ["--steps", "3", "--seed", "7", "--guidance", "3"]),
                               ("a width", ["--width", "72"], ["--steps", "3", "--seed", "7", "--guidance", "3", "--eta", "0.5"])):
        run("from-image", "o.png", *option, "-q", "-o", "a.png")
        run("a red apple", *option, *more, "-q", "-o", "b.png")
        check(read("a.png") == read("b.png") != read("o.png"), "%s over what was recorded" % what)
    run("from-image", "o.png", "--prompt", "a boat", "--negative", "x", "-q", "-o", "a.png")
    run("--prompt", "a boat", "--steps", "3", "--seed", "7", "--guidance", "3", "--eta", "0.5", "--negative", "x", "-q", "-o", "b.png")
    check(read("a.png") == read("b.png"), "a prompt over what was recorded")
    base = ["a red apple", "--seed", "7", "-q"]
    run(*base, "--steps", "5", "--style", "vivid", "--guidance-interval", "0.2:0.8", "--vae-tiles", "2", "-o", "v.png")
    given = ["--steps", "5", "--guidance-rescale", "0.7", "--vae-tiles", "2"]
    plain = json.loads(run("from-image", "v.png", "--json", "-q", "-o", "a.png").stdout)
    check(plain["style"] == "vivid", "a style is recorded: %r" % plain)
    own = ["--guidance", repr(plain["guidance"]), "--guidance-interval", "0.2:0.8"]
    for what, option, more in (("another sampler", ["--sampler", "ddim"], [*given, *own]),
                               ("another sampler with its schedule", ["--sampler", "dpmpp_2m exponential"], [*given, *own]),
                               ("no guidance", ["--guidance", "1"], [*given, "--sampler", "dpmpp_2m karras"])):
        result = run("from-image", "v.png", *option, "-q", "-o", "a.ppm")
        run(*base, *option, *more, "-o", "b.ppm")
        check(result.returncode == 0 and read("a.ppm") == read("b.ppm"), "%s over what was recorded: %r" % (what, result.stderr))
    run("from-image", "v.png", "--vae-tiles", "auto", "-q", "-o", "a.png")
    check(b"VAE rows: 2" in read("v.png") and b"VAE rows" not in read("a.png"), "no bands over what was recorded")
    answer = json.loads(run("from-image", "o.png", "--json", "-q").stdout)
    check(answer["path"] == "daub-7.png" and answer["seed"] == 7 and answer["prompt"] == "a red apple", "as JSON: %r" % answer)


def png_with(kind, text, keyword=b"parameters"):
    """A PNG of one pixel with a text chunk."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    body = {b"tEXt": keyword + b"\0" + text.encode("latin-1", "replace"),
            b"zTXt": keyword + b"\0\0" + zlib.compress(text.encode("latin-1", "replace")),
            b"iTXt": keyword + b"\0\0\0en\0\0" + text.encode(),
            b"iTXt z": keyword + b"\0\1\0\0\0" + zlib.compress(text.encode())}[kind]
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + chunk(kind[:4], body) +
            chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b""))


def other_programs():
    """Texts as stable-diffusion-webui writes them."""
    model = hashlib.sha256(read(os.path.join(SOURCE, "models/default/unet/diffusion_pytorch_model.safetensors"))).hexdigest()[:10]
    text = "a cat \u00e9\nNegative prompt: ugly\nSteps: 2, Sampler: %s, CFG scale: 3.5, Seed: 5, Size: 72x64, Model hash: " + model + ", Model: m%s"
    base = ["a cat \u00e9", "--negative", "ugly", "--steps", "2", "--guidance", "3.5", "--seed", "5", "--size", "72x64", "-q", "-o", "own.ppm"]

    def same(what, sampler, more, args, warns=None, kind=b"tEXt"):
        write("a1111.png", png_with(kind, text % (sampler, more)))
        result = run("from-image", "a1111.png", "-o", "theirs.ppm")
        warning = [line for line in result.stderr.decode().splitlines() if "warning" in line]
        check(result.returncode == 0 and (len(warning) == 1 and all(w in warning[0] for w in warns) if warns else not warning),
              "%s: %r" % (what, result.stderr))
        run(*base, *args)
        check(read("theirs.ppm") == read("own.ppm"), "%s draws what daub's options draw" % what)

    for kind in (b"tEXt", b"iTXt z"):  # the others are test_parameters'
        same("a %s chunk" % kind.decode(), "Euler a", "", ["--sampler", "euler_a", "--rng", "cuda"], kind=kind)
    same("an old sampler's name", "DPM++ 2M Karras", "", ["--sampler", "dpmpp_2m", "--schedule", "karras", "--rng", "cuda"])
    same("a schedule of its own", "Euler", ", Schedule type: Karras, RNG: CPU, Version: v1.10.1", ["--sampler", "euler", "--schedule", "karras"])
    same("an automatic schedule", "DPM++ 2M", ", Schedule type: Automatic, RNG: CPU", ["--sampler", "dpmpp_2m", "--schedule", "karras"])
    same("clip skip and DDIM's eta", "DDIM", ", Clip skip: 2, Eta DDIM: 0.5, RNG: NV, ENSD: 0",
         ["--sampler", "ddim", "--clip-skip", "2", "--eta", "0.5", "--rng", "cuda"])
    same("a second pass", "Euler", ", RNG: CPU, Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent", ["--sampler", "euler"],
         warns=["Hires upscale 2, Hires upscaler Latent"])
    same("an unknown sampler", "Restart", ", RNG: CPU", [], warns=["Sampler Restart"])
    same("LoRA", "Euler", ', RNG: CPU, Lora hashes: "aa: 12, bb: 34"', ["--sampler", "euler"], warns=["Lora hashes aa: 12, bb: 34"])
    refused("what daub does not do, exactly", "a1111.png", "--exact", words=["Lora hashes"])
    write("net.png", png_with(b"tEXt", (text % ("Euler", ", RNG: CPU")).replace("a cat \u00e9", "a cat <lora:x:0.5>\u00e9")))
    result = run("from-image", "net.png", "-o", "theirs.ppm")
    run(*base, "--sampler", "euler")
    check(b"<lora:x:0.5>" in result.stderr and read("theirs.ppm") == read("own.ppm"), "a network in the prompt: %r" % result.stderr)
    write("i2i.png", png_with(b"tEXt", text % ("Euler", ", Denoising strength: 0.5")))
    refused("img2img without its picture", "i2i.png", words=["another picture", "--init"])
    write("other.png", png_with(b"tEXt", (text % ("Euler", "")).replace(model, "0123456789")))
    refused("another model", "other.png", words=["model m", "0123456789", "--model"])
    default = os.path.join(SOURCE, "models/default")
    result = run("from-image", "other.png", "-m", default, "-o", "x.png")
    check(result.returncode == 0 and b"0123456789" in result.stderr and b"warning" in result.stderr, "another model is told: %r" % result.stderr)
    refused("another model, exactly", "other.png", "-m", default, "--exact", words=["0123456789"])
    refused("a model that is not there", "other.png", "-m", "nowhere", words=["nowhere"])
    refused("no text", "x.ppm" if os.path.exists("x.ppm") else "theirs.ppm", words=["neither PNG nor JPEG"])
    write("none.png", png_with(b"tEXt", "{}", keyword=b"workflow"))
    refused("another text", "none.png", words=["no parameters", "workflow"])
    data = bytearray(read("a1111.png"))
    data[data.index(b"cat")] ^= 1
    write("crc.png", data)
    refused("a damaged text", "crc.png", words=["CRC"])
    refused("a cut picture", write("cut.png", read("a1111.png")[:60]) or "cut.png", words=["cut.png", "ends inside"])
    refused("no file", "nothing.png", words=["nothing.png"])


def models():
    """A model is found by its hash wherever it lies, once it has been hashed here."""
    cache = {"XDG_CACHE_HOME": os.path.abspath("away/cache")}
    os.makedirs("away")
    shutil.copytree(os.path.join(SOURCE, "models/default"), "away/mine", ignore=shutil.ignore_patterns("goldens"))
    weights = "away/mine/unet/diffusion_pytorch_model.safetensors"
    data = bytearray(read(weights))
    data[-100:] = bytes(100)
    write(weights, data)
    result = run("a cat", "-m", "away/mine", "--steps", "1", "--seed", "1", "-q", "-o", "mine.png", env=cache)
    check(result.returncode == 0 and b"Model: mine" in read("mine.png"), "another model: %r" % result.stderr)
    os.mkdir("afar")
    result = run("from-image", "../mine.png", "-q", "-o", "mine.png", env=cache, cwd="afar")
    check(result.returncode == 0 and read("afar/mine.png") == read("mine.png"), "a model by its hash: %r" % result.stderr)
    shutil.rmtree("away/cache")
    refused("a model nobody knows", "mine.png", words=["model mine", "--model"], env=cache)
    result = run("from-image", "../mine.png", "-q", "-o", "../away/x.png", env=cache, cwd="away")
    check(result.returncode == 0 and read("away/x.png") == read("mine.png"), "a model by its name: %r" % result.stderr)


if __name__ == "__main__":
    main(same_bytes, pictures_in, identities, cells, too_long_for_a_jpeg, overrides, other_programs, models)
