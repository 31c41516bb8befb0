/* Direct placement between two hosts: by a TCP connection beside the main one, which the ends find by themselves. */
#include "hosts.h"

#include <linux/errqueue.h>
#include <sys/resource.h>

#define LARGE (5 * MIB + 11)

/* Each way to be connected. */
struct shape {
	int family;
	bool accepts_there;
};

static void each_shape(void (*check)(const struct shape *))
{
	hosts_make();
	for (int i = 0; i < 4; i++) {
		const struct shape shape = {i & 2 ? AF_INET6 : AF_INET, i & 1};

		check(&shape);
	}
}

/* --- one maps, the other places --- */

static const size_t sizes[] = {1, 2, 3, 63, 64, 4095, 4096, 4097, 65535, 65536, 65537, 200000, MIB, LARGE - 1};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void map_large(int fd, void *unused)
{
	char *bytes = buffer_new(LARGE), byte;

	(void)unused;
	CHECK_EQ(riomap(fd, bytes, LARGE, PROT_READ | PROT_WRITE, 0, 100), 100);
	PUT(fd, "m");
	for (size_t i = 0; i < SIZES; i++) {
		kit_get(fd, &byte, 1);
		CHECK_PATTERN(bytes + 1, sizes[i], i, 0);
		CHECK_EQ(bytes[0], 0);
		if (sizes[i] + 1 < LARGE)
			CHECK_EQ(bytes[sizes[i] + 1], 0);
		kit_pattern(bytes + 1, sizes[i], i + 100, 0);
		PUT(fd, "r");
		kit_get(fd, &byte, 1);
		memset(bytes, 0, LARGE);
		PUT(fd, "z");
	}
	kit_get(fd, &byte, 1);
}

static void place_at(int fd)
{
	char *bytes = malloc(LARGE), byte;

	CHECK(bytes);
	kit_get(fd, &byte, 1);
	for (size_t i = 0; i < SIZES; i++) {
		kit_pattern(bytes, sizes[i], i, 0);
		CHECK_EQ(riowrite(fd, bytes, sizes[i], 101, 0), sizes[i]);
		PUT(fd, "w");
		kit_get(fd, &byte, 1);
		memset(bytes, 0, sizes[i]);
		CHECK_EQ(rioread(fd, bytes, sizes[i], 101, 0), sizes[i]);
		CHECK_PATTERN(bytes, sizes[i], i + 100, 0);
		PUT(fd, "d");
		kit_get(fd, &byte, 1);
	}
	PUT(fd, "e");
	free(bytes);
}

static void check_sizes(const struct shape *shape)
{
	int fd;
	pid_t pid = far_start(
		(struct far){.family = shape->family, .accepts_there = shape->accepts_there, .run = map_large}, &fd);

	place_at(fd);
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	check_answerers(0);
}

CASE(all_sizes)
{
	each_shape(check_sizes);
}

/* --- both map, and nobody makes a call while the other one places --- */

struct both {
	volatile int mapped[2], done[2];
};

static void both_place(int fd, struct both *b, int me)
{
	char *mine = buffer_new(LARGE), *theirs = malloc(LARGE);

	CHECK(theirs);
	MUST(riomap(fd, mine, LARGE, PROT_READ | PROT_WRITE, 0, 0));
	b->mapped[me] = 1;
	while (!b->mapped[!me])
		kit_sleep_ms(1);
	kit_pattern(theirs, LARGE, 7 + (uint64_t)me, 0);
	CHECK_EQ(riowrite(fd, theirs, LARGE, 0, 0), LARGE);
	memset(theirs, 0, LARGE);
	CHECK_EQ(rioread(fd, theirs, LARGE, 0, 0), LARGE);
	CHECK_PATTERN(theirs, LARGE, 7 + (uint64_t)me, 0);
	check_answerers(1);
	b->done[me] = 1;
	while (!b->done[!me])
		kit_sleep_ms(1);
	CHECK_PATTERN(mine, LARGE, 7 + (uint64_t)!me, 0);
	free(theirs);
}

static void both_there(int fd, void *shared)
{
	both_place(fd, shared, 1);
}

static void check_both(const struct shape *shape)
{
	struct both *b = shared_new(sizeof(*b));
	int fd;
	pid_t pid = far_start(
		(struct far){
			.family = shape->family, .accepts_there = shape->accepts_there, .run = both_there, .shared = b},
		&fd);

	/* Whoever accepts looks for the other end in a call. */
	both_place(fd, b, 0);
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

CASE(both_map)
{
	each_shape(check_both);
}

/* The stream kept on TCP by a setting, and an end that sees IPv4 as IPv6. */
static void both_over_ipv4(void *shared)
{
	int fd;

	go_there();
	fd = far_connect(AF_INET, 1, 4);
	both_place(fd, shared, 1);
	MUST(rclose(fd));
}

CASE(mapped_addresses)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct both *b = shared_new(sizeof(*b));
	int listener, fd;
	pid_t pid;

	setenv("RSOCKET_SET", "transport=tcp", 1);
	hosts_make();
	listener = (int)MUST(rsocket(AF_INET6, SOCK_STREAM, 0));
	kit_set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	kit_set_option(listener, SOL_RDMA, RDMA_IOMAPSIZE, 4);
	MUST(rbind(listener, (struct sockaddr *)&any, sizeof(any)));
	MUST(rlisten(listener, 1));
	pid = kit_fork(both_over_ipv4, b);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	both_place(fd, b, 0);
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

/* A host that is gone, without a word: keepalive of the connection ends what waits. */
static void check_cut(int fd)
{
	char byte;
	int64_t start;

	CHECK_EQ(riowrite(fd, "x", 1, 0, 0), 1);
	command("ip link set far0 down");
	start = kit_now_ms();
	CHECK_FAILS(rioread(fd, &byte, 1, 0, 0), ECONNRESET);
	CHECK(kit_now_ms() - start < 12000);
	command("ip link set far0 up");
}

static void map_and_stay(int fd, void *unused)
{
	static char bytes[64];

	(void)unused;
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_READ | PROT_WRITE, 0, 0));
	PUT(fd, "m");
	for (;;)
		pause();
}

CASE(cut_cable)
{
	pid_t pid;
	int fd;
	char byte;

	hosts_make();
	pid = far_start((struct far){.run = map_and_stay}, &fd);
	kit_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	kit_set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	kit_set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	kit_set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 2);
	kit_get(fd, &byte, 1);
	check_cut(fd);
	MUST(kill(pid, SIGKILL));
	kit_wait_killed(pid, SIGKILL);
	MUST(rclose(fd));
}

/* --- rules --- */

static void map_for_rules(int fd, void *unused)
{
	static char readable[8192], writable[8192], nothing[64];
	char byte;

	(void)unused;
	MUST(riomap(fd, readable, sizeof(readable), PROT_READ, 0, 0));
	MUST(riomap(fd, writable, sizeof(writable), PROT_WRITE, 0, 8192));
	CHECK_FAILS(riomap(fd, nothing, sizeof(nothing), PROT_WRITE, 0, 16383), EEXIST);
	CHECK_FAILS(riomap(fd, nothing, 0, PROT_WRITE, 0, 20000), EINVAL);
	MUST(riomap(fd, nothing, 1, PROT_READ | PROT_WRITE, 0, 20000));
	MUST(riomap(fd, nothing + 1, 1, PROT_READ | PROT_WRITE, 0, 20001));
	/* The other end takes four. */
	CHECK_FAILS(riomap(fd, nothing + 2, 1, PROT_WRITE, 0, 20002), ENOMEM);
	PUT(fd, "m");
	kit_get(fd, &byte, 1);
	MUST(riounmap(fd, nothing, 1));
	CHECK_FAILS(riounmap(fd, nothing, 1), EINVAL);
	PUT(fd, "u");
	kit_get(fd, &byte, 1);
	MUST(riomap(fd, nothing + 2, 1, PROT_WRITE, 0, 20002));
	PUT(fd, "v");
	kit_get(fd, &byte, 1);
	CHECK_EQ(nothing[1], 'y');
	CHECK_EQ(nothing[2], 'z');
}

static void check_rules(const struct shape *shape)
{
	char bytes[20000], byte;
	int fd;
	pid_t pid = far_start(
		(struct far){.family = shape->family, .accepts_there = shape->accepts_there, .run = map_for_rules},
		&fd);

	memset(bytes, 'x', sizeof(bytes));
	kit_get(fd, &byte, 1);
	CHECK_FAILS(riowrite(fd, bytes, 1, 0, 0), EACCES);
	CHECK_FAILS(rioread(fd, bytes, 1, 8192, 0), EACCES);
	CHECK_FAILS(riowrite(fd, bytes, 1, 16384, 0), EFAULT);
	CHECK_FAILS(riowrite(fd, bytes, 1, -1, 0), EINVAL);
	CHECK_FAILS(rioread(fd, bytes, 1, INT64_MAX - 1, 0), EFAULT);
	CHECK_FAILS(riowrite(fd, NULL, 4096, 8192, 0), EFAULT);
	CHECK_FAILS(rioread(fd, NULL, 4096, 0, 0), EFAULT);
	CHECK_EQ(riowrite(fd, bytes, 0, 8192, 0), 0);
	/* As far as it is mapped. */
	CHECK_EQ(riowrite(fd, bytes, 20000, 8192 + 4000, 0), 8192 - 4000);
	CHECK_EQ(rioread(fd, bytes, 20000, 100, 0), 8192 - 100);
	CHECK_EQ(riowrite(fd, "xy", 2, 20000, 0), 2);
	PUT(fd, "g");
	kit_get(fd, &byte, 1);
	CHECK_FAILS(riowrite(fd, "q", 1, 20000, 0), EFAULT);
	PUT(fd, "g");
	kit_get(fd, &byte, 1);
	CHECK_EQ(riowrite(fd, "yz", 2, 20001, 0), 2);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	CHECK_FAILS(riowrite(fd, "q", 1, 20001, 0), ECONNRESET);
	MUST(rclose(fd));
}

CASE(rules)
{
	each_shape(check_rules);
}

/* --- the stream meanwhile --- */

#define STREAM (3 * MIB)

/* Reads the pattern in every way that there is. */
static void read_oddly(int fd, uint64_t seed)
{
	static char bytes[70000], ahead[70000];
	uint64_t state = kit_seed() ^ seed, at = 0;

	while (at < STREAM) {
		size_t want = kit_random_below(&state, 8) ? 1 + kit_random_below(&state, 9000) : sizeof(bytes);
		ssize_t n = 0, peeked;
		int waiting = 0;

		if (want > STREAM - at)
			want = STREAM - at;
		switch (kit_random_below(&state, 7)) {
		case 0:
			want = 1 + want % 3;
			n = MUST(rrecv(fd, bytes, want, 0));
			break;
		case 1:
			n = MUST(rrecv(fd, bytes, want, MSG_WAITALL));
			CHECK_EQ(n, want);
			break;
		case 2:
			peeked = MUST(rrecv(fd, ahead, want, MSG_PEEK));
			CHECK_PATTERN(ahead, (size_t)peeked, seed, at);
			n = MUST(rrecv(fd, bytes, (size_t)peeked, 0));
			CHECK(n > 0);
			break;
		case 3:
			/* Said to be readable it is, and without waiting. */
			if (MUST(rpoll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1)) == 0)
				continue;
			n = MUST(rrecv(fd, bytes, want, MSG_DONTWAIT));
			break;
		case 4: {
			fd_set set;

			FD_ZERO(&set);
			FD_SET(fd, &set);
			if (MUST(rselect(fd + 1, &set, NULL, NULL, &(struct timeval){0, 1000})) == 0)
				continue;
			n = MUST(rrecv(fd, bytes, want, MSG_DONTWAIT));
			break;
		}
		case 5:
			kit_set_option(fd, SOL_SOCKET, SO_RCVLOWAT, (int)(1 + want % 100));
			n = MUST(rrecv(fd, bytes, want, 0));
			kit_set_option(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
			break;
		default:
			n = rrecv(fd, bytes, want, MSG_DONTWAIT);
			if (n < 0) {
				CHECK_EQ(errno, EAGAIN);
				continue;
			}
			break;
		}
		(void)waiting;
		CHECK(n > 0);
		CHECK_PATTERN(bytes, (size_t)n, seed, at);
		at += (uint64_t)n;
	}
}

struct streamer {
	int fd;
	uint64_t seed;
};

static void *write_oddly(void *argument)
{
	const struct streamer *s = argument;
	uint64_t state = kit_seed() ^ (s->seed + 50), at = 0;

	while (at < STREAM) {
		size_t size = kit_random_below(&state, 8) ? 1 + kit_random_below(&state, 5000) : 150000;

		if (size > STREAM - at)
			size = STREAM - at;
		kit_send_pattern(s->fd, size, s->seed, at);
		at += size;
		if (kit_random_below(&state, 30) == 0)
			kit_sleep_ms(1);
	}
	return NULL;
}

static void stream_and_place(int fd, struct both *b, int me)
{
	static char mine[100000], theirs[100000];
	struct streamer s = {fd, (uint64_t)(1 + me)};
	struct thread writer;
	int rounds = 0;

	memset(mine, 0, sizeof(mine));
	b->done[me] = 0;
	thread_start(&writer, write_oddly, &s);
	read_oddly(fd, (uint64_t)(2 - me));
	thread_join(&writer);
	MUST(riomap(fd, mine, sizeof(mine), PROT_READ | PROT_WRITE, 0, 0));
	b->mapped[me] = 1;
	while (!b->mapped[!me])
		kit_sleep_ms(1);
	/* And once more, now with placements between. */
	thread_start(&writer, write_oddly, &s);
	for (; rounds < 50; rounds++) {
		kit_pattern(theirs, sizeof(theirs), (uint64_t)rounds, 0);
		CHECK_EQ(riowrite(fd, theirs, sizeof(theirs), 0, 0), sizeof(theirs));
		CHECK_EQ(rioread(fd, theirs, sizeof(theirs), 0, 0), sizeof(theirs));
		CHECK_PATTERN(theirs, sizeof(theirs), (uint64_t)rounds, 0);
		if (rounds == 10)
			read_oddly(fd, (uint64_t)(2 - me));
	}
	thread_join(&writer);
	b->done[me] = 1;
	while (!b->done[!me])
		kit_sleep_ms(1);
}

static void stream_there(int fd, void *shared)
{
	stream_and_place(fd, shared, 1);
}

static void check_stream(const struct shape *shape)
{
	struct both *b = shared_new(sizeof(*b));
	int fd;
	pid_t pid = far_start((struct far){.family = shape->family,
					   .accepts_there = shape->accepts_there,
					   .run = stream_there,
					   .shared = b},
			      &fd);

	stream_and_place(fd, b, 0);
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

CASE(stream_is_whole)
{
	each_shape(check_stream);
}

/* Many connections, since what happens when is different each time. What is said to be readable is, to the byte. */
#define ROUNDS 60
#define PIECES 40

/* The ways to wait for bytes; the third one by edges, of which there is one at least for what comes. */
enum way { BY_POLL, BY_LEVEL, BY_EDGE, BY_SELECT, WAYS };

static void await_bytes(int fd, int set, enum way way)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};
	struct epoll_event event;
	fd_set readable;

	switch (way) {
	case BY_POLL:
		CHECK_EQ(MUST(rpoll(&entry, 1, 5000)), 1);
		CHECK_EQ(entry.revents, POLLIN);
		break;
	case BY_SELECT:
		FD_ZERO(&readable);
		FD_SET(fd, &readable);
		CHECK_EQ(MUST(rselect(fd + 1, &readable, NULL, NULL, &(struct timeval){5, 0})), 1);
		break;
	default:
		CHECK_EQ(MUST(repoll_wait(set, &event, 1, 5000)), 1);
		CHECK_EQ(event.events, EPOLLIN);
		break;
	}
}

/* FIONREAD, which without librspreload.so is the kernel's. */
static void check_count(int fd, uint64_t at_most)
{
	const char *preload = getenv("KIT_PRELOAD");
	static char bytes[PIECES * 50 + 1];
	int count = 0;

	if (!preload || !*preload)
		return;
	MUST(ioctl(fd, FIONREAD, &count));
	/* Behind the last a single byte may follow. */
	CHECK(count >= 0 && (uint64_t)count <= at_most + 1);
	if (count)
		CHECK(MUST(rrecv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_PEEK)) >= count);
}

static void short_stream(int fd, uint64_t mine, uint64_t theirs)
{
	static char bytes[3000];
	uint64_t at = 0, state = kit_seed() + mine;
	const enum way way = (enum way)(mine / 2 % WAYS);
	int set = (int)MUST(repoll_create(0));
	struct epoll_event event = {.events = EPOLLIN | (way == BY_EDGE ? (uint32_t)EPOLLET : 0)};

	if (way == BY_LEVEL || way == BY_EDGE)
		MUST(repoll_ctl(set, EPOLL_CTL_ADD, fd, &event));

	for (uint64_t i = 0; i < PIECES; i++) {
		bool drained = true;

		kit_send_pattern(fd, 50, mine, i * 50);
		while (at < i * 50 + 50) {
			size_t size = 1 + kit_random_below(&state, 3000);
			ssize_t n, more;

			if (size > PIECES * 50 - at)
				size = PIECES * 50 - at;
			if (way != BY_EDGE || drained)
				await_bytes(fd, set, way);
			check_count(fd, PIECES * 50 - at);
			n = rrecv(fd, bytes, size, MSG_DONTWAIT | MSG_PEEK);
			drained = n < 0 && errno == EAGAIN;
			/* An edge more than there are bytes is none too many. */
			if (way == BY_EDGE && drained)
				continue;
			if (n <= 0)
				FAIL("readable, and then %zd: %s", n, strerror(errno));
			CHECK_PATTERN(bytes, (size_t)n, theirs, at);
			more = MUST(rrecv(fd, bytes, (size_t)n, MSG_DONTWAIT));
			CHECK_EQ(more, n);
			CHECK_PATTERN(bytes, (size_t)n, theirs, at);
			at += (uint64_t)n;
		}
		if (kit_random_below(&state, 4) == 0)
			usleep((useconds_t)kit_random_below(&state, 500));
	}
	/* Nothing more. */
	CHECK_EQ(at, PIECES * 50);
	MUST(rclose(set));
}

struct rounds {
	int family;
	bool accepts;
};

static void one_round(int fd, int round, int me, bool maps)
{
	static char mine[16];

	if (maps)
		MUST(riomap(fd, mine, sizeof(mine), PROT_WRITE, 0, 0));
	short_stream(fd, (uint64_t)(2 * round + me), (uint64_t)(2 * round + !me));
	if (round % 3 == 0) {
		PUT(fd, "w");
		CHECK_GETS(fd, "w");
		if (maps) {
			CHECK_EQ(riowrite(fd, "x", 1, 3, 0), 1);
			PUT(fd, "x");
			CHECK_GETS(fd, "x");
			CHECK_EQ(mine[3], 'x');
		}
	}
	/* And the end comes behind it all. */
	MUST(rshutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	MUST(rclose(fd));
}

static void rounds_there(void *argument)
{
	const struct rounds *r = argument;

	go_there();
	for (int i = 0; i < ROUNDS; i++)
		one_round(r->accepts ? far_accept(r->family, 2, 4) : far_connect(r->family, 1, 4), i, 1, i % 2);
}

static void check_rounds(const struct shape *shape)
{
	struct rounds r = {shape->family, shape->accepts_there};
	int listener = r.accepts ? -1 : far_listen(r.family, 1, 4);
	pid_t pid = kit_fork(rounds_there, &r);

	for (int i = 0; i < ROUNDS; i++)
		one_round(r.accepts ? far_connect(r.family, 2, 4) : (int)MUST(raccept(listener, NULL, NULL)), i, 0,
			  i % 2);
	CHECK_EXITS(pid, 0);
	if (listener >= 0)
		MUST(rclose(listener));
}

CASE(short_streams)
{
	each_shape(check_rounds);
}

static void shrink_there(void *unused)
{
	(void)unused;
	go_there();
	command("ip link set far0 mtu 110");
}

/* What proves the ends comes in parts. */
CASE(short_streams_in_small_packets)
{
	hosts_make();
	command("ip link set far0 mtu 110");
	CHECK_EXITS(kit_fork(shrink_there, NULL), 0);
	check_rounds(&(struct shape){AF_INET, false});
	check_rounds(&(struct shape){AF_INET, true});
}

/* An urgent byte that has not come yet when the other end agrees to what proves the ends. */
#define BEFORE_IT 30000

static void read_past_urgent(void *unused)
{
	static char bytes[BEFORE_IT + 100];
	struct sockaddr_storage address = address_of(AF_INET, 1, PORT);
	int fd;

	(void)unused;
	go_there();
	fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0));
	kit_set_option(fd, SOL_SOCKET, SO_RCVBUF, 4096);
	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, 4);
	MUST(rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)));
	kit_get(fd, bytes, 1);
	/* Looks for the other end, and reads nothing meanwhile. */
	MUST(rpoll(&(struct pollfd){.fd = fd, .events = POLLPRI}, 1, 500));
	kit_sleep_ms(500);
	kit_get(fd, bytes + 1, BEFORE_IT + 99);
	CHECK_PATTERN(bytes, BEFORE_IT + 100, 1, 0);
	PUT(fd, "e");
	CHECK_EOF(fd);
	MUST(rclose(fd));
}

CASE(urgent_byte_under_way)
{
	int listener, fd;
	pid_t pid;

	hosts_make();
	listener = far_listen(AF_INET, 1, 4);
	pid = kit_fork(read_past_urgent, NULL);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	kit_send_pattern(fd, BEFORE_IT, 1, 0);
	CHECK_EQ(rsend(fd, "u", 1, MSG_OOB), 1);
	kit_send_pattern(fd, 100, 1, BEFORE_IT);
	CHECK_GETS(fd, "e");
	MUST(rclose(fd));
	CHECK_EXITS(pid, 0);
}

/* --- the ways to wait --- */

static void map_and_wait(int fd, void *shared)
{
	char *bytes = shared;

	MUST(riomap(fd, bytes, LARGE, PROT_READ | PROT_WRITE, 0, 0));
	PUT(fd, "m");
	CHECK_GETS(fd, "e");
}

/* Completions instead of waiting, in order, and before what is sent later. */
static void check_awaitable(const struct shape *shape)
{
	int set = (int)MUST(repoll_create(0));
	struct epoll_event event = {.events = EPOLLPRI};

	char *there = shared_new(LARGE), *bytes = malloc(LARGE), byte;
	struct pollfd entry;
	uint32_t next = 0;
	int fd;
	pid_t pid = far_start((struct far){.family = shape->family,
					   .accepts_there = shape->accepts_there,
					   .run = map_and_wait,
					   .shared = there},
			      &fd);

	CHECK(bytes);
	CHECK_GETS(fd, "m");
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	kit_pattern(bytes, LARGE, 3, 0);
	CHECK_EQ(riowrite(fd, bytes, LARGE, 0, MSG_ZEROCOPY), LARGE);
	CHECK_EQ(riowrite(fd, bytes, 10, LARGE, MSG_ZEROCOPY), 10);
	CHECK_EQ(rioread(fd, &byte, 1, 7, MSG_ZEROCOPY), 1);
	entry = (struct pollfd){.fd = fd};
	while (next < 3) {
		char control[256];
		struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};
		struct sock_extended_err error;

		if (next % 2) {
			MUST(rpoll(&entry, 1, -1));
			CHECK_EQ(entry.revents, POLLERR);
		} else {
			CHECK_EQ(MUST(repoll_wait(set, &event, 1, 5000)), 1);
			CHECK_EQ(event.events, EPOLLERR);
		}
		MUST(rrecvmsg(fd, &msg, MSG_ERRQUEUE));
		memcpy(&error, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(error));
		CHECK_EQ(error.ee_info, next);
		CHECK_EQ(error.ee_errno, next == 1 ? EFAULT : 0);
		next = error.ee_data + 1;
	}
	CHECK_PATTERN(there, LARGE, 3, 0);
	CHECK_EQ(byte, bytes[7]);
	/* A send finishes them. */
	memset(there, 0, LARGE);
	CHECK_EQ(riowrite(fd, bytes, MIB, 0, MSG_ZEROCOPY), MIB);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	CHECK_PATTERN(there, MIB, 3, 0);
	MUST(rclose(fd));
	MUST(rclose(set));
	free(bytes);
}

CASE(awaitable)
{
	each_shape(check_awaitable);
}

/* Neither end ever waits in a call but poll. */
static void connect_without_waiting(void *argument)
{
	const struct shape *shape = argument;
	struct sockaddr_storage address = address_of(shape->family, 1, PORT);
	struct pollfd entry = {.events = POLLOUT};
	static char bytes[64], byte;
	int fd;

	go_there();
	fd = entry.fd = (int)MUST(rsocket(shape->family, SOCK_STREAM | SOCK_NONBLOCK, 0));
	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, 4);
	CHECK_FAILS(rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)), EINPROGRESS);
	CHECK_EQ(MUST(rpoll(&entry, 1, 5000)), 1);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_ERROR), 0);
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	while (rsend(fd, "m", 1, 0) < 0) {
		CHECK_EQ(errno, EAGAIN);
		CHECK_EQ(MUST(rpoll(&entry, 1, 5000)), 1);
	}
	entry.events = POLLIN;
	CHECK_EQ(MUST(rpoll(&entry, 1, 5000)), 1);
	CHECK_EQ(MUST(rrecv(fd, &byte, 1, 0)), 1);
	CHECK_EQ(bytes[5], '5');
	MUST(rclose(fd));
}

static void check_nonblocking(const struct shape *shape)
{
	int listener, fd;
	struct pollfd entry = {.events = POLLIN};
	pid_t pid;
	char byte;

	if (shape->accepts_there)
		return;
	listener = far_listen(shape->family, 1, 4);
	pid = kit_fork(connect_without_waiting, (void *)(uintptr_t)shape);
	fd = entry.fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	kit_set_nonblocking(fd, true);
	CHECK_EQ(MUST(rpoll(&entry, 1, 5000)), 1);
	CHECK_EQ(MUST(rrecv(fd, &byte, 1, 0)), 1);
	/* What it sent came after its map, and it had found us by then. */
	while (riowrite(fd, "5", 1, 5, 0) == NOTHING) {
		CHECK_EQ(errno, EAGAIN);
		usleep(100);
	}
	CHECK_EQ(MUST(rsend(fd, "e", 1, 0)), 1);
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

CASE(nonblocking)
{
	each_shape(check_nonblocking);
}

/* A peer that is stopped: timeouts, and the question that was left in the midst goes on later. */
static void check_stopped(const struct shape *shape)
{
	char *there = shared_new(LARGE), *bytes = malloc(LARGE);
	int64_t start;
	int fd;
	pid_t pid = far_start((struct far){.family = shape->family,
					   .accepts_there = shape->accepts_there,
					   .run = map_and_wait,
					   .shared = there},
			      &fd);
	size_t n = 0;

	CHECK(bytes);
	CHECK_GETS(fd, "m");
	MUST(kill(pid, SIGSTOP));
	kit_await_stopped(pid);
	kit_pattern(bytes, LARGE, 3, 0);
	kit_set_timeout(fd, SO_SNDTIMEO, 200);
	kit_set_timeout(fd, SO_RCVTIMEO, 300);
	start = kit_now_ms();
	CHECK_FAILS(riowrite(fd, bytes, LARGE, 0, 0), EAGAIN);
	CHECK_LASTED(start, 200);
	start = kit_now_ms();
	CHECK_FAILS(rioread(fd, bytes, LARGE, 0, 0), EAGAIN);
	CHECK_LASTED(start, 300);
	kit_set_timeout(fd, SO_SNDTIMEO, 0);
	start = kit_now_ms();
	CHECK_FAILS(riowrite(fd, bytes, 100, 0, MSG_DONTWAIT), EAGAIN);
	CHECK_LASTED(start, 1000);
	/* Until there is no room for questions either. */
	kit_set_timeout(fd, SO_SNDTIMEO, 5);
	for (int i = 0; i < 200; i++)
		CHECK_FAILS(riowrite(fd, bytes, 65536, 0, 0), EAGAIN);
	kit_set_timeout(fd, SO_SNDTIMEO, 0);
	MUST(kill(pid, SIGCONT));
	while (n < LARGE)
		n += (size_t)MUST((intmax_t)riowrite(fd, bytes + n, LARGE - n, (off_t)n, 0));
	CHECK_PATTERN(there, LARGE, 3, 0);
	memset(bytes, 0, LARGE);
	CHECK_EQ(rioread(fd, bytes, LARGE, 0, 0), LARGE);
	CHECK_PATTERN(bytes, LARGE, 3, 0);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	free(bytes);
}

CASE(stopped_peer)
{
	hosts_make();
	check_stopped(&(struct shape){AF_INET, false});
	check_stopped(&(struct shape){AF_INET6, true});
}

/* Once the ends have met, waiting costs what it costs on any connection. */
static void map_and_be_quiet(int fd, void *unused)
{
	static char bytes[64];

	(void)unused;
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	kit_sleep_ms(600);
	PUT(fd, "q");
	CHECK_GETS(fd, "e");
}

static void check_idle(const struct shape *shape)
{
	static char bytes[64];
	struct rusage before, after;
	int fd;
	pid_t pid = far_start(
		(struct far){.family = shape->family, .accepts_there = shape->accepts_there, .run = map_and_be_quiet},
		&fd);

	MUST(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	kit_sleep_ms(50);
	MUST(getrusage(RUSAGE_SELF, &before));
	CHECK_GETS(fd, "q");
	MUST(getrusage(RUSAGE_SELF, &after));
	CHECK(after.ru_nvcsw - before.ru_nvcsw < 20);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

CASE(idle_costs_nothing)
{
	each_shape(check_idle);
}

/* More questions than a connection holds, whose answers nobody waits for: the next one goes through all the same. */
static void check_impatient(const struct shape *shape)
{
	char *there = shared_new(LARGE), *bytes = malloc(LARGE);
	int fd;
	pid_t pid = far_start((struct far){.family = shape->family,
					   .accepts_there = shape->accepts_there,
					   .run = map_and_wait,
					   .shared = there},
			      &fd);

	CHECK(bytes);
	CHECK_GETS(fd, "m");
	MUST(kill(pid, SIGSTOP));
	kit_await_stopped(pid);
	kit_set_timeout(fd, SO_SNDTIMEO, 1);
	kit_set_timeout(fd, SO_RCVTIMEO, 1);
	for (int i = 0; i < 1200; i++)
		CHECK_FAILS(rioread(fd, bytes, 65536, 0, 0), EAGAIN);
	for (int i = 0; i < 200; i++)
		CHECK_FAILS(riowrite(fd, bytes, 65536, 0, 0), EAGAIN);
	kit_set_timeout(fd, SO_SNDTIMEO, 0);
	kit_set_timeout(fd, SO_RCVTIMEO, 0);
	MUST(kill(pid, SIGCONT));
	kit_pattern(bytes, LARGE, 3, 0);
	CHECK_EQ(riowrite(fd, bytes, LARGE, 0, 0), LARGE);
	CHECK_PATTERN(there, LARGE, 3, 0);
	memset(bytes, 0, LARGE);
	CHECK_EQ(rioread(fd, bytes, LARGE, 0, 0), LARGE);
	CHECK_PATTERN(bytes, LARGE, 3, 0);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	free(bytes);
}

CASE(impatient)
{
	hosts_make();
	check_impatient(&(struct shape){AF_INET, false});
	check_impatient(&(struct shape){AF_INET6, true});
}

/* A map that is taken back while it is being used: nothing comes there afterwards. */
static void unmap_in_use(int fd, void *unused)
{
	char *bytes = buffer_new(MIB), byte;

	(void)unused;
	for (int i = 0; i < 200; i++) {
		MUST(riomap(fd, bytes, MIB, PROT_READ | PROT_WRITE, 0, 0));
		if (i == 0)
			PUT(fd, "m");
		usleep(200 + (unsigned)i * 10);
		MUST(riounmap(fd, bytes, MIB));
		memset(bytes, 0, MIB);
		usleep(300);
		for (size_t k = 0; k < MIB; k += 8)
			CHECK_EQ(*(uint64_t *)(void *)(bytes + k), 0);
	}
	PUT(fd, "d");
	kit_get(fd, &byte, 1);
}

static void check_unmap(const struct shape *shape)
{
	char *bytes = malloc(MIB), byte;
	int fd, written = 0;
	pid_t pid = far_start(
		(struct far){.family = shape->family, .accepts_there = shape->accepts_there, .run = unmap_in_use}, &fd);

	CHECK(bytes);
	kit_get(fd, &byte, 1);
	while (rrecv(fd, &byte, 1, MSG_DONTWAIT) < 0) {
		size_t n;

		memset(bytes, 0x55, MIB);
		n = written % 2 ? rioread(fd, bytes, MIB, 0, 0) : riowrite(fd, bytes, MIB, 0, 0);
		if (n == NOTHING)
			CHECK_EQ(errno, EFAULT);
		written++;
	}
	CHECK(written > 10);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	free(bytes);
}

CASE(unmapped_in_use)
{
	hosts_make();
	check_unmap(&(struct shape){AF_INET, false});
	check_unmap(&(struct shape){AF_INET, true});
}

/* Memory that is no longer there, though it is mapped for the peer. */
static void map_and_take_away(int fd, void *unused)
{
	char *bytes = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte;

	(void)unused;
	CHECK(bytes != MAP_FAILED);
	MUST(riomap(fd, bytes, 3 * 4096, PROT_READ | PROT_WRITE, 0, 0));
	MUST(munmap(bytes + 2 * 4096, 4096));
	PUT(fd, "m");
	kit_get(fd, &byte, 1);
	MUST(munmap(bytes, 2 * 4096));
	PUT(fd, "g");
	kit_get(fd, &byte, 1);
}

CASE(memory_that_is_gone)
{
	char bytes[3 * 4096] = "", byte;
	pid_t pid;
	int fd;

	hosts_make();
	pid = far_start((struct far){.run = map_and_take_away}, &fd);
	kit_get(fd, &byte, 1);
	CHECK_EQ(rioread(fd, bytes, sizeof(bytes), 0, 0), 2 * 4096);
	CHECK_EQ(riowrite(fd, bytes, sizeof(bytes), 0, 0), 2 * 4096);
	CHECK_FAILS(rioread(fd, bytes, 1, 2 * 4096, 0), EFAULT);
	PUT(fd, "g");
	kit_get(fd, &byte, 1);
	CHECK_FAILS(rioread(fd, bytes, sizeof(bytes), 0, 0), EFAULT);
	CHECK_FAILS(riowrite(fd, bytes, sizeof(bytes), 0, 0), EFAULT);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

/* --- who has no part in it --- */

static void plain_echo(int fd)
{
	static char bytes[65536];
	size_t n;

	while ((n = (size_t)syscall(SYS_recvfrom, fd, bytes, sizeof(bytes), 0, NULL, NULL)) && n != NOTHING)
		raw_put(fd, bytes, n);
}

static void plain_accept(void *listener)
{
	plain_echo(raw_accept(*(int *)listener));
}

static void plain_connect(void *family)
{
	struct sockaddr_storage address = address_of(*(int *)family, 1, PORT);

	go_there();
	plain_echo(raw_connect(&address));
}

static void check_refused(int fd, int64_t within_ms)
{
	static char bytes[64];
	int64_t start = kit_now_ms();

	kit_send_pattern(fd, 20000, 1, 0);
	kit_recv_pattern(fd, 10000, 1, 0);
	CHECK_FAILS(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0), EOPNOTSUPP);
	CHECK(kit_now_ms() - start < within_ms);
	CHECK_FAILS(riowrite(fd, "x", 1, 0, 0), EOPNOTSUPP);
	CHECK_FAILS(rioread(fd, bytes, 1, 0, 0), EOPNOTSUPP);
	CHECK_EQ(kit_now_ms() - start < within_ms, 1);
	kit_recv_pattern(fd, 10000, 1, 10000);
	kit_send_pattern(fd, 20000, 1, 20000);
	kit_recv_pattern(fd, 20000, 1, 20000);
	MUST(rshutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	MUST(rclose(fd));
	check_answerers(0);
}

static void listen_plainly(void *argument)
{
	int *port = argument, listener;

	go_there();
	listener = raw_listen(*port, 2, PORT);
	plain_accept(&listener);
}

CASE(plain_peers)
{
	hosts_make();
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET, fd, listener;
		pid_t pid;

		pid = kit_fork(listen_plainly, &family);
		check_refused(far_connect(family, 2, 4), 4500);
		CHECK_EXITS(pid, 0);
		listener = far_listen(family, 1, 4);
		pid = kit_fork(plain_connect, &family);
		fd = (int)MUST(raccept(listener, NULL, NULL));
		MUST(rclose(listener));
		check_refused(fd, 3000);
		CHECK_EXITS(pid, 0);
	}
}

/* One of ours that asked for no maps. */
static void without_maps(int fd, void *unused)
{
	static char bytes[65536];
	ssize_t n;

	(void)unused;
	while ((n = MUST(rrecv(fd, bytes, sizeof(bytes), 0))))
		kit_put(fd, bytes, (size_t)n);
	CHECK_FAILS(riomap(fd, bytes, 1, PROT_WRITE, 0, 0), EOPNOTSUPP);
}

static void far_child_without(void *argument)
{
	int fd;

	go_there();
	fd = *(bool *)argument ? far_accept(AF_INET, 2, 0) : far_connect(AF_INET, 1, 0);
	without_maps(fd, NULL);
	MUST(rclose(fd));
}

CASE(peers_without_maps)
{
	hosts_make();
	for (int i = 0; i < 2; i++) {
		bool accepts = i;
		int listener = accepts ? -1 : far_listen(AF_INET, 1, 4);
		pid_t pid = kit_fork(far_child_without, &accepts);

		check_refused(accepts ? far_connect(AF_INET, 2, 4) : (int)MUST(raccept(listener, NULL, NULL)), 4500);
		if (listener >= 0)
			MUST(rclose(listener));
		CHECK_EXITS(pid, 0);
	}
}

/* --- who shares the connection --- */

static void use_in_child(int fd, void *unused)
{
	static char bytes[64];
	pid_t pid;
	int at_child;

	(void)unused;
	MUST(riomap(fd, bytes, 32, PROT_WRITE, 0, 0));
	/* A sibling has no part in it, and disturbs nobody. */
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		CHECK_FAILS(riowrite(fd, "x", 1, 0, 0), EOPNOTSUPP);
		CHECK_FAILS(riomap(fd, bytes + 32, 1, PROT_WRITE, 0, 100), EOPNOTSUPP);
		MUST(rclose(fd));
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	at_child = (int)MUST(rdup(fd));
	MUST(rclose(fd));
	PUT(at_child, "m");
	CHECK_GETS(at_child, "w");
	CHECK_EQ(bytes[31], '!');
	/* The first number again, which is closed next. */
	CHECK_EQ(MUST(rdup(at_child)), fd);
	MUST(rclose(at_child));
}

CASE(fork_and_dup)
{
	hosts_make();
	for (int i = 0; i < 2; i++) {
		int fd;
		pid_t pid = far_start((struct far){.accepts_there = i, .run = use_in_child}, &fd);

		CHECK_GETS(fd, "m");
		CHECK_EQ(riowrite(fd, "!", 1, 31, 0), 1);
		PUT(fd, "w");
		CHECK_EXITS(pid, 0);
		MUST(rclose(fd));
	}
}

/* Forks at any moment, and children that go on with the stream where the parent was. */
#define FORKING_ROUNDS 20

static void stream_in_children(int fd, uint64_t mine, uint64_t theirs)
{
	uint64_t state = kit_seed() + mine;

	for (uint64_t i = 0; i < 8; i++) {
		pid_t pid = kit_random_below(&state, 2) ? (pid_t)MUST(fork()) : -1;

		if (pid <= 0) {
			kit_send_pattern(fd, 50, mine, i * 50);
			kit_recv_pattern(fd, 50, theirs, i * 50);
		}
		if (pid == 0)
			_exit(0);
		if (pid > 0)
			CHECK_EXITS(pid, 0);
		usleep((useconds_t)kit_random_below(&state, 300));
	}
	MUST(rshutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	MUST(rclose(fd));
}

static void fork_there(void *argument)
{
	const struct rounds *r = argument;

	go_there();
	for (uint64_t i = 0; i < FORKING_ROUNDS; i++)
		stream_in_children(r->accepts ? far_accept(r->family, 2, 4) : far_connect(r->family, 1, 4), 2 * i,
				   2 * i + 1);
}

CASE(forks_meanwhile)
{
	hosts_make();
	for (int k = 0; k < 2; k++) {
		struct rounds r = {AF_INET, k};
		int listener = r.accepts ? -1 : far_listen(r.family, 1, 4);
		pid_t pid = kit_fork(fork_there, &r);

		for (uint64_t i = 0; i < FORKING_ROUNDS; i++)
			stream_in_children(r.accepts ? far_connect(r.family, 2, 4)
						     : (int)MUST(raccept(listener, NULL, NULL)),
					   2 * i + 1, 2 * i);
		CHECK_EXITS(pid, 0);
		if (listener >= 0)
			MUST(rclose(listener));
	}
	check_answerers(0);
}
