# Files from python: os, tempfile, shutil, zipfile, tarfile, mmap, sqlite3, urllib, ctypes.
# needs: python3
import bz2
import ctypes
import fcntl
import filecmp
import glob
import gzip
import hashlib
import lzma
import mmap
import os
import pathlib
import random
import shutil
import sqlite3
import ssl
import stat
import struct
import tarfile
import tempfile
import urllib.request
import zipfile

random.seed(1)
DATA = random.randbytes(300000)


def show_os():
    with open("file", "wb", buffering=0) as f:
        print(f.write(DATA), f.tell(), f.seek(-10, os.SEEK_END), f.truncate(100000), f.tell())
        print(os.pwrite(f.fileno(), b"abc", 200000), os.fstat(f.fileno()).st_size)
        print(os.pread(os.open("file", os.O_RDONLY), 10, 199998))
        os.posix_fallocate(f.fileno(), 0, 400000)
        print(os.path.getsize("file"))
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        os.fsync(f.fileno()), os.fdatasync(f.fileno())
    fd = os.open("file", os.O_RDWR)
    print(os.writev(fd, [b"ab", b"", b"cde"]), os.lseek(fd, 0, 0))
    buffers = [bytearray(3), bytearray(2)]
    print(os.readv(fd, buffers), buffers)
    print(os.pwritev(fd, [b"x", b"y"], 10), os.preadv(fd, [bytearray(4)], 8))
    out = os.open("copy", os.O_CREAT | os.O_RDWR)
    print(os.sendfile(out, fd, 0, 50000), os.copy_file_range(fd, out, 1000, 0, 60000))
    print(os.lseek(fd, 0, os.SEEK_HOLE) > 0, os.lseek(fd, 0, os.SEEK_DATA))
    os.close(fd), os.close(out)
    os.link("file", "hard")
    os.symlink("file", "soft")
    print(os.stat("hard").st_nlink, os.readlink("soft"), os.lstat("soft").st_size)
    os.utime("file", ns=(10**18 + 1, 10**18 + 2))
    print(os.stat("soft").st_mtime_ns, os.stat("hard").st_atime_ns)
    os.chmod("file", 0o640)
    print(stat.filemode(os.stat("file").st_mode), os.access("file", os.W_OK))
    os.mkfifo("fifo")
    print(stat.S_ISFIFO(os.stat("fifo").st_mode))
    os.makedirs("a/b/c")
    dirfd = os.open("a", os.O_RDONLY | os.O_DIRECTORY)
    os.mkdir("d", dir_fd=dirfd)
    os.rename("b", "d/b", src_dir_fd=dirfd, dst_dir_fd=dirfd)
    print(sorted(os.listdir(dirfd)), os.stat("d/b/c", dir_fd=dirfd).st_nlink)
    os.close(dirfd)
    print([(d, sorted(n), sorted(f)) for d, n, f in os.walk("a")])
    print(sorted((e.name, e.is_dir(), e.is_symlink(), e.is_file()) for e in os.scandir(".")))
    for bad in ("os.rmdir('a')", "os.unlink('a')", "os.mkdir('a')", "os.open('a', os.O_WRONLY)",
                "os.rename('a', 'a/d/x')", "os.readlink('file')", "os.listdir('file')",
                "os.stat('x' * 300)", "os.stat('none/x')", "os.stat('file/x')", "os.link('a', 'b')",
                "os.removedirs('a')", "os.open('soft', os.O_NOFOLLOW)", "os.truncate('file', -1)"):
        try:
            eval(bad)
        except OSError as error:
            print(bad, error.errno)
    os.symlink("loop", "loop")
    try:
        os.stat("loop")
    except OSError as error:
        print(error)
    os.setxattr("file", "user.color", b"pearl")
    print(os.listxattr("file"), os.getxattr("file", "user.color"))
    os.removexattr("file", "user.color")
    fd = os.memfd_create("m")
    os.write(fd, b"memfd")
    print(open("/proc/self/fd/%d" % fd).read())
    print(os.sysconf("SC_PAGESIZE"), os.pathconf("/", "PC_NAME_MAX"), os.cpu_count() > 0)
    print(len(os.getrandom(16)), len(os.urandom(10)), os.umask(0o22))


def show_locks():
    with open("lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        pid = os.fork()
        if pid == 0:
            try:
                fcntl.flock(open("lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os._exit(error.errno)
        print(os.waitpid(pid, 0)[1] >> 8)
        fcntl.lockf(f, fcntl.LOCK_EX, 10, 5)
        pid = os.fork()
        if pid == 0:
            try:
                fcntl.lockf(open("lock", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 7)
            except OSError as error:
                os._exit(error.errno)
        print(os.waitpid(pid, 0)[1] >> 8)
        query = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
        print(struct.unpack("hhqqi", fcntl.fcntl(f, fcntl.F_GETLK, query))[0] == fcntl.F_UNLCK)
        print(fcntl.fcntl(f, fcntl.F_GETFL) & os.O_ACCMODE, fcntl.fcntl(f, fcntl.F_GETFD))


def show_mmap():
    with open("mapped", "w+b") as f:
        f.write(DATA)
        f.flush()
        with mmap.mmap(f.fileno(), 0) as m:
            print(m[:8] == DATA[:8], m.find(DATA[5000:5010]), len(m))
            m[100:105] = b"hello"
            m.flush()
            m.resize(500000)
            m[-3:] = b"end"
            m.move(0, 100, 5)
        f.seek(0)
        print(f.read(5), os.fstat(f.fileno()).st_size)
        with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as m:
            m[:5] = b"01234"
        f.seek(0)
        print(f.read(5))
        with mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_READ, offset=8192) as m:
            print(m[:] == DATA[8192:12288])
            m.madvise(mmap.MADV_DONTNEED)
            print(m[:10] == DATA[8192:8202])
    shared = mmap.mmap(-1, 65536)
    pid = os.fork()
    if pid == 0:
        shared[0:5] = b"child"
        os._exit(0)
    os.waitpid(pid, 0)
    print(shared[0:5])


def show_temporary():
    with tempfile.TemporaryDirectory() as d:
        with tempfile.NamedTemporaryFile(dir=d) as f:
            f.write(b"temporary")
            f.flush()
            print(open(f.name).read(), stat.S_IMODE(os.stat(f.name).st_mode))
        with tempfile.TemporaryFile(dir=d) as f:
            f.write(b"unlinked")
            print(os.fstat(f.fileno()).st_nlink, os.listdir(d))
        with tempfile.SpooledTemporaryFile(10) as f:
            f.write(b"rolls over to a file")
            f.seek(0)
            print(f.read())
        print(len(tempfile.mkdtemp(dir=d)) - len(d))
    os.makedirs("tree/x/y")
    for n in range(10):
        pathlib.Path("tree/x/f%d" % n).write_bytes(DATA[:n * 1000])
    os.symlink("f1", "tree/x/link")
    shutil.copytree("tree", "tree2", symlinks=True)
    print(filecmp.dircmp("tree", "tree2").report_full_closure())
    shutil.copy2("tree/x/f9", "f9")
    shutil.move("tree2", "tree3")
    shutil.rmtree("tree3")
    print(os.path.exists("tree3"), sorted(glob.glob("tree/**/f[1-3]", recursive=True)))
    print(shutil.disk_usage("/").total > 0, shutil.which("sh") is not None)
    path = pathlib.Path("tree/x/f5")
    print(path.stat().st_size, path.resolve().name, path.exists(), path.is_symlink())
    print(path.with_name("g5").exists(), path.rename("tree/x/g5"), sorted(pathlib.Path("tree").rglob("g*")))


def show_archives():
    for kind in ("zip", "tar", "gztar", "bztar", "xztar"):
        name = shutil.make_archive("archive", kind, "tree")
        shutil.unpack_archive(name, "out-" + kind)
        print(kind, sorted(os.listdir("out-" + kind + "/x")))
    with zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("data", DATA)
        z.write("tree/x/f9")
    with zipfile.ZipFile("z.zip") as z:
        print(z.namelist(), z.testzip(), hashlib.md5(z.read("data")).hexdigest())
    with tarfile.open("t.tar", "w") as t:
        t.add("tree")
    with tarfile.open("t.tar") as t:
        print(len(t.getmembers()), t.getmember("tree/x/link").linkname)
    for module in (gzip, bz2, lzma):
        with module.open("packed", "wb") as f:
            f.write(DATA)
        with module.open("packed") as f:
            print(module.__name__, f.read() == DATA)


def show_sqlite():
    db = sqlite3.connect("db")
    print(db.execute("pragma journal_mode=wal").fetchone())
    db.execute("create table t(id integer primary key, v blob)")
    with db:
        db.executemany("insert into t(v) values (?)", [(DATA[n:n + 100],) for n in range(500)])
    other = sqlite3.connect("db", timeout=0.05)
    print(other.execute("select count(*), sum(length(v)) from t").fetchone())
    db.execute("begin immediate")
    try:
        other.execute("delete from t")
    except sqlite3.OperationalError as error:
        print(error)
    db.rollback()
    print(db.execute("pragma integrity_check").fetchone(), sorted(glob.glob("db*")))
    db.close(), other.close()
    print(sorted(glob.glob("db*")))


def show_others():
    url = pathlib.Path("tree/x/f3").resolve().as_uri()
    with urllib.request.urlopen(url) as f:
        print(len(f.read()), f.headers["Content-Length"])
    print(ssl.OPENSSL_VERSION.split()[0], ssl.create_default_context().verify_mode)
    libc = ctypes.CDLL(None, use_errno=True)
    print(libc.strlen(b"hello"), libc.open(b"/nonexistent", 0), ctypes.get_errno())
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
                               ctypes.POINTER(ctypes.c_int))(lambda a, b: a[0] - b[0])
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    libc.qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), compare)
    print(list(numbers))


show_os()
show_locks()
show_mmap()
show_temporary()
show_archives()
show_sqlite()
show_others()
