"""Child processes that cannot take the report with them: each has a time limit and a process group of its own, and is
ended with all it started."""

import collections
import os
import queue
import signal
import subprocess
import threading
import time

# How a child ended: ok, failed (it said so), crash (a signal), hang (silent for too long), limit (its time was up).
Ended = collections.namedtuple("Ended", "how code seconds lines errors sentence")

NAMES = {
    signal.SIGSEGV: "a segmentation fault",
    signal.SIGABRT: "an abort",
    signal.SIGBUS: "a bus error",
    signal.SIGILL: "an illegal instruction",
    signal.SIGFPE: "an arithmetic fault",
    signal.SIGKILL: "a kill",
}
running = set()  # groups, for end_all


def read(stream, name, out):
    for line in stream:
        out.put((name, line.rstrip("\n"), time.monotonic()))
    out.put((name, None, time.monotonic()))


def end(child):
    """Ends a child and all of its group; one that the kernel holds is left behind after two seconds."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    try:
        child.wait(2)
    except subprocess.TimeoutExpired:
        pass
    running.discard(child.pid)


def end_all():
    for group in list(running):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def last_words(errors):
    """The child's own sentence, without the name of the program in front."""
    said = [line for line in errors if line.startswith("daub")]
    return said[-1].split(": ", 1)[-1] if said else errors[-1] if errors else ""


def explain(how, code, seconds, silence, errors):
    if how == "limit":
        return "not done after its limit of %.0f s, and ended" % seconds
    if how == "hang":
        return "silent for %.0f s, and ended" % silence
    if how == "crash":
        name = NAMES.get(-code, "signal %d" % -code)
        words = last_words(errors)
        return "crashed with %s%s" % (name, ", after saying: " + words if words else "")
    return last_words(errors) or ("exit status %d" % code if code else "")


def run(command, limit, silence=None, env=None, on_line=None):
    """Runs `command` for at most `limit` seconds, and at most `silence` without a line. on_line(stream, line, seconds)
    sees the lines of "out" and "err" as they come."""
    start = time.monotonic()
    deadline = start + max(limit, 0.0)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        return Ended("failed", 127, 0.0, [], [], "cannot be started: %s" % error.strerror)
    running.add(child.pid)
    heard, texts, ends, how = queue.Queue(), {"out": [], "err": []}, 0, None
    for stream, name in ((child.stdout, "out"), (child.stderr, "err")):
        threading.Thread(target=read, args=(stream, name, heard), daemon=True).start()
    last = start
    while ends < 2:
        until = min(deadline, last + silence) if silence else deadline
        try:
            name, line, when = heard.get(timeout=max(until - time.monotonic(), 0.001))
        except queue.Empty:
            if child.poll() is not None:  # what it started may hold the pipes
                break
            if time.monotonic() >= until:
                how = "limit" if until == deadline else "hang"
                break
            continue
        if line is None:
            ends += 1
            continue
        last = when
        texts[name].append(line)
        if on_line:
            on_line(name, line, when - start)
    if how is None:
        try:
            child.wait(max(deadline - time.monotonic(), 1.0))
        except subprocess.TimeoutExpired:
            how = "limit"
    end(child)
    code = child.returncode if child.returncode is not None else -signal.SIGKILL
    if how is None:
        how = "ok" if code == 0 else "crash" if code < 0 or code >= 128 else "failed"
    if how == "crash" and code > 0:  # a shell between us and it
        code = 128 - code
    seconds = time.monotonic() - start
    return Ended(
        how, code, seconds, texts["out"], texts["err"], explain(how, code, limit, silence or 0.0, texts["err"])
    )


class Losses:
    """What run_items could not do: {group: sentence} that lost a child, and why the rest was left out."""

    def __init__(self):
        self.lost, self.left_out, self.errors, self.n_children = {}, "", [], 0


def run_items(items, command, parse, limit, silence, env=None):
    """Work that comes as a line an item, in the order of `items`, [(key, group)]. If a child dies, the first item
    without its line is to blame: its group is lost, and another child goes on with the other groups. command(groups) is
    the child's command for those groups, parse(line) is (key, row) or None. Returns {key: row} and Losses."""
    rows, losses, barren = {}, Losses(), 0
    deadline = time.monotonic() + limit

    def hear(name, line, _):
        found = parse(line) if name == "out" else None
        if found and found[0] not in rows:
            rows[found[0]] = found[1]

    while True:
        left = [(key, group) for key, group in items if key not in rows and group not in losses.lost]
        if not left:
            return rows, losses
        time_left = deadline - time.monotonic()
        if time_left < 1.0:
            losses.left_out = "no time"
            return rows, losses
        groups, before = list(dict.fromkeys(group for _, group in left)), len(rows)
        ended = run(command(groups), time_left, silence, env, hear)
        losses.n_children += 1
        losses.errors += ended.errors
        left = [(key, group) for key, group in left if key not in rows]
        if not left:
            if ended.how in ("crash", "hang"):
                losses.lost["the end"] = ended.sentence
            return rows, losses
        if ended.how == "limit":
            losses.left_out = "no time"
            return rows, losses
        if ended.how in ("ok", "failed") and len(rows) == before:  # it said why
            losses.lost["all"] = ended.sentence or "no lines"
            return rows, losses
        losses.lost[left[0][1]] = ended.sentence or "ended without its line"
        barren = barren + 1 if len(rows) == before else 0
        if barren == 3:
            losses.left_out = "three children in a row were lost"
            return rows, losses
