import process from 'node:process';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {execa} from 'execa';
import {preloadLibrary} from '../../../../cli/native.js';

const index = fileURLToPath(new URL('../../../../cli/control/rsocket/rsocket.js', import.meta.url));

/** Runs a module that has `rsocket` and `net`; anything but exit code 0 within 20 s fails. */
async function runScript(script: string, env: Record<string, string> = {}): Promise<string> {
	const preamble = `import net from 'node:net'; import {once} from 'node:events'; import {readdirSync} from 'node:fs'; import * as rsocket from ${JSON.stringify(index)};\n`;
	const {stdout} = await execa(process.execPath, ['--input-type=module', '-e', preamble + script], {env, timeout: 20_000, killSignal: 'SIGKILL'});
	return stdout;
}

/** The same for `net` and for ours; prints what it prints. */
function bothExit(title: string, script: string, expected: string): void {
	for (const api of ['net', 'rsocket']) {
		test.serial(`${api}: ${title}`, async t => {
			const stdout = await runScript(`const api = ${api};\n${script}`);
			t.is(stdout, expected);
		});
	}
}

const listening = `
const server = api.createServer(socket => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
await once(server, 'listening');
const client = api.createConnection(server.address().port, '127.0.0.1');
await once(client, 'connect');
client.write('x');
await once(client, 'data');
`;

bothExit('a process ends when all is closed', `${listening}
client.end(); server.close(); process.on('exit', () => console.log('ended'));`, 'ended');

bothExit('a process ends when all is unreferenced', `
const server = api.createServer(socket => socket.unref()).listen(0, '127.0.0.1').unref();
server.on('listening', () => {
	const client = api.createConnection(server.address().port, '127.0.0.1').unref();
	client.on('connect', () => console.log('connected'));
});
setTimeout(() => {}, 200);
process.on('exit', () => console.log('ended'));`, 'connected\nended');

bothExit('ref after unref keeps it', `${listening}
client.unref(); server.unref(); client.ref();
setTimeout(() => { console.log('kept'); client.destroy(); server.close(); }, 100).unref();
client.on('close', () => console.log('closed'));`, 'kept\nclosed');

bothExit('a paused socket does not keep it', `
const server = api.createServer({pauseOnConnect: true}, socket => { server.close(); }).listen(0, '127.0.0.1');
server.on('listening', () => { api.createConnection(server.address().port, '127.0.0.1').pause(); });
process.on('exit', () => console.log('ended'));`, 'ended');

bothExit('process.exit in the middle of a transfer', `${listening}
client.resume();
const fill = () => { while (client.write(Buffer.alloc(100_000))); };
client.on('drain', fill); fill();
setTimeout(() => { console.log('exits'); process.exit(0); }, 100);`, 'exits');

bothExit('a listener that throws', `
process.on('uncaughtException', error => console.log(error.message));
const server = api.createServer(socket => socket.end('x')).listen(0, '127.0.0.1');
await once(server, 'listening');
api.createConnection(server.address().port, '127.0.0.1').on('data', () => { throw new Error('thrown'); });
api.createConnection(server.address().port, '127.0.0.1').on('data', () => {}).on('close', () => { server.close(); setTimeout(() => console.log('goes on'), 50); });
`, 'thrown\ngoes on');

test.serial('a listener that throws ends the process', async t => {
	const {exitCode, stderr} = await execa(process.execPath, ['--input-type=module', '-e', `
import * as rsocket from ${JSON.stringify(index)};
const server = rsocket.createServer(() => { throw new Error('thrown'); }).listen(0, '127.0.0.1', () => rsocket.createConnection(server.address().port, '127.0.0.1'));`], {reject: false, timeout: 20_000});
	t.is(exitCode, 1);
	t.regex(stderr, /Error: thrown/);
});

test.serial('no thread before the first socket, and one of them', async t => {
	const stdout = await runScript(`
const threads = () => readdirSync('/proc/self/task').length;
const before = threads();
const server = rsocket.createServer().listen(0, '127.0.0.1', () => {
	rsocket.createConnection(server.address().port, '127.0.0.1', () => { console.log(threads() - before); process.exit(); });
});
console.log(threads() - before);`);
	t.is(stdout, '1\n1');
});

test.serial('worker threads come and go', async t => {
	const stdout = await runScript(`
import {Worker} from 'node:worker_threads';
const code = \`
import {parentPort} from 'node:worker_threads';
import(\${JSON.stringify(${JSON.stringify(index)})}).then(rsocket => {
	const server = rsocket.createServer(socket => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
		const client = rsocket.createConnection(server.address().port, '127.0.0.1', () => client.write('ping'));
		let count = 0;
		client.on('data', bytes => { client.write(bytes); if (++count === 50) parentPort.postMessage(client.carrier().send); });
	});
});\`;
for (let round = 0; round < 3; round++) {
	const workers = [1, 2, 3].map(() => new Worker(code, {eval: true}));
	const messages = await Promise.all(workers.map(async worker => (await once(worker, 'message'))[0]));
	await Promise.all(workers.map(worker => worker.terminate()));
	console.log(messages.join(' '));
}`);
	t.is(stdout, 'shm shm shm\n'.repeat(3).trim());
});

test.serial('under librspreload.so too: one engine, and net finds us', async t => {
	const stdout = await runScript(`
const server = net.createServer(socket => socket.pipe(socket)).listen(0, '127.0.0.1');
await once(server, 'listening');
const client = rsocket.createConnection(server.address().port, '127.0.0.1');
for (let count = 0; count < 40; count++) {
	client.write('ping');
	await once(client, 'data');
}
console.log(client.carrier().send, client.carrier().recv, client.carrier().reason);
client.end();
server.close();`, {LD_PRELOAD: preloadLibrary});
	t.is(stdout, 'shm shm promoted');
});

test.serial('children are started while connections are open', async t => {
	const stdout = await runScript(`
import {execFileSync, spawn} from 'node:child_process';
const api = rsocket;
${listening}
for (let count = 0; count < 20; count++) {
	client.write('ping');
	await once(client, 'data');
}
console.log(execFileSync('/bin/echo', ['child']).toString().trim());
const child = spawn('/bin/cat', [], {stdio: ['pipe', 'inherit', 'inherit']});
client.write('still');
console.log(String((await once(client, 'data'))[0]));
child.stdin.end('cat');
await once(child, 'close');
console.log(client.carrier().send);
client.end(); server.close();`);
	t.regex(stdout, /^child\nstill\ncat\n?(shm|tcp)$/);
});

test.serial('without the library', async t => {
	const stdout = await runScript(`
import {loadNative} from ${JSON.stringify(new URL('../../../../cli/native.js', import.meta.url).href)};
try { loadNative().rsockets('/nowhere/librsocket.so', () => {}); } catch (error) { console.log(error.message); }`);
	t.regex(stdout, /\/nowhere\/librsocket.so/);
});
