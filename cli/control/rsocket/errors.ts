/** Errors of sockets, as Node's own sockets make them. */
import {getSystemErrorMap} from 'node:util';

/** Of a call that failed; `address` and `port` are the ones that it was given. */
export type SocketError = NodeJS.ErrnoException & {address?: string; port?: number};

type Where = {readonly address: string; readonly port: number};

/** `errno`: negative. */
export function systemError(errno: number, syscall: string, where?: Where): SocketError {
	const [code = 'UNKNOWN', text = ''] = getSystemErrorMap().get(errno) ?? [];
	const explained = syscall === 'listen' || syscall === 'bind' ? `${code}: ${text}` : code;
	const error: SocketError = new Error(`${syscall} ${explained}${where ? ` ${where.address}:${where.port}` : ''}`);
	return Object.assign(error, {errno, code, syscall, ...where});
}

/** What Node calls an error of the program. */
export function codedError(code: string, message: string, Type: ErrorConstructor = Error): NodeJS.ErrnoException {
	return Object.assign(new Type(message), {code});
}

/** None of several addresses answered. */
export function joinErrors(errors: readonly SocketError[]): SocketError {
	const [first] = errors;
	return errors.length === 1 ? first! : Object.assign(new AggregateError(errors, 'No address answered'), {code: first?.code ?? 'UNKNOWN'});
}

/** As a number; throws Node's RangeError for what is none. */
export function checkPort(port: unknown): number {
	const number = typeof port === 'string' && port.trim() !== '' ? Number(port) : port;
	if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 65_535) {
		return number;
	}

	throw codedError('ERR_SOCKET_BAD_PORT', `Port should be >= 0 and < 65536. Received ${String(port)}.`, RangeError);
}
