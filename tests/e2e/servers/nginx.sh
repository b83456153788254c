# Nginx with ab and wrk
# needs: /usr/sbin/nginx ab wrk curl
D=$PWD; chmod 755 $D; mkdir html logs
head -c 1024 /dev/zero | tr '\0' y >html/k; echo index >html/index.html
cat >nginx.conf <<C
worker_processes 3; pid $D/pid; error_log $D/logs/err; daemon off;
$([ $(id -u) = 0 ] && echo 'user root;')
events { worker_connections 512; }
http { access_log off; client_body_temp_path $D/t1; proxy_temp_path $D/t2;
 fastcgi_temp_path $D/t3; uwsgi_temp_path $D/t4; scgi_temp_path $D/t5;
 server { listen 127.0.0.1:$PORT reuseport; root $D/html;
  location /p/ { proxy_pass http://127.0.0.1:$PORT/; } } }
C
/usr/sbin/nginx -p $D -c $D/nginx.conf 2>/dev/null & S=$!
U=http://127.0.0.1:$PORT; i=0
until curl -s -o /dev/null $U/; do sleep 0.1; i=$((i+1)); [ $i -gt 99 ] && { cat logs/err; exit 1; }; done
curl -s $U/; curl -s $U/k | md5sum; curl -s $U/p/k | md5sum
ab -q -n 1000 -c 20 $U/k 2>&1 | grep -E "Complete requests|Failed|Non-2xx|HTML tran"
ab -q -k -n 2000 -c 20 $U/k 2>&1 | grep -E "Complete requests|Failed|Non-2xx|HTML tran"
wrk -t2 -c20 -d1s $U/k 2>&1 | grep -E "Socket errors|Non-2xx"
kill -HUP $S; sleep 0.5; curl -s $U/
kill -QUIT $S; wait $S; echo $?
