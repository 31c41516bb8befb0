import {mkdirSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {findMissing, searchPath} from '../../../../cli/control/check/find-missing.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';
import {tinyApp} from '../../helpers/tiny-app.js';

test('a star is the highest name', t => {
	const directory = makeTemporaryDirectory(t);
	for (const name of ['9', '15', '13']) {
		mkdirSync(path.join(directory, name, 'bin'), {recursive: true});
	}

	t.is(searchPath({path: [`${directory}/*/bin`, '/opt/x']}, '/usr/bin::/sbin'), `${directory}/15/bin:/opt/x:/usr/bin:/sbin:/usr/local/sbin:/usr/sbin`);
	t.true(searchPath({path: ['/nowhere/*/bin']}, '').startsWith('/nowhere/*/bin:'));
});

test('programs', t => {
	t.is(findMissing(tinyApp(), '/usr/bin:/bin', '/nowhere'), undefined);
	t.is(findMissing(tinyApp({prepare: [{run: ['nosuchprogram']}]}), '/usr/bin:/bin', '/nowhere'), 'nosuchprogram is not installed');
	t.is(findMissing(tinyApp({needs: ['nosuchprogram'], packages: {debian: ['a', 'b']}}), '/usr/bin:/bin', '/nowhere'), 'nosuchprogram is not installed (apt-get install a b)');
	t.is(findMissing(tinyApp({prepare: [{run: ['{dir}/made']}]}), '/usr/bin:/bin', '/nowhere'), undefined);
});

test('packages of npm', t => {
	const directory = makeTemporaryDirectory(t);
	mkdirSync(path.join(directory, 'node_modules', '@scope', 'there'), {recursive: true});
	t.is(findMissing(tinyApp({packages: {npm: ['@scope/there@2']}}), '/bin', directory), undefined);
	t.is(findMissing(tinyApp({packages: {npm: ['@scope/there@2', 'ws@8', '@scope/gone']}}), '/bin', directory), `ws, @scope/gone is not in ${directory} (npm install --prefix ${directory} ws@8 @scope/gone)`);
});
