/* Talking to strangers: SOCK_SEQPACKET unix sockets on abstract names, where anybody may listen or connect. Nothing here blocks, and
 * no descriptor that a stranger sent is left behind or waited for. */
#ifndef RS_STRANGER_H
#define RS_STRANGER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#define STRANGER_FDS_MAX 3

/* A socket of ours, or -errno. */
int stranger_socket(void);
/* Who is at the other end, as the kernel has it. False: it cannot say, or not whom it means (the overflow uid). */
bool stranger_who(int fd, struct ucred *who);

/* As sendmsg; COUNT descriptors (1 to STRANGER_FDS_MAX) go with it. */
ssize_t stranger_send(int fd, const void *message, size_t size, const int *fds, unsigned count);
/* One message of exactly SIZE bytes with exactly COUNT (> 0) descriptors, which are the caller's then. 0, -EAGAIN, or -EPROTO. */
int stranger_receive(int fd, void *message, size_t size, int *fds, unsigned count);
void stranger_fds_close(const int *fds, unsigned count);

/* The next that waits at LISTENER's door: a socket of ours, or -errno. */
int stranger_accept(int listener);
/* Closes FD, a unix socket; what still waits there is taken first, for the descriptors in it. < 0 is nothing. */
void stranger_close(int fd);

#endif
