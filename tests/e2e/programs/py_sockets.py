# AF_UNIX sockets from python: streams, datagrams, descriptors, http.server, socketserver.
# needs: python3
import array
import http.client
import http.server
import os
import socket
import socketserver
import struct
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"you asked for " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(b"%d bytes" % len(data))

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("http.sock")


def show_http():
    server = Server("http.sock", Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for n in range(5):
        c = Connection("localhost")
        c.request("GET", "/page/%d" % n)
        answer = c.getresponse()
        print(answer.status, answer.read())
        c.close()
    c = Connection("localhost")
    c.request("POST", "/", body=b"x" * 1000000)
    print(c.getresponse().read())
    c.close()
    server.shutdown()
    thread.join()
    server.server_close()


def show_streams():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("s")
    listener.listen(5)
    client = socket.socket(socket.AF_UNIX)
    client.connect("s")
    server, address = listener.accept()
    print(repr(address), server.getsockname(), client.getpeername())
    pid, uid, gid = struct.unpack("3i", server.getsockopt(socket.SOL_SOCKET,
                                                          socket.SO_PEERCRED, 12))
    print(pid == os.getpid(), uid == os.getuid(), gid == os.getgid())
    client.sendall(b"one two")
    print(server.recv(3), server.recv(10, socket.MSG_PEEK), server.recv(10))
    r, w = os.pipe()
    socket.send_fds(client, [b"descriptors"], [r, w])
    data, fds, flags, _ = socket.recv_fds(server, 100, 5)
    os.write(fds[1], b"through a passed pipe")
    print(data, len(fds), flags, os.read(r, 100))
    client.setblocking(False)
    sent = 0
    try:
        while True:
            sent += client.send(b"x" * 10000)
    except BlockingIOError as error:
        print(error, sent > 0)
    client.close()
    got = 0
    while chunk := server.recv(65536):
        got += len(chunk)
    print(got == sent)
    try:
        server.send(b"x")
    except OSError as error:
        print(error)
    for bad in (lambda: socket.socket(socket.AF_UNIX).connect("nothing"),
                lambda: socket.socket(socket.AF_UNIX).bind("s"),
                lambda: socket.socket(socket.AF_UNIX).recv(1),
                lambda: socket.socket(socket.AF_UNIX).bind("/nonexistent/s")):
        try:
            bad()
        except OSError as error:
            print(error)
    listener.settimeout(0.02)
    try:
        listener.accept()
    except TimeoutError as error:
        print(error)
    listener.close()
    try:
        socket.socket(socket.AF_UNIX).connect("s")
    except OSError as error:
        print(error)
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0nacre-test-%d" % os.getpid())
    abstract.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(abstract.getsockname())
    print(abstract.getsockname()[:12])


def show_datagrams():
    a = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    b = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    a.bind("a")
    b.bind("b")
    a.sendto(b"first", "b")
    a.sendto(b"", "b")
    a.sendto(b"a long datagram", "b")
    print(b.recvfrom(100), b.recvfrom(100), b.recvmsg(6)[:3])
    c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    c.send(b"packet one")
    c.send(b"two")
    print(d.recv(4), d.recv(100))
    c.close()
    print(d.recv(100))
    e, f = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    f.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    e.send(b"who am I")
    _, ancillary, _, _ = f.recvmsg(100, socket.CMSG_SPACE(12))
    print([(level, kind, struct.unpack("3i", data)[0] == os.getpid())
           for level, kind, data in ancillary])
    print(e.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE), e.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    fds = array.array("i", [0, 1, 2])
    e.sendmsg([b"x", b"yz"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    data, ancillary, flags, _ = f.recvmsg(10, 16)
    print(data, flags & socket.MSG_CTRUNC != 0)


show_streams()
show_datagrams()
show_http()
