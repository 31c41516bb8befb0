/** What an application needs and this machine has not. */
import {existsSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {findProgram} from '../find-program.js';
import {toRaw} from '../raw.js';
import {type Manifest} from './manifest.js';

/** Servers often lie where PATH of an ordinary user does not look. */
const systemDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** PATH as the application's programs see it. */
export function searchPath(manifest: Pick<Manifest, 'path'>, inherited: string): string {
	const own = (manifest.path ?? []).map(directory => expandStar(directory));
	const rest = inherited.split(':').filter(Boolean);
	return [...own, ...rest, ...systemDirectories.filter(directory => !rest.includes(directory))].join(':');
}

/** Undefined: it can be run. Else a sentence with the remedy. */
export function findMissing(manifest: Manifest, inherited: string, npmDirectory: string): string | undefined {
	const programs = new Set([...[...manifest.prepare ?? [], ...manifest.start, ...manifest.exercise].map(({run}) => run[0] ?? ''), ...manifest.needs ?? []]);
	const missing = [...programs].find(program => !program.includes('{') && !isThere(program, searchPath(manifest, inherited)));
	const {debian = [], npm = []} = manifest.packages;
	if (missing !== undefined) {
		return `${missing} is not installed${debian.length === 0 ? '' : ` (apt-get install ${debian.join(' ')})`}`;
	}

	const absent = npm.filter(spec => !existsSync(path.join(npmDirectory, 'node_modules', packageName(spec))));
	return absent.length === 0 ? undefined : `${absent.map(spec => packageName(spec)).join(', ')} is not in ${npmDirectory} (npm install --prefix ${npmDirectory} ${absent.join(' ')})`;
}

/** `@scope/name` of `@scope/name@1`. */
function packageName(spec: string): string {
	return spec.replace(/(?<=.)@[^/]*$/, '');
}

function isThere(program: string, directories: string): boolean {
	try {
		findProgram(toRaw(program), toRaw(directories));
		return true;
	} catch {
		return false;
	}
}

/** The last name, counted as numbers are, stands for one star. */
function expandStar(directory: string): string {
	const parts = directory.split('/');
	const star = parts.indexOf('*');
	if (star === -1) {
		return directory;
	}

	const parent = parts.slice(0, star).join('/');
	const names = existsSync(parent) ? readdirSync(parent).toSorted((a, b) => a.localeCompare(b, 'en', {numeric: true})) : [];
	return [parent, names.at(-1) ?? '*', ...parts.slice(star + 1)].join('/');
}
