/* What a thread of ours knows of itself: critical sections, the signals that wait for their end, and its place to sleep. */
#ifndef RS_THREAD_H
#define RS_THREAD_H

#include "barrier.h"
#include "bell.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;

struct thread {
	/* > 0: between critical_enter and critical_exit. No handler of the application runs then: the preload's trampoline
	 * puts the signal off (thread_defer), so a handler may call anything of ours, and a longjmp out of it leaves nothing locked. */
	int critical;
	int deferred; /* a signal waits in deferred_info, all signals are blocked until it was raised again */
	siginfo_t deferred_info;
	sigset_t deferred_mask;

	uint64_t handlers;      /* application handlers that ran in this thread */
	uint64_t interruptions; /* those without SA_RESTART */

	uint32_t tid;
	/* What this thread is about to sleep on: a handler that runs between the last look and the kernel call rings it, so
	 * that the sleep it should interrupt ends. */
	struct sleeper *asleep_on;
	struct sleeper sleeper; /* where this thread sleeps when it waits for one connection or polls several */
	struct conn *waiting;   /* asleep for this connection: its close wakes us */
	uint32_t polling; /* 1: inside a kernel poll that its sleeper's bell is part of; read by promoting threads */

	uint32_t forking;   /* the place that this thread keeps among the holders for the child it is making */
	uint32_t readiness; /* how often this thread holds readiness_lock (link.h) */

	struct thread *next; /* all threads that ever slept or polled, under thread_list_lock */
	bool listed;
};

extern __thread struct thread thread_self __attribute__((tls_model("initial-exec")));

static inline void critical_enter(void)
{
	thread_self.critical++;
	__asm__ volatile("" ::: "memory");
}

void thread_raise_deferred(void);

static inline void critical_exit(void)
{
	__asm__ volatile("" ::: "memory");
	if (--thread_self.critical == 0 && __builtin_expect(thread_self.deferred, 0))
		thread_raise_deferred();
}

/* Handlers of the program run without a trampoline of ours: nothing counts them, and only a kernel sleep that fails with EINTR
 * tells of them. They must not use the engine. */
extern bool thread_handlers_unseen;
/* Whether all handlers that are installed have SA_RESTART: which of them ran is not known then. */
bool thread_handlers_restart(void);

/* For a signal handler that found thread_self.critical > 0: keeps the signal until the section ends. CONTEXT is
 * the handler's ucontext_t. */
void thread_defer(const siginfo_t *info, void *context);

/* Kernel id of this thread; cached, right in forked children too. */
uint32_t thread_id(void);

/* A thread of ours: detached, with a small stack and all signals blocked but those that libc sends. False: there can be none. */
bool thread_start_own(void *(*run)(void *));

/* Makes this thread known to the others. */
void thread_list_me(void);

/* Makes this thread known to the others and its sleeper usable. 0 or -errno (no descriptor left: sleep in short naps). */
int thread_ready_to_sleep(void);

/* Whether another thread of this process is inside a call that sleeps for C. */
bool thread_waits_for(const struct conn *c);

/* Rings every thread of this process that sleeps for C. */
void thread_wake_waiters(struct conn *c);

/* Rings every thread of this process that is inside a kernel poll. */
void thread_wake_pollers(void);

/* In a forked child: only this thread is left, with nothing it slept on. */
void thread_forget_others(void);

#endif
