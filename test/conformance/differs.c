/* Where a promoted connection is known to differ from the kernel's: DIFFERS: in the sources, shown here. */
#include "kit.h"

static void read_to_nowhere(void *argument)
{
	volatile uintptr_t nowhere = 16;

	MUST(close(STDERR_FILENO));
	if (recv(*(int *)argument, (void *)nowhere, 1, 0) == -1 && errno == EFAULT)
		_exit(3);
	_exit(1);
}

/* A bad pointer is EFAULT to the kernel and a segmentation fault to a program that copies for itself. */
CASE(bad_pointer)
{
	struct pair pair = PAIR;
	pid_t pid;

	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	pid = kit_fork(read_to_nowhere, &pair.b);
	if (kit_expect() == EXPECT_SHM)
		kit_wait_killed(pid, SIGSEGV);
	else
		CHECK_EXITS(pid, 3);
	pair_close(&pair);
}

/* What is in the ring is delivered as far as SIOCOUTQ can tell. */
CASE(siocoutq_of_unread_bytes)
{
	struct pair pair = PAIR;
	int unsent = -1;

	kit_fill(pair.a, kit_seed(), 0);
	MUST(ioctl(pair.a, TIOCOUTQ, &unsent));
	if (kit_expect() == EXPECT_SHM)
		CHECK_EQ(unsent, 0);
	else
		CHECK(unsent > 0);
	pair_close(&pair);
}

static unsigned since_last_data(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	MUST(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
	return info.tcpi_last_data_sent;
}

/* TCP_INFO tells what TCP carried. */
CASE(tcp_info_of_promoted_bytes)
{
	struct pair pair = PAIR;
	unsigned since;
	int64_t start;

	kit_sleep_ms(1000);
	start = kit_now_ms();
	PUT(pair.a, "x");
	since = since_last_data(pair.a);
	if (kit_expect() == EXPECT_SHM)
		CHECK(since >= 900);
	else
		CHECK(since <= kit_now_ms() - start + 20);
	CHECK_GETS(pair.b, "x");
	pair_close(&pair);
}
