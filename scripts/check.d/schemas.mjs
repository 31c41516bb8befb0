/** Keeps the published schemas of configurations and profiles equal to core/option.def: with --write changes them, without fails when
 * they differ. */
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import process from 'node:process';
import {buildSchemas} from '../../dist/cli/control/config/schema.js';
import {loadNative} from '../../dist/cli/native.js';

for (const [name, schema] of Object.entries(buildSchemas(loadNative()))) {
	const file = new URL(`../../config/${name}`, import.meta.url);
	const text = `${JSON.stringify(schema, undefined, '\t')}\n`;
	if (process.argv.includes('--write')) {
		writeFileSync(file, text);
	} else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
		console.error(`config/${name}: not as core/option.def has it (node scripts/check.d/schemas.mjs --write)`);
		process.exitCode = 1;
	}
}
