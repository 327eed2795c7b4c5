"""What show.py wants: pictures out of files, a pseudo terminal with this program as the terminal, and the codes that come out decoded."""
import base64
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import zlib

from harness import ENV, check

TELLING = ("KITTY_WINDOW_ID", "TERM", "TERM_PROGRAM", "LC_TERMINAL", "COLORTERM", "TMUX", "COLUMNS", "LINES", "SSH_TTY")
for name in TELLING:
    ENV.pop(name, None)


# ---- pictures --------------------------------------------------------------------------------------------------------

def png(data):
    """width, height, RGB bytes, the text of the parameters."""
    at, body, text = 8, b"", b""
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        part = data[at + 8:at + 8 + n]
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack(">IIBB", part[:10])
            assert (depth, colours) == (8, 2)
        elif kind == b"IDAT":
            body += part
        elif kind == b"tEXt":
            text = part
        at += 12 + n
    raw, stride, rows, last = zlib.decompress(body), 3 * width, [], bytearray(3 * width)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = line[i - 3] if i >= 3 else 0, last[i], last[i - 3] if i >= 3 else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[i] = (line[i] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
        rows.append(line)
        last = line
    return width, height, b"".join(bytes(r) for r in rows), text


def read(path):
    return png(open(path, "rb").read())


def crop(picture, x, y, w, h):
    width, _, pixels = picture[:3]
    return b"".join(pixels[3 * ((y + i) * width + x):3 * ((y + i) * width + x + w)] for i in range(h))


def distance(a, b):
    return sum(abs(p - q) for p, q in zip(a, b)) / max(len(a), 1)


# ---- a terminal ------------------------------------------------------------------------------------------------------

class Terminal:
    """Runs daub on a pseudo terminal, answers what it asks, and keeps what it writes."""

    def __init__(self, daub, *args, env=None, size=(40, 65, 0, 0), answer=None, interrupt=None):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], size[2], size[3]))
        before = termios.tcgetattr(slave)
        process = subprocess.Popen([daub, *args], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                   env=dict(ENV, **(env or {})), preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.output, asked, end = b"", False, time.time() + 120
        while time.time() < end:
            ready = select.select([master], [], [], 0.05)[0]
            if not ready and process.poll() is not None:
                break
            if ready:
                self.output += os.read(master, 65536)
            if not asked and b"\x1b[c" in self.output:
                asked = True
                if answer:
                    os.write(master, answer)
            if interrupt and interrupt in self.output:
                os.write(master, b"\x03")
                interrupt = None
        else:
            process.kill()
        self.status = process.wait()
        self.asked = asked
        self.same_settings = termios.tcgetattr(slave) == before
        os.close(master)
        os.close(slave)


def kitty_pictures(data):
    """(keys, PNG) of every picture that kitty's protocol transmits."""
    out, keys, body = [], None, b""
    for control, payload in re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", data):
        pairs = dict(p.split(b"=") for p in control.split(b","))
        check(len(payload) <= 4096, "a chunk of %d bytes" % len(payload))
        if keys is None:
            keys = pairs
        else:
            check(set(pairs) == {b"m"}, "a later chunk has m alone: %r" % pairs)
        body += payload
        if pairs[b"m"] == b"0":
            out.append((keys, base64.b64decode(body, validate=True)))
            keys, body = None, b""
    check(keys is None, "the last picture is whole")
    return out


def sixel(data):
    """width, height and {(x, y): colour of 0..100 each} of one picture, without its frame."""
    head = re.match(rb'"1;1;(\d+);(\d+)', data)
    width, height = int(head[1]), int(head[2])
    palette, pixels, x, band, colour, at = {}, {}, 0, 0, 0, head.end()
    while at < len(data):
        c = data[at:at + 1]
        if c == b"#":
            m = re.compile(rb"#(\d+)(?:;2;(\d+);(\d+);(\d+))?").match(data, at)
            colour, at = int(m[1]), m.end()
            if m[2]:
                palette[colour] = (int(m[2]), int(m[3]), int(m[4]))
            continue
        count = 1
        if c == b"!":
            m = re.compile(rb"!(\d+)").match(data, at)
            count, at = int(m[1]), m.end()
            c = data[at:at + 1]
        at += 1
        if c == b"$":
            x = 0
        elif c == b"-":
            x, band = 0, band + 1
        else:
            bits = c[0] - 63
            assert 0 <= bits < 64, c
            for i in range(count):
                for bit in range(6):
                    if bits >> bit & 1:
                        assert (x + i, 6 * band + bit) not in pixels, "two colours in one place"
                        pixels[x + i, 6 * band + bit] = palette[colour]
            x += count
    return width, height, pixels


def colour_256(n):
    if n >= 232:
        return (8 + 10 * (n - 232),) * 3
    levels = (0, 95, 135, 175, 215, 255)
    return levels[(n - 16) // 36], levels[(n - 16) // 6 % 6], levels[(n - 16) % 6]


class Screen:
    """Enough of a terminal for half blocks: lines that never leave at the top."""
    TOKEN = re.compile("\x1b\\[([?\\d;]*)([A-Za-z])|\x1b([78])|\r|\n|[^\x1b]")

    def __init__(self, data):
        self.cells, self.row, self.column, saved, fore, back, self.lowest = {}, 0, 0, None, None, None, 0
        for m in self.TOKEN.finditer(data.decode()):
            text = m[0]
            if m[2]:
                numbers = [int(n) for n in m[1].split(";") if n.isdigit()]
                n = numbers[0] if numbers else 1
                if m[2] == "A":
                    self.row -= n
                elif m[2] == "B":
                    self.row += n
                elif m[2] == "K":
                    for column in range(self.column, 1000):
                        self.cells.pop((self.row, column), None)
                elif m[2] == "m":
                    while numbers and numbers[0]:
                        rgb = tuple(numbers[2:5]) if numbers[1] == 2 else colour_256(numbers[2])
                        fore, back = (rgb, back) if numbers[0] == 38 else (fore, rgb)
                        numbers = numbers[5 if numbers[1] == 2 else 3:]
            elif m[3] == "7":
                saved = (self.row, self.column)
            elif m[3] == "8":
                self.row, self.column = saved
            elif text == "\r":
                self.column = 0
            elif text == "\n":
                self.row += 1
            else:
                self.cells[self.row, self.column] = (text, fore, back)
                self.column += 1
            self.lowest = max(self.lowest, self.row)

    def picture(self, height):
        """RGB bytes of the last `height` / 2 lines of blocks, and their first line."""
        rows = sorted({r for (r, _), (text, _, _) in self.cells.items() if text == "\u2580"})
        rows = rows[-height // 2:]
        out = b""
        for r in rows:
            line = [self.cells[r, c] for c in range(1000) if (r, c) in self.cells]
            out += b"".join(bytes(c[1]) for c in line) + b"".join(bytes(c[2]) for c in line)
        return out, rows
