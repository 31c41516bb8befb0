/* The table from descriptor number to object. */
#include "fdtab.h"
#include "lock.h"

#include <stddef.h>

uintptr_t fdtab[FDTAB_SIZE]; /* 8 MiB of address space, of which only touched pages exist */
struct lock fdtab_lock;
static int top = -1;

void fdtab_set(int fd, enum fd_kind kind, void *object)
{
	if ((unsigned)fd >= FDTAB_SIZE)
		return;
	if (fd > top)
		store_relaxed(&top, fd);
	store_release(&fdtab[fd], object ? (uintptr_t)object | kind : 0);
}

int fdtab_top(void)
{
	return load_relaxed(&top);
}
