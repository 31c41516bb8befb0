/* epoll, one descriptor in one set: level, edge, one-shot, exclusive, and what re-arms them. */
#include "kit.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>

struct watched {
	struct pair pair;
	int set;
};

/* A pair whose B is in a set with EVENTS. */
static struct watched watch(uint32_t events)
{
	struct watched watched = {PAIR, (int)MUST(epoll_create1(EPOLL_CLOEXEC))};
	struct epoll_event event = {.events = events, .data.u64 = 0x1122334455667788ull};

	MUST(epoll_ctl(watched.set, EPOLL_CTL_ADD, watched.pair.b, &event));
	return watched;
}

static void unwatch(struct watched *watched)
{
	MUST(close(watched->set));
	pair_close(&watched->pair);
}

static void rearm(struct watched *watched, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = 0x1122334455667788ull};

	MUST(epoll_ctl(watched->set, EPOLL_CTL_MOD, watched->pair.b, &event));
}

/* The events of the one that is ready within TIMEOUT_MS; 0 if none is. */
static uint32_t events_of(struct watched *watched, int timeout_ms)
{
	struct epoll_event events[4];
	int ready = (int)MUST(epoll_wait(watched->set, events, 4, timeout_ms));

	if (ready == 0)
		return 0;
	CHECK_EQ(ready, 1);
	CHECK_EQ(events[0].data.u64, 0x1122334455667788ull);
	return events[0].events;
}

#define SOON 5000
#define NOT_AGAIN 40

CASE(level_repeats_until_drained, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN);

	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	PUT(watched.pair.a, "ab");
	for (int i = 0; i < 4; i++)
		CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_GETS(watched.pair.b, "a");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_GETS(watched.pair.b, "b");
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	PUT(watched.pair.a, "c");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	unwatch(&watched);
}

CASE(level_writable_always, tiny)
{
	struct watched watched = watch(EPOLLIN | EPOLLOUT);

	for (int i = 0; i < 4; i++)
		CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
	PUT(watched.pair.a, "x");
	kit_await(watched.pair.b, POLLIN);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLOUT);
	unwatch(&watched);
}

CASE(level_writable_again_after_drain, tiny, tcp)
{
	struct watched watched = watch(EPOLLOUT);
	uint64_t filled = kit_fill(watched.pair.b, kit_seed(), 0);

	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	kit_recv_pattern(watched.pair.a, filled, kit_seed(), 0);
	CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
	unwatch(&watched);
}

CASE(edge_reports_an_arrival_once, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN | EPOLLET);

	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	CHECK_GETS(watched.pair.b, "x");
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

CASE(edge_reports_each_new_arrival, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN | EPOLLET);

	for (int i = 0; i < 50; i++) {
		PUT(watched.pair.a, "x");
		CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	}
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	for (int i = 0; i < 50; i++)
		CHECK_GETS(watched.pair.b, "x");
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

CASE(edge_after_a_partial_read_needs_new_data, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN | EPOLLET);

	PUT(watched.pair.a, "abcdef");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_GETS(watched.pair.b, "ab");
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	PUT(watched.pair.a, "g");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_GETS(watched.pair.b, "cdefg");
	unwatch(&watched);
}

/* At each edge all that is ready is reported, not only what changed. */
CASE(edge_reports_all_that_is_ready, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);

	CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLOUT);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	MUST(shutdown(watched.pair.a, SHUT_WR));
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

CASE(edge_added_when_ready_fires, tiny, tcp)
{
	struct watched watched = {PAIR, (int)MUST(epoll_create1(0))};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x1122334455667788ull};

	PUT(watched.pair.a, "x");
	kit_await(watched.pair.b, POLLIN);
	MUST(epoll_ctl(watched.set, EPOLL_CTL_ADD, watched.pair.b, &event));
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

CASE(edge_rearmed_by_mod_fires_again, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN | EPOLLET);

	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	rearm(&watched, EPOLLIN | EPOLLET);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	rearm(&watched, EPOLLIN | EPOLLOUT | EPOLLET);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLOUT);
	CHECK_GETS(watched.pair.b, "x");
	rearm(&watched, EPOLLIN | EPOLLET);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

CASE(edge_writable_after_full_and_drained, tiny, tcp)
{
	struct watched watched = watch(EPOLLOUT | EPOLLET);
	uint64_t at = 0;

	CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
	for (int round = 0; round < 3; round++) {
		uint64_t filled = kit_fill(watched.pair.b, kit_seed(), at);
		while (events_of(&watched, NOT_AGAIN)) /* edges of the time while it filled */
			;
		kit_recv_pattern(watched.pair.a, filled, kit_seed(), at);
		CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
		at += filled;
	}
	unwatch(&watched);
}

CASE(edge_end_of_stream_once, tiny)
{
	struct watched watched = watch(EPOLLIN | EPOLLRDHUP | EPOLLET);

	MUST(shutdown(watched.pair.a, SHUT_WR));
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLRDHUP);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	CHECK_EOF(watched.pair.b);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

/* The usual edge-triggered program: reads until EAGAIN on each event. Every byte must come without a timeout. */
PEER(send_in_bursts)
{
	uint64_t random = kit_seed(), at = 0;

	while (at < (uint64_t)argument) {
		size_t size = 1 + kit_random_below(&random, 3000);
		if (size > (uint64_t)argument - at)
			size = (uint64_t)argument - at;
		kit_send_pattern(fd, size, kit_seed(), at);
		at += size;
		if (kit_random_below(&random, 8) == 0)
			usleep(kit_random_below(&random, 200));
	}
}

static void read_on_edges(enum party party, uint32_t flags)
{
	struct peer peer = {.party = party, .run = &send_in_bursts, .argument = 4 * MIB};
	struct watched watched = {.pair.b = peer_start(&peer), .set = (int)MUST(epoll_create1(0))};
	struct epoll_event event = {.events = EPOLLIN | flags, .data.u64 = 0x1122334455667788ull};
	static char buffer[8 * KIB];
	uint64_t at = 0;
	ssize_t got = -1;

	kit_set_nonblocking(watched.pair.b, true);
	MUST(epoll_ctl(watched.set, EPOLL_CTL_ADD, watched.pair.b, &event));
	while (got != 0) {
		CHECK(events_of(&watched, SOON) & EPOLLIN);
		while ((got = recv(watched.pair.b, buffer, sizeof(buffer), 0)) > 0) {
			CHECK_PATTERN(buffer, (size_t)got, kit_seed(), at);
			at += (uint64_t)got;
		}
		if (got == -1)
			CHECK_EQ(errno, EAGAIN);
		if (flags & EPOLLONESHOT)
			rearm(&watched, EPOLLIN | flags);
	}
	CHECK_EQ(at, 4 * MIB);
	peer_join(&peer);
	MUST(close(watched.set));
	MUST(close(watched.pair.b));
}

/* Whoever listens for urgent bytes is woken by all, and told again what else is ready. */
CASE(edge_for_urgent_bytes_comes_with_any, tiny, tcp)
{
	struct watched watched = watch(EPOLLOUT | EPOLLPRI | EPOLLET);
	struct epoll_event event;

	CHECK_EQ(epoll_wait(watched.set, &event, 1, 1000), 1);
	CHECK_EQ(epoll_wait(watched.set, &event, 1, 0), 0);
	PUT(watched.pair.a, "x");
	CHECK_EQ(epoll_wait(watched.set, &event, 1, 1000), 1);
	CHECK_EQ(event.events, EPOLLOUT);
	CHECK_EQ(epoll_wait(watched.set, &event, 1, 0), 0);
	unwatch(&watched);
}

CASE(edge_reader_misses_nothing, tiny, tcp)
{
	read_on_edges(PARTY_PROCESS, EPOLLET);
}

CASE(edge_reader_misses_nothing_from_a_thread, tiny)
{
	read_on_edges(PARTY_THREAD, EPOLLET);
}

CASE(oneshot_reader_misses_nothing, tiny)
{
	read_on_edges(PARTY_PROCESS, EPOLLONESHOT);
}

CASE(oneshot_disarms_until_mod, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN | EPOLLONESHOT);

	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	PUT(watched.pair.a, "y");
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	rearm(&watched, EPOLLIN | EPOLLONESHOT);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	CHECK_GETS(watched.pair.b, "xy");
	rearm(&watched, EPOLLIN | EPOLLONESHOT);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	PUT(watched.pair.a, "z");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	unwatch(&watched);
}

/* A disarmed one keeps silent even about HUP and ERR. */
CASE(oneshot_disarmed_says_nothing_of_the_end, tiny)
{
	struct watched watched = watch(EPOLLIN | EPOLLONESHOT);

	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	MUST(shutdown(watched.pair.a, SHUT_WR));
	MUST(shutdown(watched.pair.b, SHUT_WR));
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	rearm(&watched, EPOLLIN | EPOLLONESHOT);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLHUP);
	unwatch(&watched);
}

/* What was not read goes by TCP then, with the end. */
CASE(oneshot_disarmed_when_the_peer_closes_with_bytes_unread, tiny)
{
	struct watched watched = watch(EPOLLIN | EPOLLONESHOT);

	PUT(watched.pair.a, "unread");
	MUST(close(watched.pair.a));
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	rearm(&watched, EPOLLIN | EPOLLONESHOT);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	MUST(close(watched.pair.b));
	MUST(close(watched.set));
}

CASE(oneshot_edge_combined, tiny)
{
	struct watched watched = watch(EPOLLIN | EPOLLOUT | EPOLLET | EPOLLONESHOT);

	CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	rearm(&watched, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLONESHOT);
	kit_await(watched.pair.b, POLLIN);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLOUT);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

CASE(mod_changes_what_is_reported, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN);

	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	rearm(&watched, EPOLLOUT);
	CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
	PUT(watched.pair.a, "x");
	kit_await(watched.pair.b, POLLIN);
	CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
	rearm(&watched, EPOLLIN);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	rearm(&watched, 0);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	rearm(&watched, EPOLLIN);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	unwatch(&watched);
}

CASE(mod_changes_the_data, tiny)
{
	struct watched watched = watch(EPOLLIN);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};

	MUST(epoll_ctl(watched.set, EPOLL_CTL_MOD, watched.pair.b, &event));
	PUT(watched.pair.a, "x");
	CHECK_EQ(MUST(epoll_wait(watched.set, &event, 1, SOON)), 1);
	CHECK_EQ(event.data.u64, 7);
	unwatch(&watched);
}

CASE(del_then_add_again, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x1122334455667788ull};

	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	MUST(epoll_ctl(watched.set, EPOLL_CTL_DEL, watched.pair.b, NULL));
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	MUST(epoll_ctl(watched.set, EPOLL_CTL_ADD, watched.pair.b, &event));
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

/* Programs that watch for each request anew, and stop when it is answered, do not pay for it with system calls. */
CASE(watching_anew_costs_no_system_call, ours)
{
	struct watched watched = watch(EPOLLIN);
	struct epoll_event event;

	PUT(watched.pair.a, "x");
	CHECK_EQ(epoll_wait(watched.set, &event, 1, 1000), 1);
	CHECK_GETS(watched.pair.b, "x");
	kit_forbid(SYS_epoll_ctl, SECCOMP_RET_ERRNO | EPERM);
	for (int i = 0; i < 3; i++) {
		MUST(epoll_ctl(watched.set, EPOLL_CTL_DEL, watched.pair.b, NULL));
		event.events = EPOLLOUT;
		MUST(epoll_ctl(watched.set, EPOLL_CTL_ADD, watched.pair.b, &event));
		CHECK_EQ(epoll_wait(watched.set, &event, 1, 1000), 1);
		rearm(&watched, EPOLLIN | EPOLLONESHOT);
		PUT(watched.pair.a, "x");
		CHECK_EQ(epoll_wait(watched.set, &event, 1, 1000), 1);
		CHECK_EQ(event.events, EPOLLIN);
		CHECK_GETS(watched.pair.b, "x");
	}
	unwatch(&watched);
}

CASE(rdhup_on_half_close, tiny, tcp)
{
	struct watched watched = watch(EPOLLRDHUP);

	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	MUST(shutdown(watched.pair.a, SHUT_WR));
	CHECK_EQ(events_of(&watched, SOON), EPOLLRDHUP);
	CHECK_EQ(events_of(&watched, SOON), EPOLLRDHUP);
	CHECK_GETS(watched.pair.b, "x");
	CHECK_EQ(events_of(&watched, SOON), EPOLLRDHUP);
	unwatch(&watched);
}

CASE(hup_and_err_without_asking, tiny, tcp)
{
	struct watched watched = watch(0);
	struct linger now = {1, 0};

	PUT(watched.pair.a, "x");
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	CHECK_GETS(watched.pair.b, "x");
	MUST(setsockopt(watched.pair.a, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	MUST(close(watched.pair.a));
	CHECK_EQ(events_of(&watched, SOON), EPOLLERR | EPOLLHUP);
	MUST(close(watched.set));
	MUST(close(watched.pair.b));
}

CASE(hup_when_both_directions_ended, tiny)
{
	struct watched watched = watch(EPOLLIN | EPOLLRDHUP | EPOLLET);

	MUST(shutdown(watched.pair.b, SHUT_WR));
	CHECK_EQ(events_of(&watched, NOT_AGAIN) & ~(uint32_t)EPOLLOUT, 0);
	MUST(shutdown(watched.pair.a, SHUT_WR));
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
	unwatch(&watched);
}

CASE(exclusive_wakes_someone, tiny)
{
	struct watched first = watch(EPOLLIN | EPOLLEXCLUSIVE);
	struct watched second = {first.pair, (int)MUST(epoll_create1(0))};
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = 0x1122334455667788ull};

	MUST(epoll_ctl(second.set, EPOLL_CTL_ADD, second.pair.b, &event));
	for (int i = 0; i < 20; i++) {
		PUT(first.pair.a, "x");
		kit_await(first.pair.b, POLLIN);
		CHECK(events_of(&first, SOON) == EPOLLIN || events_of(&second, SOON) == EPOLLIN);
		CHECK_GETS(first.pair.b, "x");
	}
	CHECK_FAILS(epoll_ctl(second.set, EPOLL_CTL_MOD, second.pair.b, &event), EINVAL);
	event.events = EPOLLIN;
	CHECK_FAILS(epoll_ctl(second.set, EPOLL_CTL_MOD, second.pair.b, &event), EINVAL);
	MUST(close(second.set));
	unwatch(&first);
}

struct exclusive {
	int set;
	volatile int *woken;
};

static void *wait_exclusively(void *argument)
{
	struct exclusive *exclusive = argument;
	struct epoll_event event;

	if (MUST(epoll_wait(exclusive->set, &event, 1, 1000)) == 1)
		__atomic_add_fetch(exclusive->woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

CASE(exclusive_wakes_at_least_one_sleeper, tiny)
{
	struct pair pair = PAIR;
	volatile int woken = 0;
	struct exclusive waits[3];
	struct thread threads[3];

	for (int i = 0; i < 3; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
		waits[i] = (struct exclusive){(int)MUST(epoll_create1(0)), &woken};
		MUST(epoll_ctl(waits[i].set, EPOLL_CTL_ADD, pair.b, &event));
		thread_start(&threads[i], wait_exclusively, &waits[i]);
		thread_await_asleep(&threads[i]);
	}
	PUT(pair.a, "x");
	for (int i = 0; i < 3; i++) {
		thread_join(&threads[i]);
		MUST(close(waits[i].set));
	}
	CHECK(woken >= 1);
	pair_close(&pair);
}
