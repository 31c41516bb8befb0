// The same service as node-server.mjs, by two workers to whom a primary hands the connections it accepted.
import cluster from 'node:cluster';

if (cluster.isPrimary) {
	cluster.setupPrimary({exec: new URL('node-server.mjs', import.meta.url).pathname});
	cluster.fork();
	cluster.fork();
} else {
	throw new Error('workers run another program');
}
