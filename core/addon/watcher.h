/* The rsockets of one Node environment, and the thread that tells it which are ready. DESIGN NOTES. An rsocket whose peer was found has its
 * bytes in shared memory, where the event loop's epoll cannot see them: only repoll_wait can, and it blocks. So one thread sits in it, and
 * nothing else is done there. All registrations are edges, so that a socket nobody reads from costs nothing: an edge is kept in `ready`
 * and told once, and is told again only after the environment looked at the socket. `looks` comes before the look: what
 * happens after it makes a new edge, what happened before it is seen by the look. At most one call into the environment is under way; what
 * becomes ready meanwhile waits in `news` and goes with it. */
#pragma once

#include <mutex>
#include <napi.h>
#include <thread>
#include <unordered_map>
#include <vector>

#include "rcalls.h"

class Watcher
{
public:
	explicit Watcher(const struct rcalls &calls) : calls(calls) {}
	/* Joins the thread and closes all that is open. On the environment's thread, as all that follows. */
	~Watcher();
	Watcher(const Watcher &) = delete;
	Watcher &operator=(const Watcher &) = delete;

	/* ON_READY is called with [id, events, id, events, ...]. 0 or -errno. */
	int start(Napi::Env env, const Napi::Function &on_ready);

	/* Owns FD from now on, and calls it by the id that is returned: numbers are never used again, as those of descriptors are. */
	uint64_t adopt(int fd);
	/* -1: none has that id. */
	int find(uint64_t id) const;
	/* Edges of EVENTS are told from now on. 0 or -errno. */
	int watch(uint64_t id, uint32_t events);
	/* The caller is about to look for EVENTS itself. */
	void looks(uint64_t id, uint32_t events);
	/* Closes it; nothing is told of it any more. */
	void close(uint64_t id);

	/* Whether the event loop has to go on for the sockets' sake; at first it has not. */
	void hold(Napi::Env env, bool alive);

	const struct rcalls &calls;

private:
	struct watched {
		int fd;
		uint32_t ready; /* happened, and not looked at since */
		bool queued;    /* in `news` */
	};
	static void deliver(Napi::Env env, Napi::Function on_ready, Watcher *watcher, void *);
	using Notifier = Napi::TypedThreadSafeFunction<Watcher, void, deliver>;

	int start_thread();
	void run();
	void note(const struct epoll_event &event);

	int set_ = -1;
	int stop_ = -1; /* an eventfd, in the set */
	uint64_t last_id_ = 0;
	Notifier notifier_;
	bool has_notifier_ = false;
	std::thread thread_;

	/* Guards what follows. Only the environment's thread adds and removes sockets: it may look them up without. */
	std::mutex mutex_;
	std::unordered_map<uint64_t, struct watched> sockets_;
	std::vector<uint64_t> news_;
	bool calling_ = false; /* a call into the environment is under way that has not taken `news_` yet */
	bool stopping_ = false;
};
