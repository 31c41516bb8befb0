/* epoll sets in sets, descriptors in two sets, duplicates, numbers that come back, sets shared by fork. */
#include "kit.h"

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

/* Answers after a moment that is never the same. */
PEER(echoes_now_or_later)
{
	uint64_t random = 1;
	char byte;

	while (recv(fd, &byte, 1, 0) == 1) {
		for (volatile size_t i = kit_random_below(&random, (size_t)argument); i > 0; i--)
			;
		PUT(fd, "y");
	}
}

struct hearer {
	int fd;
	bool nested;
};

static void *hear(void *argument)
{
	const struct hearer *h = argument;
	int set = new_set(), outer = new_set();
	int64_t start = kit_now_ms();
	struct epoll_event event;

	add(set, h->fd, EPOLLIN, 1);
	add(outer, set, EPOLLIN, 2);
	while (kit_now_ms() - start < 3000) {
		PUT(h->fd, "x");
		do
			if (h->nested)
				CHECK_EQ(MUST(epoll_wait(outer, &event, 1, -1)), 1);
			else
				CHECK_EQ(MUST(poll(&(struct pollfd){.fd = set, .events = POLLIN}, 1, -1)), 1);
		while (MUST(epoll_wait(set, &event, 1, 0)) == 0);
		CHECK_GETS(h->fd, "y");
	}
	MUST(close(outer));
	MUST(close(set));
	return NULL;
}

/* Whatever comes while the watch is taken up again is heard, by a thread that no other call of its own would wake. */
static void hear_all(bool nested)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &echoes_now_or_later, .argument = 100000};
	struct hearer hearer = {.fd = peer_start(&peer), .nested = nested};
	struct thread thread;

	thread_start(&thread, hear, &hearer);
	thread_join(&thread);
	MUST(close(hearer.fd));
	peer_join(&peer);
}

CASE(poll_of_a_set_hears_all, tiny)
{
	hear_all(false);
}

CASE(nested_set_hears_all, tiny)
{
	hear_all(true);
}

static void *polls_the_set(void *argument)
{
	return (void *)(intptr_t)MUST(poll(&(struct pollfd){.fd = *(int *)argument, .events = POLLIN}, 1, SOON));
}

/* What another thread does to the set is news to who polls it. */
CASE(set_is_changed_while_it_is_polled, tiny, tcp)
{
	struct pair pair = PAIR, other = PAIR;
	int set = new_set();
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
	struct thread thread;

	add(set, other.b, EPOLLIN | EPOLLONESHOT, 1);
	PUT(other.a, "x");
	check_one(set, 1, EPOLLIN);
	thread_start(&thread, polls_the_set, &set);
	thread_await_asleep(&thread);
	MUST(epoll_ctl(set, EPOLL_CTL_MOD, other.b, &event));
	CHECK_EQ((intptr_t)thread_join(&thread), 1);
	CHECK_GETS(other.b, "x");
	PUT(pair.a, "x");
	thread_start(&thread, polls_the_set, &set);
	thread_await_asleep(&thread);
	add(set, pair.b, EPOLLIN, 2);
	CHECK_EQ((intptr_t)thread_join(&thread), 1);
	MUST(close(set));
	pair_close(&pair);
	pair_close(&other);
}
