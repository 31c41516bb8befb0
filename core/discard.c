/* Closing what strangers sent. DESIGN NOTES. The close of a socket may wait for bytes to be taken, where ours is the last copy; that of a file
 * for whoever serves its file system, for ever if he likes. Honest peers send memory, which is closed at once. Everything else a thread of its own
 * closes; it ends when nothing is left. */
#include "discard.h"
#include "kernel.h"
#include "lock.h"
#include "process.h"
#include "thread.h"

#define ROOM 1024

static struct lock discard_lock; /* guards what follows */
static int fds[ROOM];
static unsigned count;
static bool running;

static void close_now(int fd)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	kernel_setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	own_fd_close(fd);
}

static void *discard_main(void *unused)
{
	(void)unused;
	for (;;) {
		int fd = -1;

		critical_enter();
		lock_take(&discard_lock);
		running = count;
		if (count) {
			fd = fds[count - 1];
			store_relaxed(&count, count - 1);
		}
		lock_drop(&discard_lock);
		critical_exit();
		if (fd < 0)
			return NULL;
		close_now(fd);
	}
}

/* False: there is no thread, or no room. */
static bool hand_over(int fd)
{
	bool taken;

	critical_enter();
	lock_take(&discard_lock);
	/* A filter may kill for a thread. */
	if (!running && !load_relaxed(&process_filtered))
		running = thread_start_own(discard_main);
	taken = running && count < ROOM;
	if (taken) {
		own_fd_adopt(fd);
		fds[count] = fd;
		store_relaxed(&count, count + 1);
	}
	lock_drop(&discard_lock);
	critical_exit();
	return taken;
}

void discard_fd(int fd)
{
	if (kernel_fcntl(fd, F_GET_SEALS, 0) >= 0 || !hand_over(fd))
		close_now(fd);
}

bool discard_full(unsigned more)
{
	return load_relaxed(&count) + more > ROOM;
}

void discard_forked(void)
{
	discard_lock.word = 0;
	running = false;
}
