/* Rsockets for cli/control/rsocket: each function does one r-call, and returns what it returned or -errno. Typed in cli/native.ts. */
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string>

#include "rsocket_export.h"
#include "watcher.h"

namespace
{

const size_t vector_max = 64;

Watcher &watcher_of(const Napi::CallbackInfo &info)
{
	return *static_cast<Watcher *>(info.Data());
}

uint64_t id_of(const Napi::CallbackInfo &info)
{
	return static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
}

int fd_of(const Napi::CallbackInfo &info)
{
	return watcher_of(info).find(id_of(info));
}

Napi::Value number(const Napi::CallbackInfo &info, double value)
{
	return Napi::Number::New(info.Env(), value);
}

/* What a call returned, or -errno. */
Napi::Value result(const Napi::CallbackInfo &info, ssize_t value)
{
	return number(info, static_cast<double>(value < 0 ? -errno : value));
}

struct address {
	struct sockaddr_storage storage;
	socklen_t size;
	const struct sockaddr *get() const { return reinterpret_cast<const struct sockaddr *>(&storage); }
};

/* A numeric address, with a scope perhaps: nothing is looked up. False: it is none. */
bool address_parse(const std::string &text, int port, struct address *address)
{
	struct addrinfo hints = {}, *list = nullptr;

	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(text.c_str(), std::to_string(port).c_str(), &hints, &list) != 0)
		return false;
	*address = {};
	address->size = list->ai_addrlen;
	std::copy_n(reinterpret_cast<const char *>(list->ai_addr), list->ai_addrlen,
		    reinterpret_cast<char *>(&address->storage));
	freeaddrinfo(list);
	return true;
}

/* (family: 4 or 6): an id */
Napi::Value create(const Napi::CallbackInfo &info)
{
	Watcher &watcher = watcher_of(info);
	int domain = info[0].As<Napi::Number>().Int32Value() == 6 ? AF_INET6 : AF_INET;
	int fd = watcher.calls.rsocket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? result(info, fd) : number(info, static_cast<double>(watcher.adopt(fd)));
}

/* (id, address, port, {ipv6Only, reuse}) */
Napi::Value bind(const Napi::CallbackInfo &info)
{
	const struct rcalls &calls = watcher_of(info).calls;
	int fd = fd_of(info), on = 1;
	struct address address;

	if (!address_parse(info[1].As<Napi::String>(), info[2].As<Napi::Number>().Int32Value(), &address))
		return number(info, -EINVAL);
	if (info[3].ToBoolean())
		calls.rsetsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* As Node does: a server starts again while connections of the last one linger. */
	calls.rsetsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return result(info, calls.rbind(fd, address.get(), address.size));
}

/* (id, address, port): 0 when it is under way; writable when it is decided. */
Napi::Value connect(const Napi::CallbackInfo &info)
{
	Watcher &watcher = watcher_of(info);
	struct address address;

	if (!address_parse(info[1].As<Napi::String>(), info[2].As<Napi::Number>().Int32Value(), &address))
		return number(info, -EINVAL);
	if (watcher.calls.rconnect(fd_of(info), address.get(), address.size) < 0 && errno != EINPROGRESS)
		return result(info, -1);
	/* Not earlier: a socket that is no connection yet would be reported as hung up. */
	return number(info, watcher.watch(id_of(info), EPOLLIN | EPOLLOUT | EPOLLRDHUP));
}

/* (id): how it was decided; -EAGAIN: it is not */
Napi::Value connected(const Napi::CallbackInfo &info)
{
	const struct rcalls &calls = watcher_of(info).calls;
	struct sockaddr_storage peer;
	int error = 0;
	socklen_t size = sizeof(error), peer_size = sizeof(peer);

	if (calls.rgetsockopt(fd_of(info), SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return result(info, -1);
	if (error == 0 && calls.rgetpeername(fd_of(info), reinterpret_cast<struct sockaddr *>(&peer), &peer_size) < 0 &&
	    errno == ENOTCONN)
		error = EAGAIN;
	return number(info, -error);
}

/* (id, backlog) */
Napi::Value listen(const Napi::CallbackInfo &info)
{
	Watcher &watcher = watcher_of(info);

	if (watcher.calls.rlisten(fd_of(info), info[1].As<Napi::Number>().Int32Value()) < 0)
		return result(info, -1);
	return number(info, watcher.watch(id_of(info), EPOLLIN));
}

/* (id): the id of a connection */
Napi::Value accept(const Napi::CallbackInfo &info)
{
	Watcher &watcher = watcher_of(info);
	uint64_t id;
	int fd, error;

	watcher.looks(id_of(info), EPOLLIN);
	fd = watcher.calls.raccept4(fd_of(info), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return result(info, fd);
	id = watcher.adopt(fd);
	error = watcher.watch(id, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	if (error < 0)
		watcher.close(id);
	return number(info, error < 0 ? error : static_cast<double>(id));
}

/* (id, bytes) */
Napi::Value receive(const Napi::CallbackInfo &info)
{
	Watcher &watcher = watcher_of(info);
	auto bytes = info[1].As<Napi::Uint8Array>();

	watcher.looks(id_of(info), ~static_cast<uint32_t>(EPOLLOUT));
	return result(info, watcher.calls.rrecv(fd_of(info), bytes.Data(), bytes.ByteLength(), MSG_DONTWAIT));
}

/* (id, chunks, first, offset): sends from `offset` of chunk `first` on, some of it. */
Napi::Value send(const Napi::CallbackInfo &info)
{
	Watcher &watcher = watcher_of(info);
	const auto chunks = info[1].As<Napi::Array>();
	const uint32_t first = info[2].As<Napi::Number>().Uint32Value(), length = chunks.Length();
	size_t offset = static_cast<size_t>(info[3].As<Napi::Number>().Int64Value()), count = 0;
	struct iovec vector[vector_max];
	struct msghdr message = {};

	for (uint32_t i = first; i < length && count < vector_max; i++) {
		auto bytes = chunks.Get(i).As<Napi::Uint8Array>();

		vector[count].iov_base = bytes.Data() + offset;
		vector[count++].iov_len = bytes.ByteLength() - offset;
		offset = 0;
	}
	watcher.looks(id_of(info), EPOLLOUT);
	if (count == 1)
		return result(info, watcher.calls.rsend(fd_of(info), vector[0].iov_base, vector[0].iov_len,
							MSG_DONTWAIT | MSG_NOSIGNAL));
	message.msg_iov = vector;
	message.msg_iovlen = count;
	return result(info, watcher.calls.rsendmsg(fd_of(info), &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* (id): no more is written */
Napi::Value shutdown(const Napi::CallbackInfo &info)
{
	return result(info, watcher_of(info).calls.rshutdown(fd_of(info), SHUT_WR));
}

/* (id, reset) */
void close(const Napi::CallbackInfo &info)
{
	Watcher &watcher = watcher_of(info);
	const struct linger linger = {1, 0};

	if (info[1].ToBoolean())
		watcher.calls.rsetsockopt(fd_of(info), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	watcher.close(id_of(info));
}

/* (id, peer): {address, family, port} or -errno */
Napi::Value name(const Napi::CallbackInfo &info)
{
	const struct rcalls &calls = watcher_of(info).calls;
	struct sockaddr_storage storage = {};
	auto *address = reinterpret_cast<struct sockaddr *>(&storage);
	socklen_t size = sizeof(storage);
	char host[NI_MAXHOST], port[NI_MAXSERV];
	int error = info[1].ToBoolean() ? calls.rgetpeername(fd_of(info), address, &size)
					: calls.rgetsockname(fd_of(info), address, &size);

	if (error < 0)
		return result(info, error);
	if (getnameinfo(address, size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return number(info, -EAFNOSUPPORT);
	Napi::Object object = Napi::Object::New(info.Env());
	object.Set("address", host);
	object.Set("family", address->sa_family == AF_INET6 ? "IPv6" : "IPv4");
	object.Set("port", std::stoi(port));
	return object;
}

/* (id, on) */
Napi::Value no_delay(const Napi::CallbackInfo &info)
{
	int on = info[1].ToBoolean();

	return result(info, watcher_of(info).calls.rsetsockopt(fd_of(info), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

/* (id, on, seconds before the first probe; 0: the system's) */
Napi::Value keep_alive(const Napi::CallbackInfo &info)
{
	const struct rcalls &calls = watcher_of(info).calls;
	int fd = fd_of(info), on = info[1].ToBoolean(), idle = info[2].As<Napi::Number>().Int32Value();
	int error = calls.rsetsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));

	if (error == 0 && on && idle > 0)
		error = calls.rsetsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	return result(info, error);
}

/* (id): what carries it, or -errno */
Napi::Value carrier(const Napi::CallbackInfo &info)
{
	static const char *const transports[] = {"tcp", "shm", "verbs"};
	struct rdma_carrier carrier = {};
	socklen_t size = sizeof(carrier);
	int error = watcher_of(info).calls.rgetsockopt(fd_of(info), SOL_RDMA, RDMA_CARRIER, &carrier, &size);

	if (error < 0)
		return result(info, error);
	Napi::Object object = Napi::Object::New(info.Env());
	object.Set("send", transports[carrier.send <= RDMA_TRANSPORT_VERBS ? carrier.send : 0]);
	object.Set("recv", transports[carrier.recv <= RDMA_TRANSPORT_VERBS ? carrier.recv : 0]);
	object.Set("reason", carrier.reason);
	object.Set("sendBytes", static_cast<double>(carrier.send_bytes));
	object.Set("recvBytes", static_cast<double>(carrier.recv_bytes));
	object.Set("shmSendBytes", static_cast<double>(carrier.shm_send_bytes));
	object.Set("shmRecvBytes", static_cast<double>(carrier.shm_recv_bytes));
	return object;
}

/* (alive) */
void hold(const Napi::CallbackInfo &info)
{
	watcher_of(info).hold(info.Env(), info[0].ToBoolean());
}

/* (path of librsocket.so, function that is told what is ready): the functions above. */
Napi::Value rsockets(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::string why;
	const struct rcalls *calls = rcalls_load(info[0].As<Napi::String>().Utf8Value().c_str(), &why);

	if (!calls)
		throw Napi::Error::New(env, why);

	auto watcher = std::make_unique<Watcher>(*calls);
	int error = watcher->start(env, info[1].As<Napi::Function>());
	if (error < 0)
		throw Napi::Error::New(env, std::string("rsockets cannot be watched: ") + strerror(-error));
	/* After the notifier's own hook, which thus runs later. A process that calls exit() runs neither: its thread ends with it. */
	Watcher *data = watcher.release();
	env.AddCleanupHook([](Watcher *gone) { delete gone; }, data);

	Napi::Object object = Napi::Object::New(env);
	object.Set("create", Napi::Function::New(env, create, "create", data));
	object.Set("bind", Napi::Function::New(env, bind, "bind", data));
	object.Set("connect", Napi::Function::New(env, connect, "connect", data));
	object.Set("connected", Napi::Function::New(env, connected, "connected", data));
	object.Set("listen", Napi::Function::New(env, listen, "listen", data));
	object.Set("accept", Napi::Function::New(env, accept, "accept", data));
	object.Set("receive", Napi::Function::New(env, receive, "receive", data));
	object.Set("send", Napi::Function::New(env, send, "send", data));
	object.Set("shutdown", Napi::Function::New(env, shutdown, "shutdown", data));
	object.Set("close", Napi::Function::New(env, close, "close", data));
	object.Set("name", Napi::Function::New(env, name, "name", data));
	object.Set("noDelay", Napi::Function::New(env, no_delay, "noDelay", data));
	object.Set("keepAlive", Napi::Function::New(env, keep_alive, "keepAlive", data));
	object.Set("carrier", Napi::Function::New(env, carrier, "carrier", data));
	object.Set("hold", Napi::Function::New(env, hold, "hold", data));
	return object;
}

} // namespace

void rsocket_export(Napi::Env env, Napi::Object exports)
{
	exports.Set("rsockets", Napi::Function::New(env, rsockets, "rsockets"));
}
