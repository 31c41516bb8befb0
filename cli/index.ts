/** The library: what the tools do, for programs. The tools are thin over the same functions. */
export {type LiveConnection, type LiveProcess, type Snapshot} from './control/stat/take-snapshot.js';
export {type Event, type EventLog} from './control/stat/find-trace.js';
export {type Summary} from './control/stat/summarize.js';
export {type Setting} from './control/config/effective.js';
export {type Fault} from './control/config/fault.js';
export {type Profile} from './control/profiles/profiles.js';
export {type Judgement} from './control/check/judge-program.js';
export {type EnvFinding} from './control/check/machine.js';
export {type Obstacle} from './control/find-obstacle.js';
export {CliError} from './control/cli-error.js';
export {run, type RunSubprocess, type ToolkitOptions} from './control/library/run-program.js';
export {stats} from './control/library/statistics.js';
export {config, type ConfigOptions} from './control/library/configuration.js';
export {check} from './control/library/checks.js';
export * as rsocket from './control/rsocket/rsocket.js';
