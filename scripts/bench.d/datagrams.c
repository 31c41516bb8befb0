/* 64-byte datagrams there and back between two datagram rsockets, and one way. The rsocket calls come from the library that is preloaded. */
#include "net.h"

#include <dlfcn.h>
#include <rdma/rsocket.h>

#define SIZE 64

/* The preloaded library's function of that name. */
#define CALL(name) ((__typeof__(&name))find(#name))

static void *find(const char *name)
{
	void *function = dlsym(RTLD_DEFAULT, name);

	if (!function)
		errx(1, "no %s: preload librsocket.so", name);
	return function;
}

static int datagram_socket(int port)
{
	struct sockaddr_in a = loopback(port);
	int fd = CALL(rsocket)(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || CALL(rbind)(fd, (struct sockaddr *)&a, sizeof(a)))
		err(1, "rbind to port %d", port);
	return fd;
}

/* Sends back what begins with p, until one with q comes. */
static void serve(int port)
{
	__typeof__(&rrecvfrom) get = CALL(rrecvfrom);
	__typeof__(&rsendto) give = CALL(rsendto);
	int fd = datagram_socket(port);
	char buffer[SIZE];

	listen_on(port); /* says that we are there */
	do {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		ssize_t n = get(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size);

		if (n < 0 || (buffer[0] == 'p' && give(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, size) != n))
			err(1, "echo");
	} while (buffer[0] != 'q');
	CALL(rclose)(fd);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void drive(int port, long rounds)
{
	struct sockaddr_in a = loopback(port);
	__typeof__(&rrecv) get = CALL(rrecv);
	__typeof__(&rsend) give = CALL(rsend);
	uint64_t *took = calloc((size_t)rounds, sizeof(*took));
	struct rdma_carrier carrier = {0};
	socklen_t size = sizeof(carrier);
	char buffer[SIZE] = "p";
	int fd = datagram_socket(0);

	if (!took || CALL(rconnect)(fd, (struct sockaddr *)&a, sizeof(a)))
		err(1, "rconnect");
	for (long i = 0; i < rounds; i++) {
		uint64_t start = now_ns();

		if (give(fd, buffer, SIZE, 0) != SIZE || get(fd, buffer, SIZE, 0) != SIZE)
			err(1, "ping");
		took[i] = now_ns() - start;
	}
	CALL(rgetsockopt)(fd, SOL_RDMA, RDMA_CARRIER, &carrier, &size);
	buffer[0] = 'q';
	give(fd, buffer, SIZE, 0);
	qsort(took, (size_t)rounds, sizeof(*took), by_size);
	printf("median_us %.3f\np99_us %.3f\nring_percent %.1f\n", (double)took[rounds / 2] / 2e3,
	       (double)took[rounds * 99 / 100] / 2e3, 100.0 * (double)carrier.shm_recv_bytes / (double)rounds / SIZE);
	CALL(rclose)(fd);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((int)number(argv[2]));
	else if (argc == 4 && !strcmp(argv[1], "drive"))
		drive((int)number(argv[2]), number(argv[3]));
	else
		errx(2, "usage: datagrams serve PORT | datagrams drive PORT ROUNDS");
	return 0;
}
