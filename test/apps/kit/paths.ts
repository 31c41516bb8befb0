/** Where the tests find what is not compiled. */
import process from 'node:process';
import {fileURLToPath} from 'node:url';
import {preloadLibrary} from '../../../cli/native.js';

/** The library under test. */
export const library = process.env['RS_PRELOAD'] ?? preloadLibrary;

/** A file of test/apps/programs: the compiled tests run from dist/test/apps/kit, the programs stay where they are. */
export function programPath(name: string): string {
	return fileURLToPath(new URL(`../../../../test/apps/programs/${name}`, import.meta.url));
}
