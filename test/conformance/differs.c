/* Where a promoted connection is known to differ from the kernel's: DIFFERS: in the sources, shown here. */
#include "kit.h"

#include <sys/resource.h>

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

static void look_for_error(void *argument)
{
	struct pollfd entry = {.fd = *(int *)argument};

	_exit(poll(&entry, 1, 200));
}

/* The queue of zero-copy completions is the process's that sent. */
CASE(zerocopy_completions_of_the_parent)
{
	struct pair pair = PAIR;

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	CHECK_EQ(send(pair.a, "x", 1, MSG_ZEROCOPY), 1);
	kit_await(pair.a, POLLERR);
	CHECK_EXITS(kit_fork(look_for_error, &pair.a), kit_expect() == EXPECT_SHM ? 0 : 1);
	CHECK(kit_revents(pair.a) & POLLERR);
	pair_close(&pair);
}

/* No page is pinned, so RLIMIT_MEMLOCK refuses none. */
CASE(zerocopy_without_locked_memory)
{
	struct pair pair = PAIR;

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}));
	/* Root may lock what it likes. */
	if (geteuid() == 0)
		MUST(seteuid(65534));
	if (kit_expect() == EXPECT_SHM)
		CHECK_EQ(send(pair.a, "x", 1, MSG_ZEROCOPY), 1);
	else
		CHECK_FAILS(send(pair.a, "x", 1, MSG_ZEROCOPY), ENOBUFS);
	pair_close(&pair);
}
