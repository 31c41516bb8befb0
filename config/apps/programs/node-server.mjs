/** An HTTP server that answers with what it got; with "cluster", two workers that get their connections from the first process. */
import cluster from 'node:cluster';
import http from 'node:http';
import process from 'node:process';

const [port, kind] = process.argv.slice(2);
if (kind === 'cluster' && cluster.isPrimary) {
	cluster.schedulingPolicy = cluster.SCHED_RR;
	let listening = 0;
	cluster.on('listening', () => {
		if (++listening === 2) {
			console.log('ready');
		}
	});
	cluster.fork();
	cluster.fork();
	process.on('SIGTERM', () => process.exit());
} else {
	http.createServer((request, response) => {
		response.setHeader('x-method', request.method);
		request.pipe(response);
	}).listen(Number(port), '127.0.0.1');
}
