/** Many requests over a few kept connections, and a large upload that comes back. */
import {createHash} from 'node:crypto';
import {Buffer} from 'node:buffer';
import http from 'node:http';
import process from 'node:process';

const agent = new http.Agent({keepAlive: true, maxSockets: 4});

function send(body) {
	return new Promise((resolve, reject) => {
		const request = http.request({host: '127.0.0.1', port: process.argv[2], method: 'POST', agent}, async response => {
			const chunks = [];
			for await (const chunk of response) {
				chunks.push(chunk);
			}

			resolve(Buffer.concat(chunks));
		});
		request.on('error', reject);
		request.end(body);
	});
}

const bodies = Array.from({length: 300}, (_, index) => Buffer.alloc(index * 50, String(index)));
const replies = await Promise.all(bodies.map(body => send(body)));
console.log(`${replies.length} replies, equal ${replies.every((reply, index) => reply.equals(bodies[index]))}`);
const upload = Buffer.alloc(5_000_000, 'some bytes ');
const back = await send(upload);
console.log(`upload ${createHash('sha256').update(back).digest('hex')} ${back.equals(upload)}`);
agent.destroy();
