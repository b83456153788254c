# Processes from python: subprocess, multiprocessing by fork and by spawn, signals.
# needs: python3
import concurrent.futures
import multiprocessing as mp
import os
import signal
import subprocess
import sys
import time


def square(n):
    return n * n


def fill(queue, n):
    for i in range(n):
        queue.put((i, "x" * i))
    queue.put(None)


def add(shared, lock, n):
    for _ in range(n):
        with lock:
            shared.value += 1


def show_subprocess():
    print(subprocess.run(["sh", "-c", "cat; echo err >&2; exit 5"], input=b"in\n",
                         capture_output=True))
    big = subprocess.run(["cat"], input=b"y" * 3000000, stdout=subprocess.PIPE)
    print(len(big.stdout), big.returncode)
    a = subprocess.Popen(["seq", "1", "20000"], stdout=subprocess.PIPE)
    b = subprocess.Popen(["sort", "-n", "-r"], stdin=a.stdout, stdout=subprocess.PIPE)
    a.stdout.close()
    print(b.communicate()[0][:12], a.wait(), b.returncode)
    try:
        subprocess.run(["sleep", "10"], timeout=0.1)
    except subprocess.TimeoutExpired as error:
        print(error.cmd)
    p = subprocess.Popen(["sleep", "10"])
    p.send_signal(signal.SIGTERM)
    print(p.wait())
    try:
        subprocess.run(["/nonexistent/program"])
    except OSError as error:
        print(error)
    try:
        subprocess.run(["/etc/passwd"])
    except OSError as error:
        print(error)
    for options in ({"close_fds": False}, {"start_new_session": True}, {"cwd": "/"},
                    {"preexec_fn": lambda: os.nice(3)}, {"umask": 0o77}, {"process_group": 0}
                    if sys.version_info >= (3, 11) else {}):
        print(subprocess.run("pwd | wc -c; umask; nice", shell=True, stdout=subprocess.PIPE,
                             **dict({"cwd": "/usr"}, **options)).stdout)
    r, w = os.pipe()
    print(subprocess.run(["sh", "-c", "echo to a passed one >&%d" % w], pass_fds=(w,)).returncode)
    os.close(w)
    print(os.read(r, 100))
    os.close(r)


def show_fork():
    kids = []
    for n in range(10):
        pid = os.fork()
        if pid == 0:
            os._exit(n)
        kids.append(pid)
    print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in kids])
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    print(os.WTERMSIG(os.waitpid(pid, 0)[1]))
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 9"], os.environ)
    print(os.waitpid(pid, 0)[1] >> 8)
    print(os.system("exit 4") >> 8, os.popen("echo popen").read())
    pid = os.fork()
    if pid == 0:
        signal.pause()
    os.kill(pid, signal.SIGSTOP)
    print(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]))
    os.kill(pid, signal.SIGCONT)
    print(os.WIFCONTINUED(os.waitpid(pid, os.WCONTINUED)[1]))
    os.kill(pid, signal.SIGTERM)
    print(os.WTERMSIG(os.waitpid(pid, 0)[1]))
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    print(info.si_status, info.si_code == os.CLD_EXITED, info.si_pid == pid)
    print(os.wait4(pid, 0)[1] >> 8)
    fd = os.pidfd_open(os.getpid())
    signal.pidfd_send_signal(fd, 0)
    os.close(fd)


def show_signals():
    seen = []
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, lambda n, frame: seen.append(signal.Signals(n).name))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR2)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    while len(seen) < 3:
        time.sleep(0.5)
    print(seen)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    print(signal.sigpending(), signal.sigwait([signal.SIGUSR1]))
    print(signal.sigtimedwait([signal.SIGUSR1], 0.01))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    r, w = os.pipe()
    os.set_blocking(w, False)
    signal.set_wakeup_fd(w)
    os.kill(os.getpid(), signal.SIGHUP)
    print(os.read(r, 1) == bytes([signal.SIGHUP]))
    signal.set_wakeup_fd(-1)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    start = len(seen)
    while len(seen) < start + 5:
        time.sleep(0.5)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(seen[-5:])


def show_multiprocessing():
    for method in ("fork", "spawn", "forkserver"):
        context = mp.get_context(method)
        with context.Pool(3) as pool:
            print(method, pool.map(square, range(20)))
            print(pool.apply_async(square, (12,)).get(20))
        queue = context.Queue()
        child = context.Process(target=fill, args=(queue, 50))
        child.start()
        total = 0
        while (item := queue.get()) is not None:
            total += item[0] + len(item[1])
        child.join()
        print(total, child.exitcode)
        shared, lock = context.Value("i", 0), context.Lock()
        kids = [context.Process(target=add, args=(shared, lock, 300)) for _ in range(3)]
        for kid in kids:
            kid.start()
        for kid in kids:
            kid.join()
        print(shared.value)
        left, right = context.Pipe()
        left.send({"key": [1, 2, 3]})
        print(right.recv(), right.poll(0.01))
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print(sum(pool.map(square, range(100), chunksize=10)))
    from multiprocessing import shared_memory
    block = shared_memory.SharedMemory(create=True, size=10000)
    block.buf[:5] = b"hello"
    again = shared_memory.SharedMemory(name=block.name)
    print(bytes(again.buf[:5]))
    again.close()
    block.close()
    block.unlink()
    with mp.Manager() as manager:
        table = manager.dict()
        table["a"] = 1
        print(dict(table))


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    show_subprocess()
    show_fork()
    show_signals()
    show_multiprocessing()
