/* Calls that libc carries out by itself, or knows by a second name. */
#include "kit.h"
#include <aio.h>
#include <sys/select.h>

extern ssize_t __read(int fd, void *buf, size_t size);
extern ssize_t __write(int fd, const void *buf, size_t size);
extern ssize_t __send(int fd, const void *buf, size_t size, int flags);
extern int __connect(int fd, const struct sockaddr *addr, socklen_t addrlen);
extern int __poll(struct pollfd *fds, nfds_t count, int timeout);
extern int __select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout);
extern int __close(int fd);
extern int __dup2(int fd, int target);
extern int __fcntl(int fd, int command, ...);
extern pid_t __fork(void);
extern int _IO_fclose(FILE *file);
extern FILE *_IO_fdopen(int fd, const char *mode);

CASE(second_names, tiny, tcp)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), copy;
	struct pair pair = {.a = (int)MUST(socket(AF_INET, SOCK_STREAM, 0))};
	struct timeval soon = {.tv_sec = 5};
	struct pollfd event;
	char byte;
	fd_set in;

	MUST(__connect(pair.a, (struct sockaddr *)&address, kit_address_length(&address)));
	pair.b = (int)MUST(accept(listener, NULL, NULL));
	kit_promote(pair.a, pair.b);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(__write(pair.a, "w", 1), 1);
		event = (struct pollfd){.fd = pair.b, .events = POLLIN};
		CHECK_EQ(__poll(&event, 1, 5000), 1);
		CHECK_EQ(event.revents, POLLIN);
		CHECK_EQ(__read(pair.b, &byte, 1), 1);
		CHECK_EQ(byte, 'w');
		CHECK_EQ(__send(pair.b, "s", 1, MSG_NOSIGNAL), 1);
		FD_ZERO(&in);
		FD_SET(pair.a, &in);
		CHECK_EQ(__select(pair.a + 1, &in, NULL, NULL, &soon), 1);
		CHECK_GETS(pair.a, "s");
	}
	CHECK_CARRIED(pair.a, 100, 100);
	copy = (int)MUST(__fcntl(pair.a, F_DUPFD_CLOEXEC, 100));
	MUST(__dup2(pair.a, copy + 1));
	MUST(__close(pair.a));
	PUT(copy, "by the first copy");
	PUT(copy + 1, ", by the second");
	CHECK_GETS(pair.b, "by the first copy, by the second");
	MUST(__close(copy));
	CHECK_SILENT(pair.b);
	MUST(__close(copy + 1));
	CHECK_EOF(pair.b);
	MUST(close(pair.b));
	MUST(close(listener));
}

CASE(fork_and_streams_by_second_names, tiny)
{
	struct pair pair = PAIR;
	pid_t child = (pid_t)MUST(__fork());
	FILE *out;

	if (child == 0) {
		PUT(pair.a, "from the child\n");
		_exit(0);
	}
	CHECK_GETS(pair.b, "from the child\n");
	CHECK_EXITS(child, 0);
	out = _IO_fdopen(pair.a, "w");
	CHECK(out != NULL);
	fprintf(out, "from the stream\n");
	CHECK_EQ(_IO_fclose(out), 0);
	CHECK_GETS(pair.b, "from the stream\n");
	CHECK_EOF(pair.b);
	MUST(close(pair.b));
}

/* Waits for REQUEST and returns its result. */
static ssize_t complete(struct aiocb *request)
{
	const struct aiocb *list[] = {request};

	while (aio_error(request) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	CHECK_EQ(aio_error(request), 0);
	return aio_return(request);
}

CASE(aio_on_a_connection, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[32] = "", answer[] = "answered by aio";
	struct aiocb in = {.aio_fildes = pair.b, .aio_buf = got, .aio_nbytes = sizeof(got)};
	struct aiocb out = {.aio_fildes = pair.b, .aio_buf = answer, .aio_nbytes = sizeof(answer) - 1};

	MUST(aio_read(&in));
	PUT(pair.a, "read by aio");
	CHECK_EQ(complete(&in), 11);
	CHECK_EQ(memcmp(got, "read by aio", 11), 0);
	MUST(aio_write(&out));
	CHECK_EQ(complete(&out), (ssize_t)sizeof(answer) - 1);
	CHECK_GETS(pair.a, "answered by aio");
	PUT(pair.b, "and by a call");
	CHECK_GETS(pair.a, "and by a call");
	pair_close(&pair);
}

CASE(list_of_aio_requests, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[32] = "", text[] = "one of a list";
	struct aiocb out = {.aio_fildes = pair.a, .aio_lio_opcode = LIO_WRITE, .aio_buf = text, .aio_nbytes = 13};
	struct aiocb in = {.aio_fildes = pair.b, .aio_lio_opcode = LIO_READ, .aio_buf = got, .aio_nbytes = 13};
	struct aiocb *list[] = {&out, NULL, &in};

	MUST(lio_listio(LIO_WAIT, list, 3, NULL));
	CHECK_EQ(aio_return(&out), 13);
	CHECK_EQ(aio_return(&in), 13);
	CHECK_EQ(memcmp(got, text, 13), 0);
	pair_close(&pair);
}

CASE(sockatmark_is_the_ioctl, tiny, tcp)
{
	struct pair pair = PAIR;

	CHECK_EQ(sockatmark(pair.b), 0);
	PUT(pair.a, "abc");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(sockatmark(pair.b), 0);
	CHECK_GETS(pair.b, "abc");
	MUST(send(pair.a, "!", 1, MSG_OOB));
	PUT(pair.a, "d");
	kit_await(pair.b, POLLPRI);
	CHECK_EQ(sockatmark(pair.b), 1);
	CHECK_FAILS(sockatmark(-1), EBADF);
	pair_close(&pair);
}

static volatile sig_atomic_t caught;

static void catch (int signal)
{
	caught = signal;
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

CASE(sigset_installs_holds_and_answers, tiny)
{
	struct pair pair = PAIR;
	struct sigaction action;

	CHECK(sigset(SIGUSR1, catch) == SIG_DFL);
	MUST(sigaction(SIGUSR1, NULL, &action));
	CHECK(action.sa_handler == catch);
	CHECK_EQ(action.sa_flags & (SA_RESTART | SA_SIGINFO), 0);
	MUST(raise(SIGUSR1));
	CHECK_EQ(caught, SIGUSR1);
	caught = 0;
	CHECK(sigset(SIGUSR1, SIG_HOLD) == catch);
	MUST(raise(SIGUSR1));
	CHECK_EQ(caught, 0);
	CHECK(sigset(SIGUSR1, catch) == SIG_HOLD);
	CHECK_EQ(caught, SIGUSR1);
	CHECK(sigset(SIGUSR1, SIG_IGN) == catch);
	CHECK(sigset(0, catch) == SIG_ERR);
	CHECK_EQ(errno, EINVAL);
	CHECK(sigset(SIGKILL, catch) == SIG_ERR);
	PUT(pair.a, "goes on");
	CHECK_GETS(pair.b, "goes on");
	pair_close(&pair);
}

/* The server answers, goes into the background, and answers from there. */
PEER(become_daemon)
{
	CHECK_GETS(fd, "one");
	PUT(fd, "two");
	MUST(daemon(1, 0));
	CHECK_GETS(fd, "three");
	PUT(fd, "four");
}

CASE(daemon_takes_its_connection_along, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &become_daemon};
	int fd = peer_start(&peer);

	PUT(fd, "one");
	CHECK_GETS(fd, "two");
	PUT(fd, "three");
	CHECK_GETS(fd, "four");
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}

/* A number below 3 that daemon gave to /dev/null is a connection's no more. */
PEER(become_daemon_with_stdin)
{
	int end = fd;

	MUST(close(0));
	CHECK_EQ(MUST(dup(end)), 0);
	MUST(daemon(1, 0));
	CHECK_EQ(read(0, &(char){0}, 1), 0);
	CHECK_FAILS(getsockopt(0, SOL_RDMA, RDMA_CARRIER, &(struct rdma_carrier){0},
			       &(socklen_t){sizeof(struct rdma_carrier)}),
		    kit_expect() == EXPECT_KERNEL ? ENOTSOCK : EOPNOTSUPP);
	PUT(end, "not on stdin");
}

CASE(daemon_replaces_stdio, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &become_daemon_with_stdin};
	int fd = peer_start(&peer);

	CHECK_GETS(fd, "not on stdin");
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}

PEER(quick)
{
	PUT(fd, "the last words");
	quick_exit(0);
}

CASE(quick_exit_ends_connections, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &quick};
	int fd = peer_start(&peer);

	CHECK_GETS(fd, "the last words");
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}
