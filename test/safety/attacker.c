#include "attacker.h"
#include "kit.h"
#include "wire.h"

#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/un.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define CAPACITY 65536u
#define RUN_MS 500     /* of an attack, once it has begun */
#define REACH_MS 10000 /* until it must have */
#define STRANGER_UID 1

/* What the attack has of the connection. */
struct attacker {
	const struct attack *attack;
	int tcp;
	int listener;
	int fd; /* to the victim, by the rendezvous */
	uint64_t random;
	uint64_t cookie;
	struct wire_bells *bells; /* what we say of our sleepers: we keep a writable mapping */
	int deaf;                 /* the bell's socket, which is never read */
	struct wire_channel *channel;
	size_t channel_size;
	struct wire_link *link;
	bool reached; /* the attack came as far as it wanted */
};

static const struct attack attacks[] = {
	{"silent_stranger_in_the_queue", false, false, false},
	{"half_a_hello", false, false, false},
	{"hello_of_noise", false, false, false},
	{"hello_without_descriptor", false, false, false},
	{"hello_with_too_many_descriptors", false, false, false},
	{"hello_with_a_device", false, false, false},
	{"hello_with_a_socket", false, false, false},
	{"hello_with_unsealed_bells", false, false, false},
	{"hello_with_short_bells", false, false, false},
	{"hello_with_a_wrong_cookie", false, false, false},
	{"hello_with_too_many_maps", false, false, false},
	{"hello_and_away", false, false, false},
	{"hello_of_another_user", false, true, false},
	{"flood_of_hellos", false, false, false},
	{"huge_capacity", false, false, true},
	{"scribbles_as_side_1", false, false, true},
	{"bells_that_block", false, false, true},
	{"channel_cannot_be_truncated", false, false, true},
	{"silent_listener", true, false, false},
	{"grant_of_noise", true, false, false},
	{"grant_without_descriptors", true, false, false},
	{"grant_with_too_many_descriptors", true, false, false},
	{"grant_with_a_device", true, false, false},
	{"grant_with_an_unsealed_channel", true, false, false},
	{"grant_with_a_channel_that_shrinks", true, false, false},
	{"grant_with_a_short_channel", true, false, false},
	{"grant_with_odd_capacity", true, false, false},
	{"grant_with_unsealed_link", true, false, false},
	{"grant_with_a_slot_out_of_range", true, false, false},
	{"grant_of_another_user", true, true, false},
	{"scribbles_as_side_0", true, false, true},
};

const struct attack *attack_find(const char *name)
{
	for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++)
		if (strcmp(attacks[i].name, name) == 0)
			return &attacks[i];
	FAIL("no attack is called %s", name);
}

static bool is(const struct attacker *a, const char *name)
{
	return strcmp(a->attack->name, name) == 0;
}

/* --- the connection, and the name that follows from it --- */

/* Below or above every port that the kernel chooses by itself. */
static int connect_from(bool low, int to)
{
	for (int i = 0; i < 2000; i++) {
		struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		struct sockaddr_in there = here;
		int fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

		here.sin_port = htons((uint16_t)((low ? 20000 : 61000) + (getpid() * 7 + i) % 4000));
		there.sin_port = htons((uint16_t)to);
		if (bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0 &&
		    connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0)
			return fd;
		MUST(close(fd));
	}
	FAIL("no free port");
}

static int port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	MUST(getsockname(fd, (struct sockaddr *)&address, &size));
	return ntohs(address.sin_port);
}

static socklen_t rendezvous_name(const struct attacker *a, int victim_port, struct sockaddr_un *un)
{
	int own = port_of(a->tcp);
	int low = own < victim_port ? own : victim_port, high = own < victim_port ? victim_port : own;
	int size;

	CHECK_EQ(a->attack->listens, own < victim_port);
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	size = snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "rsocket-1-47f000001%024d%04x7f000001%024d%04x", 0,
			low, 0, high);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
}

/* Both ways, so that the victim has reasons to look for its peer, and to go on. */
static void pump(struct attacker *a)
{
	char buffer[65536];

	send(a->tcp, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (recv(a->tcp, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		;
	usleep(500);
}

/* --- what is handed over --- */

static int memory(size_t size, int seals, void **map)
{
	int fd = (int)MUST(syscall(SYS_memfd_create, "attacker", MFD_CLOEXEC | MFD_ALLOW_SEALING));

	MUST(ftruncate(fd, (off_t)size));
	if (map) {
		*map = size ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : NULL;
		CHECK(*map != MAP_FAILED);
	}
	if (seals)
		MUST(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

/* A page on which everybody sleeps, on a socket that nobody reads. */
static int bells_new(struct attacker *a)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	uint64_t name[2] = {kit_random(&a->random), kit_random(&a->random)};
	void *map;
	int fd = memory(sizeof(struct wire_bells), 0, &map), size;

	a->bells = map;
	a->bells->magic = WIRE_MAGIC;
	a->bells->version = WIRE_VERSION;
	for (int i = 0; i < (int)BELL_COUNT; i++) {
		a->bells->bell[i].state = BELL_ONE_SLEEPER | BELL_ONE_TURN;
		memcpy(a->bells->bell[i].name, name, sizeof(name));
	}
	MUST(fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_FUTURE_WRITE));
	a->deaf = (int)MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	size = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "rsbell-");
	for (int i = 0; i < 32; i++)
		un.sun_path[1 + size++] = "0123456789abcdef"[name[i / 16] >> (i % 16 * 4) & 15];
	MUST(bind(a->deaf, (struct sockaddr *)&un,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size)));
	return fd;
}

static void message(struct attacker *a, const void *bytes, size_t size, const int *fds, unsigned count)
{
	char control[CMSG_SPACE(8 * sizeof(int))] = {0};
	struct iovec part = {(void *)bytes, size};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

	if (count) {
		struct cmsghdr *head;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		head = CMSG_FIRSTHDR(&msg);
		*head = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	}
	sendmsg(a->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool take(struct attacker *a, void *bytes, size_t size, int *fds, unsigned count)
{
	char control[CMSG_SPACE(8 * sizeof(int))];
	struct iovec part = {bytes, size};
	struct msghdr msg = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(a->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (got != (ssize_t)size || !head || head->cmsg_len != CMSG_LEN(count * sizeof(int)))
		return false;
	memcpy(fds, CMSG_DATA(head), count * sizeof(int));
	return true;
}

/* --- the harm --- */

static uint64_t odd_value(struct attacker *a)
{
	uint64_t random = kit_random(&a->random), near = a->channel->side[random >> 8 & 1].tail;

	switch (random & 7) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return near + CAPACITY + (random >> 16 & 3) - 1;
	case 3:
		return near ^ TAIL_FIN;
	case 4:
		return near ^ TAIL_CLOSED;
	case 5:
		return WORD(random >> 16 & 7, random >> 20 & 0xfff);
	case 6:
		return near - (random >> 16 & 0xff);
	default:
		return random;
	}
}

/* Writes odd values over everything shared, faster than anybody can check twice. */
static void scribble(struct attacker *a)
{
	uint64_t *words = (uint64_t *)a->channel;
	int64_t end = kit_now_ms() + RUN_MS;

	/* First as an honest peer would, so that bytes move here. */
	for (int d = 0; d < 2; d++) {
		uint64_t off = WORD(WIRE_OFF, 0);

		__atomic_compare_exchange_n(&a->channel->word[d], &off, WORD(WIRE_CONSENT, 0), false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST);
	}
	a->channel->side[0].attached = a->channel->side[1].attached = 1;
	for (int i = 0; i < 60; i++)
		pump(a);
	while (kit_now_ms() < end) {
		for (int i = 0; i < 40; i++) {
			size_t at = kit_random_below(&a->random, sizeof(*a->channel) / 8);

			__atomic_store_n(&words[at], odd_value(a), __ATOMIC_SEQ_CST);
			at = kit_random_below(&a->random, sizeof(struct wire_link) / 8);
			__atomic_store_n((uint64_t *)a->link + at, odd_value(a), __ATOMIC_SEQ_CST);
			at = kit_random_below(&a->random, BELL_COUNT);
			__atomic_store_n(&a->bells->bell[at].state, odd_value(a), __ATOMIC_SEQ_CST);
		}
		pump(a);
	}
}

/* Lets the victim's bytes come, and its bells ring where nobody listens. */
static void let_ring(struct attacker *a, int victim)
{
	int64_t end = kit_now_ms() + RUN_MS;
	struct wire_side *own = &a->channel->side[!victim];
	uint64_t off = WORD(WIRE_OFF, 0);

	own->attached = 1;
	own->epoll = 1;
	own->interest = WIRE_EVERY_BELL;
	__atomic_compare_exchange_n(&a->channel->word[victim], &off, WORD(WIRE_CONSENT, 0), false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	for (uint64_t turn = 2; kit_now_ms() < end; turn++) {
		for (int i = 0; i < (int)BELL_COUNT; i++)
			a->bells->bell[i].state = BELL_ONE_SLEEPER | turn * BELL_ONE_TURN;
		own->interest = WIRE_EVERY_BELL;
		own->head = TAIL_POSITION(a->channel->side[victim].tail);
		pump(a);
	}
}

static void *map_received(int fd, size_t *size)
{
	struct stat st;
	void *map;

	MUST(fstat(fd, &st));
	*size = (size_t)st.st_size;
	map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	return map;
}

/* Has the attacker's hello been answered? */
static bool granted(struct attacker *a, int fds[3])
{
	struct wire_grant grant;
	size_t size;

	for (int64_t end = kit_now_ms() + 300; kit_now_ms() < end; pump(a))
		if (take(a, &grant, sizeof(grant), fds, 3)) {
			a->channel = map_received(fds[1], &a->channel_size);
			a->link = map_received(fds[2], &size);
			return true;
		}
	return false;
}

/* A->fd leads to the victim, which listens. Returns whether to go on with another connection. */
static bool say_hello(struct attacker *a)
{
	struct wire_hello hello = {.magic = WIRE_MAGIC,
				   .version = WIRE_VERSION,
				   .process = {kit_random(&a->random), kit_random(&a->random)},
				   .cookie = a->cookie,
				   .capacity = {CAPACITY, CAPACITY}};
	int fds[8], count = 1;

	if (is(a, "silent_stranger_in_the_queue")) {
		a->reached = true;
		for (int64_t end = kit_now_ms() + RUN_MS; kit_now_ms() < end;)
			pump(a);
		return false;
	}
	fds[0] = bells_new(a);
	if (is(a, "half_a_hello")) {
		message(a, &hello, sizeof(hello) / 2, fds, 1);
	} else if (is(a, "hello_of_noise")) {
		for (size_t i = 0; i < sizeof(hello) / 8; i++)
			((uint64_t *)&hello)[i] = kit_random(&a->random);
		message(a, &hello, sizeof(hello), fds, 1);
	} else {
		if (is(a, "hello_without_descriptor"))
			count = 0;
		if (is(a, "hello_with_too_many_descriptors"))
			count = 2 + (int)kit_random_below(&a->random, 6);
		for (int i = 1; i < count; i++)
			fds[i] = fds[0];
		if (is(a, "hello_with_a_device"))
			fds[0] = (int)MUST(open("/dev/zero", O_RDWR | O_CLOEXEC));
		if (is(a, "hello_with_a_socket"))
			fds[0] = a->tcp;
		if (is(a, "hello_with_unsealed_bells"))
			fds[0] = memory(sizeof(struct wire_bells), 0, NULL);
		if (is(a, "hello_with_short_bells"))
			fds[0] = memory(0, SEALS | F_SEAL_FUTURE_WRITE, NULL);
		if (is(a, "hello_with_a_wrong_cookie"))
			hello.cookie++;
		if (is(a, "hello_with_too_many_maps"))
			hello.maps = ~0u;
		if (is(a, "huge_capacity"))
			hello.capacity[0] = hello.capacity[1] = ~0ull;
		message(a, &hello, sizeof(hello), fds, (unsigned)count);
	}
	if (is(a, "hello_and_away")) {
		a->reached = true;
		return true;
	}
	if (!granted(a, fds)) {
		/* A hello that was refused reached its target; the others wanted more. */
		a->reached |= !a->attack->attaches;
		return true;
	}
	if (!a->attack->attaches) {
		kit_note("%s: was granted a channel", a->attack->name);
		_exit(4);
	}
	a->reached = true;
	if (is(a, "channel_cannot_be_truncated"))
		for (int i = 0; i < 3; i++)
			CHECK_FAILS(ftruncate(fds[i], 0), EPERM);
	if (is(a, "scribbles_as_side_1"))
		scribble(a);
	else
		let_ring(a, 0);
	return false;
}

static int channel_new(struct attacker *a)
{
	uint64_t capacity = is(a, "grant_with_odd_capacity") ? CAPACITY - 1 : CAPACITY;
	size_t size = WIRE_DATA_OFFSET + 2 * CAPACITY;
	int seals = SEALS, fd;
	void *map;

	if (is(a, "grant_with_an_unsealed_channel"))
		seals = 0;
	if (is(a, "grant_with_a_channel_that_shrinks"))
		seals = F_SEAL_GROW | F_SEAL_SEAL;
	if (is(a, "grant_with_a_short_channel"))
		size = WIRE_DATA_OFFSET;
	fd = memory(size, seals, &map);
	a->channel = map;
	a->channel->magic = WIRE_MAGIC;
	a->channel->version = WIRE_VERSION;
	a->channel->capacity[0] = a->channel->capacity[1] = capacity;
	a->channel->side[0].attached = 1;
	return fd;
}

/* A->fd comes from the victim, whose hello is waiting or about to come. As say_hello. */
static bool give_grant(struct attacker *a)
{
	struct wire_grant grant = {.magic = WIRE_MAGIC,
				   .version = WIRE_VERSION,
				   .process = {kit_random(&a->random), kit_random(&a->random)},
				   .cookie = a->cookie,
				   .link = {kit_random(&a->random), kit_random(&a->random)}};
	struct wire_hello hello;
	int fds[8], theirs[1], count = 3;
	struct wire_link *link;
	void *map;

	for (int64_t end = kit_now_ms() + 300; !take(a, &hello, sizeof(hello), theirs, 1); pump(a))
		if (kit_now_ms() > end)
			return true;
	a->reached = true;
	if (a->attack->stranger) {
		kit_note("%s: was told a hello", a->attack->name);
		_exit(4);
	}
	if (is(a, "silent_listener"))
		return false;
	fds[0] = bells_new(a);
	fds[1] = channel_new(a);
	fds[2] = memory(sizeof(struct wire_link), is(a, "grant_with_unsealed_link") ? 0 : SEALS, &map);
	a->link = link = map;
	link->magic = WIRE_MAGIC;
	link->version = WIRE_VERSION;
	if (is(a, "grant_without_descriptors"))
		count = 0;
	if (is(a, "grant_with_too_many_descriptors"))
		count = 4;
	fds[3] = fds[0];
	if (is(a, "grant_with_a_device"))
		fds[1] = (int)MUST(open("/dev/zero", O_RDWR | O_CLOEXEC));
	if (is(a, "grant_with_a_slot_out_of_range"))
		grant.slot = LINK_SLOTS;
	if (is(a, "grant_of_noise"))
		for (size_t i = 0; i < sizeof(grant) / 8; i++)
			((uint64_t *)&grant)[i] = kit_random(&a->random);
	message(a, &grant, sizeof(grant), fds, (unsigned)count);
	if (is(a, "scribbles_as_side_0")) {
		scribble(a);
	} else {
		for (int i = 0; i < 100; i++)
			pump(a);
		/* Who believed in this memory dies of it now. */
		if (is(a, "grant_with_an_unsealed_channel") || is(a, "grant_with_a_channel_that_shrinks"))
			MUST(ftruncate(fds[1], 0));
		for (int i = 0; i < 200; i++)
			pump(a);
	}
	return false;
}

static bool meet(struct attacker *a, const struct sockaddr_un *un, socklen_t size)
{
	if (a->attack->listens) {
		a->fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		return a->fd >= 0;
	}
	a->fd = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (connect(a->fd, (const struct sockaddr *)un, size) == 0)
		return true;
	MUST(close(a->fd));
	return false;
}

/* Words: the attack, the victim's port. Exits with 0 once the attack was carried out, 4 if it got what it must not. */
PROGRAM(attacker)
{
	struct attacker a = {.attack = attack_find(argv[0]), .listener = -1, .fd = -1, .random = kit_seed()};
	int victim = atoi(argv[1]);
	struct sockaddr_un un;
	socklen_t size, cookie_size = sizeof(a.cookie);
	int64_t start = kit_now_ms();
	bool more = true;

	a.tcp = connect_from(a.attack->listens, victim);
	MUST(getsockopt(a.tcp, SOL_SOCKET, SO_COOKIE, &a.cookie, &cookie_size));
	if (a.attack->stranger)
		MUST(syscall(SYS_setresuid, STRANGER_UID, STRANGER_UID, STRANGER_UID));
	size = rendezvous_name(&a, victim, &un);
	if (a.attack->listens) {
		a.listener = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
		MUST(bind(a.listener, (struct sockaddr *)&un, size));
		MUST(listen(a.listener, 100));
	}
	for (int64_t begun = 0; more && (!begun || kit_now_ms() - begun < RUN_MS);) {
		if (kit_now_ms() - start > REACH_MS)
			break;
		pump(&a);
		if (!meet(&a, &un, size))
			continue;
		begun = begun ? begun : kit_now_ms();
		if (is(&a, "flood_of_hellos"))
			a.reached = true;
		else
			more = a.attack->listens ? give_grant(&a) : say_hello(&a);
		if (more)
			MUST(close(a.fd));
		/* To be refused by name is as far as a stranger comes. */
		a.reached |= a.attack->stranger;
	}
	if (!a.reached) {
		kit_note("%s: did not get at its victim", a.attack->name);
		return 3;
	}
	return 0;
}
