/* epoll with more than one of something: sets in sets, descriptors in two sets, duplicates, other kinds of files, other threads. */
#include "kit.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#define SOON 5000
#define NOT_NOW 40

static void add(int set, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
}

static int new_set(void)
{
	return (int)MUST(epoll_create1(EPOLL_CLOEXEC));
}

/* Exactly one event, with this data. */
static void check_one(int set, uint64_t data, uint32_t bits)
{
	struct epoll_event events[8];

	CHECK_EQ(MUST(epoll_wait(set, events, 8, SOON)), 1);
	CHECK_EQ(events[0].data.u64, data);
	CHECK_EQ(events[0].events, bits);
}

static void check_none(int set)
{
	struct epoll_event events[8];

	CHECK_EQ(MUST(epoll_wait(set, events, 8, NOT_NOW)), 0);
}

CASE(nested_set_is_readable_when_it_has_events, tiny, tcp)
{
	struct pair pair = PAIR;
	int inner = new_set(), outer = new_set();

	add(inner, pair.b, EPOLLIN, 1);
	add(outer, inner, EPOLLIN, 2);
	check_none(outer);
	PUT(pair.a, "x");
	check_one(outer, 2, EPOLLIN);
	check_one(inner, 1, EPOLLIN);
	check_one(outer, 2, EPOLLIN);
	CHECK_GETS(pair.b, "x");
	check_none(outer);
	MUST(close(outer));
	MUST(close(inner));
	pair_close(&pair);
}

CASE(nested_set_edge, tiny)
{
	struct pair pair = PAIR;
	int inner = new_set(), outer = new_set();

	add(inner, pair.b, EPOLLIN, 1);
	add(outer, inner, EPOLLIN | EPOLLET, 2);
	for (int i = 0; i < 5; i++) {
		PUT(pair.a, "x");
		check_one(outer, 2, EPOLLIN);
		check_none(outer);
		check_one(inner, 1, EPOLLIN);
		CHECK_GETS(pair.b, "x");
	}
	MUST(close(outer));
	MUST(close(inner));
	pair_close(&pair);
}

CASE(nested_three_deep_wakes_the_sleeper, tiny)
{
	int sets[3];
	struct pair pair = PAIR;
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		sets[i] = new_set();
		add(sets[i], i ? sets[i - 1] : pair.b, EPOLLIN, (uint64_t)i);
	}
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		kit_sleep_ms(100);
		PUT(pair.a, "x");
		_exit(0);
	}
	check_one(sets[2], 2, EPOLLIN);
	CHECK_EXITS(pid, 0);
	CHECK_GETS(pair.b, "x");
	for (int i = 0; i < 3; i++)
		MUST(close(sets[i]));
	pair_close(&pair);
}

CASE(poll_of_a_set, tiny, tcp)
{
	struct pair pair = PAIR;
	int set = new_set();
	struct pollfd entry = {.fd = set, .events = POLLIN};
	fd_set in;

	add(set, pair.b, EPOLLIN, 1);
	CHECK_EQ(poll(&entry, 1, NOT_NOW), 0);
	PUT(pair.a, "x");
	CHECK_EQ(poll(&entry, 1, SOON), 1);
	CHECK_EQ(entry.revents, POLLIN);
	FD_ZERO(&in);
	FD_SET(set, &in);
	CHECK_EQ(select(set + 1, &in, NULL, NULL, &(struct timeval){5, 0}), 1);
	CHECK(FD_ISSET(set, &in));
	CHECK_GETS(pair.b, "x");
	CHECK_EQ(poll(&entry, 1, NOT_NOW), 0);
	MUST(close(set));
	pair_close(&pair);
}

CASE(poll_of_a_set_sleeps_until_data, tiny)
{
	struct pair pair = PAIR;
	int set = new_set();
	struct pollfd entry = {.fd = set, .events = POLLIN};
	pid_t pid;

	add(set, pair.b, EPOLLIN, 1);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		kit_sleep_ms(100);
		PUT(pair.a, "x");
		_exit(0);
	}
	CHECK_EQ(poll(&entry, 1, SOON), 1);
	check_one(set, 1, EPOLLIN);
	CHECK_EXITS(pid, 0);
	MUST(close(set));
	pair_close(&pair);
}

CASE(one_descriptor_in_two_sets, tiny, tcp)
{
	struct pair pair = PAIR;
	int level = new_set(), edge = new_set();

	add(level, pair.b, EPOLLIN, 1);
	add(edge, pair.b, EPOLLIN | EPOLLET, 2);
	PUT(pair.a, "x");
	check_one(edge, 2, EPOLLIN);
	check_none(edge);
	check_one(level, 1, EPOLLIN);
	check_one(level, 1, EPOLLIN);
	CHECK_GETS(pair.b, "x");
	check_none(level);
	PUT(pair.a, "y");
	check_one(level, 1, EPOLLIN);
	check_one(edge, 2, EPOLLIN);
	MUST(close(level));
	MUST(close(edge));
	pair_close(&pair);
}

CASE(both_ends_in_one_set, tiny, tcp)
{
	struct pair pair = PAIR;
	int set = new_set();

	add(set, pair.a, EPOLLIN, 1);
	add(set, pair.b, EPOLLIN, 2);
	for (int i = 0; i < 20; i++) {
		PUT(pair.a, "x");
		check_one(set, 2, EPOLLIN);
		CHECK_GETS(pair.b, "x");
		PUT(pair.b, "y");
		check_one(set, 1, EPOLLIN);
		CHECK_GETS(pair.a, "y");
	}
	check_none(set);
	MUST(close(set));
	pair_close(&pair);
}

/* A duplicate is a registration of its own. */
CASE(duplicate_is_registered_separately, tiny, tcp)
{
	struct pair pair = PAIR;
	int set = new_set(), copy = (int)MUST(dup(pair.b));
	struct epoll_event events[4];

	add(set, pair.b, EPOLLIN, 1);
	add(set, copy, EPOLLIN, 2);
	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(MUST(epoll_wait(set, events, 4, SOON)), 2);
	CHECK_EQ(events[0].data.u64 + events[1].data.u64, 3);
	MUST(epoll_ctl(set, EPOLL_CTL_DEL, copy, NULL));
	check_one(set, 1, EPOLLIN);
	MUST(close(copy));
	check_one(set, 1, EPOLLIN);
	MUST(close(set));
	pair_close(&pair);
}

/* The set watches the open file: it stays while a duplicate does. */
CASE(closed_original_is_reported_while_a_duplicate_lives)
{
	struct pair pair = PAIR;
	int set = new_set(), copy = (int)MUST(dup(pair.b));
	struct epoll_event event;

	add(set, pair.b, EPOLLIN, 1);
	MUST(close(pair.b));
	PUT(pair.a, "x");
	check_one(set, 1, EPOLLIN);
	CHECK_GETS(copy, "x");
	check_none(set);
	MUST(close(copy));
	PUT(pair.a, "y");
	CHECK_EQ(MUST(epoll_wait(set, &event, 1, NOT_NOW)), 0);
	MUST(close(set));
	MUST(close(pair.a));
}

CASE(close_removes_the_registration, tiny, tcp)
{
	struct pair pair = PAIR, other = PAIR;
	int set = new_set();
	struct epoll_event event = {.events = EPOLLIN};

	add(set, pair.b, EPOLLIN, 1);
	add(set, other.b, EPOLLIN, 2);
	PUT(pair.a, "x");
	check_one(set, 1, EPOLLIN);
	MUST(close(pair.b));
	check_none(set);
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_MOD, pair.b, &event), EBADF);
	PUT(other.a, "y");
	check_one(set, 2, EPOLLIN);
	MUST(close(set));
	MUST(close(pair.a));
	pair_close(&other);
}

/* The number comes back with another connection: the old registration has nothing to do with it. */
CASE(number_reused_after_close, tiny)
{
	int set = new_set();

	for (int i = 0; i < 30; i++) {
		struct pair pair = PAIR;
		struct epoll_event event = {.events = EPOLLIN};
		CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_MOD, pair.b, &event), ENOENT);
		add(set, pair.b, EPOLLIN | (i % 2 ? EPOLLET : 0), (uint64_t)i);
		check_none(set);
		PUT(pair.a, "x");
		check_one(set, (uint64_t)i, EPOLLIN);
		pair_close(&pair);
		if (i % 8 == 0)
			check_none(set);
	}
	MUST(close(set));
}

struct action {
	int set, fd, other;
};

static void *add_later(void *argument)
{
	struct action *action = argument;

	kit_sleep_ms(60);
	add(action->set, action->fd, EPOLLIN, 7);
	return NULL;
}

CASE(added_ready_by_another_thread_during_the_wait, tiny, tcp)
{
	struct pair pair = PAIR;
	struct action action = {.set = new_set(), .fd = pair.b};
	struct thread thread;

	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	thread_start(&thread, add_later, &action);
	check_one(action.set, 7, EPOLLIN);
	thread_join(&thread);
	MUST(close(action.set));
	pair_close(&pair);
}

static void *add_then_write(void *argument)
{
	struct action *action = argument;

	kit_sleep_ms(60);
	add(action->set, action->fd, EPOLLIN | EPOLLET, 7);
	kit_sleep_ms(60);
	PUT(action->other, "x");
	return NULL;
}

CASE(added_by_another_thread_then_ready, tiny)
{
	struct pair pair = PAIR;
	struct action action = {.set = new_set(), .fd = pair.b, .other = pair.a};
	struct thread thread;

	thread_start(&thread, add_then_write, &action);
	check_one(action.set, 7, EPOLLIN);
	thread_join(&thread);
	MUST(close(action.set));
	pair_close(&pair);
}

static void *arm_later(void *argument)
{
	struct action *action = argument;
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 9};

	kit_sleep_ms(60);
	MUST(epoll_ctl(action->set, EPOLL_CTL_MOD, action->fd, &event));
	return NULL;
}

CASE(armed_by_another_thread_during_the_wait, tiny, tcp)
{
	struct pair pair = PAIR;
	struct action action = {.set = new_set(), .fd = pair.b};
	struct thread thread;

	add(action.set, pair.b, EPOLLIN | EPOLLONESHOT, 8);
	PUT(pair.a, "x");
	check_one(action.set, 8, EPOLLIN);
	thread_start(&thread, arm_later, &action);
	check_one(action.set, 9, EPOLLIN);
	thread_join(&thread);
	MUST(close(action.set));
	pair_close(&pair);
}

static void *arm_for_writing_later(void *argument)
{
	struct action *action = argument;
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 9};

	kit_sleep_ms(60);
	MUST(epoll_ctl(action->set, EPOLL_CTL_MOD, action->fd, &event));
	return NULL;
}

CASE(armed_for_writing_during_the_wait, tiny)
{
	struct pair pair = PAIR;
	struct action action = {.set = new_set(), .fd = pair.b};
	struct thread thread;

	add(action.set, pair.b, EPOLLIN, 8);
	thread_start(&thread, arm_for_writing_later, &action);
	check_one(action.set, 9, EPOLLOUT);
	thread_join(&thread);
	MUST(close(action.set));
	pair_close(&pair);
}

static void *del_then_write(void *argument)
{
	struct action *action = argument;

	kit_sleep_ms(40);
	MUST(epoll_ctl(action->set, EPOLL_CTL_DEL, action->fd, NULL));
	PUT(action->other, "x");
	return NULL;
}

CASE(removed_by_another_thread_during_the_wait, tiny)
{
	struct pair pair = PAIR;
	struct action action = {.set = new_set(), .fd = pair.b, .other = pair.a};
	struct thread thread;
	struct epoll_event event;
	int64_t start = kit_now_ms();

	add(action.set, pair.b, EPOLLIN, 8);
	thread_start(&thread, del_then_write, &action);
	CHECK_EQ(MUST(epoll_wait(action.set, &event, 1, 150)), 0);
	CHECK_LASTED(start, 150);
	thread_join(&thread);
	CHECK_GETS(pair.b, "x");
	MUST(close(action.set));
	pair_close(&pair);
}

static void *close_later(void *argument)
{
	kit_sleep_ms(40);
	MUST(close(((struct action *)argument)->fd));
	return NULL;
}

CASE(closed_by_another_thread_during_the_wait, tiny)
{
	struct pair pair = PAIR, other = PAIR;
	struct action action = {.set = new_set(), .fd = pair.b};
	struct thread thread;
	struct epoll_event event;

	add(action.set, pair.b, EPOLLIN, 8);
	add(action.set, other.b, EPOLLIN, 9);
	thread_start(&thread, close_later, &action);
	CHECK_EQ(MUST(epoll_wait(action.set, &event, 1, 150)), 0);
	thread_join(&thread);
	CHECK_EOF(pair.a);
	PUT(other.a, "x");
	check_one(action.set, 9, EPOLLIN);
	MUST(close(action.set));
	MUST(close(pair.a));
	pair_close(&other);
}

/* Pipes, eventfds, timers and listeners beside a promoted connection. */
CASE(mixed_kinds_each_alone, tiny, tcp)
{
	struct pair pair = PAIR;
	struct sockaddr_storage address;
	int set = new_set(), pipes[2], counter = (int)MUST(eventfd(0, 0)), timer = (int)MUST(timerfd_create(CLOCK_MONOTONIC, 0));
	int listener = kit_listen(AF_INET, &address), client, server;
	struct itimerspec in_20_ms = {.it_value = {0, 20000000}};
	uint64_t count = 1;

	MUST(pipe(pipes));
	add(set, pair.b, EPOLLIN, 1);
	add(set, pipes[0], EPOLLIN, 2);
	add(set, counter, EPOLLIN, 3);
	add(set, timer, EPOLLIN, 4);
	add(set, listener, EPOLLIN, 5);
	for (int i = 0; i < 5; i++) {
		check_none(set);
		PUT(pair.a, "x");
		check_one(set, 1, EPOLLIN);
		CHECK_GETS(pair.b, "x");
		CHECK_EQ(write(pipes[1], "p", 1), 1);
		check_one(set, 2, EPOLLIN);
		CHECK_EQ(read(pipes[0], &(char){0}, 1), 1);
		CHECK_EQ(write(counter, &count, 8), 8);
		check_one(set, 3, EPOLLIN);
		CHECK_EQ(read(counter, &count, 8), 8);
		MUST(timerfd_settime(timer, 0, &in_20_ms, NULL));
		check_one(set, 4, EPOLLIN);
		CHECK_EQ(read(timer, &count, 8), 8);
		client = kit_connect(&address);
		check_one(set, 5, EPOLLIN);
		server = (int)MUST(accept(listener, NULL, NULL));
		MUST(close(client));
		MUST(close(server));
		count = 1;
	}
	MUST(close(set));
	MUST(close(timer));
	MUST(close(counter));
	pair_close(&pair);
}

CASE(mixed_kinds_all_at_once, tiny)
{
	struct pair pair = PAIR;
	int set = new_set(), pipes[2], counter = (int)MUST(eventfd(1, 0));
	struct epoll_event events[8];
	unsigned seen = 0;

	MUST(pipe(pipes));
	add(set, pair.b, EPOLLIN, 1);
	add(set, pipes[0], EPOLLIN, 2);
	add(set, counter, EPOLLIN, 4);
	add(set, pair.a, EPOLLIN | EPOLLOUT, 8);
	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(write(pipes[1], "p", 1), 1);
	CHECK_EQ(MUST(epoll_wait(set, events, 8, SOON)), 4);
	for (int i = 0; i < 4; i++)
		seen |= (unsigned)events[i].data.u64;
	CHECK_EQ(seen, 15);
	MUST(close(set));
	pair_close(&pair);
}

#define MANY 12

/* Fewer places than ready descriptors: nobody is left out for ever. */
CASE(small_maxevents_serves_everyone, tiny, tcp)
{
	struct pair pairs[MANY];
	int set = new_set(), pipes[2], times[MANY + 1] = {0};
	struct epoll_event events[3];

	for (int i = 0; i < MANY; i++) {
		pairs[i] = PAIR;
		add(set, pairs[i].b, EPOLLIN, (uint64_t)i);
		PUT(pairs[i].a, "x");
		kit_await(pairs[i].b, POLLIN);
	}
	MUST(pipe(pipes));
	add(set, pipes[0], EPOLLIN, MANY);
	CHECK_EQ(write(pipes[1], "p", 1), 1);
	for (int i = 0; i < 3 * MANY; i++) {
		int ready = (int)MUST(epoll_wait(set, events, 3, SOON));
		CHECK_EQ(ready, 3);
		for (int k = 0; k < ready; k++)
			times[events[k].data.u64]++;
	}
	for (int i = 0; i <= MANY; i++)
		if (times[i] < 3)
			FAIL("descriptor %d was reported %d times in %d waits", i, times[i], 3 * MANY);
	for (int i = 0; i < MANY; i++)
		pair_close(&pairs[i]);
	MUST(close(set));
}

CASE(small_maxevents_keeps_edges_for_later, tiny)
{
	struct pair pairs[MANY];
	int set = new_set(), times[MANY] = {0};
	struct epoll_event event;

	for (int i = 0; i < MANY; i++) {
		pairs[i] = PAIR;
		add(set, pairs[i].b, EPOLLIN | EPOLLET, (uint64_t)i);
		PUT(pairs[i].a, "x");
		kit_await(pairs[i].b, POLLIN);
	}
	for (int i = 0; i < MANY; i++) {
		CHECK_EQ(MUST(epoll_wait(set, &event, 1, SOON)), 1);
		times[event.data.u64]++;
	}
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(times[i], 1);
	check_none(set);
	for (int i = 0; i < MANY; i++)
		pair_close(&pairs[i]);
	MUST(close(set));
}

CASE(one_active_among_many, tiny)
{
	enum { COUNT = 150 };
	static struct pair pairs[COUNT];
	int set = new_set();
	uint64_t random = kit_seed();

	for (int i = 0; i < COUNT; i++) {
		pairs[i] = PAIR;
		add(set, pairs[i].b, EPOLLIN | (i % 2 ? EPOLLET : 0), (uint64_t)i);
	}
	check_none(set);
	for (int i = 0; i < 300; i++) {
		size_t which = kit_random_below(&random, COUNT);
		PUT(pairs[which].a, "x");
		check_one(set, which, EPOLLIN);
		CHECK_GETS(pairs[which].b, "x");
	}
	for (int i = 0; i < COUNT; i++)
		pair_close(&pairs[i]);
	MUST(close(set));
}

/* A set belongs to the open file: a forked child waits on the same one. */
CASE(child_waits_on_the_parents_set)
{
	struct pair pair = PAIR;
	int set = new_set();
	pid_t pid;

	add(set, pair.b, EPOLLIN, 5);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		check_one(set, 5, EPOLLIN);
		CHECK_GETS(pair.b, "to the child");
		PUT(pair.b, "done");
		_exit(0);
	}
	kit_sleep_ms(50);
	PUT(pair.a, "to the child");
	CHECK_EXITS(pid, 0);
	CHECK_GETS(pair.a, "done");
	MUST(close(set));
	pair_close(&pair);
}

CASE(duplicate_of_a_set, tiny)
{
	struct pair pair = PAIR;
	int set = new_set(), copy = (int)MUST(dup(set));

	add(set, pair.b, EPOLLIN, 5);
	MUST(close(set));
	PUT(pair.a, "x");
	check_one(copy, 5, EPOLLIN);
	MUST(close(copy));
	pair_close(&pair);
}

/* Registered while still on TCP, promoted afterwards: the registration goes on. */
static void registered_before_promotion(uint32_t flags)
{
	struct pair pair = pair_new(AF_INET);
	int set = new_set();

	add(set, pair.a, EPOLLIN | flags, 1);
	add(set, pair.b, EPOLLIN | flags, 2);
	kit_promote(pair.a, pair.b);
	while (MUST(epoll_wait(set, &(struct epoll_event){0}, 1, NOT_NOW)) == 1) /* edges of the rounds */
		;
	for (int i = 0; i < 20; i++) {
		PUT(pair.a, "x");
		check_one(set, 2, EPOLLIN);
		CHECK_GETS(pair.b, "x");
		PUT(pair.b, "y");
		check_one(set, 1, EPOLLIN);
		CHECK_GETS(pair.a, "y");
	}
	check_none(set);
	MUST(close(set));
	pair_close(&pair);
}

CASE(level_registered_before_promotion, tiny)
{
	registered_before_promotion(0);
}

CASE(edge_registered_before_promotion, tiny)
{
	registered_before_promotion(EPOLLET);
}
