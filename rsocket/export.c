/* The rsockets API as programs see it: the engine's calls, with errno. One engine a process: where librspreload.so is loaded too, it
 * is that one's, since both would otherwise answer for the same descriptors. Without it this library has its own. */
#include "dgram.h"
#include "log.h"
#include "process.h"
#include "rsocket.h"
#include "thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <rdma/rsocket.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* NULL until the first call: a program that makes none pays nothing. */
static const struct rsocket_calls *calls;

static void fork_parent(void)
{
	process_fork_parent(0);
}

static void start(void)
{
	thread_handlers_unseen = true;
	process_init();
	process_watch_exec();
	dgram_start();
	pthread_atfork(process_fork_prepare, fork_parent, process_fork_child);
	/* quick_exit runs no destructors. */
	at_quick_exit(process_exit);
}

static void choose(void)
{
	rsocket_calls_fn *preloaded = (rsocket_calls_fn *)dlsym(RTLD_DEFAULT, RSOCKET_CALLS_SYMBOL);
	const struct rsocket_calls *found = preloaded ? preloaded() : NULL;

	if (found && strcmp(found->rows, rsocket_calls.rows) == 0) {
		store_release(&calls, found);
		return;
	}
	start();
	if (found)
		log_at(LOG_WARN,
		       "librspreload.so and librsocket.so are of different builds: rsockets do not mix with sockets");
	store_release(&calls, &rsocket_calls);
}

static const struct rsocket_calls *engine(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const struct rsocket_calls *chosen = load_acquire(&calls);

	if (__builtin_expect(chosen != NULL, 1))
		return chosen;
	pthread_once(&once, choose);
	return calls;
}

__attribute__((destructor)) static void finish(void)
{
	if (calls == &rsocket_calls)
		process_exit();
}

#define RCALL(type, name, params, args)                 \
	EXPORT type r##name params                      \
	{                                               \
		long long result = engine()->name args; \
		if (result < 0) {                       \
			errno = (int)-result;           \
			result = -1;                    \
		}                                       \
		return (type)result;                    \
	}
#define VRCALL(...)
#include "rsocket.def"

EXPORT int rfcntl(int fd, int command, ...)
{
	long argument;
	va_list args;
	int result;

	va_start(args, command);
	argument = va_arg(args, long);
	va_end(args);
	result = engine()->fcntl(fd, command, argument);
	if (result < 0) {
		errno = -result;
		result = -1;
	}
	return result;
}
