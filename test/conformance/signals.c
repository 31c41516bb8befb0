/* Signals that land in waiting calls: EINTR, SA_RESTART, partial results, handlers that use the socket. */
#include "kit.h"

#include <sys/select.h>

static volatile sig_atomic_t signals_seen;

static void on_signal(int signal __attribute__((unused)))
{
	signals_seen++;
}

static void handle(int flags, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	signals_seen = 0;
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

CASE(recv_is_interrupted, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;
	pid_t pid;

	handle(0, on_signal);
	pid = signaller_start(1, -1);
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EINTR);
	CHECK_EQ(signals_seen, 1);
	CHECK_EXITS(pid, 0);
	PUT(pair.a, "x");
	CHECK_GETS(pair.b, "x");
	pair_close(&pair);
}

CASE(every_reading_call_is_interrupted, tiny)
{
	struct pair pair = PAIR;
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct mmsghdr messages = {.msg_hdr = message};

	handle(0, on_signal);
	for (int call = 0; call < 6; call++) {
		pid_t pid = signaller_start(1, -1);
		ssize_t got = call == 0   ? read(pair.b, &byte, 1)
			      : call == 1 ? readv(pair.b, &part, 1)
			      : call == 2 ? recvmsg(pair.b, &message, 0)
			      : call == 3 ? recv(pair.b, &byte, 1, MSG_PEEK)
			      : call == 4 ? recv(pair.b, &byte, 1, MSG_WAITALL)
					  : recvmmsg(pair.b, &messages, 1, 0, NULL);
		if (got != -1 || errno != EINTR)
			FAIL("call %d: got %zd, expected -1 with EINTR", call, got);
		CHECK_EQ(signals_seen, call + 1);
		CHECK_EXITS(pid, 0);
	}
	pair_close(&pair);
}

CASE(recv_restarts, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[4];
	pid_t pid;

	handle(SA_RESTART, on_signal);
	pid = signaller_start(3, pair.a);
	CHECK_EQ(recv(pair.b, got, 4, MSG_WAITALL), 4);
	CHECK_EQ(memcmp(got, "done", 4), 0);
	CHECK_EQ(signals_seen, 3);
	CHECK_EXITS(pid, 0);
	pair_close(&pair);
}

CASE(recv_with_a_timeout_does_not_restart, tiny)
{
	struct pair pair = PAIR;
	char byte;
	pid_t pid;

	handle(SA_RESTART, on_signal);
	kit_set_timeout(pair.b, SO_RCVTIMEO, 10000);
	pid = signaller_start(1, -1);
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EINTR);
	CHECK_EXITS(pid, 0);
	pair_close(&pair);
}

CASE(waitall_interrupted_returns_what_came, tiny)
{
	struct pair pair = PAIR;
	char got[10];
	pid_t pid;

	for (int restart = 0; restart < 2; restart++) {
		handle(restart ? SA_RESTART : 0, on_signal);
		PUT(pair.a, "abc");
		kit_await(pair.b, POLLIN);
		pid = signaller_start(1, -1);
		CHECK_EQ(recv(pair.b, got, 10, MSG_WAITALL), 3);
		CHECK_EQ(signals_seen, 1);
		CHECK_EXITS(pid, 0);
	}
	pair_close(&pair);
}

CASE(ignored_signal_does_not_interrupt, tiny)
{
	struct pair pair = PAIR;
	char got[4];
	pid_t pid;

	signal(SIGUSR1, SIG_IGN);
	pid = signaller_start(3, pair.a);
	CHECK_EQ(recv(pair.b, got, 4, 0), 4);
	CHECK_EXITS(pid, 0);
	pair_close(&pair);
}

CASE(blocked_signal_does_not_interrupt, tiny)
{
	struct pair pair = PAIR;
	char got[4];
	sigset_t set;
	pid_t pid;

	handle(0, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	pid = signaller_start(3, pair.a);
	CHECK_EQ(recv(pair.b, got, 4, 0), 4);
	CHECK_EQ(signals_seen, 0);
	CHECK_EXITS(pid, 0);
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
	CHECK_EQ(signals_seen, 1);
	pair_close(&pair);
}

CASE(send_is_interrupted, tiny, tcp)
{
	struct pair pair = PAIR;
	uint64_t filled = kit_fill(pair.a, kit_seed(), 0);
	pid_t pid;

	handle(0, on_signal);
	pid = signaller_start(1, -1);
	CHECK_FAILS(send(pair.a, "x", 1, 0), EINTR);
	CHECK_EXITS(pid, 0);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EQ(kit_drain_pattern(pair.b, kit_seed(), 0), filled);
	pair_close(&pair);
}

/* However the handler was set: a write that moved bytes returns their number. */
CASE(send_interrupted_returns_what_went, tiny)
{
	for (int restart = 0; restart < 2; restart++) {
		struct pair pair = PAIR;
		size_t size = 64 * MIB;
		char *out = malloc(size);
		pid_t pid;

		kit_pattern(out, size, kit_seed(), 0);
		handle(restart ? SA_RESTART : 0, on_signal);
		pid = signaller_start(1, -1);
		ssize_t sent = MUST(send(pair.a, out, size, 0));
		CHECK(sent > 0 && (size_t)sent < size);
		CHECK_EXITS(pid, 0);
		MUST(shutdown(pair.a, SHUT_WR));
		CHECK_EQ(kit_drain_pattern(pair.b, kit_seed(), 0), sent);
		free(out);
		pair_close(&pair);
	}
}

/* Waiting for readiness is never restarted. */
CASE(every_waiting_call_is_interrupted_even_with_restart, tiny, tcp)
{
	struct pair pair = PAIR;
	struct epoll_event event = {.events = EPOLLIN};
	int set = (int)MUST(epoll_create1(0));

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event));
	handle(SA_RESTART, on_signal);
	for (int call = 0; call < 6; call++) {
		struct pollfd entry = {.fd = pair.b, .events = POLLIN};
		fd_set in;
		pid_t pid = signaller_start(1, -1);
		FD_ZERO(&in);
		FD_SET(pair.b, &in);
		int ready = call == 0   ? poll(&entry, 1, -1)
			    : call == 1 ? ppoll(&entry, 1, NULL, NULL)
			    : call == 2 ? select(pair.b + 1, &in, NULL, NULL, NULL)
			    : call == 3 ? pselect(pair.b + 1, &in, NULL, NULL, NULL, NULL)
			    : call == 4 ? epoll_wait(set, &event, 1, -1)
					: epoll_pwait(set, &event, 1, -1, NULL);
		if (ready != -1 || errno != EINTR)
			FAIL("call %d: got %d, expected -1 with EINTR", call, ready);
		CHECK_EQ(signals_seen, call + 1);
		CHECK_EXITS(pid, 0);
	}
	MUST(close(set));
	pair_close(&pair);
}

CASE(accept_is_interrupted, tiny)
{
	int listener = kit_listen(AF_INET, NULL);
	pid_t pid;

	handle(0, on_signal);
	pid = signaller_start(1, -1);
	CHECK_FAILS(accept(listener, NULL, NULL), EINTR);
	CHECK_EXITS(pid, 0);
	MUST(close(listener));
}

/* The handler's own traffic on the same connection, in the middle of the main flow's. */
static struct pair shared;

static void exchange_in_handler(int signal __attribute__((unused)))
{
	int error = errno;
	char byte;

	CHECK_EQ(send(shared.b, "h", 1, 0), 1);
	CHECK_EQ(recv(shared.a, &byte, 1, 0), 1);
	CHECK_EQ(byte, 'h');
	signals_seen++;
	errno = error;
}

static void timer_start(int us)
{
	struct itimerval timer = {{0, us}, {0, us}};

	MUST(setitimer(ITIMER_REAL, &timer, NULL));
}

static void timer_handle(void (*handler)(int), int us)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	signals_seen = 0;
	MUST(sigaction(SIGALRM, &action, NULL));
	timer_start(us);
}

PEER(echo_slowly)
{
	char buffer[4096];
	ssize_t got;

	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

/* The main flow sends on A and receives on B; the handler uses the other direction of the same two ends. */
CASE(handler_uses_the_same_connection, tiny)
{
	struct pair pair = PAIR;
	uint64_t at = 0;
	int64_t start = kit_now_ms();

	shared = pair;
	timer_handle(exchange_in_handler, 300);
	while (kit_now_ms() - start < 700) {
		kit_send_pattern(pair.a, 100, kit_seed(), at);
		kit_recv_pattern(pair.b, 100, kit_seed(), at);
		at += 100;
	}
	timer_start(0);
	CHECK(signals_seen > 20);
	pair_close(&pair);
}

/* The handler sends on the descriptor that the main flow is receiving from. */
static int handler_fd;
static volatile uint64_t handler_sent;

static void send_in_handler(int signal __attribute__((unused)))
{
	int error = errno;

	if (send(handler_fd, "0123456789abcdef", 16, MSG_DONTWAIT) == 16)
		handler_sent += 16;
	errno = error;
}

CASE(handler_sends_while_the_main_flow_receives, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &echo_slowly};
	int fd = peer_start(&peer);
	uint64_t received = 0;
	char buffer[100];
	int64_t start = kit_now_ms();

	handler_fd = fd;
	timer_handle(send_in_handler, 500);
	while (kit_now_ms() - start < 500) {
		ssize_t got = MUST(recv(fd, buffer, sizeof(buffer), 0));
		for (ssize_t i = 0; i < got; i++)
			CHECK_EQ(buffer[i], "0123456789abcdef"[(received + (uint64_t)i) % 16]);
		received += (uint64_t)got;
	}
	timer_start(0);
	MUST(shutdown(fd, SHUT_WR));
	for (ssize_t got; (got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0;)
		received += (uint64_t)got;
	CHECK(received > 0);
	CHECK_EQ(received, handler_sent);
	peer_join(&peer);
	MUST(close(fd));
}

PEER(echo_pattern)
{
	static char buffer[64 * KIB];
	ssize_t got;

	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

PEER(drain_all)
{
	CHECK(kit_drain_pattern(fd, kit_seed(), 0) > 0);
	PUT(fd, "!");
}

PEER(send_for_long)
{
	uint64_t at = 0;

	while (recv(fd, &(char){0}, 1, MSG_DONTWAIT) == -1) {
		kit_send_pattern(fd, 8 * KIB, kit_seed(), at);
		at += 8 * KIB;
	}
}

CASE(storm_of_signals_loses_no_byte, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_for_long};
	int fd = peer_start(&peer);
	uint64_t at = 0;

	timer_handle(on_signal, 200);
	for (; signals_seen < 300; at += 1000)
		kit_recv_pattern(fd, 1000, kit_seed(), at);
	PUT(fd, "!");
	kit_drain_pattern(fd, kit_seed(), at);
	timer_start(0);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(storm_of_signals_on_the_sender, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &drain_all};
	int fd = peer_start(&peer);
	uint64_t at = 0;

	timer_handle(on_signal, 200);
	for (; signals_seen < 300; at += 1000)
		kit_send_pattern(fd, 1000, kit_seed(), at);
	timer_start(0);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_GETS(fd, "!");
	peer_join(&peer);
	MUST(close(fd));
}

static void exit_now(void *argument __attribute__((unused))) {}

CASE(dying_children_do_not_disturb, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &echo_pattern};
	int fd = peer_start(&peer);
	uint64_t at = 0;

	MUST(sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_RESTART}, NULL));
	for (int i = 0; i < 20; i++) {
		pid_t pid = kit_fork(exit_now, NULL);
		for (int round = 0; round < 20; round++, at += 200) {
			kit_send_pattern(fd, 200, kit_seed(), at);
			kit_recv_pattern(fd, 200, kit_seed(), at);
		}
		CHECK_EXITS(pid, 0);
	}
	MUST(shutdown(fd, SHUT_WR));
	peer_join(&peer);
	MUST(close(fd));
}
