# Python http.server with urllib and curl
# needs: /usr/bin/python3 curl
echo hello >a.txt; head -c 3000000 /dev/zero | tr '\0' x >big
/usr/bin/python3 -m http.server $PORT --bind 127.0.0.1 >/dev/null 2>&1 & S=$!
until curl -s -o /dev/null http://127.0.0.1:$PORT/; do sleep 0.1; done
curl -s http://127.0.0.1:$PORT/a.txt; curl -s http://127.0.0.1:$PORT/big | md5sum
curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:$PORT/none
/usr/bin/python3 -c "
import urllib.request
u = 'http://127.0.0.1:$PORT/'
print(urllib.request.urlopen(u + 'a.txt').read(), len(urllib.request.urlopen(u + 'big').read()))"
curl -s http://localhost:$PORT/a.txt
kill $S; wait $S; echo $?
