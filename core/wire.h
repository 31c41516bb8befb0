/* Every byte that another process can see: the shared pages and the messages that introduce them. */
#ifndef RS_WIRE_H
#define RS_WIRE_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAGIC 0x3154454b434f5352ull /* "RSOCKET1", little endian */
#define WIRE_VERSION 2
#define WIRE_LINE 64
#define WIRE_PAGE 4096

/* --- the channel: one sealed memfd a connection, mapped writable by both ends. Nothing in it is trusted:
 * each end reads a word of it once and checks it before use. Side 0 is the end whose (address, port) sorts lower. --- */

/* tail: position in the low bits, and what ends the direction. */
#define TAIL_FIN (1ull << 63)    /* the producer shut the direction down: EOF after this position */
#define TAIL_CLOSED (1ull << 62) /* the direction went back to TCP at this position */
#define TAIL_FLAGS (TAIL_FIN | TAIL_CLOSED)
#define TAIL_POSITION(t) ((t) & ~TAIL_FLAGS)

/* head: position in the low bits, and whether the consumer still moves it. */
#define HEAD_TAKEN (1ull << 63) /* the producer took back what lies from here to tail, and sends it by TCP */
#define HEAD_POSITION(h) ((h) & ~HEAD_TAKEN)

/* word: state in the low bits, X above: the TCP position at which the direction left TCP. */
enum wire_state { WIRE_OFF, WIRE_CONSENT, WIRE_COMMITTED, WIRE_REFUSED };
#define WORD_STATE(w) ((enum wire_state)((w)&7))
#define WORD_POSITION(w) ((w) >> 3)
#define WORD(state, position) ((uint64_t)(state) | (uint64_t)(position) << 3)

struct wire_side {
	/* Position up to which this side produced. Written by this side with a CAS from its last value (full barrier, publishes
	 * the bytes before it; pairs with the consumer's acquire load), so that either flag makes a later publish fail (but for bytes that
	 * the producer can leave nowhere else, behind CLOSED, which it takes back at once): FIN or-ed in by this side, CLOSED by either.
	 * Closed by the consumer, it asks for what it has not read by TCP; only the first to set a flag may go by that. Dead producer: bytes
	 * after tail were never sent. */
	alignas(WIRE_LINE) uint64_t tail;

	/* Position up to which this side consumed the other's ring. Moved by CAS (full barrier) after the bytes were copied out;
	 * the producer's acquire load pairs with it before it overwrites. TAKEN is or-ed in by the OTHER side, by CAS after CLOSED is in
	 * its tail: a consumer that still copies fails to claim, and nobody moves it any more. Producer dead with TAKEN set: what
	 * it had not written to TCP is lost, as what a killed process had not sent; forked siblings of it go on (resend.c). */
	alignas(WIRE_LINE) uint64_t head;

	/* Words that seldom change. interest: who of this side wants to hear: four bell numbers + 1, sixteen bits each, or
	 * WIRE_EVERY_BELL. Written by this side before it announces its sleep (bell.c), read by the other after each publish. */
	alignas(WIRE_LINE) uint64_t interest;
	/* Ring position that lies at data offset 0. Written by this side while its ring is empty, before the tail that makes it
	 * matter; read by the consumer after that tail. */
	uint64_t base;
	/* 1: somebody of this side waits for room in its ring. Set by each who waits (full barrier), after announcing its sleep, before
	 * it reads head again. The consumer moves head by CAS, makes this 2 (full barrier), notifies all, and makes it 0 if it still is 2. Died
	 * in between: whoever of its side looks next finds it so and notifies again. */
	uint32_t want_space;
	/* 1: this side waits for more than the ring holds of it so far, or once did (a low-water mark, a peek for all): any room will do
	 * for the producer. Set by this side for good (full barrier), then it notifies a producer that wants space. */
	uint32_t hungry;
	uint32_t epoll;    /* 1: an epoll set of this side's link owner watches: set the ready bit too. As interest */
	uint32_t attached; /* WIRE_ATTACHED, WIRE_STAYING: this side has mapped the channel; release, acquire */
	uint32_t
		closed; /* 1: this side closed its last descriptor, or shut both ways: writes to it are in vain. Release; acquire */
};

struct wire_channel {
	uint64_t magic;
	uint32_t version;
	uint16_t maps[2];     /* entries of side 0's and of side 1's wire_iomap; both 0: there is none. Constant */
	uint64_t capacity[2]; /* bytes of the ring that side 0, side 1 produces into; powers of two */
	/* word[d]: where direction d (produced by side d) stands. OFF -> CONSENT and OFF or CONSENT -> REFUSED by the consumer, CONSENT
	 * -> COMMITTED by the producer, each by CAS; a committed or refused word never changes. */
	alignas(WIRE_LINE) uint64_t word[2];
	struct wire_side side[2];
};
_Static_assert(sizeof(struct wire_side) == 3 * WIRE_LINE, "ABI between processes");
_Static_assert(sizeof(struct wire_channel) == 8 * WIRE_LINE, "ABI between processes");

#define WIRE_ATTACHED 1u
#define WIRE_STAYING 2u /* for its maps alone: no direction leaves TCP */
#define WIRE_EVERY_BELL 0xffffu
#define WIRE_DATA_OFFSET WIRE_PAGE /* ring 0, then ring 1 */
#define WIRE_CAPACITY_MIN 64ull
#define WIRE_CAPACITY_MAX (1ull << 30)

/* --- direct placement: behind the rings of a channel whose ends asked for it (RDMA_IOMAPSIZE): side 0's wire_iomap, then side 1's.
 * The bytes themselves never come here: the other side copies them to or from the mapper's memory (iomap.c). --- */

struct wire_map {
	/* Odd: the words below say what is mapped. Written by this side alone: + 1 (full barrier) before it takes a map back, release
	 * once the words are written; pairs with the other side's acquire load, which looks at it again after the words and after it
	 * announced its visit. Dead mapper: the token is not found, nothing is copied. */
	alignas(WIRE_LINE) uint32_t turn;
	uint32_t owner; /* process of this side that has this entry; 0 free. CAS by this side alone */
	uint32_t prot;  /* PROT_READ, PROT_WRITE */
	uint32_t reserved;
	uint64_t offset; /* what the other side calls it */
	uint64_t length;
	uint64_t address;  /* in OWNER's memory; 0, and no token, for a peer that is served by message */
	uint64_t token_at; /* there OWNER keeps TOKEN: another process, or another program, has it not */
	uint64_t token[2];
};
_Static_assert(sizeof(struct wire_map) == WIRE_LINE, "ABI between processes");

#define WIRE_VISITORS 14

struct wire_iomap {
	/* 1: this side has mapped the channel and published what was mapped before. Release; acquire. Never taken back. */
	alignas(WIRE_LINE) uint32_t ready;
	/* Entries from here on were never used. Raised by this side before the entry is published, never lowered. */
	uint32_t high;
	/* Who of the OTHER side copies at this moment: its pid above, entry + 1 below; 0 free. Set by it with CAS (full barrier) before it
	 * looks at the turn again, cleared (release) when the kernel is done. This side takes a map back (full barrier), then waits until
	 * no visit to it is left (acquire). Dead visitor: its pid tells, and either side clears it. */
	uint64_t visitor[WIRE_VISITORS];
	alignas(WIRE_LINE) struct wire_map map[];
};
_Static_assert(sizeof(struct wire_iomap) == 2 * WIRE_LINE, "ABI between processes");

#define WIRE_MAPS_MAX 32512

/* --- the link: one sealed memfd a pair of processes: which of the connections between them have news --- */

#define LINK_SLOTS 4096u

struct wire_ready {
	/* Bit i: leaf[i] may be non-zero. Set by the other side after the leaf, both by fetch_or (full barrier) after it published;
	 * cleared by exchange before the leaf is, and that before this side reads any tail. Never a reason to believe anything:
	 * a set bit means "look". Died between leaf and summary: its TCP sockets report it. */
	alignas(WIRE_LINE) uint64_t summary;
	alignas(WIRE_LINE) uint64_t leaf[LINK_SLOTS / 64];
};

struct wire_link {
	uint64_t magic;
	uint32_t version;
	struct wire_ready ready[2]; /* ready[s]: read by side s, written by the other */
};
_Static_assert(sizeof(struct wire_ready) == 576, "ABI between processes");
_Static_assert(sizeof(struct wire_link) <= WIRE_PAGE, "one page");

/* --- the bell page: one memfd a process family, sealed so that peers can only read it --- */

#define BELL_COUNT 1024u

struct wire_bell {
	/* Low half: threads asleep on this bell. High half: goes up with each one that falls asleep, and with each that wakes
	 * while others sleep on. Written by the owner by fetch_add (full barrier: announce, then look again); read
	 * by producers after their publish. One ring for one value of the high half is enough. */
	uint64_t state;
	uint64_t name[2]; /* random: the bell's abstract datagram socket. 0, 0: free */
	uint64_t owner;   /* pid of the owner; not for peers */
};

struct wire_bells {
	uint64_t magic;
	uint32_t version;
	uint32_t reserved;
	alignas(WIRE_LINE) struct wire_bell bell[BELL_COUNT];
};
_Static_assert(sizeof(struct wire_bell) == 32, "ABI between processes");
_Static_assert(sizeof(struct wire_bells) == 64 + 32 * BELL_COUNT, "ABI between processes");

#define BELL_SLEEPERS(state) ((uint32_t)(state))
#define BELL_TURN(state) ((uint32_t)((state) >> 32))
#define BELL_ONE_SLEEPER ((uint64_t)1)
#define BELL_ONE_TURN ((uint64_t)1 << 32)

/* --- datagrams: one sealed memfd a pair of UDP sockets, made by the sender, which alone stores to the ring; a page, then the ring.
 * The kernel carries a datagram where the ring cannot; the two are told apart by counts (dgram_pair.h). --- */

#define WIRE_DGRAM_ALIGN 16u
#define WIRE_DGRAM_MAX 65507u
#define WIRE_DGRAM_CAPACITY_MIN (256ull << 10)
#define WIRE_DGRAM_CAPACITY_MAX (64ull << 20)

/* At ring positions that are multiples of WIRE_DGRAM_ALIGN; the bytes follow. */
struct wire_dgram_record {
	uint32_t length; /* bytes, at most WIRE_DGRAM_MAX */
	uint32_t reserved;
	uint64_t kernel; /* how many datagrams the sender had given to the kernel for this receiver by then */
};
_Static_assert(sizeof(struct wire_dgram_record) == WIRE_DGRAM_ALIGN, "ABI between processes");

struct wire_dgram {
	uint64_t magic; /* this and the next two: constant, written by the sender before anybody else has the memory */
	uint32_t version;
	uint32_t reserved;
	uint64_t capacity; /* bytes of the ring, a power of two */

	/* Position up to which records are published. Release by the sender, after the record; then a full barrier, then it reads awake.
	 * Acquire by the receiver. Dead sender: what is behind tail was never sent; what it published and would have taken back,
	 * because the receiver sleeps, is found when that one looks next. */
	alignas(WIRE_LINE) uint64_t tail;
	/* Ring position that lies at data offset 0. By the sender while claimed and freed are at tail, before the tail that makes it matter;
	 * by the receiver read after that tail. */
	uint64_t base;
	uint32_t ended; /* 1: no more records will come. Release by the sender after the last tail; acquire */

	/* Position up to which records belong to somebody: the receiver's, by CAS from the position of a record to the next one's; or the
	 * sender's again, by CAS to tail, who then gives them to the kernel. Whoever loses sees what the other did. Dead receiver: the
	 * sender takes all that it had not claimed. */
	alignas(WIRE_LINE) uint64_t claimed;
	/* Position up to which the receiver has copied, and the sender may overwrite. Release by the receiver, who makes it claimed when it has
	 * nothing under way; acquire. Dead receiver: the ring stays full. */
	uint64_t freed;

	/* 1: the receiver will look at the ring before it sleeps, so records may be published. By the receiver: 0, then a full barrier,
	 * then a last look at tail; 1 (release) when it is awake again. Dead receiver: stays, and claimed does not move. */
	alignas(WIRE_LINE) uint32_t awake;
	uint32_t
		closed; /* 1: no further records, for good. By the receiver, as awake = 0; by a sender that finds the ring spoilt */
	uint32_t
		attached; /* 1: the receiver has the memory and heard its sender through the kernel. Release; acquire */
	uint32_t beat;    /* goes up now and then while the receiver runs: a ring that was given up is tried again */
};
_Static_assert(sizeof(struct wire_dgram) == 4 * WIRE_LINE, "ABI between processes");

struct wire_dgram_end {
	uint8_t addr[16]; /* IPv4: the first four */
	uint16_t port;
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t reserved[5];
};

struct wire_dgram_hello { /* sender to receiver, the only message; carries the memory */
	uint64_t magic;
	uint32_t version;
	uint32_t reserved;
	uint64_t cookie; /* SO_COOKIE of the sender's UDP socket */
	struct wire_dgram_end from, to;
};
_Static_assert(sizeof(struct wire_dgram_hello) == 72, "ABI between processes");

/* --- the rendezvous: messages on an abstract SOCK_SEQPACKET socket named after the connection --- */

struct wire_reach {        /* for the other end to find out whether the kernel lets it into the sender's memory */
	uint64_t token_at; /* 0: do not try */
	uint64_t token[2]; /* what is there */
	uint32_t pid;      /* as the sender knows itself */
	uint32_t reserved;
};

struct wire_hello { /* connector (side 1) to listener; carries its bell page */
	uint64_t magic;
	uint32_t version;
	uint32_t maps;        /* how many maps of the listener's it takes: RDMA_IOMAPSIZE */
	uint64_t process[2];  /* random name of the sender's process */
	uint64_t cookie;      /* SO_COOKIE of its end of the connection */
	uint64_t capacity[2]; /* least ring capacity it wants for direction 0, 1 */
	struct wire_reach reach;
};

struct wire_grant { /* answer: carries bell page, channel, link */
	uint64_t magic;
	uint32_t version;
	uint32_t slot; /* bit number in the link */
	uint64_t process[2];
	uint64_t cookie;
	uint64_t link[2]; /* random name of the link */
	struct wire_reach reach;
	uint32_t direct; /* 1: the kernel lets the sender into the memory of who said hello */
	uint32_t reserved;
};

struct wire_verdict { /* connector to listener, if the channel has tables of maps: how bytes are placed */
	uint64_t magic;
	uint32_t direct; /* 1: the kernel lets the sender into the listener's memory */
	/* 1: somebody must ask by message. Side 1 asks on this socket from now on, side 0 on a second connection to the listener's
	 * name, which was made before this was sent. */
	uint32_t message;
	uint64_t nonce[2]; /* random */
};

struct wire_second { /* the first message on that second connection */
	uint64_t magic;
	uint64_t nonce[2]; /* the verdict's */
};
_Static_assert(sizeof(struct wire_hello) == 88, "ABI between processes");
_Static_assert(sizeof(struct wire_grant) == 96, "ABI between processes");
_Static_assert(sizeof(struct wire_verdict) == 32, "ABI between processes");
_Static_assert(sizeof(struct wire_second) == 24, "ABI between processes");

/* --- placement by message, where the kernel forbids the copy: one message asks, one answers, on a SOCK_SEQPACKET socket for each side
 * that asks. One question is under way at a time; an answer that nobody waits for any more is thrown away. --- */

enum wire_place { WIRE_PLACE_WRITE = 1, WIRE_PLACE_READ };

struct wire_ask {        /* a write's bytes follow */
	uint32_t what;   /* enum wire_place */
	uint32_t number; /* the answer has it too */
	uint32_t size;
	uint32_t reserved;
	uint64_t offset;
};

struct wire_answer { /* a read's bytes follow */
	uint32_t number;
	uint32_t error; /* EFAULT, EACCES; 0 */
	uint32_t size;  /* bytes that were copied: as many as asked for, or fewer, but some unless ERROR says why not */
	uint32_t bytes; /* between hosts: how many follow; in a message its length tells that */
};
_Static_assert(sizeof(struct wire_ask) == 24, "ABI between processes");
_Static_assert(sizeof(struct wire_answer) == 16, "ABI between processes");

#define WIRE_PLACE_MAX 65536u /* bytes of one message besides its head */

/* --- placement between hosts: the connector of a TCP connection listens at its own end's address and port; the acceptor connects there, twice. Each
 * of the two carries first some of the words below, then questions one way and answers the other, as above, one behind the other. Two hosts of
 * different byte order take each other for strangers.
 *
 * HELLO, by the connector, as soon as it is connected to. ANNOUNCE, by the acceptor: at POSITION of what it sends on the main connection
 * will be a wire_stretch with NONCE. EXPECTED: until it has come, or other bytes at its place, what the connector's program reads ends
 * before it; or BUSY: not now. Only then the stretch is written there; or WITHDRAWN is said, and it never will be. FOUND: the connector
 * has taken it out; NONCE is its secret, which nobody else can know. SECOND, on the second connection, with the secret again; DONE. The connector
 * asks on the first one, the acceptor on the second. --- */

enum wire_far_what {
	WIRE_FAR_HELLO = 1,
	WIRE_FAR_ANNOUNCE,
	WIRE_FAR_EXPECTED,
	WIRE_FAR_BUSY,
	WIRE_FAR_WITHDRAWN,
	WIRE_FAR_FOUND,
	WIRE_FAR_SECOND,
	WIRE_FAR_DONE
};

struct wire_far {
	uint64_t magic;
	uint32_t version;
	uint32_t what; /* enum wire_far_what */
	uint32_t maps; /* HELLO, ANNOUNCE: how many maps of the other end's the sender takes: RDMA_IOMAPSIZE */
	uint32_t reserved;
	uint64_t position; /* ANNOUNCE */
	uint64_t nonce[2]; /* ANNOUNCE, FOUND, SECOND */
};
_Static_assert(sizeof(struct wire_far) == 48, "ABI between hosts");

struct wire_stretch {
	uint64_t nonce[2];  /* random; announced: the connector knows it for what it is */
	uint64_t secret[2]; /* random; was nowhere else: the acceptor knows by it who reads the main connection */
};
_Static_assert(sizeof(struct wire_stretch) == 32, "ABI between hosts");

#endif
