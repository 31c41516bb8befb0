/* What each descriptor number is to us. */
#ifndef RS_FDTAB_H
#define RS_FDTAB_H

#include "barrier.h"

#include <stddef.h>
#include <stdint.h>

struct conn;
struct epset;

#define FDTAB_SIZE (1 << 20) /* higher numbers stay the kernel's alone */

/* One word a number: 0 nothing of ours, or a pointer and in its low bits what it points to. Stored under fdtab_lock with release;
 * loaded with acquire by anyone. */
enum fd_kind { FD_NONE, FD_CONN, FD_EPOLL, FD_DGRAM };
extern uintptr_t fdtab[FDTAB_SIZE];
extern struct lock fdtab_lock;

static inline uintptr_t fdtab_word(int fd)
{
	if ((unsigned)fd >= FDTAB_SIZE)
		return 0;
	return load_acquire(&fdtab[fd]);
}

static inline enum fd_kind fdtab_kind(int fd)
{
	return (enum fd_kind)(fdtab_word(fd) & 3);
}

static inline struct conn *fdtab_conn(int fd)
{
	uintptr_t w = fdtab_word(fd);

	return (w & 3) == FD_CONN ? (struct conn *)(w & ~(uintptr_t)3) : NULL;
}

static inline struct epset *fdtab_epset(int fd)
{
	uintptr_t w = fdtab_word(fd);

	return (w & 3) == FD_EPOLL ? (struct epset *)(w & ~(uintptr_t)3) : NULL;
}

/* The caller holds fdtab_lock. */
void fdtab_set(int fd, enum fd_kind kind, void *object);

/* NEW is now another number for what FD is. Takes the lock. */
void fdtab_copy(int fd, int new);

/* The highest number that was ever set, for walks; -1: none. */
int fdtab_top(void);

#endif
