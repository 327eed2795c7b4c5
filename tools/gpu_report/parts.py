"""The parts of a report. Each takes the run's settings and its seconds, and returns what it found: {"status",
"sentence", "failures", ...}.

status: ok, failed, or left out (not run, and the sentence says why); what ran in part is ok or failed, and says so.
"""

import json
import os
import re
import struct
import time

from gpu_report import child

# What a report takes away from the device, most telling first. "" is the device as it is. A device that lacks what a
# mask takes away runs the same kernels again.
MASKS = [
    "",
    "-f16",
    "-subgroup",
    "-lane",
    "-texel",
    "+texel",
    "-shared",
    "-uma",
    "shared=16K",
    "range=16M",
    "align=256",
    "-sync2",
    "-timeline",
    "api=1.1",
    "-f16,-subgroup,-texel,range=16M,shared=16K,api=1.1",
]
SHORT_MASKS, SHORT_OPS = ["", "-f16"], "layer_norm,geglu,embed"
SHORT_GOLDENS = re.compile(r"unet/.*_8x8|vae/.*_8x8|text/.*|sched/DDIM.*")

# The golden that is the picture: what diffusers drew, with these options.
PICTURE = "model_t2i_ddim_0"
PICTURE_OPTIONS = [
    "a red apple",
    "--seed",
    "100",
    "--sampler",
    "ddim",
    "--steps",
    "12",
    "--guidance",
    "4",
    "--size",
    "64x64",
]


def found(status, sentence="", failures=(), **more):
    return dict({"status": status, "sentence": sentence, "failures": list(failures)}, **more)


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if k not in ("DAUB_CAPS", "DAUB_DEBUG")}
    return dict(clean, **{k: v for k, v in more.items() if v})


def device_options(run):
    return ["--device", run.device] if run.device else []


def as_json(text, kind):
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, kind) else None


def of_single(ended, run):
    """(status, sentence) of a child that did not do its work. On a CPU driver being slow is no fault."""
    if ended.how == "limit" and run.kind == "cpu":
        return "left out", "too slow here: " + ended.sentence
    return "failed", ended.sentence


# ---- device ----------------------------------------------------------------------------------------------------------


def device(run, limit):
    limit = min(max(limit, 20.0), 60.0)  # without it there is nothing
    ended = child.run([run.daub, "devices", "--json"] + device_options(run), limit, env=environment())
    devices = as_json("\n".join(ended.lines), list)
    if ended.how != "ok" or not devices:
        return found(
            "failed", "daub devices: " + (ended.sentence or "it lists none"), ["daub devices: " + ended.sentence]
        )
    chosen = next((d for d in devices if d["chosen"]), None)
    if not chosen:
        why = "; ".join("%s: %s" % (d["name"], d["reason"]) for d in devices)
        why = "no device of that name or number can be used (%s); see also daub doctor" % why
        return found("failed", why, [why])
    run.kind = chosen["kind"]
    more = child.run([run.daub, "devices", "-v"] + device_options(run), limit, env=environment())
    text = "\n".join(more.lines)
    caps = dict(
        re.split(r"\s{2,}", line.strip(), maxsplit=1)
        for line in text.partition("in use:\n")[2].splitlines()
        if re.search(r"\S\s{2,}\S", line.strip())
    )
    name = next((line for line in more.lines if line.startswith("* ")), "")
    api = re.search(r"Vulkan (\d+\.\d+)", text.partition(name)[2])
    info = {
        "name": chosen["name"],
        "driver": chosen["driver"],
        "kind": chosen["kind"],
        "memory": chosen["memory"],
        "vulkan": api.group(1) if api else "",
        "caps": caps,
    }
    failures = (
        [] if more.how == "ok" and caps else ["the device cannot be opened: " + (more.sentence or "no capabilities")]
    )
    return found(
        "failed" if failures else "ok",
        failures[0] if failures else "%s, %s" % (info["name"], info["driver"]),
        failures,
        device=info,
    )


# ---- ops -------------------------------------------------------------------------------------------------------------


def parse_check(line):
    row = as_json(line, dict)
    return ((row["op"], row["words"], row["precision"]), row) if row and "ok" in row else None


def share(row):
    """An error as a share of its tolerance; None: not a number."""
    return None if row["error"] is None else row["error"] / row["tolerance"] if row["tolerance"] else 0.0


def sum_up(op, rows, lost):
    """All checks of an op under a mask as one row."""
    mine = [row for row in rows if row["op"] == op]
    bad = [row for row in mine if not row["ok"]]
    shares = [share(row) for row in mine]
    out = {
        "op": op,
        "checks": len(mine),
        "cases": sum(row["cases"] for row in mine),
        "failed": len(bad),
        "worst": None if None in shares or not shares else round(max(shares), 4),
        "seconds": round(sum(row["seconds"] for row in mine), 3),
        "status": "failed" if bad or lost else "ok" if mine else "left out",
    }
    sentence = lost or "; ".join(
        "%s %s: %s [%s]" % (b["precision"], b["words"], b["sentence"], b["kernels"]) for b in bad[:3]
    )
    if sentence:
        out["sentence"] = sentence
    return out


def ops_of_mask(run, mask, limit):
    wanted = ["--op", SHORT_OPS] if run.short else []
    start, base = time.monotonic(), [run.daub, "selftest", "--json"] + device_options(run)
    env = environment(DAUB_CAPS=mask)
    listed = child.run(base + ["--list"] + wanted, min(limit, run.patience), env=env)
    items = [as_json(line, dict) for line in listed.lines]
    out = {"mask": mask, "status": "failed", "ops": [], "seconds": 0.0, "children": 1}
    if listed.how != "ok" or not items or None in items:
        out["sentence"] = listed.sentence or "daub selftest --list says nothing"
        return out, set()
    items = [((row["op"], row["words"], row["precision"]), row["op"]) for row in items]
    rows, losses = child.run_items(
        items,
        lambda ops: base + ["--op", ",".join(ops)],
        parse_check,
        limit - (time.monotonic() - start),
        run.patience,
        env,
    )
    out["ops"] = [sum_up(op, rows.values(), losses.lost.get(op)) for op in dict.fromkeys(op for _, op in items)]
    out["seconds"], out["children"] = round(time.monotonic() - start, 1), 1 + losses.n_children
    beside = [losses.lost[group] for group in ("all", "the end") if group in losses.lost]
    if losses.left_out or beside:
        out["sentence"] = "; ".join(beside + ["left out: " + losses.left_out] if losses.left_out else beside)
    bad = beside or any(row["status"] == "failed" for row in out["ops"])
    out["status"] = "failed" if bad else "ok" if any(row["status"] == "ok" for row in out["ops"]) else "left out"
    return out, {kernel for row in rows.values() for kernel in row["kernels"].split()}


def ops(run, limit):
    deadline, masks, kernels, failures = time.monotonic() + limit, [], set(), []
    for mask in SHORT_MASKS if run.short else MASKS:
        left = deadline - time.monotonic()
        if left < 3.0:
            masks.append(
                {"mask": mask, "status": "left out", "sentence": "no time", "ops": [], "seconds": 0.0, "children": 0}
            )
            continue
        run.say("ops under %s" % (mask or "no mask"))
        row, used = ops_of_mask(run, mask, left)
        masks.append(row)
        kernels |= used
        name = "under DAUB_CAPS=" + mask if mask else "as it is"
        failures += [
            "%s, device %s: %s" % (o["op"], name, o.get("sentence", "")) for o in row["ops"] if o["status"] == "failed"
        ]
        if row["status"] == "failed" and row.get("sentence"):
            failures.append("the ops, device %s: %s" % (name, row["sentence"]))
    done = [row for mask in masks for row in mask["ops"]]
    n_out = sum(mask["status"] == "left out" for mask in masks) + sum(row["status"] == "left out" for row in done)
    sentence = "%d checks of %d ops under %d masks, %d cases" % (
        sum(row["checks"] for row in done),
        len({row["op"] for row in done}),
        sum(m["status"] != "left out" for m in masks),
        sum(row["cases"] for row in done),
    )
    sentence += "; %d left out for want of time" % n_out if n_out else ""
    status = "failed" if failures else "ok" if done else "left out"
    return found(status, sentence, failures, masks=masks, kernels=sorted(kernels))


# ---- goldens ---------------------------------------------------------------------------------------------------------

GOLDEN = re.compile(r"(ok  |FAIL) (\S+/\S+)\s+(\S+)\s+tolerance (\S+)(.*)")


def parse_golden(line):
    match = GOLDEN.match(line)
    if not match:
        return None
    numbers = []
    for text in match.group(3, 4):
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        numbers.append(value if value == value and value != float("inf") else None)
    row = {"golden": match.group(2), "ok": match.group(1) == "ok  ", "error": numbers[0], "tolerance": numbers[1]}
    if match.group(5).strip():
        row["sentence"] = " ".join(match.group(5).split())
    return match.group(2), row


def names_of(index):
    with open(index, encoding="utf-8") as file:
        return ["%s/%s" % (golden["group"], golden["id"]) for golden in json.load(file)["goldens"]]


def goldens_of(run, index, dtype, limit, validate):
    names = names_of(index)
    if run.short or validate:
        names = [
            name for name in names if SHORT_GOLDENS.fullmatch(name) or (validate and not run.short and "/tiny" in name)
        ]

    def command(left):
        ids = os.path.join(run.scratch, "ids.txt")
        with open(ids, "w", encoding="utf-8") as file:
            file.write("\n".join(left) + "\n")
        return [run.goldens, index, "--dtype", dtype, "--ids", ids] + device_options(run)

    env = environment(DAUB_DEBUG="validate" if validate else "")
    rows, losses = child.run_items([(name, name) for name in names], command, parse_golden, limit, run.patience, env)
    bad = [
        "%s in %s%s: %s"
        % (
            row["golden"],
            dtype,
            ", validated" if validate else "",
            row.get("sentence") or "%s, more than %s" % (row["error"], row["tolerance"]),
        )
        for row in rows.values()
        if not row["ok"]
    ]
    out = {
        "dtype": dtype,
        "validate": validate,
        "rows": [rows[name] for name in names if name in rows],
        "n": len(names),
    }
    for name, sentence in losses.lost.items():
        bad.append("%s in %s: %s" % (name, dtype, sentence))
        out["rows"].append({"golden": name, "ok": False, "error": None, "tolerance": None, "sentence": sentence})
    if losses.left_out:
        out["left_out"] = losses.left_out
    if validate:
        if any("is not installed" in line for line in losses.errors):
            return dict(out, rows=[], left_out="the validation layers are not installed"), []
        said = [line.partition(": validation: ")[2] for line in losses.errors if ": validation: " in line]
        out["messages"], out["first_messages"] = len(said), [text[:400] for text in dict.fromkeys(said)][:5]
        if said:
            bad.append("%d validation messages, the first: %s" % (len(said), said[0][:200]))
    return out, bad


def goldens(run, limit):
    if not os.access(run.goldens, os.X_OK):
        return found("left out", "daub-goldens is not built")
    kinds = [
        ("golden", "f16", False),
        ("model", "f16", False),
        ("golden", "f32", False),
        ("model", "f32", False),
        ("golden", "f16", True),
    ]  # the last with validation
    deadline, sets, failures = time.monotonic() + limit, [], []
    for i, (where, dtype, validate) in enumerate(kinds):
        left = deadline - time.monotonic()
        run.say("goldens of %s in %s%s" % (where, dtype, ", validated" if validate else ""))
        result, bad = goldens_of(run, run.indices[where], dtype, left * (1.0 if i > 2 else 0.6), validate)
        sets.append(dict(result, set="repository" if where == "golden" else "default model"))
        failures += bad
    n, good = sum(len(s["rows"]) for s in sets), sum(row["ok"] for s in sets for row in s["rows"])
    sentence = "%d of %d goldens within their tolerances" % (good, n)
    validated = sets[-1]
    if "messages" in validated and validated["rows"]:
        sentence += "; %d validation messages" % validated["messages"]
    elif validated.get("left_out"):
        sentence += "; not validated: " + validated["left_out"]
    missing = sum(s["n"] - len(s["rows"]) for s in sets if s.get("left_out") == "no time")
    sentence += "; %d left out for want of time" % missing if missing else ""
    return found("failed" if failures else "ok" if n else "left out", sentence, failures, sets=sets)


# ---- picture ---------------------------------------------------------------------------------------------------------


def read_ppm(path):
    """Width, height and bytes of a P6 file without comments."""
    with open(path, "rb") as file:
        data = file.read()
    match = re.match(rb"P6\s(\d+)\s(\d+)\s255\s", data)
    return int(match.group(1)), int(match.group(2)), data[match.end() :]


def read_tensor(path, name):
    """A tensor's shape and bytes in a .safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    n = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8 : 8 + n])[name]
    first, end = entry["data_offsets"]
    return entry["shape"], data[8 + n + first : 8 + n + end]


def picture(run, limit):
    deadline, drawn, failures = time.monotonic() + limit, [], []
    folder = os.path.dirname(run.indices["model"])
    _, wanted = read_tensor(os.path.join(folder, "goldens", "e2e", PICTURE + ".safetensors"), "image_u8")
    for precision in ("f16", "f32"):
        run.say("the default model's picture in %s" % precision)
        path = os.path.join(run.scratch, "picture.ppm")
        command = [run.daub, "generate"] + PICTURE_OPTIONS + ["--precision", precision, "--json", "--quiet", "-o", path]
        ended = child.run(command + device_options(run), deadline - time.monotonic(), env=environment())
        row = {"precision": precision}
        if ended.how != "ok":
            status, row["sentence"] = of_single(ended, run)
            failures += ["the picture in %s: %s" % (precision, ended.sentence)] if status == "failed" else []
            drawn.append(dict(row, status=status))
            continue
        width, height, pixels = read_ppm(path)
        result = as_json("\n".join(ended.lines), dict) or {}
        differences = [abs(a - b) for a, b in zip(pixels, wanted)]
        row.update(
            status="ok",
            width=width,
            height=height,
            seconds=result.get("seconds", {}),
            rgb=pixels,
            largest_byte_difference=max(differences),
            mean_byte_difference=round(sum(differences) / len(differences), 4),
        )
        if os.access(run.goldens, os.X_OK):
            golden = child.run(
                [run.goldens, run.indices["model"], "--dtype", precision, "--filter", "e2e/" + PICTURE]
                + device_options(run),
                deadline - time.monotonic(),
                env=environment(),
            )
            told = next(filter(None, map(parse_golden, golden.lines)), (None, {}))[1]
            row.update(distance=told.get("error"), tolerance=told.get("tolerance"))
            if not told and golden.how == "limit":
                row["status"], row["sentence"] = of_single(golden, run)
            elif not told.get("ok"):
                row["status"] = "failed"
            if row["status"] == "failed":
                failures.append(
                    "the picture's latents in %s: %s"
                    % (
                        precision,
                        told.get("sentence")
                        or golden.sentence
                        or "distance %s, more than %s" % (row["distance"], row["tolerance"]),
                    )
                )
        drawn.append(row)
    status = "failed" if failures else "ok" if any(row["status"] == "ok" for row in drawn) else "left out"
    sentence = ", ".join(
        "%s: distance %.1e of at most %.1e" % (row["precision"], row["distance"], row["tolerance"])
        for row in drawn
        if row.get("distance") is not None and row.get("tolerance")
    )
    return found(
        status,
        sentence or drawn[0].get("sentence", ""),
        failures,
        options=PICTURE_OPTIONS,
        drawn=drawn,
        reference_rgb=wanted,
    )
