#!/usr/bin/env python3
"""Checks that a commit which lets a figure of tests/figures/figures.txt rise says so: old, new and why.

    check_figures.py [--file PATH] [--base REF] [COMMIT]

Looks at COMMIT (HEAD) and at its ancestors that the base does not have: the given one, or what the branch follows, or
origin's default branch; without any, at COMMIT alone. The message of a commit in which figures rose has to contain the
old and the new number of one of them. A merge lets a figure rise only above what all its parents have. Where history
ends (a shallow clone) there is nothing to compare with, and that commit is passed over.
"""
import argparse
import re
import subprocess
import sys

FILE = "tests/figures/figures.txt"


def git(*args):
    """What git prints, or None when it fails."""
    result = subprocess.run(("git",) + args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return result.stdout.decode("utf-8", "replace") if result.returncode == 0 else None


def figures(commit, path):
    """{key: number} of the file in a commit; empty where it is not there."""
    found = {}
    for line in (git("show", "%s:%s" % (commit, path)) or "").splitlines():
        match = re.fullmatch(r"([a-z]\S*(?: \S+)*) (\d+)", line)
        if match and not line.startswith("compiler "):
            found[match.group(1)] = int(match.group(2))
    return found


def rises(commit, parents, path):
    """[(key, old, new)] of the figures that are above what every parent has."""
    now, before = figures(commit, path), [figures(parent, path) for parent in parents]
    out = []
    for key in sorted(now):
        old = [b[key] for b in before if key in b]
        if len(old) == len(parents) and now[key] > max(old):
            out.append((key, max(old), now[key]))
    return out


def named(message, old, new):
    """Whether both numbers stand in the message as they are, not as a part of longer ones."""
    return all(re.search(r"(?<![\d.,])%d(?![\d]|[.,]\d)" % n, message) for n in (old, new))


def base_of(commit, given):
    for ref in [given] if given else ["@{upstream}", "origin/HEAD", "origin/main"]:
        base = git("merge-base", ref, commit)
        if base and base.strip():
            return base.strip()
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", default=FILE)
    parser.add_argument("--base")
    parser.add_argument("commit", nargs="?", default="HEAD")
    args = parser.parse_args()
    if git("rev-parse", "--verify", args.commit + "^{commit}") is None:
        sys.exit("check_figures: %s is no commit of a git repository here" % args.commit)
    base = base_of(args.commit, args.base)
    if args.base and not base:
        sys.exit("check_figures: %s shares no history with %s" % (args.base, args.commit))
    listed = git("rev-list", "--parents", args.commit, *(["^" + base] if base else ["--max-count=1"])) or ""
    rows = [line.split() for line in listed.splitlines()]
    if not rows:  # all of it is in the base already: HEAD is looked at all the same
        rows = [(git("rev-list", "--parents", "--max-count=1", args.commit) or "").split()]

    failed = 0
    for commit, *parents in rows:
        risen = rises(commit, parents, args.file) if parents else []
        message = git("log", "-1", "--format=%B", commit) or ""
        if not risen or any(named(message, old, new) for _, old, new in risen):
            continue
        failed += 1
        print("%s lets %d figures rise, and its message names none of them with old and new number:" %
              (commit[:12], len(risen)))
        for key, old, new in risen[:20]:
            print("    %s: %d, now %d" % (key, old, new))
        if len(risen) > 20:
            print("    and %d more" % (len(risen) - 20))
    print("%d passed, %d failed: commits and the figures they let rise" % (len(rows) - failed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
