import {mkdirSync, symlinkSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {SocketTables} from '../../../../cli/control/stat/sockets.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, peer: string, state: string, inode: number): string => `   0: ${local} ${peer} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;

test('by descriptor, and by ends where the descriptor is another one by now', t => {
	const root = makeTemporaryDirectory(t);
	const directory = path.join(root, '7');
	mkdirSync(path.join(directory, 'net'), {recursive: true});
	mkdirSync(path.join(directory, 'fd'));
	writeTemporaryFile(directory, 'net/tcp', head + row('0100007F:0050', '0200007F:1F90', '01', 100) + row('0100007F:0051', '0200007F:1F91', '08', 101) + row('0100007F:0052', '0200007F:1F92', '06', 0) + row('0100007F:0053', '0200007F:1F93', 'FF', 103));
	writeTemporaryFile(directory, 'net/tcp6', head + row('00000000000000000000000001000000:0016', '0000000000000000FFFF00000A0000C0:0017', '01', 102));
	for (const [fd, inode] of [[3, 100], [4, 101], [6, 102]]) {
		symlinkSync(`socket:[${inode}]`, path.join(directory, 'fd', String(fd)));
	}

	symlinkSync('/dev/null', path.join(directory, 'fd', '5'));
	const tables = new SocketTables(root);
	const unknown = {local: '0.0.0.0:0', peer: '0.0.0.0:0'};
	t.deepEqual(tables.find(7, 3, unknown), {inode: 100, local: '127.0.0.1:80', peer: '127.0.0.2:8080', state: 'ESTAB'});
	t.is(tables.find(7, 3, {local: '127.0.0.1:81', peer: '127.0.0.2:8081'})?.state, 'CLOSE-WAIT');
	t.is(tables.find(7, 5, {local: '127.0.0.1:82', peer: '127.0.0.2:8082'})?.state, 'TIME-WAIT');
	t.is(tables.find(7, 5, {local: '127.0.0.1:83', peer: '127.0.0.2:8083'})?.state, 'UNKNOWN');
	t.is(tables.find(7, 5, unknown), undefined);
	t.deepEqual(tables.find(7, 6, unknown), {inode: 102, local: '[::1]:22', peer: '192.0.0.10:23', state: 'ESTAB'});
	t.is(tables.find(8, 3, unknown), undefined);
});
