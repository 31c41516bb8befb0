/* Signal handlers. The program's handlers run through a trampoline, so that none ever interrupts a critical section of
 * the engine: there the signal waits until the section ends (core/thread.h). This is what makes every call of ours usable
 * from handlers, and a longjmp out of one harmless. */
#include "barrier.h"
#include "real.h"
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* What the program installed. Written under `installing`; read by the trampoline. */
static struct {
	void (*handler)(int, siginfo_t *, void *); /* NULL: none of ours */
	int flags;
} installed[NSIG];
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;
static sigset_t interrupting; /* by siginterrupt: signal() installs these without SA_RESTART */

/* Caused by an instruction of this thread: cannot wait. */
static bool synchronous(int signal, const siginfo_t *info)
{
	return info->si_code > 0 && (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
				     signal == SIGTRAP || signal == SIGSYS);
}

static void trampoline(int signal, siginfo_t *info, void *context)
{
	int saved = errno, flags = load_acquire(&installed[signal].flags);
	void (*handler)(int, siginfo_t *, void *) = load_acquire(&installed[signal].handler);
	struct conn *waiting;

	if (thread_self.critical && !synchronous(signal, info)) {
		thread_defer(info, context);
		return;
	}
	if (!handler)
		return;
	if (flags & (int)SA_RESETHAND) {
		struct sigaction deflt = {.sa_handler = SIG_DFL};

		store_release(&installed[signal].handler, NULL);
		real.sigaction(signal, &deflt, NULL);
	}
	thread_self.handlers++;
	if (!(flags & SA_RESTART))
		thread_self.interruptions++;
	if (thread_self.asleep_on)
		sleeper_ring(thread_self.asleep_on);
	errno = saved;
	/* A handler that does not come back leaves the call that it interrupted, and who closes the connection must not wait for that. */
	waiting = thread_self.waiting;
	store_release(&thread_self.waiting, NULL);
	handler(signal, info, context);
	store_release(&thread_self.waiting, waiting);
}

EXPORT int sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction ours, before;
	void (*handler)(int, siginfo_t *, void *);
	int flags, result;
	bool handled;
	sigset_t all, mask;

	if (signal <= 0 || signal >= NSIG)
		return real.sigaction(signal, action, old);
	handled = action && action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &mask);
	pthread_mutex_lock(&installing);
	handler = installed[signal].handler;
	flags = installed[signal].flags;
	if (handled) {
		ours = *action;
		ours.sa_sigaction = trampoline;
		ours.sa_flags = (action->sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
		/* First: the kernel may deliver as soon as it knows. */
		store_release(&installed[signal].flags, action->sa_flags);
		store_release(&installed[signal].handler, action->sa_sigaction);
	}
	result = real.sigaction(signal, handled ? &ours : action, &before);
	if (result < 0 && handled) {
		store_release(&installed[signal].flags, flags);
		store_release(&installed[signal].handler, handler);
	}
	if (result == 0 && old) {
		*old = before;
		if (before.sa_sigaction == trampoline && handler) {
			old->sa_sigaction = handler;
			old->sa_flags = (before.sa_flags & ~SA_SIGINFO) | (flags & (SA_SIGINFO | (int)SA_RESETHAND));
		}
	}
	pthread_mutex_unlock(&installing);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return result;
}

static __sighandler_t install(int signal, __sighandler_t handler, int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	return sigaction(signal, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

static __sighandler_t install_bsd(int n, __sighandler_t handler)
{
	struct sigaction action = {.sa_handler = handler}, old;

	if (handler == SIG_ERR || n <= 0 || n >= NSIG) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigaddset(&action.sa_mask, n);
	action.sa_flags = sigismember(&interrupting, n) ? 0 : SA_RESTART;
	return sigaction(n, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

EXPORT __sighandler_t signal(int n, __sighandler_t handler)
{
	return install_bsd(n, handler);
}

EXPORT __sighandler_t bsd_signal(int n, __sighandler_t handler)
{
	return install_bsd(n, handler);
}

EXPORT __sighandler_t ssignal(int n, __sighandler_t handler)
{
	return install_bsd(n, handler);
}

EXPORT __sighandler_t sysv_signal(int n, __sighandler_t handler)
{
	return install(n, handler, (int)SA_RESETHAND | SA_NODEFER);
}

EXPORT __sighandler_t __sysv_signal(int n, __sighandler_t handler)
{
	return sysv_signal(n, handler);
}

EXPORT __sighandler_t sigset(int n, __sighandler_t handler)
{
	struct sigaction action = {.sa_handler = handler}, old;
	sigset_t one, before;

	sigemptyset(&one);
	if (handler == SIG_ERR || sigaddset(&one, n) < 0) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (sigaction(n, handler == SIG_HOLD ? NULL : &action, &old) < 0 ||
	    sigprocmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &one, &before) < 0)
		return SIG_ERR;
	return sigismember(&before, n) ? SIG_HOLD : old.sa_handler;
}

EXPORT int siginterrupt(int n, int interrupts)
{
	struct sigaction action;

	if (sigaction(n, NULL, &action) < 0)
		return -1;
	if (interrupts) {
		sigaddset(&interrupting, n);
		action.sa_flags &= ~SA_RESTART;
	} else {
		sigdelset(&interrupting, n);
		action.sa_flags |= SA_RESTART;
	}
	return sigaction(n, &action, NULL);
}
