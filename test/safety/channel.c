/* Peers that keep to the rendezvous and spoil what is shared afterwards. They can garble their own connection, and nothing else. */
#include "rogue.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/un.h>

#define WORDS (sizeof(struct wire_channel) / sizeof(uint64_t))

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

/* What the rogue would have to be able to do for the rest to mean anything. */
static void behaved(struct stage *s)
{
	for (int i = 0; i < 5; i++) {
		struct rogue r;

		rogue_open(&r, s);
		rogue_promote(&r);
		for (int round = 0; round < 500; round++)
			rogue_ping(&r);
		rogue_close(&r);
	}
	stage_check_idle(s);
}

CASE(a_rogue_that_behaves)
{
	each(behaved);
}

static uint64_t garbage(uint64_t *random, unsigned i)
{
	const uint64_t values[] = {0, 1, ~0ull, 1ull << 63, 1ull << 62, 3ull << 62, 65537, 1ull << 32, ~0ull >> 2};

	return i < sizeof(values) / sizeof(values[0]) ? values[i] : kit_random(random);
}

/* Every word of the channel holds every kind of nonsense once, and stays so. */
static void at_rest(struct stage *s)
{
	uint64_t random = kit_seed();
	static struct rogue r[WORDS];

	for (unsigned value = 0; value < 10; value++) {
		for (unsigned word = 0; word < WORDS; word++) {
			rogue_open(&r[word], s);
			rogue_promote(&r[word]);
			__atomic_store_n((uint64_t *)r[word].channel + word, garbage(&random, value), __ATOMIC_SEQ_CST);
			rogue_poke(&r[word]);
		}
		if (value % 3 == 0)
			stage_check_idle(s);
		for (unsigned word = 0; word < WORDS; word++) {
			rogue_poke(&r[word]);
			rogue_close(&r[word]);
		}
	}
}

CASE(garbage_at_rest_in_every_word)
{
	each(at_rest);
}

/* Positions that are only just wrong: behind, beyond the ring, beyond the other. */
static void nearly_right(struct stage *s)
{
	static const int64_t moves[] = {-1, 1, -65536, 65535, 65536, 65537, 1 << 20, -(1 << 20)};

	for (unsigned i = 0; i < 4 * sizeof(moves) / sizeof(moves[0]); i++) {
		struct rogue r;
		uint64_t *positions[4];

		rogue_open(&r, s);
		rogue_promote(&r);
		positions[0] = &rogue_own(&r)->tail;
		positions[1] = &rogue_own(&r)->head;
		positions[2] = &rogue_peer(&r)->tail;
		positions[3] = &rogue_peer(&r)->head;
		__atomic_fetch_add(positions[i % 4], (uint64_t)moves[i / 4], __ATOMIC_SEQ_CST);
		rogue_poke(&r);
		stage_check_serves(s);
		rogue_close(&r);
	}
}

CASE(positions_that_are_nearly_right)
{
	each(nearly_right);
}

struct scribble {
	struct rogue *r;
	uint64_t random;
	bool over, links;
};

static void *scribble(void *argument)
{
	struct scribble *b = argument;
	struct wire_channel *c = b->r->channel;

	while (!__atomic_load_n(&b->over, __ATOMIC_RELAXED)) {
		uint64_t what = kit_random(&b->random), value = kit_random(&b->random);
		struct wire_side *side = &c->side[what >> 8 & 1];
		uint64_t near = __atomic_load_n(&c->side[what >> 9 & 1].tail, __ATOMIC_RELAXED);

		/* Mostly what gets past the first check: positions near the true ones. */
		switch (what % 8) {
		case 0:
			__atomic_store_n((uint64_t *)c + value % WORDS, garbage(&b->random, what >> 16 & 15),
					 __ATOMIC_RELAXED);
			break;
		case 1:
		case 2:
		case 3:
			__atomic_store_n(&side->tail, near + value % 70000, __ATOMIC_RELAXED);
			break;
		case 4:
		case 5:
			__atomic_store_n(&side->head, near - value % 70000, __ATOMIC_RELAXED);
			break;
		case 6:
			__atomic_store_n(&side->base, value, __ATOMIC_RELAXED);
			break;
		default:
			__atomic_store_n(&side->interest, value, __ATOMIC_RELAXED);
			__atomic_store_n(&side->want_space, 1, __ATOMIC_RELAXED);
		}
		if (b->links)
			__atomic_store_n((uint64_t *)b->r->link + 2 + value % (sizeof(struct wire_link) / 8 - 2), ~0ull,
					 __ATOMIC_RELAXED);
	}
	return NULL;
}

static void changing(struct stage *s)
{
	for (int i = 0; i < 10; i++) {
		struct scribble b = {.random = kit_seed() + (uint64_t)i, .links = i & 1};
		struct thread thread;
		struct rogue r;

		rogue_open(&r, s);
		rogue_promote(&r);
		b.r = &r;
		thread_start(&thread, scribble, &b);
		for (int round = 0; round < 50; round++)
			rogue_poke(&r);
		stage_check_serves(s);
		__atomic_store_n(&b.over, true, __ATOMIC_RELAXED);
		thread_join(&thread);
		rogue_close(&r);
	}
}

CASE(garbage_that_changes_while_it_is_read)
{
	each(changing);
}

/* The words that say where a direction stands, before it is in the ring. */
static void words(struct stage *s)
{
	static struct rogue r[24];

	for (unsigned i = 0; i < 24; i++) {
		const uint64_t values[] = {WORD(WIRE_COMMITTED, 0),
					   WORD(WIRE_COMMITTED, 1),
					   WORD(WIRE_COMMITTED, 1ull << 40),
					   ~0ull,
					   ~0ull << 3 | WIRE_COMMITTED,
					   WORD(WIRE_REFUSED, 77),
					   WORD(4, 0),
					   WORD(7, 12345),
					   WORD(WIRE_CONSENT, 99),
					   WORD(WIRE_CONSENT, 0),
					   1ull << 63,
					   WORD(5, 1ull << 60)};
		int64_t start = kit_now_ms();

		rogue_open(&r[i], s);
		rogue_attach(&r[i]);
		if (i < 12) {
			/* After its consent. */
			while (WORD_STATE(__atomic_load_n(rogue_out_word(&r[i]), __ATOMIC_ACQUIRE)) != WIRE_CONSENT) {
				rogue_ping(&r[i]);
				CHECK(kit_now_ms() - start < 10000);
			}
			__atomic_store_n(rogue_out_word(&r[i]), values[i], __ATOMIC_SEQ_CST);
		} else {
			__atomic_store_n(rogue_in_word(&r[i]), values[i - 12], __ATOMIC_SEQ_CST);
		}
		rogue_poke(&r[i]);
		/* Reset already, perhaps. */
		if (send(r[i].tcp, "garbage", 7, MSG_NOSIGNAL) == -1)
			CHECK(errno == ECONNRESET || errno == EPIPE);
		rogue_poke(&r[i]);
	}
	stage_check_serves(s);
	stage_check_idle(s);
	for (unsigned i = 0; i < 24; i++)
		rogue_close(&r[i]);
}

CASE(impossible_consent_and_commit)
{
	each(words);
}

/* Bytes on TCP that belong into the ring. */
static void past_the_ring(struct stage *s)
{
	struct rogue r;

	rogue_open(&r, s);
	rogue_promote(&r);
	for (int i = 0; i < 10; i++) {
		send(r.tcp, "x", 1, MSG_NOSIGNAL);
		rogue_poke(&r);
	}
	stage_check_serves(s);
	stage_check_idle(s);
	rogue_close(&r);
}

CASE(bytes_past_the_ring)
{
	each(past_the_ring);
}

static socklen_t bell_address(struct sockaddr_un *un, const uint64_t name[2])
{
	int size = sprintf(un->sun_path + 1, "rsbell-");

	for (int nibble = 0; nibble < 32; nibble++)
		un->sun_path[1 + size++] = "0123456789abcdef"[name[nibble / 16] >> nibble % 16 * 4 & 15];
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
}

static int named_socket(int type, const uint64_t name[2])
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = (int)MUST(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	MUST(bind(fd, (struct sockaddr *)&un, bell_address(&un, name)));
	return fd;
}

#define ROUNDS_RUNG 1000

/* Bells that cannot be rung: full, of another kind, nobody's; and as many of them as the words can name. */
static void bells(struct stage *s)
{
	const int types[] = {SOCK_DGRAM, SOCK_STREAM, SOCK_SEQPACKET, 0};

	for (unsigned i = 0; i < 4; i++) {
		struct rogue r;
		uint64_t name[2] = {kit_seed() + i, (uint64_t)getpid() + 1};
		int fd = types[i] ? named_socket(types[i], name) : -1;

		rogue_open(&r, s);
		rogue_promote(&r);
		/* Never emptied: ten rings fill it. */
		for (unsigned b = 0; b < BELL_COUNT; b++) {
			memcpy(r.bells->bell[b].name, name, sizeof(name));
			__atomic_store_n(&r.bells->bell[b].state, BELL_ONE_TURN * (b + 1) + 1000, __ATOMIC_SEQ_CST);
		}
		rogue_own(&r)->interest = i & 1 ? ~0ull : 0x0001ffff0400ffffull;
		rogue_own(&r)->epoll = 1;
		int64_t before = stage_cpu_ms(s->server);
		for (int round = 0; round < ROUNDS_RUNG; round++)
			rogue_ping(&r);
		/* Four thousand vain attempts a round would take ten times that. */
		CHECK(stage_cpu_ms(s->server) - before < 800);
		for (unsigned b = 0; b < BELL_COUNT; b++)
			__atomic_fetch_add(&r.bells->bell[b].state, BELL_ONE_TURN, __ATOMIC_SEQ_CST);
		rogue_ping(&r);
		stage_check_serves(s);
		if (fd >= 0)
			MUST(close(fd));
		rogue_ping(&r);
		rogue_close(&r);
	}
	stage_check_idle(s);
}

CASE(bells_that_cannot_be_rung)
{
	each(bells);
}

/* Asks for everything and takes nothing; then goes. */
static void takes_nothing(struct stage *s)
{
	for (int i = 0; i < 3; i++) {
		struct rogue r;
		int64_t start = kit_now_ms();
		uint64_t tail, before = ~0ull;

		rogue_open(&r, s);
		rogue_promote(&r);
		/* Until the server takes no more: its own ring back to us is full. */
		for (int idle = 0; idle < 20;) {
			struct wire_side *own = rogue_own(&r);
			uint64_t room = r.capacity[r.side] -
					(own->tail - __atomic_load_n(&rogue_peer(&r)->head, __ATOMIC_ACQUIRE));

			CHECK(kit_now_ms() - start < 20000);
			if (room)
				__atomic_fetch_add(&own->tail, room, __ATOMIC_SEQ_CST);
			rogue_poke(&r);
			tail = __atomic_load_n(&rogue_peer(&r)->tail, __ATOMIC_ACQUIRE);
			idle = tail == before && !room ? idle + 1 : 0;
			before = tail;
			kit_sleep_ms(2);
		}
		stage_check_serves(s);
		stage_check_idle(s);
		if (i == 1)
			MUST(shutdown(r.tcp, SHUT_WR));
		rogue_close(&r);
	}
}

CASE(a_peer_that_takes_nothing)
{
	each(takes_nothing);
}

/* Shared memory can be emptied, not cut; and what is the server's own cannot be touched. */
static void holes(struct stage *s)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const size_t bells_size = sizeof(struct wire_bells);

	for (int i = 0; i < 5; i++) {
		struct rogue r;

		rogue_open(&r, s);
		rogue_promote(&r);
		CHECK_FAILS(ftruncate(r.channel_fd, 0), EPERM);
		CHECK_FAILS(ftruncate(r.link_fd, 0), EPERM);
		CHECK_FAILS(ftruncate(r.their_bells_fd, 0), EPERM);
		CHECK_FAILS(pwrite(r.their_bells_fd, "x", 1, 0), EPERM);
		CHECK_FAILS(fallocate(r.their_bells_fd, punch, 0, 4096), EPERM);
		CHECK_FAILS(fcntl(r.their_bells_fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
		CHECK(mmap(NULL, bells_size, PROT_READ | PROT_WRITE, MAP_SHARED, r.their_bells_fd, 0) == MAP_FAILED);
		CHECK_FAILS(mprotect((void *)(uintptr_t)r.their_bells, bells_size, PROT_READ | PROT_WRITE), EACCES);
		CHECK_EQ(r.their_bells->magic, WIRE_MAGIC);
		MUST(fallocate(r.channel_fd, punch, WIRE_DATA_OFFSET, (off_t)r.channel_size - WIRE_DATA_OFFSET));
		for (int round = 0; round < 20; round++)
			rogue_ping(&r);
		MUST(fallocate(r.link_fd, punch, 0, 4096));
		MUST(fallocate(r.channel_fd, punch, 0, (off_t)r.channel_size));
		rogue_poke(&r);
		stage_check_serves(s);
		rogue_close(&r);
	}
	stage_check_idle(s);
}

CASE(holes_in_shared_memory)
{
	each(holes);
}

/* Rings that bring along a socket that waits in close; the bell's name is no secret. */
static void rings_with_descriptors(struct stage *s)
{
	static char bytes[1 << 16];
	struct pair pair = pair_new(AF_INET);
	struct rogue r;

	rogue_open(&r, s);
	rogue_promote(&r);
	while (send(pair.a, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	MUST(setsockopt(pair.a, SOL_SOCKET, SO_LINGER, &(struct linger){1, 3600}, sizeof(struct linger)));
	for (unsigned i = 0; i < BELL_COUNT; i++) {
		char control[CMSG_SPACE(sizeof(int))] = {0};
		struct iovec iov = {bytes, 1};
		struct sockaddr_un un = {.sun_family = AF_UNIX};
		struct msghdr msg = {.msg_name = &un,
				     .msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof(control)};
		int fd;

		if (!r.their_bells->bell[i].name[1])
			continue;
		msg.msg_namelen = bell_address(&un, r.their_bells->bell[i].name);
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &pair.a, sizeof(int));
		fd = (int)MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
		/* Or nobody is there any more. */
		CHECK(sendmsg(fd, &msg, MSG_NOSIGNAL) == -1 && (errno == EPERM || errno == ECONNREFUSED));
		MUST(close(fd));
	}
	for (int round = 0; round < 50; round++)
		rogue_ping(&r);
	stage_check_serves(s);
	rogue_close(&r);
	MUST(setsockopt(pair.a, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
	pair_close(&pair);
}

/* Before Linux 6.16 a socket cannot refuse descriptors. */
static bool can_refuse_descriptors(void)
{
	int fd = (int)MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), off = 0;
	bool can = setsockopt(fd, SOL_SOCKET, 83 /* SO_PASSRIGHTS */, &off, sizeof(off)) == 0;

	MUST(close(fd));
	return can;
}

CASE(rings_that_pass_what_waits_in_close)
{
	if (!can_refuse_descriptors())
		kit_skip("needs Linux 6.16");
	each(rings_with_descriptors);
}
