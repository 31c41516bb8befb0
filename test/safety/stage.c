/* Starting, watching and ending the honest programs. */
#include "stage.h"

#include <arpa/inet.h>
#include <dirent.h>

#define PATIENCE_MS 20000
#define ROUNDS 30           /* of the honest client that show that it is served */
#define IDLE_MS 300         /* of real time */
#define IDLE_CPU_MS 120     /* of CPU time at most, in that time */
#define SPARE_DESCRIPTORS 2 /* helper sockets that are made on first use and kept */

static void set_cloexec(int fd)
{
	MUST(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

pid_t stage_program(const char *name, const char *a, const char *b, const char *c, int *in, int *out)
{
	int input[2], output[2] = {-1, -1};
	pid_t pid;

	MUST(pipe(input));
	set_cloexec(input[1]);
	if (out) {
		MUST(pipe(output));
		set_cloexec(output[0]);
	}
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		char **argv = kit_program_argv(name, a, b, c, NULL);

		MUST(dup2(input[0], 0));
		MUST(close(input[0]));
		if (out) {
			MUST(dup2(output[1], 1));
			MUST(close(output[1]));
		}
		if (getenv("SAFETY_PRELOAD"))
			setenv("LD_PRELOAD", getenv("SAFETY_PRELOAD"), 1);
		execv("/proc/self/exe", argv);
		FAIL("exec %s", name);
	}
	MUST(close(input[0]));
	*in = input[1];
	if (out) {
		MUST(close(output[1]));
		*out = output[0];
	}
	return pid;
}

uint16_t stage_port(bool low)
{
	uint64_t random = kit_seed() + (uint64_t)getpid();

	for (int tries = 0; tries < 1000; tries++) {
		uint16_t port = (uint16_t)(low ? 10000 + kit_random_below(&random, 20000)
					       : 61000 + kit_random_below(&random, 4500));
		struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
		int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0)), error;

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		error = bind(fd, (struct sockaddr *)&address, sizeof(address));
		MUST(close(fd));
		if (error == 0)
			return port;
	}
	FAIL("no free port");
}

static int descriptors_of(pid_t pid)
{
	char path[64];
	DIR *directory;
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	CHECK(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 2;
}

int64_t stage_cpu_ms(pid_t pid)
{
	char path[64], line[1024], *end;
	unsigned long user, kernel;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	CHECK(file && fgets(line, sizeof(line), file));
	fclose(file);
	end = strrchr(line, ')');
	CHECK(end && sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) == 2);
	return (int64_t)(user + kernel) * 1000 / sysconf(_SC_CLK_TCK);
}

static void check_alive(struct stage *s)
{
	int status;

	if (waitpid(s->server, &status, WNOHANG) != 0)
		FAIL("the server ended, status 0x%x", status);
	if (s->client && waitpid(s->client, &status, WNOHANG) != 0)
		FAIL("the honest client ended, status 0x%x", status);
}

static void await_rounds(struct stage *s, int rounds)
{
	char bytes[4096];

	/* Rounds that were made before now do not count. */
	kit_set_nonblocking(s->client_out, true);
	while (read(s->client_out, bytes, sizeof(bytes)) > 0)
		;
	kit_set_nonblocking(s->client_out, false);
	while (rounds > 0) {
		struct pollfd entry = {.fd = s->client_out, .events = POLLIN};
		ssize_t n;

		if (MUST(poll(&entry, 1, PATIENCE_MS)) == 0)
			FAIL("the honest client is not served");
		n = MUST(read(s->client_out, bytes, sizeof(bytes)));
		if (n == 0) {
			check_alive(s);
			FAIL("the honest client closed its output");
		}
		rounds -= (int)n;
	}
}

void stage_start_server(struct stage *s, enum stage_kind kind, bool server_low)
{
	char port[16], byte;
	int out;

	*s = (struct stage){.kind = kind, .server_low = server_low, .port = stage_port(server_low)};
	snprintf(port, sizeof(port), "%u", s->port);
	s->server = stage_program("server", port, kind == STAGE_EPOLL ? "epoll" : "threads", NULL, &s->server_in, &out);
	CHECK_EQ(MUST(read(out, &byte, 1)), 1);
	MUST(close(out));
}

void stage_start(struct stage *s, enum stage_kind kind, bool server_low)
{
	char port[16];

	stage_start_server(s, kind, server_low);
	snprintf(port, sizeof(port), "%u", s->port);
	s->client = stage_program("client", port, NULL, NULL, &s->client_in, &s->client_out);
	await_rounds(s, ROUNDS);
	s->descriptors = descriptors_of(s->server);
}

void stage_check_serves(struct stage *s)
{
	check_alive(s);
	if (s->client)
		await_rounds(s, ROUNDS);
	check_alive(s);
}

void stage_check_idle(struct stage *s)
{
	int64_t before, used = 0;

	MUST(kill(s->client, SIGSTOP));
	kit_await_stopped(s->client);
	/* What it had under way comes to its end; then nothing is left to be done. */
	for (int tries = 0; tries < 10; tries++) {
		before = stage_cpu_ms(s->server);
		kit_sleep_ms(IDLE_MS);
		used = stage_cpu_ms(s->server) - before;
		if (used <= IDLE_CPU_MS)
			break;
	}
	if (used > IDLE_CPU_MS)
		FAIL("the idle server used %lld ms of CPU time in %d ms", (long long)used, IDLE_MS);
	MUST(kill(s->client, SIGCONT));
}

void stage_check_descriptors(struct stage *s)
{
	int64_t start = kit_now_ms();
	int now;

	while ((now = descriptors_of(s->server)) > s->descriptors + SPARE_DESCRIPTORS) {
		if (kit_now_ms() - start > PATIENCE_MS) {
			char command[64];

			snprintf(command, sizeof(command), "ls -l /proc/%d/fd >&2", s->server);
			if (system(command) == -1)
				kit_note("no ls");
			FAIL("the server holds %d descriptors, %d before", now, s->descriptors);
		}
		kit_sleep_ms(10);
	}
}

void stage_end(struct stage *s)
{
	stage_check_serves(s);
	if (s->client) {
		stage_check_descriptors(s);
		MUST(close(s->client_in));
		CHECK_EXITS(s->client, 0);
		MUST(close(s->client_out));
	}
	MUST(close(s->server_in));
	CHECK_EXITS(s->server, 0);
}
