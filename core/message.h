/* Messages on unix sockets (SOCK_SEQPACKET) that carry descriptors, or must not: the other end may be a stranger. Nothing here blocks. */
#ifndef RS_MESSAGE_H
#define RS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define MESSAGE_FDS 3 /* that a message of ours carries at most */

/* A new socket, one of our descriptors; or -errno. */
int message_socket(void);
/* Who waits at LISTENER; or -errno. */
int message_accept(int listener);
/* Closes FD; what still waits there is taken first, for the descriptors in it. */
void message_close(int fd);

/* Who is at the other end, as the kernel has it. False: it cannot say, or not whom it means (the overflow uid). */
bool message_who(int fd, struct ucred *who);

/* As send(2); COUNT descriptors of FDS go with it. Bytes or -errno. */
ssize_t message_send(int fd, const void *message, size_t size, const int *fds, unsigned count);
/* One message of exactly SIZE bytes with exactly COUNT descriptors, now the caller's. 0, -EAGAIN, or -EPROTO (another one, which is gone
 * then, or the end). */
int message_receive(int fd, void *message, size_t size, int *fds, unsigned count);
/* Closes descriptors that came with a message (discard.h). */
void message_fds_close(const int *fds, unsigned count);

/* The first SIZE bytes of the next message, which stays. Its length; -EAGAIN; or -EPROTO: a shorter one, one with descriptors, or the end. */
ssize_t message_peek(int fd, void *head, size_t size);
/* Throws the next message away, which was peeked at. */
void message_drop(int fd);

#endif
