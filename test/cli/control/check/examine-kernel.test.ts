import {release} from 'node:os';
import test from 'ava';
import {examineKernel} from '../../../../cli/control/check/examine-kernel.js';
import {makeRoot} from '../../helpers/make-root.js';

const good = {'proc/net/unix': 'Num\n', 'proc/sys/vm/memfd_noexec': '0\n', 'proc/sys/vm/max_map_count': '65530\n', 'proc/sys/vm/overcommit_memory': '0\n', 'proc/self/status': 'Seccomp:\t0\n'};

test('a good kernel', t => {
	const findings = examineKernel(makeRoot(t, good), {release: '6.1.0-18-amd64', cpus: 2});
	t.deepEqual(findings.map(({code, level}) => [code, level]), [['release', 'good']]);
});

for (const [file, text, code, level] of [
	['proc/sys/vm/memfd_noexec', '2\n', 'memfd-noexec', 'bad'], ['proc/sys/vm/max_map_count', '1000\n', 'max-map-count', 'warning'],
	['proc/sys/vm/overcommit_memory', '2\n', 'overcommit', 'warning'], ['proc/self/status', 'Seccomp:\t2\n', 'seccomp', 'note'],
] as const) {
	test(`${file} is ${text.trim()}`, t => {
		const found = examineKernel(makeRoot(t, {...good, [file]: text}), {release: '6.1.0', cpus: 2}).filter(row => row.code !== 'release');
		t.deepEqual(found.map(row => [row.code, row.level]), [[code, level]]);
		t.true(level === 'note' || found.every(({remedy}) => remedy !== ''));
	});
}

test('old kernels, one processor, no unix sockets', t => {
	for (const [text, level] of [['5.13.19', 'warning'], ['4.19.0', 'warning'], ['5.14.0', 'good'], ['6.0', 'good']] as const) {
		t.is(examineKernel(makeRoot(t, good), {release: text, cpus: 2})[0]?.level, level);
	}

	t.deepEqual(examineKernel(makeRoot(t, {}), {release: '6.1.0', cpus: 1}).map(({code}) => code), ['release', 'unix-sockets', 'one-cpu']);
});

test('this one', t => {
	t.deepEqual(examineKernel('/', {release: release(), cpus: 2}).filter(({level}) => level === 'bad'), []);
});
