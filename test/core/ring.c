/* The byte ring against a model: order and integrity, ends, concurrent consumers, and words that a hostile peer writes. */
#include "ring.h"
#include "barrier.h"
#include "kit.h"

#include <limits.h>
#include <sys/mman.h>

/* A ring whose data lies between two pages that nobody may touch. */
struct fixture {
	struct wire_side *out, *in;
	uint8_t *area, *data;
	size_t area_size;
	uint64_t populated;
	struct ring producer, consumer;
};

/* START: where both positions begin. */
static void fixture_init(struct fixture *f, uint64_t capacity, uint64_t start)
{
	size_t size = capacity < 4096 ? 4096 : capacity;

	f->area_size = size + 2 * 4096;
	f->area = mmap(NULL, f->area_size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(f->area != MAP_FAILED);
	MUST(mprotect(f->area + 4096, size, PROT_READ | PROT_WRITE));
	/* A small ring ends at the forbidden page. */
	f->data = f->area + 4096 + (size - capacity);
	CHECK(!posix_memalign((void **)&f->out, 4096, 4096));
	memset(f->out, 0, 4096);
	f->in = f->out + 1;
	f->out->tail = start;
	f->out->base = start;
	f->in->head = start;
	f->populated = 0;
	f->producer = (struct ring){f->out, f->in, f->data, capacity, start, start, &f->populated, 0};
	f->consumer = (struct ring){f->out, f->in, f->data, capacity, start, start, &f->populated, 0};
}

static void fixture_fini(struct fixture *f)
{
	free(f->out);
	MUST(munmap(f->area, f->area_size));
}

static ssize_t push(struct ring *r, const void *bytes, size_t size)
{
	struct iovec part = {(void *)bytes, size};
	struct iov_walk walk;
	ssize_t pushed;

	CHECK_EQ(iov_walk_init(&walk, &part, 1), 0);
	pushed = ring_push(r, &walk);
	CHECK_EQ(walk.left, pushed > 0 ? size - (size_t)pushed : size);
	return pushed;
}

static ssize_t pull(struct ring *r, void *bytes, size_t size)
{
	struct iovec part = {bytes, size};
	struct iov_walk walk;

	CHECK_EQ(iov_walk_init(&walk, &part, 1), 0);
	return ring_pull(r, &walk, size);
}

static ssize_t peek(struct ring *r, void *bytes, size_t size)
{
	struct iovec part = {bytes, size};
	struct iov_walk walk;

	CHECK_EQ(iov_walk_init(&walk, &part, 1), 0);
	return ring_peek(r, &walk, true);
}

CASE(iov_walk_init__checks_lengths)
{
	struct iovec parts[3] = {{"a", 1}, {NULL, 0}, {"b", 1}};
	struct iovec huge[2] = {{"a", SSIZE_MAX}, {"a", 1}}, negative = {"a", (size_t)SSIZE_MAX + 1};
	struct iov_walk walk;

	CHECK_EQ(iov_walk_init(&walk, parts, 3), 0);
	CHECK_EQ(walk.left, 2);
	CHECK_EQ(iov_walk_init(&walk, parts, 0), 0);
	CHECK_EQ(walk.left, 0);
	CHECK_EQ(iov_walk_init(&walk, huge, 1), 0);
	CHECK_EQ(walk.left, IOV_BYTES_MAX);
	CHECK_EQ(iov_walk_init(&walk, huge, 2), 0);
	CHECK_EQ(walk.left, IOV_BYTES_MAX);
	CHECK_EQ(iov_walk_init(&walk, &negative, 1), -EINVAL);
	CHECK_EQ(iov_walk_init(&walk, parts, -1), -EINVAL);
	CHECK_EQ(iov_walk_init(&walk, parts, IOV_MAX + 1), -EINVAL);
}

/* Cuts SIZE bytes at random into at most 8 pieces, empty ones among them. */
static int cut(struct iovec *parts, uint8_t *bytes, size_t size, uint64_t *random)
{
	int count = 0;

	while (count < 7 && (size || kit_random_below(random, 2))) {
		size_t part = kit_random_below(random, size + 1);
		parts[count++] = (struct iovec){bytes, part};
		bytes += part;
		size -= part;
	}
	parts[count++] = (struct iovec){bytes, size};
	return count;
}

CASE(iov_copy__moves_every_byte_across_pieces)
{
	uint64_t random = kit_seed();

	for (int run = 0; run < 20000; run++) {
		uint8_t from[100], middle[100], to[100];
		size_t size = kit_random_below(&random, sizeof(from) + 1), at = 0;
		struct iovec parts[8];
		struct iov_walk walk;
		kit_pattern(from, size, random, 0);
		CHECK_EQ(iov_walk_init(&walk, parts, cut(parts, from, size, &random)), 0);
		while (at < size) {
			size_t part = 1 + kit_random_below(&random, size - at);
			if (kit_random_below(&random, 4)) {
				iov_copy_in(middle + at, &walk, part);
			} else {
				memcpy(middle + at, from + at, part);
				iov_walk_skip(&walk, part);
			}
			at += part;
			CHECK_EQ(walk.left, size - at);
		}
		CHECK_EQ(iov_walk_init(&walk, parts, cut(parts, to, size, &random)), 0);
		for (at = 0; at < size;) {
			size_t part = 1 + kit_random_below(&random, size - at);
			iov_copy_out(&walk, middle + at, part);
			at += part;
		}
		CHECK_EQ(memcmp(from, to, size), 0);
	}
}

/* Random pushes and pulls of every kind, checked against the pattern and the number of bytes there should be. */
static void check_against_model(uint64_t capacity, uint64_t start, int steps)
{
	static uint8_t buffer[256 * KIB];
	struct fixture f;
	uint64_t random = kit_seed() + capacity, in = 0, out = 0, flags;

	fixture_init(&f, capacity, start);
	for (int step = 0; step < steps; step++) {
		size_t size = 1 + kit_random_below(&random, kit_random_below(&random, 2) ? capacity : 2 * capacity);
		if (size > sizeof(buffer))
			size = sizeof(buffer);
		ssize_t moved;
		struct iovec parts[8];
		struct iov_walk walk;
		uint64_t head;
		int error;
		switch (kit_random_below(&random, 7)) {
		case 0:
		case 1:
			kit_pattern(buffer, size, 1, in);
			CHECK_EQ(iov_walk_init(&walk, parts, cut(parts, buffer, size, &random)), 0);
			moved = ring_push(&f.producer, &walk);
			if (in - out == capacity)
				CHECK_EQ(moved, -EAGAIN);
			else
				CHECK(moved > 0 && (size_t)moved <= size && (size_t)moved <= capacity - (in - out));
			in += moved > 0 ? (uint64_t)moved : 0;
			break;
		case 2: {
			size_t room = 0;
			void *place = ring_reserve(&f.producer, &room, &error);
			if (!place) {
				CHECK_EQ(error, -EAGAIN);
				CHECK_EQ(in - out, capacity);
				break;
			}
			CHECK(room > 0 && room <= capacity - (in - out));
			room = 1 + kit_random_below(&random, room);
			kit_pattern(place, room, 1, in);
			CHECK_EQ(ring_publish(&f.producer, room), 0);
			in += room;
			break;
		}
		case 3:
			moved = peek(&f.consumer, buffer, size);
			if (in == out)
				CHECK_EQ(moved, -EAGAIN);
			else
				CHECK_EQ(moved, in - out < size ? in - out : size);
			if (moved > 0)
				CHECK_PATTERN(buffer, (size_t)moved, 1, out);
			break;
		case 4: {
			size_t there = 0;
			const void *place = ring_next(&f.consumer, &there, &head, &error);
			if (!place) {
				CHECK_EQ(error, -EAGAIN);
				CHECK_EQ(in, out);
				break;
			}
			CHECK(there > 0 && there <= in - out);
			CHECK_PATTERN(place, there, 1, out);
			there = 1 + kit_random_below(&random, there);
			CHECK(ring_consume(&f.consumer, head, there));
			CHECK(!ring_consume(&f.consumer, head, there));
			out += there;
			break;
		}
		case 5:
			moved = ring_pull(&f.consumer, NULL, size);
			CHECK(in == out ? moved == -EAGAIN : moved > 0 && (size_t)moved <= size);
			out += moved > 0 ? (uint64_t)moved : 0;
			break;
		default:
			moved = pull(&f.consumer, buffer, size);
			CHECK(in == out ? moved == -EAGAIN : moved > 0 && (size_t)moved <= size);
			if (moved > 0)
				CHECK_PATTERN(buffer, (size_t)moved, 1, out);
			out += moved > 0 ? (uint64_t)moved : 0;
		}
		CHECK_EQ(ring_readable(&f.consumer, &flags), in - out);
		CHECK_EQ(flags, 0);
		CHECK_EQ(ring_writable(&f.producer), capacity - (in - out));
	}
	fixture_fini(&f);
}

CASE(ring__smallest_follows_the_model)
{
	check_against_model(64, 0, 200000);
}

CASE(ring__medium_follows_the_model)
{
	check_against_model(4096, 0, 100000);
}

CASE(ring__large_follows_the_model)
{
	check_against_model(MIB, 0, 5000);
}

CASE(ring__positions_beyond_32_bits)
{
	check_against_model(256, (1ull << 32) - 100, 50000);
	check_against_model(64 * KIB, (1ull << 40) - 12345, 20000);
}

CASE(ring_end__fin_after_the_last_byte)
{
	struct fixture f;
	char got[16];
	uint64_t flags;

	fixture_init(&f, 64, 0);
	CHECK_EQ(push(&f.producer, "last", 4), 4);
	CHECK_EQ(ring_end(&f.producer, TAIL_FIN), 4);
	CHECK_EQ(push(&f.producer, "x", 1), -EPIPE);
	CHECK_EQ(ring_readable(&f.consumer, &flags), 4);
	CHECK_EQ(flags, (intmax_t)TAIL_FIN);
	CHECK_EQ(peek(&f.consumer, got, 16), 4);
	CHECK_EQ(pull(&f.consumer, got, 16), 4);
	CHECK_EQ(pull(&f.consumer, got, 16), -EPIPE);
	CHECK_EQ(peek(&f.consumer, got, 16), -EPIPE);
	fixture_fini(&f);
}

CASE(ring_end__closed_goes_back_after_the_last_byte)
{
	struct fixture f;
	char got[16];
	size_t room;
	int error = 0;

	fixture_init(&f, 64, 0);
	CHECK_EQ(push(&f.producer, "last", 4), 4);
	ring_end(&f.consumer, TAIL_CLOSED);
	CHECK_EQ(push(&f.producer, "x", 1), -ESTALE);
	CHECK(!ring_reserve(&f.producer, &room, &error));
	CHECK_EQ(error, -ESTALE);
	CHECK_EQ(pull(&f.consumer, got, 16), 4);
	CHECK_EQ(pull(&f.consumer, got, 16), -ESTALE);
	fixture_fini(&f);
}

/* An end that comes between reserving and publishing keeps the bytes out. */
CASE(ring_publish__after_the_end_fails)
{
	struct fixture f;
	size_t room;
	int error;

	fixture_init(&f, 64, 0);
	CHECK(ring_reserve(&f.producer, &room, &error) != NULL);
	ring_end(&f.consumer, TAIL_CLOSED);
	CHECK_EQ(ring_publish(&f.producer, 10), -ESTALE);
	CHECK_EQ(pull(&f.consumer, &(char[8]){0}, 8), -ESTALE);
	fixture_fini(&f);
}

/* Exchanges that leave the ring empty stay in its first pages, however large it is. */
CASE(ring_push__drained_ring_starts_again)
{
	struct fixture f;
	static uint8_t buffer[1024];

	fixture_init(&f, 4 * MIB, 0);
	for (uint64_t at = 0; at < 64 * MIB; at += sizeof(buffer)) {
		kit_pattern(buffer, sizeof(buffer), 1, at);
		CHECK_EQ(push(&f.producer, buffer, sizeof(buffer)), sizeof(buffer));
		CHECK_EQ(pull(&f.consumer, buffer, sizeof(buffer)), sizeof(buffer));
		CHECK_PATTERN(buffer, sizeof(buffer), 1, at);
	}
	if (f.populated > 64 * KIB)
		FAIL("%llu bytes of pages for exchanges of 1 KiB", (unsigned long long)f.populated);
	fixture_fini(&f);
}

/* Threads: SHARED consumers use one struct ring as threads of a process do, the others have their own as forked siblings. */
struct flow {
	struct fixture *f;
	uint64_t total, claimed;
	uint64_t *sum; /* of the values of all claimed words */
	volatile bool *over;
	struct ring ring;
};

static size_t resident(const struct fixture *f, size_t size)
{
	unsigned char in_core[1024];
	size_t pages = 0;

	CHECK(size / 4096 <= sizeof(in_core));
	MUST(mincore(f->data, size, in_core));
	for (size_t i = 0; i < size / 4096; i++)
		pages += in_core[i] & 1;
	return pages * 4096;
}

CASE(ring_push__pages_of_a_burst_are_given_back)
{
	enum { CAPACITY = 1 << 22, BURST = 3 << 20, PIECE = 1 << 14 };
	struct fixture f;
	uint8_t *bytes = malloc(PIECE), *got = malloc(PIECE);

	fixture_init(&f, CAPACITY, 0);
	for (int round = 0; round < 2; round++) {
		memset(bytes, round + 1, PIECE);
		for (int i = 0; i < BURST / PIECE; i++)
			CHECK_EQ(push(&f.producer, bytes, PIECE), PIECE);
		CHECK(resident(&f, CAPACITY) >= BURST);
		for (int i = 0; i < BURST / PIECE; i++)
			CHECK_EQ(pull(&f.consumer, got, PIECE), PIECE);
		for (int i = 0; i < 64; i++) {
			kit_pattern(bytes, PIECE, 1, (uint64_t)i * PIECE);
			CHECK_EQ(push(&f.producer, bytes, PIECE), PIECE);
			CHECK_EQ(pull(&f.consumer, got, PIECE), PIECE);
			CHECK(memcmp(bytes, got, PIECE) == 0);
		}
		CHECK(resident(&f, CAPACITY) <= 1 << 18);
	}
	free(bytes);
	free(got);
	fixture_fini(&f);
}

static void *produce(void *argument)
{
	struct flow *flow = argument;
	uint64_t random = kit_seed();
	static uint8_t buffer[64 * KIB];

	for (uint64_t at = 0; at < flow->total;) {
		size_t size = 1 + kit_random_below(&random, 3000);
		ssize_t pushed;
		if (size > flow->total - at)
			size = flow->total - at;
		kit_pattern(buffer, size, 1, at);
		pushed = push(&flow->ring, buffer, size);
		if (pushed == -EAGAIN) {
			sched_yield();
			continue;
		}
		if (pushed < 0)
			FAIL("push: %zd", pushed);
		at += (uint64_t)pushed;
	}
	ring_end(&flow->ring, TAIL_FIN);
	return NULL;
}

static void *consume(void *argument)
{
	struct flow *flow = argument;
	uint64_t random = kit_seed() + (uintptr_t)argument;
	uint8_t buffer[4000];

	for (;;) {
		ssize_t got = pull(&flow->ring, buffer, 1 + kit_random_below(&random, sizeof(buffer)));
		if (got == -EPIPE)
			return NULL;
		if (got == -EAGAIN) {
			sched_yield();
			continue;
		}
		if (got < 0)
			FAIL("pull: %zd", got);
		for (ssize_t i = 0; i < got; i++)
			flow->sum[buffer[i]]++;
		flow->claimed += (uint64_t)got;
	}
}

static void *peek_on(void *argument)
{
	struct flow *flow = argument;
	uint8_t buffer[4000];

	while (!*flow->over) {
		uint64_t flags;
		ssize_t got = peek(&flow->ring, buffer, sizeof(buffer));
		if (got < 0 && got != -EAGAIN && got != -EPIPE)
			FAIL("peek: %zd", got);
		got = ring_readable(&flow->ring, &flags);
		if (got < 0)
			FAIL("readable: %zd", got);
	}
	return NULL;
}

static void concurrent(uint64_t capacity, uint64_t total, int consumers, bool peeker)
{
	struct fixture f;
	struct thread threads[6];
	struct flow flows[6];
	static uint64_t sums[6][256], want[256];
	volatile bool over = false;
	uint64_t claimed = 0;

	fixture_init(&f, capacity, 0);
	for (int i = 0; i < consumers + 2; i++)
		flows[i] = (struct flow){
			.f = &f, .total = total, .sum = sums[i], .over = &over, .ring = i ? f.consumer : f.producer};
	thread_start(&threads[0], produce, &flows[0]);
	for (int i = 1; i <= consumers; i++)
		thread_start(&threads[i], consume, &flows[i]);
	if (peeker)
		thread_start(&threads[consumers + 1], peek_on, &flows[consumers + 1]);
	for (int i = 0; i <= consumers; i++)
		thread_join(&threads[i]);
	over = true;
	if (peeker)
		thread_join(&threads[consumers + 1]);
	for (uint64_t at = 0; at < total; at++) {
		static uint8_t buffer[4096];
		if (at % sizeof(buffer) == 0)
			kit_pattern(buffer, sizeof(buffer), 1, at);
		want[buffer[at % sizeof(buffer)]]++;
	}
	for (int i = 1; i <= consumers; i++) {
		claimed += flows[i].claimed;
		for (int k = 0; k < 256; k++)
			want[k] -= sums[i][k];
	}
	CHECK_EQ(claimed, total);
	for (int k = 0; k < 256; k++)
		CHECK_EQ(want[k], 0);
	fixture_fini(&f);
}

CASE(ring__one_producer_one_consumer)
{
	concurrent(64 * KIB, 64 * MIB, 1, false);
}

CASE(ring__tiny_with_one_consumer)
{
	concurrent(64, 4 * MIB, 1, false);
}

CASE(ring_pull__siblings_claim_each_byte_once)
{
	concurrent(64 * KIB, 32 * MIB, 3, false);
}

CASE(ring_pull__siblings_on_a_tiny_ring)
{
	concurrent(64, 8 * MIB, 3, false);
}

CASE(ring_peek__beside_a_consumer)
{
	concurrent(256, 8 * MIB, 1, true);
}

/* Positions that make no sense are an error, and nothing outside the ring is touched. */
CASE(ring_push__head_beyond_tail)
{
	struct fixture f;

	fixture_init(&f, 64, 1000);
	for (int i = 0; i < 64; i++)
		CHECK_EQ(push(&f.producer, "x", 1), 1);
	f.in->head = 5000;
	CHECK_EQ(push(&f.producer, "x", 1), -EPROTO);
	CHECK_EQ(ring_writable(&f.producer), -EPROTO);
	fixture_fini(&f);
}

CASE(ring_pull__tail_too_far_ahead)
{
	struct fixture f;
	char got[64];
	uint64_t flags;

	fixture_init(&f, 64, 1000);
	f.out->tail = 1000 + 65;
	CHECK_EQ(pull(&f.consumer, got, sizeof(got)), -EPROTO);
	CHECK_EQ(peek(&f.consumer, got, sizeof(got)), -EPROTO);
	CHECK_EQ(ring_readable(&f.consumer, &flags), -EPROTO);
	f.out->tail = 999;
	CHECK_EQ(pull(&f.consumer, got, sizeof(got)), -EPROTO);
	fixture_fini(&f);
}

/* A peer that writes garbage into every word it can, all the time: results stay in range, no page beside the ring is touched. */
static void *write_garbage(void *argument)
{
	struct flow *flow = argument;
	uint64_t random = kit_seed() + 1;

	while (!*flow->over) {
		struct wire_side *sides[2] = {flow->f->out, flow->f->in};
		struct wire_side *side = sides[kit_random_below(&random, 2)];
		uint64_t value = kit_random(&random) >> kit_random_below(&random, 64);
		switch (kit_random_below(&random, 3)) {
		case 0:
			store_relaxed(&side->tail, value);
			break;
		case 1:
			store_relaxed(&side->head, value);
			break;
		default:
			store_relaxed(&side->base, value);
		}
	}
	return NULL;
}

CASE(ring__garbage_in_every_word)
{
	struct fixture f;
	volatile bool over = false;
	struct flow flow = {.f = &f, .over = &over};
	struct thread thread;
	uint8_t buffer[1000];
	int64_t start = kit_now_ms();

	fixture_init(&f, 256, 0);
	thread_start(&thread, write_garbage, &flow);
	while (kit_now_ms() - start < 2000) {
		size_t size = 0;
		uint64_t head, flags;
		int error;
		ssize_t moved = push(&f.producer, buffer, sizeof(buffer));
		CHECK(moved <= 256);
		memset(buffer, 7, sizeof(buffer));
		moved = pull(&f.consumer, buffer, 100);
		CHECK(moved <= 100);
		for (size_t i = 100; i < sizeof(buffer); i++)
			CHECK_EQ(buffer[i], 7);
		CHECK(peek(&f.consumer, buffer, sizeof(buffer)) <= 256);
		CHECK(ring_readable(&f.consumer, &flags) <= 256);
		CHECK(ring_writable(&f.producer) <= 256);
		const uint8_t *next = ring_next(&f.consumer, &size, &head, &error);
		CHECK(!next || (next >= f.data && next + size <= f.data + 256));
		uint8_t *place = ring_reserve(&f.producer, &size, &error);
		CHECK(!place || (place >= f.data && place + size <= f.data + 256));
	}
	over = true;
	thread_join(&thread);
	fixture_fini(&f);
}
