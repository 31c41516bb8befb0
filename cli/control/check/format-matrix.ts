/** The results of a matrix for people and for the tools of continuous integration. */
import {formatTable} from '../format-table.js';
import {type Paint} from '../tool/paint.js';
import {formatHtml} from './format-html.js';
import {type Cell, type Status} from './run-matrix.js';

export const formats = ['table', 'markdown', 'json', 'junit', 'tap', 'html'] as const;
export type Format = typeof formats[number];

export type Results = {
	readonly startedAt: string;
	readonly durationMs: number;
	readonly machine: string;
	readonly cells: readonly Cell[];
};

const formatters: Readonly<Record<Format, (results: Results, paint: Paint) => string>> = {
	table: formatText, markdown: formatMarkdown, json: formatJson, junit: formatJunit, tap: formatTap, html: formatHtml,
};

const plainPaint: Paint = (_style, text) => text;

export function formatMatrix(results: Results, format: Format, paint: Paint = plainPaint): string {
	return formatters[format](results, paint);
}

export function countStatuses(cells: readonly Cell[]): Record<Status, number> {
	const counts = {same: 0, unpromoted: 0, differs: 0, broken: 0, skipped: 0};
	for (const {status} of cells) {
		counts[status]++;
	}

	return counts;
}

function formatCounts(cells: readonly Cell[]): string {
	return Object.entries(countStatuses(cells)).filter(([, count]) => count > 0).map(([status, count]) => `${count} ${status}`).join(', ');
}

type Grid = {readonly columns: readonly string[]; readonly rows: ReadonlyArray<{readonly app: string; readonly cells: ReadonlyArray<Cell | undefined>}>};

/** One row an application, one column a mode and transport. */
function makeGrid(cells: readonly Cell[]): Grid {
	const columns = [...new Set(cells.map(cell => columnOf(cell)))];
	const apps = [...new Set(cells.map(({app}) => app))];
	return {columns, rows: apps.map(app => ({app, cells: columns.map(column => cells.find(cell => cell.app === app && columnOf(cell) === column))}))};
}

function columnOf({mode, transport}: Cell): string {
	return `${mode}/${transport}`;
}

function summary(cell: Cell | undefined): string {
	if (!cell) {
		return '';
	}

	const counts = cell.status === 'skipped' || cell.status === 'broken' ? '' : ` ${cell.promoted}/${cell.ends}`;
	return `${cell.status}${counts}${cell.attempts > 1 ? ` (attempt ${cell.attempts})` : ''}`;
}

/** Once an application, when all its cells say the same. */
function remarks(cells: readonly Cell[]): string[] {
	return [...new Set(cells.filter(({why}) => why !== '').map(cell => cell.status === 'skipped' || cell.status === 'broken'
		? `${cell.app}: ${cell.status}: ${cell.why}`
		: `${cell.app} ${columnOf(cell)}: ${cell.status}: ${cell.why}`))];
}

function formatText({cells, durationMs}: Results, paint: Paint): string {
	const {columns, rows} = makeGrid(cells);
	const lines = formatTable(['program', ...columns], rows.map(({app, cells: row}) => [app, ...row.map(cell => summary(cell))]), new Set());
	const painted = lines.map(line => line.replaceAll(/\b(?:differs|broken)\b/g, word => paint('red', word)).replaceAll(/\bunpromoted\b/g, word => paint('yellow', word)));
	return [...painted, '', ...remarks(cells), `${formatCounts(cells)} in ${(durationMs / 1000).toFixed(1)} s (promoted/seen ends)`].join('\n');
}

function formatMarkdown({cells, startedAt, machine}: Results): string {
	const {columns, rows} = makeGrid(cells);
	const line = (words: readonly string[]): string => `| ${words.map(word => word.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ')).join(' | ')} |`;
	return [
		line(['program', ...columns]), line(['---', ...columns.map(() => '---')]),
		...rows.map(({app, cells: row}) => line([app, ...row.map(cell => summary(cell))])),
		'', `${formatCounts(cells)}; ${machine}, ${startedAt}. Numbers: promoted of all ends.`,
		...remarks(cells).map(remark => `\n\`\`\`text\n${remark}\n\`\`\``),
	].join('\n');
}

function formatJson(results: Results): string {
	return JSON.stringify({...results, counts: countStatuses(results.cells)}, undefined, '\t');
}

function formatJunit({cells, startedAt, durationMs}: Results): string {
	const counts = countStatuses(cells);
	const suites = [...new Set(cells.map(({app}) => app))].map(app => {
		const own = cells.filter(cell => cell.app === app);
		const cases = own.map(cell => `\t\t<testcase classname="${escapeXml(app)}" name="${escapeXml(columnOf(cell))}" time="${(cell.durationMs / 1000).toFixed(3)}">${junitOutcome(cell)}</testcase>`);
		const own$ = countStatuses(own);
		return [`\t<testsuite name="${escapeXml(app)}" tests="${own.length}" failures="${own$.differs}" errors="${own$.broken}" skipped="${own$.skipped}" timestamp="${startedAt}">`, ...cases, '\t</testsuite>'].join('\n');
	});
	return [
		'<?xml version="1.0" encoding="UTF-8"?>',
		`<testsuites name="rscheck matrix" tests="${cells.length}" failures="${counts.differs}" errors="${counts.broken}" skipped="${counts.skipped}" time="${(durationMs / 1000).toFixed(3)}">`,
		...suites, '</testsuites>',
	].join('\n');
}

function junitOutcome(cell: Cell): string {
	const text = escapeXml(cell.why);
	const message = escapeXml(cell.why.split('\n', 1)[0] ?? '');
	switch (cell.status) {
		case 'skipped': {
			return `<skipped message="${message}"/>`;
		}

		case 'broken': {
			return `<error message="${message}">${text}</error>`;
		}

		case 'differs': {
			return `<failure message="${message}">${text}</failure>`;
		}

		case 'same':
		case 'unpromoted': {
			return `<system-out>${escapeXml(summary(cell))}${text === '' ? '' : `: ${text}`}</system-out>`;
		}
	}
}

/** XML has no way to say most control characters. */
export function escapeXml(text: string): string {
	// eslint-disable-next-line no-control-regex
	return text.replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uD800-\uDFFF\uFFFE\uFFFF]/g, '\uFFFD')
		.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function formatTap({cells}: Results): string {
	return [
		'TAP version 14', `1..${cells.length}`,
		...cells.map((cell, index) => {
			const name = `${cell.app} ${columnOf(cell)}`.replaceAll('#', String.raw`\#`);
			const isOk = cell.status !== 'differs' && cell.status !== 'broken';
			const directive = cell.status === 'skipped' ? ` # SKIP ${(cell.why.split('\n', 1)[0] ?? '')}` : '';
			const details = cell.why === '' || cell.status === 'skipped' ? '' : `\n  ---\n  status: ${cell.status}\n  why: |\n${cell.why.split('\n').map(line => `    ${line}`).join('\n')}\n  ...`;
			return `${isOk ? 'ok' : 'not ok'} ${index + 1} - ${name}${directive}${details}`;
		}),
	].join('\n');
}
