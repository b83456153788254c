"""Devices that other people wrote, as child processes of a test that end with it.

Not executable, so that tests/run does not take it for a test.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def have(*programs):
    """The first that is not installed, or None."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    return next((p for p in programs if not shutil.which(p)), None)


class Storage:
    """qemu-storage-daemon with one disk on one socket."""

    def __init__(self, folder, blockdev, name="disk", writable=True, queues=2):
        self.socket = os.path.join(folder, name + ".sock")
        self.log = os.path.join(folder, name + ".log")
        self.command = ["qemu-storage-daemon", "--blockdev", blockdev + ",node-name=f", "--export",
                        "type=vhost-user-blk,id=e,addr.type=unix,addr.path=%s,node-name=f,"
                        "writable=%s,num-queues=%d" % (self.socket, "on" if writable else "off",
                                                       queues)]
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        for _ in range(200):
            if os.path.exists(self.socket) or self.process.poll() is not None:
                break
            time.sleep(0.05)
        return self

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        self.process.wait()
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def complaints(self):
        """What it says of a driver's mistakes."""
        with open(self.log) as log:
            return [line.strip() for line in log if "panic" in line]


class Files:
    """QEMU's virtiofsd for one directory; it ends with its client."""
    PROGRAM = "/usr/lib/qemu/virtiofsd"

    def __init__(self, folder, source, name="fs"):
        self.socket = os.path.join(folder, name + ".sock")
        self.log = os.path.join(folder, name + ".log")
        self.command = [self.PROGRAM, "--socket-path=" + self.socket, "-o", "source=" + source,
                        "-o", "sandbox=chroot", "-o", "xattr"]
        self.process = None

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        for _ in range(200):
            if os.path.exists(self.socket) or self.process.poll() is not None:
                break
            time.sleep(0.05)
        return self

    def stop(self):
        self.process.kill()
        self.process.wait()

    def complaints(self):
        with open(self.log) as log:
            return [line.strip() for line in log if "panic" in line]
