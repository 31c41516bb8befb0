/* Direct data placement: riomap, riounmap, riowrite, rioread. Every rule of a map, and what a peer can do to break them. */
#include "kit.h"

#include "placement.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define SIZE (3 * MIB + 17)

CASE(write_lands_and_read_fetches)
{
	struct pair pair = pair_maps(2, 2);
	char *theirs = buffer_new(SIZE), *ours = buffer_new(SIZE), *back = buffer_new(SIZE);

	CHECK_EQ(riomap(pair.b, theirs, SIZE, PROT_READ | PROT_WRITE, 0, 4096), 4096);
	kit_pattern(ours, SIZE, 1, 0);
	CHECK_EQ(riowrite(pair.a, ours, SIZE, 4096, 0), SIZE);
	CHECK_PATTERN(theirs, SIZE, 1, 0);
	CHECK_EQ(rioread(pair.a, back, SIZE, 4096, 0), SIZE);
	CHECK_PATTERN(back, SIZE, 1, 0);
	/* A part, and one byte. */
	kit_pattern(ours, 1000, 2, 0);
	CHECK_EQ(riowrite(pair.a, ours, 1000, 4096 + 5000, 0), 1000);
	CHECK_PATTERN(theirs + 5000, 1000, 2, 0);
	CHECK_PATTERN(theirs, 5000, 1, 0);
	CHECK_PATTERN(theirs + 6000, SIZE - 6000, 1, 6000);
	CHECK_EQ(riowrite(pair.a, "x", 1, 4096 + SIZE - 1, 0), 1);
	CHECK_EQ(theirs[SIZE - 1], 'x');
	CHECK_EQ(riowrite(pair.a, ours, 0, 4096, 0), 0);
	MUST(riounmap(pair.b, theirs, SIZE));
	pair_close(&pair);
	free(theirs);
	free(ours);
	free(back);
}

CASE(both_ways_at_once)
{
	struct pair pair = pair_maps(1, 1);
	char a[100] = "", b[100] = "";

	MUST(riomap(pair.a, a, sizeof(a), PROT_WRITE, 0, 0));
	MUST(riomap(pair.b, b, sizeof(b), PROT_WRITE, 0, 0));
	CHECK_EQ(riowrite(pair.a, "to b", 5, 0, 0), 5);
	CHECK_EQ(riowrite(pair.b, "to a", 5, 50, 0), 5);
	CHECK(strcmp(b, "to b") == 0 && strcmp(a + 50, "to a") == 0 && a[0] == 0);
	pair_close(&pair);
}

CASE(offset_of_our_choice)
{
	struct pair pair = pair_maps(2, 2);
	char buffer[64] = "";
	off_t offset = MUST(riomap(pair.b, buffer, sizeof(buffer), PROT_WRITE, 0, -1));

	CHECK_EQ(offset, (off_t)(uintptr_t)buffer);
	CHECK_EQ(riowrite(pair.a, "abc", 4, offset + 8, 0), 4);
	CHECK(strcmp(buffer + 8, "abc") == 0);
	pair_close(&pair);
}

CASE(bounds)
{
	struct pair pair = pair_maps(8, 8);
	char *all = buffer_new(300), ours[300];

	memset(ours, 'n', sizeof(ours));
	MUST(riomap(pair.b, all + 100, 100, PROT_WRITE, 0, 1000));
	/* Up to the end of the map, and not a byte around it. */
	CHECK_EQ(riowrite(pair.a, ours, sizeof(ours), 1000, 0), 100);
	CHECK_EQ(riowrite(pair.a, ours, sizeof(ours), 1099, 0), 1);
	CHECK_FAILS(riowrite(pair.a, ours, 1, 1100, 0), EFAULT);
	CHECK_FAILS(riowrite(pair.a, ours, 2, 999, 0), EFAULT);
	CHECK_FAILS(riowrite(pair.a, ours, 1, 0, 0), EFAULT);
	CHECK_FAILS(riowrite(pair.a, ours, 1, -1, 0), EINVAL);
	CHECK_FAILS(riowrite(pair.a, ours, (size_t)1 << 62, INT64_MAX - 10, 0), EINVAL);
	CHECK_FAILS(riowrite(pair.a, ours, 1, INT64_MAX - 1, 0), EFAULT);
	for (int i = 0; i < 100; i++)
		CHECK(all[i] == 0 && all[100 + i] == 'n' && all[200 + i] == 0);
	/* A neighbour continues it, whatever memory that is. */
	MUST(riomap(pair.b, all, 50, PROT_WRITE, 0, 1100));
	memset(ours, 'm', sizeof(ours));
	CHECK_EQ(riowrite(pair.a, ours, sizeof(ours), 1090, 0), 60);
	CHECK(all[189] == 'n' && all[190] == 'm' && all[199] == 'm' && all[0] == 'm' && all[49] == 'm' && all[50] == 0);
	CHECK_FAILS(riomap(pair.b, all, 0, PROT_WRITE, 0, 0), EINVAL);
	CHECK_FAILS(riomap(pair.b, all, 1, PROT_WRITE, 0, -2), EINVAL);
	CHECK_FAILS(riomap(pair.b, all, 100, PROT_WRITE, 0, INT64_MAX - 5), EINVAL);
	MUST(riomap(pair.b, all + 200, 100, PROT_WRITE, 0, INT64_MAX - 100));
	CHECK_EQ(riowrite(pair.a, ours, 100, INT64_MAX - 100, 0), 100);
	pair_close(&pair);
	free(all);
}

CASE(permissions)
{
	struct pair pair = pair_maps(8, 8);
	char in[16] = "", out[16] = "secret", none[16] = "", ours[16] = "mine";

	MUST(riomap(pair.b, in, sizeof(in), PROT_WRITE, 0, 0));
	MUST(riomap(pair.b, out, sizeof(out), PROT_READ, 0, 100));
	CHECK_EQ(riomap(pair.b, none, sizeof(none), PROT_NONE, 0, 200), 200);
	CHECK_FAILS(rioread(pair.a, ours, 16, 0, 0), EACCES);
	CHECK_FAILS(riowrite(pair.a, ours, 16, 100, 0), EACCES);
	CHECK_FAILS(riowrite(pair.a, ours, 16, 200, 0), EFAULT);
	CHECK_FAILS(rioread(pair.a, ours, 16, 200, 0), EFAULT);
	CHECK_EQ(rioread(pair.a, ours, 16, 100, 0), 16);
	CHECK(strcmp(ours, "secret") == 0 && strcmp(out, "secret") == 0 && in[0] == 0 && none[0] == 0);
	CHECK_FAILS(riomap(pair.b, in, sizeof(in), PROT_EXEC, 0, 300), EINVAL);
	MUST(riounmap(pair.b, none, sizeof(none)));
	CHECK_FAILS(riounmap(pair.b, none, sizeof(none)), EINVAL);
	pair_close(&pair);
}

CASE(overlaps)
{
	struct pair pair = pair_maps(8, 8);
	char buffer[200] = "", other[200] = "";

	MUST(riomap(pair.b, buffer, 100, PROT_WRITE, 0, 1000));
	CHECK_FAILS(riomap(pair.b, other, 100, PROT_WRITE, 0, 1000), EEXIST);
	CHECK_FAILS(riomap(pair.b, other, 100, PROT_READ, 0, 1099), EEXIST);
	CHECK_FAILS(riomap(pair.b, other, 100, PROT_WRITE, 0, 901), EEXIST);
	CHECK_FAILS(riomap(pair.b, other, 200, PROT_WRITE, 0, 950), EEXIST);
	MUST(riomap(pair.b, other, 100, PROT_WRITE, 0, 1100));
	MUST(riomap(pair.b, other + 100, 100, PROT_WRITE, 0, 900));
	/* The same memory by two names, and local maps beside anything. */
	MUST(riomap(pair.b, buffer + 50, 150, PROT_WRITE, 0, 5000));
	MUST(riomap(pair.b, buffer, 100, PROT_NONE, 0, 1000));
	CHECK_EQ(riowrite(pair.a, "x", 1, 1060, 0), 1);
	CHECK_EQ(riowrite(pair.a, "y", 1, 5011, 0), 1);
	CHECK(buffer[60] == 'x' && buffer[61] == 'y');
	/* The first that fits goes: the local one, then the one at 1000. */
	MUST(riounmap(pair.b, buffer, 100));
	MUST(riounmap(pair.b, buffer, 100));
	CHECK_FAILS(riowrite(pair.a, "x", 1, 1060, 0), EFAULT);
	CHECK_EQ(riowrite(pair.a, "z", 1, 5012, 0), 1);
	pair_close(&pair);
}

CASE(limits)
{
	/* b may map two, a none; but over TCP they only meet if both asked. */
	const bool on_tcp = kit_expect() == EXPECT_TCP;
	struct pair pair = pair_maps(2, on_tcp);
	char buffer[5][16], own[16];

	if (on_tcp)
		MUST(riomap(pair.a, own, 16, PROT_WRITE, 0, 100));

	MUST(riomap(pair.b, buffer[0], 16, PROT_WRITE, 0, 0));
	MUST(riomap(pair.b, buffer[1], 16, PROT_READ, 0, 16));
	CHECK_FAILS(riomap(pair.b, buffer[2], 16, PROT_WRITE, 0, 32), ENOMEM);
	MUST(riomap(pair.b, buffer[3], 16, PROT_NONE, 0, 32));
	CHECK_FAILS(riomap(pair.a, buffer[4], 16, PROT_WRITE, 0, 0), ENOMEM);
	MUST(riounmap(pair.b, buffer[0], 16));
	MUST(riomap(pair.b, buffer[2], 16, PROT_WRITE, 0, 32));
	CHECK_FAILS(riowrite(pair.a, "x", 1, 0, 0), EFAULT);
	CHECK_EQ(riowrite(pair.a, "x", 1, 32, 0), 1);
	CHECK_FAILS(riowrite(pair.b, "x", 1, 0, 0), EFAULT);
	pair_close(&pair);
	if (on_tcp)
		return;
	pair = pair_maps(0, 0);
	CHECK_FAILS(riomap(pair.a, buffer[0], 16, PROT_WRITE, 0, 0), ENOMEM);
	CHECK_FAILS(riowrite(pair.a, "x", 1, 0, 0), EFAULT);
	MUST(riomap(pair.a, buffer[0], 16, PROT_NONE, 0, 0));
	pair_close(&pair);
}

CASE(many_maps)
{
	struct pair pair = pair_maps(32512, 1);
	uint64_t seed = kit_seed();
	static uint32_t word[32512];

	for (uint32_t i = 0; i < 32512; i += i < 300 ? 1 : 97)
		MUST(riomap(pair.b, &word[i], 4, PROT_WRITE, 0, (off_t)i * 4));
	for (int i = 0; i < 300; i++) {
		uint32_t at = (uint32_t)kit_random_below(&seed, 300), value = at + 7;

		CHECK_EQ(riowrite(pair.a, &value, 4, at * 4, 0), 4);
		CHECK_EQ(word[at], value);
	}
	pair_close(&pair);
}

CASE(memory_that_is_not_there)
{
	struct pair pair = pair_maps(4, 4);
	char *pages = shared_new(4 * 4096), ours[8192];

	CHECK_EQ(munmap(pages + 3 * 4096, 4096), 0);
	CHECK_EQ(mprotect(pages + 2 * 4096, 4096, PROT_READ), 0);
	CHECK_FAILS(riomap(pair.b, pages + 2 * 4096, 8192, PROT_READ, 0, 0), EFAULT);
	CHECK_FAILS(riomap(pair.b, pages, 3 * 4096, PROT_WRITE, 0, 0), EFAULT);
	MUST(riomap(pair.b, pages + 2 * 4096, 4096, PROT_READ, 0, 50000));
	MUST(riomap(pair.b, pages, 8192, PROT_WRITE, 0, 0));
	/* The writer's own buffer is not there. */
	CHECK_FAILS(riowrite(pair.a, pages + 3 * 4096, 100, 0, 0), EFAULT);
	CHECK_FAILS(rioread(pair.a, pages + 2 * 4096, 100, 50000, 0), EFAULT);
	/* The peer gave its memory away without riounmap: what is there comes, then an error. */
	CHECK_EQ(munmap(pages + 4096, 4096), 0);
	memset(ours, 'x', sizeof(ours));
	CHECK_EQ(riowrite(pair.a, ours, sizeof(ours), 0, 0), 4096);
	CHECK_FAILS(riowrite(pair.a, ours, 10, 4096, 0), EFAULT);
	pair_close(&pair);
}

CASE(sockets_that_cannot)
{
	int ends[2], stream = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0)),
		     datagram = (int)MUST(rsocket(AF_INET, SOCK_DGRAM, 0));
	char buffer[8] = "";

	MUST(pipe(ends));
	CHECK_FAILS(riomap(ends[0], buffer, 8, PROT_WRITE, 0, 0), EBADF);
	CHECK_FAILS(riounmap(-1, buffer, 8), EBADF);
	CHECK_FAILS(riowrite(ends[0], buffer, 8, 0, 0), EBADF);
	CHECK_FAILS(rioread(99999, buffer, 8, 0, 0), EBADF);
	CHECK_FAILS(riomap(datagram, buffer, 8, PROT_WRITE, 0, 0), EOPNOTSUPP);
	CHECK_FAILS(riowrite(datagram, buffer, 8, 0, 0), EOPNOTSUPP);
	CHECK_FAILS(riomap(stream, buffer, 8, PROT_WRITE, 0, 0), EINVAL);
	CHECK_FAILS(riounmap(stream, buffer, 8), EINVAL);
	CHECK_FAILS(riowrite(stream, buffer, 8, 0, 0), ENOTCONN);
	MUST(rclose(stream));
	MUST(rclose(datagram));
}

/* Two ends that stay on TCP, and asked for no maps: they do not even meet. */
CASE(tcp_without_maps)
{
	struct sockaddr_storage address;
	char buffer[8] = "";
	int listener, a, b;

	setenv("RSOCKET_SET", "transport=tcp", 1);
	listener = listen_maps(0, &address);
	a = connect_maps(0, &address);
	b = (int)MUST(raccept(listener, NULL, NULL));
	CHECK_FAILS(riomap(b, buffer, 8, PROT_WRITE, 0, 0), EOPNOTSUPP);
	CHECK_FAILS(riowrite(a, "x", 1, 0, 0), EOPNOTSUPP);
	CHECK_FAILS(riowrite(a, "x", 1, 0, MSG_DONTWAIT), EOPNOTSUPP);
	PUT(a, "the stream goes on");
	CHECK_GETS(b, "the stream goes on");
	MUST(rclose(a));
	CHECK_EOF(b);
	MUST(rclose(b));
}

CASE(close_takes_maps_back)
{
	struct pair pair = pair_maps(2, 2);
	char buffer[16] = "";
	int copy = (int)MUST(rdup(pair.b));

	MUST(riomap(pair.b, buffer, sizeof(buffer), PROT_WRITE, 0, 0));
	MUST(rclose(pair.b));
	CHECK_EQ(riowrite(pair.a, "x", 1, 0, 0), 1);
	MUST(rclose(copy));
	CHECK_FAILS(riowrite(pair.a, "y", 1, 0, 0), ECONNRESET);
	CHECK_EQ(buffer[0], 'x');
	MUST(rclose(pair.a));
}

/* --- two processes --- */

#define ROUNDS 3000

static void write_then_send(int fd, void *unused)
{
	char go;

	(void)unused;
	kit_get(fd, &go, 1);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		uint64_t words[32];

		for (int i = 0; i < 32; i++)
			words[i] = round;
		CHECK_EQ(riowrite(fd, words, sizeof(words), 0, 0), sizeof(words));
		kit_put(fd, &round, sizeof(round));
		if (round % 8 == 0)
			kit_get(fd, &go, 1);
	}
}

/* What was written before a byte of the stream is there when the byte is. */
CASE(before_the_stream)
{
	uint64_t words[32] = {0}, round;
	int fd;
	pid_t pid = child_start(write_then_send, NULL, &fd);

	MUST(riomap(fd, words, sizeof(words), PROT_WRITE, 0, 0));
	PUT(fd, "g");
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		kit_get(fd, &round, sizeof(round));
		CHECK_EQ(round, i);
		for (int k = 0; k < 32; k++)
			CHECK(words[k] >= i);
		if (i % 8 == 0)
			PUT(fd, "g");
	}
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

static void write_for_a_spinner(int fd, void *unused)
{
	static uint8_t mine[10000], echo[10000];

	(void)unused;
	MUST(riomap(fd, echo, sizeof(echo), PROT_WRITE, 0, 0));
	kit_put(fd, "r", 1);
	kit_get(fd, echo, 1);
	for (int round = 1; round < 200; round++) {
		memset(mine, round, sizeof(mine));
		CHECK_EQ(riowrite(fd, mine, sizeof(mine), 0, 0), sizeof(mine));
		while (*(volatile uint8_t *)&echo[sizeof(echo) - 1] != round)
			sched_yield();
	}
}

/* A side that calls nothing but looks at its memory; with the last byte it has all others. */
CASE(spinning_on_memory)
{
	static uint8_t bytes[10000];
	int fd;
	pid_t pid = child_start(write_for_a_spinner, NULL, &fd);
	char ready;

	MUST(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	kit_put(fd, "r", 1);
	kit_get(fd, &ready, 1);
	for (int round = 1; round < 200; round++) {
		while (*(volatile uint8_t *)&bytes[sizeof(bytes) - 1] != round)
			sched_yield();
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		for (size_t i = 0; i < sizeof(bytes); i++)
			CHECK_EQ(bytes[i], round);
		CHECK_EQ(riowrite(fd, bytes, sizeof(bytes), 0, 0), sizeof(bytes));
	}
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
}

static void write_until_it_stops(int fd, void *unused)
{
	static char ones[2 * MIB];
	char go;

	(void)unused;
	memset(ones, 1, sizeof(ones));
	kit_get(fd, &go, 1);
	while (go == 'g') {
		size_t n;

		do
			n = riowrite(fd, ones, sizeof(ones), 0, 0);
		while (n != NOTHING);
		CHECK_EQ(errno, EFAULT);
		kit_put(fd, "s", 1);
		kit_get(fd, &go, 1);
	}
}

/* When riounmap has returned nothing is written any more. */
CASE(unmap_in_use)
{
	char *bytes = buffer_new(2 * MIB), stopped;
	uint64_t seed = kit_seed();
	int fd;
	pid_t pid = child_start(write_until_it_stops, NULL, &fd);

	for (int round = 0; round < 60; round++) {
		MUST(riomap(fd, bytes, 2 * MIB, PROT_WRITE, 0, 0));
		PUT(fd, "g");
		while (*(volatile char *)bytes == 0)
			sched_yield();
		for (size_t i = kit_random_below(&seed, 20000); i; i--)
			__asm__ volatile("");
		MUST(riounmap(fd, bytes, 2 * MIB));
		memset(bytes, 0, 2 * MIB);
		kit_get(fd, &stopped, 1);
		for (size_t i = 0; i < 2 * MIB; i++)
			CHECK_EQ(bytes[i], 0);
	}
	PUT(fd, "e");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	free(bytes);
}

static void write_forever(int fd, void *unused)
{
	static char ones[MIB];
	char go;

	(void)unused;
	memset(ones, 1, sizeof(ones));
	kit_get(fd, &go, 1);
	for (;;)
		riowrite(fd, ones, sizeof(ones), 0, 0);
}

/* Killed in the middle of a copy: the map can be taken back, and stays so. */
CASE(writer_killed)
{
	uint64_t seed = kit_seed();

	for (int round = 0; round < 15; round++) {
		char *bytes = buffer_new(MIB);
		int fd;
		pid_t pid = child_start(write_forever, NULL, &fd);

		MUST(riomap(fd, bytes, MIB, PROT_WRITE, 0, 0));
		PUT(fd, "g");
		while (*(volatile char *)bytes == 0)
			sched_yield();
		usleep((useconds_t)kit_random_below(&seed, 2000));
		MUST(kill(pid, SIGKILL));
		/* Not reaped yet: a zombie's visit is over too. */
		MUST(riounmap(fd, bytes, MIB));
		memset(bytes, 0, MIB);
		kit_wait_killed(pid, SIGKILL);
		for (size_t i = 0; i < MIB; i++)
			CHECK_EQ(bytes[i], 0);
		MUST(rclose(fd));
		free(bytes);
	}
}

static void map_and_wait(int fd, void *unused)
{
	static char bytes[MIB];

	(void)unused;
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_READ | PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	pause();
}

CASE(mapper_killed)
{
	uint64_t seed = kit_seed();
	char *bytes = buffer_new(MIB), mapped;

	for (int round = 0; round < 15; round++) {
		int fd;
		pid_t pid = child_start(map_and_wait, NULL, &fd);
		size_t n;

		kit_get(fd, &mapped, 1);
		CHECK_EQ(riowrite(fd, bytes, MIB, 0, 0), MIB);
		for (size_t i = kit_random_below(&seed, 5); i; i--)
			CHECK_EQ(rioread(fd, bytes, MIB, 0, 0), MIB);
		MUST(kill(pid, SIGKILL));
		do
			n = riowrite(fd, bytes, MIB, 0, 0);
		while (n == MIB);
		if (n != NOTHING)
			n = riowrite(fd, bytes, MIB, 0, 0);
		CHECK_EQ(n, NOTHING);
		CHECK_EQ(errno, ECONNRESET);
		kit_wait_killed(pid, SIGKILL);
		CHECK_FAILS(rioread(fd, bytes, 1, 0, 0), ECONNRESET);
		MUST(rclose(fd));
	}
	free(bytes);
}

/* Maps belong to who made them, not to children. */
CASE(fork_of_the_mapper)
{
	struct pair pair = pair_maps(2, 2);
	char buffer[16] = "", other[16] = "";
	pid_t pid;
	int status;

	MUST(riomap(pair.b, buffer, sizeof(buffer), PROT_WRITE, 0, 0));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		if (by_message()) {
			CHECK_FAILS(riounmap(pair.b, buffer, sizeof(buffer)), EINVAL);
			CHECK_FAILS(riomap(pair.b, other, sizeof(other), PROT_WRITE, 0, 100), EOPNOTSUPP);
			MUST(riomap(pair.b, other, sizeof(other), PROT_NONE, 0, 100));
			CHECK_FAILS(riowrite(pair.a, "child", 6, 0, 0), EOPNOTSUPP);
			MUST(rclose(pair.b));
			_exit(0);
		}
		CHECK_FAILS(riounmap(pair.b, buffer, sizeof(buffer)), EINVAL);
		MUST(riomap(pair.b, other, sizeof(other), PROT_WRITE, 0, 100));
		/* Into the parent's memory, and into its own. */
		CHECK_EQ(riowrite(pair.a, "child", 6, 0, 0), 6);
		CHECK_EQ(riowrite(pair.a, "own", 4, 100, 0), 4);
		CHECK(buffer[0] == 0 && strcmp(other, "own") == 0);
		MUST(rclose(pair.b));
		_exit(0);
	}
	CHECK_EQ(MUST(waitpid(pid, &status, 0)), pid);
	CHECK_EQ(status, 0);
	CHECK(strcmp(buffer, by_message() ? "" : "child") == 0);
	CHECK_FAILS(riowrite(pair.a, "x", 1, 100, 0), EFAULT);
	CHECK_EQ(riowrite(pair.a, "still", 6, 0, 0), 6);
	CHECK(strcmp(buffer, "still") == 0);
	pair_close(&pair);
}

/* Maps a buffer, sends, and looks at it: all the rest of its life without a call. */
static void map_and_spin(int fd, void *unused)
{
	static char buffer[64];

	(void)unused;
	kit_sleep_ms(50);
	MUST(riomap(fd, buffer, sizeof(buffer), PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	while (!*(volatile char *)buffer)
		;
	kit_sleep_ms(200); /* by message the answer is still on its way */
	_exit(0);
}

/* The peer is found by whoever waits first, however it waits. */
static void found_while_waiting(bool by_select)
{
	int fd, status, epfd = (int)MUST(repoll_create(0));
	pid_t pid = child_start(map_and_spin, NULL, &fd);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int64_t start = kit_now_ms();
	char mapped;
	fd_set in;

	MUST(repoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event));
	FD_ZERO(&in);
	FD_SET(fd, &in);
	CHECK_EQ(by_select ? rselect(fd + 1, &in, NULL, NULL, NULL) : repoll_wait(epfd, &event, 1, -1), 1);
	kit_get(fd, &mapped, 1);
	CHECK(kit_now_ms() - start < 4500); /* not at the end of the search */
	CHECK_EQ(riowrite(fd, "x", 1, 0, 0), 1);
	MUST(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
	MUST(rclose(epfd));
	MUST(rclose(fd));
}

CASE(found_while_selecting)
{
	found_while_waiting(true);
}

CASE(found_while_waiting_on_a_set)
{
	found_while_waiting(false);
}

/* --- a hostile peer --- */

#define TABLE_WORDS (1024 / sizeof(uint64_t))

struct channel {
	uint64_t *words;
	size_t count;
};

/* What follows the rings: where the tables are. */
static struct channel find_tables(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	struct channel found = {0};
	char line[512];

	CHECK(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end;

		if (!strstr(line, "rsocket-channel"))
			continue;
		CHECK_EQ(sscanf(line, "%lx-%lx", &start, &end), 2);
		/* Two tables of a few entries: the last page. */
		found.words = (uint64_t *)(end - 4096);
		found.count = TABLE_WORDS;
	}
	fclose(maps);
	CHECK(found.words);
	return found;
}

static void scribble(int fd, void *shared)
{
	static char bytes[4096];
	uint64_t seed = kit_seed(), good[TABLE_WORDS];
	struct channel tables;
	volatile uint32_t *stop = shared;

	MUST(riomap(fd, bytes, sizeof(bytes), PROT_READ | PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	tables = find_tables();
	memcpy(good, tables.words, sizeof(good));
	while (!*stop) {
		/* Rubbish in all of it for a while, then in one word of a good table at a time. */
		if (kit_random_below(&seed, 3) == 0) {
			memcpy(tables.words, good, sizeof(good));
			usleep(20);
		}
		size_t at = kit_random_below(&seed, tables.count);
		uint64_t value = kit_random(&seed);

		switch (value >> 61) {
		case 0:
			value = 0;
			break;
		case 1:
			value = UINT64_MAX;
			break;
		case 2:
			value &= 0xff;
			break;
		case 3: /* a turn of its own, whatever it says */
			value = 1 | (uint64_t)getpid() << 32;
			break;
		case 4: /* somebody else: the peer itself, or init */
			value = (uint64_t)(value & 1 ? getppid() : 1) << 32 | (value >> 8 & 0xf);
			break;
		case 5:
			value = (uint64_t)(uintptr_t)bytes + (value & 0xfff);
			break;
		default:
			break;
		}
		__atomic_store_n(&tables.words[at], value, __ATOMIC_RELAXED);
	}
	/* It may have been written upon: no orderly end. */
	_exit(0);
}

static char victims_own[64] = "untouched";
static const uint64_t known_to_all[2] = {0x0123456789abcdef, 0xfedcba9876543210};

/* A map of its own, then said to be the victim's memory, with a token that the victim has. */
static void misdirect(int fd, void *unused)
{
	static char bytes[64];
	struct channel tables;
	char go;

	(void)unused;
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_READ | PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	kit_get(fd, &go, 1);
	tables = find_tables();
	for (size_t at = 0; at + 8 <= tables.count; at += 8)
		if (tables.words[at + 4] == (uint64_t)(uintptr_t)bytes) {
			tables.words[at] = (tables.words[at] & UINT32_MAX) | (uint64_t)getppid() << 32;
			tables.words[at + 4] = (uint64_t)(uintptr_t)victims_own;
			tables.words[at + 5] = (uint64_t)(uintptr_t)known_to_all;
			memcpy(&tables.words[at + 6], known_to_all, sizeof(known_to_all));
		}
	kit_put(fd, "m", 1);
	kit_get(fd, &go, 1);
	_exit(0);
}

/* No kernel keeps a process from writing to itself: we must not be led there. */
CASE(hostile_owner)
{
	char mapped, out[64] = "";
	int fd, status;
	pid_t pid = child_start(misdirect, NULL, &fd);

	kit_get(fd, &mapped, 1);
	CHECK_EQ(riowrite(fd, "mine", 4, 0, 0), 4);
	kit_put(fd, "g", 1);
	kit_get(fd, &mapped, 1);
	if (!by_message()) {
		CHECK_FAILS(riowrite(fd, "OVERWRITTEN", 12, 0, 0), EPERM);
		CHECK_FAILS(rioread(fd, out, sizeof(out), 0, 0), EPERM);
	}
	CHECK_EQ(strcmp(victims_own, "untouched"), 0);
	kit_put(fd, "g", 1);
	MUST(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
	MUST(rclose(fd));
}

/* Rubbish in the table, changed all the time: errors or bytes, no crash, no hang, no byte of ours changed. */
CASE(hostile_table)
{
	volatile uint32_t *stop = shared_new(4096);
	char *canary = buffer_new(256 * KIB), mine[4096], out[4096], mapped;
	int64_t until;
	int fd, status;
	pid_t pid = child_start(scribble, (void *)(uintptr_t)stop, &fd);
	uint64_t seed = kit_seed();
	size_t good = 0, bad = 0;

	kit_pattern(canary, 256 * KIB, 9, 0);
	kit_pattern(mine, sizeof(mine), 10, 0);
	kit_get(fd, &mapped, 1);
	until = kit_now_ms() + 3000;
	while (kit_now_ms() < until) {
		off_t at = (off_t)kit_random_below(&seed, 8192);
		size_t n = kit_random(&seed) & 1 ? riowrite(fd, mine, sizeof(mine), at, 0)
						 : rioread(fd, out, sizeof(out), at, 0);

		if (n == NOTHING) {
			CHECK(errno == EFAULT || errno == EACCES || errno == ECONNRESET || errno == EPERM ||
			      errno == EBUSY);
			bad++;
		} else {
			CHECK(n <= sizeof(mine));
			good++;
		}
		if (bad % 64 == 0) { /* our own maps, in a table that is scribbled on too */
			char local[64];
			off_t offset = riomap(fd, local, sizeof(local), PROT_WRITE, 0, 1 << 20);

			CHECK(offset == 1 << 20 || errno == ENOMEM);
			if (offset != -1 && riounmap(fd, local, sizeof(local)) < 0) {
				CHECK_EQ(errno, EBUSY);
				break;
			}
		}
	}
	*stop = 1;
	MUST(waitpid(pid, &status, 0));
	kit_note("%zu copies, %zu errors", good, bad);
	CHECK(good > 0 && bad > 0);
	CHECK_PATTERN(canary, 256 * KIB, 9, 0);
	CHECK_PATTERN(mine, sizeof(mine), 10, 0);
	MUST(rclose(fd));
	free(canary);
}
