/* Sleep and wake of writers that wait for room.
 *
 * A writer that finds the ring full announces itself, sets want_space (a plain store and a full barrier), looks at head again, and
 * sleeps on its bell. The consumer moves head (CAS), then reads want_space; when a third is free it clears
 * want_space and rings the writers that sleep. (The code writes 2 for cleared until it has rung, so that another consumer sees
 * what one that died left undone; consumers do not die here.)
 *
 * Checked: no writer sleeps for good beside an empty ring (an invalid end state), the ring is never overfull.
 *
 *   WRITERS    threads or forked siblings of the producer; a send lock makes them push one at a time
 *   UNITS      to push, in all; each writer pushes until all are pushed
 *   WATCHER    one more thread asks whether the ring is writable, as poll does, and does not sleep
 *   CAPACITY   of the ring
 */
#include "buffer.h"

#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef UNITS
#define UNITS 5
#endif
#ifndef CAPACITY
#define CAPACITY 3
#endif
#define LOW_ROOM (CAPACITY < 3 -> 1 : CAPACITY / 3)
#define FREE (CAPACITY - (tail - head))

typedef bell_state {
	byte sleepers;
	byte turn;
	bool rung; /* a datagram waits */
};

byte tail, head, pushed;
word want[WRITERS];   /* plain stores by each writer; the word is their union, see WANTED */
bool send_lock;
bell_state bell[WRITERS];
byte rung_turn[WRITERS];
byte writers_done;

#if WRITERS == 1
#define WANTED want[0].mem
#define CLEAR want[0].mem = 0
#else
#define WANTED (want[0].mem || want[1].mem)
#define CLEAR atomic { want[0].mem = 0; want[1].mem = 0 }
#endif

/* --- consumer --- */

inline notify()
{
	b = 0;
	do
	:: b < WRITERS ->
		atomic { asleep = (bell[b].sleepers > 0); turn = bell[b].turn };
		if
		:: asleep && rung_turn[b] != turn ->
			bell[b].rung = true;
			rung_turn[b] = turn
		:: else
		fi;
		b++
	:: else -> break
	od
}

proctype consumer()
{
	byte b, turn;
	bool asleep, wanted;

	do
	:: head == UNITS -> break
	:: head < tail ->
#ifdef BROKEN_WANT_FIRST
		wanted = WANTED;
		head++;
#else
		head++; /* CAS: a full barrier */
		wanted = WANTED;
#endif
		if
		:: wanted && FREE >= LOW_ROOM ->
#ifdef BROKEN_CLEAR_LAST
			notify();
			CLEAR
#else
#if !defined(BROKEN_WRITER_CLEARS)
			CLEAR;
#endif
			notify()
#endif
		:: else
		fi
	od
}

/* --- producer --- */

inline look_again(w)
{
	STORE(want[w], 1);
#ifndef BROKEN_NO_FENCE
	FENCE(want[w]);
#endif
	room = (FREE > 0)
}

/* One look at a ring that may be writable. */
inline writable(w)
{
	room = (FREE >= LOW_ROOM);
#ifdef BROKEN_WRITER_CLEARS
	if
	:: room && WANTED -> CLEAR
	:: else
	fi
#endif
}

proctype writer(byte w)
{
	bool room;

	do
	:: pushed == UNITS -> break
	:: else ->
		atomic { !send_lock -> send_lock = true };
		if
		:: pushed < UNITS && FREE > 0 ->
			assert(tail - head < CAPACITY);
			atomic { tail++; pushed++ };
			send_lock = false
		:: pushed == UNITS -> send_lock = false
		:: pushed < UNITS && FREE == 0 ->
			send_lock = false;
#ifdef BROKEN_WANT_EARLY
			look_again(w);
			atomic { bell[w].turn++; bell[w].sleepers++ };
			room = (FREE > 0);
#else
			atomic { bell[w].turn++; bell[w].sleepers++ };
			look_again(w);
#endif
			writable(w);
			room = room || FREE > 0;
#ifdef BROKEN_NO_RECHECK
			room = false;
#endif
			if
			:: room || pushed == UNITS
			:: else ->
				/* A writer with nothing left to do may go: not what is checked. */
				bell[w].rung || pushed == UNITS
			fi;
			bell[w].rung = false;
			bell[w].sleepers--;
			writable(w)
		fi
	od;
	writers_done++
}

#ifdef WATCHER
active proctype watcher()
{
	bool room;

	writable(0);
	writable(0)
}
#endif

active proctype drains()
{
end:	do
	DRAIN(want[0])
#if WRITERS > 1
	DRAIN(want[1])
#endif
	od
}

init {
	byte i;

	atomic {
		run consumer();
		do :: i < WRITERS -> run writer(i); i++ :: else -> break od
	};
	writers_done == WRITERS && head == UNITS
}
