#!/usr/bin/env node
/** Main of rsrun(1). */
import {readFileSync} from 'node:fs';
import process from 'node:process';
import type * as runMainModule from './commands/run-main.js';
import {load, start} from './start.js';

await start('rsrun', async () => {
	const {runMain} = load('./commands/run-main.js') as typeof runMainModule;
	const {version} = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {version: string};
	return runMain(process.argv.slice(2), version);
});
