/* Sleep and wake of threads that wait for one ring.
 *
 * A producer publishes (CAS of the tail), then reads who is interested, then each bell's state, and rings those that sleep and
 * were not rung in this turn. A sleeper announces itself (fetch_add: turn and count of sleepers), looks again,
 * sleeps on its datagram socket and the TCP socket, and wakes: drains the socket, takes itself off the bell, and gives the bell
 * a new turn when others sleep on.
 *
 * Checked: nobody sleeps for good while there is something to take (an invalid end state), nothing is taken twice.
 *
 *   PRODUCERS, SLEEPERS   how many; producers are forked siblings with their own memory of what they rang
 *   MESSAGES              in all; then FIN by the last producer
 *   SHARED                all sleepers are threads on one bell (one epoll set); else a bell each
 *   SHARE                 each sleeper takes that many messages and leaves; else all read until EOF
 *   NO_FIN                no FIN after the last message (with SHARE)
 *   TCP_EVENTS            wakes by the TCP socket that mean nothing
 *   ONE_PLACE             the interest word has room for one bell only
 *   DEATH                 the producer may die at any instruction; its TCP socket then reports it
 */
#include "buffer.h"

#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef SLEEPERS
#define SLEEPERS 1
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef TCP_EVENTS
#define TCP_EVENTS 1
#endif
#define QUEUE 2 /* datagrams that a bell's socket takes */

#ifdef SHARED
#define BELLS 1
#define BELL(s) 0
#else
#define BELLS SLEEPERS
#define BELL(s) (s)
#endif

typedef bell_state {
	byte sleepers;
	byte turn;
	byte queue; /* datagrams in the socket */
};
typedef rung_state { byte turn[BELLS] };

word tail;               /* plain stores only in BROKEN_NO_PRODUCER_FENCE */
byte head;
bool fin;
bool send_lock;
byte sent;
byte done;               /* producers that are through */
#ifdef ONE_PLACE
byte place;              /* the word: 0, a bell's number + 1, or EVERY */
byte drops;
#ifndef DROPS
#define DROPS 1
#endif
#define NOBODY 0
#define EVERY 255
#define INTERESTED(b) (seen_place == (b) + 1 || seen_place == EVERY)
#else
byte interest[BELLS];    /* 1: in the word */
#define INTERESTED(b) interest[b]
#endif
bell_state bell[BELLS];
rung_state rung[PRODUCERS];
byte late_sleepers;      /* BROKEN_NO_SLEEPER_FENCE: announcements nobody sees yet */
bool late_announce;
byte tcp_events = TCP_EVENTS;
bool die;
bool tcp_dead;           /* the producer's process is gone */
byte taken;

#define DATA (head != tail.mem)
#define NEWS (DATA || fin || tcp_dead)

/* A datagram; a full socket is as good as rung. */
inline post(b)
{
	if
	:: atomic { bell[b].queue < QUEUE -> bell[b].queue++ }
	:: bell[b].queue == QUEUE
	fi
}

/* One read of the state word, then perhaps a datagram. */
inline ring_due(p, b)
{
	atomic { asleep = (bell[b].sleepers > 0); turn = bell[b].turn };
	if
	:: asleep && rung[p].turn[b] != turn ->
		post(b);
		rung[p].turn[b] = turn
	:: else
	fi
}

inline notify(p)
{
	b = 0;
#ifdef ONE_PLACE
	seen_place = place;
#endif
	do
	:: b < BELLS ->
		if
		:: INTERESTED(b) -> ring_due(p, b)
		:: else
		fi;
		b++
	:: else -> break
	od
}

inline publish(p)
{
#ifdef BROKEN_NO_PRODUCER_FENCE
	STORE(tail, OWN(tail) + 1)
#else
	tail.mem++
#endif
}

proctype producer(byte p)
{
	byte b, turn;
	bool asleep, last;
#ifdef ONE_PLACE
	byte seen_place;
#endif

#ifdef DEATH
	{
#endif
	do
	:: atomic { !send_lock -> send_lock = true };
		if
		:: sent == MESSAGES -> send_lock = false; break
		:: else
		fi;
#ifdef BROKEN_RING_FIRST
		notify(p);
#endif
		publish(p);
		sent++;
		send_lock = false;
#ifndef BROKEN_RING_FIRST
		notify(p)
#endif
	od;
	atomic { done++; last = (done == PRODUCERS) };
	if
	:: last ->
#ifndef NO_FIN
#ifdef BROKEN_RING_FIRST
		notify(p);
#endif
		fin = true;
#if !defined(BROKEN_SILENT_FIN) && !defined(BROKEN_RING_FIRST)
		notify(p)
#endif
#else
		skip
#endif
	:: else
	fi
#ifdef DEATH
	} unless { die };
#ifndef BROKEN_SILENT_DEATH
	tcp_dead = true
#endif
#endif
}

#ifdef ONE_PLACE
/* A full word: takes the place of a bell that does not sleep, which is rung if it does by then; or asks for every bell. */
inline show_interest(s)
{
	wanted = s + 1;
	dropped = 0;
	old_place = place;
	do
	:: old_place == s + 1 || old_place == EVERY -> break
	:: else ->
		if
		:: old_place != NOBODY ->
			if
			/* Two that are about to sleep may drop each other again and again: here a few times. */
			:: bell[old_place - 1].sleepers == 0 && drops < DROPS -> dropped = old_place; drops++
			:: else -> wanted = EVERY
			fi
		:: else
		fi;
		if
		:: atomic { place == old_place -> place = wanted }; break
		:: place != old_place -> old_place = place; wanted = s + 1; dropped = 0
		fi
	od;
#ifndef BROKEN_SILENT_DROP
	if
	:: dropped != 0 && bell[dropped - 1].sleepers > 0 -> post(dropped - 1)
	:: else
	fi
#endif
}
#elif defined(BROKEN_INTEREST_NOT_ATOMIC)
inline show_interest(s)
{
	/* Loads the whole word, adds itself, stores the whole word. */
	b = 0;
	do :: b < BELLS -> old[b] = interest[b]; b++ :: else -> break od;
	old[BELL(s)] = 1;
	atomic { b = 0; do :: b < BELLS -> interest[b] = old[b]; b++ :: else -> break od }
}
#else
#define show_interest(s) interest[BELL(s)] = 1
#endif

inline announce(s)
{
#ifdef BROKEN_NO_SLEEPER_FENCE
	late_announce = true
#elif defined(BROKEN_SAME_TURN)
	bell[BELL(s)].sleepers++
#else
	atomic { bell[BELL(s)].turn++; bell[BELL(s)].sleepers++ }
#endif
}

inline drain(s)
{
	do
	:: atomic { bell[BELL(s)].queue > 0 -> bell[BELL(s)].queue-- }
	:: bell[BELL(s)].queue == 0 -> break
	od
}

inline awake(s, by_bell)
{
#ifdef BROKEN_NO_SLEEPER_FENCE
	!late_announce;
#endif
	if :: by_bell -> drain(s) :: else fi;
	atomic { bell[BELL(s)].sleepers--; others = (bell[BELL(s)].sleepers > 0) };
#ifndef BROKEN_NO_NEW_TURN
	if :: others -> bell[BELL(s)].turn++ :: else fi;
#endif
}

/* A thread that leaves something for the others of its bell rings it: they slept while it was drained. */
inline hand_on(s)
{
#if defined(SHARED) && !defined(BROKEN_NO_HAND_ON)
	if
	:: NEWS && bell[BELL(s)].sleepers > 0 ->
		post(BELL(s))
	:: else
	fi
#else
	skip
#endif
}

proctype sleeper(byte s)
{
	byte mine, b, seen;
	bool others, by_bell;
#ifdef ONE_PLACE
	byte wanted, dropped, old_place;
#endif
#ifdef BROKEN_INTEREST_NOT_ATOMIC
	byte old[BELLS];
#endif

	do
	:: true ->
		/* Take what is there: copy, then claim by CAS of the head. */
take:		if
#ifdef SHARE
		:: mine == SHARE -> hand_on(s); break
		:: DATA && mine < SHARE ->
#else
		:: DATA ->
#endif
			seen = head;
			if
			:: atomic { seen != tail.mem && head == seen -> head++; taken++ }; mine++
			:: !(seen != tail.mem && head == seen)
			fi;
			goto take
		:: !DATA && (fin || tcp_dead) ->
			if
			:: DATA -> goto take /* published before FIN, seen after it */
			:: else -> hand_on(s); break
			fi
		:: else
		fi;
#ifndef BROKEN_INTEREST_LATE
		show_interest(s);
#endif
#ifdef BROKEN_RECHECK_FIRST
		if
		:: NEWS -> goto take
		:: else -> announce(s); goto sleep
		fi;
#endif
		announce(s);
#if defined(ONE_PLACE) && !defined(BROKEN_SHOW_ONCE)
		/* Nobody drops a bell that sleeps; before, somebody may have. */
		show_interest(s);
#endif
#ifdef BROKEN_NO_RECHECK
		goto sleep;
#endif
		if
		:: NEWS -> awake(s, false); goto again
		:: else
		fi;
#ifdef BROKEN_INTEREST_LATE
		show_interest(s);
#endif
#ifdef BROKEN_DRAIN_AFTER_RECHECK
		drain(s);
#endif
sleep:		if
		:: bell[BELL(s)].queue > 0 -> by_bell = true
		:: tcp_dead -> by_bell = false
		:: atomic { tcp_events > 0 -> tcp_events--; by_bell = false }
		fi;
		awake(s, by_bell);
again:		skip
	od
}

active proctype drains()
{
end:	do
	DRAIN(tail)
	:: atomic { tcp_events > 0 -> tcp_events = 0 } /* it need not happen */
#ifdef DEATH
	:: atomic { !die -> die = true }
#endif
#ifdef BROKEN_NO_SLEEPER_FENCE
	:: atomic { late_announce -> late_announce = false; bell[0].turn++; bell[0].sleepers++ }
#endif
	od
}

init {
	byte i;

	atomic {
		do :: i < PRODUCERS -> run producer(i); i++ :: else -> break od;
		i = 0;
		do :: i < SLEEPERS -> run sleeper(i); i++ :: else -> break od
	};
	/* All the others have ended: everything was taken. */
	_nr_pr == 2;
#ifndef DEATH
	assert(taken == MESSAGES)
#else
	assert(head == tail.mem)
#endif
}
