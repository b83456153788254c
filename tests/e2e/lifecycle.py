#!/usr/bin/env -S python3 -B
"""Starts and ends without number, and deaths of every process that we start, at any
moment: nothing is left, nothing hangs.

NACRE_TEST_STARTS is how many starts (300 when not said).
timeout: 900
"""
import concurrent.futures
import os
import random
import signal
import subprocess
import sys
import time

import e2elib
from e2elib import Checks, children_of, descendants, run, wait_all_gone

STARTS = int(os.environ.get("NACRE_TEST_STARTS", "300"))
AT_ONCE = 32
SEED = int(os.environ.get("NACRE_TEST_SEED", "0")) or random.randrange(1, 1 << 30)

checks = Checks()
nacre = e2elib.enter_own_place()
there_before = e2elib.leftovers()
rng = random.Random(SEED)

# Command, status, output. Some leave processes behind when they end.
COMMANDS = [
    (["true"], 0, ""),
    (["sh", "-c", "exit 3"], 3, ""),
    (["sh", "-c", "kill -9 $$"], 137, ""),
    (["bash", "-c", "(exit 5); echo $?"], 0, "5\n"),
    (["sh", "-c", "sleep 1000 & sleep 1000 & echo gone"], 0, "gone\n"),
    (["bash", "-c", "echo a | tr a b; exit 7"], 7, "b\n"),
    (["sh", "-c", "echo x >/tmp/file; echo x >/dev/shm/file; cat /tmp/file"], 0, "x\n"),
    (["/nonexistent"], 127, ""),
]

# Each says that it has begun, and never ends.
WORKLOADS = {
    "bash forks": ["bash", "-c", "echo begun; while :; do (exit 3); /bin/true | cat; done"],
    "python threads": ["python3", "-c", """
import os, threading
def work():
    while True:
        os.stat("/")
        bytearray(1 << 20)
for _ in range(8):
    threading.Thread(target=work).start()
print("begun", flush=True)
work()
"""],
}


def start_once(i):
    command, status, out = COMMANDS[i % len(COMMANDS)]
    ended = run([nacre, "do", "--", *command], timeout=120)
    if ended.status is None:
        return "%s hung" % command
    if (ended.status, ended.out) != (status, out):
        return "%s: %s" % (command, ended)
    return None


def check_nothing_left(what, before):
    left = wait_all_gone()
    if not checks.check(not left, what + ": no process is left", ", ".join(map(str, left))):
        e2elib.kill_all()
        wait_all_gone()
    left = [name for name in e2elib.leftovers() if name not in there_before]
    checks.check(not left, what + ": no file and no shared memory is left", ", ".join(left))
    checks.check(e2elib.mounts() == before, what + ": the mounts are as before")


def many_starts():
    before = e2elib.mounts()
    wrong = [start_once(i) for i in range(STARTS // 4)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        wrong += pool.map(start_once, range(STARTS - len(wrong)))
    wrong = [w for w in wrong if w]
    checks.check(not wrong, "%d of %d starts" % (len(wrong), STARTS), "\n  ".join(wrong[:5]))
    check_nothing_left("%d starts" % STARTS, before)


# --- kill -9 --------------------------------------------------------------------------

class Sandbox:
    """A workload that runs, or is about to."""

    def __init__(self, workload):
        self.proc = subprocess.Popen([nacre, "do", "--", *WORKLOADS[workload]],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)

    def wait_begun(self):
        return self.proc.stdout.readline() == b"begun\n"

    def kernel(self):
        found = children_of(self.proc.pid)
        return found[0] if found else None

    def stubs(self):
        """The zygote, the first process's, and others."""
        kernel = self.kernel()
        return children_of(kernel.pid) if kernel else []

    def end(self):
        """What the launcher ended with: a status as a shell has it, or None."""
        try:
            err = self.proc.communicate(timeout=30 * e2elib.patience())[1]
        except subprocess.TimeoutExpired:
            return None, ""
        status = self.proc.returncode
        return status if status >= 0 else 128 - status, err.decode(errors="replace")

    def kill_all(self):
        self.proc.kill()
        self.proc.communicate()


def kill(process):
    try:
        os.kill(process.pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def is_one_line(text):
    return text.startswith("nacre: ") and text.endswith("\n") and text.count("\n") == 1


def kill_launcher(box, what):
    box.kill_all()


def kill_kernel(box, what):
    victim = box.kernel()
    if victim and kill(victim):
        status, err = box.end()
        checks.check(status == 125 and is_one_line(err), what + ": 125 and one line",
                     "status %s, %r" % (status, err))
    else:
        box.kill_all()


def kill_zygote(box, what):
    """Without it no process can be made: the sandbox ends."""
    stubs = box.stubs()
    if stubs and kill(stubs[0]):
        status, err = box.end()
        checks.check(status == 125 and is_one_line(err), what + ": 125 and one line",
                     "status %s, %r" % (status, err))
    box.kill_all()


def kill_first_stub(box, what):
    """The first process dies of it, and with it the sandbox."""
    stubs = box.stubs()
    if len(stubs) > 1 and kill(stubs[1]):
        status, err = box.end()
        checks.check(status == 137, what + ": as if its guest process was killed",
                     "status %s, %r" % (status, err))
    box.kill_all()


def kill_other_stub(box, what):
    """A guest process is gone, nothing else."""
    stubs = box.stubs()[2:]
    if stubs and kill(rng.choice(stubs)):
        time.sleep(0.05)
        lives = box.proc.poll() is None
        checks.check(lives, what + ": the sandbox lives on",
                     "" if lives else "status %s, %r" % box.end())
    box.kill_all()


VICTIMS = {
    "the launcher": kill_launcher,
    "the kernel process": kill_kernel,
    "the first stub": kill_first_stub,
    "another stub": kill_other_stub,
    "the zygote": kill_zygote,
}


def kills(rounds):
    before = e2elib.mounts()
    for i in range(rounds):
        for victim, kill_it in VICTIMS.items():
            workload = list(WORKLOADS)[i % len(WORKLOADS)]
            what = "kill -9 of %s (%s, seed %d)" % (victim, workload, SEED)
            box = Sandbox(workload)
            # Early ones hit the start-up, where only two of them surely exist.
            if i % 3 == 2 and victim in ("the launcher", "the kernel process"):
                time.sleep(rng.uniform(0, 0.03))
            else:
                if not checks.check(box.wait_begun(), what + ": the workload begins"):
                    box.kill_all()
                    continue
                time.sleep(rng.uniform(0, 0.1))
            kill_it(box, what)
            left = wait_all_gone()
            if not checks.check(not left, what + ": all is gone", ", ".join(map(str, left))):
                e2elib.kill_all()
    check_nothing_left("kills", before)


many_starts()
kills(max(4, STARTS // 50))
checks.end()
