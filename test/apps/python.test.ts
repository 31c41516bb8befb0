/** Python: http.server with a thread a connection, and asyncio streams in one thread. */
import {testApp} from './kit/app.js';
import {writeDocuments} from './kit/http.js';
import {programPath} from './kit/paths.js';

const python = '/usr/bin/python3.11';

testApp({
	name: 'python http.server',
	promoted: 4,
	async start(stage) {
		const root = await writeDocuments(stage);
		await stage.serve([python, '-m', 'http.server', '--protocol', 'HTTP/1.1', '--bind', '127.0.0.1', '--directory', root, String(stage.port)]);
	},
	async exercise(stage) {
		return {sums: await stage.output([python, programPath('python_http_client.py'), String(stage.port)])};
	},
	verify(t, outcome) {
		t.regex(String(outcome['sums']), /^0 \w{64}\n1 \w{64}\n2 \w{64}\n3 \w{64}\n$/u);
	},
});

testApp({
	name: 'python asyncio streams',
	promoted: 12,
	async start(stage) {
		await stage.serve([python, programPath('python_streams.py'), 'serve', String(stage.port)]);
	},
	async exercise(stage) {
		return {echoes: await stage.output([python, programPath('python_streams.py'), 'drive', String(stage.port)])};
	},
	verify(t, outcome) {
		t.regex(String(outcome['echoes']), /^(\d+ \w{64} b'bye\\n'\n){12}$/u);
	},
});
