/* Streams of the C library over connections, made before and after promotion. */
#include "kit.h"

CASE(fdopen_after_promotion, tiny, tcp)
{
	struct pair pair = PAIR;
	FILE *file = fdopen(pair.b, "r+");
	char line[64];

	CHECK(file != NULL);
	CHECK_EQ(fileno(file), pair.b);
	PUT(pair.a, "first line\nsecond line\n");
	CHECK(fgets(line, sizeof(line), file) != NULL);
	CHECK_EQ(strcmp(line, "first line\n"), 0);
	CHECK(fgets(line, sizeof(line), file) != NULL);
	CHECK_EQ(strcmp(line, "second line\n"), 0);
	fprintf(file, "answer %d\n", 7);
	CHECK_EQ(fflush(file), 0);
	CHECK_GETS(pair.a, "answer 7\n");
	CHECK_EQ(fclose(file), 0);
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

CASE(fdopen_before_promotion, tiny)
{
	struct pair pair = pair_new(AF_INET);
	FILE *in = fdopen(pair.b, "r"), *out = fdopen((int)MUST(dup(pair.b)), "w");
	char line[64];

	CHECK(in && out);
	for (int i = 0; i < 300; i++) {
		PUT(pair.a, "line\n");
		CHECK(fgets(line, sizeof(line), in) != NULL);
		CHECK_EQ(strcmp(line, "line\n"), 0);
		fprintf(out, "%d\n", 100 + i);
		CHECK_EQ(fflush(out), 0);
		kit_get(pair.a, line, 4);
		line[4] = 0;
		CHECK_EQ(atoi(line), 100 + i);
	}
	CHECK_EQ(fclose(out), 0);
	CHECK_EQ(fclose(in), 0);
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

/* Calls and stdio in turn, on a connection that promotion is tried on all the time. */
CASE(stdio_and_calls_in_turn, tiny, tcp)
{
	struct pair pair = pair_new(AF_INET);
	FILE *out = fdopen((int)MUST(dup(pair.b)), "w");
	char got[16];

	CHECK(out != NULL);
	for (int i = 0; i < 200; i++) {
		fprintf(out, "stdio%03d", i);
		fflush(out);
		PUT(pair.b, "call");
		CHECK_EQ(dprintf(pair.b, "%c", '!'), 1);
		kit_get(pair.a, got, 13);
		got[13] = 0;
		CHECK_EQ(memcmp(got, "stdio", 5), 0);
		CHECK_EQ(strcmp(got + 8, "call!"), 0);
		PUT(pair.a, "back");
		CHECK_GETS(pair.b, "back");
	}
	CHECK_EQ(fclose(out), 0);
	if (kit_expect() == EXPECT_SHM) {
		struct rdma_carrier carrier;

		CHECK(kit_carrier(pair.b, &carrier));
		CHECK_EQ(strcmp(carrier.reason_code, "stdio"), 0);
	}
	pair_close(&pair);
}

CASE(dprintf_after_promotion, tiny, tcp)
{
	struct pair pair = PAIR;

	for (int i = 100; i < 200; i++) {
		char got[4] = "";
		CHECK_EQ(dprintf(pair.a, "%d", i), 3);
		kit_get(pair.b, got, 3);
		CHECK_EQ(atoi(got), i);
		PUT(pair.b, "ok");
		CHECK_GETS(pair.a, "ok");
	}
	pair_close(&pair);
}

PEER(write_lines)
{
	FILE *out = fdopen((int)MUST(dup(fd)), "w");

	CHECK(out != NULL);
	for (long i = 0; i < argument; i++)
		fprintf(out, "line number %ld with some text behind it\n", i);
	CHECK_EQ(fclose(out), 0);
}

CASE(many_lines, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &write_lines, .argument = 20000};
	FILE *in = fdopen(peer_start(&peer), "r");
	char *line = NULL, want[80];
	size_t size = 0;

	CHECK(in != NULL);
	for (int i = 0; i < 20000; i++) {
		CHECK(getline(&line, &size, in) > 0);
		snprintf(want, sizeof(want), "line number %d with some text behind it\n", i);
		CHECK_EQ(strcmp(line, want), 0);
	}
	CHECK_EQ(fgetc(in), EOF);
	CHECK(feof(in) && !ferror(in));
	peer_join(&peer);
	free(line);
	CHECK_EQ(fclose(in), 0);
}

CASE(unbuffered_and_large_reads, tiny)
{
	size_t size = MIB;
	struct pair pair = PAIR;
	FILE *in = fdopen(pair.b, "r");
	pid_t pid = (pid_t)MUST(fork());
	char *got = malloc(size);

	if (pid == 0) {
		kit_send_pattern(pair.a, size, kit_seed(), 0);
		_exit(0);
	}
	setvbuf(in, NULL, _IONBF, 0);
	CHECK_EQ(fread(got, 1, size, in), size);
	CHECK_PATTERN(got, size, kit_seed(), 0);
	CHECK_EXITS(pid, 0);
	CHECK_EQ(fclose(in), 0);
	CHECK_EOF(pair.a);
	free(got);
	MUST(close(pair.a));
}

CASE(fclose_of_one_of_two_streams_keeps_the_connection, tiny)
{
	struct pair pair = PAIR;
	FILE *first = fdopen(pair.b, "r"), *second = fdopen((int)MUST(dup(pair.b)), "w");

	CHECK_EQ(fclose(first), 0);
	CHECK_SILENT(pair.a);
	fprintf(second, "still open\n");
	CHECK_EQ(fflush(second), 0);
	CHECK_GETS(pair.a, "still open\n");
	CHECK_EQ(fclose(second), 0);
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

CASE(stream_on_a_closed_direction, tiny)
{
	struct pair pair = PAIR;
	FILE *out = fdopen(pair.a, "w");

	signal(SIGPIPE, SIG_IGN);
	MUST(shutdown(pair.a, SHUT_WR));
	fprintf(out, "x");
	errno = 0;
	CHECK_EQ(fflush(out), EOF);
	CHECK_EQ(errno, EPIPE);
	fclose(out);
	MUST(close(pair.b));
}

/* The number that fclose freed belongs to the next connection. */
CASE(numbers_freed_by_fclose, tiny)
{
	for (int i = 0; i < 50; i++) {
		struct pair pair = PAIR;
		FILE *file = fdopen(pair.b, "r+");
		PUT(pair.a, "x");
		CHECK_EQ(fgetc(file), 'x');
		CHECK_EQ(fclose(file), 0);
		CHECK_EOF(pair.a);
		MUST(close(pair.a));
	}
}
