#!/usr/bin/env python3
"""Programs that do a lot with their kernel: the same output natively and in nacre.

  programs.py [NAME]...     all of tests/e2e/programs/, or the named ones

Each file there runs in an empty folder: natively, then in nacre where its folder
is part of the overlay, then in nacre where the folder is bound, so that its writes
reach the host's files. The line "needs: a b" in its first lines names programs
without which it is skipped. Output must not hold process ids, times or addresses.

slow: yes
timeout: 900
"""
import concurrent.futures
import difflib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "programs")
INTERPRETERS = {".sh": "bash", ".py": "python3", ".pl": "perl", ".js": "node"}
NACRE = os.environ.get("NACRE", os.path.join(HERE, "../../build/nacre"))
# Not that of a test run: where rustup lives.
REAL_HOME = pwd.getpwuid(os.getuid()).pw_dir
PATH = os.environ["PATH"] + ":" + os.path.join(REAL_HOME, ".cargo/bin")
NEEDS = re.compile(r"^(?:#|//) needs: (.*)$", re.M)
LIMIT = 120


def missing(path):
    with open(path) as f:
        found = NEEDS.search(f.read(2000))
    names = found.group(1).split() if found else []
    return [name for name in names if not shutil.which(name, path=PATH)]


def run(prefix, path, folder):
    """The same folder each time, so that output may name it."""
    os.mkdir(folder)
    env = {"PATH": PATH, "HOME": folder, "LC_ALL": "C.UTF-8", "TERM": "dumb",
           "USER": "root", "LOGNAME": "root", "PROGRAMS": PROGRAMS, "PYTHONUNBUFFERED": "1",
           "RUSTUP_HOME": os.path.join(REAL_HOME, ".rustup")}
    p = subprocess.Popen(prefix + [INTERPRETERS[os.path.splitext(path)[1]], path], env=env,
                         cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = p.communicate(timeout=LIMIT)
        status = str(p.returncode)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        out, err = p.communicate()
        status = "still running"
    shutil.rmtree(folder, ignore_errors=True)
    lines = out.decode(errors="backslashreplace").split("\n")
    return ["status " + status] + lines, err.decode(errors="backslashreplace")


def compare(name, how, native, inside):
    if native[0] == inside[0]:
        return True
    text = "\n".join(difflib.unified_diff(native[0], inside[0], "natively", how, n=1, lineterm=""))
    errors = inside[1].strip().split("\n")[-10:]
    print("%s, %s, is not the same:\n%s\nits errors:\n  %s" % (name, how, text[:6000],
                                                            "\n  ".join(errors)), flush=True)
    return False


def test(name):
    """Returns (passed, failed, skipped)."""
    path = os.path.join(PROGRAMS, name)
    lacking = missing(path)
    if lacking:
        print("SKIP: %s needs %s" % (name, " ".join(lacking)), flush=True)
        return 0, 0, 1
    scratch = tempfile.mkdtemp(prefix="nacre-")
    try:
        folder = os.path.join(scratch, "work")
        native = run([], path, folder)
        ways = {"in the overlay": [], "in a bound folder": ["--bind", scratch + ":" + scratch]}
        results = [compare(name, how, native, run([NACRE, "do"] + flags + ["--"], path, folder))
                   for how, flags in ways.items()]
        return sum(results), len(results) - sum(results), 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main():
    names = sorted(n for n in os.listdir(PROGRAMS) if os.path.splitext(n)[1] in INTERPRETERS)
    if sys.argv[1:]:
        names = [n for n in names if n in sys.argv or os.path.splitext(n)[0] in sys.argv]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        totals = list(pool.map(test, names))
    totals = [sum(t[i] for t in totals) for i in range(3)]
    print("%d passed, %d failed, %d skipped" % tuple(totals))
    sys.exit(totals[1] != 0)


main()
