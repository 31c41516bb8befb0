/** Keeps the manual pages equal to what the tools are made of, and the settings of rsrun(1) to core/option.def: with --write changes the
 * pages, without fails when they differ. */
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import process from 'node:process';
import {tools} from '../../dist/cli/commands/tools.js';
import {formatManual} from '../../dist/cli/control/tool/format-manual.js';

const root = new URL('../../', import.meta.url);
const begin = String.raw`.\" settings: written by scripts/check.d/man.mjs from core/option.def`;
const end = String.raw`.\" end of settings`;

const {options} = createRequire(import.meta.url)('../../build/Release/rsocket.node');
const {version, man} = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

function escape(text) {
	return text.replaceAll('\\', String.raw`\e`).replaceAll('-', String.raw`\-`).replaceAll(/^([.'])/gm, String.raw`\&$1`);
}

function describe({name, unit, default: initial, min, max, values, help}) {
	const range = values === '' ? `${min} to ${max} ${unit}, default ${initial}` : `${values.split('|').join(', ')}; default ${values.split('|')[initial]}`;
	return ['.TP', `.B ${escape(name)}`, `${escape(help)}`, `(${escape(range)})`];
}

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
const date = /^\.TH \S+ 1 (\S+)/.exec(old)[1];
const [before, rest] = old.split(`${begin}\n`);
keep('man/rsrun.1', `${before}${begin}\n${options().flatMap(option => describe(option)).join('\n')}\n${rest.slice(rest.indexOf(end))}`);
for (const tool of tools) {
	keep(`man/${tool.name}.1`, formatManual(tool, version, date));
}
