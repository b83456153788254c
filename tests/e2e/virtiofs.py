#!/usr/bin/env python3
"""Files of a real device, QEMU's virtiofsd, in each cache mode: what the guest does is what the
host's directory shows, fio and git find what they wrote, and each mode sees of the host's changes what
it promises. A daemon that is killed leaves EIO behind, and a sandbox that lives on.

slow: yes
timeout: 300
"""
import os
import subprocess
import tempfile
import time

from devices import Files, have
from e2elib import Checks, patience

NACRE = os.environ.get("NACRE", "build/nacre")
MODES = ["exclusive", "writethrough", "shared"]
checks = Checks()


def guest(command, device, mode, timeout=60):
    device.start()
    run = subprocess.run(["timeout", "-k", "2", str(timeout * patience()), NACRE, "do", "--virtiofs",
                          "%s:/mnt,cache=%s" % (device.socket, mode), "--", "sh", "-ec",
                          "cd /mnt; " + command], capture_output=True, text=True)
    device.stop()
    return run


def said(run):
    return (run.stdout + run.stderr).strip()[-400:]


def names_and_attributes(device, mode, source):
    run = guest("""
mkdir d d/e; echo text >d/f; ln d/f d/hard; ln -s f d/sym; cat d/sym; stat -c %h d/f; readlink d/sym
mv d/f d/e/g; echo other >d/over; mv d/e/g d/over; rm d/over; rmdir d/e; mkfifo d/fifo; chmod 600 d/hard
touch -d @1000000 d/hard; stat -c '%a %Y %s' d/hard; seq 1000 | sed s,^,d/many, | xargs touch
ls d | wc -l; truncate -s 100000 d/hard; stat -c %s d/hard; rm d/many*; df . | tail -1 | grep -c fs.sock
python3 -c 'import os
os.setxattr("d/hard", "user.a", b"value")
print(os.getxattr("d/hard", "user.a"), os.listxattr("d/hard"))
os.removexattr("d/hard", "user.a")
fd = os.open("d/hard", os.O_RDWR)
os.posix_fallocate(fd, 0, 200000)
print(os.fstat(fd).st_size, os.listxattr("d/hard"))'
! cat none 2>/dev/null; ! rmdir d 2>/dev/null; ls d""", device, mode)
    want = ["text", "2", "f", "600 1000000 5", "1003", "100000", "1",
            "b'value' ['user.a']", "200000 []", "fifo", "hard", "sym"]
    checks.check(run.stdout.split("\n")[:-1] == want, "names and attributes, cache=" + mode,
                 said(run))
    checks.check(sorted(os.listdir(source + "/d")) == ["fifo", "hard", "sym"],
                 "the host sees the names, cache=" + mode)
    subprocess.run(["rm", "-rf", source + "/d"], check=True)


def data(device, mode, source):
    engines = ["psync", "io_uring"] + (["mmap"] if mode != "shared" else [])
    run = guest("for e in %s; do fio --name=j$e --size=4m --numjobs=2 --thread --bsrange=1k-64k "
                "--rw=randrw --verify=crc32c --verify_fatal=1 --ioengine=$e >/tmp/log 2>&1 || "
                "{ tail -5 /tmp/log; exit 1; }; done; rm j*; head -c 3000000 /dev/urandom >x; "
                "sha256sum x" % " ".join(engines), device, mode)
    checks.check(run.returncode == 0, "fio --verify, cache=" + mode, said(run))
    host = subprocess.run(["sha256sum", "x"], cwd=source, capture_output=True, text=True).stdout
    checks.check(host and host in run.stdout, "the host has the same bytes, cache=" + mode)


def programs(device, mode, source):
    """Not in shared mode, where nothing can be mapped."""
    run = guest("git init -q repo; cd repo; cp -r /usr/include/linux .; git add .; "
                "git -c user.name=n -c user.email=e commit -qm all; git fsck --no-progress; "
                "git status --short | wc -l; cd ..; git clone -q repo copy; diff -r repo/linux "
                "copy/linux; cp /bin/true t; ./t; rm -rf repo copy t; echo done", device, mode, 120)
    checks.check(run.stdout == "0\ndone\n", "git, and a program that is run, cache=" + mode,
                 said(run))


def the_host_changes_files(device, mode, source):
    """shared: seen at once. The others promise nothing of what is cached."""
    path = os.path.join(source, "changes")
    with open(path, "w") as f:
        f.write("before")
    device.start()
    with subprocess.Popen([NACRE, "do", "--virtiofs", "%s:/mnt,cache=%s" % (device.socket, mode),
                           "--", "sh", "-c", "cat /mnt/changes; echo; read x; cat /mnt/changes;"
                           " cat /mnt/new"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as p:
        first = p.stdout.readline()
        for name in ("changes", "new"):
            with open(os.path.join(source, name), "w") as f:
                f.write(" and after, longer")
        out = p.communicate("go\n")[0]
    device.stop()
    checks.check(first == "before\n" and out == " and after, longer" * 2,
                 "a change of the host's, cache=" + mode, first + out)


def a_device_that_dies(device):
    device.start()
    with subprocess.Popen([NACRE, "do", "--virtiofs", device.socket + ":/mnt", "--", "sh", "-c",
                           "ls /mnt >/dev/null; echo up; read x; cat /mnt/x; ls /mnt; echo alive"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as p:
        p.stdout.readline()
        device.stop()
        time.sleep(0.2)
        out, err = p.communicate("go\n", timeout=60)
    checks.check(out == "alive\n" and "Input/output error" in err,
                 "files fail when their device dies, and the sandbox lives", out + err[-400:])


def main():
    missing = have("fio", "git") or (None if os.access(Files.PROGRAM, os.X_OK) else "virtiofsd")
    if missing or os.geteuid() != 0:
        checks.skip("files of a real device", "no %s (tools/install-deps.sh --servers)" % missing
                    if missing else "virtiofsd needs root")
        checks.end()
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "source")
        os.mkdir(source)
        device = Files(folder, source)
        for mode in MODES:
            names_and_attributes(device, mode, source)
            data(device, mode, source)
        programs(device, "exclusive", source)
        the_host_changes_files(device, "shared", source)
        a_device_that_dies(device)
        checks.check(not device.complaints(), "the device finds no mistake in the driver",
                     "\n".join(device.complaints()))
    checks.end()


main()
