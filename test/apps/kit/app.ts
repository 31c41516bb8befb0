/** Turns the description of an application into tests: every mix must do what kernel TCP does. */
import process from 'node:process';
import {inspect} from 'node:util';
import test, {type ExecutionContext} from 'ava';
import {type ConnectionRecord} from '../../../cli/native.js';
import {type Mix, mixes, plain} from './mix.js';
import {Stage} from './stage.js';

/** What can be compared: everything that time, ports and process numbers change is left out or replaced. */
export type Outcome = Readonly<Record<string, unknown>>;

export type App = {
	readonly name: string;
	/** Starts the servers; they end with the stage. */
	readonly start: (stage: Stage) => Promise<void>;
	/** Uses them as a user would. */
	readonly exercise: (stage: Stage) => Promise<Outcome>;
	/** With both ends preloaded, at least so many connections are promoted at each end, both ways. 0: why is said where the app is described. */
	readonly promoted: number;
	/** Connections that carry bulk one way only count as promoted, too. */
	readonly oneWay?: boolean;
	/** The server hands accepted connections on, unused: it may not know them when it reports. */
	readonly handsOn?: boolean;
	/** More services of the stage whose two ends are both servers: [port, promoted at each end]. */
	readonly inner?: (stage: Stage) => ReadonlyArray<readonly [number, number]>;
	/** Those under which it is run; unless said, all. */
	readonly mixes?: readonly Mix[];
	/** Facts about kernel TCP's own outcome, so that two equal failures do not pass. */
	readonly verify: (t: ExecutionContext, outcome: Outcome) => void;
};

const testTimeoutMs = 240_000;

export function testApp(app: App): void {
	let oracle: Promise<Outcome> | undefined;
	// One plain run serves all mixes, whichever of them is selected.
	const plainOutcome = async (): Promise<Outcome> => {
		oracle ??= perform(app, plain, () => undefined);
		return oracle;
	};

	for (const mix of (app.mixes ?? mixes).filter(({name}) => name.includes(process.env['RS_MIX'] ?? ''))) {
		test.serial(`${app.name}: ${mix.name}`, async t => {
			t.timeout(testTimeoutMs);
			const expected = await plainOutcome();
			app.verify(t, expected);
			await tryTwice(t, async attempt => perform(app, mix, (stage, outcome) => {
				attempt.deepEqual(outcome, expected);
				checkCarriers(attempt, app, stage);
			}));
		});
	}
}

/** As ctest has it for the other tests: what fails once and not twice passes, and is told of. */
async function tryTwice(t: ExecutionContext, body: (attempt: ExecutionContext) => Promise<unknown>): Promise<void> {
	const run = async (attempt: ExecutionContext) => {
		await body(attempt);
	};

	const first = await t.try(run);
	if (first.passed) {
		first.commit();
		return;
	}

	t.log(`needed a second attempt: ${t.title}`);
	t.log(inspect(first.errors, {depth: 6, breakLength: 150}));
	first.discard();
	const second = await t.try(run);
	second.commit();
}

async function perform(app: App, mix: Mix, check: (stage: Stage, outcome: Outcome) => void): Promise<Outcome> {
	const stage = await Stage.open(mix);
	try {
		await app.start(stage);
		const outcome = await app.exercise(stage);
		await stage.stop();
		check(stage, outcome);
		return outcome;
	} finally {
		await stage.close();
	}
}

/** The report must say that the connections went where the mix lets them go. */
function checkCarriers(t: ExecutionContext, app: App, stage: Stage): void {
	const {preloaded} = stage.mix;
	const ends = stage.connections();
	if (preloaded.length === 2) {
		checkPromoted(t, ends, app.promoted, app);
	} else {
		const expected = preloaded[0] === 'server';
		t.true(ends.some(end => end.accepted === expected) || (expected && app.handsOn === true), 'the library must have been at work at the preloaded end');
		t.deepEqual(ends.filter(end => isPromoted(end)), [], 'nothing can be promoted with a plain peer');
	}

	if (preloaded.includes('server')) {
		for (const [port, least] of app.inner?.(stage) ?? []) {
			checkPromoted(t, stage.connections(port), least);
		}
	}
}

function checkPromoted(t: ExecutionContext, ends: readonly ConnectionRecord[], least: number, {handsOn = false, oneWay = false}: Partial<App> = {}): void {
	for (const accepted of [true, false]) {
		const side = ends.filter(end => end.accepted === accepted);
		const promoted = side.filter(end => isPromoted(end) && (oneWay || (end.shmRecvBytes > 0 && end.shmSendBytes > 0)));
		const reasons = side.filter(end => !promoted.includes(end)).map(end => `${end.reason} (sent by ${end.sendTransport}, received by ${end.recvTransport})`);
		t.true(side.length > 0 || (accepted && handsOn), `the library must have been at work at the ${accepted ? 'accepting' : 'connecting'} end`);
		t.true(
			promoted.length >= least,
			`${promoted.length} of ${side.length} ${accepted ? 'accepted' : 'connecting'} ends were promoted, not ${least}; reasons of the others: ${[...new Set(reasons)].join(', ')}`,
		);
	}
}

function isPromoted(end: ConnectionRecord): boolean {
	return end.promotedNs > 0n && end.shmRecvBytes + end.shmSendBytes > 0;
}
