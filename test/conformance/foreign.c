/* Bytes that somebody writes past libc on a promoted connection: the reader must not wait for what it can no longer put in order. */
#include "../../core/sys.h"
#include "kit.h"

static void write_past_libc(int fd)
{
	CHECK_EQ(sys_write(fd, "past!", 5), 5);
}

/* Kernel TCP has them in order; a promoted connection ends by a reset, whatever the reader is doing. */
static void ends_with(ssize_t n)
{
	if (kit_expect() == EXPECT_SHM)
		CHECK_EQ(n == -1 ? errno : 0, ECONNRESET);
	else
		CHECK_EQ(n, 5);
}

static void *receive_five(void *argument)
{
	char got[5];
	ssize_t n = recv(*(int *)argument, got, sizeof(got), MSG_WAITALL);

	ends_with(n);
	return NULL;
}

CASE(under_a_blocked_receive, tiny)
{
	struct pair pair = PAIR;
	struct thread reader;

	thread_start(&reader, receive_five, &pair.b);
	thread_await_asleep(&reader);
	write_past_libc(pair.a);
	thread_join(&reader);
	pair_close(&pair);
}

CASE(before_a_receive)
{
	struct pair pair = PAIR;

	write_past_libc(pair.a);
	receive_five(&pair.b);
	pair_close(&pair);
}

CASE(before_a_poll)
{
	struct pair pair = PAIR;
	struct pollfd wait = {.fd = pair.b, .events = POLLIN};

	write_past_libc(pair.a);
	CHECK_EQ(poll(&wait, 1, 5000), 1);
	CHECK(wait.revents & POLLIN);
	receive_five(&pair.b);
	pair_close(&pair);
}

static void before_a_set(uint32_t events)
{
	struct pair pair = PAIR;
	struct epoll_event event = {.events = EPOLLIN | events};
	int epfd = (int)MUST(epoll_create1(EPOLL_CLOEXEC));

	MUST(epoll_ctl(epfd, EPOLL_CTL_ADD, pair.b, &event));
	CHECK_EQ(epoll_wait(epfd, &event, 1, 20), 0);
	write_past_libc(pair.a);
	CHECK_EQ(epoll_wait(epfd, &event, 1, 5000), 1);
	CHECK(event.events & EPOLLIN);
	receive_five(&pair.b);
	MUST(close(epfd));
	pair_close(&pair);
}

CASE(before_a_set_of_levels)
{
	before_a_set(0);
}

CASE(before_a_set_of_edges)
{
	before_a_set(EPOLLET);
}

/* In mid-stream what follows is delivered before the hole is known, but no end of stream hides it. */
CASE(in_mid_stream)
{
	struct pair pair = PAIR;
	char got[32];
	ssize_t n, all = 0;

	PUT(pair.a, "before");
	write_past_libc(pair.a);
	PUT(pair.a, "after");
	MUST(shutdown(pair.a, SHUT_WR));
	while ((n = recv(pair.b, got, sizeof(got), 0)) > 0)
		all += n;
	if (kit_expect() == EXPECT_SHM) {
		CHECK_EQ(n, -1);
		CHECK_EQ(errno, ECONNRESET);
	} else {
		CHECK_EQ(n, 0);
		CHECK_EQ(all, 16);
	}
	pair_close(&pair);
}
