"""What the parts found as one JSON, and the two files."""

import base64
import datetime
import getpass
import json
import os
import platform
import re
import socket
import struct
import subprocess
import tempfile
import zlib

SCHEMA = "daub gpu report 1"
SPOKEN = ("sentence", "failures", "summary", "first_messages", "left_out", "reason")  # keys of what programs said


def filtered(row, above):
    """A row of RGB bytes by PNG's filter 4 (Paeth), for pictures that are smooth."""
    out = bytearray(b"\4")
    for i, x in enumerate(row):
        a, b, c = row[i - 3] if i > 2 else 0, above[i], above[i - 3] if i > 2 else 0
        by_a, by_b, by_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
        out.append((x - (a if by_a <= by_b and by_a <= by_c else b if by_b <= by_c else c)) & 255)
    return bytes(out)


def png(width, height, rgb):
    """A PNG of 8 bits a channel."""
    rows = [bytes(3 * width)] + [rgb[3 * width * y : 3 * width * (y + 1)] for y in range(height)]
    packed = b"".join(filtered(row, above) for above, row in zip(rows, rows[1:]))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(packed, 9))
        + chunk(b"IEND", b"")
    )


def picture_text(width, height, rgb):
    return "data:image/png;base64," + base64.b64encode(png(width, height, rgb)).decode()


def private_words(run):
    """(word, replacement) of what says whose machine this is, longest first."""
    words = [
        (run.scratch, "TMP"),
        (run.top, "DAUB"),
        (os.path.realpath(run.top), "DAUB"),
        (os.path.expanduser("~"), "HOME"),
        (os.path.dirname(run.daub), "BIN"),
        (tempfile.gettempdir(), "TMP"),
        (os.getcwd(), "HERE"),
    ]
    try:
        words += [(getpass.getuser(), "USER")]
    except (KeyError, OSError):
        pass
    words += [(socket.gethostname(), "HOST"), (socket.gethostname().split(".")[0], "HOST")]
    return sorted({(w, r) for w, r in words if w and w != "/"}, key=lambda pair: -len(pair[0]))


def clean(text, words):
    for word, instead in words:
        if "/" in word or "\\" in word:
            text = text.replace(word, instead)
        else:
            text = re.sub(r"(?<![\w-])%s(?![\w-])" % re.escape(word), instead, text)
    return re.sub(r"(?<![\w.:/])/(?:[\w.+-]+/)+([\w.+-]+)", r".../\1", text)  # any other absolute path


def scrub(value, words, spoken=False):
    """`value` without private words in what programs said: paths wherever they are, names as whole words."""
    if isinstance(value, dict):
        return {key: scrub(item, words, spoken or key in SPOKEN) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrub(item, words, spoken) for item in value]
    return clean(value, words) if spoken and isinstance(value, str) else value


def output_of(*command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def plain(results):
    """The summary: a sentence a part, and each failure."""
    words = {"ok": "right", "failed": "WRONG", "left out": "left out"}
    rows = []
    for part in results.values():
        rows.append("%s: %s. %s" % (part["title"], words[part["status"]], part["sentence"]))
        rows += ["    " + failure for failure in part["failures"][:8]]
        if len(part["failures"]) > 8:
            rows.append("    and %d more" % (len(part["failures"]) - 8))
    return [row.rstrip() for row in rows]


def with_pictures(results):
    part = results.get("picture")
    for row in part.get("drawn", []) if part else []:
        rgb = row.pop("rgb", None)
        if rgb is not None:
            row["png"] = picture_text(row["width"], row["height"], rgb)
    if part and "reference_rgb" in part:
        part["reference_png"] = picture_text(64, 64, part.pop("reference_rgb"))


def gather(run, results, seconds, options):
    with_pictures(results)
    command = ["tools/gpu-report"] + (["--short"] if options.short else [])
    for name in options.only or []:
        command += ["--only", name]
    if options.limit != 460.0:
        command += ["--limit", "%g" % options.limit]
    data = {
        "schema": SCHEMA,
        "made": datetime.date.today().isoformat(),
        "daub": output_of(run.daub, "--version"),
        "commit": output_of("git", "-C", run.top, "rev-parse", "--short=12", "HEAD"),
        "command": " ".join(command),
        "seconds": round(seconds, 1),
        "system": {
            "os": platform.system(),
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
        "device": results["device"].pop(
            "device", {"name": "none", "driver": "", "kind": "", "memory": 0, "vulkan": "", "caps": {}}
        ),
        "green": all(part["status"] != "failed" for part in results.values()),
        "summary": plain(results),
        "parts": list(results.values()),
    }
    return scrub(data, private_words(run))


def compact(value, depth=0):
    """JSON with a line an item down to the rows of tables."""
    if depth < 4 and isinstance(value, (dict, list)) and value:
        inner = (
            [json.dumps(key) + ": " + compact(item, depth + 1) for key, item in value.items()]
            if isinstance(value, dict)
            else [compact(item, depth + 1) for item in value]
        )
        left, right = "{}" if isinstance(value, dict) else "[]"
        return left + "\n" + ",\n".join(" " * (depth + 1) + row for row in inner) + "\n" + " " * depth + right
    return json.dumps(value, ensure_ascii=False)


def write(data, html, folder):
    """Writes both files and returns their path without its ending. The reference's picture, which the repository has,
    is in the page only."""
    data = dict(
        data, parts=[{key: item for key, item in part.items() if key != "reference_png"} for part in data["parts"]]
    )
    name = re.sub(r"[^a-z0-9.]+", "-", data["device"]["name"].lower()).strip("-.") or "none"
    path = os.path.join(folder, "gpu-report-%s-%s" % (name[:60], data["made"]))
    for ending, text in (".json", compact(data) + "\n"), (".html", html):
        with open(path + ending, "w", encoding="utf-8") as file:
            file.write(text)
    return path
