#!/usr/bin/env python3
"""gdb and strace on programs inside nacre: what they print natively, with addresses and
process numbers masked.

The programs and gdb's commands are in tests/e2e/debuggers/.
"""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from e2elib import Checks, patience

HERE = os.path.dirname(os.path.abspath(__file__))
NACRE = os.environ.get("NACRE", os.path.join(HERE, "../../build/nacre"))
LIMIT = 100 * patience()
GDB = "gdb -nx -q -batch -iex 'set debuginfod enabled off' "

# Waits until the program sleeps, looks at it, and ends it.
ATTACH = """./plain wait & pid=$!
while [ "$(cut -d' ' -f3 /proc/$pid/stat)" != S ]; do sleep 0.1; done
%s -p $pid -x attach.gdb
kill -TERM $pid; wait $pid 2>/dev/null; echo "status $?"
""" % GDB

MASKS = [
    (r"0x[0-9a-f]+", "ADDRESS"),
    (r"\(LWP \d+\)", "(LWP N)"),
    (r"\bprocess \d+", "process N"),
    (r"Thread ADDRESS ", "Thread "),
    (r"\bexpected=\d+", "expected=N"),
    (r"^\[pid +\d+\]", "[pid N]"),
    (r"si_pid=\d+", "si_pid=N"),
    (r" +", " "),
    (r"^( |\* )1 Thread .*", "1 Thread"), # where the first one is by now
]
# Threads come and go while others print.
UNORDERED = re.compile(r"^\[(New Thread|Thread|Switching)")


def run(prefix, script, folder):
    p = subprocess.run(prefix + ["sh", "-c", script], cwd=folder, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    return p.stdout.decode(errors="backslashreplace").split("\n") + ["status %d" % p.returncode]


def mask(lines):
    out = []
    for line in lines:
        for pattern, to in MASKS:
            line = re.sub(pattern, to, line)
        if not UNORDERED.match(line):
            out.append(line.rstrip())
    return out


def compare(checks, what, native, inside, expected):
    """Both are the same, and show what the test is about."""
    diff = "\n".join(difflib.unified_diff(native, inside, "natively", "in nacre", n=1, lineterm=""))
    checks.check(not diff, what, diff[:4000])
    for text in expected:
        checks.check(any(text in line for line in inside), "%s shows %r" % (what, text),
                     "\n".join(inside[-30:]))


def test_gdb(checks, folder, nacre):
    scripts = [
        ("gdb: breakpoints, steps, a watchpoint, a call, a signal", GDB + "-x plain.gdb ./plain",
         ["Breakpoint 2, factorial (n=2)", " = 24", "New value = 6", "exited with code 07"]),
        ("gdb: threads", GDB + "-x threads.gdb ./threads",
         ["worker (arg=ADDRESS)", "$3 = 20", "exited normally"]),
        ("gdb: attaching", ATTACH, ['name = ADDRESS "corner"', "status 143"]),
        ("gdb: a child that is followed", GDB + "-x fork.gdb --args ./plain fork",
         ["Breakpoint 1, sum_up", "exited with code 04"]),
    ]
    for what, script, expected in scripts:
        native = mask(run([], script, folder))
        inside = mask(run(nacre, script, folder))
        compare(checks, what, native, inside, expected)


# When a signal comes, and which child is waited for first, is not the same twice.
TIMING = re.compile(r"^(---|rt_sigreturn|wait4)")
# What nacre has not (docs/limitations.md), and what differs in each process.
MASKS_STRACE = [
    (r"^rseq\(.*", "rseq"),
    (r"0x[0-9a-f]+", "ADDRESS"),
    (r"^(set_tid_address|clone|clone3|fork|vfork|getpid|getppid|gettid)(\(.*\))\s+= \d+", r"\1\2 = PID"),
    (r"^getrandom\(.*?,", "getrandom(BYTES,"),
    (r"\s+", " "),
]


def traces(folder):
    """What strace wrote, a list of lines for each process."""
    processes = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name)) as f:
            lines = [line.rstrip() for line in f if not TIMING.match(line)]
        for pattern, to in MASKS_STRACE:
            lines = [re.sub(pattern, to, line) for line in lines]
        processes.append(lines)
    return sorted(processes)


def test_strace(checks, folder, nacre):
    pipeline = "/bin/echo one two | cat | wc -w; exit 3"
    logs = []
    for i, prefix in enumerate(([], nacre)):
        logs.append(os.path.join(folder, "log%d" % i))
        os.mkdir(logs[i])
        script = "strace -f -ff -o %s/t sh -c '%s' | cat" % (logs[i], pipeline)
        lines = run(prefix, script, folder)
        checks.check(lines[0] == "2", "strace: the pipeline's own output", "\n".join(lines))
    native, inside = traces(logs[0]), traces(logs[1])
    if not checks.check(len(native) == len(inside) == 4, "strace: four processes",
                        "%d natively, %d in nacre" % (len(native), len(inside))):
        return
    for i, (a, b) in enumerate(zip(native, inside)):
        compare(checks, "strace -f of a pipeline, process %d" % i, a, b, ["execve("] if i else [])
    # The same by way of a seccomp filter that asks the tracer, and by attaching.
    script = "strace -f --seccomp-bpf -qq -e trace=execve,exit_group sh -c '%s'" % "/bin/true; exit 5"
    compare(checks, "strace --seccomp-bpf", mask(run([], script, folder)),
            mask(run(nacre, script, folder)), ["exit_group(5)", "status 5"])


def main():
    checks = Checks()
    missing = [name for name in ("gdb", "strace", "gcc") if not shutil.which(name)]
    if missing:
        print("SKIP: needs " + " ".join(missing))
        sys.exit(77)
    folder = tempfile.mkdtemp()
    try:
        for name in os.listdir(os.path.join(HERE, "debuggers")):
            shutil.copy(os.path.join(HERE, "debuggers", name), folder)
        for name in ("plain", "threads"):
            subprocess.run(["gcc", "-g", "-O0", "-fno-pie", "-no-pie", "-pthread", "-o", name,
                            name + ".c"], cwd=folder, check=True)
        nacre = [NACRE, "do", "--bind", "%s:%s" % (folder, folder), "--"]
        test_gdb(checks, folder, nacre)
        test_strace(checks, folder, nacre)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    checks.end()


main()
