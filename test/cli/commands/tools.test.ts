import test from 'ava';
import {listTools} from '../../../cli/commands/tools.js';
import {commonOptions, type Command, type Tool} from '../../../cli/control/tool/tool.js';
import {loadNative} from '../../../cli/native.js';

const tools = listTools(loadNative());

/** Each command with the options of all that is above it. */
function * commandsOf({commands, options = {}}: Pick<Tool, 'commands' | 'options'>, above = ''): Generator<readonly [name: string, command: Command, options: Readonly<Record<string, unknown>>]> {
	for (const command of commands) {
		const name = `${above} ${command.command.split(' ', 1)[0]}`;
		yield [name, command, options];
		yield * commandsOf({commands: command.commands ?? [], options: {...options, ...command.options}}, name);
	}
}

test('every tool has a page of its own', t => {
	t.deepEqual(tools.map(({name}) => name), ['rscheck', 'rsconfig', 'rsrun', 'rsstat']);
	for (const {name, summary, description, exitCodes, seeAlso = []} of tools) {
		t.regex(summary, /^[a-z].*[^.]$/, `${name}`);
		t.true(description.length > 0 && exitCodes.length > 0, `${name}`);
		t.false(seeAlso.includes(`${name}(1)`), `${name}`);
	}
});

test('every command says in one sentence what it does, and does it or has commands', t => {
	for (const tool of tools) {
		for (const [name, command] of commandsOf(tool)) {
			t.regex(command.describe, /^[A-Z].*[^.]$/, `${tool.name}${name}`);
			t.true((command.run === undefined) === (command.commands !== undefined), `${tool.name}${name}`);
		}
	}
});

test('no command has an option that means something else above it', t => {
	for (const tool of tools) {
		for (const [name, command, above] of commandsOf(tool)) {
			const own = Object.keys(command.options ?? {});
			t.deepEqual(own.filter(option => option in above || option in commonOptions || option === 'help' || option === 'version'), [], `${tool.name}${name}`);
		}
	}
});

test('every option and argument says what it is', t => {
	for (const tool of tools) {
		for (const [name, command] of [['', tool] as const, ...commandsOf(tool)]) {
			const positionals = 'positionals' in command ? command.positionals : {};
			for (const [word, {describe}] of Object.entries({...command.options, ...positionals})) {
				t.regex(String(describe), /^\S.*\S$/, `${tool.name}${name} ${word}`);
			}
		}
	}
});

test('what may be completed are options that there are', t => {
	for (const tool of tools) {
		for (const [name, command, above] of [['', tool, {}] as const, ...commandsOf(tool)]) {
			t.deepEqual(Object.keys(command.values ?? {}).filter(option => command.options?.[option] === undefined && !(option in above)), [], `${tool.name}${name}`);
		}
	}
});
