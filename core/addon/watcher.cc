/* One thread blocked in repoll_wait. */
#include <cerrno>
#include <csignal>
#include <pthread.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include "watcher.h"

#define STOP_ID 0

int Watcher::start(Napi::Env env, const Napi::Function &on_ready)
{
	struct epoll_event event = {};
	int error;

	set_ = calls.repoll_create(EPOLL_CLOEXEC);
	if (set_ < 0)
		return -errno;
	stop_ = eventfd(0, EFD_CLOEXEC);
	if (stop_ < 0)
		return -errno;
	event.events = EPOLLIN;
	event.data.u64 = STOP_ID;
	if (calls.repoll_ctl(set_, EPOLL_CTL_ADD, stop_, &event) < 0)
		return -errno;
	notifier_ = Notifier::New(env, on_ready, "rsocket", 0, 1, this);
	has_notifier_ = true;
	notifier_.Unref(env);
	error = start_thread();
	return error;
}

/* Signals are for the threads that expect them. */
int Watcher::start_thread()
{
	sigset_t all, before;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	try {
		thread_ = std::thread(&Watcher::run, this);
		pthread_setname_np(thread_.native_handle(), "rsocket-watch");
	} catch (const std::system_error &exception) {
		error = -exception.code().value();
	}
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
	return error;
}

Watcher::~Watcher()
{
	const uint64_t one = 1;

	if (thread_.joinable()) {
		{
			std::lock_guard<std::mutex> lock(mutex_);
			stopping_ = true;
		}
		while (write(stop_, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		thread_.join();
	}
	if (has_notifier_)
		notifier_.Release();
	for (const auto &[id, socket] : sockets_)
		calls.rclose(socket.fd);
	if (set_ >= 0)
		calls.rclose(set_);
	if (stop_ >= 0)
		::close(stop_);
}

void Watcher::run()
{
	struct epoll_event events[256];

	for (;;) {
		int count = calls.repoll_wait(set_, events, sizeof(events) / sizeof(*events), -1);
		std::lock_guard<std::mutex> lock(mutex_);

		if (stopping_ || (count < 0 && errno != EINTR))
			return;
		for (int i = 0; i < count; i++)
			note(events[i]);
		if (!news_.empty() && !calling_) {
			calling_ = true;
			if (notifier_.NonBlockingCall() == napi_closing)
				return;
		}
	}
}

/* Lock held. The event may be of a socket that was closed since. */
void Watcher::note(const struct epoll_event &event)
{
	const auto found = sockets_.find(event.data.u64);

	if (found == sockets_.end() || (event.events & ~found->second.ready) == 0)
		return;
	found->second.ready |= event.events;
	if (!found->second.queued) {
		found->second.queued = true;
		news_.push_back(event.data.u64);
	}
}

void Watcher::deliver(Napi::Env env, Napi::Function on_ready, Watcher *watcher, void *)
{
	/* The environment is going, and the watcher went. */
	if (env == nullptr)
		return;

	Napi::Array events = Napi::Array::New(env);
	{
		std::lock_guard<std::mutex> lock(watcher->mutex_);
		uint32_t length = 0;

		for (uint64_t id : watcher->news_) {
			const auto found = watcher->sockets_.find(id);

			if (found == watcher->sockets_.end())
				continue;
			found->second.queued = false;
			events.Set(length++, static_cast<double>(id));
			events.Set(length++, found->second.ready);
		}
		watcher->news_.clear();
		watcher->calling_ = false;
	}
	try {
		on_ready.Call({events});
	} catch (const Napi::Error &error) {
		/* What is thrown here would only be warned of. */
		napi_fatal_exception(env, error.Value());
	}
}

uint64_t Watcher::adopt(int fd)
{
	std::lock_guard<std::mutex> lock(mutex_);

	sockets_.emplace(++last_id_, watched{fd, 0, false});
	return last_id_;
}

int Watcher::find(uint64_t id) const
{
	const auto found = sockets_.find(id);

	return found == sockets_.end() ? -1 : found->second.fd;
}

int Watcher::watch(uint64_t id, uint32_t events)
{
	struct epoll_event event = {};

	event.events = events | EPOLLET;
	event.data.u64 = id;
	return calls.repoll_ctl(set_, EPOLL_CTL_ADD, find(id), &event) < 0 ? -errno : 0;
}

void Watcher::looks(uint64_t id, uint32_t events)
{
	std::lock_guard<std::mutex> lock(mutex_);
	const auto found = sockets_.find(id);

	if (found != sockets_.end())
		found->second.ready &= ~events;
}

void Watcher::close(uint64_t id)
{
	int fd = find(id);

	if (fd < 0)
		return;
	{
		std::lock_guard<std::mutex> lock(mutex_);
		sockets_.erase(id);
	}
	calls.rclose(fd);
}

void Watcher::hold(Napi::Env env, bool alive)
{
	if (alive)
		notifier_.Ref(env);
	else
		notifier_.Unref(env);
}
