/* Cancellation of threads in calls that libc knows nothing of. A single thread has nobody to cancel it but itself. */
#ifndef RS_CANCEL_H
#define RS_CANCEL_H

#include <pthread.h>
#include <sys/single_threaded.h>

/* A call is a cancellation point whether or not it comes to sleep. */
static inline void cancel_point(void)
{
	if (!__libc_single_threaded)
		pthread_testcancel();
}

/* Around a kernel call that may sleep, as libc has it around its own. Nothing may be held that outlives the thread. */
static inline int cancel_enter(void)
{
	int type = PTHREAD_CANCEL_DEFERRED;

	if (!__libc_single_threaded)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	return type;
}

static inline void cancel_leave(int type)
{
	if (!__libc_single_threaded)
		pthread_setcanceltype(type, &type);
}

#endif
