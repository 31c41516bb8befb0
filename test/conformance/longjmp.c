/* Handlers that jump out of waiting calls: nothing stays locked, no byte goes astray. */
#include "kit.h"

#include <setjmp.h>
#include <sys/select.h>

static void handle(int flags, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	MUST(sigaction(SIGUSR1, &action, NULL));
}

/* Another process signals TARGET once it sleeps, COUNT times. */
struct signaller {
	pid_t target;
	int count;
	int then_fd; /* written to after the last signal; -1 for none */
};

static void signal_sleeper(void *argument)
{
	struct signaller *signaller = argument;

	for (int i = 0; i < signaller->count; i++) {
		kit_await_asleep(signaller->target);
		MUST(kill(signaller->target, SIGUSR1));
	}
	if (signaller->then_fd != -1) {
		kit_await_asleep(signaller->target);
		PUT(signaller->then_fd, "done");
	}
}

static pid_t signaller_start(int count, int then_fd)
{
	static struct signaller signaller;

	signaller = (struct signaller){getpid(), count, then_fd};
	return kit_fork(signal_sleeper, &signaller);
}

static sigjmp_buf escape;

static void jump_out(int signal __attribute__((unused)))
{
	siglongjmp(escape, 1);
}

CASE(longjmp_out_of_recv, tiny, tcp)
{
	struct pair pair = PAIR;
	volatile int jumps = 0;
	char got[8];

	handle(0, jump_out);
	for (volatile int i = 0; i < 10; i++) {
		volatile pid_t pid = 0;
		if (sigsetjmp(escape, 1) == 0) {
			pid = signaller_start(1, -1);
			recv(pair.b, got, 1, 0);
			FAIL("recv returned");
		}
		jumps++;
		CHECK_EXITS(pid, 0);
	}
	CHECK_EQ(jumps, 10);
	PUT(pair.a, "intact");
	CHECK_GETS(pair.b, "intact");
	PUT(pair.b, "back");
	CHECK_GETS(pair.a, "back");
	pair_close(&pair);
}

CASE(longjmp_out_of_send, tiny)
{
	struct pair pair = PAIR;
	volatile uint64_t filled = kit_fill(pair.a, kit_seed(), 0), more = 0;
	volatile pid_t pid = 0;
	char byte;

	handle(0, jump_out);
	if (sigsetjmp(escape, 1) == 0) {
		pid = signaller_start(1, -1);
		while (send(pair.a, "x", 1, 0) == 1)
			more++;
		FAIL("send returned");
	}
	CHECK_EXITS(pid, 0);
	kit_recv_pattern(pair.b, filled, kit_seed(), 0);
	for (uint64_t i = 0; i < more; i++)
		CHECK_GETS(pair.b, "x");
	CHECK_FAILS(recv(pair.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	PUT(pair.a, "after");
	CHECK_GETS(pair.b, "after");
	pair_close(&pair);
}

CASE(longjmp_out_of_waiting_calls, tiny)
{
	struct pair pair = PAIR;
	volatile int set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN};

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event));
	handle(0, jump_out);
	for (volatile int call = 0; call < 6; call++) {
		volatile pid_t pid = 0;
		if (sigsetjmp(escape, 1) == 0) {
			struct pollfd entry = {.fd = pair.b, .events = POLLIN};
			fd_set in;
			pid = signaller_start(1, -1);
			FD_ZERO(&in);
			FD_SET(pair.b, &in);
			if (call % 3 == 0)
				poll(&entry, 1, -1);
			else if (call % 3 == 1)
				epoll_wait(set, &event, 1, -1);
			else
				select(pair.b + 1, &in, NULL, NULL, NULL);
			FAIL("a wait returned");
		}
		CHECK_EXITS(pid, 0);
	}
	PUT(pair.a, "x");
	CHECK_EQ(MUST(epoll_wait(set, &event, 1, 5000)), 1);
	CHECK_GETS(pair.b, "x");
	MUST(close(set));
	pair_close(&pair);
}

/* A jump at any moment of a busy exchange may lose the place, so each attempt has a fresh connection; nothing may hang or crash. */
CASE(longjmp_at_random_moments, tiny)
{
	static char buffer[4096];
	volatile uint64_t random = kit_seed();
	struct sigaction action = {.sa_handler = jump_out};

	MUST(sigaction(SIGALRM, &action, NULL));
	for (volatile int i = 0; i < 60; i++) {
		struct pair pair = PAIR;
		uint64_t state = random + (uint64_t)i;
		struct itimerval timer = {.it_value = {0, 1 + (suseconds_t)kit_random_below(&state, 3000)}};
		if (sigsetjmp(escape, 1) == 0) {
			MUST(setitimer(ITIMER_REAL, &timer, NULL));
			for (;;) {
				send(pair.a, buffer, 100, 0);
				recv(pair.b, buffer, 100, 0);
				poll(&(struct pollfd){.fd = pair.b, .events = POLLIN}, 1, 0);
			}
		}
		/* The connection still moves bytes both ways, after what was under way. */
		PUT(pair.b, "alive");
		CHECK_GETS(pair.a, "alive");
		PUT(pair.a, "too");
		while (recv(pair.b, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
			;
		pair_close(&pair);
	}
}

/* ---- out of a call on what another thread closes ---- */

static sigjmp_buf out_of_the_thread;
static bool is_out, may_end;

static void jump_out_of_the_thread(int signal __attribute__((unused)))
{
	siglongjmp(out_of_the_thread, 1);
}

static void *jumps_out_and_stays(void *argument)
{
	char byte;

	if (sigsetjmp(out_of_the_thread, 1) == 0)
		recv(*(int *)argument, &byte, 1, 0);
	__atomic_store_n(&is_out, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&may_end, __ATOMIC_ACQUIRE))
		kit_sleep_ms(1);
	return NULL;
}

CASE(closed_after_another_thread_jumped_out, tiny, tcp)
{
	struct pair pair = PAIR;
	struct thread thread;

	handle(0, jump_out_of_the_thread);
	thread_start(&thread, jumps_out_and_stays, &pair.b);
	thread_await_asleep(&thread);
	pthread_kill(thread.id, SIGUSR1);
	while (!__atomic_load_n(&is_out, __ATOMIC_ACQUIRE))
		kit_sleep_ms(1);
	MUST(close(pair.b));
	kit_await(pair.a, POLLIN);
	CHECK_EOF(pair.a);
	__atomic_store_n(&may_end, true, __ATOMIC_RELEASE);
	thread_join(&thread);
	MUST(close(pair.a));
}
