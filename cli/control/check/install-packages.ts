/** Installs what applications need, with the package managers of Debian and Node. */
import {execa} from 'execa';
import {CliError} from '../cli-error.js';
import {findMissing, searchPath} from './find-missing.js';
import {type Manifest} from './manifest.js';

type Surroundings = {
	/** PATH. */
	readonly path: string;
	readonly npmDirectory: string;
	readonly isRoot: boolean;
	readonly signal: AbortSignal;
};

/** Debian packages that are installed; undefined: this is no Debian. */
async function listInstalled(path: string): Promise<Set<string> | undefined> {
	// eslint-disable-next-line no-template-curly-in-string -- dpkg-query's own
	const {failed, stdout} = await execa('dpkg-query', ['-W', '-f=${db:Status-Status} ${Package}\n'], {reject: false, stdin: 'ignore', extendEnv: true, env: {PATH: searchPath({}, path)}});
	return failed ? undefined : new Set(stdout.split('\n').filter(line => line.startsWith('installed ')).map(line => line.slice('installed '.length)));
}

/** Only for applications that cannot be run as things are, or whose Debian packages are not all there: a module of an interpreter is not seen otherwise. What the package managers say goes to standard error. */
export async function installPackages(manifests: readonly Manifest[], {path, npmDirectory, isRoot, signal}: Surroundings): Promise<void> {
	const installed = await listInstalled(path);
	const isIncomplete = ({packages: {debian = []}}: Manifest): boolean => installed !== undefined && debian.some(name => !installed.has(name));
	const wanting = manifests.filter(manifest => findMissing(manifest, path, npmDirectory) !== undefined || isIncomplete(manifest));
	const debian = [...new Set(wanting.flatMap(({packages}) => packages.debian ?? []))];
	const npm = [...new Set(wanting.flatMap(({packages}) => packages.npm ?? []))];
	const run = async (command: readonly string[]): Promise<void> => {
		const [file = '', ...args] = command;
		const {failed, shortMessage} = await execa(file, args, {
			reject: false, stdin: 'ignore', stdout: 2, stderr: 2, cancelSignal: signal, extendEnv: true, env: {PATH: searchPath({}, path), DEBIAN_FRONTEND: 'noninteractive'},
		});
		if (failed) {
			throw new CliError(shortMessage ?? `${file} failed`, {code: 'install', remedy: 'See what it said above; or install the packages yourself.'});
		}
	};

	if (debian.length > 0) {
		const asRoot = isRoot ? [] : ['sudo'];
		await run([...asRoot, 'apt-get', '-q', 'update']);
		await run([...asRoot, 'apt-get', '-q', 'install', '-y', '--no-install-recommends', ...debian]);
	}

	if (npm.length > 0) {
		await run(['npm', 'install', '--no-audit', '--no-fund', '--prefix', npmDirectory, ...npm]);
	}
}
