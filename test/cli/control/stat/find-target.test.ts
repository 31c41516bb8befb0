import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {findTarget} from '../../../../cli/control/stat/find-target.js';
import {liveConnection} from '../../helpers/live-connection.js';

const connections = [
	liveConnection({pid: 7, fd: 80, local: '127.0.0.1:5000', peer: '127.0.0.1:80'}),
	liveConnection({pid: 8, fd: 80, local: '127.0.0.1:80', peer: '127.0.0.1:5000'}),
	liveConnection({pid: 8, fd: 9, local: '[::1]:443', peer: '[::1]:5001'}),
	liveConnection({pid: 8, fd: 10, local: '10.0.0.1:8080', peer: '-'}),
	liveConnection({pid: 9, fd: 3, local: '[2001:db8::1]:22', peer: '[2001:db8::2]:180'}),
];

async function find(text: string): Promise<string[]> {
	return (await findTarget(text, connections)).map(({pid, fd}) => `${pid}:${fd}`);
}

test('a process and a descriptor', async t => {
	t.deepEqual(await find('8:80'), ['8:80']);
	t.deepEqual(await find('8:9'), ['8:9']);
});

test('an address at either end', async t => {
	t.deepEqual(await find('127.0.0.1:80'), ['7:80', '8:80']);
	t.deepEqual(await find('127.0.0.1:5000'), ['7:80', '8:80']);
	t.deepEqual(await find('10.0.0.1:8080'), ['8:10']);
});

test('IPv6, however it is spelled', async t => {
	for (const text of ['[::1]:443', '::1:443', '[0:0:0:0:0:0:0:1]:443', '[0::1]:443']) {
		t.deepEqual(await find(text), ['8:9'], `${text}`);
	}

	t.deepEqual(await find('[2001:DB8:0::2]:180'), ['9:3']);
	t.deepEqual(await find('[2001:db8::1%lo]:22'), ['9:3']);
});

test('IPv4 within IPv6 is IPv4, as connections show it', async t => {
	t.deepEqual(await find('[::ffff:127.0.0.1]:80'), ['7:80', '8:80']);
	t.deepEqual(await find('[::ffff:7f00:1]:80'), ['7:80', '8:80']);
});

test('a port alone, at any address', async t => {
	t.deepEqual(await find(':80'), ['7:80', '8:80']);
	t.deepEqual(await find('*:5001'), ['8:9']);
});

test('a name', async t => {
	t.true((await find('localhost:80')).includes('8:80'));
});

test('what cannot be seen is told with where to look', async t => {
	for (const text of ['7:81', '9999:3', '127.0.0.2:80', ':1', '[::1]:80']) {
		const error = await t.throwsAsync(find(text), {instanceOf: CliError}, `${text}`);
		t.like(error, {code: 'no-connection', exitCode: 1, message: `no connection that can be seen is ${text}`});
		t.regex(error?.remedy ?? '', /^rsstat lists those that can\./);
	}
});

test('what is no target is told with examples', async t => {
	for (const text of ['', 'redis', '127.0.0.1', '127.0.0.1:', ':', '7:', '127.0.0.1:http', '[::1]', '127.0.0.1:80 ', '-7:3']) {
		const error = await t.throwsAsync(find(text), {instanceOf: CliError}, `${text}`);
		t.true(error?.code === 'usage' || error?.code === 'no-address', `${text}`);
		t.regex(error?.remedy ?? '', /^Give /);
	}
});

test('a name without an address', async t => {
	const error = await t.throwsAsync(find('no-such-name.invalid:80'), {instanceOf: CliError});
	t.is(error?.code, 'no-address');
	t.regex(error?.message ?? '', /^no-such-name\.invalid is no address and has none \(E\w+\)$/);
});
