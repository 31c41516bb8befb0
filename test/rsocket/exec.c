/* Children that become other programs: librsocket.so has no hooks around exec, and must not take them for users of a connection. */
#include "kit.h"

#define LINE "the quick brown fox"

/* A child that executes sleep; it does so when this returns. */
static pid_t start_sleeper(void)
{
	int pipes[2];
	char byte;
	pid_t pid;

	MUST(pipe2(pipes, O_CLOEXEC));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		execlp("sleep", "sleep", "30", (char *)NULL);
		_exit(1);
	}
	CHECK_EQ((close)(pipes[1]), 0);
	CHECK_EQ((read)(pipes[0], &byte, 1), 0);
	CHECK_EQ((close)(pipes[0]), 0);
	return pid;
}

CASE(end_of_stream_beside_an_executed_child)
{
	struct pair pair = PAIR;
	pid_t pid;

	MUST(rfcntl(pair.a, F_SETFD, FD_CLOEXEC));
	MUST(rfcntl(pair.b, F_SETFD, FD_CLOEXEC));
	pid = start_sleeper();
	PUT(pair.a, LINE);
	MUST(rclose(pair.a));
	CHECK_GETS(pair.b, LINE);
	CHECK_EOF(pair.b);
	MUST(rclose(pair.b));
	MUST(kill(pid, SIGKILL));
	MUST(waitpid(pid, NULL, 0));
}

CASE(promoted_beside_an_executed_child)
{
	struct pair pair = pair_new(AF_INET);
	pid_t pid;

	MUST(rfcntl(pair.a, F_SETFD, FD_CLOEXEC));
	MUST(rfcntl(pair.b, F_SETFD, FD_CLOEXEC));
	pid = start_sleeper();
	kit_promote(pair.a, pair.b);
	CHECK_CARRIED(pair.a, 1, 1);
	MUST(kill(pid, SIGKILL));
	MUST(waitpid(pid, NULL, 0));
	pair_close(&pair);
}

/* A child that goes on as it is still counts. */
CASE(a_child_keeps_the_stream_open)
{
	struct pair pair = PAIR;
	int go[2];
	pid_t pid;

	MUST(pipe2(go, O_CLOEXEC));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		char byte;

		CHECK_EQ((close)(go[1]), 0);
		CHECK_EQ((read)(go[0], &byte, 1), 0);
		PUT(pair.a, LINE);
		MUST(rclose(pair.a));
		MUST(rclose(pair.b));
		_exit(0);
	}
	MUST(rclose(pair.a));
	CHECK_SILENT(pair.b);
	CHECK_EQ((close)(go[1]), 0);
	CHECK_GETS(pair.b, LINE);
	CHECK_EOF(pair.b);
	CHECK_EXITS(pid, 0);
	MUST(rclose(pair.b));
}
