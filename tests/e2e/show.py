#!/usr/bin/env python3
"""What a person sees: --preview in terminals of every kind, --strip and daub grid.

    show.py PATH/daub SOURCE_DIR

The terminals are pseudo terminals of python3's pty: see terminal.py.
"""
import base64
import json
import os
import re
import signal
import subprocess
import time

import terminal
from harness import DAUB, ENV, SOURCE, check, main, refused, run
from terminal import Screen, crop, distance, kitty_pictures, png, read, sixel

BASE = ["a red apple", "--steps", "3", "--seed", "7"]


def in_terminal(*args, **kw):
    return terminal.Terminal(DAUB, *args, **kw)


def first_picture():
    run(*BASE, "-o", "a.png", "-q")


# ---- previews --------------------------------------------------------------------------------------------------------

def preview_blocks():
    """Half blocks in 24 bits and in 256 colours: redrawn in place, the final picture stays, pixel for pixel where there is room."""
    want = read("a.png")[2]
    for name, env in (("24 bits", {"TERM": "xterm", "COLORTERM": "truecolor"}), ("256 colours", {"TERM": "xterm-256color"})):
        t = in_terminal(*BASE, "--preview", "--preview-every", "1", "-o", "t.png", env=env, answer=b"\x1b[?62;22c")
        check(t.status == 0 and t.same_settings and t.asked, "previews in %s: %d %r" % (name, t.status, t.output[-300:]))
        check(open("t.png", "rb").read() == open("a.png", "rb").read(), "who looks on changes nothing")
        frames = t.output.count(b"\x1b7")
        check(frames == 4, "three steps and the picture: %d frames" % frames)
        screen = Screen(t.output)
        got, rows = screen.picture(64)
        check(len(rows) == 32 and rows == list(range(rows[0], rows[0] + 32)), "one place for all frames: lines %r" % rows)
        check({r for r, c in screen.cells if screen.cells[r, c][0] == "\u2580"} == set(rows), "no frame beside the last")
        if "24" in name:
            check(got == want, "the picture's own colours: off by %.1f" % distance(got, want))
            check(not re.search(rb"[34]8;5;", t.output), "no palette in 24 bits")
        else:
            check(not re.search(rb"[34]8;2;", t.output) and 0 < distance(got, want) < 20, "256 colours: off by %.1f" % distance(got, want))
        end = t.output.decode().rstrip().splitlines()[-1]
        check("t.png" in end and screen.row > rows[-1], "the report is below the picture: %r" % end)
    first = Screen(t.output[:[m.start() for m in re.finditer(b"\x1b8", t.output)][0] + 2]).picture(64)[0]
    check(distance(first, got) > 5, "the first frame is not the last")


def preview_scales():
    """A picture keeps its shape in a small terminal, and a smaller one gets its mean colours."""
    t = in_terminal(*BASE, "--size", "128x64", "--preview=blocks", "-o", "wide.png", env={"TERM": "xterm", "COLORTERM": "truecolor"},
                 size=(40, 33, 0, 0))
    width, height, want = read("wide.png")[:3]
    got, rows = Screen(t.output).picture(16)
    check(t.status == 0 and len(rows) == 8 and len(got) == 32 * 16 * 3, "128x64 in 32 columns: %d lines, %d bytes" % (len(rows), len(got)))
    mean = bytearray()
    for y in range(16):
        for x in range(32):
            box = crop((width, height, want), 4 * x, 4 * y, 4, 4)
            mean += bytes(sum(box[c::3]) // 16 for c in range(3))
    check(distance(got, mean) < 8, "scaled down: off by %.1f" % distance(got, mean))
    t = in_terminal(*BASE, "--preview=blocks", "-o", "t.png", env={"TERM": "xterm", "COLORTERM": "truecolor"}, size=(12, 200, 0, 0))
    rows = Screen(t.output).picture(1000)[1]
    check(len(rows) == 10, "ten of twelve lines: %d" % len(rows))
    t = in_terminal(*BASE[:3], "--seed", "3", "-n", "2", "--preview=blocks", "-o", "t.png", env={"TERM": "xterm"}, size=(40, 17, 0, 0))
    rows = Screen(t.output).picture(1000)[1]
    check(t.status == 0 and len(rows) == 16, "two pictures, two places: %r" % rows)


def preview_kitty():
    want = read("a.png")
    env = {"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}
    t = in_terminal(*BASE, "--preview", "--preview-every", "1", "-o", "t.png", env=env, size=(30, 80, 800, 600))
    pictures = kitty_pictures(t.output)
    check(t.status == 0 and not t.asked and t.same_settings, "kitty: %d %r" % (t.status, t.output[-300:]))
    check(len(pictures) == 4, "three previews and the picture: %d" % len(pictures))
    for keys, data in pictures:
        check(keys[b"a"] == b"T" and keys[b"f"] == b"100" and keys[b"C"] == b"1" and keys[b"q"] == b"2", "keys: %r" % keys)
        check((int(keys[b"c"]), int(keys[b"r"])) == (56, 28), "64x64 in 30 lines of cells of 10x20: %r" % keys)
        check(png(data)[:2] == (64, 64), "size of a preview")
    check(len({keys[b"i"] for keys, _ in pictures}) == 1, "one picture is replaced")
    check(png(pictures[-1][1])[2] == want[2], "the last one is the picture")
    t = in_terminal(*BASE, "--preview", "--preview-every", "2", "--show-by", "linear", "-o", "t.png", env=env)
    sizes = [png(data)[:2] for _, data in kitty_pictures(t.output)]
    check(sizes == [(8, 8), (8, 8), (64, 64)], "linear previews after 2 and 3 of 3 steps: %r" % sizes)
    t = in_terminal(*BASE, "--size", "256x256", "--preview", "-o", "t.png", env=env)
    sizes = [png(data)[:2] for _, data in kitty_pictures(t.output)]
    check(sizes[0] == (32, 32) and sizes[-1] == (256, 256), "large pictures are previewed by the linear map: %r" % sizes)


def preview_iterm2():
    for env in ({"TERM_PROGRAM": "iTerm.app"}, {"LC_TERMINAL": "iTerm2"}):
        t = in_terminal(*BASE, "--preview", "-o", "t.png", env=dict(env, TERM="xterm-256color"))
        found = re.findall(rb"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", t.output)
        check(t.status == 0 and not t.asked and len(found) >= 2, "iTerm2: %d pictures" % len(found))
        keys = dict(p.split(b"=") for p in found[-1][0].split(b";"))
        data = base64.b64decode(found[-1][1], validate=True)
        check(keys[b"inline"] == b"1" and int(keys[b"size"]) == len(data), "keys: %r" % keys)
        check(png(data)[2] == read("a.png")[2], "the last one is the picture")


def preview_sixel():
    for answer in (b"\x1b[?62;4;22c", b"\x1b[?64;1;2;4c"):
        for _ in range(5):  # a busy machine may answer too late
            t = in_terminal(*BASE, "--preview", "-o", "t.png", env={"TERM": "xterm", "SSH_TTY": "/dev/pts/0"}, answer=answer,
                            size=(24, 80, 640, 384))
            found = re.findall(rb"\x1bP0;1;0q(.*?)\x1b\\", t.output, re.S)
            if found:
                break
        check(t.status == 0 and t.asked and t.same_settings and len(found) >= 2, "sixel: %d pictures" % len(found))
    width, height, pixels = sixel(found[-1])
    check(width == 352 and height in range(340, 353) and height % 6 == 0, "22 lines of 16: %dx%d" % (width, height))
    check(len(pixels) == width * height, "every pixel has one colour")
    want, off = read("a.png"), 0.0
    for y in range(8):
        for x in range(8):
            box = [pixels[i, j] for i in range(x * width // 8, (x + 1) * width // 8) for j in range(y * height // 8, (y + 1) * height // 8)]
            mine = crop(want, 8 * x, 8 * y, 8, 8)
            off += sum(abs(sum(p[c] for p in box) / len(box) * 2.55 - sum(mine[c::3]) / 64) for c in range(3)) / 192
    check(off < 3, "dithered to the picture's colours: off by %.2f" % off)


def preview_detection():
    """Nothing hangs, nothing is left behind, and a terminal that cannot is told of."""
    begin = time.time()
    t = in_terminal(*BASE, "--preview", "-o", "t.png", env={"TERM": "xterm"})
    check(t.status == 0 and t.asked and t.same_settings and b"\xe2\x96\x80" in t.output, "no answer: half blocks")
    quiet = in_terminal(*BASE, "-o", "t.png", env={"TERM": "xterm"})
    check(time.time() - begin < 60 and not quiet.asked and quiet.same_settings and b"\x1b7" not in quiet.output, "without --preview")
    t = in_terminal(*BASE, "--preview", "-o", "t.png", env={"TERM": "screen-256color", "TMUX": "/x", "KITTY_WINDOW_ID": "1"},
                 answer=b"\x1b[?1;2c")
    check(t.asked and b"\x1b_G" not in t.output and b"\xe2\x96\x80" in t.output, "a multiplexer is asked")
    for env in ({"TERM": "dumb"}, {}):
        t = in_terminal(*BASE, "--preview", "-o", "no.png", env=env)
        check(t.status == 2 and b"TERM is" in t.output and not os.path.exists("no.png"), "a dumb terminal: %r" % t.output)
    refused("no terminal", *BASE, "--preview", "-o", "no.png", words=["standard error is none", "--preview=kitty"])
    refused("an unknown mode", *BASE, "--preview=gif", "-o", "no.png", words=["gif", "sixel"])
    refused("steps without --preview", *BASE, "--preview-every", "2", "-o", "no.png", words=["--preview-every goes with --preview"])
    refused("an unknown way", *BASE, "--preview=kitty", "--show-by", "eye", "-o", "no.png", words=["eye", "linear or vae"])
    result = run(*BASE, "--preview=kitty", "-o", "t.png")
    check(result.returncode == 0 and png(kitty_pictures(result.stderr)[-1][1])[2] == read("a.png")[2], "asked for into a pipe")
    result = run(*BASE, "--preview=blocks", "-o", "-", env={"COLUMNS": "21", "LINES": "50"})
    check(result.stdout == open("a.png", "rb").read() and result.stderr.count("\u2580".encode()) % (20 * 10) == 0,
          "the environment's size, and standard output is the picture's")


def preview_interrupted():
    """Ctrl-C leaves the terminal as it was: while it is asked, and while the picture is made."""
    t = in_terminal(*BASE, "--preview", "-o", "no.png", env={"TERM": "xterm"}, interrupt=b"\x1b[c")
    check(t.status in (-signal.SIGINT, 130) and t.same_settings and not os.path.exists("no.png"), "Ctrl-C while it asks: %d" % t.status)
    t = in_terminal(BASE[0], "--steps", "900", "--preview", "-o", "no.png", env={"TERM": "xterm"}, answer=b"\x1b[?1;2c", interrupt=b"\x1b8")
    check(t.status == 130 and t.same_settings and not os.path.exists("no.png"), "Ctrl-C among the previews: %d" % t.status)
    check(t.output.count(b"\x1b7") == t.output.count(b"\x1b8") and b"cancelled after" in t.output, "the last frame is whole")


# ---- strips ----------------------------------------------------------------------------------------------------------

def strips():
    want = read("a.png")
    result = run(*BASE, "--strip", "s.png", "-o", "b.png")
    width, height, pixels, text = read("s.png")
    check(result.returncode == 0 and open("b.png", "rb").read() == open("a.png", "rb").read(), "a strip changes no picture: %r" % result.stderr)
    check(width == 3 * 68 - 4 and 64 < height < 110, "three latents in a row: %dx%d" % (width, height))
    check(text == want[3], "the strip has the picture's parameters: %r" % text)
    frames = [crop((width, height, pixels), 68 * i, 0, 64, 64) for i in range(3)]
    check(frames[2] == want[2], "the last latent is the picture")
    off = [distance(frame, want[2]) for frame in frames]
    check(off[0] > off[1] > off[2] == 0, "the picture appears in it: %r" % off)
    for i in range(3):
        label = crop((width, height, pixels), 68 * i, 64, 64, height - 64)
        check(0.02 < label.count(b"\0\0\0") / len(label) * 3 < 0.3, "words below latent %d" % i)
    run(*BASE, "--strip", "l.png", "--show-by", "linear", "-o", "b.png")
    check(read("l.png")[0] == 3 * 12 - 4, "by the linear map, a pixel a latent")
    run("x", "--steps", "12", "--seed", "1", "--strip", "w.png", "-o", "b.png", "-q")
    check(read("w.png")[0] == 6 * 68 - 4, "12 latents in two rows")
    run("x", "--steps", "12", "--seed", "1", "--strip", "c.png", "--columns", "4", "-o", "b.png", "-q")
    check(read("c.png")[0] == 4 * 68 - 4, "--columns")
    for sampler in ("euler", "heun", "dpmpp_2m", "euler_a"):
        run(*BASE, "--sampler", sampler, "--strip", "k.png", "-o", "b.png", "-q")
        strip = read("k.png")
        check(crop(strip, 136, 0, 64, 64) == read("b.png")[2], "the last latent of %s" % sampler)
        first = crop(strip, 0, 0, 64, 64)
        extreme = sum(v in (0, 255) for v in first) / len(first)
        check(extreme < 0.6, "latents of %s at unit variance: %.2f of the bytes at an end" % (sampler, extreme))
    run("x", "--steps", "2", "--seed", "4", "-n", "2", "--strip", "n-{seed}-{n}.jpg", "-o", "p-{n}.png", "-q")
    check(all(open(n, "rb").read(2) == b"\xff\xd8" for n in ("n-4-1.jpg", "n-5-2.jpg")), "a strip a picture")
    run("x", "--steps", "2", "--seed", "4", "-n", "2", "--strip", "m.png", "-o", "p-{n}.png", "-q")
    check(os.path.exists("m-1.png") and os.path.exists("m-2.png"), "two strips, two names")
    result = run("x", "--steps", "4", "--seed", "4", "--init", "a.png", "--strength", "0.5", "--strip", "i.png", "-o", "b.png")
    check(result.returncode == 0 and read("i.png")[0] == 2 * 68 - 4, "the two steps of img2img: %r" % result.stderr)
    run("x", "--steps", "2", "--seed", "4", "--memory", "stream", "--strip", "t.png", "-o", "b.png", "-q")
    check(crop(read("t.png"), 68, 0, 64, 64) == read("b.png")[2], "in little memory")
    refused("two of one name", *BASE, "--strip", "same.png", "-o", "same.png", words=["same.png", "same file"])
    refused("no format", *BASE, "--strip", "s.gif", "-o", "no.png", words=["s.gif"])
    refused("no folder", *BASE, "--strip", "none/s.png", "-o", "no.png", words=["none"])
    refused("columns without a strip", *BASE, "--columns", "3", "-o", "no.png", words=["--columns goes with --strip"])
    refused("a strip beyond any file", "x", "--steps", "900", "--size", "1024x1024", "--strip", "s.png", "-o", "no.png",
            words=["900 of 1024x1024", "too large"])


def strips_interrupted():
    """Ctrl-C while the latents are decoded: the picture is there, the strip is not."""
    process = subprocess.Popen([DAUB, "x", "--steps", "100", "--size", "128x128", "--strip", "no.png", "-o", "yes.png"], env=ENV,
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in process.stderr:
        if line.startswith(b"done"):
            break
    for _ in range(1000):
        if os.path.exists("yes.png"):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    text = process.communicate()[1]
    check(process.returncode == 130 and b"cancelled after" in text and os.path.exists("yes.png") and not os.path.exists("no.png"),
          "Ctrl-C among the latents of a strip: %d %r" % (process.returncode, text))


# ---- grids -----------------------------------------------------------------------------------------------------------

def cells_of(path, columns, rows, w=64, h=64):
    picture = read(path)
    left, top = picture[0] - columns * (w + 4) + 4, picture[1] - rows * (h + 4) + 4
    check(left >= 0 and top >= 0, "%s: %dx%d holds %dx%d cells" % (path, picture[0], picture[1], columns, rows))
    return left, top, [[crop(picture, left + c * (w + 4), top + r * (h + 4), w, h) for c in range(columns)] for r in range(rows)]


def grids():
    """Every cell has the pixels of the picture that its options draw alone."""
    base = ["a red apple", "--seed", "7"]
    result = run("grid", *base, "--x", "steps=2,3", "--y", "guidance=1..7/3", "-o", "g.png")
    check(result.returncode == 0 and b"6 pictures, seed 7" in result.stdout, "a grid: %r" % result)
    check(b"1/6 denoise" in result.stderr and b"6/6 denoise" in result.stderr, "progress says which of how many: %r" % result.stderr[-200:])
    left, top, cells = cells_of("g.png", 2, 3)
    check(left > 40 and 10 < top < 60, "room for words: %d, %d" % (left, top))
    picture = read("g.png")
    check(crop(picture, left, 0, picture[0] - left, top).count(b"\0\0\0") > 20 and crop(picture, 0, top, left, picture[1] - top).count(b"\0\0\0") > 20,
          "words above and beside")
    for r, guidance in enumerate(("1", "4", "7")):
        for c, steps in enumerate(("2", "3")):
            run(*base, "--steps", steps, "--guidance", guidance, "-o", "one.png", "-q")
            check(cells[r][c] == read("one.png")[2], "cell of steps %s, guidance %s" % (steps, guidance))
    text = picture[3]
    check(b"Script: X/Y/Z plot, X Type: steps, X Values: \"2, 3\", Y Type: guidance, Y Values: \"1, 4, 7\"" in text and b"Seed: 7" in text,
          "the axes are in its parameters: %r" % text)
    result = run("grid", "--x", "prompt=a star|a blue, round car", "--steps", "2", "--seed", "1", "--json", "-q", "-o", "p.png")
    answer = json.loads(result.stdout)
    check(answer["x"] == {"name": "prompt", "values": ["a star", "a blue, round car"]} and "y" not in answer, "JSON: %r" % answer)
    left, top, cells = cells_of("p.png", 2, 1)
    run("a blue, round car", "--steps", "2", "--seed", "1", "-o", "one.png", "-q")
    check(left == 0 and cells[0][1] == read("one.png")[2], "prompts as an axis")
    for x, y, option in (("precision=f16,f32", "seed=3..4", ("--precision", "f32", "--seed", "4")),
                         ("model=%s,%s" % (SOURCE + "/tests/golden/checkpoints/tiny-sd15", SOURCE + "/models/default"), "seed=3,4", ("--seed", "4")),
                         ("sampler=euler,heun", "schedule=default,karras", ("--sampler", "heun", "--schedule", "karras", "--seed", "5")),
                         ("init=a.png,b.png", "strength=0.5..1/0.5", ("--init", "b.png", "--strength", "1", "--seed", "5"))):
        seed = [] if "seed" in y else ["--seed", "5"]
        result = run("grid", "a star", "--steps", "2", "--size", "64x64", *seed, "--x", x, "--y", y, "-o", "o.png", "-q")
        check(result.returncode == 0, "%s by %s: %r" % (x, y, result.stderr))
        run("a star", "--steps", "2", "--size", "64x64", *option, "-o", "one.png", "-q")
        check(result.returncode == 0 and cells_of("o.png", 2, 2)[2][1][1] == read("one.png")[2], "the last cell of %s by %s" % (x, y))
    result = run("grid", "a star", "--steps", "1", "--seed", "2", "--y", "size=64x64,128x72", "-o", "z.png", "-q")
    left, top, cells = cells_of("z.png", 1, 2, 128, 72)
    run("a star", "--steps", "1", "--seed", "2", "-o", "one.png", "-q")
    check(crop((128, 72, cells[0][0]), 32, 4, 64, 64) == read("one.png")[2], "a smaller picture in the middle of its cell")
    result = run("grid", "x", "--steps", "1", "--x", "seed=1,2", "--format", "jpg", "-o", "-", "-q")
    check(result.stdout[:2] == b"\xff\xd8", "to standard output")


def grids_refused():
    """What only the model or the device can refuse; of the axes themselves see tests/command."""
    g = ["grid", "x", "--steps", "1", "-o", "no.png"]
    refused("the last cell's size", *g, "--x", "width=64,63", words=["63", "multiple"])
    refused("the last cell's sampler", *g, "--x", "sampler=ddim,eular", words=["eular", "euler"])
    refused("the last cell's model", *g, "--x", "model=%s/models/default,none.safetensors" % SOURCE, words=["none.safetensors"])
    refused("the last cell's memory", *g, "--max-memory", "60M", "--x", "size=64x64,512x512", words=["512x512", "60.0 MB"])
    refused("too many pixels", *g, "--x", "seed=1..64", "--y", "size=1024x1024,1024x1032", words=["too large", "fewer values"])
    before = set(os.listdir("."))
    process = subprocess.Popen([DAUB, "grid", "x", "--steps", "200", "--x", "seed=1..9", "-o", "no.png"], env=ENV, stderr=subprocess.PIPE)
    for line in process.stderr:
        if b"2/9 denoise" in line:
            break
    process.send_signal(signal.SIGINT)
    text = process.stderr.read()
    check(process.wait() == 130 and b"cancelled" in text and set(os.listdir(".")) == before, "Ctrl-C in a grid leaves no file: %r" % text)


def help_says_so():
    text = run("generate", "--help").stdout.decode()
    check("--preview[=MODE]" in text and "--strip FILE" in text and "--x" not in text, "help of generate: %s" % text)
    check("--x AXIS" in run("grid", "--help").stdout.decode() and "  grid " in run("--help").stdout.decode(), "help of grid")
    check("preview[= MODE ]" in run("man").stdout.decode().replace("\\-", "-"), "the manual page")


if __name__ == "__main__":
    main(first_picture, preview_blocks, preview_scales, preview_kitty, preview_iterm2, preview_sixel, preview_detection, preview_interrupted, strips,
         strips_interrupted, grids, grids_refused, help_says_so)
