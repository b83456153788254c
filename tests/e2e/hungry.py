#!/usr/bin/env -S python3 -B
"""Guests that take without end: processes, threads, descriptors, memory of every
kind. They meet an errno or the guest's own out-of-memory kill; the same shell then
runs another command, nacre ends as if nothing had been, and nothing is left.

timeout: 600
"""
import os
import re
import sys
import tempfile
import threading
import time

import e2elib
from e2elib import Checks, children_of, run, wait_all_gone

checks = Checks()
nacre = e2elib.enter_own_place()
there_before = e2elib.leftovers()
MIB = 1 << 20

AGAIN, NOMEM, MFILE, NFILE, NOSPC, NOLCK, NOBUFS, KILLED = 11, 12, 24, 23, 28, 37, 105, 137

PYTHON = """
import ctypes, errno, mmap, os, resource, signal, socket, subprocess, sys, threading, time
def meets(take):
    'Takes until there is no more; ends with the errno.'
    taken = []
    try:
        while True:
            taken.append(take())
    except OSError as e:
        print(len(taken), errno.errorcode[e.errno], flush=True)
        return e.errno
    except (MemoryError, RuntimeError) as e:
        print(len(taken), repr(e), flush=True)
        return errno.ENOMEM if isinstance(e, MemoryError) else errno.EAGAIN
"""

# What fits into a pair of sockets.
FILL = """
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
def filled(a, b):
    a.setblocking(False)
    try:
        while True:
            a.send(bytes(65536))
    except BlockingIOError:
        return a, b
"""

# A Python program; the statuses that it may end with.
EATERS = {
    "processes": ("""
os.setpgid(0, 0)
def take():
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    return pid
status = meets(take)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(0, signal.SIGTERM)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
sys.exit(status)""", {AGAIN, NOMEM, KILLED}),
    "threads": ("""
threading.stack_size(1 << 16)
def take():
    t = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
    t.start()
status = meets(take)
sys.stdout.flush()
os._exit(status)""", {AGAIN, NOMEM, KILLED}),
    "descriptors": ("sys.exit(meets(lambda: os.open('/usr/bin/env', os.O_RDONLY)))", {MFILE}),
    "descriptors in many processes": ("""
done, go = os.pipe(), os.pipe()
for _ in range(40):
    if os.fork() == 0:
        os.close(go[1])
        status = meets(lambda: os.open('/usr/bin/env', os.O_RDONLY))
        os.write(done[1], b'x')
        os.read(go[0], 1)
        os._exit(status)
for _ in range(40):
    os.read(done[0], 1)
os.close(go[1])
statuses = {os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(40)}
print(statuses)
sys.exit(min(statuses))""", {NFILE}),
    "anonymous memory, touched": ("""
def take():
    m = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for i in range(0, 1 << 20, 4096):
        m[i] = 1
    return m
sys.exit(meets(take))""", {NOMEM, KILLED}),
    "anonymous memory, first asked for, then touched": ("""
m = [mmap.mmap(-1, 1 << 24, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(40)]
for one in m:
    for i in range(0, 1 << 24, 4096):
        one[i] = 1
sys.exit(0)""", {KILLED}),
    "more than there is at once": ("""
try:
    mmap.mmap(-1, 1 << 32, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
except OSError as e:
    sys.exit(e.errno)""", {NOMEM}),
    "copies of a parent's memory": ("""
m = bytearray(20 << 20)
def take():
    pid = os.fork()
    if pid == 0:
        for i in range(0, len(m), 4096):
            m[i] = 1
        time.sleep(1000)
    time.sleep(0.01)
    return pid
signal.signal(signal.SIGCHLD, lambda *_: os._exit(137))
sys.exit(meets(take))""", {NOMEM, KILLED}),
    "shared memory": ("""
def take():
    m = mmap.mmap(-1, 1 << 20)
    m[:] = bytes(1 << 20)
    return m
sys.exit(meets(take))""", {NOMEM, KILLED}),
    "a memfd": ("""
f = os.memfd_create("x")
sys.exit(meets(lambda: os.write(f, bytes(1 << 20))))""", {NOMEM, NOSPC, KILLED}),
    "memfds": ("""
def take():
    f = os.memfd_create("x")
    os.write(f, bytes(1 << 16))
sys.exit(meets(take))""", {NOMEM, NOSPC, MFILE, KILLED}),
    "a mapped memfd": ("""
f = os.memfd_create("x")
os.ftruncate(f, 1 << 30)
m = mmap.mmap(f, 1 << 30)
for i in range(0, 1 << 30, 4096):
    m[i] = 1""", {KILLED}),
    "a file in /tmp": ("""
f = os.open("/tmp/big", os.O_CREAT | os.O_WRONLY)
status = meets(lambda: os.write(f, bytes(1 << 20)))
os.unlink("/tmp/big")
sys.exit(status)""", {NOSPC}),
    "files in /tmp and /dev/shm": ("""
files = [os.open(d + "/big", os.O_CREAT | os.O_WRONLY) for d in ("/tmp", "/dev/shm")]
status = max([meets(lambda: os.write(f, bytes(1 << 20))) for f in files])
os.unlink("/tmp/big")
os.unlink("/dev/shm/big")
sys.exit(status)""", {NOSPC}),
    "empty files": ("""
os.mkdir("/tmp/d")
status = meets(lambda: os.close(os.open("/tmp/d/%d" % take.__next__(), os.O_CREAT | os.O_WRONLY)))
subprocess.run(["rm", "-rf", "/tmp/d"])
sys.exit(status)""".replace("os.mkdir(", "import itertools\ntake = itertools.count()\nos.mkdir(", 1),
                    {NOSPC}),
    "pipes": ("""
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
def take():
    p = os.pipe()
    os.set_blocking(p[1], False)
    try:
        while True:
            os.write(p[1], bytes(4096))
    except BlockingIOError:
        return p
sys.exit(meets(take))""", {MFILE, NFILE, NOMEM, KILLED}),
    "bytes in sockets": (FILL + """
sys.exit(meets(lambda: filled(*socket.socketpair())))""", {MFILE, NFILE, NOMEM, NOBUFS, KILLED}),
    "bytes in connections": (FILL + """
listener = socket.create_server(("127.0.0.1", 0))
def take():
    a = socket.create_connection(listener.getsockname())
    return filled(a, listener.accept()[0])
sys.exit(meets(take))""", {MFILE, NFILE, NOMEM, NOBUFS, KILLED}),
    "datagrams": ("""
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def take():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    for _ in range(20):
        sender.sendto(bytes(60000), s.getsockname())
    return s
sys.exit(meets(take))""", {MFILE, NFILE, NOMEM, NOBUFS, KILLED}),
    "extended attributes": ("""
import itertools
os.mkdir("/tmp/d")
number = itertools.count()
def take():
    name = "/tmp/d/%d" % next(number)
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    for i in range(3):
        os.setxattr(name, "user.%d" % i, bytes(60000))
status = meets(take)
subprocess.run(["rm", "-rf", "/tmp/d"])
sys.exit(status)""", {NOMEM, NOSPC}),
    "names of one file": ("""
import itertools
os.mkdir("/tmp/d")
os.close(os.open("/tmp/d/x", os.O_CREAT | os.O_WRONLY))
number = itertools.count()
status = meets(lambda: os.link("/tmp/d/x", "/tmp/d/%d" % next(number)))
subprocess.run(["rm", "-rf", "/tmp/d"])
sys.exit(status)""", {NOMEM, NOSPC}),
    "file locks": ("""
import fcntl, itertools
os.mkdir("/tmp/d")
number = itertools.count()
f = None
def take():
    global f
    n = next(number)
    if n % 1000 == 0:
        f = os.open("/tmp/d/%d" % n, os.O_CREAT | os.O_RDWR)
    fcntl.lockf(f, fcntl.LOCK_EX, 1, n % 1000 * 2)
status = meets(take)
subprocess.run(["rm", "-rf", "/tmp/d"])
sys.exit(status)""", {NOLCK}),
    "descriptor tables": ("""
os.setpgid(0, 0)
resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))
def take():
    pid = os.fork()
    if pid == 0:
        try:
            for fd in range(1 << 19, 1 << 20, 512):
                os.dup2(0, fd)
        except OSError as e:
            os._exit(e.errno)
        time.sleep(1000)
    time.sleep(0.05)
    ended, status = os.waitpid(-1, os.WNOHANG)
    if ended:
        raise OSError(os.waitstatus_to_exitcode(status) if status & 127 == 0 else 12, "child")
status = meets(take)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(0, signal.SIGTERM)
sys.exit(status)""", {NOMEM, MFILE, AGAIN, KILLED}),
    "System V shared memory": ("""
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
def must(result):
    if result == -1 or result == ctypes.c_void_p(-1).value:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return result
def take():
    shm = must(libc.shmget(0, 1 << 20, 0o1600))
    ctypes.memset(must(libc.shmat(shm, None, 0)), 1, 1 << 20)
sys.exit(meets(take))""", {NOMEM, NOSPC, KILLED}),
    "System V messages": ("""
libc = ctypes.CDLL(None, use_errno=True)
def must(result):
    if result == -1:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return result
text = ctypes.create_string_buffer(8 + 8000)
text[0] = b"1"
def take():
    q = must(libc.msgget(0, 0o1600))
    try:
        while True:
            must(libc.msgsnd(q, text, 8000, 0o4000))
    except BlockingIOError:
        return q
sys.exit(meets(take))""", {NOMEM, NOSPC}),
    "rings": ("""
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
libc = ctypes.CDLL(None, use_errno=True)
def take():
    r = libc.syscall(425, 4096, ctypes.create_string_buffer(120))
    if r < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
sys.exit(meets(take))""", {NOMEM, MFILE, NFILE, KILLED}),
    "inotify events": ("""
libc = ctypes.CDLL(None, use_errno=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
os.mkdir("/tmp/d")
def take():
    r = libc.inotify_init1(0)
    if r < 0 or libc.inotify_add_watch(r, b"/tmp/d", 0xfff) < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
status = meets(take)
for i in range(4000):
    os.close(os.open("/tmp/d/" + "x" * 200 + str(i), os.O_CREAT | os.O_WRONLY))
    os.unlink("/tmp/d/" + "x" * 200 + str(i))
sys.exit(status)""", {MFILE, NFILE, NOMEM}),
    "watches of an epoll": ("""
import select
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
fds, polls = [], []
def take():
    if len(fds) < 4000:
        fds.append(os.eventfd(0))
    else:
        polls.append(select.epoll())
        for fd in fds:
            polls[-1].register(fd)
sys.exit(meets(take))""", {MFILE, NFILE, NOMEM, NOSPC}),
    "timers": ("""
libc = ctypes.CDLL(None, use_errno=True)
libc.timer_create.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
def take():
    t = ctypes.c_void_p()
    if libc.timer_create(1, None, ctypes.byref(t)) < 0:
        raise OSError(ctypes.get_errno(), "timer_create")
sys.exit(meets(take))""", {AGAIN, NOMEM}),
    "signals": ("""
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
libc = ctypes.CDLL(None, use_errno=True)
def take():
    if libc.sigqueue(os.getpid(), 40, None) < 0:
        raise OSError(ctypes.get_errno(), "sigqueue")
sys.exit(meets(take))""", {AGAIN, NOMEM}),
    "directories in directories": ("""
os.mkdir("/tmp/d")
os.chdir("/tmp/d")
def take():
    os.mkdir("x" * 200)
    os.chdir("x" * 200)
status = meets(take)
os.chdir("/")
subprocess.run(["rm", "-rf", "/tmp/d"])
sys.exit(status)""", {NOSPC, NOMEM, 36}),
    "terminals": ("""
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
def take():
    m, s = os.openpty()
    os.set_blocking(m, False)
    try:
        while True:
            os.write(m, b"x%c" % 10 * 500)
    except BlockingIOError:
        pass
sys.exit(meets(take))""", {MFILE, NFILE, NOSPC, NOMEM}),
    "sockets that wait to be accepted": ("""
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
def take():
    l = socket.create_server(("127.0.0.1", 0), backlog=4096)
    c = []
    for _ in range(1000):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(l.getsockname())
        c.append(s)
    for s in c:
        try:
            s.send(bytes(60000))
        except OSError:
            pass
    for s in c:
        s.close()
    return l
sys.exit(meets(take))""", {MFILE, NFILE, NOBUFS, NOMEM, KILLED}),
    "groups of users": ("""
os.setpgid(0, 0)
def take():
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([i * 7 for i in range(60000)])
        except OSError as e:
            os._exit(e.errno)
        time.sleep(1000)
    time.sleep(0.02)
    ended, status = os.waitpid(-1, os.WNOHANG)
    if ended:
        raise OSError(os.waitstatus_to_exitcode(status) if status & 127 == 0 else 12, "child")
status = meets(take)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(0, signal.SIGTERM)
sys.exit(status)""", {NOMEM, AGAIN, 1, 22, KILLED}),
    "an address space limit": ("""
resource.setrlimit(resource.RLIMIT_AS, (40 << 20, 40 << 20))
def take():
    return mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
sys.exit(meets(take))""", {NOMEM}),
    "memory, while others end all the time": ("""
os.setpgid(0, 0)
for _ in range(2):
    if os.fork() == 0:
        while True:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
eater = os.fork()
if eater == 0:
    m = [mmap.mmap(-1, 1 << 24, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(64)]
    for one in m:
        one[:] = bytes(1 << 24)
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(eater, 0)[1])
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(0, signal.SIGTERM)
sys.exit(status if status >= 0 else 128 - status)""", {KILLED}),
    "mappings": ("""
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
prot = [1, 3]
n = 0
while libc.mmap(None, 4096, prot[n & 1], 0x22, -1, 0) != ctypes.c_void_p(-1).value:
    n += 1
print(n)
sys.exit(ctypes.get_errno())""", {NOMEM}),
    "stack": ("""
pid = os.fork()
if pid == 0:
    libc = ctypes.CDLL(None)
    sys.setrecursionlimit(1 << 30)
    threading.stack_size(0)
    f = lambda: [f() for _ in (1,)][0]
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def deeper(a, b):
        libc.qsort((ctypes.c_int * 2)(2, 1), 2, 4, call)
        return 0
    call = compare(deeper)
    deeper(None, None)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 128 - status)""", {139, KILLED}),
}


class Watch(threading.Thread):
    """The most anonymous memory that the kernel process of a sandbox had."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.stopped = 0, False

    def run(self):
        while not self.stopped:
            for launcher in children_of(os.getpid()):
                for p in children_of(launcher.pid)[:1]:
                    try:
                        with open("/proc/%d/status" % p.pid) as f:
                            kib = re.search(r"RssAnon:\s+(\d+)", f.read())
                    except OSError:
                        continue
                    if kib and p.comm == "nacre-kernel":
                        self.most = max(self.most, int(kib.group(1)) << 10)
            time.sleep(0.05)

    def end(self):
        self.stopped = True
        self.join()
        return self.most


def without_stats(ended):
    ended.err = re.sub(r"^\{.*\}$", "", ended.err, flags=re.M)
    return ended


def hungry():
    for what, (program, statuses) in EATERS.items():
        if len(sys.argv) > 1 and what not in sys.argv[1:]:
            continue
        # Where it is not about memory, there is some for 40 times python3.
        memory = "256M" if "many processes" in what else "64M"
        watch = Watch()
        watch.start()
        begin = time.monotonic()
        ended = run([nacre, "do", "--memory", memory, "--stats=json", "--", "bash", "-c",
                     'python3 -B -c "$0"; status=$?; echo "status $status"; '
                     'for i in 1 2 3; do echo still here | cat; done', PYTHON + program],
                    timeout=120)
        most = watch.end()
        found = re.search(r"^status (\d+)$", ended.out, re.M)
        status = int(found.group(1)) if found else None
        peak = re.search(r'"memory_peak": *(\d+)', ended.err)
        peak = int(peak.group(1)) >> 20 if peak else 1 << 30
        print("%-50s status %s, %.1f s, %d MiB, kernel %d MiB" % (
            what, status, time.monotonic() - begin, peak, most >> 20), flush=True)
        checks.check(peak <= (256 if memory == "256M" else 64) * 1.5, what + ": the limit holds", "%d MiB" % peak)
        good = ended.status == 0 and status in statuses and ended.out.count("still here\n") == 3
        checks.check(good, what, "%.1f s: %s" % (time.monotonic() - begin, without_stats(ended)))
        checks.check(most < 200 * MIB * e2elib.patience(), what + ": the kernel process itself stays small",
                     "%d MiB" % (most >> 20))


def bombs():
    """Those that no errno stops: a time limit does."""
    for what, program in {
            "a fork bomb": "f() { f | f & }; f; wait; while :; do sleep 1; done",
            "a fork bomb of execs": "f() { (exec /bin/sh -c : ) & f & }; f; while :; do sleep 1; done",
    }.items():
        ended = run([nacre, "do", "--memory", "64M", "--timeout", "3", "--", "bash", "-c", program])
        checks.check(ended.status in (124, 137), what, "status %s: %s" % (ended.status, ended.err[-300:]))
        left = wait_all_gone()
        checks.check(not left, what + ": all is gone", ", ".join(map(str, left)))
        if left:
            e2elib.kill_all()


def the_right_one_is_killed():
    """The large one, unless its owner has said otherwise."""
    large = "a = bytearray(30 << 20); print('large', flush=True); __import__('time').sleep(1000)"
    eater = "a = []\\nwhile True: a.append(bytearray(1 << 16))"
    script = ("python3 -c \"%s\" >/tmp/large & large=$!; "
              "until grep -q large /tmp/large; do sleep 0.1; done; echo %%d >/proc/$large/oom_score_adj; "
              "python3 -c \"exec('%s')\"; echo eater $?; kill -0 $large && echo large lives; "
              "kill -9 $large; wait $large; grep oom_kill /proc/vmstat" % (large, eater))
    ended = run([nacre, "do", "--memory", "96M", "--", "bash", "-c", script % 0])
    checks.check("eater 137\n" in ended.out and "large lives\n" in ended.out
                 and re.search("oom_kill [1-9]", ended.out), "the larger one is killed", str(ended))
    ended = run([nacre, "do", "--memory", "96M", "--", "bash", "-c", script % 1000])
    checks.check("large lives\n" not in ended.out, "oom_score_adj 1000: the other one", str(ended))


def a_cache_is_nobodys_death():
    """Files that are larger than the memory, through the page cache: what is cached goes."""
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/f", "wb") as f:
            f.truncate(300 * MIB)
        for mode in "exclusive", "writethrough":
            ended = run([nacre, "do", "--memory", "96M", "--bind", "%s:/mnt,cache=%s,forcecache" % (folder, mode),
                         "--", "bash", "-c", "for i in 1 2 3; do dd if=/mnt/f bs=64k status=none | wc -c; done; "
                         "/bin/true && grep oom_kill /proc/vmstat"])
            checks.check(ended.out == ("%d\n" % (300 * MIB)) * 3 + "oom_kill 0\n" and ended.status == 0,
                         "a large file through the cache, " + mode, str(ended))


hungry()
a_cache_is_nobodys_death()
the_right_one_is_killed()
bombs()
left = [name for name in e2elib.leftovers() if name not in there_before]
checks.check(not left, "no file and no shared memory is left", ", ".join(left))
checks.end()
