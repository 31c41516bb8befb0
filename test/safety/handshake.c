/* Peers that spoil the rendezvous. The connection stays on TCP and works there; nobody else notices. */
#include "rogue.h"
#include "stuck.h"

#include <arpa/inet.h>
#include <linux/memfd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define OTHER_USER 1 /* daemon */

static void each(void (*attack)(struct stage *))
{
	STAGE_EACH(kind, low)
	{
		struct stage s;

		stage_start(&s, kind, low);
		attack(&s);
		stage_end(&s);
	}
}

static void check_on_tcp(struct rogue *r)
{
	CHECK(!rogue_met(r, 20));
	for (int i = 0; i < 20; i++)
		rogue_ping(r);
}

/* Each of so many VARIANTS of a spoilt message leaves the connection on TCP. SPOIL returns false for one that does not apply. */
static void each_spoilt(struct stage *s, bool (*spoil)(struct rogue *, int variant), int variants)
{
	for (int variant = 0; variant < variants; variant++) {
		struct rogue r;

		rogue_open(&r, s);
		if (spoil(&r, variant)) {
			rogue_speak(&r);
			check_on_tcp(&r);
		}
		rogue_close(&r);
	}
}

static bool spoil_words(struct rogue *r, int variant)
{
	struct wire_hello *h = &r->message.hello;
	struct wire_grant *g = &r->message.grant;

	switch (variant) {
	case 0:
		h->magic ^= 1; /* both messages begin alike */
		return true;
	case 1:
		h->magic = 0;
		return true;
	case 2:
		h->version = 0;
		return true;
	case 3:
		h->version = WIRE_VERSION + 1;
		return true;
	case 4:
		*(r->side ? &h->cookie : &g->cookie) ^= 1;
		return true;
	case 5:
		*(r->side ? &h->cookie : &g->cookie) = 0;
		return true;
	case 6:
		h->maps = WIRE_MAPS_MAX + 1;
		return r->side == 1;
	case 7:
		g->slot = LINK_SLOTS;
		return r->side == 0;
	case 8:
		g->slot = ~0u;
		return r->side == 0;
	default:
		r->bells->magic = 0;
		return true;
	}
}

static void wrong_words(struct stage *s)
{
	each_spoilt(s, spoil_words, 10);
}

CASE(wrong_words_in_the_message)
{
	each(wrong_words);
}

static bool spoil_size(struct rogue *r, int variant)
{
	const size_t sizes[] = {
		0, 1, 8, r->message_size / 2, r->message_size - 1, r->message_size + 1, sizeof(r->message)};

	r->message_size = sizes[variant];
	return true;
}

static void wrong_size(struct stage *s)
{
	each_spoilt(s, spoil_size, 7);
}

CASE(half_a_message_and_too_long_a_one)
{
	each(wrong_size);
}

static bool spoil_count(struct rogue *r, int variant)
{
	const unsigned counts[] = {0, 1, 2, 3, 4, 5, 6, 64, 253, 254};

	if (counts[variant] == r->fd_count)
		return false;
	for (unsigned i = r->fd_count; i < counts[variant]; i++)
		r->fds[i] = r->bells_fd;
	r->fd_count = counts[variant];
	return true;
}

static void wrong_count(struct stage *s)
{
	for (int again = 0; again < 3; again++)
		each_spoilt(s, spoil_count, 10);
}

CASE(too_few_and_too_many_descriptors)
{
	each(wrong_count);
}

#define STRANGE 14

/* A descriptor that is not the sealed memory of SIZE bytes that it should be. */
static int strange_descriptor(int kind, size_t size)
{
	int fds[2];

	switch (kind) {
	case 0:
		return (int)MUST(open("/dev/null", O_RDWR));
	case 1:
		return (int)MUST(open("/dev/zero", O_RDWR));
	case 2:
		MUST(pipe(fds));
		MUST(close(fds[1]));
		return fds[0];
	case 3:
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
		MUST(close(fds[1]));
		return fds[0];
	case 4:
		return (int)MUST(open("/", O_RDONLY | O_DIRECTORY));
	case 5:
		return (int)MUST(open("/", O_PATH));
	case 6:
		return (int)MUST(epoll_create1(0));
	case 7:
		return (int)MUST(eventfd(0, 0));
	case 8:
		return rogue_memory(size, 0);
	case 9:
		return rogue_memory(size, F_SEAL_SHRINK);
	case 10:
		return rogue_memory(0, ROGUE_SEALS);
	case 11:
		return rogue_memory(size - 1, ROGUE_BELL_SEALS);
	case 12:
		return rogue_memory(size + 4096, ROGUE_SEALS);
	default:
		return rogue_memory(size, ROGUE_SEALS | F_SEAL_WRITE);
	}
}

static bool spoil_descriptor(struct rogue *r, int variant)
{
	const size_t sizes[] = {sizeof(struct wire_bells), r->channel_size, sizeof(struct wire_link)};
	unsigned place = (unsigned)variant / STRANGE;

	if (place >= r->fd_count)
		return false;
	r->fds[place] = strange_descriptor(variant % STRANGE, sizes[place]);
	return true;
}

static void wrong_descriptors(struct stage *s)
{
	for (int variant = 0; variant < 3 * STRANGE; variant++) {
		struct rogue r;

		rogue_open(&r, s);
		if (spoil_descriptor(&r, variant)) {
			rogue_speak(&r);
			close(r.fds[variant / STRANGE]);
			check_on_tcp(&r);
		}
		rogue_close(&r);
	}
}

CASE(descriptors_that_are_not_sealed_memory)
{
	each(wrong_descriptors);
}

/* Memory that is cut off once the server may have mapped it. */
static void truncated(struct stage *s)
{
	for (int variant = 0; variant < 12; variant++) {
		const size_t cut[] = {0, 1, 64, 4096};
		struct rogue r;
		unsigned place = (unsigned)variant / 4;
		struct stat st;

		rogue_open(&r, s);
		if (place < r.fd_count) {
			MUST(fstat(r.fds[place], &st));
			r.fds[place] = rogue_memory((size_t)st.st_size, 0);
			if (place == 1)
				MUST(pwrite(r.fds[1], r.channel, sizeof(*r.channel), 0));
			if (place == 0)
				MUST(pwrite(r.fds[0], r.bells, sizeof(*r.bells), 0));
			rogue_speak(&r);
			MUST(ftruncate(r.fds[place], (off_t)cut[variant % 4]));
			check_on_tcp(&r);
			close(r.fds[place]);
		}
		rogue_close(&r);
	}
}

CASE(memory_that_is_truncated)
{
	each(truncated);
}

static bool spoil_channel(struct rogue *r, int variant)
{
	static const uint64_t capacities[] = {0,          1,          3,          63,        65,    65535,  65537,
					      1ull << 31, 1ull << 40, 1ull << 63, ~0ull - 1, 32768, 131072, ~0ull};
	struct wire_channel *c = r->channel;

	if (r->side == 1)
		return false;
	if (variant < 28)
		c->capacity[variant & 1] = capacities[variant / 2];
	else if (variant == 28)
		c->magic = 0;
	else if (variant < 31)
		c->maps[variant & 1] = variant & 1 ? WIRE_MAPS_MAX : 0xffff;
	else
		c->version = WIRE_VERSION + 1;
	return true;
}

static void wrong_channel(struct stage *s)
{
	each_spoilt(s, spoil_channel, 32);
}

CASE(channels_with_impossible_sizes)
{
	each(wrong_channel);
}

/* Wishes of any size are granted within reason. */
static void greedy(struct stage *s)
{
	static const uint64_t wishes[] = {0, 1, 3, 1ull << 30, 1ull << 40, 1ull << 63, ~0ull};

	for (unsigned i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct rogue r;

		rogue_open(&r, s);
		if (r.side == 1) {
			r.message.hello.capacity[0] = wishes[i];
			r.message.hello.capacity[1] = wishes[(i + 1) % 7];
			rogue_promote(&r);
			CHECK(r.channel_size <= 64 * MIB);
			for (int round = 0; round < 10; round++)
				rogue_ping(&r);
		}
		rogue_close(&r);
	}
}

CASE(wishes_for_rings_of_any_size)
{
	each(greedy);
}

/* Nor do maps that nobody asked for cost anything. */
static void greedy_for_maps(struct stage *s)
{
	struct rogue r;
	struct stat st;

	rogue_open(&r, s);
	if (r.side == 1) {
		r.message.hello.maps = WIRE_MAPS_MAX;
		rogue_promote(&r);
		MUST(fstat(r.channel_fd, &st));
		CHECK(st.st_blocks * 512 < MIB);
	}
	rogue_close(&r);
}

CASE(wishes_for_maps)
{
	each(greedy_for_maps);
}

#define HUGE_PAGE (2 * MIB)

/* A channel of huge pages, of which only the first is there: sizes that make it a multiple of them. */
static bool huge_channel(struct rogue *r)
{
	const size_t tables = HUGE_PAGE - 2 * WIRE_PAGE;
	const uint16_t maps = (uint16_t)((tables - 2 * sizeof(struct wire_iomap)) / sizeof(struct wire_map) / 2);
	int fd = (int)MUST(memfd_create("rogue", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB));

	MUST(munmap(r->channel, r->channel_size));
	MUST(close(r->channel_fd));
	r->channel = NULL;
	r->channel_fd = r->fds[1] = fd;
	r->channel_size = 2 * HUGE_PAGE;
	MUST(ftruncate(fd, (off_t)r->channel_size));
	MUST(fcntl(fd, F_ADD_SEALS, ROGUE_SEALS));
	if (fallocate(fd, 0, 0, HUGE_PAGE) < 0)
		return false;
	r->channel = mmap(NULL, r->channel_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	CHECK(r->channel != MAP_FAILED);
	r->channel->magic = WIRE_MAGIC;
	r->channel->version = WIRE_VERSION;
	r->channel->capacity[0] = HUGE_PAGE;
	r->channel->capacity[1] = WIRE_CAPACITY_MIN;
	r->channel->maps[0] = r->channel->maps[1] = maps;
	r->channel->side[0].attached = 1;
	return true;
}

/* Where the system has no more of them, touching one that is not there would be SIGBUS. */
static void huge(struct stage *s)
{
	struct rogue r;

	rogue_open(&r, s);
	if (r.side == 0) {
		if (!huge_channel(&r))
			kit_skip("no huge pages");
		rogue_speak(&r);
		check_on_tcp(&r);
	}
	rogue_close(&r);
}

CASE(channels_of_huge_pages)
{
	each(huge);
}

#define SILENT 8

/* Each stops at another word of the handshake and stays there. */
static void silent(struct stage *s)
{
	struct rogue r[SILENT];

	for (int i = 0; i < SILENT; i++) {
		rogue_open(&r[i], s);
		if (i % 4 == 1) {
			r[i].message_size = 0;
			r[i].fd_count = 0;
		}
		if (i % 4 == 2)
			rogue_speak(&r[i]);
		if (i % 4 == 3) {
			rogue_speak(&r[i]);
			rogue_met(&r[i], 50);
		}
		if (i % 4 < 2 && r[i].side == 1) {
			int64_t start = kit_now_ms();

			r[i].un = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
			while (connect(r[i].un, (struct sockaddr *)&r[i].name, r[i].name_size) == -1) {
				CHECK(kit_now_ms() - start < 10000);
				rogue_ping(&r[i]);
			}
		}
	}
	for (int round = 0; round < 50; round++)
		for (int i = 0; i < SILENT; i++)
			if (i % 4 < 2)
				rogue_ping(&r[i]);
	stage_check_serves(s);
	stage_check_idle(s);
	for (int i = 0; i < SILENT; i++)
		rogue_close(&r[i]);
}

CASE(silence_in_the_middle)
{
	each(silent);
}

static void become_other_user(void)
{
	MUST(setresgid(OTHER_USER, OTHER_USER, OTHER_USER));
	MUST(setresuid(OTHER_USER, OTHER_USER, OTHER_USER));
}

/* As another user: sits on the name of the connection between the two ports, or connects to whoever does; hears nothing there. */
static void squat(uint16_t low, uint16_t high, bool connects)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	int size = sprintf(un.sun_path + 1, "rsocket-1-47f000001%024d%04x7f000001%024d%04x", 0, low, 0, high);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);

	if (!connects) {
		MUST(bind(fd, (struct sockaddr *)&un, length));
		MUST(listen(fd, 16));
	}
	MUST(write(1, ".", 1));
	for (;;) {
		char message[256];
		int peer = fd;

		if (connects) {
			peer = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
			if (connect(peer, (struct sockaddr *)&un, length) == 0)
				send(peer, message, sizeof(struct wire_hello), MSG_NOSIGNAL);
			kit_sleep_ms(1);
			close(peer);
			continue;
		}
		peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (peer >= 0) {
			/* Nothing of theirs may come here. */
			if (recv(peer, message, sizeof(message), 0) > 0)
				_exit(3);
			close(peer);
		}
		kit_sleep_ms(1);
	}
}

static void squatted(struct stage *s)
{
	char port[16], own_port[16], byte;
	uint16_t source = stage_port(!s->server_low);
	int said[2], in, status;
	pid_t squatter, client;

	MUST(pipe(said));
	squatter = (pid_t)MUST(fork());
	if (squatter == 0) {
		MUST(dup2(said[1], 1));
		become_other_user();
		squat(s->server_low ? s->port : source, s->server_low ? source : s->port, false);
	}
	CHECK_EQ(MUST(read(said[0], &byte, 1)), 1);
	snprintf(port, sizeof(port), "%u", s->port);
	snprintf(own_port, sizeof(own_port), "%u", source);
	client = stage_program("squatted", port, own_port, NULL, &in, NULL);
	CHECK_EXITS(client, 0);
	MUST(close(in));
	CHECK_EQ(waitpid(squatter, &status, WNOHANG), 0);
	MUST(kill(squatter, SIGKILL));
	kit_wait_killed(squatter, SIGKILL);
	MUST(close(said[0]));
	MUST(close(said[1]));
}

CASE(name_squatted_by_another_user)
{
	if (geteuid() != 0)
		kit_skip("only root can be another user");
	each(squatted);
}

/* The owner's own knocking among that of a stranger: promoted all the same. */
static void stranger_knocks(struct stage *s)
{
	struct sockaddr_in own;
	socklen_t size = sizeof(own);
	struct rogue r;
	char byte;
	int said[2];
	pid_t stranger;

	rogue_open(&r, s);
	if (r.side == 1) {
		MUST(getsockname(r.tcp, (struct sockaddr *)&own, &size));
		MUST(pipe(said));
		stranger = (pid_t)MUST(fork());
		if (stranger == 0) {
			MUST(dup2(said[1], 1));
			become_other_user();
			squat(s->port, ntohs(own.sin_port), true);
		}
		CHECK_EQ(MUST(read(said[0], &byte, 1)), 1);
		for (int i = 0; i < 50; i++) {
			rogue_ping(&r);
			kit_sleep_ms(1);
		}
		rogue_promote(&r);
		for (int i = 0; i < 50; i++)
			rogue_ping(&r);
		MUST(kill(stranger, SIGKILL));
		kit_wait_killed(stranger, SIGKILL);
		MUST(close(said[0]));
		MUST(close(said[1]));
	}
	rogue_close(&r);
}

CASE(stranger_knocks_at_the_name)
{
	if (geteuid() != 0)
		kit_skip("only root can be another user");
	each(stranger_knocks);
}

#define FLOOD 10000

static void flood(struct stage *s)
{
	struct rogue r;
	int made = 0;

	rogue_open(&r, s);
	if (r.side == 1) {
		for (int i = 0; i < FLOOD; i++) {
			int fd = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

			if (connect(fd, (struct sockaddr *)&r.name, r.name_size) == 0) {
				made++;
				if (i % 2)
					send(fd, &r.message, r.message_size / 2, MSG_NOSIGNAL);
			}
			close(fd);
			if (i % 4 == 0)
				rogue_ping(&r);
		}
		kit_note("%d of %d knocks were let in", made, FLOOD);
		CHECK(made > 4);
	} else {
		/* The server knocks: it is let in and thrown out again, as often as it likes. */
		for (int i = 0; i < FLOOD / 4; i++) {
			int fd = accept4(r.listener, NULL, NULL, SOCK_CLOEXEC);

			if (fd >= 0) {
				made++;
				close(fd);
			}
			rogue_ping(&r);
		}
		CHECK(made > 1);
	}
	rogue_close(&r);
	/* There is still a way in for who behaves. */
	rogue_open(&r, s);
	rogue_promote(&r);
	rogue_close(&r);
}

CASE(flood_of_knocks)
{
	each(flood);
}

/* A TCP socket whose close waits for bytes to be taken that nobody takes: the last close must not be the server's to wait for. */
static int lingering_socket(struct pair *pair)
{
	static char bytes[1 << 16];

	*pair = pair_new(AF_INET);
	while (send(pair->a, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	MUST(setsockopt(pair->a, SOL_SOCKET, SO_LINGER, &(struct linger){1, 3600}, sizeof(struct linger)));
	return pair->a;
}

static void lingering(struct stage *s)
{
	for (unsigned place = 0; place < 4; place++) {
		struct pair pair;
		struct rogue r;

		rogue_open(&r, s);
		if (place < r.fd_count || place == 3) {
			int fd = lingering_socket(&pair);

			r.fds[place] = fd;
			if (place == 3)
				r.fd_count = r.fd_count == 3 ? 2 : 3; /* also a wrong number */
			if (place == 3 && r.side == 1)
				r.fds[1] = r.fds[2] = fd;
			if (place == 3 && r.side == 0)
				r.fds[1] = fd;
			rogue_speak(&r);
			/* The server's is the last copy now, or the only one once it has read the message. */
			close(fd);
			check_on_tcp(&r);
			stage_check_serves(s);
			MUST(close(pair.b));
		}
		rogue_close(&r);
	}
}

CASE(descriptors_whose_close_would_wait)
{
	each(lingering);
}

/* In each place of the message, and in one that is not as it should be. */
static void stuck(struct stage *s)
{
	pid_t server;
	int fd = stuck_open(&server);

	if (fd < 0)
		kit_skip("no file system of ours");
	for (unsigned place = 0; place < 4; place++) {
		struct rogue r;

		rogue_open(&r, s);
		if (place < r.fd_count || place == 3) {
			if (place < 3)
				r.fds[place] = fd;
			for (; place == 3 && r.fd_count < 8; r.fd_count++)
				r.fds[r.fd_count] = fd;
			rogue_speak(&r);
			check_on_tcp(&r);
			stage_check_serves(s);
		}
		rogue_close(&r);
	}
	MUST(kill(server, SIGKILL));
	kit_wait_killed(server, SIGKILL);
	close(fd);
}

CASE(descriptors_whose_close_never_ends)
{
	each(stuck);
}

/* As another user: connects, passes such a socket behind an empty message, says so, and holds the socket's other end until killed. */
static _Noreturn void throw_socket(struct rogue *r, size_t size, bool hangs_up)
{
	struct pair pair;
	int fd;

	become_other_user();
	r->un = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (connect(r->un, (struct sockaddr *)&r->name, r->name_size) == -1)
		_exit(1);
	fd = lingering_socket(&pair);
	MUST(send(r->un, "", 0, 0));
	r->fds[0] = fd;
	r->fd_count = 1;
	r->message_size = size;
	CHECK(rogue_pass(r) >= 0);
	MUST(close(fd));
	if (hangs_up)
		MUST(close(r->un));
	MUST(write(1, ".", 1));
	for (;;)
		pause();
}

static void stranger_throws(struct stage *s)
{
	for (int i = 0; i < 6; i++) {
		int64_t start = kit_now_ms();
		struct rogue r;
		bool thrown = false;

		rogue_open(&r, s);
		while (r.side == 1 && !thrown) {
			pid_t stranger;
			int said[2];
			char byte;

			CHECK(kit_now_ms() - start < 20000);
			rogue_ping(&r);
			MUST(pipe(said));
			stranger = (pid_t)MUST(fork());
			if (stranger == 0) {
				MUST(dup2(said[1], 1));
				MUST(close(said[1]));
				throw_socket(&r, (size_t)i, i & 1);
			}
			MUST(close(said[1]));
			thrown = MUST(read(said[0], &byte, 1)) == 1;
			MUST(close(said[0]));
			/* The server meets it in a step of its search, or when that ends with the connection. */
			for (int round = 0; thrown && i < 4 && round < 50; round++)
				rogue_ping(&r);
			if (thrown && i >= 4)
				rogue_close(&r);
			stage_check_serves(s);
			kill(stranger, SIGKILL);
			MUST(waitpid(stranger, NULL, 0));
		}
		if (i < 4 || r.side == 0)
			rogue_close(&r);
	}
}

CASE(stranger_passes_what_waits_in_close)
{
	if (geteuid() != 0)
		kit_skip("only root can be another user");
	each(stranger_throws);
}
