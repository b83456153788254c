#!/usr/bin/env -S python3 -B
"""nacre where less is allowed: an ordinary user, no user namespaces (switched off,
or refused as container engines do), namespaces without privilege in them, a chroot
or a container without /proc and /dev, /proc read-only, no Landlock. The demo's
programs run in each; what is missing is said in one line; nothing is left behind.

timeout: 900
"""
import ctypes
import os
import re
import struct
import subprocess
import sys

import e2elib
from e2elib import Checks, children_of, run, wait_all_gone

with open(os.path.join(os.environ["SOURCE"], "tools/demo")) as demo:
    DEMO = demo.read()
checks = Checks()
nacre = e2elib.enter_own_place()
libc = ctypes.CDLL(None, use_errno=True)
ORDINARY = 1000
ROOT = "/mnt/root"
EPERM, ENOSYS = 1, 38
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWANY = 0x20000, 0x10000000, 0x7E020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
NR = {"clone": 56, "chroot": 161, "mount": 165, "umount2": 166, "pivot_root": 155,
      "sethostname": 170, "unshare": 272, "setns": 308, "clone3": 435,
      "landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446}


# --- taking things away: each is done in the child that runs nacre -------------------

def call(what, *args):
    if getattr(libc, what)(*args) < 0:
        e = ctypes.get_errno()
        raise OSError(e, "%s: %s" % (what, os.strerror(e)))


def mount(source, target, fstype, flags, data=None):
    call("mount", source.encode(), target.encode(), fstype and fstype.encode(),
         ctypes.c_ulong(flags), data and data.encode())


def refuse(**refused):
    """A seccomp filter as of a container engine: these calls fail with that errno;
    clone, where it would make a namespace."""
    def load(offset):
        return struct.pack("HBBI", 0x20, 0, 0, offset)

    def jump(code, k, yes, no):
        return struct.pack("HBBI", code, yes, no, k)

    def ret(value):
        return struct.pack("HBBI", 0x06, 0, 0, value)

    filter_ = load(0)
    for name, err in refused.items():
        if name == "clone":
            filter_ += jump(0x15, NR[name], 0, 4) + load(16) \
                + jump(0x45, CLONE_NEWANY, 0, 1) + ret(0x50000 | err) + ret(0x7FFF0000)
        else:
            filter_ += jump(0x15, NR[name], 0, 1) + ret(0x50000 | err)
    filter_ += ret(0x7FFF0000)
    text = ctypes.create_string_buffer(filter_, len(filter_))
    prog = struct.pack("HxxxxxxP", len(filter_) // 8, ctypes.addressof(text))
    call("prctl", 38, ctypes.c_ulong(1), 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    call("prctl", 22, ctypes.c_ulong(2), ctypes.create_string_buffer(prog, len(prog)), 0, 0)


def become_ordinary():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(ORDINARY, ORDINARY, ORDINARY)
        os.setresuid(ORDINARY, ORDINARY, ORDINARY)


def enter_user_namespace():
    """A user namespace with all the ids that we have; a helper outside maps them."""
    me, (r, w) = os.getpid(), os.pipe()
    helper = os.fork()
    if helper == 0:
        os.read(r, 1)
        for kind in ("gid_map", "uid_map"):
            with open("/proc/self/" + kind) as f:
                ids = [line.split() for line in f]
            with open("/proc/%d/%s" % (me, kind), "w") as f:
                f.write("".join("%s %s %s\n" % (i[0], i[0], i[2]) for i in ids))
        os._exit(0)
    call("unshare", CLONE_NEWUSER)
    os.write(w, b"x")
    if os.waitpid(helper, 0)[1] != 0:
        raise OSError(EPERM, "no ids")
    os.close(r)
    os.close(w)


def without_user_namespaces():
    enter_user_namespace()
    with open("/proc/sys/user/max_user_namespaces", "w") as f:
        f.write("0")
    become_ordinary()


def like_a_container_engine():
    refuse(clone=EPERM, clone3=ENOSYS, unshare=EPERM, setns=EPERM, mount=EPERM, umount2=EPERM,
           pivot_root=EPERM)


def namespaces_without_privilege():
    become_ordinary()
    refuse(mount=EPERM, umount2=EPERM, pivot_root=EPERM, chroot=EPERM, sethostname=EPERM)


def in_a_chroot():
    os.chroot(ROOT)
    os.chdir("/")


def in_a_chroot_as_ordinary():
    in_a_chroot()
    become_ordinary()


def in_a_container():
    """ROOT is a mount namespace's only tree."""
    call("unshare", CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount(ROOT, ROOT, None, MS_BIND | MS_REC)
    os.chdir(ROOT)
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def in_a_container_as_ordinary():
    in_a_container()
    become_ordinary()


def with_readonly_proc():
    call("unshare", CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("none", "/proc", None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def with_readonly_proc_as_ordinary():
    with_readonly_proc()
    become_ordinary()


def without_landlock():
    become_ordinary()
    refuse(landlock_create_ruleset=ENOSYS)


# What is done; what the line must name as missing (nothing: there must be no line)
# beyond what this host has not anyway.
USER, CLOCKS = ["user namespace"], ["host's clock functions"]
NAMESPACES = USER + ["pid namespace", "mount namespace", "net namespace", "ipc namespace",
                     "uts namespace"]
ALL = NAMESPACES + ["empty root", "Landlock"] + CLOCKS
WITH_ROOT = NAMESPACES + ["empty root"]
ENVIRONMENTS = {
    "an ordinary user": (become_ordinary, []),
    "user namespaces switched off": (without_user_namespaces, WITH_ROOT),
    "what a container engine refuses": (lambda: (become_ordinary(), like_a_container_engine()),
                                        WITH_ROOT),
    "what a container engine refuses, as root": (like_a_container_engine, NAMESPACES),
    "namespaces without privilege": (namespaces_without_privilege, ["empty root"]),
    "a chroot without /proc and /dev": (in_a_chroot_as_ordinary, WITH_ROOT + CLOCKS),
    "a chroot without /proc and /dev, as root": (in_a_chroot, USER + ["empty root"] + CLOCKS),
    "a container without /proc and /dev": (in_a_container_as_ordinary, WITH_ROOT + CLOCKS),
    "a container without /proc and /dev, as root": (in_a_container, USER + CLOCKS),
    "/proc read-only": (with_readonly_proc_as_ordinary, WITH_ROOT),
    "/proc read-only, as root": (with_readonly_proc, USER),
    "no Landlock": (without_landlock, ["Landlock"]),
}


# --- what must work there ------------------------------------------------------------

def make_root():
    """A tree with little in it; the demo, and a place for files of the caller's."""
    os.makedirs(ROOT + "/mnt/own")
    for name in ("usr", "etc"):
        os.mkdir(ROOT + "/" + name)
        mount("/" + name, ROOT + "/" + name, None, MS_BIND | MS_REC)
    for name in ("bin", "lib", "lib64", "sbin"):
        os.symlink("usr/" + name, ROOT + "/" + name)
    os.makedirs(ROOT + "/var/tmp")
    os.chmod(ROOT + "/var/tmp", 0o1777)
    mount("/mnt", ROOT + "/mnt", None, MS_BIND)
    with open("/mnt/demo", "w") as f:
        f.write(DEMO)
    os.mkdir("/mnt/own")


def own_file(owner):
    with open("/mnt/own/file", "w") as f:
        f.write("mine\n")
    os.chmod("/mnt/own/file", 0o600)
    os.chmod("/mnt/own", 0o700)
    for name in ("/mnt/own", "/mnt/own/file"):
        os.chown(name, owner, owner)


def try_environment(what, enter, missing):
    env = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    env.update(PATH=os.environ["PATH"], HOME="/var/tmp", TMPDIR="/var/tmp", LANG="C")

    def go(*argv):
        return run(list(argv), timeout=120, preexec_fn=enter, cwd="/", env=env)

    ordinary = os.geteuid() == 0 and not what.endswith("as root")
    own_file(ORDINARY if ordinary else os.geteuid())
    ended = go("sh", "/mnt/demo", nacre)
    checks.check(ended.status == 0 and " 0 failed" in ended.out, what + ": the demo", str(ended))

    ended = go(nacre, "do", "--bind", "/mnt/own:/mnt", "--", "sh", "-c",
               'cat /mnt/file; stat -c %u /mnt/file; id -u; echo changed >/mnt/file; '
               'chmod 640 /mnt/file; echo new >/mnt/new; date +%s; ls /proc/self/fd /dev/null')
    with open("/mnt/own/file") as f:
        changed = f.read()
    uid = ORDINARY if ordinary else os.geteuid()
    checks.check(ended.status == 0 and ended.out.startswith("mine\n%d\n%d\n" % (uid, uid)),
                 what + ": the caller's own files", str(ended))
    checks.check(changed == "changed\n" and os.stat("/mnt/own/file").st_mode & 0o777 == 0o640 and
                 os.path.exists("/mnt/own/new") and os.stat("/mnt/own/new").st_uid == uid,
                 what + ": changes to them", changed)
    os.unlink("/mnt/own/new")

    lines = ended.err.splitlines()
    said = {name for name in ALL if name in ended.err}
    checks.check(len(lines) == bool(said) and said - missing_anyway == set(missing) - missing_anyway,
                 what + ": one line says what is missing", ended.err)
    ended = go(nacre, "doctor")
    found = {name for name in ALL if re.search(re.escape(name) + r" +no \(", ended.out)}
    found |= {name for name in CLOCKS if re.search("clock functions.* no ", ended.out)}
    checks.check(ended.status == 0 and "nacre can run here\n" in ended.out and not ended.err and
                 found == said, what + ": doctor says the same", str(ended))
    for victim in ("launcher", "kernel process"):
        kill(what, enter, victim)


def kill(what, enter, victim):
    """No pid namespace may be there to do it: all goes all the same."""
    proc = subprocess.Popen([nacre, "do", "--", "sh", "-c", "sleep 100 & echo up; sleep 100"],
                            preexec_fn=enter, cwd="/", stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    up = proc.stdout.readline()
    os.kill(proc.pid if victim == "launcher" else children_of(proc.pid)[0].pid, 9)
    proc.communicate()
    left = wait_all_gone()
    checks.check(up == b"up\n" and not left, "%s: the %s is killed, nothing is left" % (what, victim),
                 ", ".join(map(str, left)))
    if left:
        e2elib.kill_all()


def with_a_memory_limit():
    """As a container sees its cgroup: both versions, at the root of the mount."""
    call("unshare", CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("none", "/sys/fs/cgroup", "tmpfs", 0)
    os.mkdir("/sys/fs/cgroup/memory")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with open("/sys/fs/cgroup/" + name, "w") as f:
            f.write("%d\n" % (256 << 20))


def memory_limit():
    what = "the limit of a container"
    why = why_not(with_a_memory_limit)
    if why:
        return checks.skip(what, why)
    show = [nacre, "do", "--", "grep", "MemTotal", "/proc/meminfo"]
    ended = run(show, preexec_fn=with_a_memory_limit)
    checks.check(re.fullmatch("MemTotal: +245760 kB\n", ended.out), what, str(ended))
    show[2:2] = ["--memory", "64M"]
    ended = run(show, preexec_fn=with_a_memory_limit)
    checks.check(re.fullmatch("MemTotal: +65536 kB\n", ended.out), "--memory, in spite of it", str(ended))


def why_not(enter):
    """Why an environment cannot be made here; "": it can."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            enter()
        except OSError as e:
            os.write(w, str(e).encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        why = f.read()
    os.waitpid(pid, 0)
    return why


make_root()
plain = run([nacre, "do", "--", "true"])
missing_anyway = {name for name in ALL if name in plain.err}
for what, (enter, missing) in ENVIRONMENTS.items():
    if len(sys.argv) > 1 and what not in sys.argv[1:]:
        continue
    why = why_not(enter)
    if CLOCKS[0] in missing and e2elib.is_sanitized():
        checks.skip(what, "sanitizers need /proc")
    elif why:
        checks.skip(what, "this host does not let us make it: " + why)
    else:
        try_environment(what, enter, missing)
memory_limit()
checks.end()
