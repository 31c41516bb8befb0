/** RDMA devices, as libibverbs and the kernel know them. */
import {accessSync, constants, readdirSync} from 'node:fs';
import path from 'node:path';
import {type Native} from '../../native.js';
import {
	finding, readSystemFile, type EnvFinding, type Root,
} from './machine.js';

const packages = 'apt-get install libibverbs1 librdmacm1 ibverbs-providers';

/** Its devices, and what can be said of them. */
export function examineRdma(root: Root, native: Pick<Native, 'verbsDevices' | 'options'>): EnvFinding[] {
	const found = native.verbsDevices();
	if ('error' in found) {
		return [finding(['rdma', 'note', 'libibverbs'], `libibverbs cannot be opened (${found.error}): no RDMA device can be used. On one host none is needed.`, packages)];
	}

	if (found.devices.length === 0) {
		return [finding(['rdma', 'note', 'no-device'], 'There is no RDMA device. On one host none is needed.')];
	}

	const isCarried = native.options().some(({name, values}) => name === 'transport' && values.split('|').includes('verbs'));
	return [
		...found.devices.flatMap(device => examineDevice(root, device)),
		...(isReachable(root) ? [] : [finding(['rdma', 'warning', 'rdma-cm'], '/dev/infiniband/rdma_cm cannot be used: connections over RDMA cannot be made.', 'modprobe rdma_ucm; and let its users read and write it.')]),
		...(isCarried ? [] : [finding(['rdma', 'note', 'not-carried'], 'This version promotes connections to shared memory only: connections to other hosts stay on TCP, whatever the device.')]),
	];
}

function examineDevice(root: Root, device: string): EnvFinding[] {
	const directory = `sys/class/infiniband/${device}/ports`;
	const ports = listNames(path.join(root, directory));
	if (ports.length === 0) {
		return [finding(['rdma', 'warning', 'device'], `${device} has no port.`, 'Look at it with rdma link and ibv_devinfo.')];
	}

	return ports.map(port => {
		// `4: ACTIVE`
		const read = (name: string): string => (readSystemFile(root, `${directory}/${port}/${name}`) ?? 'unknown').trim().replace(/^\d+: /, '');
		const text = `${device} port ${port}: ${read('state')}, ${read('phys_state')}, ${read('link_layer')}, ${read('rate')}`;
		return read('state') === 'ACTIVE'
			? finding(['rdma', 'good', 'device'], text)
			: finding(['rdma', 'warning', 'device'], text, 'Bring its network interface up; look at rdma link.');
	});
}

function isReachable(root: Root): boolean {
	try {
		accessSync(path.join(root, 'dev/infiniband/rdma_cm'), constants.R_OK | constants.W_OK);
		return true;
	} catch {
		return false;
	}
}

function listNames(directory: string): string[] {
	try {
		return readdirSync(directory).toSorted();
	} catch {
		return [];
	}
}
