# Memcached over TCP and UDP
# needs: memcached /usr/bin/python3
memcached -l 127.0.0.1 -p $PORT -U $PORT -u $(id -un) -t 4 & S=$!
/usr/bin/python3 - <<P
import socket, time
for i in range(100):
    try:
        s = socket.create_connection(("127.0.0.1", $PORT))
        break
    except OSError:
        time.sleep(0.1)
f = s.makefile("rwb")
def cmd(b, n=1):
    f.write(b)
    f.flush()
    return [f.readline() for _ in range(n)]
print(cmd(b"set a 0 0 5\r\nhello\r\n"), cmd(b"get a\r\n", 3))
for i in range(500):
    assert cmd(b"set k%d 0 0 3\r\nabc\r\n" % i) == [b"STORED\r\n"]
print(cmd(b"incr nope 1\r\n"), cmd(b"delete a\r\n"), cmd(b"get a\r\n"))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(9)
u.connect(("127.0.0.1", $PORT))
u.send(b"\0\1\0\0\0\1\0\0get k7\r\n")
print(u.recv(2000))
P
kill $S; wait $S; echo $?
