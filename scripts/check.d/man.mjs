/** Keeps the settings of rsrun(1) equal to core/option.def: with --write changes the page, without fails when they differ. */
import {readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import process from 'node:process';

const page = new URL('../../man/rsrun.1', import.meta.url);
const begin = String.raw`.\" settings: written by scripts/check.d/man.mjs from core/option.def`;
const end = String.raw`.\" end of settings`;

const {options} = createRequire(import.meta.url)('../../build/Release/rsocket.node');

function escape(text) {
	return text.replaceAll('\\', String.raw`\e`).replaceAll('-', String.raw`\-`).replaceAll(/^([.'])/gm, String.raw`\&$1`);
}

function describe({name, unit, default: initial, min, max, values, help}) {
	const range = values === '' ? `${min} to ${max} ${unit}, default ${initial}` : `${values.split('|').join(', ')}; default ${values.split('|')[initial]}`;
	return ['.TP', `.B ${escape(name)}`, `${escape(help)}`, `(${escape(range)})`];
}

const old = readFileSync(page, 'utf8');
const [before, rest] = old.split(`${begin}\n`);
const after = rest.slice(rest.indexOf(end));
const text = `${before}${begin}\n${options().flatMap(option => describe(option)).join('\n')}\n${after}`;
if (process.argv.includes('--write')) {
	writeFileSync(page, text);
} else if (text !== old) {
	console.error('man/rsrun.1: its settings are not those of core/option.def (node scripts/check.d/man.mjs --write)');
	process.exitCode = 1;
}
