"""The report as a page of its own: nothing is loaded from anywhere."""

from html import escape

from gpu_report import charts

STYLE = """
:root { --bg: #fbfaf7; --ink: #1d1c1a; --soft: #6b675f; --line: #d9d5cb;
  --good: #2d7d46; --bad: #c0392b; --out: #8a6d1d; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #17171a; --ink: #e8e6e1; --soft: #a09b91; --line: #3a393d;
  --good: #6cc48a; --bad: #ff8373; --out: #d9b95b; } }
@media print { :root { --bg: #fff; --ink: #000; --soft: #444; --line: #bbb;
  --good: #1e6b37; --bad: #a22; --out: #665200; }
  h2, h3 { break-after: avoid; } tr, figure, svg { break-inside: avoid; } table { font-size: .7em; } details > * { display: block; } }
body { background: var(--bg); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; max-width: 62em;
  margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: .2em; }
h2 { font-size: 1.15em; margin: 2em 0 .4em; border-bottom: 1px solid var(--line); }
h3 { font-size: 1em; margin: 1.2em 0 .3em; } p { margin: .4em 0; } .soft, figcaption { color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .87em; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .15em .8em .15em 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td a { white-space: nowrap; color: inherit; }
td.n, th.n { text-align: right; } .ok { color: var(--good); } .failed { color: var(--bad); font-weight: 600; }
.out { color: var(--out); }
figure { display: inline-block; margin: .5em 1.5em .5em 0; }
figure img { width: 192px; height: 192px; image-rendering: pixelated; }
svg { width: 100%; height: auto; display: block; margin: .4em 0; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg text.soft { fill: var(--soft); } code { font-size: .92em; }
"""
WORDS = {"ok": ("ok", "right"), "failed": ("failed", "WRONG"), "left out": ("out", "left out")}
MOST_BARS = 100


def mark(status):
    how, word = WORDS[status]
    return '<span class="%s">%s</span>' % (how, word)


def number(value, form="%.3g"):
    return "" if value is None else form % value


def flops(tera):
    return "%.3g TFLOP/s" % tera if tera >= 0.1 else "%.3g GFLOP/s" % (1e3 * tera)


def table(heads, rows):
    """Heads that begin with # are of numbers. Cells are text, or markup that begins with <."""
    right = [head.startswith("#") for head in heads]
    out = ['<div class="scroll"><table><thead><tr>']
    out += ["<th%s>%s</th>" % (' class="n"' if n else "", escape(head.lstrip("#"))) for head, n in zip(heads, right)]
    out.append("</tr></thead><tbody>")
    for row in rows:
        cells = [cell if str(cell).startswith("<") else escape(str(cell)) for cell in row]
        out.append(
            "<tr>"
            + "".join("<td%s>%s</td>" % (' class="n"' if n else "", cell) for cell, n in zip(cells, right))
            + "</tr>"
        )
    return "".join(out) + "</tbody></table></div>"


def device(data, _):
    d = data["device"]
    rows = [
        ("name", d["name"]),
        ("driver", d["driver"]),
        ("kind", d["kind"]),
        ("Vulkan", d["vulkan"]),
        ("memory", "%.2f GB" % (d["memory"] * 1e-9)),
    ]
    return table(["", ""], rows + list(d["caps"].items()))


def op_cell(row):
    if row["status"] == "ok":
        return '<span class="ok" title="%d checks, %d cases">%s</span>' % (
            row["checks"],
            row["cases"],
            number(row["worst"], "%.2f"),
        )
    if row["status"] == "left out":
        return '<span class="out">-</span>'
    return '<span class="failed" title="%s">WRONG</span>' % escape(row.get("sentence", ""), quote=True)


def ops(_, part):
    names = list(dict.fromkeys(row["op"] for mask in part.get("masks", []) for row in mask["ops"]))
    rows = []
    for mask in part.get("masks", []):
        cells = {row["op"]: op_cell(row) for row in mask["ops"]}
        rows.append(
            ["<code>%s</code>" % escape(mask["mask"] or "as it is"), mark(mask["status"])]
            + [cells.get(name, "") for name in names]
            + [number(mask["seconds"], "%.1f"), mask.get("sentence", "")]
        )
    out = (
        '<p class="soft">The worst error of each op as a share of its tolerance, in f32 and f16, by words of DAUB_CAPS '
    )
    return (
        out
        + "that take capabilities away.</p>"
        + table(["device", ""] + ["#" + name for name in names] + ["#s", ""], rows)
        + '<p class="soft">Kernels that were checked: %s</p>' % escape(", ".join(part.get("kernels", [])))
    )


def goldens(_, part):
    out, rows = [], []
    for s in part.get("sets", []):
        good = sum(row["ok"] for row in s["rows"])
        shares = [row["error"] / row["tolerance"] for row in s["rows"] if row["error"] is not None and row["tolerance"]]
        rows.append(
            (
                s["set"],
                s["dtype"],
                "on" if s["validate"] else "off",
                "%d of %d" % (good, s["n"]),
                number(max(shares, default=None), "%.2f"),
                s.get("messages", ""),
                s.get("left_out", "") if good == len(s["rows"]) else '<span class="failed">WRONG</span>',
            )
        )
    out.append(table(["goldens", "type", "validation", "#right", "#worst share", "#messages", ""], rows))
    bad = [
        (row["golden"], s["dtype"], number(row["error"]), number(row["tolerance"]), row.get("sentence", ""))
        for s in part.get("sets", [])
        for row in s["rows"]
        if not row["ok"]
    ]
    if bad:
        out.append(table(["wrong", "type", "#error", "#tolerance", ""], bad))
    for s in part.get("sets", []):
        out += ["<p><code>%s</code></p>" % escape(message) for message in s.get("first_messages", [])]
    all_rows = [
        (
            row["golden"],
            s["dtype"] + (", validated" if s["validate"] else ""),
            number(row["error"]),
            number(row["tolerance"]),
        )
        for s in part.get("sets", [])
        for row in s["rows"]
        if row["ok"]
    ]
    out.append(
        "<details><summary>all of them</summary>%s</details>"
        % table(["golden", "type", "#error", "#tolerance"], all_rows)
    )
    return "".join(out)


def picture(_, part):
    out, rows = [], []
    for row in part.get("drawn", []):
        if "png" in row:
            out.append(
                '<figure><img src="%s" alt="%s"><figcaption>this device, %s</figcaption></figure>'
                % (row["png"], "a red apple", row["precision"])
            )
        rows.append(
            (
                row["precision"],
                mark(row["status"]),
                number(row.get("distance"), "%.2e"),
                number(row.get("tolerance"), "%.1e"),
                row.get("largest_byte_difference", ""),
                number(row.get("seconds", {}).get("denoise"), "%.3f"),
                row.get("sentence", ""),
            )
        )
    if "reference_png" in part:
        out.append(
            '<figure><img src="%s" alt="a red apple"><figcaption>the reference</figcaption></figure>'
            % part["reference_png"]
        )
    heads = ["type", "", "#distance of latents and picture", "#at most", "#largest difference of bytes", "#seconds", ""]
    return "<div>" + "".join(out) + "</div>" + table(heads, rows)


def rates(_, part):
    rows, out = part.get("rates", []), []
    for precision in part.get("best", {}):
        some = sorted(
            (r for r in rows if r.get("tflops") and r["precision"] == precision),
            key=lambda r: (r["op"], r["shape"], -r["tflops"]),
        )
        marks = [
            (
                "%s %s" % (r["op"], r["shape"]),
                r["tflops"],
                "%s, %.0f %%  %s %s" % (flops(r["tflops"]), 100 * r["share"], r["kernel"], r["tile"]),
                1 if r["words"] else 0,
            )
            for r in some
        ]
        out.append("<h3>%s</h3>" % precision)
        out.append('<p class="soft">Blue: what daub takes of itself; orange: other kinds. Shares are of the best.</p>')
        out.append(charts.bars(marks[:MOST_BARS], "TFLOP/s by kernel in " + precision))
    heads = ["op", "shape", "type", "kernels by", "kernel", "tile", "#ms", "#TFLOP/s", "#share", "#GB/s"]
    cells = [
        (
            r["op"],
            r["shape"],
            r["precision"],
            r["words"],
            r["kernel"],
            r["tile"],
            number(1e3 * r["seconds"], "%.4g"),
            number(r.get("tflops")),
            number(100 * r["share"], "%.0f %%") if "share" in r else "",
            number(r["gbs"], "%.4g"),
        )
        for r in rows
    ]
    return "".join(out) + "<details><summary>all of them</summary>%s</details>" % table(heads, cells)


def memory_chart(part):
    said = part.get("estimate")
    if not said:
        return ""
    rows = []
    for phase in ("text", "denoise", "decode"):
        kinds = [(kind, said[phase][kind] * 1e-9) for kind in ("weights", "arena", "staging") if said[phase][kind]]
        rows.append((phase, kinds))
    rows.append(("measured", [("the peak", part["measured"]["memory_peak"] * 1e-9)]))
    return "<h3>Memory of the device</h3>" + charts.stacked(rows, "memory by phase", "GB")


def full(_, part):
    m = part.get("measured")
    if not m:
        return ""
    rows = [
        ("size and steps", "%s, %d of %s, %d model calls" % (m["size"], m["steps"], m["sampler"], m["model_calls"])),
        ("load", "%.3f s" % m["load_seconds"]),
        ("text", "%.3f s" % m["text_seconds"]),
        ("first step", "%.4f s" % m["first_step_seconds"]),
        ("later steps", number(m["step_seconds"], "%.4g s each")),
        ("all steps", "%.3f s" % m["denoise_seconds"]),
        ("VAE", "%.3f s" % m["decode_seconds"]),
        ("memory at its peak", "%.3f GB" % (m["memory_peak"] * 1e-9)),
    ]
    gaps = [
        (row["phase"], "%.2f %%" % (100 * row["idle"])) for row in m["classes"] if "idle" in row and row.get("span")
    ]
    rows.append(("between dispatches", ", ".join("%s %s" % pair for pair in gaps)))
    out = [table(["", ""], rows)]
    if m.get("timeline"):
        out += ["<h3>Seconds of each step</h3>", charts.steps(m["timeline"], "seconds of each step")]
    phases = list(dict.fromkeys(row["phase"] for row in m["classes"]))
    split = [
        (
            phase,
            [
                (row["op"], row["seconds"])
                for row in sorted(m["classes"], key=lambda row: row["op"])
                if row["phase"] == phase and row["op"] != "total" and row["seconds"] > 0
            ],
        )
        for phase in phases
    ]
    split = [(phase, kinds) for phase, kinds in split if kinds]
    if split:
        out += [
            "<h3>Seconds by class of operation, of one run of each phase</h3>",
            charts.stacked(split, "seconds by class", "s"),
        ]
    out.append(memory_chart(part))
    heads = ["phase", "class", "#runs", "#layers", "#dispatches", "#s", "#TFLOP/s", "#GB/s"]
    cells = [
        (
            r["phase"],
            r["op"],
            r["runs"],
            r["layers"],
            r["dispatches"],
            number(r["seconds"], "%.5f"),
            number(1e-3 * r["gflop"] / r["seconds"] if r["seconds"] else None),
            number(r["gbytes"] / r["seconds"] if r["seconds"] else None, "%.4g"),
        )
        for r in m["classes"]
    ]
    return "".join(out) + "<details><summary>all classes</summary>%s</details>" % table(heads, cells)


BODIES = {"device": device, "ops": ops, "goldens": goldens, "picture": picture, "rates": rates, "full": full}


def summary(data):
    word = (
        '<span class="ok">All that ran is right.</span>'
        if data["green"]
        else '<span class="failed">Something is wrong.</span>'
    )
    rows = [
        (
            '<a href="#%s">%s</a>' % (p["name"], escape(p["title"])),
            mark(p["status"]),
            p["sentence"],
            number(p["seconds"], "%.1f"),
        )
        for p in data["parts"]
    ]
    bad = [failure for p in data["parts"] for failure in p["failures"]]
    out = "<p>%s</p>" % word + table(["part", "", "", "#s"], rows)
    if bad:
        items = "".join("<li>%s</li>" % escape(sentence) for sentence in bad[:60])
        out += "<h3>What is wrong</h3><ul>%s</ul>" % items + (
            "<p>and %d more</p>" % (len(bad) - 60) if len(bad) > 60 else ""
        )
    return out


def render(data):
    d = data["device"]
    title = "daub on %s" % d["name"]
    out = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>%s</title>' % escape(title),
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        "<style>%s</style></head><body><h1>%s</h1>" % (STYLE, escape(title)),
        '<p class="soft">%s, %s. %s %s, %s, %s %s with %s processors, %.0f s.</p>'
        % (
            escape(d["driver"]),
            data["made"],
            escape(data["daub"]),
            escape(data["commit"]),
            escape(data["command"]),
            escape(data["system"]["os"]),
            escape(data["system"]["machine"]),
            data["system"]["processors"],
            data["seconds"],
        ),
        summary(data),
    ]
    for part in data["parts"]:
        out.append(
            '<section id="%s"><h2>%s</h2><p>%s %s</p>'
            % (part["name"], escape(part["title"]), mark(part["status"]), escape(part["sentence"]))
        )
        if part["status"] != "left out" or len(part) > 8:
            out.append(BODIES[part["name"]](data, part))
        out.append("</section>")
    return "\n".join(out) + "</body></html>\n"
