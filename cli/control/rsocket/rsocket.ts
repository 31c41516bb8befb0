/** `rsocket` of the package: sockets for Node programs over the rsockets API. */
export {createConnection, createServer} from './create.js';
/** Another name for it, as `net` has. */
export {createConnection as connect} from './create.js';
export {Socket} from './socket.js';
export {Server, type Dropped} from './server.js';
export {type Carrier} from './carrier.js';
export {type SocketError} from './errors.js';
export {type ConnectOptions, type ListenOptions, type ServerOptions, type SocketOptions} from './options.js';
