/** The environment of the target: the caller's own strings in their order, and what we add. */
import {type Raw} from './raw.js';

export class Environment {
	readonly #strings: Raw[];

	constructor(strings: readonly Raw[]) {
		this.#strings = [...strings];
	}

	get(name: string): Raw | undefined {
		return this.#strings.find(string => string.startsWith(`${name}=`))?.slice(name.length + 1) as Raw | undefined;
	}

	delete(name: string): void {
		for (let index = this.#strings.length - 1; index >= 0; index--) {
			if (this.#strings[index]?.startsWith(`${name}=`)) {
				this.#strings.splice(index, 1);
			}
		}
	}

	set(name: string, value: Raw): void {
		this.delete(name);
		this.#strings.push(`${name}=${value}` as Raw);
	}

	/** As execve takes it. */
	toList(): readonly Raw[] {
		return this.#strings;
	}

	/** The strings that `original` does not have. */
	changesFrom(original: Environment): Raw[] {
		return this.#strings.filter(string => !original.#strings.includes(string));
	}
}
