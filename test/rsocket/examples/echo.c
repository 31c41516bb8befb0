/* A server that echoes, a client in a child process: blocking calls, as in any book on sockets, with an r before each. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <rdma/rsocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES 2000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int client(const struct sockaddr_in *address)
{
	int fd = rsocket(AF_INET, SOCK_STREAM, 0), on = 1;
	char line[64], back[64];

	if (fd < 0 || rsetsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		die("rsocket");
	if (rconnect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		die("rconnect");
	for (int i = 0; i < LINES; i++) {
		ssize_t length = snprintf(line, sizeof(line), "line %d of %d", i, LINES);

		if (rsend(fd, line, (size_t)length, 0) != length)
			die("rsend");
		if (rrecv(fd, back, (size_t)length, MSG_WAITALL) != length)
			die("rrecv");
		if (memcmp(line, back, (size_t)length) != 0) {
			fprintf(stderr, "sent \"%s\", got \"%.*s\"\n", line, (int)length, back);
			return 1;
		}
	}
	if (rshutdown(fd, SHUT_WR) < 0)
		die("rshutdown");
	if (rrecv(fd, back, sizeof(back), 0) != 0)
		die("the end");
	return rclose(fd) < 0;
}

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
	socklen_t size = sizeof(address);
	int listener = rsocket(AF_INET, SOCK_STREAM, 0), fd, status;
	char buf[256];
	ssize_t n;
	pid_t pid;

	if (listener < 0 || rbind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    rlisten(listener, 1) < 0 || rgetsockname(listener, (struct sockaddr *)&address, &size) < 0)
		die("listener");
	pid = fork();
	if (pid == 0)
		return client(&address);
	size = sizeof(peer);
	fd = raccept(listener, (struct sockaddr *)&peer, &size);
	if (fd < 0 || peer.sin_addr.s_addr != htonl(INADDR_LOOPBACK))
		die("raccept");
	while ((n = rread(fd, buf, sizeof(buf))) > 0)
		if (rwrite(fd, buf, (size_t)n) != n)
			die("rwrite");
	if (n < 0 || rclose(fd) < 0 || rclose(listener) < 0)
		die("rread");
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return 1;
	puts("every line came back");
	return 0;
}
