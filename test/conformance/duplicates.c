/* Duplicated descriptors: one stream, many numbers, also 0 to 2. */
#include "kit.h"

CASE(duplicates_share_the_stream, tiny, tcp)
{
	struct pair pair = PAIR;
	int copies[4] = {(int)MUST(dup(pair.b)), (int)MUST(fcntl(pair.b, F_DUPFD, 200)), (int)MUST(dup2(pair.b, 300)),
			 (int)MUST(dup3(pair.b, 301, O_CLOEXEC))};

	CHECK(copies[1] >= 200);
	CHECK_EQ(copies[2], 300);
	CHECK_EQ(MUST(fcntl(301, F_GETFD)), FD_CLOEXEC);
	PUT(pair.a, "abcde");
	CHECK_GETS(pair.b, "a");
	for (int i = 0; i < 4; i++) {
		char got;
		kit_get(copies[i], &got, 1);
		CHECK_EQ(got, "bcde"[i]);
		kit_put(copies[i], &got, 1);
	}
	CHECK_GETS(pair.a, "bcde");
	for (int i = 0; i < 4; i++)
		MUST(close(copies[i]));
	PUT(pair.b, "still here");
	CHECK_GETS(pair.a, "still here");
	pair_close(&pair);
}

CASE(last_duplicate_ends_the_stream, tiny, tcp)
{
	struct pair pair = PAIR;
	int first = (int)MUST(dup(pair.b)), second = (int)MUST(dup(first));

	MUST(close(pair.b));
	MUST(close(second));
	CHECK_SILENT(pair.a);
	PUT(pair.a, "x");
	CHECK_GETS(first, "x");
	PUT(first, "last");
	MUST(close(first));
	CHECK_GETS(pair.a, "last");
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

/* Duplicates made before promotion are the same connection afterwards. */
CASE(duplicated_before_promotion, tiny)
{
	struct pair pair = pair_new(AF_INET);
	int copy = (int)MUST(dup(pair.b));

	kit_promote(pair.a, pair.b);
	PUT(pair.a, "abc");
	CHECK_GETS(copy, "abc");
	PUT(copy, "def");
	CHECK_GETS(pair.a, "def");
	MUST(close(pair.b));
	PUT(pair.a, "ghi");
	CHECK_GETS(copy, "ghi");
	MUST(close(copy));
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

CASE(promoted_through_a_duplicate, tiny)
{
	struct pair pair = pair_new(AF_INET);
	int copy = (int)MUST(dup(pair.b));

	kit_promote(pair.a, copy);
	PUT(pair.a, "abc");
	CHECK_GETS(pair.b, "abc");
	MUST(close(copy));
	PUT(pair.a, "def");
	CHECK_GETS(pair.b, "def");
	pair_close(&pair);
}

CASE(dup2_closes_what_was_there, tiny, tcp)
{
	struct pair first = PAIR, second = PAIR;

	CHECK_EQ(MUST(dup2(first.b, second.b)), second.b);
	CHECK_EOF(second.a);
	PUT(first.a, "ab");
	CHECK_GETS(second.b, "a");
	CHECK_GETS(first.b, "b");
	MUST(close(first.b));
	CHECK_SILENT(first.a);
	MUST(close(second.b));
	CHECK_EOF(first.a);
	MUST(close(first.a));
	MUST(close(second.a));
}

CASE(dup2_of_a_file_over_a_connection, tiny)
{
	struct pair pair = PAIR;
	int file = (int)MUST(open("/proc/self/exe", O_RDONLY));
	char magic[4];

	MUST(dup2(file, pair.b));
	CHECK_EOF(pair.a);
	CHECK_EQ(read(pair.b, magic, 4), 4);
	CHECK_EQ(memcmp(magic, "\177ELF", 4), 0);
	MUST(close(file));
	pair_close(&pair);
}

CASE(dup2_onto_itself_and_errors, tiny, tcp)
{
	struct pair pair = PAIR;

	CHECK_EQ(dup2(pair.b, pair.b), pair.b);
	CHECK_FAILS(dup3(pair.b, pair.b, 0), EINVAL);
	CHECK_FAILS(dup2(pair.b, -1), EBADF);
	CHECK_FAILS(dup2(9999, pair.b), EBADF);
	CHECK_FAILS(fcntl(pair.b, F_DUPFD, -1), EINVAL);
	PUT(pair.a, "x");
	CHECK_GETS(pair.b, "x");
	pair_close(&pair);
}

/* After promotion the connection becomes standard input and output, as inetd-style servers do. */
CASE(dup2_onto_0_and_1_after_promotion, tiny)
{
	struct pair pair = PAIR;
	char line[32];

	MUST(dup2(pair.b, STDIN_FILENO));
	MUST(dup2(pair.b, STDOUT_FILENO));
	MUST(close(pair.b));
	PUT(pair.a, "a line\n");
	CHECK_EQ(read(STDIN_FILENO, line, 7), 7);
	CHECK_EQ(memcmp(line, "a line\n", 7), 0);
	CHECK_EQ(write(STDOUT_FILENO, "raw\n", 4), 4);
	CHECK_GETS(pair.a, "raw\n");
	PUT(pair.a, "for stdio\n");
	CHECK(fgets(line, sizeof(line), stdin) != NULL);
	CHECK_EQ(strcmp(line, "for stdio\n"), 0);
	printf("answer %d\n", 42);
	fflush(stdout);
	CHECK_GETS(pair.a, "answer 42\n");
	MUST(close(STDIN_FILENO));
	MUST(close(STDOUT_FILENO));
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

CASE(dup2_onto_2_after_promotion)
{
	struct pair pair = PAIR;
	int saved = (int)MUST(dup(STDERR_FILENO));

	MUST(dup2(pair.b, STDERR_FILENO));
	fprintf(stderr, "complaint\n");
	MUST(dup2(saved, STDERR_FILENO));
	CHECK_GETS(pair.a, "complaint\n");
	PUT(pair.b, "goes on");
	CHECK_GETS(pair.a, "goes on");
	pair_close(&pair);
}

static void *receives_a_byte(void *argument)
{
	char byte = 0;

	CHECK_EQ(MUST(recv(*(int *)argument, &byte, 1, 0)), 1);
	return (void *)(intptr_t)byte;
}

/* A call that waits goes on, whatever becomes of the number that it was made with. */
CASE(number_closed_under_a_receive, tiny, tcp)
{
	struct pair pair = PAIR;
	struct thread thread;
	int fd = pair.b;

	thread_start(&thread, receives_a_byte, &fd);
	thread_await_asleep(&thread);
	pair.b = (int)MUST(dup(fd));
	MUST(close(fd));
	PUT(pair.a, "x");
	CHECK_EQ((intptr_t)thread_join(&thread), 'x');
	PUT(pair.a, "y");
	CHECK_GETS(pair.b, "y");
	pair_close(&pair);
}
