"""Pictures and plots for tools/figures: PPM and PNG, labelled sheets of pictures, and SVG charts. Only numpy, so that bytes repeat."""
import struct
import zlib

import numpy as np

# A small font of our own. A glyph is 9 rows of 4 pixels, a hexadecimal digit each, the last two below the line; m and w have 5 pixels.
FONT = {
    "a": "006179700", "b": "88e999e00", "c": "007888700", "d": "117999700", "e": "0069f8600", "f": "344e44400",
    "g": "007999716", "h": "88e999900", "i": "040c44e00", "j": "020622224", "k": "889aca900", "l": "c44444e00",
    "n": "00e999900", "o": "006999600", "p": "00e999e88", "q": "007999711", "r": "00bc88800", "s": "007861e00",
    "t": "44e444300", "u": "009999700", "v": "009996600", "x": "009969900", "y": "009999716", "z": "00f248f00",
    "0": "699999600", "1": "262222700", "2": "691248f00", "3": "e11611e00", "4": "1359f1100", "5": "f88e11e00",
    "6": "688e99600", "7": "f11224400", "8": "699699600", "9": "699711600", "_": "0000000f0", "-": "0000f0000",
    ".": "000000400", ",": "000000448", "=": "000f0f000", "+": "0004e4000", ":": "004000400", "/": "112244800",
    "(": "244444200", ")": "422222400", " ": "000000000",
}
WIDE = {"m": [0, 0, 0x1A, 0x15, 0x15, 0x15, 0x15, 0, 0], "w": [0, 0, 0x11, 0x15, 0x15, 0x15, 0x0A, 0, 0]}
GAP, ROWS = 4, 9
COLOURS = ["#c0392b", "#2471a3", "#1e8449", "#7d3c98", "#b9770e"]


def to_bytes(values):
    """-1..1 to 0..255, as the library rounds."""
    return np.clip(np.floor(127.5 * values + 128.0), 0, 255).astype(np.uint8)


def read_ppm(path):
    with open(path, "rb") as file:
        kind, size, _, pixels = file.read().split(b"\n", 3)
    width, height = (int(n) for n in size.split())
    assert kind == b"P6" and len(pixels) == 3 * width * height, path
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def filtered(pixels):
    """PNG's five filters of every row, the one with the least sum of differences kept."""
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, width * 3).astype(np.int16)
    out, above = [], np.zeros(width * 3, np.int16)
    for row in rows:
        left = np.concatenate([np.zeros(3, np.int16), row[:-3]])
        corner = np.concatenate([np.zeros(3, np.int16), above[:-3]])
        p = left + above - corner
        a, b, c = abs(p - left), abs(p - above), abs(p - corner)
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        tries = [row, row - left, row - above, row - (left + above) // 2, row - paeth]
        tries = [t.astype(np.uint8) for t in tries]
        best = min(range(5), key=lambda i: int(np.abs(tries[i].astype(np.int8).astype(int)).sum()))
        out.append(bytes([best]) + tries[best].tobytes())
        above = row
    return b"".join(out)


def write_png(path, pixels):
    height, width, _ = pixels.shape
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(filtered(pixels), 9)) + chunk(b"IEND", b""))


def read_png(path):
    """An 8-bit RGB picture without interlacing."""
    with open(path, "rb") as file:
        data = file.read()
    at, idat = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert (depth, colour) == (8, 2), path
        idat += body if kind == b"IDAT" else b""
        at += 12 + size
    rows, out, above = zlib.decompress(idat), [], [0] * (3 * width)
    for y in range(height):
        line = rows[y * (3 * width + 1):(y + 1) * (3 * width + 1)]
        row = []
        for i, value in enumerate(line[1:]):
            a, b, c = row[i - 3] if i >= 3 else 0, above[i], above[i - 3] if i >= 3 else 0
            p = a + b - c
            near = min((a, b, c), key=lambda v: abs(p - v))
            row.append((value + (0, a, b, (a + b) // 2, near)[line[0]]) & 255)
        out.append(row)
        above = row
    return np.array(out, np.uint8).reshape(height, width, 3)


def text(words, scale=2):
    """Dark letters on white, [9 scale, width, 3]."""
    columns = []
    for letter in words.lower():
        rows, width = (WIDE[letter], 5) if letter in WIDE else ([int(digit, 16) for digit in FONT[letter]], 4)
        columns += [[row >> (width - 1 - x) & 1 for row in rows] for x in range(width)] + [[0] * ROWS]
    ink = np.kron(np.array(columns).T, np.ones((scale, scale), int))
    return np.where(ink[:, :, None] == 1, 40, 255).astype(np.uint8).repeat(3, axis=2)


def sheet(rows, names, heads, scale):
    """Rows of pictures of one size, each `scale` times enlarged, with a name at the left of each row and a head over each column."""
    height, width = (n * scale for n in rows[0][0].shape[:2])
    labels, tops = [text(name) for name in names], [text(head) for head in heads]
    left, top = max(label.shape[1] for label in labels) + GAP, 2 * ROWS + 2 * GAP
    pitch = max([width] + [head.shape[1] for head in tops]) + GAP
    out = np.full((top + len(rows) * (height + GAP), left + len(heads) * pitch, 3), 255, np.uint8)

    def put(pixels, y, x, room):
        x += (room - pixels.shape[1]) // 2
        out[y:y + pixels.shape[0], x:x + pixels.shape[1]] = pixels

    for i, head in enumerate(tops):
        put(head, GAP, left + i * pitch, pitch - GAP)
    for j, (label, row) in enumerate(zip(labels, rows)):
        y = top + j * (height + GAP)
        put(label, y + (height - label.shape[0]) // 2, 0, label.shape[1])
        for i, pixels in enumerate(row):
            put(np.kron(pixels, np.ones((scale, scale, 1), np.uint8)), y, left + i * pitch, pitch - GAP)
    return out


def write_text(path, words):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(words)


def svg(width, height, parts):
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" '
            'font-size="13" fill="#222">\n<rect width="%d" height="%d" fill="#fff"/>\n%s\n</svg>\n' %
            (width, height, width, height, width, height, "\n".join(parts)))


def chart(title, below, ticks, lines, limits, form):
    """Lines over 0, 1, 2, ... with ticks at some of them, and a legend. limits: (low, high, step); what is beyond is cut off."""
    left, top, width, height, (low, high, step) = 62, 34, 560, 260, limits
    xs = range(len(lines[0][1]))
    parts = ['<text x="%d" y="20" font-size="15">%s</text>' % (left, title)]

    def at_x(x):
        return left + width * (x - xs[0]) / (xs[-1] - xs[0])

    def at_y(y):
        return top + height * (high - y) / (high - low)

    for i in range(int(round((high - low) / step)) + 1):
        y = low + step * i
        parts.append('<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>' %
                     (left, at_y(y), left + width, left - 8, at_y(y) + 4, form % y))
    for x in ticks:
        parts.append('<text x="%.1f" y="%d" text-anchor="middle">%d</text>' % (at_x(x), top + height + 18, x))
    parts.append('<text x="%d" y="%d" text-anchor="middle">%s</text>' % (left + width / 2, top + height + 38, below))
    for i, (name, values) in enumerate(lines):
        points = []
        for x, y in list(zip(xs, values))[::4] + [(xs[-1], values[-1])]:
            if low <= y <= high:
                points.append("%.1f,%.1f" % (at_x(x), at_y(y)))
        parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (" ".join(points), COLOURS[i]))
        x = left + i * 150
        parts.append('<path d="M%d %dh18" stroke="%s" stroke-width="3"/><text x="%d" y="%d" font-size="12">%s</text>' %
                     (x, top + height + 56, COLOURS[i], x + 23, top + height + 60, name))
    return svg(left + width + 20, top + height + 72, parts)


def heat_maps(tokens, maps):
    """Attention between tokens: a row of maps a head, a column a layer; a map's row is the token that looks."""
    n, cell, left, top, gap = len(tokens), 17, 60, 70, 14
    layers, heads = maps.shape[:2]
    side = n * cell
    parts = []
    for layer in range(layers):
        x0 = left + layer * (side + gap)
        parts.append('<text x="%d" y="16" text-anchor="middle" font-size="14">layer %d</text>' % (x0 + side / 2, layer + 1))
        for i, token in enumerate(tokens):
            x = x0 + i * cell + cell / 2
            parts.append('<text transform="translate(%.1f %d) rotate(-60)" font-size="11">%s</text>' % (x, top - 6, token))
    for head in range(heads):
        y0 = top + head * (side + gap)
        parts.append('<text transform="translate(12 %d) rotate(-90)" text-anchor="middle" font-size="14">head %d</text>' %
                     (y0 + side / 2, head + 1))
        for i, token in enumerate(tokens):
            parts.append('<text x="%d" y="%.1f" text-anchor="end" font-size="11">%s</text>' % (left - 5, y0 + i * cell + 12, token))
        for layer in range(layers):
            x0 = left + layer * (side + gap)
            parts.append('<path d="M%d %dh%dv%dh-%dz" fill="#eee"/>' % (x0, y0, side, side, side))
            for i in range(n):
                for j in range(i + 1):  # beyond is what the causal mask hides: grey
                    parts.append('<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>' %
                                 (x0 + j * cell, y0 + i * cell, cell, cell, shade(maps[layer, head, i, j])))
    return svg(left + layers * (side + gap), top + heads * (side + gap), parts)


def shade(p):
    """White for 0 over blue to nearly black for 1, in steps of 1/50: small differences of numpy's sums change no byte."""
    p = np.sqrt(round(float(p) * 50) / 50)
    return "#%02x%02x%02x" % tuple(int(round(255 + (dark - 255) * p)) for dark in (8, 48, 107))
