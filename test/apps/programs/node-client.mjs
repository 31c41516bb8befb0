// Posts bodies of many sizes over kept connections, some in pieces, and prints the sums of what came back.
import {createHash} from 'node:crypto';
import {Agent, request} from 'node:http';
import process from 'node:process';

const port = Number(process.argv[2]);
const agent = new Agent({keepAlive: true, maxSockets: 6});
const sizes = [0, 1, 100, 5000, 66_000, 1_000_000];

function post(index) {
	return new Promise((resolve, reject) => {
		const body = Buffer.alloc(sizes[index % sizes.length], `body ${index}`);
		const wanted = sizes[(index * 5) % sizes.length];
		const outgoing = request({port, host: '127.0.0.1', agent, method: 'POST', path: `/${index}`, headers: {'x-bytes': wanted}}, response => {
			const hash = createHash('sha256');
			let length = 0;
			response.on('data', data => {
				hash.update(data);
				length += data.length;
			});
			response.on('error', reject);
			response.on('end', () => {
				const isRight = response.headers['x-sum'] === createHash('sha256').update(body).digest('hex');
				resolve(`${index} ${response.statusCode} ${isRight} ${length} ${hash.digest('hex')}`);
			});
		});
		outgoing.on('error', reject);
		for (let at = 0; at < body.length; at += 60_000) {
			outgoing.write(body.subarray(at, at + 60_000));
		}

		outgoing.end();
	});
}

const lines = await Promise.all(Array.from({length: 240}, (_, index) => post(index)));
console.log(lines.join('\n'));
agent.destroy();
