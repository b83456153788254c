#!/usr/bin/env python3
"""Servers and their clients in one sandbox: the same output and status as natively.

  servers.py [NAME]...     all of tests/e2e/servers/, or the named ones

Each script there runs with bash in an empty folder, with a free port in $PORT. The
line "needs: a b" names programs without which it is skipped (tools/install-deps.sh
--servers has them but for node); "natively: lo only"
gives it a network of nothing but lo natively, as it has in nacre. Status 77 skips.

slow: yes
timeout: 900
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "servers")
NACRE = os.environ.get("NACRE", os.path.join(HERE, "../../build/nacre"))
LO_ONLY = ["unshare", "-n", "bash", "-c", 'ip link set lo up && exec "$@"', "-"]
LIMIT = 240
SKIPPED = 77


def header(text, name):
    found = re.search("^# %s: (.*)$" % name, text, re.M)
    return found.group(1).split() if found else []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def run(prefix, path):
    """Its status, and its output as lines."""
    with tempfile.TemporaryDirectory() as d:
        port = free_port()
        env = dict(os.environ, LC_ALL="C", PORT=port, TMPDIR=d)
        p = subprocess.Popen(prefix + ["bash", path], env=env, cwd=d, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             start_new_session=True)
        try:
            out, _ = p.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, 9)
            out = p.communicate()[0] + b"\nstill running"
        out = out.replace(d.encode(), b"DIR").replace(port.encode(), b"PORT")
        return p.returncode, out.decode(errors="replace").split("\n")


def show_difference(inside, native):
    for i in range(max(len(inside), len(native))):
        a, b = (x[i] if i < len(x) else None for x in (inside, native))
        if a != b:
            print("  in nacre: %r\n  natively: %r" % (a, b))
            return


passed = failed = skipped = 0
for name in sys.argv[1:] or sorted(f[:-3] for f in os.listdir(SCRIPTS)):
    path = os.path.join(SCRIPTS, name + ".sh")
    with open(path) as f:
        text = f.read(2000)
    lacking = [p for p in header(text, "needs") if not shutil.which(p)]
    if lacking:
        print("SKIP: %s: no %s" % (name, ", ".join(lacking)))
        skipped += 1
        continue
    native = run(LO_ONLY if header(text, "natively") else [], path)
    if native[0] == SKIPPED:
        print("SKIP: %s: %s" % (name, native[1][0]))
        skipped += 1
        continue
    inside = run([NACRE, "do", "--"], path)
    if inside == native:
        passed += 1
        continue
    failed += 1
    print("%s: status %s, natively %s" % (name, inside[0], native[0]))
    show_difference(inside[1], native[1])
print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
sys.exit(failed != 0)
