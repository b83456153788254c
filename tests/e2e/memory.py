#!/usr/bin/env -S python3 -B
"""Memory returns: after a guest frees, unmaps, truncates, deletes or exits, the host
has its memory back; and rounds of calls without end leak nothing, neither in
the memory file nor in the kernel process.

NACRE_TEST_ROUNDS is how many rounds of maps, with a fork in each hundredth (20,000 when
not said).
timeout: 900
"""
import os
import subprocess
import sys
import time

import e2elib
from e2elib import Checks, descendants, patience

MIB = 1 << 20
SIZE = 96 * MIB
# What may stay: memory that was freed and is given to the next who asks, and the
# interpreter's own.
SLACK = 2 * MIB
ROUNDS = int(os.environ.get("NACRE_TEST_ROUNDS", "20000"))

checks = Checks()
nacre = e2elib.enter_own_place()

# The guest's part. It says what it has done and waits for a line each time.
GUEST = r"""
import gc, mmap, os, socket, sys

SIZE, ROUNDS = int(sys.argv[1]), int(sys.argv[2])
PRIVATE = dict(flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
SHARED = dict(flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)

def say(what):
    gc.collect()
    print(what, flush=True)
    sys.stdin.readline()

def touch(m):
    for i in range(0, len(m), 4096):
        m[i] = 1

def filled(**how):
    m = mmap.mmap(-1, SIZE, **how)
    touch(m)
    return m

def big_file(name):
    fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(SIZE >> 20):
        os.write(fd, b"x" * (1 << 20))
    return fd

def child(work):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        work()
        os.write(w, b"x")
        os.close(w)
        sys.stdin.close()
        import signal
        signal.pause()
    os.close(w)
    os.read(r, 1)
    os.close(r)
    return pid

def end(pid):
    os.kill(pid, 9)
    os.waitpid(pid, 0)

def dontneed():
    m = filled(**PRIVATE)
    yield
    m.madvise(mmap.MADV_DONTNEED)

def free():
    m = filled(**PRIVATE)
    yield
    m.madvise(mmap.MADV_FREE)

def remove():
    m = filled(**SHARED)
    yield
    m.madvise(mmap.MADV_REMOVE)

def munmap():
    m = filled(**PRIVATE)
    yield
    m.close()

def munmap_shared():
    m = filled(**SHARED)
    yield
    m.close()

def mremap():
    m = filled(**PRIVATE)
    yield
    m.resize(4096)

def exit():
    pid = child(lambda: globals().update(m=filled(**PRIVATE)))
    yield
    end(pid)

def fork_and_write():
    m = filled(**PRIVATE)
    pid = child(lambda: touch(m))
    yield
    end(pid)
    m.close()

def fork_and_parent_frees_first():
    m = filled(**PRIVATE)
    pid = child(lambda: None)
    m.madvise(mmap.MADV_DONTNEED)
    m.close()
    yield
    end(pid)

def execs():
    r, w = os.pipe()
    def work():
        os.close(w)
        m = filled(**PRIVATE)
        if os.fork():
            os._exit(0)
        os.write(going, b"x")
        os.read(r, 1)
        os.execlp("sleep", "sleep", "1000")
    ready, going = os.pipe()
    if os.fork() == 0:
        work()
    os.wait()
    os.read(ready, 1)
    yield
    os.close(w)

def truncated():
    fd = big_file("/tmp/file")
    yield
    os.ftruncate(fd, 0)
    os.close(fd)
    os.unlink("/tmp/file")

def truncated_while_mapped():
    fd = big_file("/tmp/file")
    m = mmap.mmap(fd, SIZE)
    private = mmap.mmap(fd, SIZE, flags=mmap.MAP_PRIVATE)
    touch(private)
    yield
    os.ftruncate(fd, 0)
    m.close()
    private.close()
    os.close(fd)
    os.unlink("/tmp/file")

def deleted():
    os.close(big_file("/tmp/file"))
    yield
    os.unlink("/tmp/file")

def deleted_while_open():
    fd = big_file("/dev/shm/file")
    os.unlink("/dev/shm/file")
    yield
    os.close(fd)

def memfd_closed():
    fd = os.memfd_create("m")
    os.ftruncate(fd, SIZE)
    m = mmap.mmap(fd, SIZE)
    touch(m)
    os.close(fd)
    yield
    m.close()

def punched():
    fd = big_file("/tmp/file")
    yield
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(SIZE)) == 0
    os.close(fd)
    os.unlink("/tmp/file")

def socket_buffers():
    pairs = []
    for _ in range(200):
        a, b = socket.socketpair()
        a.setblocking(False)
        try:
            while True:
                a.send(b"x" * 65536)
        except BlockingIOError:
            pass
        pairs.append((a, b))
    yield
    for a, b in pairs:
        a.close()
        b.close()

def rounds(n):
    for i in range(n):
        m = mmap.mmap(-1, 65536, **PRIVATE)
        m[i % 16 * 4096] = 1
        if i % 100 == 0:
            pid = os.fork()
            if pid == 0:
                m[0] = 2
                os._exit(0)
            os.waitpid(pid, 0)
        if i % 10 == 0:
            with open("/tmp/round", "wb") as f:
                f.write(b"x" * 10000)
            os.unlink("/tmp/round")
        m.close()

steps = [dontneed, free, remove, munmap, munmap_shared, mremap, exit, fork_and_write,
         fork_and_parent_frees_first, execs, truncated, truncated_while_mapped, deleted,
         deleted_while_open, memfd_closed, punched, socket_buffers]
import ctypes                       # what is imported now is no growth later
open("/tmp/first", "w").close()     # nor is the folder's copy
rounds(200)
for step in steps:
    say("before " + step.__name__)
    going = step()
    next(going)
    say("with " + step.__name__)
    next(going, None)
    say("after " + step.__name__)
rounds(ROUNDS // 4)
say("before rounds")
rounds(ROUNDS)
say("after rounds")
"""


def kernel_of(proc):
    while proc.poll() is None:
        for p in descendants():
            if p.comm == "nacre-kernel":
                return p.pid
        time.sleep(0.01)
    sys.exit("no kernel process: it ended with %s" % proc.poll())


def memory_file(pid):
    """Bytes that the host holds for the largest memfd of the process."""
    best = None
    for fd in os.listdir("/proc/%d/fd" % pid):
        path = "/proc/%d/fd/%s" % (pid, fd)
        try:
            if os.readlink(path).startswith("/memfd:"):
                st = os.stat(path)
                if best is None or st.st_size > best.st_size:
                    best = st
        except OSError:
            pass
    return best.st_blocks * 512


def kernel_memory(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Anonymous:"))


def falls_to(pid, bound):
    """Some of it happens when a dead thread has left: not at once."""
    deadline = time.monotonic() + 20 * patience()
    while True:
        now = memory_file(pid)
        if now <= bound or time.monotonic() > deadline:
            return now
        time.sleep(0.02)


def expect(proc, what):
    line = proc.stdout.readline().strip()
    if line != what:
        proc.kill()
        print(proc.stderr.read())
        checks.check(False, what, "the guest says %r" % line)
        e2elib.kill_all()
        checks.end()


def go_on(proc):
    proc.stdin.write("\n")
    proc.stdin.flush()


def watch_step(proc, pid, name, used):
    """used: bytes that the step must have in use in between."""
    expect(proc, "before " + name)
    before = memory_file(pid)
    go_on(proc)
    expect(proc, "with " + name)
    held = memory_file(pid)
    go_on(proc)
    expect(proc, "after " + name)
    after = falls_to(pid, before + SLACK)
    go_on(proc)
    checks.check(held >= before + used - SLACK, name + " uses memory",
                 "%d KiB before, %d then" % (before >> 10, held >> 10))
    checks.check(after <= before + SLACK, name + " gives it back",
                 "%d KiB before, %d with it, %d after" % (before >> 10, held >> 10, after >> 10))


def watch_rounds(proc, pid):
    expect(proc, "before rounds")
    file_before, kernel_before = memory_file(pid), kernel_memory(pid)
    go_on(proc)
    expect(proc, "after rounds")
    file_after = falls_to(pid, file_before + SLACK)
    kernel_after = kernel_memory(pid)
    go_on(proc)
    print("%d rounds: kernel process %d KiB before, %d after" %
          (ROUNDS, kernel_before >> 10, kernel_after >> 10))
    checks.check(file_after <= file_before + SLACK, "rounds leak no guest memory",
                 "%d KiB before, %d after" % (file_before >> 10, file_after >> 10))
    # 20,000 rounds that lose one small object each would lose more. Sanitizers keep what is
    # freed, and look for what is lost themselves.
    checks.check(e2elib.is_sanitized() or kernel_after <= kernel_before + MIB // 2,
                 "rounds leak no kernel memory",
                 "%d KiB before, %d after" % (kernel_before >> 10, kernel_after >> 10))


def main():
    proc = subprocess.Popen([nacre, "do", "--", "python3", "-c", GUEST, str(SIZE), str(ROUNDS)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    # Each does what its name says, and uses so much before.
    steps = {"dontneed": SIZE, "free": SIZE, "remove": SIZE, "munmap": SIZE,
             "munmap_shared": SIZE, "mremap": SIZE, "exit": SIZE, "fork_and_write": 2 * SIZE,
             "fork_and_parent_frees_first": SIZE, "execs": SIZE, "truncated": SIZE,
             "truncated_while_mapped": 2 * SIZE, "deleted": SIZE, "deleted_while_open": SIZE,
             "memfd_closed": SIZE, "punched": SIZE, "socket_buffers": 0}
    pid = kernel_of(proc)
    for name, used in steps.items():
        watch_step(proc, pid, name, used)
    watch_rounds(proc, pid)
    proc.stdin.close()
    checks.check(proc.wait() == 0, "the guest ends", proc.stderr.read())


try:
    main()
finally:
    e2elib.kill_all()
checks.end()
