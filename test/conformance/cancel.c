/* pthread_cancel: every waiting call is a cancellation point, and a cancelled wait takes nothing with it. */
#include "kit.h"

#include <sys/select.h>

struct waiting {
	int fd, set, call;
	int cleaned;
};

static void clean(void *argument)
{
	((struct waiting *)argument)->cleaned++;
}

static void wait_somehow(struct waiting *waiting)
{
	struct pollfd entry = {.fd = waiting->fd, .events = POLLIN};
	struct epoll_event event;
	fd_set in;
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	FD_ZERO(&in);
	FD_SET(waiting->fd, &in);
	switch (waiting->call) {
	case 0:
		recv(waiting->fd, &byte, 1, 0);
		break;
	case 1:
		read(waiting->fd, &byte, 1) == 1 ? (void)0 : (void)1;
		break;
	case 2:
		recvmsg(waiting->fd, &message, 0);
		break;
	case 3:
		poll(&entry, 1, -1);
		break;
	case 4:
		epoll_wait(waiting->set, &event, 1, -1);
		break;
	case 5:
		select(waiting->fd + 1, &in, NULL, NULL, NULL);
		break;
	default:
		readv(waiting->fd, &part, 1) == 1 ? (void)0 : (void)1;
		break;
	}
}

static void *wait_to_be_cancelled(void *argument)
{
	pthread_cleanup_push(clean, argument);
	wait_somehow(argument);
	pthread_cleanup_pop(0);
	return NULL;
}

CASE(every_waiting_call_can_be_cancelled, tiny, tcp)
{
	struct pair pair = PAIR;
	struct waiting waiting = {.fd = pair.b, .set = (int)MUST(epoll_create1(0))};
	struct epoll_event event = {.events = EPOLLIN};

	MUST(epoll_ctl(waiting.set, EPOLL_CTL_ADD, pair.b, &event));
	for (waiting.call = 0; waiting.call < 7; waiting.call++) {
		struct thread thread;
		waiting.cleaned = 0;
		thread_start(&thread, wait_to_be_cancelled, &waiting);
		thread_await_asleep(&thread);
		PTHREAD(pthread_cancel(thread.id));
		if (thread_join(&thread) != PTHREAD_CANCELED || waiting.cleaned != 1)
			FAIL("call %d was not cancelled", waiting.call);
		PUT(pair.a, "intact");
		CHECK_GETS(pair.b, "intact");
	}
	MUST(close(waiting.set));
	pair_close(&pair);
}

static void *send_to_be_cancelled(void *argument)
{
	pthread_cleanup_push(clean, argument);
	send(((struct waiting *)argument)->fd, "x", 1, 0);
	pthread_cleanup_pop(0);
	return NULL;
}

CASE(blocked_send_can_be_cancelled, tiny)
{
	struct pair pair = PAIR;
	struct waiting waiting = {.fd = pair.a};
	struct thread thread;
	uint64_t filled = kit_fill(pair.a, kit_seed(), 0);

	thread_start(&thread, send_to_be_cancelled, &waiting);
	thread_await_asleep(&thread);
	PTHREAD(pthread_cancel(thread.id));
	CHECK(thread_join(&thread) == PTHREAD_CANCELED);
	CHECK_EQ(waiting.cleaned, 1);
	kit_recv_pattern(pair.b, filled, kit_seed(), 0);
	PUT(pair.a, "intact");
	CHECK_GETS(pair.b, "intact");
	pair_close(&pair);
}

/* A cancellation that was asked for before the call acts there, even where bytes are ready, and takes none. */
static void *cancelled_before_the_call(void *argument)
{
	struct waiting *waiting = argument;

	PTHREAD(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL));
	PTHREAD(pthread_cancel(pthread_self()));
	PTHREAD(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
	return wait_to_be_cancelled(waiting);
}

CASE(pending_cancellation_acts_at_the_call, tiny)
{
	struct pair pair = PAIR;
	struct waiting waiting = {.fd = pair.b};
	struct thread thread;

	PUT(pair.a, "mine");
	kit_await(pair.b, POLLIN);
	for (waiting.call = 0; waiting.call < 4; waiting.call++) {
		waiting.cleaned = 0;
		thread_start(&thread, cancelled_before_the_call, &waiting);
		if (thread_join(&thread) != PTHREAD_CANCELED || waiting.cleaned != 1)
			FAIL("call %d was not cancelled", waiting.call);
	}
	CHECK_GETS(pair.b, "mine");
	pair_close(&pair);
}

static void *wait_uncancellable(void *argument)
{
	struct waiting *waiting = argument;
	char byte = 0;

	PTHREAD(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL));
	CHECK_EQ(recv(waiting->fd, &byte, 1, 0), 1);
	CHECK_EQ(byte, 'x');
	return NULL;
}

CASE(disabled_cancellation_waits_on, tiny)
{
	struct pair pair = PAIR;
	struct waiting waiting = {.fd = pair.b};
	struct thread thread;

	thread_start(&thread, wait_uncancellable, &waiting);
	thread_await_asleep(&thread);
	PTHREAD(pthread_cancel(thread.id));
	kit_sleep_ms(30);
	PUT(pair.a, "x");
	CHECK(thread_join(&thread) == NULL);
	pair_close(&pair);
}

struct counting {
	int fd;
	volatile uint64_t at;
	uint64_t seed;
};

static void *read_until_cancelled(void *argument)
{
	struct counting *counting = argument;

	for (;;) {
		char got[64];
		ssize_t size = recv(counting->fd, got, sizeof(got), 0);
		CHECK(size > 0);
		CHECK_PATTERN(got, (size_t)size, counting->seed, counting->at);
		counting->at += (uint64_t)size;
	}
	return NULL;
}

/* glibc may cancel just after a read that got bytes, which are then gone: at most one read's. */
static void resume_after_cancel(struct counting *counting)
{
	char got[64], want[64];

	kit_get(counting->fd, got, sizeof(got));
	for (uint64_t lost = 0; lost <= 64; lost++) {
		kit_pattern(want, sizeof(want), counting->seed, counting->at + lost);
		if (memcmp(got, want, sizeof(got)) == 0) {
			counting->at += lost + sizeof(got);
			return;
		}
	}
	FAIL("the stream does not go on near offset %llu", (unsigned long long)counting->at);
}

PEER(send_steadily)
{
	uint64_t at = 0;

	while (recv(fd, &(char){0}, 1, MSG_DONTWAIT) == -1) {
		kit_send_pattern(fd, 50, kit_seed(), at);
		at += 50;
		if (at % 500 == 0)
			kit_sleep_ms(1);
	}
}

CASE(stream_goes_on_after_a_cancelled_reader, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_steadily};
	struct counting counting = {.fd = peer_start(&peer), .seed = kit_seed()};
	uint64_t random = kit_seed();

	for (int i = 0; i < 40; i++) {
		struct thread thread;
		thread_start(&thread, read_until_cancelled, &counting);
		kit_sleep_ms((int)kit_random_below(&random, 8));
		PTHREAD(pthread_cancel(thread.id));
		CHECK(thread_join(&thread) == PTHREAD_CANCELED);
		resume_after_cancel(&counting);
	}
	PUT(counting.fd, "!");
	kit_drain_pattern(counting.fd, counting.seed, counting.at);
	peer_join(&peer);
	MUST(close(counting.fd));
}
