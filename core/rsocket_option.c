/* Options of rsockets. Those of sockets are the kernel's; those of RDMA are kept and answered, for whoever asks. */
#include "dgram.h"
#include "kernel.h"
#include "promote.h"
#include "rsocket.h"
#include "sockopt.h"
#include "wire.h"

#include <errno.h>
#include <rdma/rsocket.h>
#include <string.h>
#include <sys/mman.h>

#define PATH_DATA_SIZE 72 /* struct ibv_path_data: flags, reserved, and a path record of 64 bytes */

static uint16_t at_most(unsigned long value, unsigned long max)
{
	return (uint16_t)(value < max ? value : max);
}

unsigned rsocket_iomap_quantum(unsigned long count)
{
	if (count > RSOCKET_IOMAP_MAX)
		count = RSOCKET_IOMAP_MAX;
	return (unsigned)(count <= 128 ? count : count & ~255ul);
}

uint32_t rsocket_map_searches;

static void note_maps(unsigned count)
{
	if (count)
		rsocket_map_search_begins();
}

void rsocket_options_default(struct rsocket_options *o)
{
	const struct settings *s = settings();

	*o = (struct rsocket_options){.made = 1,
				      .sq_size = at_most((unsigned long)s->sqsize_default, RSOCKET_SIZE_MAX),
				      .rq_size = at_most((unsigned long)s->rqsize_default, RSOCKET_SIZE_MAX),
				      .inline_size = at_most((unsigned long)s->inline_default, RSOCKET_SIZE_MAX),
				      .iomap_size = (uint16_t)rsocket_iomap_quantum((unsigned long)s->iomap_size)};
}

void rsocket_options_fini(struct rsocket_options *o)
{
	if (o->route)
		kernel_unmap(o->route, WIRE_PAGE);
	o->route = NULL;
}

void rsocket_options_init(struct conn *c, const struct conn *from)
{
	if (from && from->rsocket.made) {
		c->rsocket = from->rsocket;
		c->rsocket.route = NULL;
		c->rsocket.route_size = 0;
	} else {
		rsocket_options_default(&c->rsocket);
	}
	note_maps(c->rsocket.iomap_size);
	promote_begin(c);
}

/* There are no paths to choose among: what the program says is kept. */
static int set_route(struct rsocket_options *o, const void *value, socklen_t size)
{
	void *page = o->route;

	if (size == 0 || size % PATH_DATA_SIZE || size > WIRE_PAGE)
		return -EINVAL;
	if (!page) {
		page = mmap(NULL, WIRE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			return -ENOMEM;
	}
	memcpy(page, value, size);
	o->route = page;
	o->route_size = size;
	return 0;
}

static int set_rdma(struct rsocket_options *o, int name, const void *value, socklen_t size)
{
	uint32_t number;

	if (!value)
		return -EINVAL;
	if (name == RDMA_ROUTE)
		return set_route(o, value, size);
	if (size < sizeof number)
		return -EINVAL;
	memcpy(&number, value, sizeof number);
	if (name == RDMA_SQSIZE)
		o->sq_size = at_most(number, RSOCKET_SIZE_MAX);
	else if (name == RDMA_RQSIZE)
		o->rq_size = at_most(number, RSOCKET_SIZE_MAX);
	else if (name == RDMA_INLINE)
		o->inline_size = at_most(number, RSOCKET_SIZE_MAX);
	else
		o->iomap_size = (uint16_t)rsocket_iomap_quantum(number);
	return 0;
}

static int get_rdma(const struct rsocket_options *o, int name, void *value, socklen_t *size)
{
	const uint16_t numbers[] = {o->sq_size, o->rq_size, o->inline_size, o->iomap_size};
	int number;

	if (name == RDMA_ROUTE) {
		/* None was given: the kernel routes, on no path that ibv_path_data could say. */
		if (*size < o->route_size)
			return -EINVAL;
		if (o->route_size && !value)
			return -EFAULT;
		if (o->route_size)
			memcpy(value, o->route, o->route_size);
		*size = o->route_size;
		return 0;
	}
	if (!value)
		return -EFAULT;
	if (*size < sizeof number)
		return -EINVAL;
	number = numbers[name];
	memcpy(value, &number, sizeof number);
	*size = sizeof number;
	return 0;
}

/* An option of level SOL_RDMA: SET or asked for. 0 or -errno. */
static int rdma_option(int fd, int name, bool set, void *value, socklen_t *size)
{
	struct conn *c = conn_get(fd);
	struct dgram *d = NULL;
	struct rsocket_options *o = c ? &c->rsocket : dgram_options(fd, &d);
	int error = -EBADF;

	if (o && (name < RDMA_SQSIZE || name > RDMA_ROUTE))
		error = -ENOTSUP;
	else if (o && !set)
		error = get_rdma(o, name, value, size);
	/* As in rdma-core: a connection has made its queues. */
	else if (o)
		error = c && rsocket_opened(c) ? -EINVAL : set_rdma(o, name, value, *size);
	if (c && set && error == 0)
		note_maps(o->iomap_size);
	if (c)
		conn_put(c);
	if (d)
		dgram_options_end(d);
	return error;
}

int rsocket_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	enum fd_kind kind = fdtab_kind(fd);
	int error;

	if (kind != FD_CONN && kind != FD_DGRAM)
		return -EBADF;
	if (level == SOL_RDMA)
		return rdma_option(fd, name, true, (void *)(uintptr_t)value, &size);
	if (kind == FD_CONN && sockopt_kept(fd, level, name, value, size))
		return 0;
	/* Before it takes effect: nothing must pass by it any more. */
	if (kind == FD_DGRAM)
		dgram_option(fd, level, name, value, size);
	error = kernel_setsockopt(fd, level, name, value, size);
	if (error == 0 && kind == FD_CONN)
		sockopt_set(fd, level, name, value, size);
	return error;
}

int rsocket_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	enum fd_kind kind = fdtab_kind(fd);
	int error;

	if (kind != FD_CONN && kind != FD_DGRAM)
		return -EBADF;
	if (level == SOL_RDMA && name == RDMA_CARRIER)
		return kind == FD_DGRAM ? dgram_carrier(fd, value, size) : sockopt_carrier(fd, value, size);
	if (level == SOL_RDMA)
		return rdma_option(fd, name, false, value, size);
	if (kind == FD_CONN)
		sockopt_asked(fd, level, name);
	error = kernel_getsockopt(fd, level, name, value, size);
	if (error == 0 && kind == FD_CONN)
		sockopt_answered(fd, level, name, value, *size);
	return error;
}
