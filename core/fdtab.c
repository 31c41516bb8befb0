/* The table from descriptor number to object. */
#include "fdtab.h"
#include "conn.h"
#include "dgram.h"
#include "lock.h"
#include "thread.h"

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

void fdtab_copy(int fd, int new)
{
	uintptr_t word;

	critical_enter();
	lock_take(&fdtab_lock);
	word = fdtab_word(fd);
	if (word && !fdtab_word(new)) {
		fdtab_set(new, (enum fd_kind)(word & 3), (void *)(word & ~(uintptr_t)3));
		if ((word & 3) == FD_CONN)
			count_add(&fdtab_conn(fd)->descriptors, 1);
		else if ((word & 3) == FD_DGRAM)
			dgram_copied((struct dgram *)(word & ~(uintptr_t)3));
	}
	lock_drop(&fdtab_lock);
	critical_exit();
}

int fdtab_top(void)
{
	return load_relaxed(&top);
}
