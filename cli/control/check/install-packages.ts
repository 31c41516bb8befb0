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

/** Only for applications that cannot be run as things are. What the package managers say goes to standard error. */
export async function installPackages(manifests: readonly Manifest[], {path, npmDirectory, isRoot, signal}: Surroundings): Promise<void> {
	const wanting = manifests.filter(manifest => findMissing(manifest, path, npmDirectory) !== undefined);
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
