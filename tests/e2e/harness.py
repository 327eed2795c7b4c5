"""What the scripts here share: SCRIPT.py PATH/daub SOURCE_DIR runs its parts in a folder that goes away, and counts what fails."""
import os
import subprocess
import sys
import tempfile
import time

DAUB, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
ENV = {k: v for k, v in os.environ.items() if k != "DAUB_DEBUG"}
# A test with a cache of its own moves daub's, and not the driver's: Mesa would compile every kernel again.
ENV.setdefault("MESA_SHADER_CACHE_DIR", os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
failures = []


def run(*args, env=None, timeout=300, **kw):
    return subprocess.run([DAUB, *args], capture_output=True, env=dict(ENV, **(env or {})), timeout=timeout, **kw)


def check(ok, what):
    if not ok:
        failures.append(what)
        print("FAIL", what, flush=True)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
    return path


def refused(name, *args, words=(), status=None, env=None):
    """One sentence on stderr with these words, exit status 1 or 2, no new file, nothing on stdout."""
    before = set(os.listdir("."))
    result = run(*args, env=env)
    text = result.stderr.decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line]
    check(result.returncode in (1, 2), "%s: exit status %d" % (name, result.returncode))
    check(status is None or result.returncode == status, "%s: exit status %d, not %s" % (name, result.returncode, status))
    check(len(lines) == 1 and lines[0].startswith("daub: "), "%s: not one sentence: %r" % (name, text[:400]))
    check(set(os.listdir(".")) == before, "%s: left a file" % name)
    check(not result.stdout, "%s: wrote to standard output" % name)
    for word in words:
        check(word.lower() in text.lower(), "%s: %r does not say %r" % (name, text[:300], word))


def main(*parts):
    """Runs the parts; the words behind SOURCE_DIR, if any, name those to run."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for part in parts:
            if sys.argv[3:] and part.__name__ not in sys.argv[3:]:
                continue
            begin = time.time()
            part()
            print("%-20s %.0f s" % (part.__name__, time.time() - begin), flush=True)
        os.chdir("/")
    print("%d failed" % len(failures))
    sys.exit(1 if failures else 0)
