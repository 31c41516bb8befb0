/** Starts a program under the toolkit as a subprocess of execa. */
import path from 'node:path';
import process from 'node:process';
import {execa, type Options as ExecaOptions, type ResultPromise} from 'execa';
import {loadNative, preloadLibrary, type Native} from '../../native.js';
import {ownSystem} from '../check/own-system.js';
import {checkSetting} from '../check-setting.js';
import {CliError} from '../cli-error.js';
import {Environment} from '../environment.js';
import {findObstacle, type Obstacle} from '../find-obstacle.js';
import {findProgram} from '../find-program.js';
import {profileSettings, rulesVariable} from '../launch-files.js';
import {prepareEnvironment} from '../prepare-environment.js';
import {fromRaw, toRaw} from '../raw.js';
import {findDescendants} from '../stat/find-descendants.js';
import {takeSnapshot, type LiveConnection} from '../stat/take-snapshot.js';

/** What rsrun takes. */
export type ToolkitOptions = {
	/** Name of a profile, or path of its file. */
	readonly profile?: string;
	/** Over the profile's: `{polling_time: 50}`. */
	readonly settings?: Readonly<Record<string, number | string>>;
	/** What may carry connections; short for the setting. */
	readonly transport?: 'auto' | 'shm' | 'tcp';
	/** Path of a file of rules. */
	readonly rules?: string;
	/** Instead of /etc/rdma/rsocket. */
	readonly configDirectory?: string;
	/** Each process keeps its last events in `FILE.PID`, for `stats.trace`; `%p` in the name is the pid. */
	readonly trace?: string;
};

/** `Options`: those of execa, which make the types of its result. */
export type RunSubprocess<Options extends ExecaOptions = ExecaOptions> = ResultPromise<Options> & {
	/** Why the program runs without the toolkit, on plain TCP; undefined: it runs under it. */
	readonly obstacle: Obstacle | undefined;
	/** The open connections, at this moment, of the program and of the processes that it started and that have not left its family. */
	connections(): LiveConnection[];
};

/**
Starts a program under the toolkit: execa with `ToolkitOptions`.

Throws a CliError for settings, profiles and rules that are wrong; what execa would throw comes as from execa.

@example
```
const redis = run('redis-server', ['--port', '6379'], {profile: 'latency'});
console.log(redis.connections().map(({peer, transport, reason}) => `${peer} ${transport} ${reason}`));
await redis;
```
*/
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no options
export function run<Options extends ExecaOptions & ToolkitOptions = {}>(file: string, args: readonly string[] = [], options?: Options): RunSubprocess<Options> {
	const {profile, settings = {}, transport, rules, configDirectory, trace, ...rest}: ExecaOptions & ToolkitOptions = options ?? {};
	const native = loadNative();
	const pairs = [
		...(profile === undefined ? [] : profileSettings(profile, native)),
		...Object.entries({...(transport !== undefined && {transport}), ...settings}).map(([name, value]) => checkSetting(`${name}=${value}`, native)),
	];
	const variables = rest.extendEnv === false ? {...rest.env} : {...process.env, ...rest.env};
	const obstacle = findObstacleOf(file, variables['PATH'], native);
	const environment = new Environment(Object.entries(variables).flatMap(([name, value]) => value === undefined ? [] : [toRaw(`${name}=${value}`)]));
	if (!obstacle) {
		prepareEnvironment(environment, {
			library: preloadLibrary, settings: pairs, configDirectory: configDirectory && path.resolve(configDirectory),
			rules: rules === undefined ? undefined : rulesVariable(rules, native), reportPath: undefined, tracePath: trace === undefined ? undefined : path.resolve(trace),
		});
	}

	const subprocess = execa(file, args, {...rest, env: toObject(environment), extendEnv: false}) as unknown as ResultPromise<Options>;
	return Object.assign(subprocess, {
		obstacle,
		connections: () => subprocess.pid === undefined ? [] : [...takeSnapshot(native, {pids: findDescendants(subprocess.pid)}).connections],
	});
}

function findObstacleOf(file: string, searchPath: string | undefined, native: Native): Obstacle | undefined {
	try {
		const raw = toRaw(searchPath ?? '/usr/bin:/bin');
		return findObstacle(findProgram(toRaw(file), raw), ownSystem(native, raw));
	} catch (error) {
		if (error instanceof CliError) {
			// execa says it in its own way.
			return undefined;
		}

		throw error;
	}
}

function toObject(environment: Environment): Record<string, string> {
	return Object.fromEntries(environment.toList().map(raw => {
		const text = fromRaw(raw);
		const equals = text.indexOf('=');
		return [text.slice(0, equals), text.slice(equals + 1)];
	}));
}
