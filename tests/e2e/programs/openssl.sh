# openssl, gpg and the digest tools.
# needs: openssl
seq 1 10000 >data
for d in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -$d data; done
openssl genrsa -out key 2048 2>/dev/null; openssl rsa -in key -check -noout; openssl rsa -in key -pubout -out pub 2>/dev/null; openssl dgst -sha256 -sign key -out sig data && openssl dgst -sha256 -verify pub -signature sig data
openssl req -x509 -key key -subj /CN=nacre -days 1 -out cert 2>/dev/null && openssl x509 -in cert -noout -subject && openssl verify -CAfile cert cert
openssl enc -aes-256-cbc -pbkdf2 -k pass -in data -out enc && openssl enc -d -aes-256-cbc -pbkdf2 -k pass -in enc | cmp - data && echo decrypted
openssl ecparam -name prime256v1 -genkey -noout -out ec && openssl ec -in ec -check -noout 2>&1 | tail -n 1; openssl rand -hex 16 | wc -c; openssl passwd -6 -salt salt word; openssl prime 97; openssl base64 <<<x; openssl s_client -connect 127.0.0.1:1 </dev/null >/dev/null 2>&1; echo $?; openssl x509 -in none 2>/dev/null; echo $?
command -v gpg >/dev/null && { mkdir -m 700 gh; export GNUPGHOME=$PWD/gh; gpg --batch -q --passphrase '' --quick-gen-key nacre rsa2048 2>/dev/null; echo "gen $?"; gpg --batch -q --armor --sign -o signed data 2>/dev/null; gpg --batch -q --verify signed 2>/dev/null; echo "verify $?"; gpg --batch -q -e -r nacre -o e data 2>/dev/null && gpg --batch -q -d e 2>/dev/null | cmp - data && echo gpg; gpg --print-md sha1 <data; gpgconf --kill all; }
ssh-keygen -q -t ed25519 -N '' -f id 2>/dev/null; ssh-keygen -l -f id.pub | awk '{ print $1, $4 }'; command -v ssh-agent >/dev/null && { eval "$(ssh-agent -a sock)" >/dev/null; ssh-add -q id 2>/dev/null; ssh-add -l | awk '{ print $1 }'; ssh-agent -k >/dev/null; echo agent; }
curl -s "file://$PWD/data" | md5sum; curl -s file:///nonexistent; echo $?
exit 0
