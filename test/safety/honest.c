/* The honest programs: an echo server in two styles, and a client that knows what must come back. */
#include "stage.h"

#include <arpa/inet.h>

#define BUFFER (32 * KIB)
#define CLIENT_CONNECTIONS 3
#define ROUND_MAX 20000
#define CHURN 16 /* rounds between two short connections */

static struct sockaddr_in loopback(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

struct echo {
	int fd;
	size_t at, have;
	char bytes[BUFFER];
};

/* Moves what can be moved without blocking. False: the connection is over. */
static bool echo_step(int set, struct echo *e)
{
	for (;;) {
		ssize_t n;

		if (e->at == e->have) {
			n = recv(e->fd, e->bytes, sizeof(e->bytes), 0);
			if (n == -1 && errno == EAGAIN)
				break;
			if (n <= 0)
				return false;
			e->at = 0;
			e->have = (size_t)n;
		}
		n = send(e->fd, e->bytes + e->at, e->have - e->at, MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == -1)
			return false;
		e->at += (size_t)n;
	}
	MUST(epoll_ctl(set, EPOLL_CTL_MOD, e->fd,
		       &(struct epoll_event){.events = e->at == e->have ? EPOLLIN : EPOLLOUT, .data.ptr = e}));
	return true;
}

static void serve_epoll(int listener)
{
	int set = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
	static struct echo accepting, ending;

	kit_set_nonblocking(listener, true);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &accepting}));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, 0, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &ending}));
	for (;;) {
		struct epoll_event events[16];
		int n = epoll_wait(set, events, 16, -1);

		if (n == -1 && errno == EINTR)
			continue;
		MUST(n);
		for (int i = 0; i < n; i++) {
			struct echo *e = events[i].data.ptr;

			if (e == &ending)
				exit(0);
			if (e == &accepting) {
				int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

				if (fd == -1)
					continue;
				e = calloc(1, sizeof(*e));
				CHECK(e);
				e->fd = fd;
				MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd,
					       &(struct epoll_event){.events = EPOLLIN, .data.ptr = e}));
			} else if (!echo_step(set, e)) {
				MUST(close(e->fd));
				free(e);
			}
		}
	}
}

static void *serve_one(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char bytes[BUFFER];
	ssize_t got;

	while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		for (ssize_t at = 0, n; at < got; at += n) {
			n = send(fd, bytes + at, (size_t)(got - at), MSG_NOSIGNAL);
			if (n == -1)
				goto over;
		}
over:
	MUST(close(fd));
	return NULL;
}

static void serve_threads(int listener)
{
	for (;;) {
		struct pollfd entries[2] = {{.fd = listener, .events = POLLIN}, {.fd = 0, .events = POLLIN}};

		if (poll(entries, 2, -1) == -1 && errno == EINTR)
			continue;
		if (entries[1].revents)
			exit(0);
		if (entries[0].revents) {
			pthread_t id;
			int fd = accept(listener, NULL, NULL);

			if (fd == -1)
				continue;
			PTHREAD(pthread_create(&id, NULL, serve_one, (void *)(intptr_t)fd));
			PTHREAD(pthread_detach(id));
		}
	}
}

/* server PORT epoll|threads: says "." once it listens; ends with its standard input. */
PROGRAM(server)
{
	struct sockaddr_in address = loopback(argv[0]);
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	CHECK(argc == 2);
	kit_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	MUST(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	MUST(listen(fd, 1024));
	MUST(write(1, ".", 1));
	if (strcmp(argv[1], "epoll") == 0)
		serve_epoll(fd);
	else
		serve_threads(fd);
	return 0;
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	MUST(connect(fd, (const struct sockaddr *)address, sizeof(*address)));
	return fd;
}

static void exchange(int fd, uint64_t *at, size_t size)
{
	kit_send_pattern(fd, size, kit_seed() + (uint64_t)fd, *at);
	kit_recv_pattern(fd, size, kit_seed() + (uint64_t)fd, *at);
	*at += size;
}

static bool input_ended(void)
{
	struct pollfd entry = {.fd = 0, .events = POLLIN};

	return poll(&entry, 1, 0) > 0;
}

/* client PORT: a byte of output for each round whose bytes came back right; ends with its standard input. */
PROGRAM(client)
{
	struct sockaddr_in address = loopback(argv[0]);
	uint64_t random = kit_seed(), at[CLIENT_CONNECTIONS] = {0};
	int fd[CLIENT_CONNECTIONS];

	for (int i = 0; i < CLIENT_CONNECTIONS; i++)
		fd[i] = connect_to(&address);
	for (int round = 0; !input_ended(); round++) {
		int i = (int)kit_random_below(&random, CLIENT_CONNECTIONS);

		exchange(fd[i], &at[i], 1 + kit_random_below(&random, ROUND_MAX));
		if (round % CHURN == 0) {
			int brief = connect_to(&address);
			uint64_t zero = 0;

			exchange(brief, &zero, 100);
			MUST(close(brief));
		}
		/* Nobody has to listen. */
		kit_set_nonblocking(1, true);
		if (write(1, ".", 1) == -1)
			CHECK_EQ(errno, EAGAIN);
		kit_sleep_ms(1);
	}
	for (int i = 0; i < CLIENT_CONNECTIONS; i++) {
		CHECK_CARRIED(fd[i], 1, 1);
		MUST(close(fd[i]));
	}
	return 0;
}

/* squatted PORT OWN-PORT: a connection from port OWN-PORT whose rendezvous name is taken: it stays on TCP and is served. */
PROGRAM(squatted)
{
	struct sockaddr_in address = loopback(argv[0]), own = loopback(argv[1]);
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct rdma_carrier carrier;
	uint64_t at = 0;

	kit_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	MUST(bind(fd, (struct sockaddr *)&own, sizeof(own)));
	MUST(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	for (int round = 0; round < 200; round++)
		exchange(fd, &at, 500);
	CHECK(kit_carrier(fd, &carrier));
	kit_note("reason: %.32s", carrier.reason_code);
	CHECK_EQ(carrier.send, RDMA_TRANSPORT_TCP);
	CHECK_EQ(carrier.recv, RDMA_TRANSPORT_TCP);
	CHECK(strncmp(carrier.reason_code, "other-user", sizeof(carrier.reason_code)) == 0 ||
	      strncmp(carrier.reason_code, "searching", sizeof(carrier.reason_code)) == 0);
	MUST(close(fd));
	return 0;
}
