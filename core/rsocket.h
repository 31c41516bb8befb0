/* The rsockets API as the engine has it: the calls of rsocket(7), each of which returns what it should or -errno. Both libraries have
 * it: librsocket.so exports it, and where librspreload.so is in the process too, calls go to that one's engine by its table. */
#ifndef RS_RSOCKET_H
#define RS_RSOCKET_H

#include "conn.h"
#include "fdtab.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#define RCALL(type, name, params, args) type rsocket_##name params;
#define VRCALL(type, name, vparams, params, args) RCALL(type, name, params, args)
#include "rsocket.def"
#undef RCALL
#undef VRCALL

/* One pointer a row. */
struct rsocket_calls {
	const char *rows; /* the names of all rows: tables of different builds must not be mixed */
#define RCALL(type, name, params, args) type(*name) params;
#define VRCALL(type, name, vparams, params, args) RCALL(type, name, params, args)
#include "rsocket.def"
#undef RCALL
#undef VRCALL
};
extern const struct rsocket_calls rsocket_calls;

/* The function of that type by which librspreload.so hands out its table, its engine started. */
#define RSOCKET_CALLS_SYMBOL "rspreload_rsocket_calls"
typedef const struct rsocket_calls *rsocket_calls_fn(void);

/* The SOL_RDMA options of a connection that the r-calls made. */
struct rsocket_options;
/* Largest values: RDMA_SQSIZE and the like; RDMA_IOMAPSIZE. */
#define RSOCKET_SIZE_MAX 0xfffe
#define RSOCKET_IOMAP_MAX 32512

/* What RDMA_IOMAPSIZE becomes: above 128 the protocol knows multiples of 256 only. */
unsigned rsocket_iomap_quantum(unsigned long count);
/* Goes up when a search for the peer of an rsocket with maps may have begun: whoever finds none under way need not look again before. */
extern uint32_t rsocket_map_searches;
static inline void rsocket_map_search_begins(void)
{
	fetch_add(&rsocket_map_searches, 1);
}

/* O of a new rsocket are the settings'. */
void rsocket_options_default(struct rsocket_options *o);
/* Its rsocket is going. */
void rsocket_options_fini(struct rsocket_options *o);
/* C was made by an r-call: its options are the settings', or those of the listener FROM. */
void rsocket_options_init(struct conn *c, const struct conn *from);

/* Whether C has been connected, or asked to. */
static inline bool rsocket_opened(const struct conn *c)
{
	return load_relaxed(&c->stats->state) != STATS_FREE;
}

#endif
