/** An MQTT broker and its client: mqtt.cjs NODE_MODULES serve|drive PORT */
const net = require('node:net');
const process = require('node:process');

const [modules, action, port] = process.argv.slice(2);
if (action === 'serve') {
	const Aedes = require(`${modules}/aedes`);
	net.createServer(new Aedes().handle).listen(Number(port), '127.0.0.1');
} else {
	const client = require(`${modules}/mqtt`).connect(`mqtt://127.0.0.1:${port}`);
	let received = 0;
	let isInOrder = true;
	client.on('connect', () => client.subscribe('numbers', {qos: 1}, () => {
		for (let index = 0; index < 1000; index++) {
			client.publish('numbers', String(index), {qos: 1});
		}
	}));
	client.on('message', (_topic, message) => {
		isInOrder &&= message.toString() === String(received);
		if (++received === 1000) {
			console.log(`${received} messages, in order ${isInOrder}`);
			client.end();
		}
	});
}
