#!/usr/bin/env python3
"""What each interop mode of --bind promises (docs/files.md), a test per cell, from both
sides: this program is the host's side, a python in nacre that takes orders from a pipe
is the guest's.

timeout: 600
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

NACRE = os.environ["NACRE"]

# Runs expressions and statements, a line each, and answers with a line.
GUEST = r"""
import errno, mmap, os, signal, sys
while True:
    line = sys.stdin.readline()
    if not line:
        break
    try:
        try:
            code = compile(line.strip(), "order", "eval")
        except SyntaxError:
            exec(line.strip(), globals())
            print("None", flush=True)
            continue
        print(repr(eval(code, globals())), flush=True)
    except OSError as e:
        print("OSError:" + errno.errorcode[e.errno], flush=True)
"""


class Guest:
    """A sandbox with DIR bound at /mnt."""

    def __init__(self, directory, mode, prefix=()):
        self.process = subprocess.Popen(
            list(prefix) + [NACRE, "do", "--timeout", "120", "--bind",
                            "%s:/mnt,%s" % (directory, mode), "--cwd", "/mnt", "--",
                            sys.executable, "-u", "-c", GUEST],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __call__(self, order):
        self.process.stdin.write(order + "\n")
        answer = self.process.stdout.readline().strip()
        if answer.startswith("OSError:"):
            return answer[8:]
        return eval(answer) if answer else "(gone)"

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(60)
        self.process.stdout.close()
        return status


class Cells:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.mode = ""
        self.guest = None
        self.directory = ""

    def path(self, name):
        return os.path.join(self.directory, name)

    def put(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def get(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def same(self, what, got, want):
        if got == want:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL %s: %s: %r, not %r" % (self.mode, what, got, want))

    def soon(self, what, fn, want, seconds=20):
        """Not at once, but without anybody asking for it."""
        end = time.monotonic() + seconds
        while fn() != want and time.monotonic() < end:
            time.sleep(0.2)
        self.same(what, fn(), want)

    # --- guest to host -----------------------------------------------------------

    def writes_are_seen(self):
        g = self.guest
        g("fd = os.open('w', os.O_RDWR | os.O_CREAT)")
        self.same("write", g("os.write(fd, b'written')"), 7)
        if "exclusive" not in self.mode:
            self.same("a write is there at once", self.get("w"), b"written")
        g("os.fsync(fd)")
        self.same("a write is there after fsync", self.get("w"), b"written")
        g("os.pwrite(fd, b'later', 0)")
        if "exclusive" in self.mode:
            self.soon("a write is there after a while", lambda: self.get("w"), b"lateren")
        g("os.pwrite(fd, b'again', 0)")
        g("os.sync()")
        self.same("a write is there after sync", self.get("w"), b"againen")
        g("sfd = os.open('w', os.O_WRONLY | os.O_DSYNC)")
        g("os.pwrite(sfd, b'dsync', 0)")
        self.same("an O_DSYNC write is there at once", self.get("w"), b"dsyncen")
        g("os.close(sfd); os.close(fd)")

    def stores_are_seen(self):
        g = self.guest
        self.put("m", b"." * 10000)
        g("fd = os.open('m', os.O_RDWR)")
        got = g("m = mmap.mmap(fd, 10000)")
        if self.mode == "cache=shared,forcecache":
            self.same("a mapping is refused", got, "ENODEV")
            return
        g("m[5000] = ord('S')")
        if "shared" in self.mode:
            self.same("a store is there at once", self.get("m")[5000], ord("S"))
        g("m.flush()")
        self.same("a store is there after msync", self.get("m")[5000], ord("S"))
        g("m[5001] = ord('T')")
        g("os.fsync(fd)")
        self.same("a store is there after fsync", self.get("m")[5001], ord("T"))
        g("m[5002] = ord('U')")
        if "writethrough" in self.mode:
            g("os.close(os.open('m', os.O_RDWR))")
            self.same("a store is there after close", self.get("m")[5002], ord("U"))
        self.same("a read sees a store", g("os.pread(fd, 3, 5000)"), b"STU")
        g("os.pwrite(fd, b'w', 5000)")
        self.same("a mapping sees a write", g("m[5000:5003]"), b"wTU")
        g("m[9000] = ord('V')")  # left for the end

    # --- host to guest (shared) --------------------------------------------------

    def the_host_writes(self):
        g = self.guest
        self.put("h", b"one" * 3000)
        g("fd = os.open('h', os.O_RDWR)")
        self.same("read", g("os.pread(fd, 3, 0)"), b"one")
        is_mapped = g("m = mmap.mmap(fd, 9000)") is None
        if is_mapped:
            self.same("mapping", g("m[0:3]"), b"one")
        with open(self.path("h"), "r+b") as f:
            f.write(b"two")
        self.same("a read sees the host's write", g("os.pread(fd, 3, 0)"), b"two")
        if is_mapped:
            self.same("a mapping sees the host's write", g("m[0:3]"), b"two")
        with open(self.path("h"), "ab") as f:
            f.write(b"tail")
        self.same("fstat sees what the host appended", g("os.fstat(fd).st_size"), 9004)
        self.same("lseek sees it", g("os.lseek(fd, 0, os.SEEK_END)"), 9004)
        self.same("read sees it", g("os.pread(fd, 10, 9000)"), b"tail")
        os.truncate(self.path("h"), 10)
        self.same("stat sees the host's truncate", g("os.stat('h').st_size"), 10)
        self.same("read ends there", g("os.pread(fd, 100, 0)"), b"twooneoneo")
        os.chmod(self.path("h"), 0o600)
        self.same("stat sees the host's chmod", g("os.stat('h').st_mode & 0o777"), 0o600)

    def the_host_renames(self):
        g = self.guest
        self.same("no such name", g("os.stat('n')"), "ENOENT")
        self.put("n", b"new")
        self.same("a new name is there", g("open('n').read()"), "new")
        os.rename(self.path("n"), self.path("n2"))
        self.same("the old name is gone", g("os.stat('n')"), "ENOENT")
        self.same("the new one is there", g("open('n2').read()"), "new")
        self.put("n3", b"other")
        os.rename(self.path("n3"), self.path("n2"))
        self.same("a name that means another file", g("open('n2').read()"), "other")
        os.unlink(self.path("n2"))
        self.same("a removed name", g("os.stat('n2')"), "ENOENT")
        os.mkdir(self.path("dir"))
        self.put("dir/a", b"")
        self.same("a listing", g("os.listdir('dir')"), ["a"])

    def both_append(self):
        g = self.guest
        g("fd = os.open('a', os.O_WRONLY | os.O_APPEND | os.O_CREAT)")
        for i in range(20):
            g("os.write(fd, b'guest%d\\n')" % i)
            with open(self.path("a"), "ab") as f:
                f.write(b"host%d\n" % i)
        want = "".join("guest%d\nhost%d\n" % (i, i) for i in range(20)).encode()
        self.same("both append", self.get("a"), want)

    def past_the_end(self):
        g = self.guest
        self.put("c", b"x" * 20000)
        g("fd = os.open('c', os.O_RDWR)")
        if g("m = mmap.mmap(fd, 20000)") is not None:
            return
        g("m[19000]; rp, wp = os.pipe()")
        os.truncate(self.path("c"), 100)
        self.same("a system call with what is past the end",
                  g("os.write(wp, memoryview(m)[16384:16394])"), "EFAULT")
        g("def touch(): pid = os.fork(); pid or (m[19000], os._exit(0));"
          " return os.waitpid(pid, 0)[1]")
        self.same("a load from there", g("touch()"), 7)  # SIGBUS

    # --- each mode ---------------------------------------------------------------

    def run(self, mode):
        self.mode = mode
        self.directory = tempfile.mkdtemp(prefix="coherence.", dir=".")
        self.guest = Guest(os.path.abspath(self.directory), mode)
        try:
            self.writes_are_seen()
            self.stores_are_seen()
            if "shared" in mode:
                self.the_host_writes()
                self.the_host_renames()
                self.both_append()
                self.past_the_end()
            self.guest("f = open('last', 'w'); f.write('words'); f.flush()")
            self.same("exit status", self.guest.end(), 0)
            self.same("everything is there at the end", self.get("last"), b"words")
            if mode != "cache=shared,forcecache":
                self.same("stores too", self.get("m")[9000], ord("V"))
        finally:
            self.guest.process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def full_disk(self, mode):
        """A small file system of our own, in a mount namespace of our own."""
        self.mode = mode + ", full disk"
        self.directory = tempfile.mkdtemp(prefix="coherence.", dir=".")
        small = os.path.abspath(self.directory)
        prefix = ["unshare", "--mount", "sh", "-c",
                  'mount -t tmpfs -o size=256k none "$0" && exec "$@"', small]
        try:
            if subprocess.run(prefix + ["true"], stderr=subprocess.DEVNULL,
                              check=False).returncode:
                self.skipped += 1
                print("SKIP: no small file system here (unshare, mount)")
                return
            self.guest = Guest(small, mode, prefix)
            self.fill_up()
            self.same("exit status", self.guest.end(), 0)
        finally:
            if self.guest:
                self.guest.process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def fill_up(self):
        g = self.guest
        g("keep = open('keep', 'wb'); keep.write(b'k' * 65536); keep.close()")
        g("fill = os.open('fill', os.O_RDWR | os.O_CREAT)")
        g("fd = os.open('x', os.O_RDWR | os.O_CREAT); other = os.open('x', os.O_RDWR)")
        g("os.write(fill, b'f' * 131072); os.sync()")
        if self.mode.startswith("cache=exclusive,forcecache"):
            self.same("the write is taken", g("os.write(fd, b'x' * 131072)"), 131072)
            self.same("fsync tells", g("os.fsync(fd)"), "ENOSPC")
            self.same("and tells the other descriptor", g("os.fsync(other)"), "ENOSPC")
            self.same("the data is still here",
                      g("os.pread(fd, 131072, 0) == b'x' * 131072"), True)
            g("os.ftruncate(fill, 0)")
            self.same("the other's failure is told, too", g("os.fsync(fd)"), "ENOSPC")
            self.same("with room, it got there", g("os.fsync(fd)"), None)
        else:
            g("n = 0")
            g("while n < 131072: n += os.write(fd, b'x' * 4096)")
            self.same("the write tells", g("os.write(fd, b'x' * 65536)"), "ENOSPC")
            self.same("and counted nothing", g("os.fstat(fd).st_size == n"), True)
            g("os.ftruncate(fill, 0)")
            self.same("with room, it works", g("os.write(fd, b'x' * 4096)"), 4096)
        self.same("what was there before", g("open('keep', 'rb').read() == b'k' * 65536"), True)


def main():
    cells = Cells()
    modes = ["cache=exclusive", "cache=writethrough", "cache=shared"]
    for mode in modes + [m + ",forcecache" for m in modes]:
        cells.run(mode)
        cells.full_disk(mode)
    print("%d passed, %d failed, %d skipped" % (cells.passed, cells.failed, cells.skipped))
    return 1 if cells.failed else 0


if __name__ == "__main__":
    sys.exit(main())
