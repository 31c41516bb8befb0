/* A thread's critical sections, deferred signals and sleeping place. */
#include "thread.h"
#include "kernel.h"
#include "lock.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <ucontext.h>

__thread struct thread thread_self __attribute__((tls_model("initial-exec")));

bool thread_handlers_unseen;

#define STACK_SIZE (256u << 10)
/* Those that libc sends to its threads, for setuid and cancellation. */
#define LIBC_SIGNALS (3ull << 31)

static struct lock thread_list_lock;
static struct thread *thread_list;
static pthread_key_t thread_key;
static pthread_once_t thread_key_once = PTHREAD_ONCE_INIT;

uint32_t thread_id(void)
{
	if (!thread_self.tid)
		thread_self.tid = (uint32_t)sys_call0(SYS_gettid);
	return thread_self.tid;
}

void thread_defer(const siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	thread_self.deferred_info = *info;
	thread_self.deferred_mask = uc->uc_sigmask;
	/* Nothing else comes in until the section ends: one slot is enough, and the kernel keeps the order. Signals
	 * that an instruction of ours may cause stay open. */
	sigfillset(&uc->uc_sigmask);
	sigdelset(&uc->uc_sigmask, SIGSEGV);
	sigdelset(&uc->uc_sigmask, SIGBUS);
	thread_self.deferred = 1;
}

void thread_raise_deferred(void)
{
	siginfo_t info = thread_self.deferred_info;
	sigset_t mask = thread_self.deferred_mask;

	thread_self.deferred = 0;
	/* Queued to ourselves while all is blocked, then delivered by the kernel as the mask opens: handler, mask, alternate
	 * stack and flags are its business. */
	sys_call4(SYS_rt_tgsigqueueinfo, kernel_getpid(), sys_call0(SYS_gettid), info.si_signo, &info);
	sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
}

/* The kernel's own struct sigaction. */
struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* Those of instructions interrupt no call, and who catches them seldom says SA_RESTART. */
static bool by_instruction(int signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL || signal == SIGTRAP ||
	       signal == SIGSYS || signal == SIGABRT;
}

bool thread_handlers_restart(void)
{
	for (int signal = 1; signal < NSIG; signal++) {
		struct kernel_action action;

		if (!by_instruction(signal) &&
		    sys_call4(SYS_rt_sigaction, signal, NULL, &action, sizeof action.mask) == 0 &&
		    action.handler != SIG_DFL && action.handler != SIG_IGN && !(action.flags & SA_RESTART))
			return false;
	}
	return true;
}

bool thread_start_own(void *(*run)(void *))
{
	const uint64_t all = ~LIBC_SIGNALS;
	uint64_t before;
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	/* It inherits the mask. */
	sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, 8);
	error = pthread_create(&thread, &attributes, run, NULL);
	if (error == EINVAL) { /* the program's thread-local storage is larger than that */
		pthread_attr_destroy(&attributes);
		pthread_attr_init(&attributes);
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		error = pthread_create(&thread, &attributes, run, NULL);
	}
	sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, 8);
	pthread_attr_destroy(&attributes);
	return error == 0;
}

static void thread_end(void *unused)
{
	struct thread **p;

	(void)unused;
	critical_enter();
	lock_take(&thread_list_lock);
	for (p = &thread_list; *p; p = &(*p)->next)
		if (*p == &thread_self) {
			*p = thread_self.next;
			break;
		}
	thread_self.listed = false;
	lock_drop(&thread_list_lock);
	sleeper_fini(&thread_self.sleeper);
	critical_exit();
}

static void thread_key_make(void)
{
	pthread_key_create(&thread_key, thread_end);
}

void thread_list_me(void)
{
	if (!thread_self.listed) {
		pthread_once(&thread_key_once, thread_key_make);
		pthread_setspecific(thread_key, &thread_self);
		thread_self.listed = true;
		lock_take(&thread_list_lock);
		thread_self.next = thread_list;
		thread_list = &thread_self;
		lock_drop(&thread_list_lock);
	}
}

int thread_ready_to_sleep(void)
{
	thread_list_me();
	return thread_self.sleeper.fd > 0 ? 0 : sleeper_init(&thread_self.sleeper);
}

void thread_wake_waiters(struct conn *c)
{
	lock_take(&thread_list_lock);
	for (struct thread *t = thread_list; t; t = t->next)
		if (t != &thread_self && load_relaxed(&t->waiting) == c)
			sleeper_ring(&t->sleeper);
	lock_drop(&thread_list_lock);
}

bool thread_waits_for(const struct conn *c)
{
	bool found = false;

	full_barrier();
	lock_take(&thread_list_lock);
	for (struct thread *t = thread_list; t && !found; t = t->next)
		found = t != &thread_self && load_acquire(&t->waiting) == c;
	lock_drop(&thread_list_lock);
	return found;
}

void thread_wake_pollers(void)
{
	full_barrier();
	lock_take(&thread_list_lock);
	for (struct thread *t = thread_list; t; t = t->next)
		if (t != &thread_self && load_relaxed(&t->polling))
			sleeper_ring(&t->sleeper);
	lock_drop(&thread_list_lock);
}

void thread_forget_others(void)
{
	thread_list_lock.word = 0;
	thread_list = NULL;
	thread_self.listed = false;
	thread_self.next = NULL;
	thread_self.tid = 0;
	thread_self.asleep_on = NULL;
	if (thread_self.deferred) {
		/* The parent's signal, which it raises itself: a child starts with none. */
		thread_self.deferred = 0;
		sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, &thread_self.deferred_mask, NULL, 8);
	}
	thread_self.waiting = NULL;
	thread_self.polling = 0;
	/* The socket and the bells are the parent's: let go of our copy without touching them. */
	if (thread_self.sleeper.fd > 0)
		own_fd_close(thread_self.sleeper.fd);
	memset(&thread_self.sleeper, 0, sizeof thread_self.sleeper);
}
