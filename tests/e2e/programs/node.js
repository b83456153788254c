// node: files, child processes, workers, streams, unix sockets, timers, crypto.
// needs: node
const fs = require('fs'), path = require('path'), os = require('os'), zlib = require('zlib');
const { execFileSync, spawn, spawnSync, fork, exec } = require('child_process');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), net = require('net'), http = require('http'), util = require('util');

if (!isMainThread) {
	let sum = 0;
	for (let i = 0; i < workerData; i++) sum += i;
	parentPort.postMessage(sum);
} else if (process.argv[2] === 'child') {
	process.on('message', (m) => { process.send({ doubled: m.n * 2 }); process.disconnect(); });
} else {
	main().then(() => console.log('end'), (e) => { console.log(e); process.exit(1); });
}

async function main() {
	fs.mkdirSync('a/b/c', { recursive: true });
	fs.writeFileSync('a/f', 'x'.repeat(100000));
	fs.appendFileSync('a/f', 'end');
	fs.copyFileSync('a/f', 'a/b/g');
	fs.symlinkSync('f', 'a/s');
	fs.utimesSync('a/f', 1000, 2000);
	console.log(fs.statSync('a/f').size, fs.statSync('a/s').mtimeMs, fs.readlinkSync('a/s'));
	console.log(fs.readdirSync('a').sort(), fs.existsSync('none'));
	try { fs.readFileSync('none'); } catch (e) { console.log(e.code, e.syscall); }
	try { fs.rmdirSync('a'); } catch (e) { console.log(e.code); }
	const fh = await fs.promises.open('a/f', 'r+');
	await fh.truncate(10);
	console.log((await fh.stat()).size, (await fh.read(Buffer.alloc(5), 0, 5, 2)).bytesRead);
	await fh.close();
	await Promise.all([...Array(50).keys()].map((i) => fs.promises.writeFile(`a/n${i}`, String(i))));
	console.log((await fs.promises.readdir('a')).length);
	fs.rmSync('a', { recursive: true });
	console.log(execFileSync('seq', ['1', '3']).toString(), spawnSync('sh', ['-c', 'exit 4']).status);
	console.log(spawnSync('sleep', ['10'], { timeout: 100 }).signal);
	const cat = spawn('tr', ['a-z', 'A-Z']);
	let out = '';
	cat.stdout.on('data', (d) => { out += d; });
	cat.stdin.end('through pipes');
	await new Promise((r) => cat.on('close', (code) => { console.log(out, code); r(); }));
	console.log(await util.promisify(exec)('echo out; echo err >&2'));
	const kid = fork(__filename, ['child']);
	kid.send({ n: 21 });
	await new Promise((r) => { kid.on('message', (m) => console.log(m)); kid.on('exit', (c) => { console.log('exit', c); r(); }); });
	const sums = await Promise.all([1000, 2000, 3000].map((n) => new Promise((r, bad) => {
		const w = new Worker(__filename, { workerData: n });
		w.on('message', r); w.on('error', bad);
	})));
	console.log(sums);
	const server = http.createServer((q, s) => { s.end('path ' + q.url); });
	await new Promise((r) => server.listen('sock', r));
	for (let i = 0; i < 3; i++) {
		console.log(await new Promise((r) => http.get({ socketPath: 'sock', path: '/' + i }, (s) => {
			let b = ''; s.on('data', (d) => { b += d; }); s.on('end', () => r(b)); })));
	}
	await new Promise((r) => server.close(r));
	console.log(fs.existsSync('sock'));
	const data = Buffer.alloc(500000, 'abc');
	console.log((await util.promisify(zlib.gunzip)(await util.promisify(zlib.gzip)(data))).equals(data));
	console.log(crypto.createHash('sha256').update(data).digest('hex'), crypto.randomBytes(8).length);
	console.log((await util.promisify(crypto.pbkdf2)('p', 's', 1000, 16, 'sha1')).toString('hex'));
	const ticks = [];
	await new Promise((r) => { setTimeout(() => { ticks.push('late'); r(); }, 30); setImmediate(() => ticks.push('immediate')); process.nextTick(() => ticks.push('tick')); });
	console.log(ticks);
	process.on('SIGUSR2', () => console.log('SIGUSR2'));
	process.kill(process.pid, 'SIGUSR2');
	await new Promise((r) => setTimeout(r, 50));
	await require('stream').promises.pipeline(fs.createReadStream('/etc/passwd'), zlib.createGzip(), zlib.createGunzip(), fs.createWriteStream('copy'));
	console.log(fs.readFileSync('copy').equals(fs.readFileSync('/etc/passwd')));
	const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
	console.log((await WebAssembly.instantiate(wasm)).instance.exports.add(2, 3));
	console.log(os.platform(), os.cpus().length > 0, os.totalmem() > 0, process.memoryUsage().rss > 0, process.cwd() === fs.realpathSync('.'));
	let n = 0;
	for (let i = 0; i < 3e6; i++) n = (n * 31 + i) | 0;
	console.log(n, [...Array(200000).keys()].map((x) => ({ x })).length);
}
