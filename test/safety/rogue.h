/* A peer that speaks the protocol of core/wire.h by itself, without the library: politely, until a case makes it do otherwise. */
#ifndef ROGUE_H
#define ROGUE_H

#include "stage.h"
#include "wire.h"

#include <sys/un.h>

#define ROGUE_FDS 260 /* more than the kernel passes at once */

struct rogue {
	int tcp;
	int side; /* 0: we listen for the rendezvous; 1: the server does */
	int listener, un;
	struct sockaddr_un name;
	socklen_t name_size;

	/* What we say, ready to be spoilt: hello as side 1, grant as side 0; how much of it, and with which descriptors. */
	union {
		struct wire_hello hello;
		struct wire_grant grant;
		char bytes[4096];
	} message;
	size_t message_size;
	int fds[ROGUE_FDS];
	unsigned fd_count;
	struct wire_hello theirs; /* side 0: what the server said */

	uint64_t tcp_sent, tcp_received;
	uint64_t capacity[2];
	struct wire_channel *channel;
	size_t channel_size;
	int channel_fd;
	struct wire_link *link;
	int link_fd;
	struct wire_bells *bells; /* ours */
	int bells_fd;
	const struct wire_bells *their_bells;
	int their_bells_fd;
	uint32_t slot;
};

/* Connects to the server; as side 0 listens for it. What it will say is prepared. */
void rogue_open(struct rogue *, const struct stage *);
/* The same from the given source port (0: any). */
void rogue_open_from(struct rogue *, const struct stage *, uint16_t port);
void rogue_close(struct rogue *);

/* One byte there and back, by whatever carries each way; the same byte, or the case fails. */
void rogue_ping(struct rogue *);
/* One byte there and whatever comes back: false at the end of the connection. */
bool rogue_try(struct rogue *);

/* Side 1: connects to the server's name and says what is prepared. Side 0: waits for the server, and answers. Pings meanwhile. */
void rogue_speak(struct rogue *);
/* Sends what is prepared over UN. As sendmsg. */
ssize_t rogue_pass(struct rogue *);
/* Side 1: whether the server granted; then all is mapped. Side 0: whether the server attached. Pings at most ROUNDS times. */
bool rogue_met(struct rogue *, int rounds);
/* The whole of it, politely. Afterwards both directions are in the rings. */
void rogue_promote(struct rogue *);
/* Meets; leaves the words of the two directions alone. */
void rogue_attach(struct rogue *);

struct wire_side *rogue_own(struct rogue *);
struct wire_side *rogue_peer(struct rogue *);
uint64_t *rogue_out_word(struct rogue *);
uint64_t *rogue_in_word(struct rogue *);
/* Makes the server look: ready bits, and each bell of it that has a name. */
void rogue_poke(struct rogue *);

/* SIZE zeroed bytes of memory with these seals. */
int rogue_memory(size_t size, int seals);
#define ROGUE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define ROGUE_BELL_SEALS (ROGUE_SEALS | F_SEAL_FUTURE_WRITE)

#endif
