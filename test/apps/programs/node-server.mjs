// Answers each request with the sum of its body and, where asked, that many bytes.
import {createHash} from 'node:crypto';
import {createServer} from 'node:http';
import process from 'node:process';

const server = createServer((request, response) => {
	const hash = createHash('sha256');
	request.on('data', data => hash.update(data));
	request.on('end', () => {
		const wanted = Number(request.headers['x-bytes'] ?? 0);
		response.setHeader('x-sum', hash.digest('hex'));
		response.end(Buffer.alloc(wanted, request.url));
	});
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2]), '127.0.0.1');
