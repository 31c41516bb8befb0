/* A TCP connection as this process knows it: an open file description with everything that moves its bytes.
 *
 * One struct conn a process, reached through its descriptors (fdtab.h); one struct conn_shared that forked siblings have in
 * common. Both are recycled, never freed, so a stale pointer is harmless: `generation` tells. */
#ifndef RS_CONN_H
#define RS_CONN_H

#include "barrier.h"
#include "config.h"
#include "link.h"
#include "lock.h"
#include "reason.h"
#include "ring.h"
#include "stats.h"
#include "thread.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a direction stands, as our end sees it. Only goes forward, but MOVING falls back to TCP while the peer has not committed. */
enum stage {
	STAGE_TCP,    /* kernel calls, blocking ones too */
	STAGE_MOVING, /* receive only: consented. No blocking kernel read from here on; TCP until X, then the ring */
	STAGE_RING,   /* the ring carries it. Receive: everything before X has been read */
	STAGE_OWING,  /* send only: back on TCP, which must carry first what it was given back of the ring (resend.h) */
	STAGE_RETURNED, /* back on TCP for good */
};

#define HOLDERS 4
#define FOREIGN_REGS 4
#define HOLDER_PENDING (1u << 31) /* a fork is under way; the low bits are the forking thread */

/* Shared with forked siblings; any of them may die at any instruction. */
struct conn_shared {
	/* Processes that hold the connection: pids, 0 free. Changed by CAS by each for itself, by the forking parent for its child,
	 * and by anyone who finds the pid dead. A direction is only promoted while there is one. */
	uint32_t holder[HOLDERS];
	uint32_t more_holders; /* holders that found no place; never promoted, never the last */

	struct shared_lock send_lock; /* one producer at a time */
	struct shared_lock recv_lock; /* one reader at a time while the direction is MOVING */
	uint32_t send_stage;          /* enum stage; stored by the sender that commits or returns, under send_lock */
	uint32_t recv_stage;          /* enum stage; CAS by readers */
	uint64_t recv_kernel;         /* bytes read from TCP through us, probes excluded; fetch_add */
	uint64_t send_kernel;         /* bytes written to TCP through us; fetch_add */
	uint64_t populated;           /* send ring: data offset below which pages exist; by the producer */

	/* What the ring gave back: positions from and to, and the kernel's count of bytes written before any of it. Stored under send_lock
	 * before HEAD_TAKEN says that they count. */
	uint64_t owed_from;
	uint64_t owed_end;
	uint64_t owed_written;

	/* 1: a process changed a registration of it in an epoll set that another one made and keeps the books of: it stays on TCP, for which
	 * the kernel's books are enough. FOREIGN_REG: whose entries no longer hold, as set's tag and descriptor; 0 free. By CAS; cleared
	 * by the owner, when it has dropped its own. */
	uint32_t foreign_epoll;
	uint64_t foreign_reg[FOREIGN_REGS];

	/* Copies of what the kernel knows, so that the data path need not ask. Stored by whoever changes it, relaxed. */
	uint32_t nonblock;
	uint32_t recv_lowat;
	uint64_t recv_timeout_ns; /* 0: none */
	uint64_t send_timeout_ns;
	uint32_t shut_recv;   /* this end called shutdown(SHUT_RD) */
	uint32_t shut_send;   /* this end called shutdown(SHUT_WR); 2: TCP's FIN waits for what is owed */
	uint32_t tcp_event;   /* TCP reported FIN, RST or an error: ask it from now on */
	uint32_t end_seen;    /* and POLLRDHUP was among it: as a level it says nothing new */
	uint32_t probed;      /* our probe byte for a dead peer was sent */
	uint32_t cork;        /* TCP_CORK as set while the ring carries what we send; by setsockopt, under send_lock */
	uint32_t zerocopy;    /* ZEROCOPY_* (errqueue.h) */
	uint32_t next_notice; /* the number of the next zero-copy send; fetch_add */
	uint32_t
		room_calls; /* times want_space was raised; fetch_add after it, so that an edge for room is told from others */

	struct stats_conn stats; /* when the report has no room for this connection */
};

struct errqueue;
struct reg;
struct rendezvous;
struct stretch;

/* What conn.far says. */
enum { FAR_NOT, FAR_SEARCHING, FAR_OVER };

struct conn {
	uint32_t generation; /* odd while in use */
	uint32_t users;      /* threads inside a critical section that uses this; fetch_add, fetch_sub */
	struct conn_shared *
		shared; /* never NULL once it was used: who looks without holding the connection may meet the next one's */
	uint32_t descriptors; /* of this process; changed under the fdtab lock */
	int fd;               /* one of them; moves when that one is closed: conn_fd */
	struct stats_conn *stats;
	struct errqueue *errors; /* errqueue.h; NULL: nothing ever was in it. Set once, by CAS */

	/* Kernel calls of this process that are under way: generation above, count below. A reader or writer counts itself
	 * (full barrier), then looks at the gate; who moves the direction raises the gate (full barrier), then looks at the count. */
	uint64_t kernel_readers;
	uint64_t kernel_writers;
	uint32_t send_gate; /* 1: a commit is being decided; writers wait for it */

	/* Promotion (promote.c), under `promoting`. */
	uint32_t promoting;    /* try-lock */
	uint32_t attached;     /* 1: the channel is mapped; release, acquire */
	uint32_t never;        /* no consent, no commit; no further attempts either, but for maps: promote_over */
	uint32_t over;         /* no further attempts at all */
	uint32_t tries;        /* for the peer to be found */
	uint32_t looks;        /* for its answer */
	uint16_t settings;     /* their number (settings_of); relaxed */
	uint8_t undecided;     /* 1: the rules may give it others once its ends are known */
	uint64_t search_calls; /* the distance between the first attempts, in calls */
	uint64_t next_calls;   /* the attempt after next happens at that many calls or bytes */
	uint64_t next_bytes;
	struct rendezvous *rendezvous;
	uint32_t corked; /* the last kernel write had MSG_MORE */
	uint32_t accepted;
	uint32_t
		orphan; /* 1: closed while a thread slept in a call on it; lives on FD, a descriptor of ours, until that call ends. 2: ending */
	uint32_t reset; /* the end to come is a reset, not an EOF */

	/* The channel; constant while attached. */
	struct wire_channel *channel;
	size_t channel_size;
	int side;
	struct ring send_ring, recv_ring;
	uint64_t
		cookie; /* SO_COOKIE: whether a number in another table of descriptors (a vfork child's) is this socket */
	struct link *link; /* NULL: nobody at the other end, only bytes that a former program left (inherit.c) */
	uint32_t slot;
	uint64_t look_again; /* clock_ticks after which a non-blocking miss asks TCP */
	uint64_t stuck_head; /* the peer's head when the sender last asked TCP about it */
	uint64_t heard;      /* our own head when the sender last found it moved */
	uint32_t
		trickle; /* waits in a row for small messages that came at once, none sent in between (poll.c); by readers, relaxed */

	struct rsocket_options {
		uint32_t made; /* 1: by an r-call; otherwise the rest is nothing */
		uint16_t sq_size, rq_size, inline_size, iomap_size;
		uint32_t route_size; /* bytes of ROUTE, a page of its own, or 0 */
		void *route;
	} rsocket; /* rsocket.h */

	struct iomap *iomap; /* direct placement (iomap.h); NULL: never asked for. Set once, by CAS */
	/* 1: it is known how bytes are placed, or that none will be; release, acquire */
	uint32_t maps_settled;
	uint32_t far; /* FAR_*: the search for a peer on another host (far.h); relaxed */
	/* 1: the program's kernel writes wait for a stretch of ours (stretch.h). As send_gate, but for long: they sleep */
	uint32_t far_gate;
	struct stretch *stretch; /* NULL: none was announced. Set once, with release, before the stage says MOVING */

	struct reg *regs; /* epoll registrations, under the readiness lock */
	struct conn *next_free;
};

/* A new connection on FD, holder: this process. NULL when out of memory: FD stays the kernel's alone. */
struct conn *conn_new(int fd, bool accepted);

/* The same for the kernel's new socket FD, if it is one of TCP. Keeps errno. */
void conn_track(int fd, bool accepted);

/* A connection under construction becomes one worth a record: connect succeeded or is under way. Once. */
void conn_opened(struct conn *c);

/* Finds FD's connection and keeps it from being recycled; enters a critical section. NULL: not a tracked connection. */
struct conn *conn_get(int fd);
void conn_put(struct conn *c);
void conn_orphan_end(struct conn *c); /* if the last call is over */

/* After a sleep outside the critical section: the same connection again, if it still has FD or another number, or a thread that sleeps in
 * a call on it. Enters the critical section whatever it returns. */
bool conn_get_again(struct conn *c, uint32_t generation, int fd);
/* Leaves without putting (the sleep between). */
static inline void conn_put_keep(struct conn *c) /* thread_self.waiting protects it meanwhile */
{
	fetch_sub(&c->users, 1);
	critical_exit();
}

/* The kernel's descriptor FD was or is about to be closed (not yet reused): detaches it. When it was the last one of the last
 * holder, ends the connection as TCP would: EOF, or RST when unread bytes remain. Call before the close itself. */
void conn_close(struct conn *c, int fd);

/* Process exit: ends every connection that nobody else holds, without freeing what other threads may still use. RUNNING: destructors of
 * other libraries come after us, and may use them. */
void conn_exit(bool running);
/* Around exec: this process lets go of its connections; FAILED: it takes them up again. */
void conn_exec(bool failed);

/* Whether FD, in the table of descriptors of whoever asks, is C's socket. C is attached. */
bool conn_is(const struct conn *c, int fd);
/* Whether this process is the only living holder. */
bool conn_sole_holder(struct conn *c);
void conn_hold(struct conn *c, uint32_t pid);
void conn_release(struct conn *c, uint32_t pid);
/* Calls FN for each connection of the table, held. */
void conn_each(void (*fn)(struct conn *c, void *arg), void *arg);

void conn_reason(struct conn *c, enum reason reason);
/* Gives up promoting for good. */
void conn_never(struct conn *c, enum reason reason);

static inline int conn_fd(const struct conn *c)
{
	return load_relaxed(&c->fd);
}

static inline enum stage conn_send_stage(const struct conn *c)
{
	return (enum stage)load_acquire(&load_relaxed(&c->shared)->send_stage);
}

static inline enum stage conn_recv_stage(const struct conn *c)
{
	return (enum stage)load_acquire(&load_relaxed(&c->shared)->recv_stage);
}

/* Whether what we send is for us to carry, or to hold back. */
static inline bool conn_sends(const struct conn *c)
{
	enum stage s = conn_send_stage(c);

	return s == STAGE_RING || s == STAGE_OWING;
}

/* Whether a wait for this connection must look at more than the kernel's socket. */
static inline bool conn_special(const struct conn *c)
{
	enum stage r = conn_recv_stage(c);

	return conn_sends(c) || r == STAGE_MOVING || r == STAGE_RING || load_relaxed(&c->errors);
}

static inline const struct settings *conn_settings(const struct conn *c)
{
	return settings_of(load_relaxed(&c->settings));
}

/* The direction words of the channel. */
static inline uint64_t *conn_send_word(struct conn *c)
{
	return &c->channel->word[c->side];
}

static inline uint64_t *conn_recv_word(struct conn *c)
{
	return &c->channel->word[!c->side];
}

static inline struct wire_side *conn_own(struct conn *c)
{
	return &c->channel->side[c->side];
}

static inline struct wire_side *conn_peer(struct conn *c)
{
	return &c->channel->side[!c->side];
}

/* The consumer is to tell when there is room. Look once more afterwards. */
static inline void conn_want_room(struct conn *c)
{
	exchange(&conn_own(c)->want_space, 1);
	fetch_add(&c->shared->room_calls, 1);
}

/* There is room, and want_space was seen: tells the peer. */
void conn_grant_room(struct conn *c);

/* Tells the peer that its end has news (bytes, FIN, room): ready bit, then the bells. After the publish, which was a full barrier. */
void conn_notify(struct conn *c);

/* Wakes whoever of our side, forked siblings included, sleeps for the connection: a direction of it has gone back to TCP. */
void conn_notify_own(struct conn *c);

/* Puts bell number BELL of ours (or all) into what the peer rings. */
void conn_interest(struct conn *c, int bell);

/* TCP reported the end of the peer's direction (POLLRDHUP and such in REVENTS). Remembers it, and if the peer is gone for good with
 * bytes of ours unread, or ASKED because we have something to write, provokes the RST that TCP would have sent.
 * Returns what TCP reports now. */
int conn_note_end(struct conn *c, int revents, bool asked);
/* Whether the peer's end is gone, as far as TCP's REVENTS and its last words in the channel tell. */
bool conn_peer_gone(struct conn *c, int revents);
/* An error of C's TCP socket as the program should see it: a death that we had to ask for is a reset. */
int conn_error(struct conn *c, int error);

/* The peer broke the rules, or bytes are gone: the connection dies visibly, by RST. */
void conn_reset(struct conn *c, enum reason reason);

void conn_fork_prepare(void);
/* CHILD: its pid, < 0 when fork failed, 0 when not known. */
void conn_fork_parent(int32_t child);
/* Later: the place that was kept for the child gets its pid, or, with 0, is free again. */
void conn_fork_settle(uint32_t child);
void conn_fork_child(void);

/* Counts a kernel call in and out. */
void conn_kernel_enter(uint64_t *counter, uint32_t generation);
void conn_kernel_leave(uint64_t *counter, uint32_t generation);

#endif
