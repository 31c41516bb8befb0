/** OpenSSH: a server that re-executes itself per connection and sandboxes its first half, and a client with pipes on its other side. */
import {createHash, randomBytes} from 'node:crypto';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {type Outcome, testApp} from './kit/app.js';
import {promotingMixes} from './kit/mix.js';
import {type Stage} from './kit/stage.js';

// Its privilege separation insists on this directory.
const emptyRoot = '/run/sshd';

/* sshd hands an accepted connection to its re-executed self on descriptors 0 and 1, and a socket there is never
 * promoted: "-r" keeps it from re-executing, but then its system-call filters keep the connection on TCP. */
for (const {name, flags, ...rest} of [
	{name: 'openssh', flags: [], promoted: 0, handsOn: true},
	{name: 'openssh, sshd not re-executing', flags: ['-r'], promoted: 0, mixes: promotingMixes},
]) {
	testApp({
		name,
		...rest,
		async start(stage) {
			if (!existsSync(emptyRoot)) {
				mkdirSync(emptyRoot, {mode: 0o755});
			}

			await configure(stage);
			await stage.serve(['/usr/sbin/sshd', '-D', '-e', ...flags, '-f', stage.path('sshd_config')]);
		},
		exercise: useShell,
		verify(t, outcome) {
			t.like(outcome, {
				exitCode: 7, copied: true, fetched: true, listing: 'ends 3', interactive: 500, piped: true,
			});
		},
	});
}

async function configure(stage: Stage): Promise<void> {
	await Promise.all(['host', 'user'].map(async name => stage.prepare(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', stage.path(name)])));
	writeFileSync(stage.path('authorized'), readFileSync(stage.path('user.pub')));
	writeFileSync(stage.path('sshd_config'), `
Port ${stage.port}
ListenAddress 127.0.0.1
HostKey ${stage.path('host')}
PidFile ${stage.path('sshd.pid')}
AuthorizedKeysFile ${stage.path('authorized')}
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
`);
	writeFileSync(stage.path('ssh_config'), `
Host there
	HostName 127.0.0.1
	Port ${stage.port}
	User root
	IdentityFile ${stage.path('user')}
	IdentitiesOnly yes
	UserKnownHostsFile ${stage.path('known')}
	StrictHostKeyChecking no
	LogLevel ERROR
`);
}

async function useShell(stage: Stage): Promise<Outcome> {
	const data = randomBytes(8_000_000);
	const ssh = ['ssh', '-F', stage.path('ssh_config'), 'there'];
	const scp = ['scp', '-q', '-F', stage.path('ssh_config')];
	writeFileSync(stage.path('up'), data);
	const exit = await stage.run([...ssh, 'echo out; echo err >&2; exit 7']);
	await stage.output([...scp, stage.path('up'), `there:${stage.path('there')}`]);
	await stage.output([...scp, `there:${stage.path('there')}`, stage.path('down')]);
	const lines = Array.from({length: 500}, (_, index) => `line ${index}\n`).join('');
	return {
		exitCode: exit.status,
		exitOutput: exit.stdout + exit.stderr,
		copied: readFileSync(stage.path('there')).equals(data),
		fetched: readFileSync(stage.path('down')).equals(data),
		piped: await stage.output([...ssh, 'sha256sum'], {input: data}) === `${sha256(data)}  -\n`,
		big: sha256(Buffer.from(await stage.output([...ssh, 'seq 1 1000000']))),
		interactive: (await stage.output([...ssh, 'while read -r line; do echo "got $line"; done'], {input: lines})).trim().split('\n').length,
		listing: await listBySftp(stage),
		forwarded: await forward(stage, ssh),
	};
}

async function listBySftp(stage: Stage): Promise<string> {
	const result = await stage.run(['sftp', '-q', '-b', '-', '-F', stage.path('ssh_config'), 'there'], {
		input: `get ${stage.path('there')} ${stage.path('a')}\nput ${stage.path('a')} ${stage.path('b')}\nls -1 ${stage.path('b')}\n`,
	});
	return result.status === 0 ? `ends ${result.stdout.split('sftp>').length - 1}` : result.stderr;
}

/** `ssh -W`: the client's standard streams joined to a connection that sshd opens, here to its own port. */
async function forward(stage: Stage, ssh: readonly string[]): Promise<string> {
	const banner = await stage.output([...ssh.slice(0, -1), '-W', `127.0.0.1:${stage.port}`, 'there'], {input: 'not an ssh client\r\n'});
	return banner.split('\r\n')[0] ?? '';
}

function sha256(data: Uint8Array): string {
	return createHash('sha256').update(data).digest('hex');
}
