#!/usr/bin/env -S python3 -B
"""What is wrong with a command, a file or a flag is said in one line, with the right
status; and nothing is left behind.

timeout: 300
"""
import os
import shutil
import struct
import subprocess
import sys

import e2elib
from e2elib import Checks, run, wait_all_gone

checks = Checks()
nacre = e2elib.enter_own_place()
WORK = "/tmp/work"
os.mkdir(WORK)
os.chmod(WORK, 0o755)


# --- one line and a status --------------------------------------------------------

def refused(what, flags, command, status, words, user=None):
    """nacre ends with status and one line that has the words."""
    as_user = ["setpriv", "--reuid=%d" % user, "--regid=%d" % user, "--clear-groups"] if user else []
    argv = [*as_user, nacre, "do", *flags, "--", *command]
    ended = run(argv, cwd="/")
    # A wall that this host does not give is told in a line of its own.
    lines = [line for line in ended.err.splitlines() if "running without:" not in line]
    good = (ended.status == status and len(lines) == 1 and lines[0].startswith("nacre")
            and words in lines[0] and not ended.out)
    checks.check(good, what, "not status %s and one line with %r: %s" % (status, words, ended))


def make(name, content, mode=0o755):
    path = os.path.join(WORK, name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, mode)
    return path


def flags_and_roots():
    true = ["true"]
    refused("an unknown flag", ["--frobnicate"], true, 125, "--frobnicate")
    refused("an unknown flag with a value", ["--frobnicate=1"], true, 125, "--frobnicate")
    refused("a size that is none", ["--memory", "lots"], true, 125, "--memory lots")
    refused("a limit too small to start in", ["--memory", "4K"], true, 125, "--memory 4K")
    refused("a user that is no number", ["--user", "root"], true, 125, "--user root")
    refused("a time that is none", ["--timeout", "soon"], true, 125, "--timeout soon")
    refused("a platform that is none", ["--platform", "magic"], true, 125, "magic")
    refused("a log that cannot be written", ["--log", "/nonexistent/log"], true, 125,
            "/nonexistent/log: No such file")
    refused("a missing rootfs", ["--rootfs", "/nonexistent"], true, 125,
            "--rootfs /nonexistent: No such file")
    refused("a rootfs that is a file", ["--rootfs", "/etc/passwd"], true, 125, "Not a directory")
    empty = os.path.join(WORK, "empty")
    os.mkdir(empty)
    refused("an empty rootfs", ["--rootfs", empty], true, 127, "true: command not found")
    os.makedirs(os.path.join(WORK, "locked", "root"))
    os.chmod(os.path.join(WORK, "locked"), 0o700)
    refused("a rootfs that may not be entered", ["--rootfs", WORK + "/locked/root"], true, 125,
            "Permission denied", user=65534)
    os.chmod(WORK + "/locked/root", 0o700)
    os.chmod(os.path.join(WORK, "locked"), 0o755)
    refused("a rootfs that may not be read", ["--rootfs", WORK + "/locked/root"], true, 125,
            "Permission denied", user=65534)
    refused("a bind without a source", ["--bind", "/nonexistent:/mnt"], true, 125,
            "/nonexistent:/mnt: source: No such file")
    refused("a bind onto a file", ["--bind", "/etc:/etc/passwd"], true, 125, "/etc/passwd")
    refused("a bind that is none", ["--bind", "/etc"], true, 125, "--bind /etc: must be")
    refused("a place that is not there", ["--cwd", "/nonexistent"], true, 125,
            "/nonexistent: No such file")
    ended = run([nacre, "do"])
    checks.check(ended.status == 125 and ended.err.count("\n") == 1, "no command", str(ended))
    ended = run([nacre, "frobnicate"])
    checks.check(ended.status == 125 and "frobnicate" in ended.err, "no such sub-command",
                 str(ended))


def commands():
    refused("a command that is not there", [], ["no-such-command"], 127,
            "no-such-command: command not found")
    refused("a path that is not there", [], ["/no/such/path"], 127, "/no/such/path")
    refused("an empty name", [], [""], 127, "command not found")
    refused("a name too long", [], ["x" * 5000], 126, "xxx: File name too long")
    refused("a directory", [], ["/etc"], 126, "/etc: Permission denied")
    refused("a file that may not be executed", [], ["/etc/passwd"], 126, "Permission denied")
    refused("an empty file", [], [make("nothing", "")], 126, "Exec format error")
    refused("text without #!", [], [make("text", "echo hello\n")], 126, "Exec format error")
    refused("a script without its interpreter", [],
            [make("script", "#!/no/such/interpreter\n")], 127, "interpreter")
    refused("a script whose interpreter is a directory", [], [make("script", "#!/etc\n")], 126,
            "Permission denied")
    refused("#! and nothing", [], [make("script", "#!\n")], 126, "Exec format error")
    refused("a script that interprets itself", [],
            [make("script", "#!%s/script\n" % WORK)], 126, "Too many levels")
    for limit in ("-n 16", "-v 1000000", "-f 1000"):
        if limit.startswith("-v") and e2elib.is_sanitized():
            continue  # the sanitizer ends it before we begin
        ended = run(["bash", "-c", 'ulimit %s && exec "$0" do -- true' % limit, nacre])
        checks.check(ended.status == 125 and "ulimit %s (" % limit[:2] in ended.err
                     and ended.err.count("\n") == 1, "too little: ulimit " + limit, str(ended))
    # The host is asked to take more than the guest's 8 MiB of stack allow.
    ended = run(["bash", "-c", 'ulimit -s unlimited && exec "$0" do -- true $(seq 220000)', nacre])
    checks.check(ended.status == 126 and "Argument list too long" in ended.err
                 and ended.err.count("\n") == 1, "an argument list too long", str(ended))
    same_as_natively("an argument list too long, in a shell",
                     ["bash", "-c", "/bin/true $(seq 600000); echo $?"])


def same_as_natively(what, argv):
    native, inside = run(argv), run([nacre, "do", "--", *argv])
    checks.check((native.status, native.out, native.err) == (inside.status, inside.out, inside.err),
                 what, "natively %s\n  in nacre %s" % (native, inside))


# --- ELF files ----------------------------------------------------------------------

PAGE, BASE, EXIT_STATUS = 4096, 0x400000, 42
# mov $42,%edi; mov $60,%eax; syscall
CODE = bytes.fromhex("bf2a000000b83c0000000f05")
ET_EXEC, ET_DYN, PT_LOAD, PT_INTERP = 2, 3, 1, 3


def program_header(type=PT_LOAD, flags=5, offset=0, vaddr=BASE, filesz=PAGE, memsz=PAGE,
                   align=PAGE):
    return struct.pack("<IIQQQQQQ", type, flags, offset, vaddr, vaddr, filesz, memsz, align)


def elf(headers=None, type=ET_EXEC, machine=62, entry=BASE + 0x800, phoff=64, phentsize=56,
        phnum=None, ident=b"\x7fELF\x02\x01\x01", size=PAGE, extra=b""):
    """A program that ends with 42, unless an argument spoils it."""
    headers = headers if headers is not None else [program_header()]
    phnum = len(headers) if phnum is None else phnum
    head = struct.pack("<16sHHIQQQIHHHHHH", ident.ljust(16, b"\0"), type, machine, 1, entry, phoff,
                       0, 0, 64, phentsize, phnum, 0, 0, 0)
    image = (head + b"".join(headers)).ljust(0x400, b"\0") + extra
    return (image.ljust(0x800, b"\0") + CODE).ljust(PAGE, b"\0")[:size]


def interp(name, **kwargs):
    kwargs = {"offset": 0x400, "filesz": len(name), "memsz": len(name), **kwargs}
    return elf([program_header(type=PT_INTERP, **kwargs), program_header()], extra=name)


TOP = (1 << 64) - PAGE
ELVES = {
    "good": elf(),
    "truncated in the magic": elf(size=3),
    "truncated in the header": elf(size=40),
    "without program headers": elf(size=64),
    "truncated in the program headers": elf(size=100),
    "truncated before the code": elf(size=0x700),
    "longer in memory than its file, read": elf([program_header(filesz=3 * PAGE,
                                                                memsz=3 * PAGE)]),
    "of 32 bits": elf(ident=b"\x7fELF\x01\x01\x01"),
    "of the other byte order": elf(ident=b"\x7fELF\x02\x02\x01"),
    "of no machine": elf(machine=0),
    "for another machine": elf(machine=183),
    "a relocatable file": elf(type=1),
    "a core dump": elf(type=4),
    "of no type": elf(type=0xffff),
    "no program header": elf([]),
    "65535 program headers": elf(phnum=65535),
    "program headers of 32 bytes": elf(phentsize=32),
    "program headers of 0 bytes": elf(phentsize=0),
    "program headers beyond the end": elf(phoff=1 << 20),
    "program headers at the end of all": elf(phoff=(1 << 64) - 56),
    "program headers at a negative offset": elf(phoff=1 << 63),
    "nothing to load": elf([program_header(type=0)]),
    "a segment at 0": elf([program_header(vaddr=0)], entry=0x800),
    "a segment beyond user space": elf([program_header(vaddr=1 << 47)]),
    "a segment in the kernel": elf([program_header(vaddr=0xffffffff80000000)]),
    "a segment that wraps": elf([program_header(vaddr=TOP, memsz=2 * PAGE)]),
    "a segment of all memory": elf([program_header(memsz=(1 << 64) - 1)]),
    "a segment of 127 TiB": elf([program_header(memsz=127 << 40)]),
    "more in the file than in memory": elf([program_header(filesz=2 * PAGE, memsz=PAGE)]),
    "an offset that is not its address": elf([program_header(vaddr=BASE + 0x10)]),
    "an offset beyond the file": elf([program_header(offset=1 << 30)]),
    "an offset that wraps": elf([program_header(offset=TOP, filesz=PAGE * 2, memsz=PAGE * 2)]),
    "segments over each other": elf([program_header(), program_header(flags=6, memsz=4 * PAGE)]),
    "segments in falling order": elf([program_header(vaddr=BASE + 16 * PAGE), program_header()]),
    "no access to the code": elf([program_header(flags=0)]),
    "code that is no code": elf([program_header(flags=6)]),
    "an entry at 0": elf(entry=0),
    "an entry outside": elf(entry=BASE + 64 * PAGE),
    "an entry that is not canonical": elf(entry=1 << 62),
    "an entry in the kernel": elf(entry=0xffffffff81000000),
    "an alignment of 3": elf([program_header(align=3)]),
    "position independent": elf([program_header(vaddr=0)], type=ET_DYN, entry=0x800),
    "position independent, aligned to 1 TiB": elf([program_header(vaddr=0, align=1 << 40)],
                                                  type=ET_DYN, entry=0x800),
    "position independent, of 100 TiB": elf([program_header(vaddr=0, memsz=100 << 40)],
                                            type=ET_DYN, entry=0x800),
    "an interpreter that is missing": interp(b"/no/such/interpreter\0"),
    "an interpreter without an end": interp(b"/no/such/interpreter"),
    "an empty interpreter": interp(b"\0"),
    "an interpreter of no bytes": interp(b""),
    "an interpreter beyond the end": interp(b"/bin/true\0", offset=1 << 20),
    "an interpreter with a long name": interp(b"/" + b"x" * 500 + b"\0", filesz=5000),
    "an interpreter of 2 GiB": interp(b"/x\0", filesz=1 << 31),
    "an interpreter that is a directory": interp(b"/etc\0"),
    "an interpreter that is text": interp(b"/etc/passwd\0"),
    "an interpreter that is a script": interp(WORK.encode() + b"/runnable\0"),
    "itself as its interpreter": interp(WORK.encode() + b"/elf\0"),
}
# Tried at each byte of the header and the program header.
MUTATIONS = [0x00, 0x7f, 0xff]

# Runs each file of a folder; prints how it ended.
RUN_ALL = """
import os, sys
folder = sys.argv[1]
for name in sorted(os.listdir(folder), key=int):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open("/dev/null", os.O_RDWR), 2)
        os.setuid(65534) # root may map address 0
        try:
            os.execve(folder + "/" + name, ["elf"], {})
        except OSError as e:
            os._exit(200 if e.errno == 8 else 100 + e.errno % 100)
    status = os.waitpid(pid, 0)[1]
    print(name, os.waitstatus_to_exitcode(status))
"""


def elves():
    folder = os.path.join(WORK, "elves")
    os.mkdir(folder)
    make("runnable", "#!/bin/true\n")
    make("elf", elf())
    names = list(ELVES)
    for i, name in enumerate(names):
        make("elves/%d" % i, ELVES[name])
    whole = elf()
    for at in range(64 + 56):
        for value in MUTATIONS:
            if whole[at] != value:
                make("elves/%d" % len(names), whole[:at] + bytes([value]) + whole[at + 1:])
                names.append("byte %d is %#x" % (at, value))
    argv = [sys.executable, "-c", RUN_ALL, folder]
    native, inside = run(argv), run([nacre, "do", "--", *argv])
    a, b = native.out.splitlines(), inside.out.splitlines()
    checks.check(len(a) == len(names) and len(a) == len(b), "%d ELF files" % len(names),
                 "%s, natively %s" % (inside, native))
    for name, one, other in zip(names, a, b):
        checks.check(one == other, "ELF: " + name, "%s, natively %s" % (other, one))
    # As the first program: a status and a line.
    for i, name in enumerate(ELVES):
        ended = run([nacre, "do", "--", "%s/%d" % (folder, i)])
        code = int(a[i].split()[1])
        # 102: -ENOENT, of its interpreter. What Linux kills when it is half loaded is
        # refused too, or killed when it runs.
        refused = (ended.status == (127 if code == 102 else 126) and ended.err.count("\n") == 1
                   and ended.err.startswith("nacre: "))
        ran = ended.status == (code if code >= 0 else 128 - code) and not ended.err
        good = refused if code >= 100 else refused or ran if code == -11 else ran
        checks.check(good, "ELF as the first program: " + name, "%s, natively %d" % (ended, code))
    shutil.rmtree(folder)


before = e2elib.leftovers()
mounted = e2elib.mounts()
flags_and_roots()
commands()
elves()
shutil.rmtree(WORK)
left = wait_all_gone()
checks.check(not left, "no process is left", ", ".join(map(str, left)))
left = [name for name in e2elib.leftovers() if name not in before]
checks.check(not left, "no file and no shared memory is left", ", ".join(left))
checks.check(e2elib.mounts() == mounted, "the mounts are as before")
checks.end()
