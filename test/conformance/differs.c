/* Where a promoted connection is known to differ from the kernel's: DIFFERS: in the sources, shown here. */
#include "kit.h"

#include <linux/errqueue.h>
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

/* The address of a stream's send means nothing, but the kernel copies it before it says so. */
CASE(address_in_no_memory)
{
	struct pair pair = PAIR;
	void *gone = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t n;

	CHECK(gone != MAP_FAILED);
	MUST(munmap(gone, 4096));
	n = sendto(pair.a, "x", 1, 0, gone, sizeof(struct sockaddr_in));
	if (kit_expect() == EXPECT_SHM) {
		CHECK_EQ(n, 1);
		CHECK_GETS(pair.b, "x");
	} else {
		CHECK_EQ(n, -1);
		CHECK_EQ(errno, EFAULT);
	}
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

/* Another number for FD, got by SCM_RIGHTS. */
static int pass_to_self(int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = "", byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int ends[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	*head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	MUST(sendmsg(ends[0], &message, 0));
	MUST(recvmsg(ends[1], &message, 0));
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	MUST(close(ends[0]));
	MUST(close(ends[1]));
	return fd;
}

/* The kernel counts for whoever got the descriptor, and has missed some. */
CASE(zerocopy_numbers_of_a_passed_descriptor)
{
	struct pair pair = PAIR;
	char control[128], got[8];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct sock_extended_err notice;
	int passed;

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(send(pair.a, "zerocopy", 8, MSG_ZEROCOPY), 8);
		kit_get(pair.b, got, 8);
		kit_await(pair.a, POLLERR);
		CHECK_EQ(recv(pair.a, got, 1, MSG_ERRQUEUE), 0);
	}
	passed = pass_to_self(pair.a);
	MUST(close(pair.a));
	pair.a = passed;
	CHECK_EQ(send(pair.a, "zerocopy", 8, MSG_ZEROCOPY), 8);
	kit_get(pair.b, got, 8);
	kit_await(pair.a, POLLERR);
	CHECK_EQ(MUST(recvmsg(pair.a, &message, MSG_ERRQUEUE)), 0);
	memcpy(&notice, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(notice));
	CHECK_EQ(notice.ee_data, kit_expect() == EXPECT_SHM ? 0 : 2);
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
