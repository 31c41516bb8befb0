/** A snapshot in the text format of Prometheus. */
import {Counter, Gauge, Registry} from 'prom-client';
import {type LiveProcess, type Snapshot} from './take-snapshot.js';

export const metricsType = Registry.PROMETHEUS_CONTENT_TYPE;

/** A registry for each text: the series of a process end with it. */
export async function formatMetrics(snapshot: Snapshot): Promise<string> {
	const registry = new Registry();
	addConnections(registry, snapshot);
	for (const [name, help, value] of counters) {
		const counter = new Counter({name, help, labelNames: ['pid', 'program'], registers: [registry]});
		for (const process of snapshot.processes) {
			counter.inc(labelsOf(process), value(process));
		}
	}

	addBytes(registry, snapshot);
	return registry.metrics();
}

const labelsOf = ({pid, program}: LiveProcess): {pid: number; program: string} => ({pid, program});

function addConnections(registry: Registry, {processes, connections}: Snapshot): void {
	new Gauge({name: 'rsocket_processes', help: 'Processes under the toolkit that can be read.', registers: [registry]}).set(processes.length);
	const gauge = new Gauge({
		name: 'rsocket_connections', help: 'Open connection ends, by what carries them and why.', labelNames: ['pid', 'program', 'transport', 'reason'], registers: [registry],
	});
	for (const {pid, program, transport, reason} of connections) {
		gauge.inc({pid, program, transport, reason});
	}
}

type Row = readonly [name: string, help: string, value: (process: LiveProcess) => number];

const counters: readonly Row[] = [
	['rsocket_connections_total', 'Connections that were ever opened.', ({open, ended}) => open.connections + ended.connections],
	['rsocket_connections_promoted_total', 'Those of them that left TCP.', ({open, ended}) => open.promoted + ended.promoted],
	['rsocket_sleeps_total', 'Waits on promoted connections that slept in the kernel.', ({open, ended}) => open.sleeps + ended.sleeps],
	['rsocket_spins_paid_total', 'Waits on promoted connections that ended while they still spun.', ({open, ended}) => open.spins + ended.spins],
	['rsocket_connections_dropped_total', 'Connections that could not be listed: the table was full.', ({dropped}) => dropped],
];

function addBytes(registry: Registry, {processes}: Snapshot): void {
	const bytes = new Counter({
		name: 'rsocket_bytes_total', help: 'Bytes that connections moved.', labelNames: ['pid', 'program', 'direction', 'transport'], registers: [registry],
	});
	const messages = new Counter({
		name: 'rsocket_messages_total', help: 'Calls that moved bytes.', labelNames: ['pid', 'program', 'direction'], registers: [registry],
	});
	for (const process of processes) {
		const {open, ended} = process;
		const labels = labelsOf(process);
		const sent = open.sendBytes + ended.sendBytes;
		const sentShm = open.shmSendBytes + ended.shmSendBytes;
		const received = open.recvBytes + ended.recvBytes;
		const receivedShm = open.shmRecvBytes + ended.shmRecvBytes;
		// Both counters of a connection move one after the other: the difference could be below zero for a moment.
		bytes.inc({...labels, direction: 'sent', transport: 'shm'}, sentShm);
		bytes.inc({...labels, direction: 'sent', transport: 'tcp'}, Math.max(0, sent - sentShm));
		bytes.inc({...labels, direction: 'received', transport: 'shm'}, receivedShm);
		bytes.inc({...labels, direction: 'received', transport: 'tcp'}, Math.max(0, received - receivedShm));
		messages.inc({...labels, direction: 'sent'}, open.sendCalls + ended.sendCalls);
		messages.inc({...labels, direction: 'received'}, open.recvCalls + ended.recvCalls);
	}
}
