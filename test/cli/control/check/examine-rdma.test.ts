import test from 'ava';
import {examineRdma} from '../../../../cli/control/check/examine-rdma.js';
import {loadNative, type Native} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

function stub(found: ReturnType<Native['verbsDevices']>): Pick<Native, 'verbsDevices' | 'options'> {
	return {verbsDevices: () => found, options: () => native.options()};
}

const port = 'sys/class/infiniband/rxe0/ports/1';

test('without libibverbs, and without devices', t => {
	t.like(examineRdma('/', stub({error: 'libibverbs.so.1: no such file'}))[0], {code: 'libibverbs', level: 'note'});
	t.like(examineRdma('/', stub({devices: []}))[0], {code: 'no-device', level: 'note'});
});

test('a device that is up', t => {
	const root = makeRoot(t, {[`${port}/state`]: '4: ACTIVE\n', [`${port}/phys_state`]: '5: LinkUp\n', [`${port}/link_layer`]: 'Ethernet\n', [`${port}/rate`]: '100 Gb/sec (4X EDR)\n', 'dev/infiniband/rdma_cm': ''});
	const [device] = examineRdma(root, stub({devices: ['rxe0']}));
	t.like(device, {code: 'device', level: 'good', text: 'rxe0 port 1: ACTIVE, LinkUp, Ethernet, 100 Gb/sec (4X EDR)'});
});

test('a device that is down, one without ports, and no way to make connections', t => {
	const root = makeRoot(t, {[`${port}/state`]: '1: DOWN\n'});
	const findings = examineRdma(root, stub({devices: ['rxe0', 'gone0']}));
	t.like(findings[0], {level: 'warning', text: 'rxe0 port 1: DOWN, unknown, unknown, unknown'});
	t.like(findings[1], {level: 'warning', text: 'gone0 has no port.'});
	t.like(findings[2], {code: 'rdma-cm', level: 'warning'});
});

test('this machine', t => {
	t.deepEqual(examineRdma('/', native).filter(({level}) => level === 'bad'), []);
});
