/* epoll sets of many and of different things: pipes, eventfds, timers and listeners beside connections, and other threads' changes. */
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
	int set = new_set(), pipes[2], counter = (int)MUST(eventfd(0, 0)),
	    timer = (int)MUST(timerfd_create(CLOCK_MONOTONIC, 0));
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

struct waiting {
	int set, fd;
	struct thread thread;
};

static void *wait_and_take(void *argument)
{
	struct waiting *waiting = argument;
	struct epoll_event event;
	char byte;

	CHECK_EQ(MUST(epoll_wait(waiting->set, &event, 1, -1)), 1);
	CHECK_EQ(MUST(read(event.data.fd, &byte, 1)), 1);
	return NULL;
}

/* They fell asleep when there was nothing but a pipe in the set. */
CASE(many_asleep_before_the_first_connection, tiny, tcp)
{
	struct waiting waiting[5];
	struct pair pairs[5];
	int set = new_set(), ends[2];

	MUST(pipe(ends));
	add(set, ends[0], EPOLLIN, (uint64_t)ends[0]);
	for (int i = 0; i < 5; i++) {
		pairs[i] = PAIR;
		waiting[i].set = set;
		thread_start(&waiting[i].thread, wait_and_take, &waiting[i]);
	}
	for (int i = 0; i < 5; i++)
		thread_await_asleep(&waiting[i].thread);
	/* Ready before it is added, after it is added, and added on edges. */
	for (int i = 0; i < 5; i++) {
		if (i % 2 == 0)
			PUT(pairs[i].a, "x");
		add(set, pairs[i].b, i % 3 ? EPOLLIN | EPOLLONESHOT : EPOLLIN | EPOLLET, (uint64_t)pairs[i].b);
		if (i % 2)
			PUT(pairs[i].a, "x");
	}
	for (int i = 0; i < 5; i++)
		thread_join(&waiting[i].thread);
	check_none(set);
	for (int i = 0; i < 5; i++)
		pair_close(&pairs[i]);
	MUST(close(set));
}
