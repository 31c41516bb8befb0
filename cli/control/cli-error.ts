/** The one error that a user is meant to read. */

/** Exit codes as env(1), nice(1) and timeout(1) have them. */
export const exitCodes = {failure: 125, notExecutable: 126, notFound: 127} as const;

type Details = {
	/** Kebab-case, stable: what scripts may compare. */
	readonly code: string;
	readonly remedy: string;
	readonly exitCode?: number;
	readonly cause?: unknown;
	/** For --json: what a program would want to know beside the message. */
	readonly details?: Readonly<Record<string, unknown>>;
};

export class CliError extends Error {
	readonly code: string;
	readonly remedy: string;
	readonly exitCode: number;
	readonly details: Readonly<Record<string, unknown>> | undefined;

	constructor(message: string, {code, remedy, exitCode = exitCodes.failure, cause, details}: Details) {
		super(message, cause === undefined ? undefined : {cause});
		this.name = 'CliError';
		this.code = code;
		this.remedy = remedy;
		this.exitCode = exitCode;
		this.details = details;
	}
}

/** The `code` of a Node or addon error ("ENOENT"), if it has one. */
export function errorCode(error: unknown): string | undefined {
	return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
