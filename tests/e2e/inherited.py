#!/usr/bin/env -S python3 -B
"""What a program gets from its caller over execve(2) it gets through nacre too: the
signals that are ignored and blocked, and how nice it is."""
import ctypes
import signal
import subprocess

import e2elib
from e2elib import Checks

checks = Checks()
nacre = e2elib.enter_own_place()
libc = ctypes.CDLL(None, use_errno=True)
SHOW = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]


def ignore(signo):
    """Without libc, which keeps 32 and 33 for itself."""
    act = (ctypes.c_ulong * 4)(1, 0, 0, 0)
    if libc.syscall(13, signo, act, None, 8) != 0:
        raise OSError(ctypes.get_errno(), f"rt_sigaction of {signo}")


def see(command, ignored, blocked):
    def before_exec():
        for signo in ignored:
            ignore(signo)
        mask = ctypes.c_ulong(sum(1 << (signo - 1) for signo in blocked))
        libc.syscall(14, signal.SIG_SETMASK, ctypes.byref(mask), None, 8)

    return subprocess.run(command, preexec_fn=before_exec, capture_output=True, text=True,
                          timeout=120, check=False)


for ignored, blocked in (([], []), ([signal.SIGINT, signal.SIGQUIT, signal.SIGHUP], []),
                         ([signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1], [signal.SIGTERM]),
                         ([32, 33, 34, 64], [signal.SIGCHLD, signal.SIGUSR2, 32, 64])):
    native = see(SHOW, ignored, blocked)
    inside = see([nacre, "do", "--", *SHOW], ignored, blocked)
    what = f"ignored {list(map(int, ignored))}, blocked {list(map(int, blocked))}"
    checks.check(native.stdout.count("\n") == 3, f"{what}: natively {native.stdout}")
    checks.check((inside.returncode, inside.stdout, inside.stderr) ==
                 (native.returncode, native.stdout, native.stderr),
                 f"{what}:\nnatively\n{native.stdout}in nacre\n{inside.stdout}{inside.stderr}")

native = subprocess.run(["nice", "-n", "5", "nice"], capture_output=True, check=False)
inside = subprocess.run(["nice", "-n", "5", nacre, "do", "--", "nice"], capture_output=True,
                        timeout=120, check=False)
checks.check(native.stdout == inside.stdout, f"nice: {native}\n{inside}")

# A shell that ignores a signal goes on after it.
alive = see([nacre, "do", "--", "sh", "-c", "kill -INT $$; echo on"], [signal.SIGINT], [])
checks.check(alive.stdout == "on\n", f"an ignored SIGINT: {alive}")
checks.end()
