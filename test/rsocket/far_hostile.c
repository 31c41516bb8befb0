/* Strangers on the other host: they come to where a connector listens, or listen where an acceptor comes, and speak core/wire.h as they like. The
 * stream stays whole, placement does not come about, or not beyond their own connection, and nobody hangs. */
#include "hosts.h"

#include "wire.h"

#include <sys/resource.h>

#define BYTES 5000

static const struct wire_far empty = {.magic = WIRE_MAGIC, .version = WIRE_VERSION};

static struct wire_far word(uint32_t what)
{
	struct wire_far w = empty;

	w.what = what;
	w.maps = 4;
	return w;
}

static void say(int fd, const struct wire_far *w)
{
	syscall(SYS_sendto, fd, w, sizeof(*w), MSG_NOSIGNAL, NULL, 0);
}

/* 0: the end, or it lasts too long. */
static uint32_t hear(int fd, struct wire_far *w)
{
	const struct timeval patience = {4, 0};

	MUST(syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	if (raw_get(fd, w, sizeof(*w)) != sizeof(*w))
		return 0;
	CHECK(w->magic == WIRE_MAGIC && w->version == WIRE_VERSION);
	return w->what;
}

/* Whether the other end of FD lets go of it. */
static bool ends(int fd)
{
	char bytes[256];
	const struct timeval patience = {4, 0};
	ssize_t n;

	MUST(syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	while ((n = syscall(SYS_recvfrom, fd, bytes, sizeof(bytes), 0, NULL, NULL)) > 0)
		;
	return n == 0 || errno == ECONNRESET;
}

static void random_bytes(void *to, size_t size)
{
	static uint64_t state;

	if (!state)
		state = kit_seed() + (uint64_t)getpid();
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)kit_random(&state);
}

/* Questions that break the rules, and some that do not, until it lets go. */
static void ask_nonsense(int fd, int kind)
{
	static char bytes[sizeof(struct wire_ask) + WIRE_PLACE_MAX];
	struct wire_ask *ask = (struct wire_ask *)(void *)bytes;

	random_bytes(bytes + sizeof(*ask), WIRE_PLACE_MAX);
	*ask = (struct wire_ask){.what = WIRE_PLACE_READ, .number = 1, .size = 10};
	switch (kind % 6) {
	case 0:
		ask->size = 0;
		break;
	case 1:
		ask->size = WIRE_PLACE_MAX + 1;
		break;
	case 2:
		ask->what = 77;
		break;
	case 3: /* answers that nobody takes: it asks for nothing more, and waits for us */
		ask->size = WIRE_PLACE_MAX;
		for (int i = 0; i < 20000; i++)
			if (syscall(SYS_sendto, fd, ask, sizeof(*ask), MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0) < 0)
				break;
		return;
	case 4: /* a write that never ends, of what is there already */
		memset(bytes + sizeof(*ask), 7, 1000);
		ask->what = WIRE_PLACE_WRITE;
		ask->size = WIRE_PLACE_MAX;
		raw_put(fd, bytes, sizeof(*ask) + 1000);
		return;
	default: /* outside of every map, and wrapping around */
		for (int i = 0; i < 50; i++) {
			struct wire_answer answer;

			ask->what = i % 2 ? WIRE_PLACE_WRITE : WIRE_PLACE_READ;
			ask->size = 100;
			ask->offset = i % 3 ? UINT64_MAX - (uint64_t)i : 1000 + (uint64_t)i;
			raw_put(fd, bytes, sizeof(*ask) + (i % 2 ? 100 : 0));
			CHECK_EQ(raw_get(fd, &answer, sizeof(answer)), sizeof(answer));
			CHECK_EQ(answer.error, EFAULT);
		}
		ask->size = 0;
		break;
	}
	raw_put(fd, bytes, sizeof(*ask));
	CHECK(ends(fd));
}

/* --- they come to a connector --- */

enum come {
	SILENT,
	RUBBISH,
	HALF_A_WORD,
	OTHER_VERSION,
	OTHER_BYTES,
	SAME_BEGINNING,
	SAME_BEGINNING_AND_NO_MORE,
	FAR_AHEAD,
	LONG_AGO,
	WITHDRAWN,
	FLOOD,
	WRONG_SECOND,
	NONSENSE, /* six of them */
	COMES = NONSENSE + 6
};

static int come(const struct sockaddr_storage *to)
{
	struct wire_far w;
	int fd = raw_connect(to);

	if (fd < 0)
		FAIL("nobody listens there");
	CHECK_EQ(hear(fd, &w), WIRE_FAR_HELLO);
	CHECK_EQ(w.maps, 3);
	return fd;
}

/* Announces at what is next of the stream, SENT bytes in, and goes on as long as a thread there reads. The answer. */
static uint32_t announce(int fd, uint64_t position, const void *nonce, struct wire_far *answer)
{
	struct wire_far w = word(WIRE_FAR_ANNOUNCE);
	uint32_t what;

	w.position = position;
	memcpy(w.nonce, nonce, sizeof(w.nonce));
	do {
		say(fd, &w);
		what = hear(fd, answer);
	} while (what == WIRE_FAR_BUSY);
	return what;
}

struct visit {
	enum come kind;
	int port;
};

static void send_some(int fd, uint64_t at, size_t size)
{
	char bytes[BYTES];

	kit_pattern(bytes, size, 1, at);
	raw_put(fd, bytes, size);
}

/* A whole proof. The two connections are ways[0], on which it asks, and ways[1], on which we do. */
static void prove(int main, int side, const struct sockaddr_storage *to, uint64_t at, int ways[2])
{
	struct wire_stretch stretch;
	struct wire_far w;

	random_bytes(&stretch, sizeof(stretch));
	CHECK_EQ(announce(side, at, stretch.nonce, &w), WIRE_FAR_EXPECTED);
	raw_put(main, &stretch, sizeof(stretch));
	CHECK_EQ(hear(side, &w), WIRE_FAR_FOUND);
	CHECK(memcmp(w.nonce, stretch.secret, sizeof(w.nonce)) == 0);
	ways[0] = side;
	ways[1] = come(to);
	w = word(WIRE_FAR_SECOND);
	memcpy(w.nonce, stretch.secret, sizeof(w.nonce));
	say(ways[1], &w);
	CHECK_EQ(hear(ways[1], &w), WIRE_FAR_DONE);
}

static void visit(void *argument)
{
	const struct visit *v = argument;
	struct sockaddr_storage to;
	socklen_t size = sizeof(to);
	char bytes[BYTES], next[32];
	struct wire_far w;
	int listener, main, fd = -1, ways[2], others[200];
	uint64_t at = 1000;

	go_there();
	listener = raw_listen(AF_INET, 2, v->port);
	main = raw_accept(listener);
	MUST(syscall(SYS_getpeername, main, &to, &size));
	/* It listens once its connect has returned. */
	for (int i = 0; (fd = raw_connect(&to)) < 0; i++) {
		CHECK(i < 1000);
		kit_sleep_ms(1);
	}
	syscall(SYS_close, fd);
	fd = come(&to);
	send_some(main, 0, (size_t)at);
	kit_pattern(next, sizeof(next), 1, at);
	switch (v->kind) {
	case SILENT:
		for (int i = 0; i < 6; i++)
			others[i] = come(&to);
		break;
	case RUBBISH:
		random_bytes(bytes, sizeof(bytes));
		raw_put(fd, bytes, sizeof(bytes));
		CHECK(ends(fd));
		break;
	case HALF_A_WORD:
		raw_put(fd, &empty, 20);
		kit_sleep_ms(20);
		syscall(SYS_close, fd);
		break;
	case OTHER_VERSION:
		w = word(WIRE_FAR_ANNOUNCE);
		w.version++;
		say(fd, &w);
		CHECK(ends(fd));
		break;
	case OTHER_BYTES:
		random_bytes(bytes, 16);
		CHECK_EQ(announce(fd, at, bytes, &w), WIRE_FAR_EXPECTED);
		break;
	case SAME_BEGINNING:
		memcpy(bytes, next, 15);
		bytes[15] = (char)(next[15] + 1);
		CHECK_EQ(announce(fd, at, bytes, &w), WIRE_FAR_EXPECTED);
		/* One by one. */
		for (size_t i = 0; i < 20; i++, at++) {
			send_some(main, at, 1);
			usleep(500);
		}
		break;
	case SAME_BEGINNING_AND_NO_MORE:
		memcpy(bytes, next, 16);
		bytes[7] = (char)(next[7] + 1);
		CHECK_EQ(announce(fd, at, bytes, &w), WIRE_FAR_EXPECTED);
		send_some(main, at, 3);
		at += 3;
		syscall(SYS_close, fd);
		kit_sleep_ms(1500);
		break;
	case FAR_AHEAD:
		CHECK_EQ(announce(fd, 1ull << 40, next, &w), 0);
		fd = come(&to);
		CHECK_EQ(announce(fd, UINT64_MAX, next, &w), 0);
		break;
	case LONG_AGO:
		/* Once the program has them. */
		raw_get(main, bytes, 1);
		CHECK_EQ(announce(fd, 0, next, &w), 0);
		break;
	case WITHDRAWN:
		CHECK_EQ(announce(fd, at, next, &w), WIRE_FAR_EXPECTED);
		/* What the program sends is just what was announced. */
		w = word(WIRE_FAR_WITHDRAWN);
		say(fd, &w);
		CHECK(ends(fd));
		break;
	case FLOOD:
		for (int i = 0; i < 200; i++)
			others[i] = raw_connect(&to);
		for (int i = 0; i < 200; i++)
			if (others[i] >= 0)
				say(others[i], &empty);
		break;
	case WRONG_SECOND:
		random_bytes(bytes, 32);
		CHECK_EQ(announce(fd, at, bytes, &w), WIRE_FAR_EXPECTED);
		raw_put(main, bytes, 32);
		CHECK_EQ(hear(fd, &w), WIRE_FAR_FOUND);
		ways[1] = come(&to);
		w = word(WIRE_FAR_SECOND);
		say(ways[1], &w);
		CHECK(ends(ways[1]));
		break;
	default:
		prove(main, fd, &to, at, ways);
		ask_nonsense(ways[1], (int)v->kind - NONSENSE);
		break;
	}
	send_some(main, at, BYTES - (size_t)at);
	CHECK_EQ(raw_get(main, bytes, v->kind == LONG_AGO ? 1 : 2), v->kind == LONG_AGO ? 1 : 2);
	syscall(SYS_shutdown, main, SHUT_WR);
	CHECK_EQ(raw_get(main, bytes, BYTES), BYTES - 2);
}

static void check_visit(enum come kind)
{
	struct visit v = {kind, PORT};
	pid_t pid = kit_fork(visit, &v);
	int fd = far_connect(AF_INET, 2, 3), error;
	static char mine[64];
	int64_t start = kit_now_ms();
	off_t mapped;

	memset(mine, 7, sizeof(mine));
	kit_recv_pattern(fd, 1000, 1, 0);
	kit_put(fd, "1", 1);
	mapped = riomap(fd, mine, 64, PROT_READ | PROT_WRITE, 0, 0);
	error = errno;
	if (kind < NONSENSE)
		CHECK_FAILS(riowrite(fd, "x", 1, 0, 0), EOPNOTSUPP);
	kit_recv_pattern(fd, BYTES - 1000, 1, 1000);
	kit_put(fd, "2", 1);
	CHECK_EOF(fd);
	if (kind < NONSENSE) {
		CHECK_EQ(mapped, -1);
		CHECK_EQ(error, EOPNOTSUPP);
	} else {
		CHECK_EQ(mapped, 0);
	}
	CHECK(kit_now_ms() - start < 9000);
	for (size_t i = 0; i < sizeof(mine); i++)
		CHECK_EQ(mine[i], 7);
	kit_send_pattern(fd, BYTES - 2, 3, 0);
	MUST(rclose(fd));
	CHECK_EXITS(pid, 0);
	check_answerers(0);
}

static void visits(int from, int end)
{
	hosts_make();
	for (int kind = from; kind < end; kind++) {
		kit_note("visitor %d", kind);
		check_visit((enum come)kind);
	}
}

CASE(visitors)
{
	visits(0, OTHER_BYTES);
}

CASE(visitors_that_announce)
{
	visits(OTHER_BYTES, WITHDRAWN);
}

CASE(visitors_that_come_far)
{
	visits(WITHDRAWN, COMES);
}

/* --- a connection that is handed on while its bytes are being looked at --- */

/* Accepts the connection, *MAIN from *TO, and connects to where its other end listens beside it. */
static int raw_meet(int listener, struct sockaddr_storage *to, int *main)
{
	socklen_t size = sizeof(*to);
	struct wire_far w;
	int fd;

	*main = raw_accept(listener);
	MUST(syscall(SYS_getpeername, *main, to, &size));
	for (int i = 0; (fd = raw_connect(to)) < 0; i++) {
		CHECK(i < 1000);
		kit_sleep_ms(1);
	}
	CHECK_EQ(hear(fd, &w), WIRE_FAR_HELLO);
	return fd;
}

struct handing {
	volatile int expected;
	bool writes;
};

static void announce_and_wait(void *argument)
{
	struct handing *h = argument;
	int main, fd;
	struct sockaddr_storage to;
	struct wire_stretch stretch;
	struct wire_far w;
	char byte;

	go_there();
	fd = raw_meet(raw_listen(AF_INET, 2, PORT), &to, &main);
	send_some(main, 0, 1000);
	random_bytes(&stretch, sizeof(stretch));
	CHECK_EQ(announce(fd, 1000, stretch.nonce, &w), WIRE_FAR_EXPECTED);
	h->expected = 1;
	if (h->writes) {
		kit_sleep_ms(300);
		raw_put(main, &stretch, sizeof(stretch));
		send_some(main, 1000, BYTES - 1000);
	}
	raw_get(main, &byte, 1);
}

static void hand_on(bool writes)
{
	struct handing *h = shared_new(sizeof(*h));
	char bytes[BYTES], want[BYTES];
	int64_t start;
	pid_t pid;
	int fd;

	h->writes = writes;
	pid = kit_fork(announce_and_wait, h);
	fd = far_connect(AF_INET, 2, 4);
	kit_recv_pattern(fd, 500, 1, 0);
	while (!h->expected)
		kit_sleep_ms(1);
	MUST(syscall(SYS_close, 0));
	start = kit_now_ms();
	/* From here on anybody may read it. */
	CHECK_EQ(MUST(rdup(fd)), 0);
	CHECK_LASTED(start, writes ? 300 : 1500);
	if (writes) {
		/* What came before was put aside: it is for the library's calls. */
		kit_recv_pattern(fd, 500, 1, 500);
		CHECK_EQ(raw_get(0, bytes, BYTES - 1000), BYTES - 1000);
		kit_pattern(want, BYTES - 1000, 1, 1000);
		CHECK(memcmp(bytes, want, BYTES - 1000) == 0);
	} else {
		CHECK_EQ(syscall(SYS_recvfrom, 0, bytes, 1, 0, NULL, NULL), -1);
	}
	MUST(rclose(0));
	MUST(rclose(fd));
	CHECK_EXITS(pid, 0);
	MUST(open("/dev/null", O_RDONLY));
}

CASE(handed_on)
{
	hosts_make();
	hand_on(true);
	hand_on(false);
}

/* --- ends of the connection that the other end's announcement must not change --- */

enum ending {
	RESET_BY_IT,  /* while its stretch is awaited */
	CLOSED_BY_US, /* the stretch comes only then */
	SHUT_BY_US,
	EXITED_BY_US,
	ENDINGS,
	LEFT_ALONE = ENDINGS /* it comes never, nor anything else */
};

#define QUEUED 150000

struct awaited {
	volatile int expected;
	enum ending how;
	int port;
};

static void announce_and_end(void *argument)
{
	struct awaited *a = argument;
	const struct linger now = {.l_onoff = 1, .l_linger = 0};
	const int small = 4096;
	int listener, main, fd;
	struct sockaddr_storage to;
	struct wire_stretch stretch;
	struct wire_far w;
	static char bytes[QUEUED + 1], want[QUEUED];

	go_there();
	listener = raw_listen(AF_INET, 2, PORT);
	MUST(syscall(SYS_setsockopt, listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	fd = raw_meet(listener, &to, &main);
	send_some(main, 0, 1000);
	random_bytes(&stretch, sizeof(stretch));
	CHECK_EQ(announce(fd, 1000, stretch.nonce, &w), WIRE_FAR_EXPECTED);
	a->expected = 1;
	kit_sleep_ms(300);
	if (a->how == RESET_BY_IT) {
		MUST(syscall(SYS_setsockopt, main, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
		syscall(SYS_close, main);
		return;
	}
	raw_put(main, &stretch, sizeof(stretch));
	CHECK_EQ(raw_get(main, bytes, QUEUED + 1), QUEUED);
	kit_pattern(want, QUEUED, 2, 0);
	CHECK(memcmp(bytes, want, QUEUED) == 0);
}

static void end_while_awaited(void *argument)
{
	struct awaited *a = argument;
	int fd = far_connect(AF_INET, 2, 4);
	char byte;

	kit_recv_pattern(fd, 1000, 1, 0);
	while (!a->expected)
		kit_sleep_ms(1);
	if (a->how == RESET_BY_IT) {
		kit_sleep_ms(500);
		CHECK_FAILS(rrecv(fd, &byte, 1, 0), ECONNRESET);
		CHECK_EQ(rrecv(fd, &byte, 1, 0), 0);
	} else {
		/* More than the other end takes. */
		kit_set_option(fd, SOL_SOCKET, SO_SNDBUF, 212992);
		kit_send_pattern(fd, QUEUED, 2, 0);
	}
	if (a->how == SHUT_BY_US)
		MUST(rshutdown(fd, SHUT_RDWR));
	if (a->how == EXITED_BY_US)
		exit(0);
	MUST(rclose(fd));
}

static void check_ending(enum ending how)
{
	struct awaited *a = shared_new(sizeof(*a));
	pid_t there, here;

	a->how = how;
	there = kit_fork(announce_and_end, a);
	here = kit_fork(end_while_awaited, a);
	CHECK_EXITS(here, 0);
	CHECK_EXITS(there, 0);
}

CASE(reset_while_awaited)
{
	hosts_make();
	check_ending(RESET_BY_IT);
}

CASE(ends_before_it_comes)
{
	hosts_make();
	for (enum ending how = CLOSED_BY_US; how < ENDINGS; how++) {
		kit_note("ending %d", (int)how);
		check_ending(how);
	}
}

/* --- a beginning that may be a stretch's, and no more --- */

static void announce_and_begin(void *argument)
{
	struct awaited *a = argument;
	int main, fd;
	struct sockaddr_storage to;
	struct wire_stretch stretch;
	struct wire_far w;
	char byte;

	go_there();
	fd = raw_meet(raw_listen(AF_INET, 2, PORT), &to, &main);
	random_bytes(&stretch, sizeof(stretch));
	CHECK_EQ(announce(fd, 0, stretch.nonce, &w), WIRE_FAR_EXPECTED);
	if (a->how == LEFT_ALONE) {
		syscall(SYS_close, fd);
		a->expected = 1;
		kit_sleep_ms(2500);
		raw_put(main, "p", 1);
		raw_get(main, &byte, 1);
		return;
	}
	raw_put(main, &stretch, 3);
	kit_sleep_ms(50);
	a->expected = 1;
	kit_sleep_ms(1500);
	raw_put(main, (char *)&stretch + 3, sizeof(stretch) - 3);
	raw_put(main, "p", 1);
	raw_get(main, &byte, 1);
}

static int64_t cpu_us(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * (int64_t)1000000 + usage->ru_utime.tv_usec +
	       usage->ru_stime.tv_usec;
}

CASE(half_a_stretch_costs_little)
{
	struct awaited *a = shared_new(sizeof(*a));
	struct pollfd entry = {.events = POLLIN};
	struct rusage before, after;
	pid_t pid;
	int fd;

	hosts_make();
	pid = kit_fork(announce_and_begin, a);
	fd = entry.fd = far_connect(AF_INET, 2, 4);
	CHECK_EQ(rpoll(&entry, 1, 0), 0);
	CHECK_FAILS(rrecv(fd, &before, 1, MSG_DONTWAIT), EAGAIN);
	while (!a->expected) {
		CHECK_EQ(rpoll(&entry, 1, 0), 0);
		kit_sleep_ms(1);
	}
	MUST(getrusage(RUSAGE_SELF, &before));
	CHECK_EQ(rpoll(&entry, 1, 1000), 0);
	MUST(getrusage(RUSAGE_SELF, &after));
	CHECK(cpu_us(&after) - cpu_us(&before) < 150000);
	CHECK_GETS(fd, "p");
	MUST(rclose(fd));
	CHECK_EXITS(pid, 0);
}

CASE(left_alone_it_costs_little)
{
	struct awaited *a = shared_new(sizeof(*a));
	struct pollfd entry = {.events = POLLIN};
	struct rusage before, after;
	pid_t pid;
	int fd;

	hosts_make();
	a->how = LEFT_ALONE;
	pid = kit_fork(announce_and_begin, a);
	fd = entry.fd = far_connect(AF_INET, 2, 4);
	CHECK_EQ(rpoll(&entry, 1, 0), 0);
	while (!a->expected)
		kit_sleep_ms(1);
	MUST(getrusage(RUSAGE_SELF, &before));
	kit_sleep_ms(2000);
	MUST(getrusage(RUSAGE_SELF, &after));
	CHECK(after.ru_nvcsw - before.ru_nvcsw < 40);
	CHECK_GETS(fd, "p");
	MUST(rclose(fd));
	CHECK_EXITS(pid, 0);
}

/* --- answers that come slowly --- */

static void answer_slowly(void *unused)
{
	struct sockaddr_storage to;
	static char bytes[WIRE_PLACE_MAX];
	struct wire_answer answer;
	struct wire_ask ask;
	int main, fd, ways[2];

	(void)unused;
	go_there();
	fd = raw_meet(raw_listen(AF_INET, 2, PORT), &to, &main);
	prove(main, fd, &to, 0, ways);
	raw_put(main, "p", 1);
	while (raw_get(ways[0], &ask, sizeof(ask)) == sizeof(ask)) {
		CHECK_EQ(ask.what, WIRE_PLACE_READ);
		answer = (struct wire_answer){.number = ask.number, .size = ask.size, .bytes = ask.size};
		kit_pattern(bytes, ask.size, 3, ask.offset);
		if (syscall(SYS_sendto, ways[0], &answer, sizeof(answer), MSG_NOSIGNAL, NULL, 0) < 0)
			break;
		for (size_t at = 0; at < ask.size; at += 2048) {
			size_t left = ask.size - at;

			if (syscall(SYS_sendto, ways[0], bytes + at, left < 2048 ? left : 2048, MSG_NOSIGNAL, NULL, 0) <
			    0)
				break;
			kit_sleep_ms(2);
		}
	}
}

/* A placement that is not waited for takes many looks to read one of them. */
CASE(slow_answers)
{
	static char bytes[3 * WIRE_PLACE_MAX];
	struct pollfd entry = {.events = POLLPRI};
	pid_t pid;
	int fd;

	hosts_make();
	pid = kit_fork(answer_slowly, NULL);
	fd = entry.fd = far_connect(AF_INET, 2, 3);
	CHECK_GETS(fd, "p");
	CHECK_EQ(rioread(fd, bytes, sizeof(bytes), 0, MSG_ZEROCOPY), sizeof(bytes));
	CHECK_EQ(MUST(rpoll(&entry, 1, 10000)), 1);
	CHECK_EQ(entry.revents, POLLERR);
	CHECK_PATTERN(bytes, sizeof(bytes), 3, 0);
	MUST(rclose(fd));
	CHECK_EXITS(pid, 0);
}

/* --- they listen for an acceptor --- */

enum host {
	NO_WORD,
	NO_HELLO,
	HALF_A_HELLO,
	GOES_AWAY,
	NO_ANSWER,
	BUSY_FOR_EVER,
	ANSWERS_NONSENSE,
	WRONG_SECRET,
	NO_SECOND,
	ASKS_NONSENSE,                     /* six of them */
	WRONG_ANSWERS = ASKS_NONSENSE + 6, /* six of them */
	HOSTS = WRONG_ANSWERS + 6
};

static void answer_nonsense(int fd, int kind)
{
	struct wire_ask ask;
	struct wire_answer answer;
	char bytes[WIRE_PLACE_MAX];

	CHECK_EQ(raw_get(fd, &ask, sizeof(ask)), sizeof(ask));
	CHECK_EQ(ask.what, WIRE_PLACE_READ);
	CHECK_EQ(ask.size, 100);
	answer = (struct wire_answer){.number = ask.number, .size = 100, .bytes = 100};
	random_bytes(bytes, sizeof(bytes));
	switch (kind) {
	case 0:
		answer.size = answer.bytes = 101;
		break;
	case 1:
		answer.error = EPERM;
		break;
	case 2:
		answer.bytes = UINT32_MAX;
		break;
	case 3:
		answer.size = answer.bytes = 0;
		break;
	case 4: /* many answers to nobody */
		answer.number += 7;
		for (int i = 0; i < 1100; i++) {
			raw_put(fd, &answer, sizeof(answer));
			raw_put(fd, bytes, 100);
		}
		break;
	default: /* and half of one */
		raw_put(fd, &answer, sizeof(answer));
		raw_put(fd, bytes, 50);
		syscall(SYS_close, fd);
		return;
	}
	raw_put(fd, &answer, sizeof(answer));
}

static void be_host(void *argument)
{
	const enum host kind = *(enum host *)argument;
	struct sockaddr_storage to = address_of(AF_INET, 1, PORT), mine;
	struct wire_stretch stretch = {{0}, {0}};
	struct wire_far w;
	char bytes[BYTES], want[BYTES];
	int main, listener, fd, second;
	bool written = false;

	go_there();
	/* It looks for one at once. */
	main = raw_socket(AF_INET);
	mine = address_of(AF_INET, 2, 40000 + (int)kind);
	MUST(syscall(SYS_bind, main, &mine, kit_address_length(&mine)));
	listener = raw_socket(AF_INET);
	MUST(syscall(SYS_bind, listener, &mine, kit_address_length(&mine)));
	MUST(syscall(SYS_connect, main, &to, kit_address_length(&to)));
	MUST(syscall(SYS_listen, listener, 8));
	fd = raw_accept(listener);
	w = word(WIRE_FAR_HELLO);
	if (kind >= NO_ANSWER)
		say(fd, &w);
	switch (kind) {
	case NO_WORD:
		break;
	case NO_HELLO:
		w.what = WIRE_FAR_EXPECTED;
		say(fd, &w);
		CHECK(ends(fd));
		break;
	case HALF_A_HELLO:
		raw_put(fd, &w, 17);
		break;
	case GOES_AWAY:
		syscall(SYS_close, fd);
		break;
	case NO_ANSWER:
		CHECK_EQ(hear(fd, &w), WIRE_FAR_ANNOUNCE);
		CHECK_EQ(hear(fd, &w), WIRE_FAR_WITHDRAWN);
		/* Too late. */
		w = word(WIRE_FAR_EXPECTED);
		say(fd, &w);
		break;
	case BUSY_FOR_EVER:
		while (hear(fd, &w) == WIRE_FAR_ANNOUNCE) {
			w = word(WIRE_FAR_BUSY);
			say(fd, &w);
		}
		break;
	case ANSWERS_NONSENSE:
		CHECK_EQ(hear(fd, &w), WIRE_FAR_ANNOUNCE);
		random_bytes(&w, sizeof(w));
		say(fd, &w);
		break;
	default:
		CHECK_EQ(hear(fd, &w), WIRE_FAR_ANNOUNCE);
		CHECK_EQ(raw_get(main, bytes, (size_t)w.position), w.position);
		kit_pattern(want, (size_t)w.position, 1, 0);
		CHECK(memcmp(bytes, want, (size_t)w.position) == 0);
		stretch.nonce[0] = w.nonce[0];
		stretch.nonce[1] = w.nonce[1];
		written = true;
		kit_sleep_ms(20);
		{
			uint64_t position = w.position;

			/* Not before it is agreed. */
			CHECK(syscall(SYS_recvfrom, main, bytes, 1, MSG_DONTWAIT, NULL, NULL) < 0);
			w = word(WIRE_FAR_EXPECTED);
			say(fd, &w);
			CHECK_EQ(raw_get(main, &stretch, sizeof(stretch)), sizeof(stretch));
			w = word(WIRE_FAR_FOUND);
			memcpy(w.nonce, stretch.secret, sizeof(w.nonce));
			if (kind == WRONG_SECRET)
				w.nonce[1]++;
			say(fd, &w);
			if (kind == WRONG_SECRET) {
				CHECK(ends(fd));
			} else {
				second = raw_accept(listener);
				w = word(WIRE_FAR_HELLO);
				say(second, &w);
				CHECK_EQ(hear(second, &w), WIRE_FAR_SECOND);
				CHECK(memcmp(w.nonce, stretch.secret, sizeof(w.nonce)) == 0);
				if (kind != NO_SECOND) {
					w = word(WIRE_FAR_DONE);
					say(second, &w);
				}
				if (kind >= WRONG_ANSWERS)
					answer_nonsense(second, (int)kind - WRONG_ANSWERS);
				else if (kind >= ASKS_NONSENSE)
					ask_nonsense(fd, (int)kind - ASKS_NONSENSE);
			}
			CHECK_EQ(raw_get(main, bytes, BYTES - (size_t)position), BYTES - position);
			kit_pattern(want, BYTES - (size_t)position, 1, position);
			CHECK(memcmp(bytes, want, BYTES - (size_t)position) == 0);
			raw_put(main, "p", 1);
		}
		break;
	}
	if (!written) {
		raw_put(main, "p", 1);
		CHECK_EQ(raw_get(main, bytes, BYTES), BYTES);
		kit_pattern(want, BYTES, 1, 0);
		CHECK(memcmp(bytes, want, BYTES) == 0);
	}
	CHECK_EQ(raw_get(main, bytes, 1), 0);
}

static void check_host(enum host kind)
{
	int listener = far_listen(AF_INET, 1, 4), fd;
	pid_t pid = kit_fork(be_host, &kind);
	static char mine[100];
	int64_t start = kit_now_ms();
	char byte;

	memset(mine, 7, sizeof(mine));
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	kit_send_pattern(fd, 1000, 1, 0);
	if (kind >= WRONG_ANSWERS)
		CHECK_FAILS(rioread(fd, mine, sizeof(mine), 0, 0), ECONNRESET);
	else if (kind < ASKS_NONSENSE)
		CHECK_FAILS(riomap(fd, mine, sizeof(mine), PROT_READ | PROT_WRITE, 0, 0), EOPNOTSUPP);
	else
		MUST(riomap(fd, mine, sizeof(mine), PROT_READ | PROT_WRITE, 0, 0));
	CHECK(kit_now_ms() - start < 9000);
	kit_send_pattern(fd, BYTES - 1000, 1, 1000);
	kit_get(fd, &byte, 1);
	MUST(rclose(fd));
	CHECK_EXITS(pid, 0);
	for (size_t i = 0; kind < WRONG_ANSWERS && i < sizeof(mine); i++)
		CHECK_EQ(mine[i], 7);
	check_answerers(0);
}

static void listens(int from, int end)
{
	hosts_make();
	for (int kind = from; kind < end; kind++) {
		kit_note("listener %d", kind);
		check_host((enum host)kind);
	}
}

/* An urgent byte is in the stream, and in no receive: where a stretch lies behind it only one end can tell. */
static void listen_for_announcement(void *unused)
{
	struct sockaddr_storage to = address_of(AF_INET, 1, PORT), mine = address_of(AF_INET, 2, 40000);
	int main, listener, fd;
	struct wire_far w;
	char bytes[8];

	(void)unused;
	go_there();
	main = raw_socket(AF_INET);
	MUST(syscall(SYS_bind, main, &mine, kit_address_length(&mine)));
	listener = raw_socket(AF_INET);
	MUST(syscall(SYS_bind, listener, &mine, kit_address_length(&mine)));
	MUST(syscall(SYS_connect, main, &to, kit_address_length(&to)));
	MUST(syscall(SYS_listen, listener, 8));
	fd = raw_accept(listener);
	kit_sleep_ms(200);
	w = word(WIRE_FAR_HELLO);
	say(fd, &w);
	CHECK_EQ(hear(fd, &w), 0);
	CHECK_EQ(raw_get(main, bytes, 4), 4);
	CHECK(memcmp(bytes, "abcd", 4) == 0);
	raw_put(main, "p", 1);
}

CASE(urgent_bytes)
{
	static char mine[64];
	int listener, fd;
	pid_t pid;

	hosts_make();
	listener = far_listen(AF_INET, 1, 4);
	pid = kit_fork(listen_for_announcement, NULL);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	kit_put(fd, "ab", 2);
	CHECK_EQ(rsend(fd, "u", 1, MSG_OOB), 1);
	CHECK_FAILS(riomap(fd, mine, sizeof(mine), PROT_WRITE, 0, 0), EOPNOTSUPP);
	kit_put(fd, "cd", 2);
	CHECK_GETS(fd, "p");
	MUST(rclose(fd));
	CHECK_EXITS(pid, 0);
}

CASE(listeners)
{
	listens(0, ASKS_NONSENSE);
}

CASE(listeners_that_come_far)
{
	listens(ASKS_NONSENSE, HOSTS);
}
