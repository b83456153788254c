#!/usr/bin/env python3
"""Disks on qemu-storage-daemon for longer: fio with checksums over much of a large disk, a file system
that is filled and checked from both sides, a daemon that is killed at any moment, or never
comes back, or stops answering.

slow: yes
timeout: 900
"""
import hashlib
import os
import random
import signal
import subprocess
import tempfile
import threading
import time

from devices import Storage, have
from e2elib import Checks, is_sanitized, patience

NACRE = os.environ.get("NACRE", "build/nacre")
SIZE = 1 << 30
checks = Checks()


def guest(command, disk, timeout=300):
    return subprocess.run(["timeout", "-k", "2", str(timeout * patience()), NACRE, "do",
                           "--virtio-blk", disk.socket, "--", "sh", "-c",
                           "PATH=$PATH:/usr/sbin:/sbin; " + command],
                          capture_output=True, text=True)


def said(run):
    return (run.stdout + run.stderr).strip()[-500:]


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            h.update(piece)
    return h.hexdigest()


def fio_over_a_large_disk(disk, image):
    size = 8 if is_sanitized() else 64
    job = "fio --name=j --filename=/dev/vda --size=%dm --offset_increment=200m --numjobs=4 " \
          "--thread --bsrange=4k-128k --rw=randrw --verify=crc32c --verify_fatal=1 --iodepth=8 " \
          "--ioengine=%s --direct=%d >/tmp/log 2>&1 || { tail -5 /tmp/log; exit 1; };"
    run = guest("".join(job % (size, engine, direct) for engine in ("psync", "io_uring")
                        for direct in (0, 1)) + "sync; sha256sum </dev/vda", disk)
    checks.check(run.returncode == 0, "fio --verify on a disk of 1 GiB", said(run))
    checks.check(digest(image) in run.stdout, "the image is what the guest sees")


def a_file_system_is_filled(disk, image):
    run = guest("mkdir /tmp/d; cp -r /usr/share/doc /usr/include /tmp/d; "
                "mkfs.ext4 -q -F -d /tmp/d /dev/vda && e2fsck -fn /dev/vda", disk)
    checks.check(run.returncode == 0, "mkfs.ext4 -d and e2fsck -f in the guest", said(run))
    fsck = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True)
    checks.check(fsck.returncode == 0, "e2fsck -f on the host", fsck.stdout)
    listing = subprocess.run(["debugfs", "-R", "ls -p include", image], capture_output=True,
                             text=True).stdout
    checks.check("stdio.h" in listing, "the host finds the files", listing[:200])


def a_daemon_is_killed_at_any_moment(disk, image):
    runs = []
    command = "end=$(($(date +%s) + 20)); while [ $(date +%s) -lt $end ]; do for how in " \
              "'psync --direct=1' 'io_uring --direct=1' psync; do fio --name=j --size=8m " \
              "--filename=/dev/vda --offset_increment=8m --numjobs=2 --thread --bs=4k " \
              "--rw=randwrite --verify=crc32c --verify_fatal=1 --iodepth=8 --end_fsync=1 " \
              "--ioengine=$how >/tmp/log 2>&1 || { tail -5 /tmp/log; exit 1; }; done; done; " \
              "sync; sha256sum </dev/vda"
    thread = threading.Thread(target=lambda: runs.append(guest(command, disk)))
    thread.start()
    for _ in range(12): # by this thread, whose end would be the daemon's
        time.sleep(random.uniform(0.1, 1.5))
        disk.stop(signal.SIGKILL)
        time.sleep(random.uniform(0, 0.5))
        disk.start()
    thread.join()
    checks.check(runs[0].returncode == 0, "fio while the daemon is killed again and again",
                 said(runs[0]))
    checks.check(digest(image) in runs[0].stdout, "the image is what the guest saw")


def without_a_device_requests_fail(disk, end, what):
    """end: what happens to the daemon in the middle."""
    runs = []
    command = "dd if=/dev/vda of=/dev/null bs=4k iflag=direct; echo $?; " \
              "dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct; echo $?; echo alive"
    thread = threading.Thread(target=lambda: runs.append(guest(
        "while " + command.split(";")[0] + " 2>/dev/null; do :; done; " + command, disk, 100)))
    thread.start()
    time.sleep(2)
    start = time.monotonic()
    end()
    thread.join()
    checks.check(runs[0].stdout.endswith("1\n1\nalive\n") and
                 runs[0].stderr.count("Input/output error") == 2, what, said(runs[0]))
    checks.check(time.monotonic() - start < 60 * patience(), what + ", in time")


def main():
    missing = have("qemu-storage-daemon", "fio", "mkfs.ext4", "debugfs")
    if missing:
        checks.skip("disks on a real device", "no %s (tools/install-deps.sh --servers)" % missing)
        checks.end()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        image = os.path.join(folder, "image")
        with open(image, "wb") as f:
            f.truncate(SIZE)
        disk = Storage(folder, "driver=file,discard=unmap,aio=io_uring,filename=" + image).start()
        fio_over_a_large_disk(disk, image)
        a_file_system_is_filled(disk, image)
        a_daemon_is_killed_at_any_moment(disk, image)
        without_a_device_requests_fail(disk, lambda: disk.stop(signal.SIGKILL),
                                       "requests fail when nobody comes back")
        disk.start()
        without_a_device_requests_fail(disk, lambda: disk.process.send_signal(signal.SIGSTOP),
                                       "requests fail when there is no answer")
        disk.stop(signal.SIGKILL)
        checks.check(not disk.complaints(), "the device finds no mistake in the driver",
                     "\n".join(disk.complaints()))
    checks.end()


main()
