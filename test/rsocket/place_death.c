/* Placement by message, when one of the two stops, dies, closes or is interrupted, at any moment: while they meet, too. */
#include "placement.h"

#define STRIPE 200000
#define LARGE (6 * STRIPE)

static void map_for_long(int fd, void *unused)
{
	char *bytes = buffer_new(LARGE), done;

	(void)unused;
	MUST(riomap(fd, bytes, LARGE, PROT_READ | PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	kit_get(fd, &done, 1);
}

/* --- a peer that stops, or dies --- */

static char *start_mapper(pid_t *pid, int *fd)
{
	char mapped;

	forbid_copies();
	*pid = child_start(map_for_long, NULL, fd);
	kit_get(*fd, &mapped, 1);
	return buffer_new(LARGE);
}

static void stop(pid_t pid)
{
	MUST(kill(pid, SIGSTOP));
	kit_await_stopped(pid);
}

CASE(stopped_mapper)
{
	char *bytes;
	int64_t start;
	size_t n;
	int fd;
	pid_t pid;

	bytes = start_mapper(&pid, &fd);
	CHECK_EQ(riowrite(fd, bytes, LARGE, 0, 0), LARGE);
	stop(pid);
	/* As a send whose buffers are full. */
	kit_set_timeout(fd, SO_SNDTIMEO, 300);
	kit_set_timeout(fd, SO_RCVTIMEO, 200);
	start = kit_now_ms();
	CHECK_FAILS(riowrite(fd, bytes, STRIPE, 0, 0), EAGAIN);
	CHECK_LASTED(start, 300);
	start = kit_now_ms();
	CHECK_FAILS(rioread(fd, bytes, STRIPE, 0, 0), EAGAIN);
	CHECK_LASTED(start, 200);
	kit_set_timeout(fd, SO_SNDTIMEO, 0);
	kit_set_timeout(fd, SO_RCVTIMEO, 0);
	start = kit_now_ms();
	CHECK_FAILS(riowrite(fd, bytes, STRIPE, 0, MSG_DONTWAIT), EAGAIN);
	CHECK_LASTED(start, 1000);
	/* What was given up may happen now; what comes next is not mixed up with it. */
	MUST(kill(pid, SIGCONT));
	for (uint64_t round = 0; round < 10; round++) {
		kit_pattern(bytes, STRIPE, 40 + round, 0);
		CHECK_EQ(riowrite(fd, bytes, STRIPE, 0, 0), STRIPE);
		memset(bytes, 0, STRIPE);
		n = rioread(fd, bytes, STRIPE, 0, 0);
		CHECK_EQ(n, STRIPE);
		CHECK_PATTERN(bytes, STRIPE, 40 + round, 0);
	}
	PUT(fd, "d");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

/* What is not waited for keeps nobody from what is. */
CASE(stopped_mapper_of_placements)
{
	struct timeval soon = {.tv_usec = 100000};
	struct epoll_event event = {.events = EPOLLIN};
	struct pollfd entry = {.events = POLLIN};
	char *bytes, *back = buffer_new(LARGE), byte;
	int fd, ends[2], set;
	fd_set in;
	int64_t start;
	pid_t pid;

	bytes = start_mapper(&pid, &fd);
	MUST(pipe(ends));
	set = (int)MUST(repoll_create(0));
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event));
	kit_pattern(bytes, LARGE, 9, 0);
	CHECK_EQ(riowrite(fd, bytes, LARGE, 0, MSG_ZEROCOPY), LARGE);
	stop(pid);
	entry.fd = ends[0];
	start = kit_now_ms();
	CHECK_EQ(rpoll(&entry, 1, 100), 0);
	CHECK_LASTED(start, 100);
	start = kit_now_ms();
	FD_ZERO(&in);
	FD_SET(ends[0], &in);
	CHECK_EQ(rselect(ends[0] + 1, &in, NULL, NULL, &soon), 0);
	CHECK_LASTED(start, 100);
	start = kit_now_ms();
	CHECK_EQ(repoll_wait(set, &event, 1, 100), 0);
	CHECK_LASTED(start, 100);
	start = kit_now_ms();
	kit_set_timeout(fd, SO_RCVTIMEO, 100);
	CHECK_FAILS(rrecv(fd, &byte, 1, 0), EAGAIN);
	CHECK_LASTED(start, 100);
	kit_set_timeout(fd, SO_RCVTIMEO, 0);
	start = kit_now_ms();
	CHECK_FAILS(rsend(fd, "x", 1, MSG_DONTWAIT), EAGAIN);
	CHECK_LASTED(start, 1000);
	kit_set_timeout(fd, SO_SNDTIMEO, 200);
	start = kit_now_ms();
	CHECK_FAILS(rsend(fd, "x", 1, 0), EAGAIN);
	CHECK_LASTED(start, 200);
	CHECK_FAILS(rshutdown(fd, SHUT_WR), EAGAIN);
	kit_set_timeout(fd, SO_SNDTIMEO, 0);
	MUST(kill(pid, SIGCONT));
	CHECK_EQ(rioread(fd, back, LARGE, 0, 0), LARGE);
	CHECK_PATTERN(back, LARGE, 9, 0);
	CHECK_EQ(kit_await(fd, POLLERR) & POLLERR, POLLERR);
	PUT(fd, "d");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	MUST(rclose(set));
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

/* A signal ends a wait, and not what is placed meanwhile. */
CASE(interrupted_beside_placements)
{
	/* One that comes between two sleeps is not seen (rsocket(7)). */
	const struct itimerval every = {{.tv_usec = 20000}, {.tv_usec = 20000}}, never = {{0}, {0}};
	struct pollfd entry = {.events = POLLIN};
	char *bytes, *back = buffer_new(LARGE);
	int fd, ends[2];
	pid_t pid;

	bytes = start_mapper(&pid, &fd);
	MUST(pipe(ends));
	kit_pattern(bytes, LARGE, 10, 0);
	MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL));
	CHECK_EQ(riowrite(fd, bytes, LARGE, 0, MSG_ZEROCOPY), LARGE);
	stop(pid);
	entry.fd = ends[0];
	MUST(setitimer(ITIMER_REAL, &every, NULL));
	CHECK_FAILS(rpoll(&entry, 1, 5000), EINTR);
	CHECK_FAILS(rsend(fd, "x", 1, 0), EINTR);
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	CHECK(alarms >= 2);
	MUST(kill(pid, SIGCONT));
	CHECK_EQ(rioread(fd, back, LARGE, 0, 0), LARGE);
	CHECK_PATTERN(back, LARGE, 10, 0);
	PUT(fd, "d");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

/* Nor does it keep a process from closing. */
CASE(stopped_mapper_of_what_is_closed)
{
	char *bytes;
	int64_t start;
	pid_t pid;
	int fd;

	bytes = start_mapper(&pid, &fd);
	CHECK_EQ(riowrite(fd, bytes, LARGE, 0, MSG_ZEROCOPY), LARGE);
	stop(pid);
	start = kit_now_ms();
	MUST(rclose(fd));
	CHECK_LASTED(start, 1000);
	MUST(kill(pid, SIGKILL));
	kit_wait_killed(pid, SIGKILL);
}

struct blocked {
	struct thread thread;
	int fd;
	char *bytes;
	int error;
};

static void *write_and_block(void *argument)
{
	struct blocked *b = argument;

	errno = 0;
	b->error = riowrite(b->fd, b->bytes, STRIPE, 0, 0) == NOTHING ? errno : 0;
	return NULL;
}

/* Two threads wait, one of them for its turn; the peer dies. */
CASE(stopped_then_killed)
{
	struct blocked blocked[2];
	char *bytes;
	int fd;
	pid_t pid;

	bytes = start_mapper(&pid, &fd);
	stop(pid);
	for (int i = 0; i < 2; i++) {
		blocked[i] = (struct blocked){.fd = fd, .bytes = bytes};
		thread_start(&blocked[i].thread, write_and_block, &blocked[i]);
		thread_await_asleep(&blocked[i].thread);
	}
	MUST(kill(pid, SIGKILL));
	for (int i = 0; i < 2; i++) {
		thread_join(&blocked[i].thread);
		CHECK_EQ(blocked[i].error, ECONNRESET);
	}
	kit_wait_killed(pid, SIGKILL);
	CHECK_FAILS(riowrite(fd, bytes, 1, 0, 0), ECONNRESET);
	MUST(rclose(fd));
}

static void do_nothing(int number)
{
	(void)number;
}

static void interrupt(int flags, int error)
{
	struct blocked blocked;
	char *bytes;
	int fd;
	pid_t pid;

	bytes = start_mapper(&pid, &fd);
	MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = do_nothing, .sa_flags = flags}, NULL));
	stop(pid);
	blocked = (struct blocked){.fd = fd, .bytes = bytes};
	thread_start(&blocked.thread, write_and_block, &blocked);
	thread_await_asleep(&blocked.thread);
	PTHREAD(pthread_kill(blocked.thread.id, SIGUSR1));
	if (!error) {
		kit_sleep_ms(50);
		thread_await_asleep(&blocked.thread);
		MUST(kill(pid, SIGCONT));
	}
	thread_join(&blocked.thread);
	CHECK_EQ(blocked.error, error);
	MUST(kill(pid, SIGCONT));
	CHECK_EQ(riowrite(fd, bytes, STRIPE, 0, 0), STRIPE);
	PUT(fd, "d");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

CASE(interrupted)
{
	interrupt(0, EINTR);
}

CASE(interrupted_and_restarted)
{
	interrupt(SA_RESTART, 0);
}

/* Closed by another thread while it waits. */
CASE(closed_under_the_call)
{
	struct blocked blocked;
	char *bytes;
	int fd;
	pid_t pid;

	bytes = start_mapper(&pid, &fd);
	stop(pid);
	blocked = (struct blocked){.fd = fd, .bytes = bytes};
	thread_start(&blocked.thread, write_and_block, &blocked);
	thread_await_asleep(&blocked.thread);
	MUST(rclose(fd));
	MUST(kill(pid, SIGKILL));
	thread_join(&blocked.thread);
	CHECK(blocked.error == EBADF || blocked.error == ECONNRESET);
	kit_wait_killed(pid, SIGKILL);
}

static void map_and_close(int fd, void *shared)
{
	char *bytes = buffer_new(MIB), go;
	volatile char *seen = bytes;

	(void)shared;
	MUST(riomap(fd, bytes, MIB, PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	while (!*seen)
		sched_yield();
	(void)go;
}

/* The mapper closes in the middle of a stream of writes; it ends them, and nothing is written afterwards. */
CASE(mapper_closes)
{
	char *bytes = buffer_new(4 * MIB), mapped;

	forbid_copies();
	memset(bytes, 1, 4 * MIB);
	for (int round = 0; round < 20; round++) {
		int fd;
		pid_t pid = child_start(map_and_close, NULL, &fd);
		size_t n;

		kit_get(fd, &mapped, 1);
		do
			n = riowrite(fd, bytes, MIB, 0, 0);
		while (n != NOTHING);
		CHECK(errno == ECONNRESET || errno == EFAULT);
		CHECK_EXITS(pid, 0);
		CHECK_FAILS(riowrite(fd, bytes, MIB, 0, 0), ECONNRESET);
		MUST(rclose(fd));
	}
	free(bytes);
}

/* --- while they meet --- */

static void meet_and_place(int fd, void *unused)
{
	static char bytes[STRIPE], out[STRIPE];

	(void)unused;
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_READ | PROT_WRITE, 0, 0));
	for (;;)
		if (riowrite(fd, out, sizeof(out), 0, 0) == NOTHING && errno != EFAULT)
			pause();
}

static void place_some(int fd, char *bytes)
{
	for (int i = 0; i < 10; i++) {
		size_t n = i & 1 ? riowrite(fd, bytes, STRIPE, 0, MSG_DONTWAIT)
				 : rioread(fd, bytes, STRIPE, 0, MSG_DONTWAIT);

		if (n == NOTHING)
			CHECK(errno == EAGAIN || errno == EFAULT || errno == ECONNRESET || errno == EOPNOTSUPP);
		usleep(50);
	}
}

/* At a random moment of the meeting, or of what follows. */
static void stop_at_random(int number)
{
	uint64_t seed;
	char *bytes, *mapped;

	forbid_copies();
	seed = kit_seed();
	bytes = buffer_new(STRIPE);
	mapped = buffer_new(STRIPE);
	for (int round = 0; round < 60; round++) {
		int fd;
		pid_t pid = child_start(meet_and_place, NULL, &fd);
		int64_t start;

		MUST(rfcntl(fd, F_SETFL, O_NONBLOCK));
		kit_set_timeout(fd, SO_SNDTIMEO, 10);
		kit_set_timeout(fd, SO_RCVTIMEO, 10);
		MUST(riomap(fd, mapped, STRIPE, PROT_READ | PROT_WRITE, 0, 0));
		usleep((useconds_t)kit_random_below(&seed, 3000));
		if (kit_random(&seed) & 1)
			riowrite(fd, bytes, 1, 0, MSG_DONTWAIT);
		usleep((useconds_t)kit_random_below(&seed, 3000));
		MUST(kill(pid, number));
		start = kit_now_ms();
		place_some(fd, bytes);
		if (number == SIGSTOP) {
			MUST(kill(pid, SIGCONT));
			/* Nothing was lost: they meet after all. */
			while (riowrite(fd, bytes, STRIPE, 0, MSG_DONTWAIT) != STRIPE) {
				CHECK(errno == EAGAIN || errno == EFAULT);
				CHECK(kit_now_ms() - start < 60000);
			}
			MUST(kill(pid, SIGKILL));
		}
		kit_wait_killed(pid, SIGKILL);
		MUST(riounmap(fd, mapped, STRIPE));
		memset(mapped, 0, STRIPE);
		CHECK_FAILS(riowrite(fd, bytes, 1, 0, 0), ECONNRESET);
		MUST(rclose(fd));
		for (size_t i = 0; i < STRIPE; i++)
			CHECK_EQ(mapped[i], 0);
		/* A sanitizer's allocator does not survive a fork while a thread ends. */
		check_answerers(0);
	}
	free(bytes);
	free(mapped);
}

CASE(killed_at_random)
{
	stop_at_random(SIGKILL);
}

CASE(stopped_at_random)
{
	stop_at_random(SIGSTOP);
}
