/* One direction leaves TCP for the ring and perhaps comes back, under readers and writers that go on meanwhile.
 *
 * Receiver: raises its gate (stage TCP -> MOVING), and when none of its readers is inside a kernel read, consents (word OFF ->
 * CONSENT). From then on its readers refuses block in a kernel read: they wait for TCP and bell.
 * Sender: raises its gate, and when none of its writers is inside a kernel write, commits (CONSENT -> COMMITTED, with X, the number of bytes
 * that TCP was given). The reader takes TCP up to X, then the ring.
 * Back: either end sets CLOSED in the tail; that position is Y. The receiver of a direction that is not committed refuses it
 * for good instead. After Y the sender writes to TCP again. If the receiver closed the tail, its readers go to TCP at once, and the sender
 * takes back what they left (TAKEN in the head, after which no reader can claim it) and writes that to TCP first. A reader that decided
 * before the commit to read TCP may do so only now, when TCP has newer bytes: it looks before it takes.
 *
 * Checked: every byte is taken once and in order (assertion at the taking), everybody comes to an end (invalid end state), a receiver that
 * was told that the direction is TCP's again refuses needs the ring.
 *
 *   BYTES, READERS, WRITERS   sizes
 *   CAPACITY                  of TCP and of the ring
 *   SENDER_RETURNS            another thread of the sender returns the direction at any moment
 *   RECEIVER_RETURNS          another thread of the receiver asks for it at any moment
 *   SENDER_TAKES              the sender that returns takes back what is unread, as if it was asked
 *   QUOTA                     each reader takes that many bytes and leaves; else all read until EOF
 *   NO_FIN                    no FIN after the last byte (with QUOTA)
 */
#ifndef BYTES
#define BYTES 3
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif

mtype = { TCP, MOVING, RING, OWING, RETURNED };
mtype = { OFF, CONSENT, COMMITTED, REFUSED };

chan tcp = [CAPACITY] of { byte };
chan ring = [CAPACITY] of { byte };
bool tcp_fin;

/* Shared by both ends. */
mtype word = OFF;
byte x;                 /* in the word, with COMMITTED */
bool closed, fin;       /* in the tail */
bool taken;             /* in the head */

/* The sender's. */
byte next;              /* first byte not yet written anywhere */
byte tcp_written;
bool send_lock;
byte send_gate;         /* 1: seen by all; BROKEN_NO_SEND_FENCE: 2: stored, not yet seen */
byte kernel_writers;
mtype send_stage = TCP;
byte writers_done;

/* The receiver's. */
byte got;               /* bytes taken: the next one must be this one */
byte tcp_read;          /* bytes read from TCP, as the kernel counts them */
byte recv_kernel;       /* the same, counted after the call */
byte kernel_readers;
mtype recv_stage = TCP;
bool late_stage;        /* BROKEN_NO_RECV_FENCE: MOVING is stored, not yet seen */
byte rings;             /* wakes of the readers that sleep outside the kernel's TCP */
bool refuses;
byte readers_done;

/* EOF only after the last byte. */
#define END_OF_FILE atomic { assert(got == BYTES); eof = true }
/* A guard: takes a byte if there is one, in one step as the kernel does and as the CAS of the head does. */
#define TAKE(from) atomic { nempty(from) -> from?value; assert(value == got); got++; mine++; tcp_read++ }
/* Bytes are looked at, then the word is read, then they are taken, all under the receive lock: what was there before any commit, or below
 * its X. */
#ifndef BROKEN_NO_PEEK
#define TAKE_BEFORE atomic { len(tcp) > 0 && (word != COMMITTED || tcp_read < x) -> tcp?value; assert(value == got); got++; mine++; tcp_read++ }
#else
#define TAKE_BEFORE TAKE(tcp)
#endif
#ifndef BROKEN_CLAIM
#define UNREAD (len(ring) > 0 && !taken)
#else
#define UNREAD (len(ring) > 0)
#endif
#define TAKE_RING atomic { UNREAD -> ring?value; assert(value == got); got++; mine++ }

/* --- sender --- */

/* Under the send lock, behind a closed tail: what is unread is written to TCP, before anything newer. */
inline take_back()
{
	taken = true;
	send_stage = OWING;
	do
	:: nempty(ring) -> atomic { nfull(tcp) -> ring?owed; tcp!owed; tcp_written++ }
	:: empty(ring) -> break
	od
}

inline send_return()
{
	if
	:: send_stage == RING ->
		atomic { asked = closed && !fin; closed = true }; /* after a FIN nothing more can be sent */
#ifdef SENDER_TAKES
		asked = !fin;
#endif
		if
		:: asked -> take_back()
		:: else
		fi;
		send_stage = RETURNED;
		rings++
	:: else
	fi
}

inline commit()
{
#ifdef BROKEN_NO_SEND_FENCE
	send_gate = 2;
#else
	send_gate = 1;
#endif
	if
#ifndef BROKEN_NO_SEND_COUNT
	:: kernel_writers > 0 -> skip
#endif
	:: else ->
		position = tcp_written;
		if
		:: atomic { word == CONSENT -> word = COMMITTED; x = position };
#ifdef BROKEN_GATE_BEFORE_STAGE
			atomic { send_gate != 2 -> send_gate = 0 };
#endif
			send_stage = RING
		:: word != CONSENT
		fi
	fi;
	atomic { send_gate != 2 -> send_gate = 0 }
}

/* One byte, by a blocking kernel write that is counted. */
inline kernel_write(decided)
{
	kernel_writers++;
	if
#ifndef BROKEN_NO_SEND_GATE
	/* Still what the decision was made on: back from the ring is another stage than never having left. */
#ifdef BROKEN_STALE_STAGE
	:: send_gate == 1 || send_stage == RING -> kernel_writers--
#else
	:: send_gate == 1 || send_stage != decided -> kernel_writers--
#endif
#endif
	:: else ->
		/* The kernel's count and its queue change together; a full queue is waited for inside the call. */
		atomic {
			(nfull(tcp) || next == BYTES) ->
			if
			:: next < BYTES -> tcp!next; next++; tcp_written++
			:: else
			fi
		};
		kernel_writers--
	fi
}

inline ring_write()
{
	if
	:: atomic { !closed && nfull(ring) && next < BYTES -> ring!next; next++ }; rings++
	:: closed -> send_return()
	:: next == BYTES
	fi
}

proctype writer()
{
	byte position, owed;
	bool last, asked;

	do
	:: next == BYTES -> break
	:: else ->
		if
		:: send_stage == TCP ->
			if
			:: word == CONSENT ->
				atomic { !send_lock -> send_lock = true };
				if
				:: send_stage == TCP -> commit()
				:: else
				fi;
				send_lock = false
			:: true
			fi;
			if
			:: send_stage == TCP && send_gate != 1 -> kernel_write(TCP)
			:: else -> !(send_gate == 1 && send_stage == TCP) /* waits for the decision */
			fi
		:: send_stage == RING ->
			atomic { !send_lock -> send_lock = true };
			if
			:: send_stage == RING -> ring_write()
			:: else
			fi;
			send_lock = false
		:: send_stage == OWING -> send_stage != OWING
		:: send_stage == RETURNED ->
			kernel_write(RETURNED)
		fi
	od;
	atomic { writers_done++; last = (writers_done == WRITERS) };
	if
	:: last ->
#ifndef NO_FIN
		atomic { !send_lock -> send_lock = true };
		/* The flag and what was there before it: one step. */
		if
		:: atomic { send_stage == RING && !closed -> fin = true }; rings++
		:: send_stage == RING && closed -> send_return()
		:: send_stage != RING
		fi;
		send_lock = false;
		tcp_fin = true
#else
		skip
#endif
	:: else
	fi
}

/* --- receiver --- */

inline consent()
{
	if
	:: !refuses ->
		if
#ifdef BROKEN_NO_RECV_FENCE
		:: atomic { recv_stage == TCP && !late_stage -> late_stage = true };
#else
		:: atomic { recv_stage == TCP -> recv_stage = MOVING };
#endif
			if
#ifndef BROKEN_NO_RECV_COUNT
			:: kernel_readers > 0 -> not_now()
#endif
			:: else ->
				if
				:: atomic { word == OFF -> word = CONSENT }
#ifndef BROKEN_TAKE_BACK
				:: word == REFUSED -> not_now()
#else
				:: word != OFF
#endif
				fi
			fi
		:: recv_stage != TCP
		fi
	:: refuses
	fi
}

inline not_now()
{
#ifdef BROKEN_NO_RECV_FENCE
	!late_stage;
#endif
	recv_stage = TCP
}

/* How far TCP was read: the kernel's count, which has the bytes that another reader took and did not count yet. */
#ifndef BROKEN_OWN_COUNT
#define POSITION tcp_read
#else
#define POSITION recv_kernel
#endif

/* Nothing to take: waits for TCP or a ring since `heard`. */
#define SLEEP(tcp_too) rings != heard || (tcp_too && (nempty(tcp) || tcp_fin))

inline read_moving()
{
	heard = rings;
	atomic { state = word; limit = x };
	position = POSITION;
	if
	:: state == COMMITTED && position == limit ->
		if
		:: atomic { recv_stage == MOVING -> recv_stage = RING }
		:: recv_stage != MOVING
		fi
	:: state == COMMITTED && position < limit ->
		if
		:: TAKE_BEFORE; recv_kernel++
		:: len(tcp) == 0 || tcp_read >= limit ->
			/* Nothing there, perhaps because another reader took the last byte before X just now. */
			if
#ifndef BROKEN_X_UNCHECKED
			:: POSITION >= limit
#endif
			:: else -> SLEEP(true)
			fi
		fi
	:: state == COMMITTED && position > limit -> skip /* returned meanwhile */
	:: state != COMMITTED ->
		if
		:: TAKE_BEFORE; recv_kernel++
		:: empty(tcp) && tcp_fin ->
#ifndef BROKEN_EOF_UNCHECKED
			if
			:: word == COMMITTED -> skip
			:: word != COMMITTED && empty(tcp) -> END_OF_FILE
			:: nempty(tcp)
			fi
#else
			END_OF_FILE
#endif
		:: empty(tcp) && !tcp_fin -> SLEEP(true)
		:: word == COMMITTED
		fi
	fi
}

inline read_ring()
{
	heard = rings;
	if
	:: TAKE_RING
	:: (!UNREAD) ->
		/* The flags are in the same word as the position. */
		atomic {
			if
			:: (!UNREAD) && closed -> state = RETURNED
			:: (!UNREAD) && fin && !closed -> state = OFF
			:: UNREAD || (!closed && !fin) -> state = RING
			fi
		};
		if
		:: state == RETURNED ->
			recv_stage = RETURNED;
			rings++ /* the other readers go back to TCP */
		:: state == OFF -> END_OF_FILE
		:: state == RING ->
			if
			:: UNREAD
			:: (!UNREAD) -> SLEEP(false)
			fi
		fi
	fi
}

inline read_kernel()
{
	kernel_readers++;
	if
#ifndef BROKEN_NO_RECV_GATE
	:: recv_stage == MOVING || recv_stage == RING -> kernel_readers--
#endif
	:: else ->
		if
		:: TAKE(tcp); recv_kernel++
		:: atomic { empty(tcp) && tcp_fin -> END_OF_FILE }
		fi;
		kernel_readers--
	fi
}

proctype reader()
{
	byte value, heard, limit, position, mine;
	mtype state;
	bool eof;

	do
	:: eof -> break
#ifdef QUOTA
	:: mine == QUOTA -> break
#endif
	:: else ->
		if
		:: recv_stage == TCP ->
			if
			:: consent()
			:: true
			fi;
			if
			:: recv_stage == TCP -> read_kernel()
			:: recv_stage != TCP
			fi
		:: recv_stage == MOVING -> read_moving()
		:: recv_stage == RING -> read_ring()
		:: recv_stage == RETURNED -> read_kernel()
		fi
	od;
	readers_done++
}

proctype sender_returns()
{
	byte owed;
	bool asked;

	atomic { !send_lock -> send_lock = true };
	send_return();
	send_lock = false
}

proctype receiver_returns()
{
	bool before;

	refuses = true;
	if
#ifdef BROKEN_TAKE_BACK
	:: atomic { word == CONSENT -> word = OFF };
		if
		:: atomic { recv_stage == MOVING -> recv_stage = TCP }
		:: recv_stage != MOVING
		fi
	:: word == OFF ->
		if
		:: atomic { recv_stage == MOVING -> recv_stage = TCP }
		:: recv_stage != MOVING
		fi
#else
	:: atomic { word == CONSENT -> word = REFUSED }; recv_stage = TCP
	:: atomic { word == OFF -> word = REFUSED }
#endif
	:: word == COMMITTED ->
		if
		:: recv_stage != RETURNED ->
			/* A sender that ended or returned by itself leaves the rest to the readers, as the flags before say. */
			atomic { before = closed || fin; closed = true };
			if
			:: !before || empty(ring) -> recv_stage = RETURNED
			:: before && nempty(ring)
			fi;
			rings++
		:: else
		fi
	fi
}

#if defined(BROKEN_NO_SEND_FENCE) || defined(BROKEN_NO_RECV_FENCE)
active proctype drains()
{
end:	do
	:: atomic { send_gate == 2 -> send_gate = 1 }
	:: atomic { late_stage -> late_stage = false; recv_stage = MOVING }
	od
}
#endif

init {
	byte i;

	atomic {
		do :: i < WRITERS -> run writer(); i++ :: else -> break od;
		i = 0;
		do :: i < READERS -> run reader(); i++ :: else -> break od;
#ifdef SENDER_RETURNS
		run sender_returns();
#endif
#ifdef RECEIVER_RETURNS
		run receiver_returns();
#endif
		i = 0
	};
	readers_done == READERS;
	assert(got == BYTES)
}
