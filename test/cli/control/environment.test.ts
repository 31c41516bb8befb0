import test from 'ava';
import {Environment} from '../../../cli/control/environment.js';
import {toRaw, type Raw} from '../../../cli/control/raw.js';

function make(...strings: string[]): Environment {
	return new Environment(strings as Raw[]);
}

test('a variable is found by its whole name', t => {
	const environment = make('LD_PRELOADED=1', 'LD_PRELOAD=a=b', 'EMPTY=', 'no-equals');
	t.is(environment.get('LD_PRELOAD'), 'a=b' as Raw);
	t.is(environment.get('EMPTY'), '' as Raw);
	t.is(environment.get('LD_PRE'), undefined);
	t.is(environment.get('no-equals'), undefined);
	t.is(environment.get(''), undefined);
});

test('of a variable that is there twice the first counts, as with getenv', t => {
	t.is(make('A=1', 'B=2', 'A=3').get('A'), '1' as Raw);
});

test('whatever is set stands once, at the end; all else keeps its bytes and its place', t => {
	const environment = make('A=1', 'B=\u00FF', 'A=3', 'AB=4', 'no-equals', '');
	environment.set('A', toRaw('é'));
	t.deepEqual(environment.toList() as readonly string[], ['B=\u00FF', 'AB=4', 'no-equals', '', 'A=\u00C3\u00A9']);
	environment.delete('B');
	environment.delete('none');
	environment.delete('no-equals');
	t.deepEqual(environment.toList() as readonly string[], ['AB=4', 'no-equals', '', 'A=\u00C3\u00A9']);
});

test('neighbours that are the same variable all go', t => {
	const environment = make('A=1', 'A=2', 'A=3');
	environment.delete('A');
	t.deepEqual(environment.toList(), []);
});

test('a change is not one of the list that it was made of', t => {
	const strings = ['A=1'] as unknown as Raw[];
	const environment = new Environment(strings);
	environment.set('A', toRaw('2'));
	t.deepEqual(strings, ['A=1'] as unknown as Raw[]);
	const copy = new Environment(environment.toList());
	copy.set('B', toRaw('1'));
	t.is(environment.get('B'), undefined);
});

test('what was added or changed', t => {
	const before = make('A=1', 'B=2', 'C=3');
	const after = new Environment(before.toList());
	after.set('B', toRaw('two'));
	after.set('C', toRaw('3'));
	after.set('D', toRaw('4'));
	after.delete('A');
	t.deepEqual(after.changesFrom(before) as string[], ['B=two', 'D=4']);
	t.deepEqual(before.changesFrom(before), []);
});
