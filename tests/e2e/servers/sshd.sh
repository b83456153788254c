# Sshd with ssh
# needs: /usr/sbin/sshd ssh ssh-keygen
D=$PWD; chmod 755 $D; mkdir -p /run/sshd 2>/dev/null
ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f id
cp id.pub auth; chmod 600 auth
cat >cfg <<C
Port $PORT
ListenAddress 127.0.0.1
HostKey $D/host
AuthorizedKeysFile $D/auth
PidFile $D/pid
StrictModes no
UsePAM no
PermitRootLogin yes
C
/usr/sbin/sshd -D -e -f $D/cfg 2>sshd.log & S=$!
SSH="ssh -F none -i $D/id -p $PORT -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
SSH="$SSH -o LogLevel=ERROR $(id -un)@127.0.0.1"; i=0
until $SSH true 2>err; do
	sleep 0.2; i=$((i+1)); [ $i -gt 30 ] && { cat err sshd.log; kill $S; exit 1; }
done
$SSH echo from inside; echo data | $SSH 'cat; exit 7'; echo $?
head -c 2000000 /dev/zero | $SSH md5sum
$SSH -tt 'test -t 0 && echo a terminal; stty size' </dev/null 2>/dev/null | tr -d '\r'
kill $S; wait $S; echo $?
