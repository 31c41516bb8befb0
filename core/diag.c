/* sock_diag: one question, one answer. */
#include "diag.h"
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
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

int diag_end_of(const struct sockaddr_storage *ss, struct diag_end *end)
{
	return end_of(ss, &end->family, end->addr, &end->port);
}

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 req;
};

union answer {
	struct nlmsghdr head;
	char space[1024];
};

/* 0 and *ANSWER, a whole SOCK_DIAG_BY_FAMILY message; or -errno. */
static int ask_kernel(const struct question *ask, union answer *answer)
{
	int fd = kernel_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = kernel_sendto(fd, ask, sizeof *ask, MSG_NOSIGNAL, NULL, 0);
	if (n >= 0)
		n = kernel_recv(fd, answer, sizeof *answer, MSG_DONTWAIT); /* answered inside the send */
	sys_close(fd);
	if (n < 0)
		return (int)n;
	if (!NLMSG_OK(&answer->head, (size_t)n))
		return -EPROTO;
	if (answer->head.nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(&answer->head))->error ?: -EPROTO;
	if (answer->head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    answer->head.nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		return -EPROTO;
	return 0;
}

static struct question question_of(uint8_t family, uint8_t protocol, uint16_t sport, uint16_t dport, const uint8_t *src,
				   const uint8_t *dst)
{
	struct question ask = {
		.head = {.nlmsg_len = sizeof ask, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
		.req = {.sdiag_family = family, .sdiag_protocol = protocol, .idiag_states = ~0u},
	};

	ask.req.id.idiag_sport = htons(sport);
	ask.req.id.idiag_dport = htons(dport);
	memcpy(ask.req.id.idiag_src, src, 16);
	memcpy(ask.req.id.idiag_dst, dst, 16);
	ask.req.id.idiag_cookie[0] = ask.req.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return ask;
}

static void owner_of(const struct inet_diag_msg *msg, struct diag_owner *owner)
{
	owner->uid = msg->idiag_uid;
	owner->cookie = msg->id.idiag_cookie[0] | (uint64_t)msg->id.idiag_cookie[1] << 32;
}

int diag_peer(const struct tuple *t, struct diag_owner *owner)
{
	/* Asked as the peer sees it: its source is our peer. */
	struct question ask = question_of(t->family, IPPROTO_TCP, t->peer_port, t->local_port, t->peer, t->local);
	union answer answer;
	const struct inet_diag_msg *msg = NLMSG_DATA(&answer.head);
	int error = ask_kernel(&ask, &answer);

	if (error < 0)
		return error;
	/* The lookup may fall back to a listener on the port: only the very connection counts. */
	if (msg->id.idiag_sport != ask.req.id.idiag_sport || msg->id.idiag_dport != ask.req.id.idiag_dport)
		return -ENOENT;
	owner_of(msg, owner);
	return 0;
}

int diag_udp(const struct diag_end *from, const struct diag_end *to, struct diag_owner *owner, uint32_t *rcvbuf)
{
	/* Here the kernel looks as for a datagram that arrives: its source is the source. */
	struct question ask = question_of(to->family, IPPROTO_UDP, from->port, to->port, from->addr, to->addr);
	union answer answer;
	const struct inet_diag_msg *msg = NLMSG_DATA(&answer.head);
	const struct rtattr *attr = (const void *)(msg + 1);
	int error, left;

	ask.req.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1);
	error = ask_kernel(&ask, &answer);
	if (error < 0)
		return error;
	if (ntohs(msg->id.idiag_sport) != to->port)
		return -ENOENT;
	*rcvbuf = 0;
	left = (int)(answer.head.nlmsg_len - NLMSG_LENGTH(sizeof *msg));
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == INET_DIAG_SKMEMINFO &&
		    RTA_PAYLOAD(attr) >= (SK_MEMINFO_RCVBUF + 1) * sizeof *rcvbuf)
			memcpy(rcvbuf, (const uint32_t *)RTA_DATA(attr) + SK_MEMINFO_RCVBUF, sizeof *rcvbuf);
	owner_of(msg, owner);
	return 0;
}
