import {spawnSync} from 'node:child_process';
import test from 'ava';
import {completionRequest, completionScript, shells} from '../../../../cli/control/tool/completion-script.js';

test('it says how it is installed, which rsrun does by an option', t => {
	for (const shell of shells) {
		t.true(completionScript('rsstat', shell, completionRequest).includes(`source <(rsstat completion ${shell})`));
		t.true(completionScript('rsrun', shell, completionRequest).includes(`source <(rsrun --completion ${shell})`));
		t.notRegex(completionScript('rsstat', shell, completionRequest), /@\w+@/);
	}
});

/** What bash would offer for `line` up to the cursor, where the tool answers with `answers`. */
function offer(line: string, answers: readonly string[], point = line.length): {readonly asked: string; readonly offered: string[]} {
	const script = `
		rstest() { printf '<%s>' "$@" >&3; printf '%s\\n' ${answers.map(answer => `$'${answer.replace('\t', String.raw`\t`)}'`).join(' ')}; }
		${completionScript('rstest', 'bash', completionRequest)}
		COMP_LINE=$1 COMP_POINT=$2
		_rstest_completions
		printf '%s\\n' "\${COMPREPLY[@]}"`;
	const {stdout, stderr, status, output} = spawnSync('bash', ['--norc', '-c', script, 'bash', line, String(point)], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe', 'pipe']});
	if (status !== 0 || stderr !== '') {
		throw new Error(stderr);
	}

	return {asked: output[3] ?? '', offered: stdout.split('\n').filter(Boolean)};
}

test('bash asks with the words up to the cursor, the unfinished one last', t => {
	t.deepEqual(offer('rstest set poll', ['polling_time\tHow long']), {asked: `<${completionRequest}><set><poll>`, offered: ['polling_time']});
	t.is(offer('rstest ', ['set\tSets']).asked, `<${completionRequest}><>`);
	t.is(offer('rstest set polling_time', [], 'rstest se'.length).asked, `<${completionRequest}><se>`);
	t.is(offer('rstest  --dir  /x get ', []).asked, `<${completionRequest}><--dir></x><get><>`);
});

test('what readline takes for an earlier word is cut off', t => {
	t.deepEqual(offer('rstest --reason=peer', ['--reason=peer-absent\tx']).offered, ['peer-absent']);
	t.deepEqual(offer('rstest why 127.0.0.1:', ['127.0.0.1:80\tx', '127.0.0.1:81\tx']).offered, ['80', '81']);
	t.deepEqual(offer('rstest why a=b:c', ['a=b:cd']).offered, ['cd']);
});

test('a word that the shell would expand stays as it is', t => {
	t.deepEqual(offer('rstest set *', ['*.json']), {asked: `<${completionRequest}><set><*>`, offered: ['*.json']});
	t.is(offer('rstest set $HOME', []).asked, `<${completionRequest}><set><$HOME>`);
});

test('the zsh script asks the tool and shows its answers', t => {
	for (const tool of ['rsstat', 'rsrun']) {
		// _describe is zsh's own; here it tells what it was given.
		const script = `
			${tool}() { [[ $1 == ${completionRequest} ]] && print -r -- "asked $*"; [[ $1 == ${completionRequest} ]] && print -l -- $'one:two\tfirst' $'three\tsecond' }
			compdef() { print -r -- "compdef $*" }
			_describe() { print -rl -- \${(P)2} }
			_default() { print default }
			${completionScript(tool, 'zsh', completionRequest)}
			words=(${tool} --reason p) CURRENT=3
			_${tool}
			${tool}() { : }
			_${tool}`;
		const {stdout, stderr, status} = spawnSync('zsh', ['-f'], {input: script, encoding: 'utf8'});
		t.is(status, 0, `zsh: ${stderr}`);
		t.is(stdout, `compdef _${tool} ${tool}\nasked ${completionRequest} --reason p:\none\\:two:first\nthree:second\ndefault\n`);
	}
});
