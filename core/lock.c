/* The two locks of lock.h. */
#include "lock.h"
#include "barrier.h"
#include "kernel.h"
#include "sys.h"
#include "thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>

#define TURNS 1000 /* between two questions whether the owner lives */

void lock_take(struct lock *lock)
{
	uint32_t expect = 0;

	if (compare_swap(&lock->word, &expect, 1))
		return;
	for (int i = 0; i < 100; i++) {
		cpu_relax();
		expect = 0;
		if (load_relaxed(&lock->word) == 0 && compare_swap(&lock->word, &expect, 1))
			return;
	}
	while (exchange(&lock->word, 2) != 0)
		sys_call6(SYS_futex, (long)&lock->word, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0);
}

void lock_drop(struct lock *lock)
{
	if (exchange(&lock->word, 0) == 2)
		sys_call6(SYS_futex, (long)&lock->word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* A thread id is alive if it can be signalled, or if we may not; but not as a zombie that nobody has waited for. */
static bool alive(uint32_t tid)
{
	return sys_call2(SYS_tkill, tid, 0) != -ESRCH && !kernel_is_zombie(tid);
}

void shared_lock_take(struct shared_lock *lock)
{
	uint32_t me = thread_id();

	for (unsigned turn = 0;; turn++) {
		uint32_t owner = load_relaxed(&lock->owner);

		if (owner == 0) {
			if (compare_swap(&lock->owner, &owner, me))
				return;
		} else if (turn > TURNS && !alive(owner)) {
			if (compare_swap(&lock->owner, &owner, me))
				return;
			turn = 0;
		} else if (turn > TURNS) {
			turn = TURNS / 2;
		}
		if (turn < 100)
			cpu_relax();
		else
			sys_call0(SYS_sched_yield);
	}
}

void shared_lock_drop(struct shared_lock *lock)
{
	store_release(&lock->owner, 0);
}
