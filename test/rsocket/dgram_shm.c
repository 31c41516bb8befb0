/* Datagram rsockets between two ends of the toolkit: what overtakes the kernel must not show, and must have been used. */
#include "kit.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/un.h>

#define ROUNDS 64 /* within which two ends must have met */

static socklen_t length_of(const struct sockaddr_storage *address)
{
	return kit_address_length(address);
}

static int bound_to(const struct sockaddr_storage *wanted, struct sockaddr_storage *address)
{
	int fd = (int)MUST(rsocket(wanted->ss_family, SOCK_DGRAM, 0));
	socklen_t size = sizeof(*address);

	MUST(rbind(fd, (const struct sockaddr *)wanted, length_of(wanted)));
	MUST(rgetsockname(fd, (struct sockaddr *)address, &size));
	return fd;
}

static int bound(int family, struct sockaddr_storage *address)
{
	struct sockaddr_storage wanted = {.ss_family = (sa_family_t)family};

	if (family == AF_INET6)
		((struct sockaddr_in6 *)&wanted)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&wanted)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bound_to(&wanted, address);
}

static ssize_t send_to(int fd, const void *bytes, size_t size, const struct sockaddr_storage *to)
{
	return rsendto(fd, bytes, size, 0, (const struct sockaddr *)to, to ? length_of(to) : 0);
}

static struct rdma_carrier carrier(int fd)
{
	struct rdma_carrier c;

	CHECK(kit_carrier(fd, &c));
	return c;
}

/* Sends from A until ring records come out at B, both in this thread. */
static void meet(int a, int b, const struct sockaddr_storage *to)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t before = carrier(b).shm_recv_bytes;
		char buf[16];

		CHECK_EQ(send_to(a, "meet", 4, to), 4);
		CHECK_EQ(rrecv(b, buf, sizeof(buf), 0), 4);
		if (carrier(b).shm_recv_bytes > before)
			return;
	}
	FAIL("no ring after %d datagrams: %s, %s", ROUNDS, carrier(a).reason_code, carrier(b).reason_code);
}

/* The same between processes: an echo server has the other end. */
static void meet_echo(int fd)
{
	for (int i = 0; i < 5000; i++) {
		struct rdma_carrier before = carrier(fd), after;
		char buf[16];

		CHECK_EQ(rsend(fd, "meet", 4, 0), 4);
		CHECK_EQ(rrecv(fd, buf, sizeof(buf), 0), 4);
		after = carrier(fd);
		if (after.shm_send_bytes > before.shm_send_bytes && after.send == RDMA_TRANSPORT_SHM)
			return;
	}
	FAIL("no ring: %s", carrier(fd).reason_code);
}

static uint64_t rung(int fd)
{
	return carrier(fd).shm_recv_bytes;
}

static void check_gets(int fd, const char *text, const struct sockaddr_storage *from)
{
	struct sockaddr_storage seen;
	socklen_t size = sizeof(seen);
	char buf[64];

	CHECK_EQ(rrecvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&seen, &size), strlen(text));
	CHECK(memcmp(buf, text, strlen(text)) == 0);
	if (from) {
		CHECK_EQ(size, length_of(from));
		CHECK(memcmp(&seen, from, size) == 0);
	}
}

static void check_semantics(int family)
{
	struct sockaddr_storage to, from;
	int a = bound(family, &from), b = bound(family, &to);
	static char big[65507], in[65536];
	char buf[4];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	uint64_t before;

	meet(a, b, &to);
	before = rung(b);
	CHECK_EQ(send_to(a, "first", 5, &to), 5);
	CHECK_EQ(send_to(a, "", 0, &to), 0);
	CHECK_EQ(send_to(a, "0123456789", 10, &to), 10);
	CHECK_EQ(send_to(a, "0123456789", 10, &to), 10);
	CHECK_EQ(send_to(a, "last", 4, &to), 4);
	CHECK_EQ(rrecv(b, buf, 4, MSG_PEEK), 4);
	CHECK_EQ(rrecv(b, buf, 4, MSG_PEEK | MSG_TRUNC), 5);
	CHECK_REVENTS(b, POLLIN | POLLOUT);
	check_gets(b, "first", &from);
	CHECK_EQ(rrecv(b, buf, sizeof(buf), 0), 0);
	CHECK_EQ(rrecvmsg(b, &msg, 0), 4);
	CHECK(msg.msg_flags == MSG_TRUNC && memcmp(buf, "0123", 4) == 0);
	CHECK_EQ(rrecv(b, buf, sizeof(buf), MSG_TRUNC), 10);
	check_gets(b, "last", &from);
	CHECK_FAILS(rrecv(b, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(rung(b) - before, 5 + 0 + 10 + 10 + 4);
	kit_pattern(big, sizeof(big), 5, 0);
	for (size_t size = sizeof(big); size > sizeof(big) - 20; size--) {
		CHECK_EQ(send_to(a, big, size, &to), size);
		CHECK_EQ(rrecv(b, in, sizeof(in), 0), size);
		CHECK_PATTERN(in, size, 5, 0);
	}
	CHECK(rung(b) - before > 19 * 65487);
	/* The other way. */
	meet(b, a, &from);
	CHECK_EQ(send_to(b, "back", 4, &from), 4);
	check_gets(a, "back", &to);
	MUST(rclose(a));
	MUST(rclose(b));
}

CASE(semantics)
{
	check_semantics(AF_INET);
}

CASE(semantics_ipv6)
{
	check_semantics(AF_INET6);
}

/* Bound to every address of both families: an IPv4 sender is seen as IPv6 shows it. */
CASE(wildcard)
{
	struct sockaddr_storage any = {.ss_family = AF_INET6}, at, from, to, seen;
	int b = bound_to(&any, &at), a = bound(AF_INET, &from), c = bound(AF_INET6, &seen);
	struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
	uint64_t before;

	memcpy(&to, &from, sizeof(to));
	((struct sockaddr_in *)&to)->sin_port = ((struct sockaddr_in6 *)&at)->sin6_port;
	meet(a, b, &to);
	before = rung(b);
	mapped.sin6_port = ((struct sockaddr_in *)&from)->sin_port;
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
	CHECK_EQ(send_to(a, "four", 4, &to), 4);
	check_gets(b, "four", (struct sockaddr_storage *)&mapped);
	((struct sockaddr_in6 *)&at)->sin6_addr = in6addr_loopback;
	meet(c, b, &at);
	CHECK_EQ(send_to(c, "six", 3, &at), 3);
	check_gets(b, "six", &seen);
	CHECK(rung(b) - before >= 7);
	MUST(rclose(a));
	MUST(rclose(b));
	MUST(rclose(c));
}

/* A receiver that connects hears its peer alone, whatever rings there were; what came before is still read. */
CASE(connected_hears_its_peer)
{
	struct sockaddr_storage one, two, three;
	int a = bound(AF_INET, &one), b = bound(AF_INET, &two), c = bound(AF_INET, &three);
	char buf[8];

	meet(b, a, &one);
	meet(c, a, &one);
	CHECK_EQ(send_to(c, "early", 5, &one), 5);
	MUST(rconnect(a, (struct sockaddr *)&two, length_of(&two)));
	CHECK_EQ(send_to(c, "stranger", 8, &one), 8);
	check_gets(a, "early", &three);
	CHECK_FAILS(rrecv(a, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	meet(b, a, &one);
	for (int i = 0; i < ROUNDS; i++)
		send_to(c, "stranger", 8, &one);
	CHECK_EQ(send_to(b, "peer", 4, &one), 4);
	check_gets(a, "peer", &two);
	CHECK_FAILS(rrecv(a, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	/* And sends without a name, both ways by rings. */
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(rsend(a, "hello", 5, 0), 5);
		check_gets(b, "hello", &one);
	}
	CHECK(rung(b) > 0);
	MUST(rclose(a));
	MUST(rclose(b));
	MUST(rclose(c));
}

/* By another of its names a receiver is reached in the same order. */
CASE(two_names_one_order)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);

	meet(a, b, &to);
	MUST(rconnect(a, (struct sockaddr *)&to, length_of(&to)));
	meet(a, b, &to);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(send_to(a, "named", 5, &to), 5);
		CHECK_EQ(rsend(a, "connected", 9, 0), 9);
		CHECK_EQ(send_to(a, "again", 5, &to), 5);
		check_gets(b, "named", &from);
		check_gets(b, "connected", &from);
		check_gets(b, "again", &from);
	}
	MUST(rclose(a));
	MUST(rclose(b));
}

/* What only the kernel can tell comes from the kernel from then on. */
CASE(options_pin)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	char buf[8], control[128];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};

	meet(a, b, &to);
	CHECK_EQ(send_to(a, "before", 6, &to), 6);
	kit_set_option(b, IPPROTO_IP, IP_PKTINFO, 1);
	CHECK_EQ(send_to(a, "after", 5, &to), 5);
	check_gets(b, "before", &from);
	CHECK_EQ(MUST(rrecvmsg(b, &msg, 0)), 5);
	CHECK(CMSG_FIRSTHDR(&msg) && CMSG_FIRSTHDR(&msg)->cmsg_type == IP_PKTINFO);
	CHECK(strcmp(carrier(b).reason_code, "socket-feature") == 0);
	MUST(rclose(a));
	MUST(rclose(b));
}

/* The pieces of one datagram. */
CASE(more_to_come)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);

	meet(a, b, &to);
	CHECK_EQ(send_to(a, "before", 6, &to), 6);
	CHECK_EQ(rsendto(a, "in two ", 7, MSG_MORE, (struct sockaddr *)&to, length_of(&to)), 7);
	CHECK_EQ(send_to(a, "pieces", 6, &to), 6);
	check_gets(b, "before", &from);
	check_gets(b, "in two pieces", &from);
	MUST(rclose(a));
	MUST(rclose(b));
}

/* What a peek showed is what comes, also if a poll finds something in a ring meanwhile. */
CASE(peeked_then_polled)
{
	struct sockaddr_storage to, from, other;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to), c = bound(AF_INET, &other);
	char buf[16];

	meet(a, b, &to);
	CHECK_EQ(send_to(c, "by kernel", 9, &to), 9);
	CHECK_EQ(rrecv(b, buf, sizeof(buf), MSG_PEEK), 9);
	CHECK_EQ(send_to(a, "by ring", 7, &to), 7);
	kit_await(b, POLLIN);
	check_gets(b, "by kernel", &other);
	kit_await(b, POLLIN);
	check_gets(b, "by ring", &from);
	MUST(rclose(a));
	MUST(rclose(b));
	MUST(rclose(c));
}

CASE(epoll_sees_it)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to), set = (int)MUST(repoll_create(0));
	struct epoll_event event = {.events = EPOLLIN};

	meet(a, b, &to);
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, b, &event));
	CHECK_EQ(send_to(a, "event", 5, &to), 5);
	CHECK_EQ(repoll_wait(set, &event, 1, 5000), 1);
	check_gets(b, "event", &from);
	MUST(rclose(set));
	MUST(rclose(a));
	MUST(rclose(b));
}

CASE(many_at_once)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	char words[8][8];
	struct iovec each[8];
	struct mmsghdr many[8] = {0};
	uint64_t before;

	meet(a, b, &to);
	before = rung(b);
	MUST(rconnect(a, (struct sockaddr *)&to, length_of(&to)));
	meet(a, b, &to);
	for (int i = 0; i < 8; i++) {
		snprintf(words[i], sizeof(words[i]), "word %d", i);
		each[i] = (struct iovec){words[i], 6};
		many[i].msg_hdr.msg_iov = &each[i];
		many[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK_EQ(rsendmmsg(a, many, 8, 0), 8);
	memset(words, 0, sizeof(words));
	CHECK_EQ(rrecvmmsg(b, many, 8, MSG_WAITFORONE, NULL), 8);
	for (int i = 0; i < 8; i++)
		CHECK(many[i].msg_len == 6 && words[i][5] == '0' + i);
	CHECK(rung(b) > before);
	MUST(rclose(a));
	MUST(rclose(b));
}

/* More than a ring holds: what is there is in order, and the oldest is among it. */
CASE(overflow)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to), last = -1, count = 0;
	static char buf[8192];

	meet(a, b, &to);
	for (int i = 0; i < 400; i++) {
		memcpy(buf, &i, sizeof(i));
		CHECK_EQ(send_to(a, buf, sizeof(buf), &to), sizeof(buf));
	}
	while (rrecv(b, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
		int number;

		memcpy(&number, buf, sizeof(number));
		CHECK(count > 0 || number == 0);
		CHECK(number > last);
		last = number;
		count++;
	}
	CHECK(count >= 8 && count < 400);
	meet(a, b, &to);
	MUST(rclose(a));
	MUST(rclose(b));
}

/* --- several processes --- */

static struct shared {
	struct sockaddr_storage address;
	volatile int ready, stop, received, sent;
	volatile uint64_t rung;
} * shared;

static void shared_make(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
}

static void await(volatile int *word, int value)
{
	for (int i = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) < value; i++) {
		if (i > 15000)
			FAIL("waited for %d", value);
		kit_sleep_ms(1);
	}
}

/* Sends back whatever comes, until something begins with q; p: not now. */
static void echo(void *waits)
{
	int fd = bound(AF_INET, &shared->address);
	static char buf[65536];

	shared->ready = 1;
	for (;;) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (waits)
			CHECK_EQ(rpoll(&p, 1, -1), 1);
		n = MUST(rrecvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size));
		if (n && buf[0] == 'q')
			break;
		CHECK_EQ(send_to(fd, buf, (size_t)n, &from), n);
		shared->rung = rung(fd);
	}
	MUST(rclose(fd));
}

/* Two ends that spin for long meet awake, however busy the machine is. Before the first r-call. */
static void patient(void)
{
	MUST(setenv("RSOCKET_SET", "polling_time=3000", 1));
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		kit_skip("on one processor nobody spins");
}

static int client(void)
{
	struct sockaddr_storage own;
	int fd = bound(AF_INET, &own);

	await(&shared->ready, 1);
	MUST(rconnect(fd, (struct sockaddr *)&shared->address, length_of(&shared->address)));
	return fd;
}

static void check_ping_pong(bool waits)
{
	uint64_t random = kit_seed();
	static char out[65507], in[65536];
	pid_t pid;
	int fd;

	patient();
	shared_make();
	pid = kit_fork(echo, waits ? "" : NULL);
	fd = client();
	meet_echo(fd);
	for (int i = 0; i < 8000; i++) {
		size_t size = i % 100 ? kit_random_below(&random, 200) : kit_random_below(&random, sizeof(out) + 1);
		struct pollfd p = {.fd = fd, .events = POLLIN};

		kit_pattern(out, size, (uint64_t)i, 0);
		if (size)
			out[0] = 'x';
		CHECK_EQ(rsend(fd, out, size, 0), size);
		if (waits)
			CHECK_EQ(rpoll(&p, 1, 5000), 1);
		CHECK_EQ(rrecv(fd, in, sizeof(in), 0), size);
		CHECK(memcmp(in, out, size) == 0);
	}
	CHECK(carrier(fd).shm_send_bytes > 1000);
	PUT(fd, "q");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

CASE(ping_pong)
{
	check_ping_pong(false);
}

CASE(ping_pong_polled)
{
	check_ping_pong(true);
}

#define WINDOW 16
#define NUMBERED 100000

/* A receiver that sleeps at random; says every WINDOW datagrams that they are there. */
static void numbered_receiver(void *unused)
{
	int fd = bound(AF_INET, &shared->address);
	uint64_t random = kit_seed();
	static char buf[65536];

	(void)unused;
	shared->ready = 1;
	for (int i = 0; i < NUMBERED; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;
		int number;

		switch (kit_random_below(&random, 400)) {
		case 0:
			kit_sleep_ms((int)kit_random_below(&random, 3));
			break;
		case 1:
		case 2:
		case 3:
			usleep((useconds_t)kit_random_below(&random, 100));
			break;
		case 4:
		case 5:
			CHECK_EQ(rpoll(&p, 1, 5000), 1);
			break;
		case 6:
			rrecv(fd, buf, 4, MSG_PEEK);
			break;
		default:
			break;
		}
		n = MUST(rrecv(fd, buf, sizeof(buf), 0));
		CHECK(n >= (ssize_t)sizeof(number));
		memcpy(&number, buf, sizeof(number));
		CHECK_EQ(number, i);
		CHECK_PATTERN(buf + sizeof(number), (size_t)n - sizeof(number), (uint64_t)i, 0);
		shared->received = i + 1;
	}
	shared->rung = rung(fd);
	MUST(rclose(fd));
}

/* Order and nothing lost, however often the way changes. */
CASE(order_over_both_ways)
{
	uint64_t random = kit_seed() + 1;
	static char out[65507];
	pid_t pid;
	int fd;

	shared_make();
	pid = kit_fork(numbered_receiver, NULL);
	fd = client();
	for (int i = 0; i < NUMBERED; i++) {
		bool large = kit_random_below(&random, 300) == 0;
		size_t size = sizeof(i) + (large ? kit_random_below(&random, sizeof(out) - sizeof(i) + 1)
						 : kit_random_below(&random, 1000));

		/* No more than the kernel would hold. */
		for (int64_t start = kit_now_ms(); shared->received < (large ? i : i - WINDOW);)
			if (sched_yield() || kit_now_ms() - start > 5000)
				FAIL("%d sent, %d received", i, shared->received);
		memcpy(out, &i, sizeof(i));
		kit_pattern(out + sizeof(i), size - sizeof(i), (uint64_t)i, 0);
		CHECK_EQ(rsend(fd, out, size, 0), size);
		if (large)
			await(&shared->received, i + 1);
		if (kit_random_below(&random, 1000) == 0)
			usleep(200);
	}
	CHECK_EXITS(pid, 0);
	kit_note("%llu bytes by rings", (unsigned long long)shared->rung);
	CHECK(shared->rung > 100000);
	MUST(rclose(fd));
}

/* --- waits --- */

struct waiter {
	int fd, pipe;
	volatile int got;
};

static void *wait_in_receive(void *argument)
{
	struct waiter *w = argument;
	char buf[16];

	for (;;) {
		ssize_t n = MUST(rrecv(w->fd, buf, sizeof(buf), 0));

		if (buf[0] == 'q')
			return NULL;
		CHECK_EQ(n, 4);
		__atomic_fetch_add(&w->got, 1, __ATOMIC_SEQ_CST);
	}
}

/* A sleeper in a receive is woken by whoever sends, and each time. */
CASE(blocked_receive_woken)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	struct waiter w = {.fd = b};
	struct thread t;

	meet(a, b, &to);
	thread_start(&t, wait_in_receive, &w);
	for (int i = 0; i < 300; i++) {
		if (i % 10 == 0)
			thread_await_asleep(&t);
		CHECK_EQ(send_to(a, "wake", 4, &to), 4);
		await(&w.got, i + 1);
	}
	CHECK_EQ(send_to(a, "quit", 4, &to), 4);
	thread_join(&t);
	MUST(rclose(a));
	MUST(rclose(b));
}

static void *wait_in_poll(void *argument)
{
	struct waiter *w = argument;
	struct pollfd fds[2] = {{.fd = w->pipe, .events = POLLIN}, {.fd = w->fd, .events = POLLIN}};
	char buf[16];

	for (;;) {
		CHECK(rpoll(fds, 2, 10000) >= 1);
		CHECK(!(fds[0].revents & ~POLLIN) && !(fds[1].revents & ~POLLIN));
		if (fds[0].revents) {
			CHECK_EQ(read(w->pipe, buf, 1), 1);
			if (buf[0] == 'q')
				return NULL;
			__atomic_fetch_add(&w->got, 1, __ATOMIC_SEQ_CST);
		}
		if (fds[1].revents) {
			CHECK_EQ(rrecv(w->fd, buf, sizeof(buf), MSG_DONTWAIT), 4);
			__atomic_fetch_add(&w->got, 1, __ATOMIC_SEQ_CST);
		}
	}
}

/* And one in a poll, by a pipe or by a datagram. */
CASE(poll_with_a_pipe)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to), ends[2];
	struct waiter w = {.fd = b};
	struct thread t;

	MUST(pipe(ends));
	w.pipe = ends[0];
	meet(a, b, &to);
	thread_start(&t, wait_in_poll, &w);
	for (int i = 0; i < 300; i++) {
		if (i % 10 == 0)
			thread_await_asleep(&t);
		if (i % 3)
			CHECK_EQ(send_to(a, "wake", 4, &to), 4);
		else
			CHECK_EQ(write(ends[1], "w", 1), 1);
		await(&w.got, i + 1);
	}
	CHECK_EQ(write(ends[1], "q", 1), 1);
	thread_join(&t);
	MUST(rclose(a));
	MUST(rclose(b));
}

CASE(select_and_timeouts)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	struct timeval soon = {.tv_usec = 50000};
	struct pollfd p = {.fd = b, .events = POLLIN};
	int64_t start;
	fd_set in;
	char buf[8];

	meet(a, b, &to);
	start = kit_now_ms();
	CHECK_EQ(rpoll(&p, 1, 50), 0);
	CHECK_LASTED(start, 50);
	CHECK_EQ(send_to(a, "one", 3, &to), 3);
	FD_ZERO(&in);
	FD_SET(b, &in);
	CHECK_EQ(rselect(b + 1, &in, NULL, NULL, &soon), 1);
	CHECK(FD_ISSET(b, &in));
	check_gets(b, "one", &from);
	kit_set_timeout(b, SO_RCVTIMEO, 50);
	start = kit_now_ms();
	CHECK_FAILS(rrecv(b, buf, sizeof(buf), 0), EAGAIN);
	CHECK_LASTED(start, 50);
	kit_set_nonblocking(b, true);
	CHECK_FAILS(rrecv(b, buf, sizeof(buf), 0), EAGAIN);
	meet(a, b, &to);
	MUST(rclose(a));
	MUST(rclose(b));
}

/* --- ends --- */

CASE(receiver_comes_back)
{
	struct sockaddr_storage to, from, again;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to), sink;
	char buf[8];

	meet(a, b, &to);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(send_to(a, "lost", 4, &to), 4);
		MUST(rclose(b));
		CHECK_EQ(send_to(a, "lost too", 8, &to), 8);
		b = bound_to(&to, &again);
		sink = (int)rrecv(b, buf, sizeof(buf), MSG_DONTWAIT);
		CHECK(sink < 0 && errno == EAGAIN);
		meet(a, b, &to);
	}
	MUST(rclose(a));
	MUST(rclose(b));
}

/* A killed receiver is refused as the kernel refuses it, even to who waits for an answer. */
CASE(receiver_killed)
{
	struct sockaddr_storage again;
	char buf[16];
	pid_t pid;
	int fd, b;

	patient();
	shared_make();
	pid = kit_fork(echo, NULL);
	fd = client();
	meet_echo(fd);
	MUST(kill(pid, SIGKILL));
	kit_wait_killed(pid, SIGKILL);
	/* A ring that nobody reads may take the first ones. */
	CHECK_EQ(rsend(fd, "anybody", 7, 0), 7);
	CHECK_FAILS(rrecv(fd, buf, sizeof(buf), 0), ECONNREFUSED);
	/* Nor to who does not wait: one of two sends tells of the other. */
	for (int i = 0; rsend(fd, "anybody", 7, 0) == 7; i++) {
		CHECK(i < 10);
		kit_sleep_ms(3);
	}
	CHECK_EQ(errno, ECONNREFUSED);
	/* And somebody else is found there. */
	b = bound_to(&shared->address, &again);
	while (rrecv(fd, buf, sizeof(buf), MSG_DONTWAIT) == -1 && errno != EAGAIN)
		;
	for (int i = 0; i < 400 && carrier(b).recv != RDMA_TRANSPORT_SHM; i++) {
		CHECK_EQ(rsend(fd, "meet", 4, 0), 4);
		CHECK_EQ(rrecv(b, buf, sizeof(buf), 0), 4);
	}
	CHECK_EQ(carrier(b).recv, RDMA_TRANSPORT_SHM);
	MUST(rclose(fd));
	MUST(rclose(b));
}

#define SENDERS 67 /* more than a receiver has rings for */

static void sends_for_ever(void *number)
{
	struct sockaddr_storage own;
	int fd;

	await(&shared->ready, (int)(intptr_t)number);
	fd = bound(AF_INET, &own);
	for (int i = 0;; i++) {
		CHECK_EQ(send_to(fd, &i, sizeof(i), &shared->address), sizeof(i));
		for (int64_t start = kit_now_ms(); i - shared->received > 8 && kit_now_ms() - start < 20;)
			;
	}
}

/* One sender after the other is killed at it, and the next one gets a ring. */
CASE(senders_killed)
{
	pid_t pids[SENDERS];
	int b;

	patient();
	shared_make();
	for (int i = 0; i < SENDERS; i++)
		pids[i] = kit_fork(sends_for_ever, (void *)(intptr_t)(i + 1));
	b = bound(AF_INET, &shared->address);
	kit_set_timeout(b, SO_RCVTIMEO, 2000);
	for (int i = 0; i < SENDERS; i++) {
		uint64_t before = rung(b);
		int last = -1, number = -1;

		shared->received = 0;
		shared->ready = i + 1;
		for (int64_t start = kit_now_ms(); rung(b) < before + 16;) {
			CHECK_EQ(MUST(rrecv(b, &number, sizeof(number), 0)), sizeof(number));
			CHECK(number > last);
			shared->received = last = number;
			if (kit_now_ms() - start > 8000)
				FAIL("sender %d: no ring: %s", i, carrier(b).reason_code);
		}
		MUST(kill(pids[i], SIGKILL));
		kit_wait_killed(pids[i], SIGKILL);
		while (rrecv(b, &number, sizeof(number), MSG_DONTWAIT) >= 0)
			;
	}
	MUST(rclose(b));
}

/* After a fork both processes may read: nothing that was in a ring is lost, and the kernel has what comes. */
CASE(fork_shares)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	pid_t pid;

	meet(a, b, &to);
	CHECK_EQ(send_to(a, "first", 5, &to), 5);
	CHECK_EQ(send_to(a, "second", 6, &to), 6);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		check_gets(b, "first", &from);
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	CHECK(strcmp(carrier(b).reason_code, "shared-by-fork") == 0);
	CHECK_EQ(send_to(a, "third", 5, &to), 5);
	check_gets(b, "second", &from);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		check_gets(b, "third", &from);
		MUST(rclose(b));
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	CHECK_EQ(send_to(a, "fourth", 6, &to), 6);
	check_gets(b, "fourth", &from);
	MUST(rclose(a));
	MUST(rclose(b));
}

static void sends_and_stays(void *unused)
{
	int fd = client();

	(void)unused;
	for (int i = 0; !shared->rung; i++) {
		CHECK_EQ(rsend(fd, "meet", 4, 0), 4);
		while (i - shared->received > 8 && !shared->rung)
			sched_yield();
	}
	kit_sleep_ms(20);
	CHECK_EQ(rsend(fd, "kept", 4, 0), 4);
	shared->sent = 1;
	await(&shared->stop, 1);
	MUST(rclose(fd));
}

/* A process that closes what another one has too takes nothing from that one, whatever made the kernel do it all before. */
CASE(fork_of_what_the_kernel_has)
{
	char buf[8];
	int b;
	pid_t pid, sender;

	patient();
	shared_make();
	sender = kit_fork(sends_and_stays, NULL);
	b = bound(AF_INET, &shared->address);
	shared->ready = 1;
	for (; rung(b) == 0; shared->received++)
		MUST(rrecv(b, buf, sizeof(buf), 0));
	shared->rung = 1;
	/* Awake all the while: into the ring it goes. */
	while (!shared->sent)
		rrecv(b, buf, 0, MSG_DONTWAIT | MSG_PEEK);
	kit_set_option(b, IPPROTO_IP, IP_PKTINFO, 1);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		MUST(rclose(b));
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	while (MUST(rrecv(b, buf, sizeof(buf), MSG_DONTWAIT)) == 4 && memcmp(buf, "kept", 4) != 0)
		;
	shared->stop = 1;
	CHECK_EXITS(sender, 0);
	MUST(rclose(b));
}

static volatile int receiving;

static void *receives_until_closed(void *argument)
{
	char buf[8];

	while (receiving)
		rrecv(*(int *)argument, buf, sizeof(buf), MSG_DONTWAIT);
	return NULL;
}

/* A child finds no half of what another thread was at. */
CASE(fork_beside_a_receiver)
{
	for (int64_t start = kit_now_ms(); kit_now_ms() - start < 5000;) {
		struct sockaddr_storage to, from;
		int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
		struct thread t;
		pid_t pid;

		meet(a, b, &to);
		receiving = 1;
		thread_start(&t, receives_until_closed, &b);
		pid = (pid_t)MUST(fork());
		if (pid == 0) {
			char buf[8];

			rrecv(b, buf, sizeof(buf), MSG_DONTWAIT);
			exit(0);
		}
		receiving = 0;
		CHECK_EXITS(pid, 0);
		thread_join(&t);
		MUST(rclose(a));
		MUST(rclose(b));
	}
}

/* --- threads --- */

#define CROWD 3
#define EACH 20000

static struct crowd {
	int a, b;
	struct sockaddr_storage to;
	volatile int received;
	int sent;
} crowd;

static void *crowd_sends(void *unused)
{
	for (int i = 0; i < EACH; i++) {
		int number = __atomic_fetch_add(&crowd.sent, 1, __ATOMIC_SEQ_CST);

		while (number - __atomic_load_n(&crowd.received, __ATOMIC_SEQ_CST) > 4 * CROWD)
			sched_yield();
		CHECK_EQ(send_to(crowd.a, "datagram", 8, &crowd.to), 8);
	}
	return unused;
}

static void *crowd_receives(void *unused)
{
	char buf[16];

	for (;;) {
		ssize_t n = MUST(rrecv(crowd.b, buf, sizeof(buf), 0));

		if (n == 4)
			return unused;
		CHECK_EQ(n, 8);
		CHECK(memcmp(buf, "datagram", 8) == 0);
		__atomic_fetch_add(&crowd.received, 1, __ATOMIC_SEQ_CST);
	}
}

CASE(threads)
{
	struct sockaddr_storage from;
	struct thread senders[CROWD], receivers[CROWD];

	crowd.a = bound(AF_INET, &from);
	crowd.b = bound(AF_INET, &crowd.to);
	meet(crowd.a, crowd.b, &crowd.to);
	for (int i = 0; i < CROWD; i++) {
		thread_start(&receivers[i], crowd_receives, NULL);
		thread_start(&senders[i], crowd_sends, NULL);
	}
	for (int i = 0; i < CROWD; i++)
		thread_join(&senders[i]);
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(send_to(crowd.a, "stop", 4, &crowd.to), 4);
	for (int i = 0; i < CROWD; i++)
		thread_join(&receivers[i]);
	CHECK_EQ(crowd.received, CROWD * EACH);
	MUST(rclose(crowd.a));
	MUST(rclose(crowd.b));
}

static void *closes_late(void *argument)
{
	kit_sleep_ms(50);
	MUST(rclose(*(int *)argument));
	return NULL;
}

/* As the kernel has it: the sleeper sleeps on, on the file that it came with. */
CASE(closed_under_a_receive)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	struct thread t;
	char buf[8];

	meet(a, b, &to);
	kit_set_timeout(b, SO_RCVTIMEO, 200);
	thread_start(&t, closes_late, &b);
	CHECK_FAILS(rrecv(b, buf, sizeof(buf), 0), EAGAIN);
	thread_join(&t);
	MUST(rclose(a));
}

/* --- hostile peers --- */

/* Rogues may have the kernel's queue overflow: what is lost there is sent again. */
static void pings_honestly(int fd, int rounds)
{
	char buf[16];
	int lost = 0;

	kit_set_timeout(fd, SO_RCVTIMEO, 500);
	for (int i = 0; i < rounds; i++) {
		CHECK_EQ(rsend(fd, "meet", 4, 0), 4);
		while (rrecv(fd, buf, sizeof(buf), 0) != 4) {
			CHECK_EQ(errno, EAGAIN);
			CHECK(++lost < 10);
			CHECK_EQ(rsend(fd, "meet", 4, 0), 4);
		}
	}
	if (lost)
		kit_note("%d lost", lost);
}

/* The rings that this process has mapped, with all words that the other side reads. */
static size_t rings_of(char *maps[], size_t max)
{
	FILE *file = fopen("/proc/self/maps", "r");
	size_t count = 0;
	char line[512];

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long from;

		if (strstr(line, "memfd:rsocket-datagrams") && sscanf(line, "%lx-", &from) == 1 && count < max)
			maps[count++] = (char *)from;
	}
	fclose(file);
	return count;
}

#define SPOILT (4096 + 16384)

static void spoil(void *unused)
{
	uint64_t random = kit_seed() + 7;
	int fd = client();
	char *maps[8];
	size_t count;

	(void)unused;
	meet_echo(fd);
	kit_set_timeout(fd, SO_RCVTIMEO, 5);
	count = rings_of(maps, 8);
	CHECK(count > 0);
	/* Mapped again: the library lets go of what it finds spoilt. */
	for (size_t i = 0; i < count; i++)
		CHECK((maps[i] = mremap(maps[i], 0, SPOILT, MREMAP_MAYMOVE)) != MAP_FAILED);
	for (int64_t start = kit_now_ms(); kit_now_ms() - start < 2000;) {
		char *ring = maps[kit_random_below(&random, count)], buf[64];

		for (int i = 0; i < 3; i++) {
			uint64_t *word = (uint64_t *)(ring + (kit_random_below(&random, 4)
								      ? 64 + 8 * kit_random_below(&random, 24)
								      : 4096 + 8 * kit_random_below(&random, 2048)));
			uint64_t value = kit_random(&random);

			switch (kit_random_below(&random, 4)) {
			case 0:
				value &= 0xffff;
				break;
			case 1:
				value &= 0xfffff0;
				break;
			case 2:
				value &= 1;
				break;
			default:
				break;
			}
			__atomic_store_n(word, value, __ATOMIC_RELAXED);
		}
		rsend(fd, "x garbage", 9, MSG_DONTWAIT);
		/* One at a time: a flood would be the kernel's to drop. */
		rrecv(fd, buf, sizeof(buf), 0);
	}
	_exit(0);
}

/* Garbage in every word that a peer can write: it spoils its own datagrams; the server serves everybody else. */
CASE(garbage_in_the_rings)
{
	pid_t server, rogues[3];
	int fd;

	patient();
	shared_make();
	server = kit_fork(echo, NULL);
	for (int i = 0; i < 3; i++)
		rogues[i] = kit_fork(spoil, NULL);
	fd = client();
	meet_echo(fd);
	for (int i = 0, status = 0; i < 3; i++) {
		while (waitpid(rogues[i], &status, WNOHANG) == 0)
			pings_honestly(fd, 20);
		CHECK_EQ(status, 0);
	}
	pings_honestly(fd, 200);
	PUT(fd, "q");
	CHECK_EXITS(server, 0);
	MUST(rclose(fd));
}

/* Another user has the receiver's name: nobody speaks to it, the kernel carries. */
CASE(name_squatted)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to), un;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(uint64_t);
	uint64_t cookie;

	if (geteuid() != 0)
		kit_skip("only root can be another user");
	MUST(rgetsockopt(b, SOL_SOCKET, SO_COOKIE, &cookie, &size));
	MUST(seteuid(1));
	un = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "rsdgram-1-%016llx",
					    (unsigned long long)cookie));
	MUST(bind(un, (struct sockaddr *)&name, size));
	MUST(listen(un, 5));
	MUST(seteuid(0));
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(send_to(a, "plain", 5, &to), 5);
		check_gets(b, "plain", &from);
	}
	CHECK_EQ(carrier(a).shm_send_bytes, 0);
	CHECK(strcmp(carrier(a).reason_code, "other-user") == 0);
	MUST(rclose(a));
	MUST(rclose(b));
}

/* A receiver of another user gets nothing by a ring. */
static void echo_of_another(void *unused)
{
	(void)unused;
	MUST(setuid(1));
	echo(NULL);
}

CASE(other_user)
{
	pid_t pid;
	int fd;

	if (geteuid() != 0)
		kit_skip("only root can be another user");
	shared_make();
	pid = kit_fork(echo_of_another, NULL);
	fd = client();
	pings_honestly(fd, ROUNDS);
	CHECK_EQ(carrier(fd).shm_send_bytes + carrier(fd).shm_recv_bytes, 0);
	PUT(fd, "q");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}
