/* Datagrams: a server that sends each back to whom it came from, and a client that waits for its own with a time limit. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <rdma/rsocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT 500

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int client(const struct sockaddr_in *server)
{
	int fd = rsocket(AF_INET, SOCK_DGRAM, 0);
	char text[32], back[64];

	if (fd < 0)
		die("rsocket");
	for (int i = 0; i < COUNT; i++) {
		int length = snprintf(text, sizeof(text), "datagram %d", i);
		struct pollfd wait = {.fd = fd, .events = POLLIN};

		/* One that is lost is sent once more. */
		do {
			if (rsendto(fd, text, (size_t)length, 0, (const struct sockaddr *)server, sizeof(*server)) !=
			    length)
				die("rsendto");
		} while (rpoll(&wait, 1, 2000) == 0);
		if (rrecvfrom(fd, back, sizeof(back), 0, NULL, NULL) != length ||
		    memcmp(back, text, (size_t)length) != 0) {
			fprintf(stderr, "\"%s\" did not come back\n", text);
			return 1;
		}
	}
	if (rsendto(fd, "", 0, 0, (const struct sockaddr *)server, sizeof(*server)) != 0)
		die("the last");
	return rclose(fd) < 0;
}

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
	socklen_t size = sizeof(address);
	int fd = rsocket(AF_INET, SOCK_DGRAM, 0), status;
	char buf[64];
	ssize_t n;
	pid_t pid;

	if (fd < 0 || rbind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    rgetsockname(fd, (struct sockaddr *)&address, &size) < 0)
		die("server");
	pid = fork();
	if (pid == 0) {
		rclose(fd);
		return client(&address);
	}
	for (;;) {
		size = sizeof(from);
		n = rrecvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size);
		if (n < 0)
			die("rrecvfrom");
		if (n == 0)
			break;
		if (rsendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, size) != n)
			die("rsendto");
	}
	if (rclose(fd) < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		return 1;
	puts("every datagram came back");
	return 0;
}
