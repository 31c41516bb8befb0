/* The waiting itself: timeouts, signal masks, several waiters, and every documented error. */
#include "kit.h"

static volatile sig_atomic_t signals_seen;

static void on_signal(int signal __attribute__((unused)))
{
	signals_seen++;
}

static struct pair pair;

/* A set that watches B of a fresh PAIR. */
static int watch(uint32_t events)
{
	int set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = events};

	pair = PAIR;
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event));
	return set;
}

CASE(timeouts_are_honoured, tiny, tcp)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;
	int64_t start;

	for (int ms = 0; ms <= 120; ms += 40) {
		start = kit_now_ms();
		CHECK_EQ(epoll_wait(set, &event, 1, ms), 0);
		CHECK_LASTED(start, ms);
		start = kit_now_ms();
		CHECK_EQ(epoll_pwait(set, &event, 1, ms, NULL), 0);
		CHECK_LASTED(start, ms);
	}
}

CASE(zero_timeout_reports_what_is_ready, tiny, tcp)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;

	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(epoll_wait(set, &event, 1, 0), 1);
	CHECK_EQ(event.events, EPOLLIN);
	CHECK_GETS(pair.b, "x");
	CHECK_EQ(epoll_wait(set, &event, 1, 0), 0);
}

CASE(short_timeouts_in_nanoseconds, tiny)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;
	struct timespec timeouts[] = {{0, 0}, {0, 1}, {0, 200000}, {0, 30000000}};

	for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
		struct timespec before, after;
		clock_gettime(CLOCK_MONOTONIC, &before);
		CHECK_EQ(epoll_pwait2(set, &event, 1, &timeouts[i], NULL), 0);
		clock_gettime(CLOCK_MONOTONIC, &after);
		int64_t lasted = (after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec;
		CHECK(lasted >= timeouts[i].tv_nsec);
		CHECK(lasted < timeouts[i].tv_nsec + 1000000000ll);
	}
	PUT(pair.a, "x");
	CHECK_EQ(epoll_pwait2(set, &event, 1, &(struct timespec){5, 0}, NULL), 1);
	CHECK_EQ(epoll_pwait2(set, &event, 1, NULL, NULL), 1);
	CHECK_FAILS(epoll_pwait2(set, &event, 1, &(struct timespec){0, 1000000000}, NULL), EINVAL);
	CHECK_FAILS(epoll_pwait2(set, &event, 1, &(struct timespec){-1, 0}, NULL), EINVAL);
}

static void write_later(void *argument)
{
	kit_sleep_ms(80);
	kit_put(*(int *)argument, "x", 1);
}

CASE(endless_wait_ends_with_data_from_a_child, tiny, tcp)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;
	pid_t pid = kit_fork(write_later, &pair.a);

	CHECK_EQ(epoll_wait(set, &event, 1, -1), 1);
	CHECK_EQ(event.events, EPOLLIN);
	CHECK_EXITS(pid, 0);
}

PEER(write_when_told)
{
	for (long i = 0; i < argument; i++) {
		CHECK_GETS(fd, "go");
		kit_sleep_ms(i % 3 == 0 ? 5 : 0);
		PUT(fd, "x");
	}
	CHECK_GETS(fd, "end");
}

CASE(endless_waits_end_with_data_from_a_process, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &write_when_told, .argument = 300};
	int fd = peer_start(&peer), set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN};

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	for (int i = 0; i < 300; i++) {
		PUT(fd, "go");
		CHECK_EQ(epoll_wait(set, &event, 1, -1), 1);
		CHECK_EQ(event.events, EPOLLIN);
		CHECK_GETS(fd, "x");
	}
	PUT(fd, "end");
	peer_join(&peer);
	MUST(close(fd));
}

CASE(pwait_mask_lets_the_signal_in, tiny, tcp)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;
	sigset_t block, open;

	MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL));
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &block, &open));
	MUST(raise(SIGUSR1));
	CHECK_EQ(epoll_wait(set, &event, 1, 30), 0);
	CHECK_EQ(signals_seen, 0);
	CHECK_FAILS(epoll_pwait(set, &event, 1, 5000, &open), EINTR);
	CHECK_EQ(signals_seen, 1);
	MUST(raise(SIGUSR1));
	CHECK_FAILS(epoll_pwait2(set, &event, 1, &(struct timespec){5, 0}, &open), EINTR);
	CHECK_EQ(signals_seen, 2);
	/* The mask of before is back. */
	MUST(raise(SIGUSR1));
	CHECK_EQ(signals_seen, 2);
}

CASE(pwait_mask_keeps_the_signal_out, tiny)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;
	sigset_t block;
	pid_t pid = getpid(), child;

	MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL));
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	child = (pid_t)MUST(fork());
	if (child == 0) {
		kit_await_asleep(pid);
		MUST(kill(pid, SIGUSR1));
		kit_sleep_ms(30);
		PUT(pair.a, "x");
		_exit(0);
	}
	CHECK_EQ(epoll_pwait(set, &event, 1, 5000, &block), 1);
	CHECK_EQ(signals_seen, 1);
	CHECK_EXITS(child, 0);
}

/* Data wins over a signal that is let in at the same moment, if it was there first. */
CASE(ready_data_and_pending_signal, tiny)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;
	sigset_t block, open;

	MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL));
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &block, &open));
	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	MUST(raise(SIGUSR1));
	CHECK_EQ(epoll_pwait(set, &event, 1, 5000, &open), 1);
	CHECK_EQ(event.events, EPOLLIN);
}

struct waiter {
	int set;
	int ready;
	struct epoll_event event;
};

static void *wait_in_thread(void *argument)
{
	struct waiter *waiter = argument;

	waiter->ready = epoll_wait(waiter->set, &waiter->event, 1, 1500);
	return NULL;
}

/* An edge wakes exactly one of two threads that wait on one set. */
CASE(edge_wakes_one_of_two_waiters, tiny)
{
	int set = watch(EPOLLIN | EPOLLET);
	struct waiter waiters[2] = {{.set = set}, {.set = set}};
	struct thread threads[2];

	for (int i = 0; i < 2; i++) {
		thread_start(&threads[i], wait_in_thread, &waiters[i]);
		thread_await_asleep(&threads[i]);
	}
	PUT(pair.a, "x");
	for (int i = 0; i < 2; i++)
		thread_join(&threads[i]);
	CHECK_EQ(waiters[0].ready + waiters[1].ready, 1);
}

CASE(oneshot_wakes_one_of_two_waiters, tiny)
{
	int set = watch(EPOLLIN | EPOLLONESHOT);
	struct waiter waiters[2] = {{.set = set}, {.set = set}};
	struct thread threads[2];

	for (int i = 0; i < 2; i++) {
		thread_start(&threads[i], wait_in_thread, &waiters[i]);
		thread_await_asleep(&threads[i]);
	}
	PUT(pair.a, "x");
	for (int i = 0; i < 2; i++)
		thread_join(&threads[i]);
	CHECK_EQ(waiters[0].ready + waiters[1].ready, 1);
}

CASE(two_arrivals_wake_two_waiters, tiny)
{
	int set = watch(EPOLLIN | EPOLLET);
	struct pair second = PAIR;
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct waiter waiters[2] = {{.set = set}, {.set = set}};
	struct thread threads[2];

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, second.b, &event));
	for (int i = 0; i < 2; i++) {
		thread_start(&threads[i], wait_in_thread, &waiters[i]);
		thread_await_asleep(&threads[i]);
	}
	PUT(pair.a, "x");
	PUT(second.a, "x");
	for (int i = 0; i < 2; i++) {
		thread_join(&threads[i]);
		CHECK_EQ(waiters[i].ready, 1);
	}
}

static void *wait_long(void *argument)
{
	struct waiter *waiter = argument;

	waiter->ready = epoll_wait(waiter->set, &waiter->event, 1, 5000);
	return NULL;
}

/* A level-triggered arrival ends the waits of all: nobody takes the data. */
CASE(level_wakes_every_waiter, tiny)
{
	int set = watch(EPOLLIN);
	struct waiter waiters[2] = {{.set = set}, {.set = set}};
	struct thread threads[2];

	for (int i = 0; i < 2; i++) {
		thread_start(&threads[i], wait_long, &waiters[i]);
		thread_await_asleep(&threads[i]);
	}
	PUT(pair.a, "x");
	for (int i = 0; i < 2; i++) {
		thread_join(&threads[i]);
		CHECK_EQ(waiters[i].ready, 1);
	}
}

CASE(errors_of_ctl, tiny, tcp)
{
	int set = watch(EPOLLIN), file = (int)MUST(open("/proc/self/exe", O_RDONLY)), closed = (int)MUST(dup(file));
	struct epoll_event event = {.events = EPOLLIN};
	struct pair other = PAIR;

	MUST(close(closed));
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event), EEXIST);
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_MOD, other.b, &event), ENOENT);
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_DEL, other.b, &event), ENOENT);
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, closed, &event), EBADF);
	CHECK_FAILS(epoll_ctl(closed, EPOLL_CTL_ADD, other.b, &event), EBADF);
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, -1, &event), EBADF);
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, file, &event), EPERM);
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, set, &event), EINVAL);
	CHECK_FAILS(epoll_ctl(other.a, EPOLL_CTL_ADD, other.b, &event), EINVAL);
	CHECK_FAILS(epoll_ctl(set, 99, other.b, &event), EINVAL);
	CHECK_FAILS(epoll_ctl(set, 99, pair.b, &event), EINVAL);
	event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, other.b, &event), EINVAL);
	MUST(epoll_ctl(set, EPOLL_CTL_DEL, pair.b, NULL));
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_DEL, pair.b, NULL), ENOENT);
}

CASE(errors_of_wait, tiny, tcp)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;
	volatile int negative = -1;

	CHECK_FAILS(epoll_wait(set, &event, 0, 0), EINVAL);
	CHECK_FAILS(epoll_wait(set, &event, negative, 0), EINVAL);
	CHECK_FAILS(epoll_wait(-1, &event, 1, 0), EBADF);
	CHECK_FAILS(epoll_wait(pair.b, &event, 1, 0), EINVAL);
	CHECK_FAILS(epoll_pwait(set, &event, 0, 0, NULL), EINVAL);
	CHECK_FAILS(epoll_pwait2(set, &event, 0, NULL, NULL), EINVAL);
	MUST(close(set));
	CHECK_FAILS(epoll_wait(set, &event, 1, 0), EBADF);
}

CASE(errors_of_create, tiny)
{
	int set;

	CHECK_FAILS(epoll_create(0), EINVAL);
	CHECK_FAILS(epoll_create(-1), EINVAL);
	CHECK_FAILS(epoll_create1(1), EINVAL);
	set = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
	CHECK_EQ(MUST(fcntl(set, F_GETFD)), FD_CLOEXEC);
	MUST(close(set));
	set = (int)MUST(epoll_create(1));
	CHECK_EQ(MUST(fcntl(set, F_GETFD)), 0);
	MUST(close(set));
}

CASE(loops_of_sets_are_refused, tiny)
{
	int first = (int)MUST(epoll_create1(0)), second = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN};

	MUST(epoll_ctl(first, EPOLL_CTL_ADD, second, &event));
	CHECK_FAILS(epoll_ctl(second, EPOLL_CTL_ADD, first, &event), ELOOP);
}

/* A wait that nothing ends costs no processor time. */
CASE(waiting_uses_no_processor_time, serial)
{
	int set = watch(EPOLLIN);
	struct epoll_event event;
	struct timespec before, after;
	int64_t used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	CHECK_EQ(epoll_wait(set, &event, 1, 700), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	used = (after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec;
	if (used > 30000000)
		FAIL("an idle wait of 700 ms used %lld us of processor time", (long long)used / 1000);
}
