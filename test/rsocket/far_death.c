/* Ends on different hosts that are killed, or stopped for a while, at any moment: what the other one reads is what was sent, up to some byte, and its
 * placements fail as they should. */
#include "hosts.h"

#define ROUNDS 80
#define TOTAL (64 * MIB)

struct plan {
	bool accepts; /* the one there */
	uint64_t seed;
};

static void send_for_ever(int fd, uint64_t seed)
{
	static char bytes[20000], mine[20000];
	uint64_t at = 0, state = kit_seed() + seed;

	/* Stopped for long it finds nobody any more. */
	if (riomap(fd, mine, sizeof(mine), PROT_READ | PROT_WRITE, 0, 0) < 0)
		CHECK(errno == EOPNOTSUPP || errno == EINVAL);
	while (at < TOTAL) {
		size_t size = 1 + kit_random_below(&state, sizeof(bytes));
		ssize_t n;

		kit_pattern(bytes, size, seed, at);
		n = rsend(fd, bytes, size, 0);
		if (n < 0)
			_exit(0);
		at += (uint64_t)n;
		riowrite(fd, bytes, size, 0, 0);
		rioread(fd, bytes, size, 0, 0);
		rrecv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	}
}

static void victim(void *argument)
{
	const struct plan *p = argument;

	go_there();
	send_for_ever(p->accepts ? far_accept(AF_INET, 2, 4) : far_connect(AF_INET, 1, 4), p->seed);
}

static bool allowed(int error)
{
	return error == EAGAIN || error == EFAULT || error == ECONNRESET || error == EOPNOTSUPP || error == ETIMEDOUT;
}

/* Reads until the end, whatever that is; in between all else. */
static void survive(int fd, uint64_t seed)
{
	static char bytes[30000], mine[20000];
	uint64_t at = 0, state = kit_seed() + seed;
	bool mapped = false;

	for (;;) {
		ssize_t n = rrecv(fd, bytes, 1 + kit_random_below(&state, sizeof(bytes)), 0);

		if (n < 0)
			CHECK(errno == ECONNRESET || errno == EPIPE);
		if (n <= 0)
			break;
		CHECK_PATTERN(bytes, (size_t)n, seed, at);
		at += (uint64_t)n;
		if (!mapped && kit_random(&state) % 2)
			mapped = riomap(fd, mine, sizeof(mine), PROT_READ | PROT_WRITE, 0, 0) == 0;
		if (riowrite(fd, bytes, (size_t)n, 0, 0) == NOTHING)
			CHECK(allowed(errno));
		if (rioread(fd, bytes, (size_t)n, 0, MSG_DONTWAIT) == NOTHING)
			CHECK(allowed(errno));
		if (rsend(fd, bytes, 100, MSG_DONTWAIT) < 0)
			CHECK(errno == EAGAIN || errno == ECONNRESET);
	}
	CHECK_EQ(riowrite(fd, bytes, 1, 0, 0), NOTHING);
	CHECK(errno == ECONNRESET || errno == EOPNOTSUPP);
	MUST(rclose(fd));
}

struct executioner {
	pid_t pid;
	bool stops;
	uint64_t state;
};

static void *execute(void *argument)
{
	struct executioner *e = argument;

	for (int i = 0; i < 5 && e->stops; i++) {
		usleep((useconds_t)kit_random_below(&e->state, 2000));
		MUST(kill(e->pid, SIGSTOP));
		usleep((useconds_t)kit_random_below(&e->state, i == 2 ? 1300000 : 20000));
		MUST(kill(e->pid, SIGCONT));
	}
	usleep((useconds_t)kit_random_below(&e->state, e->stops ? 20000 : 6000));
	MUST(kill(e->pid, SIGKILL));
	return NULL;
}

static void rounds(int count, bool stops)
{
	uint64_t state = kit_seed();

	hosts_make();
	for (int i = 0; i < count; i++) {
		struct plan plan = {i & 1, (uint64_t)i};
		int listener = plan.accepts ? -1 : far_listen(AF_INET, 1, 4), fd;
		struct executioner e = {.pid = kit_fork(victim, &plan), .stops = stops, .state = kit_random(&state)};
		struct thread thread;

		fd = plan.accepts ? far_connect(AF_INET, 2, 4) : (int)MUST(raccept(listener, NULL, NULL));
		if (listener >= 0)
			MUST(rclose(listener));
		thread_start(&thread, execute, &e);
		survive(fd, plan.seed);
		thread_join(&thread);
		kit_wait_killed(e.pid, SIGKILL);
	}
	check_answerers(0);
}

CASE(killed)
{
	rounds(ROUNDS, false);
}

CASE(stopped_and_killed)
{
	rounds(8, true);
}

/* The survivor is the one that was stopped: what happens to the other one it learns late. */
CASE(stopped_itself)
{
	uint64_t state = kit_seed();
	volatile int *connected = shared_new(sizeof(*connected));

	hosts_make();
	for (int i = 0; i < 12; i++) {
		struct plan plan = {i & 1, (uint64_t)i};
		int listener = plan.accepts ? -1 : far_listen(AF_INET, 1, 4);
		pid_t there = kit_fork(victim, &plan), here;

		*connected = 0;
		here = (pid_t)MUST(fork());
		if (here == 0) {
			int fd = plan.accepts ? far_connect(AF_INET, 2, 4) : (int)MUST(raccept(listener, NULL, NULL));

			*connected = 1;
			survive(fd, plan.seed);
			exit(0);
		}
		if (listener >= 0)
			MUST(rclose(listener));
		while (!*connected)
			usleep(50);
		for (int k = 0; k < 4; k++) {
			usleep((useconds_t)kit_random_below(&state, 3000));
			MUST(kill(here, SIGSTOP));
			usleep((useconds_t)kit_random_below(&state, 30000));
			if (k == 3)
				MUST(kill(there, SIGKILL));
			MUST(kill(here, SIGCONT));
		}
		CHECK_EXITS(here, 0);
		kit_wait_killed(there, SIGKILL);
	}
}
