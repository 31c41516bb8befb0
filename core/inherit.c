/* Unread bytes across exec. They become a ring that is full and closed, so that everything above it works as it is. */
#include "inherit.h"
#include "fdtab.h"
#include "kernel.h"
#include "stream.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int inherit_pack(struct conn *c, char *text)
{
	static char chunk[65536]; /* the process is about to be replaced: nobody else packs */
	size_t used = strlen(text);
	int fd = (int)sys_call2(SYS_memfd_create, "rsocket-inherit", 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	/* In stream order: what TCP still holds from before the ring, then the ring. */
	while (conn_recv_stage(c) != STAGE_RETURNED && (n = stream_take(c, chunk, sizeof chunk)) > 0) {
		n = sys_write(fd, chunk, (size_t)n) == n ? 0 : -EIO;
		if (n < 0) {
			sys_close(fd);
			return (int)n;
		}
	}
	used += (size_t)snprintf(text + used, INHERIT_SIZE - used, "%d:", fd);
	for (int i = 0; i <= fdtab_top() && used < INHERIT_SIZE - 16; i++)
		if (fdtab_conn(i) == c && !(kernel_fcntl(i, F_GETFD, 0) & FD_CLOEXEC))
			used += (size_t)snprintf(text + used, INHERIT_SIZE - used, "%d,", i);
	snprintf(text + used, INHERIT_SIZE - used, ";");
	return 0;
}

void inherit_undo(const char *text)
{
	while (*text) {
		sys_close(atoi(text));
		text = strchr(text, ';');
		if (!text++)
			break;
	}
}

/* A connection on FD whose ring holds the SIZE bytes at DATA and is closed behind them. */
static struct conn *leftover(int fd, void *data, size_t size)
{
	struct wire_channel *channel =
		mmap(NULL, sizeof *channel, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct conn *c = channel == MAP_FAILED ? NULL : conn_new(fd, true);
	uint64_t capacity = WIRE_CAPACITY_MIN;

	if (!c)
		return NULL;
	while (capacity < size)
		capacity *= 2;
	channel->word[0] = WORD(WIRE_COMMITTED, 0);
	channel->side[0].tail = size | TAIL_CLOSED;
	c->channel = channel;
	c->channel_size = sizeof *channel;
	c->side = 1;
	c->recv_ring = (struct ring){.out = conn_peer(c), .in = conn_own(c), .data = data, .capacity = capacity};
	c->send_ring = (struct ring){.out = conn_own(c), .in = conn_peer(c), .capacity = WIRE_CAPACITY_MIN};
	c->shared->nonblock = (kernel_fcntl(fd, F_GETFL, 0) & O_NONBLOCK) != 0;
	c->shared->send_stage = STAGE_RETURNED;
	conn_never(c, REASON_RETURNED_PASSED);
	store_release(&c->maps_settled, 1);
	store_release(&c->attached, 1);
	store_release(&c->shared->recv_stage, STAGE_RING);
	return c;
}

void inherit_unpack(const char *text)
{
	while (*text) {
		char *end;
		long memfd = strtol(text, &end, 10);
		struct conn *c = NULL;
		struct stat st;
		void *data = MAP_FAILED;

		if (*end != ':' || memfd < 0 || memfd > INT_MAX)
			return;
		if (fstat((int)memfd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
			data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, (int)memfd, 0);
		sys_close((int)memfd);
		while (*end == ':' || *end == ',') {
			char *start = end + 1;
			long fd = strtol(start, &end, 10);

			if (end == start || data == MAP_FAILED || fd < 0 || fd >= FDTAB_SIZE)
				break;
			if (c)
				fdtab_copy(conn_fd(c), (int)fd);
			else
				c = leftover((int)fd, data, (size_t)st.st_size);
		}
		text = strchr(text, ';');
		if (!text++)
			return;
	}
}
