/* Connections with unread bytes that go where nothing of the toolkit reads them: programs, stdio, other processes. */
#include "kit.h"

#include <dlfcn.h>
#include <spawn.h>

extern char **environ;

/* ---- who gets the connection ---- */

/* argv: descriptor, offset to begin at, bytes to come, whether to say so. */
PROGRAM(read_pattern)
{
	int fd = atoi(argv[0]);

	kit_recv_pattern(fd, (size_t)atol(argv[2]), kit_seed(), (uint64_t)atol(argv[1]));
	if (atoi(argv[3]))
		kit_put(fd, "done", 4);
	return 0;
}

enum way { SPAWN, SPAWN_AS_0, VFORK, VFORK_AS_0, VFORK_AS_20, FORK, FORK_AS_0 };

#define TAKEN 1000 /* bytes that are read here before */

/* Starts PROGRAM(read_pattern) with FD as WAY has it. */
static pid_t give(int fd, enum way way, size_t length, bool plain, bool answers)
{
	posix_spawn_file_actions_t actions;
	int number = way == SPAWN || way == VFORK || way == FORK ? fd : way == VFORK_AS_20 ? 20 : 0;
	char words[3][16];
	char **argv, **envp = kit_program_envp(plain);
	pid_t pid;

	snprintf(words[0], sizeof(words[0]), "%d", number);
	snprintf(words[1], sizeof(words[1]), "%d", TAKEN);
	snprintf(words[2], sizeof(words[2]), "%zu", length - TAKEN);
	argv = kit_program_argv("read_pattern", words[0], words[1], words[2], answers ? "1" : "0");
	if (way == SPAWN || way == SPAWN_AS_0) {
		PTHREAD(posix_spawn_file_actions_init(&actions));
		if (number != fd)
			PTHREAD(posix_spawn_file_actions_adddup2(&actions, fd, number));
		PTHREAD(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, envp));
		return pid;
	}
	pid = way == FORK || way == FORK_AS_0 ? fork() : vfork();
	if (pid == 0) {
		if (number != fd && dup2(fd, number) < 0)
			_exit(3);
		execve("/proc/self/exe", argv, envp);
		_exit(4);
	}
	CHECK(pid > 0);
	return pid;
}

/* ---- what the sender does meanwhile ---- */

PEER(then_receives)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
	CHECK_GETS(fd, "done");
	CHECK_EOF(fd);
}

PEER(then_polls)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
	CHECK_EQ(MUST(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000)), 1);
	CHECK_GETS(fd, "done");
	CHECK_EOF(fd);
}

static void wait_in_epoll(int fd, uint32_t events, uint64_t length)
{
	int set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = events};

	kit_send_pattern(fd, length, kit_seed(), 0);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	CHECK_EQ(MUST(epoll_wait(set, &event, 1, 10000)), 1);
	CHECK_GETS(fd, "done");
	CHECK_EOF(fd);
}

PEER(then_waits_in_epoll)
{
	wait_in_epoll(fd, EPOLLIN, (uint64_t)argument);
}

PEER(then_waits_for_an_edge)
{
	wait_in_epoll(fd, EPOLLIN | EPOLLET, (uint64_t)argument);
}

PEER(then_computes)
{
	int64_t start;

	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
	start = kit_now_ms();
	while (kit_now_ms() - start < 300)
		;
	CHECK_GETS(fd, "done");
	CHECK_EOF(fd);
}

PEER(then_sends_more)
{
	kit_send_pattern(fd, (size_t)argument - 500, kit_seed(), 0);
	kit_sleep_ms(100);
	kit_send_pattern(fd, 500, kit_seed(), (uint64_t)argument - 500);
	CHECK_GETS(fd, "done");
	CHECK_EOF(fd);
}

PEER(then_shuts_down)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_GETS(fd, "done");
	CHECK_EOF(fd);
}

PEER(then_closes)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
}

PEER(then_exits)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
	exit(0);
}

static void hand_over(struct peer_entry *run, enum way way, size_t length, bool plain, bool keep)
{
	bool answers = run != &then_closes && run != &then_exits;
	struct peer peer = {.party = PARTY_PROCESS, .run = run, .argument = (long)length};
	int fd = peer_start(&peer);
	pid_t pid;

	kit_recv_pattern(fd, TAKEN, kit_seed(), 0);
	kit_await(fd, POLLIN);
	kit_sleep_ms(30);
	pid = give(fd, way, length, plain, answers);
	if (!keep)
		MUST(close(fd));
	CHECK_EXITS(pid, 0);
	if (keep)
		MUST(close(fd));
	peer_join(&peer);
}

#define SMALL 5000

CASE(spawned_by_number, tiny, tcp)
{
	hand_over(&then_receives, SPAWN, SMALL, false, false);
	hand_over(&then_receives, SPAWN, SMALL, true, true);
}

CASE(spawned_as_0, tiny, tcp)
{
	hand_over(&then_receives, SPAWN_AS_0, SMALL, false, false);
	hand_over(&then_polls, SPAWN_AS_0, SMALL, true, true);
}

CASE(vforked_by_number, tiny, tcp)
{
	hand_over(&then_receives, VFORK, SMALL, false, false);
	hand_over(&then_polls, VFORK, SMALL, true, true);
}

CASE(vforked_as_0, tiny, tcp)
{
	hand_over(&then_receives, VFORK_AS_0, SMALL, false, false);
	hand_over(&then_waits_in_epoll, VFORK_AS_0, SMALL, true, true);
}

CASE(vforked_as_another_number, tiny)
{
	hand_over(&then_receives, VFORK_AS_20, SMALL, false, false);
	hand_over(&then_receives, VFORK_AS_20, SMALL, true, true);
}

CASE(forked_by_number, tiny, tcp)
{
	hand_over(&then_receives, FORK, SMALL, false, false);
	hand_over(&then_waits_for_an_edge, FORK, SMALL, true, true);
}

CASE(forked_as_0, tiny, tcp)
{
	hand_over(&then_receives, FORK_AS_0, SMALL, false, false);
	hand_over(&then_computes, FORK_AS_0, SMALL, true, true);
}

CASE(sender_waits_in_epoll, tiny)
{
	hand_over(&then_waits_in_epoll, SPAWN, SMALL, true, false);
	hand_over(&then_waits_for_an_edge, SPAWN, SMALL, true, false);
}

CASE(sender_computes, tiny)
{
	hand_over(&then_computes, FORK_AS_0, SMALL, true, false);
	hand_over(&then_computes, SPAWN, SMALL, true, true);
}

CASE(sender_sends_more, tiny, tcp)
{
	hand_over(&then_sends_more, SPAWN, SMALL, true, false);
	hand_over(&then_sends_more, VFORK_AS_0, SMALL, false, true);
}

CASE(sender_shut_down, tiny, tcp)
{
	hand_over(&then_shuts_down, SPAWN, SMALL, true, false);
	hand_over(&then_shuts_down, FORK_AS_0, SMALL, true, true);
}

CASE(sender_is_gone, tiny, tcp)
{
	hand_over(&then_closes, SPAWN, SMALL, true, false);
	hand_over(&then_exits, FORK_AS_0, SMALL, true, true);
	hand_over(&then_exits, VFORK_AS_0, SMALL, false, false);
}

CASE(a_mebibyte_is_unread, tiny, tcp)
{
	hand_over(&then_receives, SPAWN, MIB, true, false);
	hand_over(&then_polls, FORK_AS_0, MIB, true, true);
	hand_over(&then_waits_for_an_edge, VFORK_AS_0, MIB, false, false);
}

CASE(a_mebibyte_of_one_that_is_gone, tiny, tcp)
{
	hand_over(&then_shuts_down, SPAWN, MIB, true, false);
	hand_over(&then_closes, VFORK, MIB, true, false);
}

/* More than TCP has room for: the sender waits for it, and goes on sending. */
CASE(more_than_fits, tiny)
{
	hand_over(&then_receives, SPAWN, 6 * MIB, true, false);
	hand_over(&then_waits_in_epoll, FORK_AS_0, 6 * MIB, true, true);
}

/* ---- without another program ---- */

CASE(stdio_reads_what_waits, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &then_receives, .argument = SMALL};
	int fd = peer_start(&peer);
	char *bytes = malloc(SMALL);
	FILE *file;

	kit_await(fd, POLLIN);
	file = fdopen(fd, "r+");
	CHECK(file != NULL);
	CHECK_EQ(fread(bytes, 1, SMALL, file), SMALL);
	CHECK_PATTERN(bytes, SMALL, kit_seed(), 0);
	CHECK_EQ(fwrite("done", 1, 4, file), 4);
	CHECK_EQ(fclose(file), 0);
	free(bytes);
	peer_join(&peer);
}

/* Both ends in one thread: nobody else could send it again. */
CASE(stdio_reads_what_waits_from_here, tcp)
{
	struct pair pair = PAIR;
	char line[32];
	FILE *file;

	PUT(pair.a, "one\ntwo\n");
	kit_await(pair.b, POLLIN);
	file = fdopen(pair.b, "r");
	CHECK(file != NULL);
	CHECK(fgets(line, sizeof(line), file) != NULL);
	CHECK_EQ(strcmp(line, "one\n"), 0);
	PUT(pair.a, "three\n");
	CHECK(fgets(line, sizeof(line), file) != NULL);
	CHECK_EQ(strcmp(line, "two\n"), 0);
	CHECK(fgets(line, sizeof(line), file) != NULL);
	CHECK_EQ(strcmp(line, "three\n"), 0);
	CHECK_EQ(fclose(file), 0);
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

static void pass(int socket, int fd)
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

static int receive(int socket)
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
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

CASE(passed_with_unread_bytes, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &then_polls, .argument = SMALL};
	int unix_pair[2], fd;
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		fd = receive(unix_pair[1]);
		kit_recv_pattern(fd, SMALL, kit_seed(), 0);
		PUT(fd, "done");
		_exit(0);
	}
	fd = peer_start(&peer);
	kit_await(fd, POLLIN);
	pass(unix_pair[0], fd);
	MUST(close(fd));
	CHECK_EXITS(pid, 0);
	peer_join(&peer);
}

/* What another thread waits for comes by TCP too, once the connection is somebody else's as well. */
static void *receive_word(void *argument)
{
	CHECK_GETS(*(int *)argument, "for the thread");
	return NULL;
}

CASE(another_thread_waits_for_it, tiny, tcp)
{
	struct pair pair = PAIR;
	struct thread thread;
	int copy;

	thread_start(&thread, receive_word, &pair.b);
	thread_await_asleep(&thread);
	copy = (int)MUST(dup2(pair.b, 0));
	PUT(pair.a, "for the thread");
	thread_join(&thread);
	MUST(close(copy));
	pair_close(&pair);
}

/* ---- at exit ---- */

PEER(says_goodbye_from_a_library)
{
	void *library = dlopen(KIT_GOODBYE, RTLD_NOW);
	void (*set)(int) = library ? (void (*)(int))dlsym(library, "goodbye_to") : NULL;

	CHECK(set != NULL);
	set((int)MUST(dup(fd)));
	PUT(fd, "hello ");
	exit(0);
}

CASE(a_librarys_destructor_writes, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &says_goodbye_from_a_library};
	int fd = peer_start(&peer);

	kit_sleep_ms(50);
	CHECK_GETS(fd, "hello goodbye and more");
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}

/* ---- epoll sets of another process ---- */

static void in_child(int set, int op, int fd, uint64_t data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		MUST(epoll_ctl(set, op, fd, &event));
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
}

static void check_data(int set, uint64_t data)
{
	struct epoll_event event;

	CHECK_EQ(MUST(epoll_wait(set, &event, 1, 2000)), 1);
	CHECK_EQ(event.data.u64, data);
	CHECK_EQ(event.events, EPOLLIN);
}

CASE(child_changes_an_epoll_set, tiny, tcp)
{
	struct pair pair = PAIR;
	int set = (int)MUST(epoll_create1(0)), other = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 3};

	MUST(epoll_ctl(other, EPOLL_CTL_ADD, pair.b, &event));
	in_child(set, EPOLL_CTL_ADD, pair.b, 7);
	CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event), EEXIST);
	PUT(pair.a, "x");
	check_data(set, 7);
	check_data(other, 3);
	in_child(set, EPOLL_CTL_MOD, pair.b, 9);
	check_data(set, 9);
	CHECK_GETS(pair.b, "x");
	CHECK_EQ(MUST(epoll_wait(set, &event, 1, 30)), 0);
	in_child(set, EPOLL_CTL_DEL, pair.b, 0);
	PUT(pair.a, "y");
	CHECK_EQ(MUST(epoll_wait(set, &event, 1, 30)), 0);
	check_data(other, 3);
	event = (struct epoll_event){.events = EPOLLIN, .data.u64 = 11};
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event));
	check_data(set, 11);
	MUST(epoll_ctl(set, EPOLL_CTL_DEL, pair.b, NULL));
	CHECK_EQ(MUST(epoll_wait(set, &event, 1, 30)), 0);
	pair_close(&pair);
}

CASE(child_takes_a_registration_over, tiny, tcp)
{
	for (int op = 0; op < 2; op++) {
		struct pair pair = PAIR;
		int set = (int)MUST(epoll_create1(0));
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = 3};

		MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event));
		PUT(pair.a, "w");
		check_data(set, 3);
		in_child(set, op ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, pair.b, 9);
		if (op)
			check_data(set, 9);
		else
			CHECK_EQ(MUST(epoll_wait(set, &event, 1, 30)), 0);
		CHECK_GETS(pair.b, "w");
		pair_close(&pair);
		MUST(close(set));
	}
}

/* Registered in a child before anything was promoted: the parent's waits would not hear of a ring. */
CASE(child_adds_a_fresh_connection, tiny, tcp)
{
	struct pair pair = pair_new(AF_INET);
	int set = (int)MUST(epoll_create1(0));

	in_child(set, EPOLL_CTL_ADD, pair.b, 7);
	for (int i = 0; i < 100; i++) {
		PUT(pair.a, "x");
		check_data(set, 7);
		CHECK_GETS(pair.b, "x");
		PUT(pair.b, "y");
		CHECK_GETS(pair.a, "y");
	}
	pair_close(&pair);
}

/* argv: descriptor, bytes to come. Answers before they have come, and when they have. */
PROGRAM(answer_twice)
{
	int fd = atoi(argv[0]);

	PUT(fd, "a");
	kit_recv_pattern(fd, (size_t)atol(argv[1]), kit_seed(), 0);
	PUT(fd, "b");
	return 0;
}

PEER(then_receives_twice)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
	CHECK_GETS(fd, "a");
	CHECK_GETS(fd, "b");
	CHECK_EOF(fd);
}

/* A sender that has still to send again what TCP had no room for, and waits for an answer. */
CASE(sender_receives_while_it_owes, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &then_receives_twice, .argument = 12 * MIB};
	int fd = peer_start(&peer);
	char words[2][16];
	pid_t pid;

	kit_await(fd, POLLIN);
	kit_sleep_ms(200);
	snprintf(words[0], sizeof(words[0]), "%d", fd);
	snprintf(words[1], sizeof(words[1]), "%d", 12 * MIB);
	PTHREAD(posix_spawn(&pid, "/proc/self/exe", NULL, NULL,
			    kit_program_argv("answer_twice", words[0], words[1], NULL, NULL), kit_program_envp(true)));
	MUST(close(fd));
	CHECK_EXITS(pid, 0);
	peer_join(&peer);
}

/* Whoever has them now does not read them, and the sender is told by what comes next. */
CASE(reset_while_bytes_are_owed)
{
	struct pair pair = PAIR;
	char byte;

	kit_fill(pair.a, kit_seed(), 0);
	MUST(dup2(pair.b, 0));
	MUST(close(pair.b));
	MUST(close(0));
	CHECK(kit_revents(pair.a) & POLLERR);
	CHECK_FAILS(recv(pair.a, &byte, 1, 0), ECONNRESET);
	MUST(close(pair.a));
}

/* ---- from a pipe ---- */

struct splicer {
	int in, out, fd;
};

static void *splice_pattern(void *argument)
{
	const struct splicer *s = argument;
	char bytes[1000];

	for (size_t at = 0; at < MIB; at += sizeof(bytes)) {
		size_t left = MIB - at < sizeof(bytes) ? MIB - at : sizeof(bytes);

		kit_pattern(bytes, left, kit_seed(), at);
		CHECK_EQ(MUST(write(s->out, bytes, left)), left);
		while (left)
			left -= (size_t)MUST(splice(s->in, NULL, s->fd, NULL, left, 0));
	}
	return NULL;
}

/* No byte is lost that was out of the pipe, and not in the connection yet. */
CASE(spliced_from_a_pipe_meanwhile, tcp)
{
	uint64_t random = kit_seed();

	for (int i = 0; i < 50; i++) {
		struct pair pair = PAIR;
		struct thread thread;
		struct splicer s = {.fd = pair.a};
		size_t before = kit_random_below(&random, MIB / 2);
		int ends[2];

		MUST(pipe(ends));
		s.in = ends[0];
		s.out = ends[1];
		thread_start(&thread, splice_pattern, &s);
		kit_recv_pattern(pair.b, before, kit_seed(), 0);
		MUST(dup2(pair.b, 0));
		kit_recv_pattern(0, MIB - before, kit_seed(), before);
		thread_join(&thread);
		MUST(close(ends[0]));
		MUST(close(ends[1]));
		pair_close(&pair);
	}
}
