"""The parts that are about speed: rates of kernels, and a model of true size."""

import os
import re
import shutil
import time

from gpu_report import child, sd15
from gpu_report.parts import as_json, device_options, environment, found, of_single, read_ppm

RATED = ["copy,stream", "linear", "conv3x3", "attention", "geglu", "up+conv3x3"]  # a child each
KEEP = ("op", "shape", "words", "kernel", "tile", "precision", "runs", "seconds")


def digits(value, n=5):
    return float("%.*g" % (n, value))


# ---- rates -----------------------------------------------------------------------------------------------------------


def rates_of(run, precision, ops, seconds, limit):
    rows, failures = [], []

    def hear(name, line, _):
        row = as_json(line, dict) if name == "out" else None
        if row and "kernel" in row:
            rows.append(row)

    command = [
        run.daub,
        "bench",
        "--kernels",
        "--json",
        "--precision",
        precision,
        "--op",
        ops,
        "--seconds",
        "%.1f" % max(seconds, 1.0),
    ]
    ended = child.run(command + device_options(run), limit, run.patience, environment(), hear)
    failures += [
        "%s %s by %s in %s: %s" % (r["op"], r["shape"], r["kernel"], precision, r["sentence"])
        for r in rows
        if r["sentence"]
    ]
    sentence = ""
    if ended.how != "ok" and not failures:
        status, sentence = of_single(ended, run)
        sentence = "%s in %s, after %d rates: %s" % (ops, precision, len(rows), sentence)
        failures += [sentence] if status == "failed" else []
    return rows, failures, sentence


def rates(run, limit):
    deadline, timed, failures, sentences, n_out = time.monotonic() + limit, [], [], [], 0
    kinds = [(precision, ops) for precision in ("f16", "f32") for ops in RATED if precision == "f16" or ops != RATED[0]]
    if run.short:
        kinds = [("f16", RATED[0]), ("f16", "linear")]
    for i, (precision, ops) in enumerate(kinds):
        left = deadline - time.monotonic()
        if left < 2.0:
            sentences.append("%s in %s left out: no time" % (ops, precision))
            continue
        run.say("rates of %s in %s" % (ops, precision))
        seconds = min(8.0, 0.7 * left / (len(kinds) - i))
        rows, bad, sentence = rates_of(run, precision, ops, 1.0 if run.short else seconds, left)
        failures += bad
        sentences += [sentence] if sentence else []
        n_out += sum(not row["runs"] and not row["sentence"] for row in rows)
        timed += [row for row in rows if row["runs"] and row["seconds"] > 0.0]
    out, best, copy = [], {}, None
    for row in timed:
        products = row["op"] not in ("copy", "stream")
        entry = {key: row[key] for key in KEEP}
        entry["seconds"] = digits(row["seconds"])
        entry["gbs"] = digits(row["gbytes"] / row["seconds"], 4)
        if products:
            entry["tflops"] = digits(1e-3 * row["gflop"] / row["seconds"], 4)
            best[row["precision"]] = max(best.get(row["precision"], 0.0), entry["tflops"])
        elif row["op"] == "copy":
            copy = entry["gbs"]
        out.append(entry)
    for entry in out:
        if entry.get("tflops"):
            entry["share"] = round(entry["tflops"] / best[entry["precision"]], 4)
    run.best = best.get("f16", 0.0)
    sentence = ", ".join("best in %s %.3g TFLOP/s" % (precision, value) for precision, value in best.items())
    sentence += ", copying %.3g GB/s" % copy if copy else ""
    sentence += "; %d shapes left out for want of time" % n_out if n_out else ""
    status = "failed" if failures else "ok" if out else "left out"
    return found(status, "; ".join(filter(None, [sentence] + sentences)), failures, best=best, copy_gbs=copy, rates=out)


# ---- a model of true size --------------------------------------------------------------------------------------------


def room_for(run, size):
    """A folder with that much free space, or None; memory file systems come last."""
    for folder in (os.path.join(run.top, "build"), run.scratch):
        try:
            if shutil.disk_usage(folder).free > size + (1 << 28):
                return folder
        except OSError:
            pass
    return None


def estimate(run, model, size, limit):
    command = [run.daub, "estimate", "--json", "--size", size] + model + device_options(run)
    ended = child.run(command, min(limit, 60), env=environment())
    return as_json("\n".join(ended.lines), dict), ended.sentence


def step_times(run, model, size, steps, limit):
    """Seconds from the first step's begin to each step's end, of a picture drawn as users do."""
    begun = []

    def hear(name, line, seconds):
        match = re.match(r"denoise\s+(\d+)/", line) if name == "err" else None
        if match:
            begun.append((int(match.group(1)), seconds))

    path = os.path.join(run.scratch, "large.ppm")
    command = [run.daub, "generate", "a red apple", "--seed", "1", "--size", size, "--steps", str(steps), "-o", path]
    ended = child.run(command + model + device_options(run), limit, env=environment(), on_line=hear)
    if ended.how != "ok" or not begun:
        return [], ended
    return [{"step": step, "seconds": round(seconds - begun[0][1], 4)} for step, seconds in begun], ended


def classes(bench):
    """The rows of daub bench --ops, as many as a reader wants."""
    keep = ("phase", "op", "runs", "layers", "dispatches", "seconds", "gflop", "gbytes", "span", "idle")
    return [{key: row[key] for key in keep if key in row} for row in bench.get("ops", [])]


def measured(run, model, size, steps, limit):
    """One bench of `model`, and on a GPU the time of each step."""
    deadline = time.monotonic() + limit
    run.say("drawing %s with %d steps" % (size, steps))
    command = [
        run.daub,
        "bench",
        "a red apple",
        "--ops",
        "--json",
        "--seed",
        "1",
        "--size",
        size,
        "--steps",
        str(steps),
    ]
    ended = child.run(command + model + device_options(run), limit, env=environment())
    bench = as_json("\n".join(ended.lines), dict)
    if ended.how != "ok" or not bench:
        status, sentence = of_single(ended, run)
        return found(status, sentence, ["the picture of %s: %s" % (size, sentence)] if status == "failed" else [])
    calls = bench["model_calls"]
    later = (bench["denoise"] - bench["first_step"]) / (calls - 1) if calls > 1 else None
    full = {
        "size": size,
        "steps": steps,
        "model_calls": calls,
        "sampler": bench["sampler"],
        "load_seconds": bench["prepare"],
        "text_seconds": bench["text"],
        "first_step_seconds": bench["first_step"],
        "denoise_seconds": bench["denoise"],
        "step_seconds": round(later, 5) if later else None,
        "decode_seconds": bench["decode"],
        "memory_peak": bench["memory"],
        "arena": bench["arena"],
        "classes": classes(bench),
        "load": bench["load"],
    }
    failures = []
    if run.kind != "cpu" or run.short:
        full["timeline"], drawn = step_times(run, model, size, 10, deadline - time.monotonic())
        if drawn.how in ("crash", "failed"):
            failures.append("drawing %s: %s" % (size, drawn.sentence))
        elif drawn.how == "ok":
            pixels = read_ppm(os.path.join(run.scratch, "large.ppm"))[2]
            full["picture_bytes"] = {"least": min(pixels), "most": max(pixels)}
            if min(pixels) == max(pixels):
                failures.append("the picture of %s is one colour, which these weights do not draw" % size)
    said = "load %.2f s, first step %.3f s" % (bench["prepare"], bench["first_step"])
    said += ", then %.4g s a step" % later if later else ""
    return found(
        "failed" if failures else "ok",
        "%s, %d steps: %s, VAE %.3f s, memory %.2f GB" % (size, steps, said, bench["decode"], bench["memory"] * 1e-9),
        failures,
        measured=full,
    )


def sizes(run, limit):
    """The sizes to try, largest first. A CPU driver gets what the rates say it can do in the time: three model calls
    and two decodings take 2.3 TFLOP at 256x256, at about half of the best rate."""
    if run.kind != "cpu":
        return ["512x512", "256x256"]
    best = run.best or 0.02  # two cores of 2020
    return [size for size, tflop in (("256x256", 2.3), ("128x128", 0.58)) if 2.0 * tflop / best < limit - 20.0][:1]


def full(run, limit):
    deadline = time.monotonic() + limit
    if run.short:
        result = measured(run, [], "64x64", 3, limit)
        result["sentence"] = "scaled down to the default model; " + result["sentence"]
        return dict(result, model="the default model, 64x64")
    folder = room_for(run, 2 * sd15.PARAMETERS)
    if not folder:
        return found("left out", "no room for a checkpoint of 2.1 GB beside daub or for temporary files")
    path = os.path.join(folder, "gpu-report-%d.safetensors" % os.getpid())
    run.remove.append(path)
    try:
        run.say("writing a checkpoint of 2.1 GB")
        start = time.monotonic()
        sd15.write(path)
        wrote = time.monotonic() - start
        tried = sizes(run, deadline - time.monotonic())
        if not tried:
            return found("left out", "too slow here for the %.0f s that are left" % (deadline - time.monotonic()))
        for size in tried:
            said, why = estimate(run, ["--model", path], size, deadline - time.monotonic())
            if not said:
                return found("failed", why, ["daub estimate: " + why])
            if said["peak"] <= said["limit"]:
                break
        else:
            return found(
                "left out",
                "%s needs %.2f GB of device memory, and %.2f GB may be used"
                % (size, said["peak"] * 1e-9, said["limit"] * 1e-9),
            )
        steps = 2 if run.kind == "cpu" else 20
        result = measured(run, ["--model", path], size, steps, deadline - time.monotonic())
        return dict(
            result, model="Stable Diffusion 1.5's shapes, made-up weights", write_seconds=round(wrote, 2), estimate=said
        )
    except OSError as error:
        return found("left out", "the checkpoint cannot be written: %s" % error.strerror)
    finally:
        run.forget(path)
