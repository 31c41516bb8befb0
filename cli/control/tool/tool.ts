/** What a tool of this package is made of; its parser, its completion and its manual page are all built from this. */
import {type InferredOptionTypes, type Options, type PositionalOptions} from 'yargs';
import {type Native} from '../../native.js';
import {type Paint} from './paint.js';

export type OptionTable = Readonly<Record<string, Options>>;
export type PositionalTable = Readonly<Record<string, PositionalOptions>>;

/** What may be the value of an option, besides what yargs knows: lines as those of `complete`. */
export type ValueTable = Readonly<Record<string, (context: Context) => readonly string[]>>;

/** What a command is given besides its arguments; whatever it prints goes through here. */
export type Context = {
	/** The addon, loaded when first asked for. */
	readonly native: Native;
	readonly isJson: boolean;
	/** Standard output is a terminal: things may be redrawn. */
	readonly isTerminal: boolean;
	readonly env: Readonly<Record<string, string | undefined>>;
	/** For standard output; plain unless it is a terminal and NO_COLOR is unset. */
	readonly paint: Paint;
	/** Aborted when the user wants an endless command to end (SIGINT, SIGTERM): it then returns. */
	readonly signal: AbortSignal;
	/** Lines to standard output; the last one gets its newline. */
	print(text: string): void;
	/** One JSON document, with tabs. */
	printJson(value: unknown): void;
	/** One JSON document on one line: for streams of events. */
	printJsonLine(value: unknown): void;
	/** To standard error, after the tool's name. */
	warn(text: string): void;
};

/** A command; use defineCommand, which types `args` after the tables. */
export type Command = {
	/** As yargs has it: `set <key> <value>`, `apply <profile>`, `$0 [file]`. */
	readonly command: string;
	/** One sentence. */
	readonly describe: string;
	/** More, for the manual page: paragraphs. */
	readonly description?: readonly string[];
	readonly positionals?: PositionalTable;
	readonly options?: OptionTable;
	/** `$0` is the tool's name. */
	readonly examples?: ReadonlyArray<readonly [string, string]>;
	/** The shape of its --json, for the manual page. */
	readonly json?: string;
	/** The exit codes that it alone has. */
	readonly exitCodes?: ReadonlyArray<readonly [number, string]>;
	readonly values?: ValueTable;
	/** Instead of `run`: commands below this one. */
	readonly commands?: readonly Command[];
	/** Words that may stand as the argument under completion, besides what yargs knows. */
	complete?(words: readonly string[], context: Context): readonly string[];
	/** Returns the exit code. Words after `--` are `args['--']`. */
	run?(args: Readonly<Record<string, unknown>>, context: Context): number | Promise<number>;
};

type TypedCommand<Positionals extends PositionalTable, OwnOptions extends OptionTable> = Omit<Command, 'positionals' | 'options' | 'run'> & {
	readonly positionals?: Positionals;
	readonly options?: OwnOptions;
	/** `args` has the tool's own options too, without their types. */
	run(args: InferredOptionTypes<Positionals & OwnOptions> & {readonly '--'?: readonly string[]} & Readonly<Record<string, unknown>>, context: Context): number | Promise<number>;
};

// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export function defineCommand<const Positionals extends PositionalTable = {}, const OwnOptions extends OptionTable = {}>(command: TypedCommand<Positionals, OwnOptions>): Command {
	return command;
}

export type Tool = {
	readonly name: string;
	/** The manual page's NAME: no capital, no full stop. */
	readonly summary: string;
	/** Paragraphs. */
	readonly description: readonly string[];
	/** Instead of `tool [option...] command`. */
	readonly usage?: string;
	/** Understood by every command, besides --json, --debug, --help, --version. */
	readonly options?: OptionTable;
	/** How the manual page writes the value of an option, where its name does not say it. */
	readonly arguments?: Readonly<Record<string, string>>;
	readonly values?: ValueTable;
	/** None: the tool is a command itself, and has no completion command either. */
	readonly commands: readonly Command[];
	readonly examples?: ReadonlyArray<readonly [string, string]>;
	readonly exitCodes: ReadonlyArray<readonly [number, string]>;
	/** Further sections of the manual page: a head, then paragraphs and terms with what they mean. */
	readonly sections?: ReadonlyArray<readonly [string, ReadonlyArray<string | readonly [string, string]>]>;
	readonly files?: ReadonlyArray<readonly [string, string]>;
	readonly environment?: ReadonlyArray<readonly [string, string]>;
	readonly seeAlso?: readonly string[];
};

/** What every tool understands. */
export const commonOptions = {
	json: {type: 'boolean', describe: 'Prints JSON instead of text; errors too'},
	debug: {type: 'boolean', describe: 'Shows where an error came from (stack traces)'},
} as const satisfies OptionTable;
