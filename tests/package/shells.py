#!/usr/bin/env python3
"""Packages: completions of bash, zsh and fish, and the manual page: shells.py PATH/daub

bash completes here by the functions themselves; zsh and fish, where they are installed, take the files, and fish is asked too.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

DAUB = os.path.abspath(sys.argv[1])
failures = []


def check(ok, what):
    if not ok:
        failures.append(what)
        print("FAIL", what)


def run(*command, stdin=None, **kw):
    env = dict(os.environ, PATH=os.path.dirname(DAUB) + os.pathsep + os.environ["PATH"], HOME=os.getcwd(), LC_ALL="C.UTF-8")
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, timeout=120, **kw)


def bash(line):
    """What bash offers after this line, as it cuts the line into words."""
    words = re.findall(r"=|[^ =]+", line) + ([""] if line.endswith(" ") else [])
    script = ('source ./daub.bash; COMP_WORDS=(%s); COMP_CWORD=%d; $(complete -p daub | sed "s/.*-F \\([^ ]*\\).*/\\1/"); '
              'printf "%%s\\n" "${COMPREPLY[@]}"' % (" ".join("'%s'" % word for word in words), len(words) - 1))
    result = run("bash", "--norc", "-c", script)
    check(result.returncode == 0 and not result.stderr, "bash completes %r: %s" % (line, result.stderr))
    return set(result.stdout.split("\n")) - {""}


def options_of(command):
    return set(re.findall(r"^  (?:-., |    )(--[a-z0-9-]+)", run(DAUB, "help", command).stdout, re.M))


def test_bash():
    check(run("bash", "-n", "daub.bash").returncode == 0, "bash -n")
    commands = set(re.findall(r"^\.B daub (\S+)$", run(DAUB, "man").stdout, re.M))
    check(bash("daub ") == commands, "commands: %r" % (bash("daub ") ^ commands))
    for command in commands:
        offered = bash("daub %s --" % command)
        check(offered == options_of(command), "options of %s: %r" % (command, offered ^ options_of(command)))
    check(bash("daub --") == options_of("generate"), "options without a command")
    samplers = run(DAUB, "samplers").stdout.split("\nschedules:\n")
    for option, text in zip(("sampler", "schedule"), samplers):
        names = {line.split()[0] for line in text.strip().splitlines()}
        check(bash("daub --%s " % option) == names, "--%s: %r" % (option, bash("daub --%s " % option) ^ names))
    numbers = set(re.findall(r"^[* ] (\d+)  ", run(DAUB, "devices").stdout, re.M))
    check(bash("daub bench -d ") == numbers, "devices: %r, not %r" % (bash("daub bench -d "), numbers))
    for line, want in (("daub --format ", {"png", "jpg", "ppm"}), ("daub x --format=p", {"png", "ppm"}), ("daub --format=", {"png", "jpg", "ppm"}),
                       ("daub --memory s", {"small", "stream"}), ("daub -m pic", {"picture one.png", "pictures"}),
                       ("daub --weight-cache pic", {"pictures"}), ("daub inspect pic", {"picture one.png", "pictures"}),
                       ("daub --steps ", set()), ("daub completions ", {"bash", "zsh", "fish"}),
                       ("daub help est", {"estimate"}), ("daub a --see", {"--seed"}),
                       ("daub --preview=s", {"sixel"}), ("daub a --preview --see", {"--seed"}), ("daub --show-by ", {"linear", "vae"}),
                       ("daub --style v", {"vivid"})):
        check(bash(line) == want, "%r completes to %r" % (line, bash(line)))


def test_zsh():
    if not shutil.which("zsh"):
        print("skipped: zsh is not installed")
        return
    result = run("zsh", "-n", "daub.zsh")
    check(result.returncode == 0 and not result.stderr, "zsh -n: %s" % result.stderr)


def test_fish():
    if not shutil.which("fish"):
        print("skipped: fish is not installed")
        return
    result = run("fish", "-n", "daub.fish")
    check(result.returncode == 0 and not result.stderr, "fish -n: %s" % result.stderr)
    for line, want in (("daub --form", "--format"), ("daub --sampler dpmpp_2m_", "dpmpp_2m_sde"), ("daub est", "estimate"),
                       ("daub completions z", "zsh"), ("daub inspect pictures", "pictures/"),
                       ("daub --preview=si", "--preview=sixel"), ("daub a --preview --see", "--seed")):
        result = run("fish", "-c", 'source daub.fish; complete -C "%s"' % line)
        check(want in [answer.split("\t")[0] for answer in result.stdout.splitlines()], "fish, %r: %r" % (line, result.stdout + result.stderr))


def test_man():
    page = run(DAUB, "man").stdout
    if shutil.which("groff"):
        result = run("groff", "-ww", "-man", "-Tutf8", stdin=page)
        check(result.returncode == 0 and not result.stderr, "groff -ww: %s" % result.stderr)
    else:
        print("skipped: groff is not installed")
    if shutil.which("man"):
        result = run("man", "--warnings", "-l", "-", stdin=page)
        check(result.returncode == 0 and not result.stderr, "man --warnings: %s" % result.stderr)
        for option in options_of("generate"):
            check(option in result.stdout, "man shows %s" % option)
    else:
        print("skipped: man is not installed")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.mkdir("pictures")
        open("picture one.png", "wb").close()
        for shell in ("bash", "zsh", "fish"):
            with open("daub." + shell, "w", encoding="utf-8") as file:
                file.write(run(DAUB, "completions", shell).stdout)
        result = run(DAUB, "completions", "csh")
        check(result.returncode == 2 and "csh" in result.stderr, "no completions for csh: %r" % result.stderr)
        test_bash()
        test_zsh()
        test_fish()
        test_man()
        os.chdir("/")
    print("%d failed" % len(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
