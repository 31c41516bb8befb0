/** The steps of a test that watches something: each makes a change, and the next follows when what is told of it is as it should be. */
export function takeSteps<Told extends readonly unknown[]>(
	steps: ReadonlyArray<readonly [change: () => void, isDone: (...told: Told) => boolean]>,
	/** Aborted after the last. */
	controller: AbortController,
): {readonly begin: () => void; readonly tell: (...told: Told) => void; readonly taken: () => number} {
	let step = 0;
	const begin = (): void => {
		const next = steps[step];
		if (next) {
			next[0]();
		} else {
			controller.abort();
		}
	};

	return {
		begin,
		tell(...told) {
			if (steps[step]?.[1](...told)) {
				step++;
				begin();
			}
		},
		taken: () => step,
	};
}
