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

PEER(send_and_sleep)
{
	PUT(fd, "unread");
	for (;;)
		pause();
}

/* Given to somebody else, unread bytes are sent again by who sent them: killed before, it takes them along. */
CASE(killed_before_it_sends_again)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_and_sleep};
	int fd = peer_start(&peer);
	char bytes[16];
	ssize_t got;

	kit_await(fd, POLLIN);
	kit_await_asleep(peer.pid);
	MUST(dup2(fd, 0));
	MUST(kill(peer.pid, SIGKILL));
	kit_wait_killed(peer.pid, SIGKILL);
	got = recv(fd, bytes, sizeof(bytes), 0);
	if (kit_expect() == EXPECT_SHM)
		CHECK(got == 0 || (got == -1 && errno == ECONNRESET));
	else
		CHECK_EQ(got, 6);
	MUST(close(0));
	MUST(close(fd));
}
