# Python asyncio with 500 connections
# needs: /usr/bin/python3
/usr/bin/python3 - <<'P'
import asyncio, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
async def handle(r, w):
    while True:
        d = await r.readline()
        if not d:
            break
        w.write(d.upper())
        await w.drain()
    w.close()
async def client(port, i):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    for k in range(5):
        w.write(b"hello %d %d\n" % (i, k))
        await w.drain()
        assert await r.readline() == b"HELLO %d %d\n" % (i, k)
    w.close()
    await w.wait_closed()
    return 1
async def main():
    s = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=100)
    port = s.sockets[0].getsockname()[1]
    print(sum(await asyncio.gather(*[client(port, i) for i in range(500)])))
    s.close()
    await s.wait_closed()
asyncio.run(main())
P
