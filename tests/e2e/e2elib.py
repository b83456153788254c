"""What the end-to-end tests in Python share: counting, processes, and a place of
their own, where whatever nacre would leave behind can be seen.

Not executable, so that tests/run does not take it for a test.
"""
import ctypes
import os
import shutil
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
IN_OWN_PLACE = "NACRE_TEST_OWN_PLACE"
# Where a program leaves things. In the test's own mount namespace they are empty
# and nobody else writes there.
SCRATCH = ["/tmp", "/var/tmp", "/run", "/dev/shm"]


class Checks:
    """Counts; the last line is what tests/run reads."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, good, what, why=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL %s%s" % (what, ": " + why if why else ""), flush=True)
        return good

    def skip(self, what, why):
        self.skipped += 1
        print("SKIP: %s: %s" % (what, why), flush=True)

    def end(self):
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped))
        sys.exit(self.failed != 0)


def is_sanitized():
    """Nacre is built with a sanitizer: slow, needs much address space, keeps freed memory."""
    return "ASAN_OPTIONS" in os.environ


def patience():
    """How much longer than natively things may take."""
    return 4 if is_sanitized() else 1


# --- a place of our own -----------------------------------------------------------

def enter_own_place():
    """Goes on in a mount and an ipc namespace in which SCRATCH is empty. Returns the
    path of nacre there; orphans fall to us."""
    if IN_OWN_PLACE not in os.environ:
        os.environ[IN_OWN_PLACE] = "yes"
        root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        if subprocess.run(["unshare", *root, "--mount", "--ipc", "true"],
                          stderr=subprocess.DEVNULL).returncode:
            print("SKIP: this host gives no mount and ipc namespace")
            sys.exit(77)
        os.execvp("unshare", ["unshare", *root, "--mount", "--ipc", "--propagation", "private",
                              sys.executable, "-B", *sys.argv])
    # The build directory may lie below one of them.
    subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], check=True)
    nacre = shutil.copy(os.environ["NACRE"], "/mnt/nacre")
    os.chmod(nacre, 0o755)
    for folder in SCRATCH:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "none", folder], check=True)
    os.environ["HOME"] = "/mnt"
    os.chdir("/")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return nacre


def leftovers():
    """What of ours is outside of processes: files, mounts, shared memory."""
    left = []
    for folder in SCRATCH:
        left += [os.path.join(folder, name) for name in os.listdir(folder)]
    for kind in ("shm", "sem", "msg"):
        with open("/proc/sysvipc/" + kind) as f:
            left += [kind + " " + line.split()[1] for line in f.readlines()[1:]]
    return left


def mounts():
    with open("/proc/self/mountinfo") as f:
        return f.read()


# --- processes ----------------------------------------------------------------------

class Process:
    """A line of /proc/PID/stat."""

    def __init__(self, pid):
        with open("/proc/%d/stat" % pid) as f:
            text = f.read()
        words = text.rsplit(")", 1)[1].split()
        self.pid, self.comm = pid, text.split("(", 1)[1].rsplit(")", 1)[0]
        self.state, self.ppid, self.started = words[0], int(words[1]), int(words[19])

    def __str__(self):
        return "%d (%s) %s" % (self.pid, self.comm, self.state)


def processes():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append(Process(int(pid)))
        except OSError:
            pass
    return found


def children_of(pid):
    """Live ones, oldest first: by pid where they began in the same tick, and pids start
    again at the largest."""
    mine = [p for p in processes() if p.ppid == pid and p.state not in "ZX"]
    with open("/proc/sys/kernel/pid_max") as f:
        pid_max = int(f.read())
    return sorted(mine, key=lambda p: (p.started, (p.pid - pid) % pid_max))


def descendants():
    """Every live process that we started, or that one of them left to us."""
    tree = {}
    for p in processes():
        if p.state not in "ZX":
            tree.setdefault(p.ppid, []).append(p)
    found, todo = [], [os.getpid()]
    while todo:
        for p in tree.get(todo.pop(), []):
            found.append(p)
            todo.append(p.pid)
    return found


def wait_all_gone():
    """Waits until we have no live descendants: at most a second on a machine that is
    free, and on a loaded one for as long as 200 native starts of a program take.
    Returns those that are left."""
    begin, native_starts = time.monotonic(), 0
    while True:
        left = descendants()
        spent = time.monotonic() - begin
        if not left or (spent > patience() and native_starts >= 200) or spent > 10 * patience():
            return left
        pid = os.posix_spawn("/bin/true", ["true"], {})
        os.waitpid(pid, 0)
        native_starts += 1


def kill_all():
    for p in descendants():
        try:
            os.kill(p.pid, 9)
        except OSError:
            pass


class Ended:
    """A finished run. status as a shell has it; None: it hung and was killed."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __str__(self):
        return "status %s, output %r, errors %r" % (self.status, self.out[-300:], self.err[-600:])


def run(argv, timeout=60, **kwargs):
    """Runs to its end; kwargs are Popen's."""
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
    try:
        out, err = proc.communicate(timeout=timeout * patience())
    except subprocess.TimeoutExpired:
        proc.kill()
        out, err = proc.communicate()
        return Ended(None, out.decode(errors="replace"), err.decode(errors="replace"))
    status = proc.returncode if proc.returncode >= 0 else 128 - proc.returncode
    return Ended(status, out.decode(errors="replace"), err.decode(errors="replace"))
