/** WebSocket echo: ws.cjs PACKAGE serve|drive PORT */
const process = require('node:process');

const [directory, action, port] = process.argv.slice(2);
const {WebSocket, WebSocketServer} = require(directory);
if (action === 'serve') {
	new WebSocketServer({host: '127.0.0.1', port: Number(port)}).on('connection', socket => {
		socket.on('message', (data, isBinary) => socket.send(data, {binary: isBinary}));
	});
} else {
	const socket = new WebSocket(`ws://127.0.0.1:${port}`);
	const message = index => Buffer.alloc(index * 13 % 70_000, String(index));
	let received = 0;
	let isEqual = true;
	socket.on('open', () => {
		for (let index = 0; index < 2000; index++) {
			socket.send(message(index));
		}
	});
	socket.on('message', data => {
		isEqual &&= data.equals(message(received));
		if (++received === 2000) {
			console.log(`${received} messages, equal ${isEqual}`);
			socket.close();
		}
	});
}
