import test from 'ava';
import {lineOfPath} from '../../../../cli/control/config/line-of-path.js';

const text = String.raw`
{
	"version": 1, "a/b": 2,
	"settings": {
		"x\"y": "settings, [{",
		"polling_time": -1
	},
	"rules": [
		{"use": "tcp"},
		{"use": "tcp",
			"port": [1,
				2]}
	]
}`;

test('the line of a value, or of its name', t => {
	for (const [path, line] of [
		['', 2], ['/version', 3], ['/a~1b', 3], ['/settings', 4], ['/settings/x"y', 5], ['/settings/polling_time', 6],
		['/rules/0', 9], ['/rules/1', 10], ['/rules/1/port', 11], ['/rules/1/port/1', 12],
	] as const) {
		t.is(lineOfPath(text, path), line, `at "${path}"`);
	}

	t.is(lineOfPath(text, '', 'a/b'), 3);
	t.is(lineOfPath('7', ''), 1);
	t.is(lineOfPath('\n[[1],\n[2]]', '/1/0'), 3);
});

test('of what is not there, the line of what is around it', t => {
	t.is(lineOfPath(text, '/settings/none/0'), 4);
	t.is(lineOfPath(text, '', 'none'), 2);
	t.is(lineOfPath('', '/x'), 1);
});
