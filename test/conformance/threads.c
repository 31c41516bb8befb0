/* Threads on one connection, and descriptor numbers that travel between threads. */
#include "kit.h"

#include <stdatomic.h>

struct reader {
	int fd;
	uint64_t counts[256], total;
};

static void *tally(void *argument)
{
	struct reader *reader = argument;
	unsigned char buffer[64];
	ssize_t got;

	while ((got = MUST(recv(reader->fd, buffer, sizeof(buffer), 0))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			reader->counts[buffer[i]]++;
		reader->total += (uint64_t)got;
	}
	return NULL;
}

PEER(send_pattern)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
}

CASE(readers_get_disjoint_bytes, tiny, tcp)
{
	enum { SIZE = 500000, READERS = 3 };
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_pattern, .argument = SIZE};
	int fd = peer_start(&peer);
	static struct reader readers[READERS];
	struct thread threads[READERS];
	unsigned char *sent = malloc(SIZE);
	uint64_t counts[256] = {0}, total = 0;

	for (int i = 0; i < READERS; i++) {
		readers[i].fd = fd;
		thread_start(&threads[i], tally, &readers[i]);
	}
	for (int i = 0; i < READERS; i++) {
		thread_join(&threads[i]);
		total += readers[i].total;
		for (int k = 0; k < 256; k++)
			counts[k] += readers[i].counts[k];
	}
	CHECK_EQ(total, SIZE);
	kit_pattern(sent, SIZE, kit_seed(), 0);
	for (int i = 0; i < SIZE; i++)
		counts[sent[i]]--;
	for (int i = 0; i < 256; i++)
		CHECK_EQ(counts[i], 0);
	free(sent);
	peer_join(&peer);
	MUST(close(fd));
}

/* Writer W's bytes carry W in the top two bits and count on in the others. */
#define BYTES_EACH 100000

struct writer {
	int fd;
	unsigned number;
};

static void *write_counting(void *argument)
{
	struct writer *writer = argument;
	unsigned char buffer[700];
	uint64_t random = kit_seed() + writer->number;

	for (unsigned at = 0; at < BYTES_EACH;) {
		size_t size = 1 + kit_random_below(&random, sizeof(buffer));
		if (size > BYTES_EACH - at)
			size = BYTES_EACH - at;
		for (size_t i = 0; i < size; i++)
			buffer[i] = (unsigned char)(writer->number << 6 | ((at + i) & 63));
		kit_put(writer->fd, buffer, size);
		at += (unsigned)size;
	}
	return NULL;
}

PEER(check_counting)
{
	unsigned next[4] = {0};
	unsigned char buffer[4096];

	for (long left = argument * BYTES_EACH; left;) {
		ssize_t got = MUST(recv(fd, buffer, sizeof(buffer), 0));
		CHECK(got > 0);
		for (ssize_t i = 0; i < got; i++) {
			unsigned writer = buffer[i] >> 6;
			if ((buffer[i] & 63u) != next[writer] % 64)
				FAIL("byte %u of writer %u counts %u", next[writer], writer, buffer[i] & 63u);
			next[writer]++;
		}
		left -= got;
	}
	PUT(fd, "all");
}

CASE(writers_lose_and_repeat_nothing, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &check_counting, .argument = 4};
	int fd = peer_start(&peer);
	struct writer writers[4];
	struct thread threads[4];

	for (unsigned i = 0; i < 4; i++) {
		writers[i] = (struct writer){fd, i};
		thread_start(&threads[i], write_counting, &writers[i]);
	}
	for (int i = 0; i < 4; i++)
		thread_join(&threads[i]);
	CHECK_GETS(fd, "all");
	peer_join(&peer);
	MUST(close(fd));
}

struct call {
	int fd;
	ssize_t result;
	int error;
	char byte;
};

static void *receive_one(void *argument)
{
	struct call *call = argument;

	call->result = recv(call->fd, &call->byte, 1, 0);
	call->error = errno;
	return NULL;
}

/* The file is open while a call is in it: close takes the number away, the blocked read still gets its byte. */
CASE(close_during_a_blocked_recv)
{
	struct pair pair = PAIR;
	struct call call = {.fd = pair.b};
	struct thread thread;

	thread_start(&thread, receive_one, &call);
	thread_await_asleep(&thread);
	MUST(close(pair.b));
	CHECK_SILENT(pair.a);
	PUT(pair.a, "x");
	thread_join(&thread);
	CHECK_EQ(call.result, 1);
	CHECK_EQ(call.byte, 'x');
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

/* The number is another connection's while the old call still waits: it takes none of that one's bytes. */
CASE(number_reused_during_a_blocked_recv)
{
	struct pair pair = PAIR, other = PAIR;
	struct call call = {.fd = pair.b};
	struct thread thread;

	thread_start(&thread, receive_one, &call);
	thread_await_asleep(&thread);
	MUST(dup2(other.b, pair.b));
	PUT(other.a, "o");
	kit_sleep_ms(30);
	CHECK_GETS(pair.b, "o");
	PUT(pair.a, "x");
	thread_join(&thread);
	CHECK_EQ(call.result, 1);
	CHECK_EQ(call.byte, 'x');
	CHECK_EOF(pair.a);
	MUST(close(other.b));
	PUT(other.a, "y");
	CHECK_GETS(pair.b, "y");
	MUST(close(pair.a));
	MUST(close(pair.b));
	MUST(close(other.a));
}

static void *wait_long(void *argument)
{
	struct call *call = argument;

	call->result = poll(&(struct pollfd){.fd = call->fd, .events = POLLIN}, 1, 300);
	return NULL;
}

CASE(close_during_a_blocked_poll, tiny)
{
	struct pair pair = PAIR;
	struct call call = {.fd = pair.b, .result = -2};
	struct thread thread;

	thread_start(&thread, wait_long, &call);
	thread_await_asleep(&thread);
	MUST(close(pair.b));
	thread_join(&thread);
	CHECK(call.result == 0 || call.result == 1);
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

/* One thread reads, one writes, at both ends, one process. */
struct flow {
	int fd;
	uint64_t seed;
	size_t size;
};

static void *flow_out(void *argument)
{
	struct flow *flow = argument;

	kit_send_pattern(flow->fd, flow->size, flow->seed, 0);
	return NULL;
}

static void *flow_in(void *argument)
{
	struct flow *flow = argument;

	kit_recv_pattern(flow->fd, flow->size, flow->seed, 0);
	return NULL;
}

CASE(four_threads_at_two_ends, tiny, tcp)
{
	struct pair pair = PAIR;
	struct flow flows[4] = {{pair.a, 1, 2 * MIB}, {pair.b, 1, 2 * MIB}, {pair.b, 2, 2 * MIB}, {pair.a, 2, 2 * MIB}};
	struct thread threads[4];

	for (int i = 0; i < 4; i++)
		thread_start(&threads[i], i % 2 ? flow_in : flow_out, &flows[i]);
	for (int i = 0; i < 4; i++)
		thread_join(&threads[i]);
	CHECK_CARRIED(pair.a, 2 * MIB, 2 * MIB);
	pair_close(&pair);
}

/* The same while the connection is being promoted. */
CASE(four_threads_from_the_first_byte, tiny, tcp)
{
	struct pair pair = pair_new(AF_INET);
	struct flow flows[4] = {{pair.a, 1, 4 * MIB}, {pair.b, 1, 4 * MIB}, {pair.b, 2, 4 * MIB}, {pair.a, 2, 4 * MIB}};
	struct thread threads[4];

	for (int i = 0; i < 4; i++)
		thread_start(&threads[i], i % 2 ? flow_in : flow_out, &flows[i]);
	for (int i = 0; i < 4; i++)
		thread_join(&threads[i]);
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

/* Connections come and go in several threads, so numbers wander from one to another; each checks its own bytes. */
struct churn {
	struct sockaddr_storage address;
	uint64_t seed;
	int rounds;
};

static void *serve_churn(void *argument)
{
	int listener = *(int *)argument, fd;

	while ((fd = accept(listener, NULL, NULL)) != -1) {
		char buffer[512];
		ssize_t got;
		while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0)
			kit_put(fd, buffer, (size_t)got);
		MUST(close(fd));
	}
	return NULL;
}

static atomic_int churned_in_shm;

static void *churn(void *argument)
{
	struct churn *order = argument;
	struct rdma_carrier carrier;
	uint64_t random = order->seed;

	for (int i = 0; i < order->rounds; i++) {
		int fd = kit_connect(&order->address);
		uint64_t seed = kit_random(&random), messages = 1 + kit_random_below(&random, 12);
		for (uint64_t m = 0; m < messages; m++) {
			kit_send_pattern(fd, 50, seed, m * 50);
			kit_recv_pattern(fd, 50, seed, m * 50);
		}
		churned_in_shm += kit_carrier(fd, &carrier) && carrier.shm_send_bytes;
		if (kit_random_below(&random, 2)) {
			MUST(shutdown(fd, SHUT_WR));
			CHECK_EOF(fd);
		}
		MUST(close(fd));
	}
	return NULL;
}

CASE(numbers_wander_between_threads, tiny, tcp)
{
	struct churn orders[4];
	struct thread servers[4], clients[4];
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address);

	for (int i = 0; i < 4; i++) {
		orders[i] = (struct churn){address, kit_seed() + (uint64_t)i, 150};
		thread_start(&servers[i], serve_churn, &listener);
		thread_start(&clients[i], churn, &orders[i]);
	}
	for (int i = 0; i < 4; i++)
		thread_join(&clients[i]);
	CHECK(kit_expect() != EXPECT_SHM || churned_in_shm);
	MUST(shutdown(listener, SHUT_RDWR));
	for (int i = 0; i < 4; i++)
		thread_join(&servers[i]);
	MUST(close(listener));
}

/* One thread closes numbers under the others' feet: calls fail or work, nothing hangs, no bytes go astray. */
static atomic_bool churn_over;

static void *wait_on_whatever(void *argument)
{
	int fd = *(int *)argument;
	char byte;

	while (!churn_over) {
		poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1);
		recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
		send(fd, &byte, 0, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return NULL;
}

CASE(numbers_closed_under_other_threads, tiny, tcp)
{
	struct thread threads[2];
	int number;

	struct pair pair = PAIR;
	number = pair.b;
	churn_over = false;
	for (int i = 0; i < 2; i++)
		thread_start(&threads[i], wait_on_whatever, &number);
	for (int i = 0; i < 200; i++) {
		pair_close(&pair);
		pair = i % 2 ? PAIR : pair_new(AF_INET);
		kit_send_pattern(pair.a, 100, kit_seed(), 0);
		kit_recv_pattern(pair.b, 100, kit_seed(), 0);
	}
	churn_over = true;
	for (int i = 0; i < 2; i++)
		thread_join(&threads[i]);
	pair_close(&pair);
}

/* A pool of threads on one set, one-shot: each connection is served by one thread at a time. */
struct pool {
	int set;
	atomic_bool stop;
};

static void *pool_worker(void *argument)
{
	struct pool *pool = argument;
	struct epoll_event event;

	while (!pool->stop) {
		char buffer[256];
		ssize_t got;
		if (MUST(epoll_wait(pool->set, &event, 1, 50)) == 0)
			continue;
		int fd = (int)event.data.u64;
		while ((got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
			kit_put(fd, buffer, (size_t)got);
		if (got == 0)
			continue;
		CHECK_EQ(errno, EAGAIN);
		event.events = EPOLLIN | EPOLLONESHOT;
		MUST(epoll_ctl(pool->set, EPOLL_CTL_MOD, fd, &event));
	}
	return NULL;
}

CASE(pool_of_threads_on_one_set, tiny, tcp)
{
	enum { CONNECTIONS = 8, THREADS = 3 };
	struct pool pool = {.set = (int)MUST(epoll_create1(0))};
	struct pair pairs[CONNECTIONS];
	struct thread threads[THREADS];
	uint64_t at[CONNECTIONS] = {0}, random = kit_seed();

	for (int i = 0; i < CONNECTIONS; i++) {
		pairs[i] = PAIR;
		struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)pairs[i].b};
		MUST(epoll_ctl(pool.set, EPOLL_CTL_ADD, pairs[i].b, &event));
	}
	for (int i = 0; i < THREADS; i++)
		thread_start(&threads[i], pool_worker, &pool);
	for (int i = 0; i < 3000; i++) {
		size_t which = kit_random_below(&random, CONNECTIONS);
		kit_send_pattern(pairs[which].a, 100, kit_seed() + which, at[which]);
		kit_recv_pattern(pairs[which].a, 100, kit_seed() + which, at[which]);
		at[which] += 100;
	}
	pool.stop = true;
	for (int i = 0; i < THREADS; i++)
		thread_join(&threads[i]);
	for (int i = 0; i < CONNECTIONS; i++)
		pair_close(&pairs[i]);
	MUST(close(pool.set));
}

/* A thread ends in the middle of its connection's life; another goes on with it. */
static void *one_exchange(void *argument)
{
	struct pair *pair = argument;

	PUT(pair->a, "there");
	CHECK_GETS(pair->b, "there");
	PUT(pair->b, "back");
	CHECK_GETS(pair->a, "back");
	return NULL;
}

CASE(a_new_thread_for_each_exchange, tiny)
{
	struct pair pair = PAIR;

	for (int i = 0; i < 300; i++) {
		struct thread thread;
		thread_start(&thread, one_exchange, &pair);
		thread_join(&thread);
	}
	pair_close(&pair);
}
