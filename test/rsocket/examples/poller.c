/* One thread, both ends, nothing blocks: a connection made with rpoll, then megabytes both ways at once, with vectors. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <rdma/rsocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define TOTAL (8 << 20)
#define BLOCK 3000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

struct end {
	int fd;
	size_t sent, received;
	unsigned char seed;
};

static unsigned char byte_at(const struct end *end, size_t at)
{
	return (unsigned char)(end->seed + at % 251);
}

static void put(struct end *end)
{
	unsigned char head[BLOCK], tail[BLOCK / 3];
	struct iovec iov[2] = {{head, sizeof(head)}, {tail, sizeof(tail)}};
	ssize_t n;

	for (size_t i = 0; i < sizeof(head); i++)
		head[i] = byte_at(end, end->sent + i);
	for (size_t i = 0; i < sizeof(tail); i++)
		tail[i] = byte_at(end, end->sent + sizeof(head) + i);
	n = rwritev(end->fd, iov, 2);
	if (n < 0 && errno != EAGAIN)
		die("rwritev");
	if (n > 0)
		end->sent += (size_t)n;
}

static void get(struct end *end, const struct end *other)
{
	unsigned char buf[BLOCK];
	ssize_t n = rrecv(end->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN)
		die("rrecv");
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != byte_at(other, end->received + (size_t)i)) {
			fprintf(stderr, "byte %zu is wrong\n", end->received + (size_t)i);
			exit(1);
		}
	if (n > 0)
		end->received += (size_t)n;
}

static void connect_both(struct end *a, struct end *b)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t size = sizeof(address), error_size = sizeof(int);
	int listener = rsocket(AF_INET6, SOCK_STREAM, 0), error = 0;

	if (listener < 0 || rbind(listener, (struct sockaddr *)&address, size) < 0 || rlisten(listener, 1) < 0 ||
	    rgetsockname(listener, (struct sockaddr *)&address, &size) < 0 || rfcntl(listener, F_SETFL, O_NONBLOCK) < 0)
		die("listener");
	a->fd = rsocket(AF_INET6, SOCK_STREAM, 0);
	b->fd = -1;
	if (a->fd < 0 || rfcntl(a->fd, F_SETFL, O_NONBLOCK) < 0)
		die("rsocket");
	if (rconnect(a->fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		die("rconnect");
	while (b->fd < 0) {
		struct pollfd fds[2] = {{.fd = listener, .events = POLLIN}, {.fd = a->fd, .events = POLLIN}};

		if (rpoll(fds, 2, 10000) <= 0)
			die("rpoll");
		if (fds[0].revents)
			b->fd = raccept(listener, NULL, NULL);
		if (b->fd < 0 && errno != EAGAIN)
			die("raccept");
	}
	if (rgetsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0 || error)
		die("SO_ERROR");
	if (rfcntl(b->fd, F_SETFL, O_NONBLOCK) < 0 || !(rfcntl(b->fd, F_GETFL) & O_NONBLOCK) || rclose(listener) < 0)
		die("rfcntl");
}

int main(void)
{
	struct end end[2] = {{.seed = 1}, {.seed = 100}};

	connect_both(&end[0], &end[1]);
	while (end[0].received < TOTAL || end[1].received < TOTAL) {
		struct pollfd fds[2];

		for (int i = 0; i < 2; i++)
			fds[i] = (struct pollfd){.fd = end[i].fd,
						 .events = (short)(POLLIN | (end[i].sent < TOTAL ? POLLOUT : 0))};
		if (rpoll(fds, 2, 10000) <= 0)
			die("rpoll");
		for (int i = 0; i < 2; i++) {
			if (fds[i].revents & POLLOUT)
				put(&end[i]);
			if (fds[i].revents & POLLIN)
				get(&end[i], &end[!i]);
		}
	}
	if (rclose(end[0].fd) < 0 || rclose(end[1].fd) < 0)
		die("rclose");
	puts("every byte is right");
	return 0;
}
