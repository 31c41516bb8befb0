/* sendfile, splice, tee and vmsplice where they meet a connection. */
#include "kit.h"

#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

/* A file of SIZE bytes of the pattern, positioned at its beginning. */
static int file_new(size_t size)
{
	int fd = (int)MUST(memfd_create("content", MFD_CLOEXEC));
	static char buffer[64 * KIB];

	for (size_t at = 0; at < size; at += sizeof(buffer)) {
		size_t part = size - at < sizeof(buffer) ? size - at : sizeof(buffer);
		kit_pattern(buffer, part, kit_seed(), at);
		CHECK_EQ(write(fd, buffer, part), part);
	}
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

CASE(sendfile_moves_the_position, tiny, tcp)
{
	struct pair pair = PAIR;
	int file = file_new(1000);

	CHECK_EQ(sendfile(pair.a, file, NULL, 100), 100);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 100);
	kit_recv_pattern(pair.b, 100, kit_seed(), 0);
	CHECK_EQ(sendfile(pair.a, file, NULL, 50), 50);
	kit_recv_pattern(pair.b, 50, kit_seed(), 100);
	pair_close(&pair);
}

CASE(sendfile_with_an_offset_leaves_the_position, tiny, tcp)
{
	struct pair pair = PAIR;
	int file = file_new(1000);
	off_t offset = 300;

	CHECK_EQ(sendfile(pair.a, file, &offset, 100), 100);
	CHECK_EQ(offset, 400);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 0);
	kit_recv_pattern(pair.b, 100, kit_seed(), 300);
	offset = 950;
	CHECK_EQ(sendfile64(pair.a, file, &offset, 100), 50);
	CHECK_EQ(offset, 1000);
	kit_recv_pattern(pair.b, 50, kit_seed(), 950);
	CHECK_EQ(sendfile(pair.a, file, &offset, 100), 0);
	CHECK_SILENT(pair.b);
	pair_close(&pair);
}

PEER(receive_all)
{
	CHECK_EQ(kit_drain_pattern(fd, kit_seed(), 0), (uint64_t)argument);
	PUT(fd, "got it");
}

static void sendfile_large(bool nonblocking)
{
	size_t size = 8 * MIB + 123;
	struct peer peer = {.party = PARTY_PROCESS, .run = &receive_all, .argument = (long)size};
	int fd = peer_start(&peer), file = file_new(size);
	off_t offset = 0;

	kit_set_nonblocking(fd, nonblocking);
	while ((size_t)offset < size) {
		off_t before = offset;
		ssize_t sent = sendfile(fd, file, &offset, size - (size_t)offset);
		if (sent == -1) {
			CHECK(nonblocking && errno == EAGAIN);
			kit_await(fd, POLLOUT);
			continue;
		}
		CHECK_EQ(offset, before + sent);
	}
	kit_set_nonblocking(fd, false);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_GETS(fd, "got it");
	CHECK_CARRIED(fd, size, 1);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(sendfile_large_file, tiny, tcp)
{
	sendfile_large(false);
}

CASE(sendfile_large_file_nonblocking, tiny)
{
	sendfile_large(true);
}

CASE(sendfile_errors, tiny)
{
	struct pair pair = PAIR;
	int file = file_new(100), writing;

	kit_fill(pair.a, kit_seed(), 0);
	kit_set_nonblocking(pair.a, true);
	CHECK_FAILS(sendfile(pair.a, file, NULL, 100), EAGAIN);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 0);
	CHECK_FAILS(sendfile(pair.a, 9999, NULL, 100), EBADF);
	CHECK_FAILS(sendfile(9999, file, NULL, 100), EBADF);
	CHECK_FAILS(sendfile(file, pair.b, NULL, 100), EINVAL);
	pair_close(&pair);
	pair = PAIR;
	MUST(writing = open("/proc/self/comm", O_WRONLY));
	CHECK_FAILS(sendfile(pair.a, writing, NULL, 100), EBADF);
	MUST(close(writing));
	MUST(shutdown(pair.a, SHUT_WR));
	signal(SIGPIPE, SIG_IGN);
	CHECK_FAILS(sendfile(pair.a, file, NULL, 100), EPIPE);
	pair_close(&pair);
}

/* The source is looked at before the connection, whatever state that is in. */
static void sources_refused(int fd)
{
	off_t offset = 0, before_it = -1;
	int ends[2], writing = (int)MUST(open("/proc/self/comm", O_WRONLY)), directory = (int)MUST(open("/", O_RDONLY)),
		     file = file_new(10);

	MUST(pipe(ends));
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_FAILS(sendfile(fd, 9999, &offset, 10), EBADF);
	CHECK_FAILS(sendfile(fd, writing, &offset, 10), EBADF);
	CHECK_FAILS(sendfile(fd, ends[0], &offset, 10), ESPIPE);
	CHECK_FAILS(sendfile(fd, fd, &offset, 10), ESPIPE);
	CHECK_FAILS(sendfile(fd, directory, &offset, 10), EINVAL);
	CHECK_FAILS(sendfile(fd, file, &before_it, 10), EINVAL);
	CHECK_EQ(offset, 0);
	MUST(close(file));
	MUST(close(directory));
	MUST(close(writing));
	MUST(close(ends[0]));
	MUST(close(ends[1]));
}

CASE(sendfile_of_what_cannot_be_read_at_an_offset, tiny, tcp)
{
	struct pair pair = PAIR;

	sources_refused(pair.a);
	kit_fill(pair.a, kit_seed(), 0);
	sources_refused(pair.a);
	kit_set_nonblocking(pair.a, true);
	sources_refused(pair.a);
	MUST(shutdown(pair.a, SHUT_WR));
	sources_refused(pair.a);
	pair_close(&pair);
}

/* As web servers send files. */
CASE(sendfile_at_an_offset_costs_one_read, ours)
{
	struct pair pair = PAIR;
	int file = file_new(100);
	off_t offset = 0;

	kit_forbid(SYS_lseek, SECCOMP_RET_ERRNO | EPERM);
	kit_forbid(SYS_fstat, SECCOMP_RET_ERRNO | EPERM);
	kit_forbid(SYS_newfstatat, SECCOMP_RET_ERRNO | EPERM);
	kit_forbid(SYS_sendfile, SECCOMP_RET_ERRNO | EPERM);
	CHECK_EQ(sendfile(pair.a, file, &offset, 100), 100);
	CHECK_EQ(offset, 100);
	kit_recv_pattern(pair.b, 100, kit_seed(), 0);
	pair_close(&pair);
}

CASE(sendfile_between_sends_keeps_the_order, tiny, tcp)
{
	struct pair pair = PAIR;
	int file = file_new(100);

	PUT(pair.a, "head");
	CHECK_EQ(send(pair.a, "more", 4, MSG_MORE), 4);
	CHECK_EQ(sendfile(pair.a, file, NULL, 100), 100);
	PUT(pair.a, "tail");
	CHECK_GETS(pair.b, "headmore");
	kit_recv_pattern(pair.b, 100, kit_seed(), 0);
	CHECK_GETS(pair.b, "tail");
	pair_close(&pair);
}

CASE(splice_from_a_pipe_to_a_connection, tiny, tcp)
{
	struct pair pair = PAIR;
	int pipes[2];

	MUST(pipe(pipes));
	CHECK_EQ(write(pipes[1], "through the pipe", 16), 16);
	CHECK_EQ(splice(pipes[0], NULL, pair.a, NULL, 100, 0), 16);
	CHECK_GETS(pair.b, "through the pipe");
	CHECK_FAILS(splice(pipes[0], NULL, pair.a, NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
	MUST(close(pipes[1]));
	CHECK_EQ(splice(pipes[0], NULL, pair.a, NULL, 100, 0), 0);
	pair_close(&pair);
}

CASE(splice_from_a_connection_to_a_pipe, tiny, tcp)
{
	struct pair pair = PAIR;
	int pipes[2];
	char got[32];

	MUST(pipe(pipes));
	/* What decides is the socket's own flag; SPLICE_F_NONBLOCK is about the pipe. */
	kit_set_nonblocking(pair.b, true);
	CHECK_FAILS(splice(pair.b, NULL, pipes[1], NULL, 100, 0), EAGAIN);
	kit_set_nonblocking(pair.b, false);
	PUT(pair.a, "abcdefgh");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(splice(pair.b, NULL, pipes[1], NULL, 3, 0), 3);
	CHECK_EQ(splice(pair.b, NULL, pipes[1], NULL, 100, 0), 5);
	CHECK_EQ(read(pipes[0], got, sizeof(got)), 8);
	CHECK_EQ(memcmp(got, "abcdefgh", 8), 0);
	MUST(shutdown(pair.a, SHUT_WR));
	kit_await(pair.b, POLLRDHUP);
	CHECK_EQ(splice(pair.b, NULL, pipes[1], NULL, 100, 0), 0);
	pair_close(&pair);
}

static void splice_to_broken_pipe(void *argument)
{
	int pipes[2];

	MUST(pipe(pipes));
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_FAILS(splice(pipes[0], NULL, *(int *)argument, NULL, 1, 0), EPIPE);
}

CASE(splice_to_a_closed_direction, tiny)
{
	struct pair pair = PAIR;

	MUST(shutdown(pair.a, SHUT_WR));
	signal(SIGPIPE, SIG_IGN);
	CHECK_EXITS(kit_fork(splice_to_broken_pipe, &pair.a), 0);
	signal(SIGPIPE, SIG_DFL);
	kit_wait_killed(kit_fork(splice_to_broken_pipe, &pair.a), SIGPIPE);
	pair_close(&pair);
}

/* A proxy that moves everything from one connection to another through a pipe. */
PEER(send_all)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
}

CASE(splice_proxy, tiny, tcp)
{
	size_t size = 2 * MIB;
	struct peer source = {.party = PARTY_PROCESS, .run = &send_all, .argument = (long)size};
	struct peer sink = {.party = PARTY_PROCESS, .run = &receive_all, .argument = (long)size};
	int from = peer_start(&source), to = peer_start(&sink), pipes[2];
	ssize_t got;

	MUST(pipe(pipes));
	while ((got = MUST(splice(from, NULL, pipes[1], NULL, 64 * KIB, SPLICE_F_MOVE))) > 0)
		while (got > 0)
			got -= (ssize_t)MUST(
				splice(pipes[0], NULL, to, NULL, (size_t)got, SPLICE_F_MOVE | SPLICE_F_MORE));
	MUST(shutdown(to, SHUT_WR));
	CHECK_GETS(to, "got it");
	peer_join(&source);
	peer_join(&sink);
	MUST(close(from));
	MUST(close(to));
}

CASE(tee_and_vmsplice_into_a_connection, tiny)
{
	struct pair pair = PAIR;
	int first[2], second[2];
	struct iovec part = {"vmspliced", 9};

	MUST(pipe(first));
	MUST(pipe(second));
	CHECK_EQ(vmsplice(first[1], &part, 1, 0), 9);
	CHECK_EQ(tee(first[0], second[1], 100, 0), 9);
	CHECK_EQ(splice(first[0], NULL, pair.a, NULL, 9, 0), 9);
	CHECK_EQ(splice(second[0], NULL, pair.a, NULL, 9, 0), 9);
	CHECK_GETS(pair.b, "vmsplicedvmspliced");
	CHECK_FAILS(tee(pair.b, second[1], 9, 0), EINVAL);
	CHECK_FAILS(vmsplice(pair.a, &part, 1, 0), EBADF);
	pair_close(&pair);
}

CASE(splice_between_two_connections_needs_a_pipe, tiny)
{
	struct pair pair = PAIR, other = PAIR;

	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	CHECK_FAILS(splice(pair.b, NULL, other.a, NULL, 1, 0), EINVAL);
	CHECK_GETS(pair.b, "x");
	pair_close(&pair);
	pair_close(&other);
}

/* Not a file, and yet it can be sent: it can be wound. */
CASE(sendfile_of_a_device, tiny, tcp)
{
	struct pair pair = PAIR;
	int zero = (int)MUST(open("/dev/zero", O_RDONLY));
	char got[100], none[100] = {0};

	CHECK_EQ(sendfile(pair.a, zero, NULL, 100), 100);
	kit_get(pair.b, got, sizeof(got));
	CHECK_EQ(memcmp(got, none, sizeof(got)), 0);
	PUT(pair.a, "then");
	CHECK_GETS(pair.b, "then");
	MUST(close(zero));
	pair_close(&pair);
}

/* sendfile into a pipe is a splice: from a connection too, on kernels that have it. */
CASE(sendfile_from_a_connection, tiny, tcp)
{
	struct pair pair = PAIR;
	int ends[2];
	char got[8];
	ssize_t n;

	MUST(pipe(ends));
	PUT(pair.a, "bytes");
	kit_await_delivered(pair.a);
	kit_await(pair.b, POLLIN);
	n = sendfile(ends[1], pair.b, NULL, 5);
	if (n == -1 && errno == EINVAL)
		kit_skip("sendfile from a socket is not known here");
	CHECK_EQ(n, 5);
	CHECK_EQ(read(ends[0], got, sizeof(got)), 5);
	CHECK_EQ(memcmp(got, "bytes", 5), 0);
	CHECK_FAILS(sendfile(pair.a, pair.b, NULL, 5), EINVAL);
	CHECK_FAILS(sendfile(pair.a, ends[0], NULL, 5), EINVAL);
	pair_close(&pair);
}

CASE(splice_refuses_what_it_does_not_know, tiny)
{
	struct pair pair = PAIR;
	int ends[2];

	MUST(pipe(ends));
	PUT(pair.a, "bytes");
	kit_await(pair.b, POLLIN);
	CHECK_FAILS(splice(pair.b, NULL, ends[1], NULL, 5, 1 << 20), EINVAL);
	CHECK_FAILS(splice(pair.b, NULL, ends[0], NULL, 5, SPLICE_F_NONBLOCK), EBADF);
	CHECK_EQ(splice(pair.b, NULL, ends[1], NULL, 0, 0), 0);
	CHECK_GETS(pair.b, "bytes");
	pair_close(&pair);
}

/* What nobody can read from the pipe any more stays in the connection. */
CASE(splice_to_a_pipe_that_nobody_reads, tiny, tcp)
{
	struct pair pair = PAIR;
	int ends[2];

	MUST(pipe(ends));
	MUST(close(ends[0]));
	signal(SIGPIPE, SIG_IGN);
	PUT(pair.a, "hello");
	kit_await(pair.b, POLLIN);
	CHECK_FAILS(splice(pair.b, NULL, ends[1], NULL, 5, 0), EPIPE);
	CHECK_GETS(pair.b, "hello");
	MUST(close(ends[1]));
	pair_close(&pair);
}

/* The other end goes where nobody of the toolkit reads it; what is sent to it goes on. */
CASE(splice_and_sendfile_after_the_other_end_went_to_0, tiny, tcp)
{
	for (int way = 0; way < 2; way++) {
		struct pair pair = PAIR;
		int ends[2], file = file_new(5);
		char bytes[5];

		MUST(pipe(ends));
		kit_pattern(bytes, sizeof(bytes), kit_seed(), 0);
		CHECK_EQ(MUST(write(ends[1], bytes, sizeof(bytes))), sizeof(bytes));
		MUST(dup2(pair.b, 0));
		if (way)
			CHECK_EQ(MUST(splice(ends[0], NULL, pair.a, NULL, sizeof(bytes), 0)), sizeof(bytes));
		else
			CHECK_EQ(MUST(sendfile(pair.a, file, NULL, sizeof(bytes))), sizeof(bytes));
		kit_recv_pattern(0, sizeof(bytes), kit_seed(), 0);
		MUST(close(file));
		MUST(close(ends[0]));
		MUST(close(ends[1]));
		pair_close(&pair);
	}
}
