"""Charts as SVG that stands inside the page: words take the page's colour, marks have ones for dark and light."""

from html import escape

COLOURS = ["#4477aa", "#ee8866", "#44aa77", "#cc6677", "#ccbb44", "#66a9c9", "#aa66aa", "#8a8a8a", "#997755", "#99aa33"]


def text(x, y, words, how="", anchor="start"):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>' % (x, y, anchor, how, escape(str(words)))


def svg(width, height, label, body):
    return '<svg viewBox="0 0 %d %d" role="img" aria-label="%s" style="max-width:%dpx">%s</svg>' % (
        width,
        height,
        escape(label, quote=True),
        width,
        "".join(body),
    )


def bars(rows, label, left=240, right=350, width=900):
    """Horizontal bars: rows of (name, value, words after the bar, number of a colour)."""
    most = max((value for _, value, _, _ in rows), default=0.0) or 1.0
    room, body = width - left - right, []
    for i, (name, value, words, colour) in enumerate(rows):
        y, length = 20 * i, max(room * value / most, 1.0)
        body.append(text(left - 8, y + 14, name, "", "end"))
        body.append(
            '<rect x="%d" y="%d" width="%.1f" height="14" rx="2" fill="%s"><title>%s: %s</title></rect>'
            % (left, y + 3, length, COLOURS[colour], escape(name), escape(words))
        )
        body.append(text(left + length + 6, y + 14, words, "soft"))
    return svg(width, 20 * len(rows) + 6, label, body)


def stacked(rows, label, unit, width=900, left=110):
    """A bar a row of (name, [(part, value)]), all to one scale, and the names of the parts beneath."""
    most = max((sum(value for _, value in parts) for _, parts in rows), default=0.0) or 1.0
    names = list(dict.fromkeys(part for _, parts in rows for part, _ in parts))
    room, body = width - left - 110, []
    for i, (name, parts) in enumerate(rows):
        x = float(left)
        body.append(text(left - 8, 28 * i + 18, name, "", "end"))
        for part, value in parts:
            length = room * value / most
            body.append(
                '<rect x="%.1f" y="%d" width="%.2f" height="20" fill="%s"><title>%s, %s: %.4g %s</title></rect>'
                % (
                    x,
                    28 * i + 4,
                    length,
                    COLOURS[names.index(part) % len(COLOURS)],
                    escape(name),
                    escape(part),
                    value,
                    unit,
                )
            )
            x += length
        body.append(text(x + 6, 28 * i + 18, "%.4g %s" % (sum(value for _, value in parts), unit), "soft"))
    x, y = float(left), 28 * len(rows) + 14
    for i, name in enumerate(names):
        if x + 24 + 7.2 * len(name) > width:
            x, y = float(left), y + 20
        body.append('<rect x="%.1f" y="%d" width="12" height="12" fill="%s"/>' % (x, y, COLOURS[i % len(COLOURS)]))
        body.append(text(x + 17, y + 11, name))
        x += 34 + 7.2 * len(name)
    return svg(width, y + 22, label, body)


def steps(times, label, width=900):
    """Each step's seconds as a column: times are of the steps' ends, the first is the beginning."""
    rows = []
    for before, after in zip(times, times[1:]):
        count = max(after["step"] - before["step"], 1)
        rows.append((after["step"], (after["seconds"] - before["seconds"]) / count))
    most = max((value for _, value in rows), default=0.0) or 1.0
    each, body = (width - 20) / max(len(rows), 1), []
    for i, (step, value) in enumerate(rows):
        height, x = max(130 * value / most, 1.0), 10 + each * i
        body.append(
            '<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2" fill="%s"><title>step %d: %.4f s</title></rect>'
            % (x + 2, 150 - height, max(each - 4, 1.0), height, COLOURS[0], step, value)
        )
        body.append(text(x + each / 2, 145 - height, "%.3g" % value, "soft", "middle"))
        body.append(text(x + each / 2, 166, step, "", "middle"))
    return svg(width, 172, label, body)
