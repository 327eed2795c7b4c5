#!/usr/bin/env python3
"""tools/check_figures.py in repositories made for it: rises with and without a word, merges, falls, a shallow clone.

    check_figures.py SOURCE_DIR
"""
import os
import shutil
import subprocess
import sys
import tempfile

TOOL = os.path.join(os.path.abspath(sys.argv[1]), "tools", "check_figures.py")
FILE = "tests/figures/figures.txt"
ENV = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a",
           GIT_COMMITTER_EMAIL="a@b")
for name in [name for name in ENV if name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")]:
    del ENV[name]
failures = 0


def git(*args, cwd="repo"):
    return subprocess.run(("git",) + args, cwd=cwd, env=ENV, check=True, capture_output=True).stdout.decode().strip()


def commit(message, **values):
    """Values are of keys with spaces for underscores; the rest of the file stays."""
    path = os.path.join("repo", FILE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    lines = dict(line.rsplit(" ", 1) for line in open(path)) if os.path.exists(path) else {}
    lines = {key: value.strip() for key, value in lines.items()}
    for key, value in values.items():
        lines[key.replace("_", " ")] = str(value)
    with open(path, "w") as file:
        file.writelines("%s %s\n" % pair for pair in sorted(lines.items()))
    git("add", "-A")
    git("commit", "--allow-empty", "-m", message)


def expect(what, status, *words, args=(), cwd="repo"):
    global failures
    result = subprocess.run((sys.executable, TOOL) + tuple(args), cwd=cwd, env=ENV, capture_output=True)
    text = (result.stdout + result.stderr).decode()
    if result.returncode != status or any(word not in text for word in words):
        failures += 1
        print("FAIL %s: exit status %d, wanted %d with %r: %s" % (what, result.returncode, status, words, text))


def main():
    subprocess.run(("git", "init", "-q", "-b", "main", "repo"), env=ENV, check=True)
    commit("first", net_a_bytes=1000, net_b_bytes=50, kernel_k_instructions=7)
    expect("the first commit", 0, "1 passed")
    commit("a fall", net_a_bytes=900)
    expect("a fall", 0)
    commit("a rise", net_a_bytes=1000)
    expect("a rise without a word", 1, "net a bytes: 900, now 1000")
    git("commit", "--amend", "-q", "-m", "a rise\n\n900 to 10001: too few digits")
    expect("a number inside another", 1)
    git("commit", "--amend", "-q", "-m", "a rise\n\nnet a moves 1000 bytes, not 900, because it keeps a copy.")
    expect("a rise with its numbers", 0)
    commit("new and gone", net_c_bytes=77)
    expect("a new figure is no rise", 0)

    git("branch", "base")
    git("checkout", "-q", "-b", "work")
    commit("a silent rise", net_b_bytes=60)
    commit("nothing")
    expect("HEAD alone, without a base", 0)
    expect("an ancestor since the base", 1, "net b bytes: 50, now 60", args=("--base", "base"))
    git("reset", "-q", "--hard", "base")
    commit("b from 50 to 60: why", net_b_bytes=60)
    git("checkout", "-q", "-b", "other", "base")
    commit("k from 7 to 8: why", kernel_k_instructions=8)
    git("merge", "-q", "--no-edit", "work")
    expect("a merge of two rises that were named", 0, "3 passed", args=("--base", "base"))
    expect("a base that is none", 1, "shares no history", args=("--base", "nowhere"))

    git("checkout", "-q", "main")
    commit("silent", net_b_bytes=61)
    git("clone", "-q", "--depth", "1", "file://" + os.path.abspath("repo"), "shallow", cwd=".")
    expect("a shallow clone's only commit", 0, cwd="shallow")
    git("clone", "-q", "--depth", "2", "file://" + os.path.abspath("repo"), "deeper", cwd=".")
    expect("two commits, both of them origin's", 1, "net b bytes: 50, now 61", cwd="deeper")
    os.mkdir("empty")
    expect("no repository", 1, "no commit", cwd="empty")


if not shutil.which("git"):
    print("git is not installed")
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    ENV["GIT_CONFIG_GLOBAL"] = os.path.join(folder, "config")  # nobody's settings: an empty one
    open("config", "w").close()
    main()
    os.chdir("/")
sys.exit(1 if failures else 0)
