#!/usr/bin/env python3
"""Programs that talk to a terminal, driven by keys: a shell with jobs, editors and
pagers, tmux, resizing, and nacre itself as a job of a shell. Each scene is played
natively first, then in nacre.

timeout: 300
"""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time

NACRE = os.environ["NACRE"]
PATIENCE = 60

# Programs for the foreground that tell when they run there: a key that makes a signal
# would throw away what the shell has not read yet, its command.
SLEEPER = "sh -c 'echo run''ning; exec sleep 100'"
READER = "sh -c 'echo run''ning; exec cat'"


class Failed(Exception):
    pass


class Terminal:
    """A program on a pseudo terminal of its own."""

    def __init__(self, argv, env=None, rows=24, cols=80):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="PROMPT> ", TERM="xterm", LC_ALL="C", HOME="/nonexistent",
                              INPUTRC="/dev/null", **(env or {}))
            os.environ.pop("TMUX", None)
            self.resize_fd(0, rows, cols)
            os.execvp(argv[0], argv)
        self.resize(rows, cols)

    @staticmethod
    def resize_fd(fd, rows, cols):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def resize(self, rows, cols):
        self.resize_fd(self.fd, rows, cols)

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, patience=PATIENCE):
        """Waits until the screen has shown it; what came before is forgotten."""
        deadline = time.monotonic() + patience
        while True:
            m = re.search(pattern.encode(), self.seen, re.S)
            if m:
                self.seen = self.seen[m.end():]
                return m
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed("no %r after %r" % (pattern, self.seen[-400:]))
            if not select.select([self.fd], [], [], left)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                raise Failed("it ended before %r: %r" % (pattern, self.seen[-400:]))
            self.seen += data

    def line(self, text, pattern):
        """A command for a shell, and what it prints."""
        self.send(text + "\n")
        return self.expect(re.escape(text) + "\r?\n.*?" + pattern)

    def press(self, key, pattern):
        """A key, again and again until it does that: a program takes a while to come to
        the foreground, and says nothing when it has."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.send(key)
            try:
                return self.expect(pattern, 1)
            except Failed:
                if time.monotonic() > deadline:
                    raise

    def line_until(self, text, pattern):
        """A command for a shell, again and again until it prints that."""
        deadline = time.monotonic() + PATIENCE
        while True:
            shown = self.line(text, "PROMPT> ").group(0)
            if re.search(pattern.encode(), shown, re.S):
                return
            if time.monotonic() > deadline:
                raise Failed("no %r by %r: %r" % (pattern, text, shown))
            time.sleep(0.1)

    def end(self):
        """Its wait status."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if select.select([self.fd], [], [], 0.05)[0]:
                    os.read(self.fd, 65536)
            except OSError:
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return status
        raise Failed("it does not end")

    def close(self):
        os.close(self.fd)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


SCENES = []


def scene(fn):
    SCENES.append(fn)
    return fn


def needs(program):
    def wrap(fn):
        if shutil.which(program):
            SCENES.append(fn)
        return fn
    return wrap


def shell(prefix):
    t = Terminal(prefix + ["bash", "--norc", "--noediting", "-i"])
    t.expect("PROMPT> ")
    return t


@scene
def jobs_of_a_shell(prefix):
    t = shell(prefix)
    t.line("tty", "/dev/pts/[0-9]+\r\n.*PROMPT> ")
    t.line("echo $-", "i.*m.*PROMPT> ")
    t.send(SLEEPER + "\n")
    t.expect("running\r\n")
    t.send("\x03")
    t.expect("PROMPT> ")
    t.line("echo $?", "130\r\n.*PROMPT> ")
    t.send(SLEEPER + "\n")
    t.expect("running\r\n")
    t.send("\x1a")
    t.expect(r"Stopped +sh -c .*sleep 100.*PROMPT> ")
    t.line("jobs", r"Stopped +sh -c .*sleep 100.*PROMPT> ")
    t.line("bg", r"sleep 100' &.*PROMPT> ")
    t.line("jobs", r"Running +sh -c .*sleep 100' &.*PROMPT> ")
    t.send("fg\n")
    t.expect("sleep 100'\r\n")
    t.press("\x1a", r"Stopped +sh -c .*sleep 100.*PROMPT> ")
    t.line("kill %1", "PROMPT> ")
    t.line("wait", "PROMPT> ")
    t.line("jobs; echo none", "none\r\n.*PROMPT> ")
    # One that reads in the background stops.
    t.line("cat &", "PROMPT> ")
    t.line_until("jobs", r"Stopped +cat")
    t.send("fg\n")
    t.expect("cat\r\n")
    t.send("typed\n")
    t.expect("typed\r\ntyped\r\n")
    t.send("\x04")
    t.expect("PROMPT> ")
    t.line("stty tostop", "PROMPT> ")
    t.line("(echo out) &", "PROMPT> ")
    t.line_until("jobs", "Stopped")
    t.line("stty -tostop", "PROMPT> ")
    t.line("kill -9 %1; wait", "PROMPT> ")
    t.line("echo in > /dev/tty", "in\r\n.*PROMPT> ")
    t.line("setsid sh -c 'echo no > /dev/tty' 2>&1 | tr a-z A-Z", "NO SUCH DEVICE.*PROMPT> ")
    t.send("exit 7\n")
    if os.waitstatus_to_exitcode(t.end()) != 7:
        raise Failed("another exit status")
    t.close()


@scene
def line_editing(prefix):
    t = Terminal(prefix + ["bash", "--norc", "-i"])
    t.expect("PROMPT> ")
    t.send("echo wrong")
    t.send("\x15echo one two\x1b[D\x1b[D\x1b[Dand \n")
    t.expect("one and two\r\n.*PROMPT> ")
    t.send("\x10\n")
    t.expect("one and two\r\n.*PROMPT> ")
    t.send("\x04")
    t.end()
    t.close()


@scene
def resizing(prefix):
    t = shell(prefix)
    t.line("stty size", "24 80\r\n.*PROMPT> ")
    t.line("trap 'echo changed' WINCH", "PROMPT> ")
    t.resize(30, 100)
    # A trap runs when a command has ended; the signal comes when it comes.
    t.send("until stty size | grep -q '30 100'; do sleep 0.05; done\n")
    t.press("\n", "changed")
    t.line("stty size", "30 100\r\n.*PROMPT> ")
    t.line("stty cols 60; stty size", "30 60\r\n.*PROMPT> ")
    t.close()


@scene
def raw_reads(prefix):
    program = r"""
import os, sys, termios, time, tty
old = termios.tcgetattr(0)
tty.setraw(0)
def modes(vmin, vtime):
    m = termios.tcgetattr(0)
    m[6][termios.VMIN], m[6][termios.VTIME] = vmin, vtime
    termios.tcsetattr(0, termios.TCSANOW, m)
os.write(1, b"ready")
print([os.read(0, 1) for _ in range(3)], end="\r\n", flush=True)
modes(0, 0); print(os.read(0, 10), end="\r\n", flush=True)
modes(0, 2); print(os.read(0, 10), end="\r\n", flush=True)
modes(5, 0); os.write(1, b"five"); print(os.read(0, 10), end="\r\n", flush=True)
modes(5, 1); os.write(1, b"timed"); print(os.read(0, 10), end="\r\n", flush=True)
termios.tcsetattr(0, termios.TCSANOW, old)
"""
    t = Terminal(prefix + ["python3", "-c", program])
    t.expect("ready")
    t.send("a\r\x03")
    t.expect(re.escape(r"[b'a', b'\r', b'\x03']"))
    t.expect("b''\r\nb''\r\nfive")
    t.send("xy")
    time.sleep(0.3)
    t.send("zvw")
    t.expect("b'xyzvw'\r\ntimed")
    t.send("pq")
    t.expect("b'pq'")
    t.end()
    t.close()


@needs("python3")
def python_prompt(prefix):
    t = Terminal(prefix + ["python3", "-q"])
    t.expect(">>> ")
    t.send("6 * 7\n")
    t.expect("42\r\n.*>>> ")
    t.send("import time; print('na' + 'ps', flush=True); time.sleep(100)\n")
    t.expect("naps\r\n")
    t.send("\x03")
    t.expect("KeyboardInterrupt.*>>> ")
    t.send("\x1b[A\x1b[A\n")
    t.expect("42\r\n.*>>> ")
    t.send("\x04")
    t.end()
    t.close()


@needs("less")
def less(prefix):
    t = Terminal(prefix + ["less", "/etc/services"])
    t.expect("/etc/services")
    t.send("/^ssh\n")
    t.expect("ssh")
    t.send("G")
    t.expect(r"\(END\)")
    t.send("q")
    if os.waitstatus_to_exitcode(t.end()) != 0:
        raise Failed("another exit status")
    t.close()


@needs("vim")
def vim(prefix):
    with tempfile.TemporaryDirectory() as d:
        t = shell(prefix)
        t.send("vim -u NONE %s/file; cat %s/file\n" % (d, d))
        t.expect(r"\[New")  # it has drawn its screen
        t.send("iwritten in vim\x1b")
        t.send(":wq\n")
        t.expect("15 bytes written.*written in vim\r\n.*PROMPT> ")
        t.close()


@needs("top")
def top(prefix):
    t = Terminal(prefix + ["top", "-d", "1"])
    t.expect("PID")
    t.send("q")
    t.end()
    t.close()


@needs("tmux")
def tmux(prefix):
    with tempfile.TemporaryDirectory() as d:
        t = shell(prefix)
        sock = d + "/s"
        # It would take keys that come at once for pasted.
        with open(d + "/conf", "w") as f:
            f.write("set -g assume-paste-time 0\n")
        t.send("tmux -f " + d + "/conf -S %s new -s one 'PS1=\"IN$ \" bash --norc --noediting -i'\n" % sock)
        t.expect(r"IN\$ ")
        t.send("echo a$((1+1))b\n")
        t.expect("a2b")
        t.send("\x02%")  # a second pane
        t.send("tty; echo pane $((20+3))\n")
        t.expect("pane 23")
        t.send("\x02d")
        t.expect(r"detached.*PROMPT> ")
        t.line("tmux -S %s ls" % sock, "one: 1 windows.*PROMPT> ")
        t.send("tmux -S %s attach\n" % sock)
        t.expect("pane 23")
        t.send("\x02:")
        t.expect(r"\[43m(\x1b\[[0-9;]*H)?\s*:")  # until it asks, keys are the pane's
        t.send("kill-server\r")
        t.expect("exited.*PROMPT> ")
        t.close()


@needs("script")
def script(prefix):
    t = shell(prefix)
    t.line("script -qc 'tty; stty -a' /dev/null | head -2", "/dev/pts/[0-9]+\r+\n.*speed.*PROMPT> ")
    t.close()


def as_a_job(prefix):
    """nacre is a job of an ordinary shell outside."""
    t = shell([])
    command = " ".join(prefix)
    t.send("%s %s\n" % (command, SLEEPER))
    t.expect("running\r*\n")
    t.press("\x1a", r"Stopped .*PROMPT> ")
    t.line("jobs", r"Stopped .*sleep 100.*PROMPT> ")
    t.line("bg", "PROMPT> ")
    t.line("jobs", r"Running .*sleep 100' &.*PROMPT> ")
    t.send("fg\n")
    t.expect("sleep 100'\r\n")
    t.press("\x03", "PROMPT> ")
    t.line("echo $?", "130\r\n.*PROMPT> ")
    # Stopped while it reads, and again in the background, then brought back.
    t.send("%s %s\n" % (command, READER))
    t.expect("running\r*\n")
    t.press("\x1a", r"Stopped .*PROMPT> ")
    t.line("bg", "PROMPT> ")
    t.line_until("jobs", "Stopped")
    t.line("echo mine", "mine\r\n.*PROMPT> ")
    t.send("fg\n")
    t.expect("exec cat'\r\n")
    t.send("for cat\n")
    t.expect("for cat\r\nfor cat\r\n")
    t.send("\x04")
    t.expect("PROMPT> ")
    # Started in the background.
    t.line("%s cat &" % command, "PROMPT> ")
    t.line_until("jobs", "Stopped")
    t.send("fg\n")
    t.expect("cat\r\n")
    t.send("again\n")
    t.expect("again\r\nagain\r\n")
    t.send("\x04")
    t.expect("PROMPT> ")
    # What is typed ahead is the shell's.
    t.send("%s true\necho typed ahead\n" % command)
    t.expect("PROMPT> .*typed ahead\r\n.*PROMPT> ")
    # A program that dies with the terminal raw leaves it as it was.
    if prefix:
        t.line("%s sh -c 'stty raw -echo; kill -9 $$'" % command, "Killed.*PROMPT> |.*PROMPT> ")
        t.line("stty -a | tr ';' '\\n' | grep -c -w -e icanon -e echo", "[12]\r\n.*PROMPT> ")
    t.close()


SCENES.append(as_a_job)


def play(fn, prefix):
    try:
        fn(prefix)
    except (Failed, OSError) as e:
        return str(e)
    return None


passed = failed = 0
for fn in SCENES:
    why = play(fn, [])
    if why:
        print("%s: natively: %s" % (fn.__name__, why))
    else:
        why = play(fn, [NACRE, "do", "--"])
        if why:
            print("%s: %s" % (fn.__name__, why))
    passed, failed = passed + (not why), failed + bool(why)
print("%d passed, %d failed, 0 skipped" % (passed, failed))
sys.exit(failed != 0)
