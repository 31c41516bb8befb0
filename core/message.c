/* Messages on unix sockets, and what a stranger may put into them. */
#include "message.h"
#include "barrier.h"
#include "discard.h"
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OVERFLOW_UID 65534u
#define SCM_FDS_MAX 253 /* a message; the kernel's own limit */
#define QUEUE_MAX 4096  /* messages; a unix socket's buffer holds some hundred */

int message_socket(void)
{
	return own_fd(kernel_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/* The overflow uid stands for every user that this user namespace does not know. Where it knows all, it is just nobody. */
static bool knows_all_users(void)
{
	static int known; /* 0: not looked yet; 1; -1 */

	if (load_relaxed(&known) == 0) {
		char text[128] = "", *end = text;
		int file = sys_openat(AT_FDCWD, "/proc/self/uid_map", O_RDONLY | O_CLOEXEC, 0);
		unsigned long inside, outside, count;

		if (file >= 0) {
			sys_read(file, text, sizeof text - 1);
			sys_close(file);
		}
		inside = strtoul(end, &end, 10);
		outside = strtoul(end, &end, 10);
		count = strtoul(end, &end, 10);
		store_relaxed(&known, inside == 0 && outside == 0 && count == UINT32_MAX ? 1 : -1);
	}
	return load_relaxed(&known) > 0;
}

bool message_who(int fd, struct ucred *who)
{
	socklen_t size = sizeof *who;

	return kernel_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &size) == 0 &&
	       (who->uid != OVERFLOW_UID || knows_all_users());
}

ssize_t message_send(int fd, const void *message, size_t size, const int *fds, unsigned count)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(MESSAGE_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)message, size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};

	if (!count) {
		msg.msg_control = NULL;
		return kernel_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	return kernel_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void message_fds_close(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (fds[i] >= 0)
			discard_fd(fds[i]);
}

/* Receives one message of exactly SIZE bytes with exactly COUNT descriptors. 0, -EAGAIN, or -EPROTO (also at its end: *ENDED). There is
 * room for all that the kernel passes at once: it would close the others in our name. */
static int message_take(int fd, void *message, size_t size, int *fds, unsigned count, bool *ended)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(SCM_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {message, size};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n = discard_full(SCM_FDS_MAX) ? -EAGAIN : kernel_recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	unsigned got = 0;
	int all[SCM_FDS_MAX];

	*ended = n < 0 || (n == 0 && msg.msg_controllen == 0);
	if (n < 0)
		return n == -EAGAIN ? -EAGAIN : -EPROTO;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&msg); head; head = CMSG_NXTHDR(&msg, head))
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
			got = (unsigned)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(all, CMSG_DATA(head), got * sizeof(int));
		}
	if ((size_t)n == size && got == count && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		if (count)
			memcpy(fds, all, count * sizeof(int));
		return 0;
	}
	message_fds_close(all, got);
	return -EPROTO;
}

int message_receive(int fd, void *message, size_t size, int *fds, unsigned count)
{
	bool ended;

	return message_take(fd, message, size, fds, count, &ended);
}

/* Closes FD, a unix socket; what still waits there is taken first, for the descriptors in it. */
void message_close(int fd)
{
	const int on = 1;
	bool ended = fd < 0;
	char byte;

	/* Nothing comes behind it any more; and the sender's name tells an empty message from the end. */
	if (fd >= 0) {
		sys_call2(SYS_shutdown, fd, SHUT_RD);
		kernel_setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	}
	for (int i = 0; i < QUEUE_MAX && !ended; i++)
		message_take(fd, &byte, 1, NULL, 0, &ended);
	own_fd_close(fd);
}

int message_accept(int listener)
{
	return own_fd((int)sys_call4(SYS_accept4, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

ssize_t message_peek(int fd, void *head, size_t size)
{
	struct iovec iov = {head, size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = kernel_recvmsg(fd, &msg, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (n == -EAGAIN)
		return n;
	return n < (ssize_t)size || (msg.msg_flags & MSG_CTRUNC) ? -EPROTO : n;
}

void message_drop(int fd)
{
	struct msghdr msg = {0};

	kernel_recvmsg(fd, &msg, MSG_DONTWAIT);
}
