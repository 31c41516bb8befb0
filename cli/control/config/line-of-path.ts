/** Where in a JSON text a value stands. */
import {lineAt} from './parse-json.js';

/** The line of the value at an instance path (`/settings/polling_time`), or of its entry `name`; of what stands around it if there is none. */
export function lineOfPath(text: string, instancePath: string, name?: string): number {
	const offsets = findOffsets(text);
	const path = name === undefined ? instancePath : join(instancePath, name);
	for (let nearest = path; nearest !== ''; nearest = nearest.slice(0, nearest.lastIndexOf('/'))) {
		const offset = offsets.get(nearest);
		if (offset !== undefined) {
			return lineAt(text, offset);
		}
	}

	return lineAt(text, offsets.get('') ?? 0);
}

/** What is open: an array with the number of its element, or an object with the name of its entry; undefined: a name comes next. */
type Open = {readonly path: string; readonly isArray: boolean; entry: string | number | undefined};

/** By path: where an array's element, or an object's name, begins. */
function findOffsets(text: string): Map<string, number> {
	const offsets = new Map<string, number>();
	const open: Open[] = [];
	for (const {0: token, index} of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/gs)) {
		const top = open.at(-1);
		if (token === ',' && top) {
			top.entry = typeof top.entry === 'number' ? top.entry + 1 : undefined;
		} else if (token === '}' || token === ']') {
			open.pop();
		} else if (top && top.entry === undefined) {
			top.entry = JSON.parse(token) as string;
			offsets.set(join(top.path, top.entry), index);
		} else if (token !== ':') {
			const path = top ? join(top.path, String(top.entry)) : '';
			if (!top || top.isArray) {
				offsets.set(path, index);
			}

			if (token === '{' || token === '[') {
				open.push({path, isArray: token === '[', entry: token === '[' ? 0 : undefined});
			}
		}
	}

	return offsets;
}

/** As ajv writes its paths. */
function join(path: string, name: string): string {
	return `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
