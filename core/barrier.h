/* The only memory-order operations of the project. Every release below has an acquire that it pairs with: the
 * comment at the shared word names both. */
#ifndef RS_BARRIER_H
#define RS_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Read-modify-writes are sequentially consistent: each is also the full barrier of a publish-then-check pair. */
#define fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define fetch_sub(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Replaces *P by WANT if it is *EXPECT; otherwise *EXPECT becomes what it was. */
#define compare_swap(p, expect, want) \
	__atomic_compare_exchange_n((p), (expect), (want), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* A counter with one usual writer and readers that only look: never a lock prefix, may lose an update between threads. */
#define count_add(p, v) store_relaxed((p), load_relaxed(p) + (v))

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

#endif
