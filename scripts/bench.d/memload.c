/* Loads memcached over its text protocol: connections with one request in flight each, one thread, one epoll set. */
#include <sys/epoll.h>

#include "net.h"

enum { KEYS = 10000, VALUE = 100, BATCH = 64, REPLY_MAX = 512 };

struct client {
	int fd;
	size_t got; /* bytes of the reply so far */
	char reply[REPLY_MAX];
};

static char value[VALUE + 1];

static int write_request(char *request, size_t room, bool get, unsigned key)
{
	if (get)
		return snprintf(request, room, "get key:%u\r\n", key);
	return snprintf(request, room, "set key:%u 0 0 %d\r\n%s\r\n", key, VALUE, value);
}

static void ask(struct client *c, bool get, unsigned key)
{
	char request[REPLY_MAX];

	c->got = 0;
	write_whole(c->fd, request, (size_t)write_request(request, sizeof(request), get, key));
}

/* Takes what arrived. Returns true when the reply is complete; ends the program when it is a wrong one. */
static bool take(struct client *c, bool get)
{
	const char *last = get ? "END\r\n" : "STORED\r\n";
	ssize_t n = recv(c->fd, c->reply + c->got, sizeof(c->reply) - c->got, 0);

	if (n <= 0)
		err(1, "recv");
	c->got += (size_t)n;
	if (c->got < strlen(last) || memcmp(c->reply + c->got - strlen(last), last, strlen(last)))
		return false;
	if (get && (c->got < VALUE || memcmp(c->reply, "VALUE ", 6)))
		errx(1, "a key is missing: %.*s", (int)c->got, c->reply);
	return true;
}

/* Requests until WANTED replies came, or the time is over when WANTED is 0. Returns replies per second. */
static double load(int set, struct client *clients, long count, bool get, uint64_t wanted, long run_ms)
{
	uint64_t begin = now_ns(), end = begin + (uint64_t)run_ms * 1000000u, replies = 0, asked = 0, now = begin;
	struct epoll_event ready[BATCH];

	for (long i = 0; i < count; i++)
		ask(&clients[i], get, (unsigned)(asked++ % KEYS));
	for (uint64_t open = (uint64_t)count; open;) {
		int n = epoll_wait(set, ready, BATCH, -1);

		if (n < 0)
			err(1, "epoll_wait");
		now = now_ns();
		for (int i = 0; i < n; i++) {
			struct client *c = ready[i].data.ptr;

			if (!take(c, get))
				continue;
			replies++;
			if (wanted ? asked < wanted : now < end)
				ask(c, get, (unsigned)(asked++ % KEYS));
			else
				open--;
		}
	}
	return (double)replies * 1e9 / (double)(now_ns() - begin);
}

int main(int argc, char **argv)
{
	struct client *clients;
	int set = epoll_create1(EPOLL_CLOEXEC);
	long count;

	if (argc != 4)
		errx(2, "usage: memload PORT CONNECTIONS MILLISECONDS");
	count = number(argv[2]);
	clients = calloc((size_t)count, sizeof(*clients));
	memset(value, 'v', VALUE);
	for (long i = 0; i < count; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &clients[i]};

		clients[i].fd = connect_to((int)number(argv[1]));
		nodelay(clients[i].fd);
		if (epoll_ctl(set, EPOLL_CTL_ADD, clients[i].fd, &e))
			err(1, "epoll_ctl");
	}
	load(set, clients, count, false, KEYS, 0);
	printf("sets_per_s %.0f\n", load(set, clients, count, false, 0, number(argv[3])));
	printf("gets_per_s %.0f\n", load(set, clients, count, true, 0, number(argv[3])));
	return 0;
}
