/* Socket options that the data path must know of: what a program sets in the kernel's socket, and what it is told. */
#ifndef RS_SOCKOPT_H
#define RS_SOCKOPT_H

#include "conn.h"

#include <sys/socket.h>

/* Before the kernel gets the option VALUE for FD: true if it means nothing to what carries FD now, is only remembered, and the kernel
 * need not hear of it (TCP_CORK, which servers set twice a response). */
bool sockopt_kept(int fd, int level, int name, const void *value, socklen_t size);

/* The kernel took the option VALUE for FD, one of the table. */
void sockopt_set(int fd, int level, int name, const void *value, socklen_t size);

/* The same for F_SETFL and FIONBIO: whether calls on FD block. */
void sockopt_nonblock(int fd, bool nonblock);

/* Before the kernel is asked for an option of FD. */
void sockopt_asked(int fd, int level, int name);
/* The kernel answered with SIZE bytes: what it cannot know is put right. */
void sockopt_answered(int fd, int level, int name, void *value, socklen_t size);

/* RDMA_CARRIER. 0 or -errno; *SIZE and VALUE as getsockopt has them. */
int sockopt_carrier(int fd, void *value, socklen_t *size);

/* Whether receives on FD tell times of arrival. */
bool sockopt_timestamps(int fd);

/* FD uses something that only the kernel carries. */
void sockopt_leave(int fd);

#endif
