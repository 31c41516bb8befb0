/* Other programs: started beside a connection, with it, and handed it by number or over a unix socket. */
#include "kit.h"

#include <spawn.h>
#include <sys/un.h>

PEER(echo)
{
	char buffer[4096];
	ssize_t got;

	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

/* The other end still answers, with COUNT rounds. */
static void check_alive(int fd, int count)
{
	static uint64_t at;

	for (int i = 0; i < count; i++, at += 100) {
		kit_send_pattern(fd, 100, kit_seed(), at);
		kit_recv_pattern(fd, 100, kit_seed(), at);
	}
}

static int echo_start(struct peer *peer)
{
	*peer = (struct peer){.party = PARTY_PROCESS, .run = &echo};
	return peer_start(peer);
}

static void echo_end(struct peer *peer, int fd)
{
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	peer_join(peer);
	MUST(close(fd));
}

/* A vfork child shares our memory, but not our descriptors: closing there must not close here. */
CASE(vfork_child_closes_descriptors, tiny, tcp)
{
	struct peer peer;
	int fd = echo_start(&peer);

	for (int i = 0; i < 10; i++) {
		pid_t pid = vfork();
		if (pid == 0) {
			for (int other = 3; other < 64; other++)
				close(other);
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		CHECK(pid > 0);
		check_alive(fd, 5);
		CHECK_EXITS(pid, 0);
		check_alive(fd, 5);
	}
	echo_end(&peer, fd);
}

CASE(vfork_child_exits, tiny)
{
	struct peer peer;
	int fd = echo_start(&peer);
	pid_t pid = vfork();

	if (pid == 0) {
		close(fd);
		_exit(7);
	}
	CHECK_EXITS(pid, 7);
	check_alive(fd, 20);
	echo_end(&peer, fd);
}

CASE(vfork_child_dups_over_a_descriptor, tiny)
{
	struct peer peer;
	int fd = echo_start(&peer);
	pid_t pid = vfork();

	if (pid == 0) {
		dup2(2, fd);
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	CHECK_EXITS(pid, 0);
	check_alive(fd, 20);
	echo_end(&peer, fd);
}

extern char **environ;

CASE(posix_spawn_with_file_actions, tiny, tcp)
{
	struct peer peer;
	int fd = echo_start(&peer);
	posix_spawn_file_actions_t actions;
	pid_t pid;

	PTHREAD(posix_spawn_file_actions_init(&actions));
	PTHREAD(posix_spawn_file_actions_addclose(&actions, fd));
	PTHREAD(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0));
	for (int i = 0; i < 5; i++) {
		PTHREAD(posix_spawn(&pid, "/bin/true", &actions, NULL, (char *[]){"true", NULL}, environ));
		check_alive(fd, 10);
		CHECK_EXITS(pid, 0);
	}
	echo_end(&peer, fd);
}

CASE(system_during_traffic, tiny, tcp)
{
	struct peer peer;
	int fd = echo_start(&peer);

	for (int i = 0; i < 5; i++) {
		check_alive(fd, 10);
		CHECK_EQ(system("exit 3"), 3 << 8);
		check_alive(fd, 10);
	}
	echo_end(&peer, fd);
}

/* A program that inherits the descriptor without knowing and lives on: the connection is not disturbed. */
CASE(inherited_unknowingly, tiny)
{
	struct peer peer;
	int fd = echo_start(&peer);

	CHECK_EQ(system("sleep 2 &"), 0);
	check_alive(fd, 500);
	CHECK_CARRIED(fd, 10000, 10000);
	check_alive(fd, 50);
	echo_end(&peer, fd);
}

CASE(popen_during_traffic, tiny)
{
	struct peer peer;
	int fd = echo_start(&peer);
	FILE *out = popen("echo hello", "r");
	char line[16];

	check_alive(fd, 50);
	CHECK(fgets(line, sizeof(line), out) != NULL);
	CHECK_EQ(strcmp(line, "hello\n"), 0);
	CHECK_EQ(pclose(out), 0);
	check_alive(fd, 50);
	echo_end(&peer, fd);
}

/* Echoes lines between descriptor argv[0] and itself until the end; argv[1] names what must come first. */
PROGRAM(echo_on)
{
	int fd = atoi(argv[0]);
	char buffer[4096];
	ssize_t got;

	kit_put(fd, "ready", 5);
	while ((got = MUST(read(fd, buffer, sizeof(buffer)))) > 0)
		kit_put(fd, buffer, (size_t)got);
	return 0;
}

/* Forks and execs PROGRAM(echo_on) with PAIR.b as NUMBER; our copy is closed. */
static pid_t exec_echo(struct pair *pair, int number, bool plain)
{
	char word[16];
	pid_t pid;

	snprintf(word, sizeof(word), "%d", number);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		MUST(close(pair->a));
		if (number != pair->b) {
			MUST(dup2(pair->b, number));
			MUST(close(pair->b));
		}
		execve("/proc/self/exe", kit_program_argv("echo_on", word, NULL, NULL, NULL), kit_program_envp(plain));
		FAIL("exec");
	}
	MUST(close(pair->b));
	pair->b = -1;
	return pid;
}

static void exec_with_connection(struct pair pair, int number, bool plain)
{
	pid_t pid = exec_echo(&pair, number == -1 ? pair.b : number, plain);

	CHECK_GETS(pair.a, "ready");
	check_alive(pair.a, 200);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EOF(pair.a);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.a));
}

CASE(exec_inherits_a_fresh_connection, tiny, tcp)
{
	exec_with_connection(pair_new(AF_INET), -1, false);
}

CASE(exec_inherits_a_promoted_connection, tiny, tcp)
{
	exec_with_connection(PAIR, -1, false);
}

CASE(exec_with_a_fresh_connection_as_0, tiny, tcp)
{
	exec_with_connection(pair_new(AF_INET), 0, false);
}

CASE(exec_with_a_promoted_connection_as_0, tiny, tcp)
{
	exec_with_connection(PAIR, 0, false);
}

CASE(exec_of_a_plain_program_with_a_fresh_connection)
{
	exec_with_connection(pair_new(AF_INET), -1, true);
}

CASE(exec_of_a_plain_program_with_a_promoted_connection)
{
	exec_with_connection(PAIR, -1, true);
}

CASE(exec_of_a_plain_program_with_a_promoted_connection_as_0)
{
	exec_with_connection(PAIR, 0, true);
}

/* What is unread when exec happens is read by the new program. */
CASE(exec_with_unread_data)
{
	struct pair pair = PAIR;
	pid_t pid;

	PUT(pair.a, "unread");
	kit_await(pair.b, POLLIN);
	pid = exec_echo(&pair, pair.b, false);
	char got[11];
	kit_get(pair.a, got, 11);
	CHECK_EQ(memcmp(got, "readyunread", 11), 0);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EOF(pair.a);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.a));
}

/* The inetd way: /bin/cat with the connection as its input and output. */
CASE(cat_serves_the_connection)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		MUST(close(pair.a));
		MUST(dup2(pair.b, 0));
		MUST(dup2(pair.b, 1));
		MUST(close(pair.b));
		execl("/bin/cat", "cat", (char *)NULL);
		FAIL("exec");
	}
	MUST(close(pair.b));
	check_alive(pair.a, 100);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EOF(pair.a);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.a));
}

CASE(close_on_exec_ends_the_connection, tiny)
{
	struct pair pair = PAIR;
	pid_t pid;

	MUST(fcntl(pair.b, F_SETFD, FD_CLOEXEC));
	MUST(fcntl(pair.a, F_SETFD, FD_CLOEXEC));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		execl("/bin/sleep", "sleep", "5", (char *)NULL);
		_exit(1);
	}
	MUST(close(pair.b));
	int64_t start = kit_now_ms();
	CHECK_EOF(pair.a);
	CHECK(kit_now_ms() - start < 3000);
	MUST(kill(pid, SIGKILL));
	kit_wait_killed(pid, SIGKILL);
	MUST(close(pair.a));
}

/* Passing by SCM_RIGHTS. */
static void fd_send(int socket, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec part = {"f", 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	CHECK_EQ(MUST(sendmsg(socket, &message, 0)), 1);
}

static int fd_receive(int socket)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int fd;

	CHECK_EQ(MUST(recvmsg(socket, &message, 0)), 1);
	CHECK_EQ(message.msg_controllen, sizeof(control));
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

static void pass(struct pair pair, bool keep)
{
	int unix_pair[2];
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair));
	/* Forked first, so it knows the connection only by what is passed. */
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		pair_close(&pair);
		int fd = fd_receive(unix_pair[1]);
		char buffer[4096];
		ssize_t got;
		kit_put(fd, "passed", 6);
		while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
			kit_put(fd, buffer, (size_t)got);
		_exit(0);
	}
	fd_send(unix_pair[0], pair.b);
	if (!keep)
		MUST(close(pair.b));
	CHECK_GETS(pair.a, "passed");
	check_alive(pair.a, 100);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EXITS(pid, 0);
	if (keep)
		MUST(close(pair.b));
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

CASE(passed_fresh, tiny, tcp)
{
	pass(pair_new(AF_INET), false);
}

CASE(passed_promoted, tiny, tcp)
{
	pass(PAIR, false);
}

CASE(passed_promoted_and_kept, tiny)
{
	pass(PAIR, true);
}

/* To a program that was started before the connection existed. */
PROGRAM(receive_and_echo)
{
	int fd = fd_receive(atoi(argv[0]));
	char buffer[4096];
	ssize_t got;

	kit_put(fd, "passed", 6);
	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
	return 0;
}

static void pass_to_program(bool promoted, bool plain)
{
	int unix_pair[2];
	char word[16];
	struct pair pair;
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair));
	snprintf(word, sizeof(word), "%d", unix_pair[1]);
	PTHREAD(posix_spawn(&pid, "/proc/self/exe", NULL, NULL,
			    kit_program_argv("receive_and_echo", word, NULL, NULL, NULL), kit_program_envp(plain)));
	pair = promoted ? PAIR : pair_new(AF_INET);
	fd_send(unix_pair[0], pair.b);
	MUST(close(pair.b));
	CHECK_GETS(pair.a, "passed");
	check_alive(pair.a, 100);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EOF(pair.a);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.a));
}

CASE(passed_fresh_to_a_program, tiny)
{
	pass_to_program(false, false);
}

CASE(passed_promoted_to_a_program, tiny)
{
	pass_to_program(true, false);
}

CASE(passed_fresh_to_a_plain_program)
{
	pass_to_program(false, true);
}

CASE(passed_promoted_to_a_plain_program)
{
	pass_to_program(true, true);
}

CASE(passed_to_itself, tiny, tcp)
{
	struct pair pair = PAIR;
	int unix_pair[2], copy;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair));
	fd_send(unix_pair[0], pair.b);
	copy = fd_receive(unix_pair[1]);
	PUT(pair.a, "by either");
	CHECK_GETS(copy, "by ");
	CHECK_GETS(pair.b, "either");
	MUST(close(pair.b));
	PUT(copy, "copy alone");
	CHECK_GETS(pair.a, "copy alone");
	MUST(close(copy));
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

/* ---- beside threads that close ---- */

static bool enough;

static void *opens_and_closes(void *unused)
{
	char bytes[1000] = "";

	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED)) {
		struct pair pair = pair_new(AF_INET);

		for (int i = 0; i < 8; i++) {
			PUT(pair.a, "x");
			CHECK_GETS(pair.b, "x");
			PUT(pair.b, "y");
			CHECK_GETS(pair.a, "y");
		}
		kit_put(pair.a, bytes, sizeof(bytes));
		kit_put(pair.b, bytes, sizeof(bytes));
		pair_close(&pair);
	}
	return unused;
}

/* Connections that vanish while they are seen to. */
CASE(spawn_while_others_close)
{
	struct thread threads[2];
	int64_t start = kit_now_ms();

	for (int i = 0; i < 2; i++)
		thread_start(&threads[i], opens_and_closes, NULL);
	while (kit_now_ms() - start < 3000) {
		pid_t pid;

		PTHREAD(posix_spawn(&pid, "/bin/true", NULL, NULL, (char *[]){"true", NULL}, kit_program_envp(true)));
		CHECK_EXITS(pid, 0);
	}
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		thread_join(&threads[i]);
}

static void exit_beside_threads(void *unused)
{
	struct thread threads[2];

	(void)unused;
	for (int i = 0; i < 2; i++)
		thread_start(&threads[i], opens_and_closes, NULL);
	kit_sleep_ms(20);
	exit(0);
}

CASE(exit_while_others_close)
{
	for (int i = 0; i < 50; i++)
		CHECK_EXITS(kit_fork(exit_beside_threads, NULL), 0);
}

static void broken_pipe_after_vfork(void *unused)
{
	struct pair pair = PAIR;
	pid_t pid = vfork();

	(void)unused;
	if (pid == 0) {
		execve("/nowhere", (char *[]){"nowhere", NULL}, NULL);
		_exit(127);
	}
	CHECK_EXITS(pid, 127);
	MUST(close(pair.b));
	kit_await(pair.a, POLLRDHUP);
	for (int i = 0; i < 10; i++)
		send(pair.a, "x", 1, 0);
	_exit(1);
}

/* It ends in its parent's memory, and its parent goes on. */
CASE(vforked_child_that_could_not_execute, tiny, tcp)
{
	pid_t pid;

	signal(SIGPIPE, SIG_DFL);
	pid = kit_fork(broken_pipe_after_vfork, NULL);
	kit_wait_killed(pid, SIGPIPE);
}
