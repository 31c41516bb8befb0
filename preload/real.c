/* Finding libc's own functions, and starting the engine. */
#include "real.h"
#include "inherit.h"
#include "kernel.h"
#include "log.h"
#include "process.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

/* Until the table is filled, each entry is a function that fills it and goes on. */
#define CALL(type, name, params, args)  \
	static type first_##name params \
	{                               \
		preload_init();         \
		return real.name args;  \
	}
#define VCALL(type, name, vparams, params, args) CALL(type, name, params, args)
#define OWN(...)
#define ALIAS(...)
#include "calls.def"
#undef CALL
#undef VCALL
#undef OWN
#undef ALIAS

struct real real = {
#define CALL(type, name, params, args) .name = first_##name,
#define VCALL(type, name, vparams, params, args) CALL(type, name, params, args)
#define OWN(...)
#define ALIAS(...)
#include "calls.def"
#undef CALL
#undef VCALL
#undef OWN
#undef ALIAS
};

static void fork_parent(void)
{
	process_fork_parent(0);
}

static void init(void)
{
	struct real found;

#define CALL(type, name, params, args) found.name = (__typeof__(found.name))dlsym(RTLD_NEXT, #name);
#define VCALL(type, name, vparams, params, args) CALL(type, name, params, args)
#define OWN(...)
#define ALIAS(...)
#include "calls.def"
#undef CALL
#undef VCALL
#undef OWN
#undef ALIAS
	real = found;
	kernel_ppoll = real.ppoll;
	kernel_epoll_pwait = real.epoll_pwait;
	kernel_epoll_pwait2 = real.epoll_pwait2;
	process_init();
	/* For forks inside libc; fork() itself comes through process.c, which knows the child's pid. */
	pthread_atfork(process_fork_prepare, fork_parent, process_fork_child);
	/* quick_exit runs no destructors. */
	at_quick_exit(process_exit);
}

void preload_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init);
}

__attribute__((constructor)) static void start(void)
{
	const char *inherit;

	preload_init();
	process_configure();
	inherit = getenv(INHERIT_VARIABLE);
	if (inherit) {
		inherit_unpack(inherit);
		unsetenv(INHERIT_VARIABLE);
	}
}

__attribute__((destructor)) static void finish(void)
{
	process_exit();
}
