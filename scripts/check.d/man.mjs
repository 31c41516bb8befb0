/** Keeps the manual pages equal to what the tools are made of, and with that to core/option.def: with --write changes the pages, without
 * fails when they differ. */
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import process from 'node:process';
import {listTools} from '../../dist/cli/commands/tools.js';
import {formatManual} from '../../dist/cli/control/tool/format-manual.js';
import {loadNative} from '../../dist/cli/native.js';

const root = new URL('../../', import.meta.url);
const {version, man} = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

function complain(sentence) {
	console.error(sentence);
	process.exitCode = 1;
}

function keep(page, text) {
	const file = new URL(page, root);
	if (process.argv.includes('--write')) {
		writeFileSync(file, text);
	} else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
		complain(`${page}: not as the definitions have it (node scripts/check.d/man.mjs --write)`);
	}

	if (!man.includes(page)) {
		complain(`package.json: man does not name ${page}`);
	}
}

const old = readFileSync(new URL('man/rsrun.1', root), 'utf8');
const date = /^\.TH \S+ 1 (\S+)/m.exec(old)[1];
for (const tool of listTools(loadNative())) {
	keep(`man/${tool.name}.1`, formatManual(tool, version, date));
}
