/* epoll sets that may watch promoted connections. A set stays the kernel's: what it knows of plain descriptors is never
 * touched. A promoted connection's registration there is turned into one for its end alone (edge-triggered), and its events
 * come from here. */
#ifndef RS_EPOLL_H
#define RS_EPOLL_H

#include "conn.h"

#include <sys/epoll.h>

struct epset;

/* The set that the kernel just made as EPFD. Without memory it stays the kernel's alone, and what it watches is not promoted. */
void epoll_new(int epfd);
/* EPFD is about to be closed. */
void epoll_close(struct epset *set, int epfd);

/* epoll_ctl(2), the kernel's part included. 0 or -errno. */
int epoll_control(struct epset *set, int epfd, int op, int fd, struct epoll_event *event);

/* epoll_wait(2) and its kin. TIMEOUT_NS < 0: for ever. Count or -errno. */
int epoll_wait_any(struct epset *set, int epfd, struct epoll_event *events, int max, int64_t timeout_ns,
		   const sigset_t *mask);

/* Before a direction of C leaves TCP: takes its registrations over. False: one cannot be. */
bool epoll_convert(struct conn *c);
/* After a stage changed: what the kernel must report follows. */
void epoll_sync(struct conn *c);
/* Something happened to C that no bit tells: its sets look; those on edges only if they watch for one of EVENTS. */
#define EPOLL_MARK_ALL (~0u)
#define EPOLL_MARK_DATA (EPOLLIN | EPOLLRDNORM | EPOLLPRI | EPOLLRDBAND) /* whom the kernel wakes when bytes come */
void epoll_mark(struct conn *c, uint32_t events);
/* Whoever watches C is told once more what it is ready for, on edges too: a call said EAGAIN for a reason of ours. */
void epoll_again(struct conn *c);
/* C is going. */
void epoll_forget_conn(struct conn *c);

/* The kernel is about to be asked whether SET has events (poll of it, or a set around it): makes its descriptor tell the truth
 * now, and keeps it awake from now on. */
void epoll_watched(struct epset *set);

void epoll_forked(void);

#endif
