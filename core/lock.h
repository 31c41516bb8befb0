/* Two locks: one for the threads of a process, one that outlives the death of a forked sibling that holds it.
 * Under either: no sleep, no cancellation point, no callback; hold them inside a critical section (thread.h) only. */
#ifndef RS_LOCK_H
#define RS_LOCK_H

#include <stdint.h>

/* Process-private. 0 free, 1 held, 2 held and somebody sleeps on the futex. */
struct lock {
	uint32_t word;
};

void lock_take(struct lock *lock);
void lock_drop(struct lock *lock);

/* In memory that only forked siblings share. Holds the owner's thread id; a dead owner's lock is taken over, so what
 * it guards must be valid at every instant. */
struct shared_lock {
	uint32_t owner;
};

void shared_lock_take(struct shared_lock *lock);
void shared_lock_drop(struct shared_lock *lock);

#endif
