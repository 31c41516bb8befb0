/* libc's own functions, behind ours. */
#ifndef RS_REAL_H
#define RS_REAL_H

#include <aio.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct real {
#define CALL(type, name, params, args) type(*name) params;
#define VCALL(type, name, vparams, params, args) type(*name) params;
#define OWN(...)
#define ALIAS(...)
#include "calls.def"
#undef CALL
#undef VCALL
#undef OWN
#undef ALIAS
};

/* Each entry resolves the table on first use: other libraries' constructors may call us before ours ran. */
extern struct real real;

/* The engine and the table are ready after this. Runs once, by whoever comes first. */
void preload_init(void);

#define EXPORT __attribute__((visibility("default")))

/* Our calls are cancellation points whether or not they come to sleep. A single thread has nobody to cancel it but itself. */
static inline void cancellation_point(void)
{
	if (!__libc_single_threaded)
		pthread_testcancel();
}

/* -errno to libc's convention. */
#define RETURN(result)                              \
	do {                                        \
		long result_ = (result);            \
		if (result_ < 0) {                  \
			errno = (int)-result_;      \
			return -1;                  \
		}                                   \
		return (__typeof__(result))result_; \
	} while (0)

#endif
