/** Variables of this process for one test: each test file has a process.env of its own, so the test has to be serial only. */
import process from 'node:process';
import type {ExecutionContext} from 'ava';

/** Undefined: it is not there. */
export function setVariable(t: ExecutionContext, name: string, value: string | undefined): void {
	const before = process.env[name];
	assign(name, value);
	t.teardown(() => {
		assign(name, before);
	});
}

function assign(name: string, value: string | undefined): void {
	if (value === undefined) {
		Reflect.deleteProperty(process.env, name);
	} else {
		process.env[name] = value;
	}
}
