/* Placement by message: who may be at the two ends, what carries the stream, the thread that answers, and who shares a connection. */
#include "placement.h"

#include <sys/resource.h>

#define OTHER_USER 12345
#define LARGE (5 * MIB + 11)

/* --- users --- */

static void map_for_a_while(int fd, void *unused)
{
	char *bytes = buffer_new(LARGE), *copy = buffer_new(LARGE), done;

	(void)unused;
	MUST(riomap(fd, bytes, LARGE, PROT_READ | PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	kit_get(fd, &done, 1);
	CHECK_PATTERN(bytes, LARGE, 4, 0);
	/* And the other way, at the same time. */
	CHECK_EQ(rioread(fd, copy, LARGE, 7, 0), LARGE);
	CHECK_PATTERN(copy, LARGE, 5, 0);
	CHECK_EQ(riowrite(fd, bytes, 1000, 7, 0), 1000);
	CHECK_FAILS(riowrite(fd, bytes, 1, 6, 0), EFAULT);
	kit_put(fd, "d", 1);
	kit_get(fd, &done, 1);
}

static void both_ways(int fd)
{
	char *mine = buffer_new(LARGE), *theirs = buffer_new(LARGE), mapped;

	kit_pattern(mine, LARGE, 5, 0);
	MUST(riomap(fd, mine, LARGE, PROT_READ | PROT_WRITE, 0, 7));
	kit_get(fd, &mapped, 1);
	kit_pattern(theirs, LARGE, 4, 0);
	CHECK_EQ(riowrite(fd, theirs, LARGE, 0, 0), LARGE);
	PUT(fd, "d");
	kit_get(fd, &mapped, 1);
	CHECK_PATTERN(mine, 1000, 4, 0);
	CHECK_PATTERN(mine + 1000, LARGE - 1000, 5, 1000);
	memset(theirs, 0, LARGE);
	CHECK_EQ(rioread(fd, theirs, LARGE, 0, 0), LARGE);
	CHECK_PATTERN(theirs, LARGE, 4, 0);
	check_answerers(1);
	PUT(fd, "d");
	free(theirs);
}

static void become_another(void)
{
	MUST(setgid(OTHER_USER));
	MUST(setuid(OTHER_USER));
}

static void child_of_another_user(void *argument)
{
	become_another();
	child_main(argument);
}

static void two_users(const char *settings)
{
	struct child child = {.run = map_for_a_while};
	int listener, fd;
	pid_t pid;

	if (geteuid() != 0)
		kit_skip("needs root");
	setenv("RSOCKET_SET", settings, 1);
	listener = listen_maps(4, &child.address);
	pid = kit_fork(child_of_another_user, &child);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	both_ways(fd);
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

/* Also for root, who could copy: the other end may name any process, and would be believed. */
CASE(two_users)
{
	two_users("");
}

CASE(two_users_over_tcp)
{
	two_users("transport=tcp");
}

/* One user, but a process that changed it must not be traced: the kernel says no to each. */
CASE(untraceable)
{
	int fd;
	pid_t pid;

	if (geteuid() != 0)
		kit_skip("needs root");
	become_another();
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	pid = child_start(map_for_a_while, NULL, &fd);
	both_ways(fd);
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

static void child_that_copies(int fd, void *unused)
{
	char *bytes = buffer_new(LARGE), go;

	(void)unused;
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
	MUST(riomap(fd, bytes, LARGE, PROT_READ | PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	kit_get(fd, &go, 1);
	CHECK_PATTERN(bytes, LARGE, 6, 0);
	/* Nobody asks it: who may copy does, and it may not. */
	check_answerers(0);
	CHECK_EQ(riowrite(fd, bytes, LARGE, 0, 0), LARGE);
	kit_put(fd, "d", 1);
	kit_get(fd, &go, 1);
}

static void child_traceable(void *argument)
{
	MUST(prctl(PR_SET_DUMPABLE, 1));
	child_main(argument);
}

/* Each direction for itself. */
CASE(one_way_copied)
{
	struct child child = {.run = child_that_copies};
	char *bytes, *theirs, mapped;
	int listener, fd;
	pid_t pid;

	if (geteuid() != 0)
		kit_skip("needs root");
	become_another();
	bytes = buffer_new(LARGE);
	theirs = buffer_new(LARGE);
	listener = listen_maps(4, &child.address);
	pid = kit_fork(child_traceable, &child);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	MUST(riomap(fd, theirs, LARGE, PROT_WRITE, 0, 0));
	kit_get(fd, &mapped, 1);
	kit_pattern(bytes, LARGE, 6, 0);
	CHECK_EQ(riowrite(fd, bytes, LARGE, 0, 0), LARGE);
	PUT(fd, "g");
	kit_get(fd, &mapped, 1);
	CHECK_PATTERN(theirs, LARGE, 6, 0);
	check_answerers(1);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

/* --- what carries the stream --- */

static const char *reason_of(int fd)
{
	static struct rdma_carrier carrier;

	CHECK(kit_carrier(fd, &carrier));
	CHECK(carrier.send == RDMA_TRANSPORT_TCP && carrier.recv == RDMA_TRANSPORT_TCP);
	return carrier.reason_code;
}

static void stay_on_tcp(int fd, void *unused)
{
	static char bytes[64];

	(void)unused;
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	kit_promote_passive(fd);
	CHECK(strcmp(reason_of(fd), "setting") == 0);
	CHECK_EQ(bytes[0], 'x');
}

/* One end must stay: the other one learns it, and says so. */
CASE(one_end_stays_on_tcp)
{
	struct child child = {.run = stay_on_tcp};
	struct sockaddr_in *address = (struct sockaddr_in *)&child.address;
	char mapped;
	int ports[2], listener, fd;
	pid_t pid;

	/* The engine reads its settings with the first call, in each of the two for itself. */
	MUST(pipe(ports));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		setenv("RSOCKET_SET", "transport=tcp", 1);
		MUST(syscall(SYS_read, ports[0], address, sizeof(*address)));
		child_main(&child);
		_exit(0);
	}
	listener = listen_maps(4, &child.address);
	MUST(syscall(SYS_write, ports[1], address, sizeof(*address)));
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	kit_get(fd, &mapped, 1);
	CHECK_EQ(riowrite(fd, "x", 1, 0, 0), 1);
	for (int i = 0; i < 300; i++) {
		kit_put(fd, "?", 1);
		kit_get(fd, &mapped, 1);
		CHECK_EQ(mapped, 'n');
	}
	kit_put(fd, "!", 1);
	CHECK(strcmp(reason_of(fd), "peer-stays") == 0);
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

static void reason_shown(const char *setting, const char *rules, const char *reason)
{
	struct pair pair;
	char bytes[8] = "";

	setenv("KIT_EXPECT", "tcp", 1);
	if (setting)
		setenv("RSOCKET_SET", setting, 1);
	if (rules)
		setenv("RSOCKET_RULES", rules, 1);
	pair = pair_maps(1, 1);
	MUST(riomap(pair.b, bytes, 8, PROT_WRITE, 0, 0));
	CHECK_EQ(riowrite(pair.a, "ok", 3, 0, 0), 3);
	kit_promote(pair.a, pair.b);
	CHECK(strcmp(reason_of(pair.a), reason) == 0 && strcmp(reason_of(pair.b), reason) == 0);
	CHECK(strcmp(bytes, "ok") == 0);
	pair_close(&pair);
}

CASE(reason_setting)
{
	reason_shown("transport=tcp", NULL, "setting");
}

CASE(reason_rule)
{
	reason_shown(NULL, "use tcp both *:*", "rule");
}

/* A feature that only the kernel carries, asked for before the peer was found, and after. */
CASE(reason_feature)
{
	struct pair pair;
	char bytes[8] = "";

	setenv("KIT_EXPECT", "tcp", 1);
	setenv("RSOCKET_SET", "promote_after_calls=100000,rsocket_after_calls=100000", 1);
	struct sockaddr_storage address;
	int listener = listen_maps(1, &address);

	pair.a = connect_maps(1, &address);
	pair.b = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	MUST(rfcntl(pair.a, F_SETFL, (int)MUST(rfcntl(pair.a, F_GETFL, 0)) | O_ASYNC));
	await_met(&pair);
	MUST(riomap(pair.b, bytes, 8, PROT_WRITE, 0, 0));
	CHECK_EQ(riowrite(pair.a, "ok", 3, 0, 0), 3);
	CHECK(strcmp(bytes, "ok") == 0);
	CHECK(strcmp(reason_of(pair.a), "socket-feature") == 0);
	pair_close(&pair);
}

/* --- the thread --- */

CASE(no_thread_for_copies)
{
	struct pair pair = pair_maps(2, 2);
	char bytes[64];

	MUST(riomap(pair.b, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	CHECK_EQ(riowrite(pair.a, "x", 1, 0, 0), 1);
	check_answerers(0);
	pair_close(&pair);
}

static volatile sig_atomic_t caught_by;

static void on_signal(int number)
{
	(void)number;
	caught_by = (sig_atomic_t)syscall(SYS_gettid);
}

/* Made for the first map, gone with the last connection; signals and changes of user pass by. */
CASE(thread_is_invisible)
{
	sigset_t all, before = {0}, after = {0};
	struct pair pair;
	char bytes[64] = "";

	forbid_copies();
	MUST(sigprocmask(SIG_SETMASK, NULL, &before));
	for (int round = 0; round < 3; round++) {
		pair = pair_maps(2, 2);
		check_answerers(0);
		MUST(riomap(pair.b, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
		check_answerers(1);
		MUST(sigprocmask(SIG_SETMASK, NULL, &after));
		CHECK_EQ(memcmp(&before, &after, sizeof(before)), 0);
		CHECK_EQ(riowrite(pair.a, "abc", 4, 0, 0), 4);
		CHECK(strcmp(bytes, "abc") == 0);
		/* A signal for the process goes to a thread of the program, or waits for one. */
		MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL) == 0 ? 0 : -1);
		sigfillset(&all);
		MUST(sigprocmask(SIG_BLOCK, &all, NULL));
		caught_by = 0;
		MUST(kill(getpid(), SIGUSR1));
		kit_sleep_ms(20);
		CHECK_EQ(caught_by, 0);
		MUST(sigprocmask(SIG_SETMASK, &before, NULL));
		CHECK_EQ(caught_by, getpid());
		if (geteuid() == 0)
			MUST(seteuid(OTHER_USER));
		CHECK_EQ(riowrite(pair.a, "def", 4, 0, 0), 4);
		if (geteuid() == OTHER_USER)
			MUST(seteuid(0));
		pair_close(&pair);
		check_answerers(0);
	}
}

static void one_that_ends(int fd, void *unused)
{
	static char bytes[64];

	(void)unused;
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	while (*(volatile char *)bytes == 0)
		sched_yield();
	exit(0);
}

/* A program that returns from main while it has the thread. It may be gone before it has answered. */
CASE(exit_with_the_thread)
{
	char mapped;
	size_t n;

	forbid_copies();
	for (int round = 0; round < 20; round++) {
		int fd;
		pid_t pid = child_start(one_that_ends, NULL, &fd);

		kit_get(fd, &mapped, 1);
		n = riowrite(fd, "x", 1, 0, 0);
		CHECK(n == 1 || (n == (size_t)-1 && errno == ECONNRESET));
		CHECK_EXITS(pid, 0);
		MUST(rclose(fd));
	}
}

static void spare_cpu(int fd, void *unused)
{
	static char bytes[64];
	struct rusage before, after;
	char go;

	(void)unused;
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	kit_get(fd, &go, 1);
	MUST(getrusage(RUSAGE_SELF, &before));
	kit_get(fd, &go, 1);
	MUST(getrusage(RUSAGE_SELF, &after));
	CHECK(after.ru_nvcsw - before.ru_nvcsw < 20);
}

/* Idle costs nothing. */
CASE(idle_thread_sleeps)
{
	char mapped;
	int fd;
	pid_t pid;

	forbid_copies();
	pid = child_start(spare_cpu, NULL, &fd);
	kit_get(fd, &mapped, 1);
	CHECK_EQ(riowrite(fd, "x", 1, 0, 0), 1);
	PUT(fd, "g");
	kit_sleep_ms(500);
	PUT(fd, "g");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

/* --- who shares a connection --- */

#define WRITERS 6
#define STRIPE 200000

struct writer {
	struct thread thread;
	int fd, number;
	char *bytes;
};

static void *write_a_stripe(void *argument)
{
	struct writer *w = argument;
	char *mine = buffer_new(STRIPE), *back = buffer_new(STRIPE);

	for (int round = 0; round < 20; round++) {
		kit_pattern(mine, STRIPE, (uint64_t)(100 * w->number + round), 0);
		CHECK_EQ(riowrite(w->fd, mine, STRIPE, w->number * STRIPE, 0), STRIPE);
		CHECK_EQ(rioread(w->fd, back, STRIPE, w->number * STRIPE, 0), STRIPE);
		CHECK_PATTERN(back, STRIPE, (uint64_t)(100 * w->number + round), 0);
	}
	free(mine);
	free(back);
	return NULL;
}

static void map_stripes(int fd, void *unused)
{
	char *bytes = buffer_new(WRITERS * STRIPE), done;

	(void)unused;
	MUST(riomap(fd, bytes, WRITERS * STRIPE, PROT_READ | PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	kit_get(fd, &done, 1);
}

CASE(threads_of_one_process)
{
	struct writer writers[WRITERS];
	char mapped;
	int fd;
	pid_t pid;

	forbid_copies();
	pid = child_start(map_stripes, NULL, &fd);
	kit_get(fd, &mapped, 1);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){.fd = fd, .number = i};
		thread_start(&writers[i].thread, write_a_stripe, &writers[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		thread_join(&writers[i].thread);
	PUT(fd, "d");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

/* A child has no part in what its parent agreed on; what it agrees on itself works. */
CASE(fork_of_both_roles)
{
	struct pair pair, own;
	char bytes[64] = "", others[64] = "";
	pid_t pid;

	forbid_copies();
	pair = pair_maps(2, 2);
	MUST(riomap(pair.b, bytes, sizeof(bytes), PROT_READ | PROT_WRITE, 0, 0));
	CHECK_EQ(riowrite(pair.a, "parent", 7, 0, 0), 7);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		check_answerers(0);
		CHECK_FAILS(riowrite(pair.a, "child", 6, 0, 0), EOPNOTSUPP);
		CHECK_FAILS(rioread(pair.a, others, 6, 0, 0), EOPNOTSUPP);
		own = pair_maps(1, 1);
		MUST(riomap(own.b, others, sizeof(others), PROT_WRITE, 0, 0));
		check_answerers(1);
		CHECK_EQ(riowrite(own.a, "own", 4, 0, 0), 4);
		CHECK(strcmp(others, "own") == 0);
		pair_close(&own);
		pair_close(&pair);
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	CHECK(strcmp(bytes, "parent") == 0);
	CHECK_EQ(riowrite(pair.a, "still", 6, 0, 0), 6);
	CHECK(strcmp(bytes, "still") == 0);
	pair_close(&pair);
}

/* Many connections, each with maps, one thread. */
CASE(many_connections)
{
	enum { PAIRS = 40 };
	struct pair pairs[PAIRS];
	uint64_t words[PAIRS] = {0};
	uint64_t seed;

	forbid_copies();
	seed = kit_seed();
	for (int i = 0; i < PAIRS; i++) {
		pairs[i] = pair_maps(1, 1);
		MUST(riomap(pairs[i].b, &words[i], 8, PROT_READ | PROT_WRITE, 0, 0));
	}
	check_answerers(1);
	for (int i = 0; i < 2000; i++) {
		uint64_t value = kit_random(&seed);
		int k = (int)kit_random_below(&seed, PAIRS);

		CHECK_EQ(riowrite(pairs[k].a, &value, 8, 0, 0), 8);
		CHECK_EQ(words[k], value);
	}
	for (int i = 0; i < PAIRS; i++)
		pair_close(&pairs[i]);
}

/* --- a peer that is stopped: more questions than a socket holds, whose answers nobody waits for --- */

static void map_and_wait(int fd, void *shared)
{
	MUST(riomap(fd, shared, MIB, PROT_READ | PROT_WRITE, 0, 0));
	PUT(fd, "m");
	CHECK_GETS(fd, "e");
}

static void *go_on(void *pid)
{
	kit_sleep_ms(100);
	MUST(kill(*(pid_t *)pid, SIGCONT));
	return NULL;
}

CASE(impatient)
{
	char *there, *bytes = buffer_new(MIB);
	struct thread thread;
	pid_t pid;
	int fd;

	forbid_copies();
	there = shared_new(MIB);
	pid = child_start(map_and_wait, there, &fd);
	CHECK_GETS(fd, "m");
	MUST(kill(pid, SIGSTOP));
	kit_await_stopped(pid);
	kit_set_timeout(fd, SO_RCVTIMEO, 1);
	for (int i = 0; i < 600; i++)
		CHECK_FAILS(rioread(fd, bytes, 65536, 0, 0), EAGAIN);
	kit_set_timeout(fd, SO_RCVTIMEO, 0);
	kit_pattern(there, MIB, 3, 0);
	thread_start(&thread, go_on, &pid);
	CHECK_EQ(rioread(fd, bytes, MIB, 0, 0), MIB);
	CHECK_PATTERN(bytes, MIB, 3, 0);
	thread_join(&thread);
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	free(bytes);
}
