/** An nginx with two workers and sendfile. */
import {writeFile} from 'node:fs/promises';
import {writeDocuments} from './http.js';
import {type Stage} from './stage.js';

export async function startNginx(stage: Stage, port: number): Promise<void> {
	const root = await writeDocuments(stage);
	const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${stage.directory}/${name};`);
	const path = stage.path('nginx.conf');
	await writeFile(path, `
daemon off; user www-data; worker_processes 2; pid ${stage.directory}/nginx.pid; error_log stderr warn;
events { worker_connections 256; }
http {
	access_log off; sendfile on; tcp_nopush on; keepalive_timeout 30; keepalive_requests 1000000;
	${temporary.join(' ')}
	server { listen 127.0.0.1:${port}; root ${root}; }
}
`);
	await stage.serve(['/usr/sbin/nginx', '-e', 'stderr', '-p', stage.directory, '-c', path], {port});
}
