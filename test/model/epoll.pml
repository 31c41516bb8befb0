/* Ready bits: how news of many connections reach the epoll sets of one process.
 *
 * A producer publishes (CAS of the tail), sets its connection's bit in the link's leaf unless it is set, then the summary bit unless
 * it is set, then rings the bells in the connection's interest word that sleep. A waiting thread takes the readiness lock, takes the bits
 * (summary := 0, leaf := 0), queues the registrations they mean in every set that has one and rings the other sets that
 * sleep, and looks at each queued registration: level-triggered ones stay queued until found idle. With nothing to report
 * it announces itself, looks at queue and summary again, lets the lock go and sleeps.
 *
 * Two threads, two connections, one link. Thread t waits on set SET(t).
 *
 * Checked: nobody sleeps for good while a connection that its set watches has bytes (an invalid end state).
 *
 *   MESSAGES    per connection
 *   SAME_SET    both threads wait on set 0, one event a call, and both connections are in it
 *   BOTH        connection 0 is in both sets
 *   SIBLING     both producers, forked siblings, have connection 0
 *   SINGLE      there is one producer, of connection 0
 *   EDGE        registrations are edge-triggered
 *   ADD         registrations are added while producers run; else they are there before
 *   UNLOCKED    the second look is taken without the lock
 */
#include "buffer.h"

#ifndef MESSAGES
#define MESSAGES 1
#endif
#define CONNS 2

#ifdef SAME_SET
#define SETS 1
#define SET(t) 0
#define WATCHES(s, c) 1
#else
#define SETS 2
#define SET(t) (t)
#ifdef BOTH
#define WATCHES(s, c) ((s) == (c) || (c) == 0)
#else
#define WATCHES(s, c) ((s) == (c))
#endif
#endif

#ifdef SIBLING
#define PRODUCERS 2
#define CONN(p) 0
#else
#ifdef SINGLE
#define PRODUCERS 1
#else
#define PRODUCERS 2
#endif
#define CONN(p) (p)
#endif
#define ALL (MESSAGES * PRODUCERS)

typedef bell_state {
	byte sleepers;
	byte turn;
	byte queue;
	bool late; /* BROKEN_NO_FENCE: announced, not yet seen */
};
typedef set_state {
	bool queued[CONNS];
	bool interest[CONNS]; /* its bell is in the connection's interest word */
};
typedef rung_state { byte turn[SETS] };

bool summary;
bool leaf[CONNS];
byte tail[CONNS], head[CONNS];
bool flagged[CONNS]; /* the consumer's side has registrations */
bell_state bell[SETS];
set_state set[SETS];
rung_state rung[PRODUCERS];
bool lock;
byte taken;

#define LOCK atomic { !lock -> lock = true }
#define UNLOCK lock = false

inline post(b)
{
	if
	:: atomic { bell[b].queue < 2 -> bell[b].queue++ }
	:: bell[b].queue == 2
	fi
}

/* --- producer --- */

inline set_leaf() { if :: !leaf[c] -> leaf[c] = true :: leaf[c] fi }
inline set_summary() { if :: !summary -> summary = true :: summary fi }

inline mark()
{
	if
	:: flagged[c] ->
#ifdef BROKEN_SUMMARY_FIRST
		set_summary();
		set_leaf()
#else
		set_leaf();
		set_summary()
#endif
	:: else
	fi
}

inline ring_bells()
{
	b = 0;
	do
	:: b < SETS ->
		if
		:: set[b].interest[c] ->
			atomic { asleep = (bell[b].sleepers > 0); turn = bell[b].turn };
			if
			:: asleep && rung[p].turn[b] != turn -> post(b); rung[p].turn[b] = turn
			:: else
			fi
		:: else
		fi;
		b++
	:: else -> break
	od
}

proctype producer(byte p)
{
	byte sent, b, turn, c;
	bool asleep;

	c = CONN(p);
	do
	:: sent == MESSAGES -> break
	:: else ->
#ifdef BROKEN_MARK_FIRST
		mark();
		tail[c]++;
#else
		tail[c]++;
#ifdef BROKEN_RING_FIRST
		ring_bells();
#endif
		mark();
#endif
#ifndef BROKEN_RING_FIRST
		ring_bells();
#endif
		sent++
	od
}

/* --- consumer --- */

/* Queues connection C in every set that watches it; those that sleep hear of it. */
inline queue_everywhere()
{
	s = 0;
	do
	:: s < SETS && set[s].interest[c] ->
#ifndef BROKEN_FORWARD_RING_FIRST
		set[s].queued[c] = true;
#endif
#ifndef BROKEN_FORWARD_SILENT
		atomic { if :: bell[s].sleepers > 0 && bell[s].queue < 2 -> bell[s].queue++ :: else fi };
#endif
#ifdef BROKEN_FORWARD_RING_FIRST
		set[s].queued[c] = true;
#endif
		s++
	:: s < SETS && !set[s].interest[c] -> s++
	:: s == SETS -> break
	od
}

inline drain_link()
{
	if
	:: summary ->
#ifndef BROKEN_LEAF_FIRST
		summary = false;
#endif
		c = 0;
		do
#ifdef BROKEN_CLEAR_LATE
		:: c < CONNS && leaf[c] ->
			if :: head[c] != tail[c] -> queue_everywhere() :: else fi;
			leaf[c] = false;
			c++
#else
		:: atomic { c < CONNS && leaf[c] -> leaf[c] = false };
			queue_everywhere();
			c++
#endif
		:: c < CONNS && !leaf[c] -> c++
		:: c == CONNS -> break
		od;
#ifdef BROKEN_LEAF_FIRST
		summary = false;
#endif
	:: else
	fi
}

/* Looks at the queued registrations of the set: the first that has bytes is the event. */
inline collect()
{
	event = CONNS;
	c = 0;
	do
	:: c < CONNS && event == CONNS && set[SET(t)].queued[c] ->
#ifdef BROKEN_UNQUEUE_LATE
		/* Looked at without the lock, taken off afterwards. */
		ready = (head[c] != tail[c]);
		if :: ready -> event = c :: else -> UNLOCK; LOCK; set[SET(t)].queued[c] = false fi;
#else
		atomic {
			if
			:: head[c] != tail[c] ->
				event = c;
#ifdef EDGE
				set[SET(t)].queued[c] = false
#endif
			:: else -> set[SET(t)].queued[c] = false
			fi
		};
#endif
		c++
	:: c < CONNS && event == CONNS && !set[SET(t)].queued[c] -> c++
	:: c == CONNS || event < CONNS -> break
	od
}

inline announce()
{
#ifdef BROKEN_NO_FENCE
	bell[SET(t)].late = true
#else
	atomic { bell[SET(t)].turn++; bell[SET(t)].sleepers++ }
#endif
}

inline awake()
{
#ifdef BROKEN_NO_FENCE
	!bell[SET(t)].late;
#endif
	atomic { bell[SET(t)].sleepers--; others = (bell[SET(t)].sleepers > 0) };
#ifndef BROKEN_NO_NEW_TURN
	if :: others -> bell[SET(t)].turn++ :: else fi
#endif
}

/* epoll_ctl ADD of what the set watches. */
inline add()
{
	c = 0;
	do
	:: c < CONNS ->
		if
		:: WATCHES(SET(t), c) && !set[SET(t)].interest[c] ->
			LOCK;
#ifdef BROKEN_ADD_LOOK_FIRST
			if :: head[c] != tail[c] -> set[SET(t)].queued[c] = true :: else fi;
#endif
			flagged[c] = true;
			set[SET(t)].interest[c] = true; /* CAS: a full barrier */
#if !defined(BROKEN_ADD_LOOK_FIRST) && !defined(BROKEN_ADD_NO_LOOK)
			set[SET(t)].queued[c] = true;
#endif
			UNLOCK
		:: else
		fi;
		c++
	:: else -> break
	od
}

/* The program reads what the event told it: one message if the event comes again, else all. */
inline read_event()
{
	do
	:: atomic { head[event] != tail[event] -> head[event]++; taken++; mine++ };
#ifndef EDGE
		break
#endif
	:: head[event] == tail[event] -> break
	od
}

/* One event a call: what stays queued is for the others. */
inline hand_on()
{
#ifndef BROKEN_NO_HAND_ON
	if
	:: (set[SET(t)].queued[0] || set[SET(t)].queued[1]) && bell[SET(t)].sleepers > 0 -> post(SET(t))
	:: else
	fi
#else
	skip
#endif
}

proctype waiter(byte t)
{
	byte c, s, event, mine;
	bool others, news, ready;

#ifdef ADD
	add();
#endif
	do
	:: true ->
		LOCK;
look:		drain_link();
		collect();
		if
		:: event < CONNS ->
			hand_on();
			UNLOCK;
			read_event();
#ifdef SAME_SET
			if
			:: mine > 0 -> break /* is busy with it from now on */
			:: else /* the other one was faster */
			fi;
#endif
			goto next
		:: else
		fi;
#ifdef UNLOCKED
		UNLOCK;
#endif
		announce();
#ifdef BROKEN_NO_SUMMARY_RECHECK
		news = set[SET(t)].queued[0] || set[SET(t)].queued[1];
#else
#ifdef BROKEN_NO_QUEUE_RECHECK
		news = summary;
#else
		news = summary || set[SET(t)].queued[0] || set[SET(t)].queued[1];
#endif
#endif
		if
		:: news ->
#ifdef UNLOCKED
			LOCK;
#endif
			awake();
			goto look
		:: else
		fi;
#ifndef UNLOCKED
		UNLOCK;
#endif
		/* When everything is taken there is nothing to wait for: threads may go. */
		if
		:: bell[SET(t)].queue > 0
		:: taken == ALL -> break
		fi;
		LOCK;
		awake();
		do
		:: atomic { bell[SET(t)].queue > 0 -> bell[SET(t)].queue-- }
		:: bell[SET(t)].queue == 0 -> break
		od;
		goto look;
next:		skip
	od
}

active proctype drains()
{
end:	do
#ifdef BROKEN_NO_FENCE
	:: atomic { bell[0].late -> bell[0].late = false; bell[0].turn++; bell[0].sleepers++ }
	:: atomic { bell[1].late -> bell[1].late = false; bell[1].turn++; bell[1].sleepers++ }
#else
	:: false
#endif
	od
}

init {
	byte i;

	atomic {
		do :: i < PRODUCERS -> run producer(i); i++ :: else -> break od;
#ifndef ADD
		i = 0;
		do
		:: i < CONNS ->
			flagged[i] = true;
			set[0].interest[i] = WATCHES(0, i);
#if SETS > 1
			set[1].interest[i] = WATCHES(1, i);
#endif
			i++
		:: else -> break
		od;
#endif
		run waiter(0);
		run waiter(1)
	};
	_nr_pr == 2;
	assert(taken == ALL)
}
