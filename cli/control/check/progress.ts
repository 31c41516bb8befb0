/** How far a matrix is: a bar that is redrawn on a terminal, lines elsewhere. */
import {type Cell} from './run-matrix.js';

const barLength = 30;

export class Progress {
	#done = 0;
	readonly #total: number;
	readonly #isTerminal: boolean;
	readonly #write: (text: string) => void;

	constructor(total: number, isTerminal: boolean, write: (text: string) => void) {
		this.#total = total;
		this.#isTerminal = isTerminal;
		this.#write = write;
	}

	note({app, mode, transport, status, durationMs}: Cell): void {
		this.#done++;
		const text = `${app} ${mode}/${transport}: ${status}`;
		if (!this.#isTerminal) {
			this.#write(`[${this.#done}/${this.#total}] ${text} (${(durationMs / 1000).toFixed(1)} s)\n`);
			return;
		}

		const filled = Math.round(this.#done / this.#total * barLength);
		const bar = `${'#'.repeat(filled)}${'-'.repeat(barLength - filled)}`;
		this.#write(`\r\u001B[K[${bar}] ${this.#done}/${this.#total} ${text}`);
	}

	/** Leaves the terminal's line to what follows. */
	end(): void {
		if (this.#isTerminal) {
			this.#write('\r\u001B[K');
		}
	}
}
