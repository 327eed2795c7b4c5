#!/usr/bin/env python3
"""The default model's card is of the model that is there: its commands exist, and its figures, prompts and defaults are those of the files.

    card.py SOURCE_DIR
"""
import importlib.machinery
import importlib.util
import json
import os
import re
import struct
import subprocess
import sys
import types

sys.dont_write_bytecode = True
TOP = os.path.abspath(sys.argv[1])
MODEL = os.path.join(TOP, "models/default")
VERDICTS = ("recognisable", "with the prompt in mind", "not recognisable")
SHEET_LIMIT = 400000  # bytes
failures, n_checks = [], 0


def check(ok, what):
    global n_checks
    n_checks += 1
    if not ok:
        failures.append(what)
        print("FAIL " + what)


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def tool(name):
    """A script of tools/ as a module."""
    sys.path.insert(0, os.path.join(TOP, "tools"))
    loader = importlib.machinery.SourceFileLoader("tool_" + name, os.path.join(TOP, "tools", name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def check_commands(card):
    """Programs of the shell blocks and of `tools/...` in the text are there, and know the options they are given."""
    targets = set(re.findall(r"(?:OUTPUT_NAME |add_executable\()([\w-]+)", read("tools/CMakeLists.txt") + read("tests/goldens/CMakeLists.txt")))
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```$", card, flags=re.S | re.M))
    lines = [line.split("#  ")[0].split("    #")[0] for line in blocks.splitlines()] + re.findall(r"`(tools/[^`]+)`", card)
    check(len(lines) >= 6, "the card prints its commands")
    for line in lines:
        for name in re.findall(r"(?:^|\s)tools/([\w-]+)", line):
            path = os.path.join(TOP, "tools", name)
            check(os.access(path, os.X_OK), "tools/%s, which the card names, can be run" % name)
            for option in re.findall(r"\s(--[a-z]+)", line):
                check(option in read("tools/" + name), "%s of tools/%s, which the card names, is known there" % (option, name))
        for name in re.findall(r"build/release/bin/([\w-]+)", line):
            check(name in targets, "%s, which the card names, is built" % name)


def check_sheet(card, gallery):
    rows = gallery.read_list(os.path.join(MODEL, "sheet.txt"))
    prompts = [row[-1] for row in rows]
    check(len(rows) == 48, "sheet.txt has 48 pictures, not %d" % len(rows))
    named = []
    for verdict in VERDICTS:
        match = re.search(r"^\| %s \((\d+)\) \| (.*) \|$" % verdict, card, flags=re.M)
        check(match, "the card says which pictures are %s" % verdict)
        if match:
            found = match.group(2).split("; ")
            check(len(found) == int(match.group(1)), "%d pictures are listed as %s, not %s" % (len(found), verdict, match.group(1)))
            named += found
    check(sorted(named) == sorted(prompts), "the card judges each picture of the sheet once: %s" % sorted(set(named) ^ set(prompts)))
    with open(os.path.join(MODEL, "sheet.png"), "rb") as file:
        data = file.read()
    check(len(data) < SHEET_LIMIT, "sheet.png has %d bytes, wanted less than %d" % (len(data), SHEET_LIMIT))
    y, x, height, width = gallery.corner(len(rows) - 1, (64, 64))
    size = struct.unpack(">II", data[16:24])
    check(size == (x + width + gallery.GAP, y + height + gallery.LINES * (gallery.plot.ROWS + 1)),
          "sheet.png is %dx%d, which is not that of %d pictures" % (*size, len(rows)))


def check_figures(card, sweep):
    """The table is what tools/sweep --table prints; it and the defaults are of the settings that daub.json has."""
    found = json.loads(read("models/default/sweep.json"))
    printed = subprocess.run([sys.executable, os.path.join(TOP, "tools/sweep"), "--table"], capture_output=True, text=True, timeout=60)
    match = re.search(r"^<!-- tools/sweep --table -->\n(.*?)^<!-- end -->$", card, flags=re.S | re.M)
    check(printed.returncode == 0, "tools/sweep --table runs: " + printed.stderr[-300:])
    check(match and match.group(1) == printed.stdout, "the card's table is what tools/sweep --table prints")
    own = sweep.own_settings(MODEL)
    check(tuple(found["own"]) == own, "sweep.json was made with the defaults %s, daub.json has %s" % (found["own"], own))
    check("%d steps of %s, guidance %g" % (own[1], own[0], own[2]) in card, "the card's defaults are those of daub.json")
    drawn = {(row["sampler"], row["steps"], row["guidance"]) for row in found["settings"]}
    check(drawn == set(sweep.settings(own)), "sweep.json has every setting that tools/sweep lists, and no other")
    for row in found["settings"]:
        check(len(row["ranks"]) == len(row["styles"]) == sweep.CONCEPTS and min(row["ranks"]) >= 1 and
              max(row["ranks"]) <= found["pictures"], "ranks of %s, %d steps, guidance %g" % (row["sampler"], row["steps"], row["guidance"]))
    own_row = next(row for row in found["settings"] if (row["sampler"], row["steps"], row["guidance"]) == own)
    check(found["eval"]["train"]["ranks"][:sweep.CONCEPTS] == own_row["ranks"], "eval's first pictures are the sweep's, at the defaults")


def check_rule(sweep):
    """The best setting, and the cheapest one that the noise does not tell from it, on ranks made up for this."""
    def row(steps, *ranks):
        return {"sampler": "ddim", "steps": steps, "guidance": 4.0, "calls": steps, "ranks": list(ranks), "styles": "0" * len(ranks)}
    poor, noise, best, dear = row(5, 8, 8, 8, 8), row(10, 1, 8, 2, 2), row(20, 2, 2, 2, 2), row(50, 2, 2, 2, 2)
    found = sweep.choose([dear, poor, best, noise])
    check(found[0] is best, "the best has the least mean of log ranks")
    check(found[1] is noise, "of settings within a standard error of the best, that of least work is chosen")
    check(sweep.choose([dear, best])[0] is best, "of equals the cheaper one is best")
    check(abs(sweep.mean_rank([1, 4, 2, 8]) - 2 ** 1.5) < 1e-12, "the mean rank is a geometric mean")


def check_measure():
    """sweep_measure's encoder is PyTorch's, and its ranks are those of pictures whose order is known."""
    import numpy as np
    import figures_clip
    import sweep_measure
    golden = figures_clip.read_safetensors(os.path.join(MODEL, "goldens/goldens/vae/model_case1_b2_5x9.safetensors"))
    made = sweep_measure.Encoder(os.path.join(MODEL, "vae"))(golden["image"].transpose(0, 2, 3, 1))
    off = float(np.abs(made - golden["mean"]).max())
    check(off < 1e-4, "numpy's encoder is off PyTorch's by %g, wanted less than 1e-4" % off)
    # Four pictures of three concepts, in two dimensions, as they are and mirrored; their mean is 0.
    icons = types.SimpleNamespace(train=np.array([0, 1, 2]), held=np.array([3]), rows=[
        {"concept": c, "style": s, "name": c} for c, s in (("cat", "noto"), ("cat", "tango"), ("dog", "noto"), ("sun", "tango"))])
    latents = np.array([[[1, 0], [0, 1]], [[-1, 0], [-1, 0]], [[1, 1], [1, 1]], [[-1, -1], [-1, -1]]], np.float16)
    measure = sweep_measure.Measure(icons, latents)
    drawn = np.array([[0, 1], [0.9, 1], [0, 1]], np.float32)
    ranks, styles = measure.ranks([0, 0, 3], drawn)
    check(ranks == [1, 2, 4], "ranks %s, wanted 1 (mirrored), 2 (behind the dog) and 4 (the last)" % ranks)
    check(styles == [True, True, False], "styles of the nearest are %s" % styles)
    check(measure.choose("held", 5) == [3] and len(measure.choose("train", 5)) == 2, "a picture a concept, of the split asked for")
    check(measure.prompt(1) == "cat, tango style", "prompts are NAME, STYLE style")


def main():
    try:
        gallery, sweep = tool("gallery"), tool("sweep")
    except SystemExit as error:
        print("%s: skipped" % error)
        sys.exit(77)
    card = read("models/default/README.md")
    check_commands(card)
    check_sheet(card, gallery)
    check_figures(card, sweep)
    check_rule(sweep)
    check_measure()
    print("%d passed, %d failed: the model card" % (n_checks - len(failures), len(failures)))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
