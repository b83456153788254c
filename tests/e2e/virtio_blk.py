#!/usr/bin/env python3
"""A disk on a real device, qemu-storage-daemon: what the guest writes is what the image holds,
file systems are made and checked from both sides, the daemon may be killed and started again;
and what is wrong with a socket is said in one line.

timeout: 300
"""
import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from devices import Storage, have
from e2elib import Checks, patience

NACRE = os.environ.get("NACRE", "build/nacre")
SIZE = 64 << 20
checks = Checks()


def guest(command, *flags, disk=None, timeout=60):
    """Runs a shell command in a sandbox: the completed process."""
    if disk:
        flags = ("--virtio-blk", disk.socket) + flags
    return subprocess.run(["timeout", "-k", "2", str(timeout * patience()), NACRE, "do", *flags, "--",
                           "sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + command],
                          capture_output=True, text=True)


def said(run):
    return (run.stdout + run.stderr).strip()[-400:]


def digest(path, size=None):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        h.update(f.read(size))
    return h.hexdigest()


# --- one disk ------------------------------------------------------------------------

def bytes_are_the_same_on_both_sides(disk, image):
    run = guest("dd if=/dev/urandom of=/tmp/x bs=1M count=16 2>/dev/null;"
                "dd if=/tmp/x of=/dev/vda bs=12345 conv=fsync 2>/dev/null;"
                "dd if=/tmp/x of=/dev/vda bs=256k seek=128 oflag=direct 2>/dev/null;"
                "sha256sum </tmp/x; head -c 16M /dev/vda | sha256sum;"
                "dd if=/dev/vda bs=64k skip=512 count=256 iflag=direct 2>/dev/null | sha256sum",
                disk=disk)
    sums = {line.split()[0] for line in run.stdout.splitlines() if line}
    checks.check(len(sums) == 1, "a guest reads what it wrote", said(run))
    checks.check(digest(image, 16 << 20) in sums, "the image holds what was written")


def the_end_of_the_disk_is_its_end(disk):
    run = guest("dd if=/dev/zero of=/dev/vda bs=1M seek=63 count=2 2>&1 | grep -o 'No space.*';"
                "dd if=/dev/zero of=/dev/vda bs=1M seek=64 count=1 oflag=direct 2>&1 |"
                " grep -o 'No space.*';"
                "tail -c 10 /dev/vda | wc -c; dd if=/dev/vda bs=1M skip=64 2>/dev/null | wc -c;"
                "dd if=/dev/vda bs=1000 count=1 iflag=direct 2>&1 | grep -o Invalid", disk=disk)
    want = ["No space left on device", "No space left on device", "10", "0", "Invalid"]
    checks.check(run.stdout.split("\n")[:-1] == want, "a disk ends where it ends", said(run))


def a_disk_says_what_it_is(disk):
    run = guest("blockdev --getsize64 --getsz --getss --getpbsz --getbsz --getro /dev/vda;"
                "grep vda /proc/partitions; cat /sys/block/vda/size /sys/class/block/vda/dev;"
                "lsblk -rno NAME,SIZE,TYPE,RO,LOG-SEC; stat -c '%F %t' /dev/vda;"
                "cut -d' ' -f 1-12 /proc/diskstats | awk '{print $3, $4 > 0}'", disk=disk)
    want = [str(SIZE), str(SIZE // 512), "512", "512", "4096", "0", "254 0 65536 vda",
            str(SIZE // 512), "254:0", "vda 64M disk 0 512", "block special file fe"]
    got = [" ".join(line.split()) for line in run.stdout.splitlines()]
    checks.check(got[:len(want)] == want, "ioctls, /proc and /sys describe the disk", said(run))


def file_systems_are_sound(disk, image):
    run = guest("mkfs.ext4 -q /dev/vda && head -c 3000000 /dev/urandom >/tmp/f && sync &&"
                "debugfs -w -R 'write /tmp/f f' /dev/vda 2>/dev/null && e2fsck -fn /dev/vda "
                ">/dev/null 2>&1 && sha256sum </tmp/f", disk=disk)
    checks.check(run.returncode == 0, "mkfs.ext4, debugfs and e2fsck in the guest", said(run))
    fsck = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True)
    checks.check(fsck.returncode == 0, "e2fsck on the host", fsck.stdout)
    data = subprocess.run(["debugfs", "-R", "cat f", image], capture_output=True).stdout
    checks.check(hashlib.sha256(data).hexdigest() in run.stdout,
                 "a file written in the guest is read on the host")


def fio_finds_its_blocks(disk):
    job = "fio --name=j --filename=/dev/vda --size=4m --offset_increment=4m --numjobs=4 --thread " \
          "--bs=4k --rw=randwrite --verify=crc32c --verify_fatal=1 --iodepth=8 --ioengine=%s " \
          "--direct=%d >/tmp/log 2>&1 || { tail -5 /tmp/log; exit 1; };"
    run = guest("".join(job % (engine, direct) for engine in ("psync", "io_uring")
                        for direct in (0, 1)), disk=disk)
    checks.check(run.returncode == 0, "fio --verify", said(run))


def memory_maps_are_the_disk(disk, image):
    run = guest("""python3 -c '
import mmap, os
f = os.open("/dev/vda", os.O_RDWR)
m = mmap.mmap(f, 1 << 20)
os.pwrite(f, b"written", 70000)
assert m[70000:70007] == b"written"
m[100000:100006] = b"stored"
assert os.pread(f, 6, 100000) == b"stored"
m.flush()
os.fsync(f)
'""", disk=disk)
    with open(image, "rb") as f:
        f.seek(100000)
        checks.check(run.returncode == 0 and f.read(6) == b"stored", "mmap of a disk", said(run))


def sync_reaches_the_device(disk, image):
    """sync(2), while the sandbox goes on: it waits for the byte that we look for."""
    mark = os.urandom(16).hex()
    with subprocess.Popen([NACRE, "do", "--virtio-blk", disk.socket, "--", "sh", "-c",
                           "printf %s >/dev/vda; sync; echo done; read end" % mark],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        p.stdout.readline()
        with open(image, "rb") as f:
            checks.check(f.read(32) == mark.encode(), "sync(2) writes back and flushes")
        p.communicate("end\n")


def ranges_are_discarded(disk, image):
    run = guest("head -c 8M /dev/urandom >/dev/vda; sync; head -c 8M /dev/vda >/dev/null;"
                "blkdiscard -f -o 1M -l 1M /dev/vda; blkdiscard -fz -o 3M -l 1M /dev/vda;"
                "fallocate -pn -o 5M -l 1M /dev/vda;"
                "for at in 1 3 5; do dd if=/dev/vda bs=1M skip=$at count=1 2>/dev/null | "
                "tr -d '\\0' | wc -c; done", disk=disk)
    checks.check(run.stdout.split() == ["0", "0", "0"], "discard, zero-out and punch", said(run))
    with open(image, "rb") as f:
        data = f.read(8 << 20)
    zeros = [data[at << 20:(at + 1) << 20].count(0) == 1 << 20 for at in range(8)]
    checks.check(zeros == [False, True, False, True, False, True, False, False],
                 "exactly these ranges are zeros in the image", str(zeros))


def a_killed_daemon_comes_back(disk, image):
    """In the middle of fio, twice: nothing is lost."""
    runs = []
    thread = threading.Thread(target=lambda: runs.append(guest(
        "end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do fio --name=j "
        "--filename=/dev/vda --size=8m --offset_increment=8m --numjobs=2 --thread --bs=4k "
        "--rw=randwrite --verify=crc32c --verify_fatal=1 --ioengine=psync --direct=1 >/tmp/log "
        "2>&1 || { tail -5 /tmp/log; exit 1; }; done; sync; sha256sum </dev/vda", disk=disk)))
    thread.start()
    for _ in range(2): # by this thread, whose end would be the daemon's
        time.sleep(1)
        disk.stop(signal.SIGKILL)
        time.sleep(0.3)
        disk.start()
    thread.join()
    run = runs[0]
    checks.check(run.returncode == 0, "fio while the daemon is killed and started", said(run))
    checks.check(run.stderr.count("there is a device again") == 2, "the device came back twice",
                 said(run))
    checks.check(digest(image) in run.stdout, "the image is what the guest sees", said(run))


def all_on_one_disk(folder):
    image = os.path.join(folder, "image")
    with open(image, "wb") as f:
        f.truncate(SIZE)
    disk = Storage(folder, "driver=file,discard=unmap,filename=%s" % image).start()
    bytes_are_the_same_on_both_sides(disk, image)
    the_end_of_the_disk_is_its_end(disk)
    a_disk_says_what_it_is(disk)
    file_systems_are_sound(disk, image)
    fio_finds_its_blocks(disk)
    memory_maps_are_the_disk(disk, image)
    sync_reaches_the_device(disk, image)
    ranges_are_discarded(disk, image)
    a_killed_daemon_comes_back(disk, image)
    disk.stop()
    checks.check(not disk.complaints(), "the device finds no mistake in the driver",
                 "\n".join(disk.complaints()))


def a_read_only_disk_stays_as_it_is(folder):
    image = os.path.join(folder, "ro")
    with open(image, "wb") as f:
        f.write(b"r" * (1 << 20))
    disk = Storage(folder, "driver=file,filename=%s" % image, "ro", writable=False).start()
    other = Storage(folder, "driver=null-co,size=1048576,read-zeroes=on", "other").start()
    run = guest("head -c 5 /dev/vda; blockdev --getro /dev/vda;"
                "dd if=/dev/zero of=/dev/vda count=1 2>&1 | grep -o 'not permitted';"
                "blkdiscard -f /dev/vda 2>&1 | grep -o 'not permitted';"
                "blockdev --getsize64 /dev/other", "--virtio-blk", other.socket + ":other",
                disk=disk)
    checks.check(run.stdout == "rrrrr1\nnot permitted\nnot permitted\n1048576\n",
                 "a read-only disk, and another beside it", said(run))
    disk.stop()
    other.stop()


# --- what is no device ------------------------------------------------------------------

def refused(what, path, expected):
    run = guest("echo started", "--virtio-blk", path)
    lines = run.stderr.strip().splitlines()
    checks.check(run.returncode == 125 and "started" not in run.stdout and
                 any(path in line and expected in line for line in lines),
                 what, said(run))


def answer_once(path, answer):
    """A server whose one answer is that, to the first 12 bytes."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)

    def serve():
        client, _ = server.accept()
        with client, contextlib.suppress(OSError):
            client.recv(12)
            client.sendall(answer)
            if answer:
                client.recv(1)

    threading.Thread(target=serve, daemon=True).start()
    return server


def sockets_that_are_no_disk(folder):
    at = lambda name: os.path.join(folder, name)
    refused("a socket that is not there", at("none"), "No such file")
    with open(at("file"), "w"):
        refused("a file that is no socket", at("file"), "refused")
    quiet = socket.socket(socket.AF_UNIX)
    quiet.bind(at("quiet"))
    refused("a socket on which nobody listens", at("quiet"), "nobody listens")
    header = b"\1\0\0\0\5\0\0\0"
    answers = {
        "closing": (b"", "gone"),
        "nonsense": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answers GET_FEATURES"),
        "huge": (header + b"\xff\xff\xff\xff", "4294967295 bytes"),
        "old": (header + b"\x08\0\0\0" + bytes(8), "VERSION_1"),
    }
    for name, (answer, expected) in answers.items():
        server = answer_once(at(name), answer)
        refused("a device that is %s" % name, at(name), expected)
        server.close()


def main():
    missing = have("qemu-storage-daemon", "fio", "mkfs.ext4", "debugfs")
    with tempfile.TemporaryDirectory() as folder:
        sockets_that_are_no_disk(folder)
        if missing:
            checks.skip("disks on a real device", "no %s (tools/install-deps.sh --servers)" % missing)
        else:
            all_on_one_disk(folder)
            a_read_only_disk_stays_as_it_is(folder)
    checks.end()


main()
