/* sock_diag: one question, one answer. */
#include "diag.h"
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

static int end_of(const struct sockaddr_storage *ss, uint8_t *family, uint8_t addr[16], uint16_t *port)
{
	const struct sockaddr_in *in4 = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;

	memset(addr, 0, 16);
	if (ss->ss_family == AF_INET) {
		memcpy(addr, &in4->sin_addr, 4);
		*port = ntohs(in4->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		*port = ntohs(in6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			memcpy(addr, in6->sin6_addr.s6_addr + 12, 4);
			*family = AF_INET;
			return 0;
		}
		memcpy(addr, &in6->sin6_addr, 16);
	} else {
		return -EAFNOSUPPORT;
	}
	*family = (uint8_t)ss->ss_family;
	return 0;
}

int tuple_of(int fd, struct tuple *tuple)
{
	struct sockaddr_storage ss;
	socklen_t size = sizeof ss;
	uint8_t family;
	int error = (int)sys_call3(SYS_getsockname, fd, &ss, &size);

	if (error == 0)
		error = end_of(&ss, &tuple->family, tuple->local, &tuple->local_port);
	if (error < 0)
		return error;
	size = sizeof ss;
	error = (int)sys_call3(SYS_getpeername, fd, &ss, &size);
	if (error == 0)
		error = end_of(&ss, &family, tuple->peer, &tuple->peer_port);
	if (error == 0 && family != tuple->family)
		error = -EAFNOSUPPORT;
	return error;
}

int diag_peer(const struct tuple *t, struct diag_owner *owner)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} ask = {
		.head = {.nlmsg_len = sizeof ask, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
		.req = {.sdiag_family = t->family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u},
	};
	union {
		struct nlmsghdr head;
		char space[1024];
	} answer;
	const struct inet_diag_msg *msg;
	ssize_t n;
	int fd = kernel_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return fd;
	/* Asked as the peer sees it: its source is our peer. */
	ask.req.id.idiag_sport = htons(t->peer_port);
	ask.req.id.idiag_dport = htons(t->local_port);
	memcpy(ask.req.id.idiag_src, t->peer, 16);
	memcpy(ask.req.id.idiag_dst, t->local, 16);
	ask.req.id.idiag_cookie[0] = ask.req.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	n = kernel_sendto(fd, &ask, sizeof ask, MSG_NOSIGNAL, NULL, 0);
	if (n >= 0)
		n = kernel_recv(fd, &answer, sizeof answer, MSG_DONTWAIT); /* answered inside the send */
	sys_close(fd);
	if (n < 0)
		return (int)n;
	if (!NLMSG_OK(&answer.head, (size_t)n))
		return -EPROTO;
	if (answer.head.nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(&answer.head))->error ?: -EPROTO;
	if (answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY || answer.head.nlmsg_len < NLMSG_LENGTH(sizeof *msg))
		return -EPROTO;
	msg = NLMSG_DATA(&answer.head);
	/* The lookup may fall back to a listener on the port: only the very connection counts. */
	if (msg->id.idiag_sport != ask.req.id.idiag_sport || msg->id.idiag_dport != ask.req.id.idiag_dport)
		return -ENOENT;
	owner->uid = msg->idiag_uid;
	owner->cookie = msg->id.idiag_cookie[0] | (uint64_t)msg->id.idiag_cookie[1] << 32;
	return 0;
}
