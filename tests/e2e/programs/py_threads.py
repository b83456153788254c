# Threads and event loops of python: threading, queue, asyncio, select, poll, epoll.
# needs: python3
import asyncio
import concurrent.futures
import os
import queue
import select
import selectors
import signal
import socket
import sys
import threading
import time


def show_threads():
    lock, total = threading.Lock(), [0]

    def count():
        for _ in range(2000):
            with lock:
                total[0] += 1

    threads = [threading.Thread(target=count) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(total)
    work, done = queue.Queue(10), queue.Queue()

    def worker():
        while (n := work.get()) is not None:
            done.put(n * n)
            work.task_done()

    threads = [threading.Thread(target=worker) for _ in range(5)]
    for t in threads:
        t.start()
    for n in range(200):
        work.put(n)
    work.join()
    for t in threads:
        work.put(None)
    for t in threads:
        t.join()
    print(sum(done.get() for _ in range(200)))
    barrier, passed = threading.Barrier(8), []

    def meet():
        passed.append(barrier.wait())

    threads = [threading.Thread(target=meet) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sorted(passed))
    event = threading.Event()
    timer = threading.Timer(0.02, event.set)
    timer.start()
    print(event.wait(20), event.wait(0), threading.Event().wait(0.01))
    condition, items = threading.Condition(), []

    def consume(out):
        with condition:
            while not items:
                condition.wait()
            out.append(items.pop())

    got = []
    threads = [threading.Thread(target=consume, args=(got,)) for _ in range(4)]
    for t in threads:
        t.start()
    for n in range(4):
        with condition:
            items.append(n)
            condition.notify()
    for t in threads:
        t.join()
    print(sorted(got))
    semaphore = threading.BoundedSemaphore(2)
    with semaphore:
        print(semaphore.acquire(timeout=0.01), semaphore.acquire(timeout=0.01))
    local = threading.local()
    local.x = 1
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(list(pool.map(lambda n: (n, hasattr(local, "x")), range(5))))
    print(threading.stack_size(256 * 1024), threading.stack_size(0))
    ids = set()
    for _ in range(20):
        t = threading.Thread(target=lambda: ids.add(threading.get_native_id() != os.getpid()))
        t.start()
        t.join()
    print(ids)


def show_polling():
    a, b = socket.socketpair()
    a.setblocking(False)
    print([len(x) for x in select.select([a], [a], [a], 0)])
    b.send(b"hello")
    print([len(x) for x in select.select([a, b], [a, b], [], 1)])
    poller = select.poll()
    poller.register(a, select.POLLIN | select.POLLOUT)
    print([event for _, event in poller.poll(100)])
    a.recv(10)
    print([event for _, event in poller.poll(100)])
    ep = select.epoll()
    ep.register(a, select.EPOLLIN | select.EPOLLET)
    b.send(b"x")
    print([event for _, event in ep.poll(1)], ep.poll(0.01))
    b.send(b"y")
    print([event for _, event in ep.poll(1)])
    ep.modify(a, select.EPOLLIN | select.EPOLLONESHOT)
    print([event for _, event in ep.poll(1)], ep.poll(0.01))
    ep.modify(a, select.EPOLLIN | select.EPOLLRDHUP)
    b.shutdown(socket.SHUT_WR)
    print([event for _, event in ep.poll(1)])
    b.close()
    print([event for _, event in ep.poll(1)])
    ep.close()
    r, w = os.pipe()
    selector = selectors.DefaultSelector()
    selector.register(r, selectors.EVENT_READ, "reader")
    selector.register(w, selectors.EVENT_WRITE, "writer")
    print(sorted(key.data for key, _ in selector.select(0.1)))
    os.write(w, b"z")
    print(sorted(key.data for key, _ in selector.select(0.1)))
    os.close(r)
    try:
        os.write(w, b"z")
    except BrokenPipeError as error:
        print(error)


async def show_asyncio(path):
    async def talk(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(talk, path)

    async def client(n):
        reader, writer = await asyncio.open_unix_connection(path)
        answers = []
        for i in range(5):
            writer.write(b"client %d line %d\n" % (n, i))
            await writer.drain()
            answers.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        return answers

    for answers in await asyncio.gather(*[client(n) for n in range(8)]):
        print(answers[-1])
    server.close()
    await server.wait_closed()
    p = await asyncio.create_subprocess_exec("sort", "-r", stdin=asyncio.subprocess.PIPE,
                                             stdout=asyncio.subprocess.PIPE)
    print(await p.communicate(b"a\nc\nb\n"), p.returncode)
    kids = [await asyncio.create_subprocess_shell("exit %d" % n) for n in range(5)]
    print([await kid.wait() for kid in kids])
    loop = asyncio.get_running_loop()
    print(await loop.run_in_executor(None, time.monotonic) > 0)
    caught = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, caught.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(caught.wait(), 10)
    try:
        await asyncio.wait_for(asyncio.sleep(30), 0.02)
    except asyncio.TimeoutError:
        print("timed out")
    order = []

    async def note(n):
        await asyncio.sleep(n * 0.03)
        order.append(n)

    await asyncio.gather(*[note(n) for n in (3, 1, 2, 0)])
    print(order)


show_threads()
show_polling()
asyncio.run(show_asyncio("socket"))
