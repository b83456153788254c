# Node's http server
# needs: node
node - <<'P'
const http = require('http'), net = require('net');
const s = http.createServer((q, r) => {
  let b = '';
  q.on('data', d => b += d);
  q.on('end', () => r.end(q.method + ' ' + q.url + ' ' + b.length));
});
s.listen(0, '127.0.0.1', async () => {
  const port = s.address().port;
  const get = (path, body) => new Promise((ok, no) => {
    const q = http.request({port, host: '127.0.0.1', path, method: body ? 'POST' : 'GET'}, r => {
      let t = '';
      r.on('data', d => t += d);
      r.on('end', () => ok(r.statusCode + ' ' + t));
    });
    q.on('error', no);
    if (body) q.write(body);
    q.end();
  });
  console.log(await get('/a'));
  console.log(await get('/b', 'x'.repeat(1000000)));
  console.log((await Promise.all([...Array(100).keys()].map(i => get('/' + i)))).join(',').length);
  net.connect(1, '127.0.0.1').on('error', e => console.log(e.code));
  s.close();
});
P
