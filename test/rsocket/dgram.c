/* Datagram rsockets: boundaries, truncation, connected and not, both families, multicast, and waiting for them. */
#include "kit.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <sys/syscall.h>

/* A datagram rsocket bound to a free port of the loopback address of FAMILY. */
static int bound(int family, struct sockaddr_storage *address)
{
	int fd = (int)MUST(rsocket(family, SOCK_DGRAM, 0));
	socklen_t size = sizeof(*address);

	memset(address, 0, sizeof(*address));
	address->ss_family = (sa_family_t)family;
	if (family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(rbind(fd, (struct sockaddr *)address, kit_address_length(address)));
	MUST(rgetsockname(fd, (struct sockaddr *)address, &size));
	return fd;
}

static void check_next(int fd, const char *text)
{
	char buf[64];
	ssize_t n;

	kit_await(fd, POLLIN);
	n = MUST(rrecv(fd, buf, sizeof(buf), 0));
	CHECK_EQ(n, strlen(text));
	CHECK(memcmp(buf, text, (size_t)n) == 0);
}

static void check_boundaries(int family)
{
	struct sockaddr_storage to, from, seen;
	int a = bound(family, &from), b = bound(family, &to);
	socklen_t size = sizeof(seen);
	char buf[64];

	for (int i = 1; i < 40; i++)
		CHECK_EQ(rsendto(a, "0123456789012345678901234567890123456789", (size_t)i, 0, (struct sockaddr *)&to,
				 kit_address_length(&to)),
			 i);
	for (int i = 1; i < 40; i++) {
		kit_await(b, POLLIN);
		size = sizeof(seen);
		CHECK_EQ(rrecvfrom(b, buf, sizeof(buf), 0, (struct sockaddr *)&seen, &size), i);
		CHECK_EQ(size, kit_address_length(&from));
		CHECK(memcmp(&seen, &from, size) == 0);
	}
	/* An empty one is a message too. */
	CHECK_EQ(rsendto(a, NULL, 0, 0, (struct sockaddr *)&to, kit_address_length(&to)), 0);
	kit_await(b, POLLIN);
	CHECK_EQ(rrecv(b, buf, sizeof(buf), 0), 0);
	CHECK_FAILS(rrecv(b, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	CHECK_FAILS(rsend(a, buf, 1, 0), EDESTADDRREQ);
	MUST(rclose(a));
	MUST(rclose(b));
}

CASE(boundaries)
{
	check_boundaries(AF_INET);
}

CASE(boundaries_ipv6)
{
	check_boundaries(AF_INET6);
}

CASE(truncation)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	char buf[4], big[70000] = "";
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	MUST(rconnect(a, (struct sockaddr *)&to, kit_address_length(&to)));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(rsend(a, "0123456789", 10, 0), 10);
	CHECK_EQ(rsend(a, "next", 4, 0), 4);
	kit_await(b, POLLIN);
	CHECK_EQ(rrecvmsg(b, &msg, MSG_PEEK), 4);
	CHECK(msg.msg_flags & MSG_TRUNC);
	CHECK_EQ(rrecvmsg(b, &msg, 0), 4);
	CHECK(msg.msg_flags & MSG_TRUNC);
	CHECK_EQ(rrecv(b, buf, sizeof(buf), MSG_TRUNC), 10);
	CHECK_EQ(rread(b, buf, sizeof(buf)), 4);
	CHECK(memcmp(buf, "0123", 4) == 0);
	msg.msg_flags = 0;
	CHECK_EQ(rrecvmsg(b, &msg, 0), 4);
	CHECK(!(msg.msg_flags & MSG_TRUNC) && memcmp(buf, "next", 4) == 0);
	CHECK_FAILS(rsend(a, big, sizeof(big), 0), EMSGSIZE);
	MUST(rclose(a));
	MUST(rclose(b));
}

CASE(largest)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	static char out[65507], in[65536];

	kit_pattern(out, sizeof(out), 3, 0);
	CHECK_EQ(rsendto(a, out, sizeof(out), 0, (struct sockaddr *)&to, kit_address_length(&to)), sizeof(out));
	kit_await(b, POLLIN);
	CHECK_EQ(rrecv(b, in, sizeof(in), 0), sizeof(out));
	CHECK_PATTERN(in, sizeof(out), 3, 0);
	MUST(rclose(a));
	MUST(rclose(b));
}

CASE(connected)
{
	struct sockaddr_storage one, two, three, seen;
	int a = bound(AF_INET, &one), b = bound(AF_INET, &two), c = bound(AF_INET, &three);
	socklen_t size = sizeof(seen);
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	char buf[8];

	CHECK_FAILS(rgetpeername(a, (struct sockaddr *)&seen, &size), ENOTCONN);
	MUST(rconnect(a, (struct sockaddr *)&two, kit_address_length(&two)));
	size = sizeof(seen);
	MUST(rgetpeername(a, (struct sockaddr *)&seen, &size));
	CHECK(memcmp(&seen, &two, size) == 0);
	/* Only its peer is heard. */
	CHECK_EQ(rsendto(c, "stranger", 8, 0, (struct sockaddr *)&one, kit_address_length(&one)), 8);
	CHECK_EQ(rsendto(b, "peer", 4, 0, (struct sockaddr *)&one, kit_address_length(&one)), 4);
	check_next(a, "peer");
	CHECK_FAILS(rrecv(a, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	/* Somewhere else, then nowhere. */
	MUST(rconnect(a, (struct sockaddr *)&three, kit_address_length(&three)));
	CHECK_EQ(rwrite(a, "moved", 5), 5);
	check_next(c, "moved");
	MUST(rconnect(a, &nobody, sizeof(nobody)));
	CHECK_FAILS(rwrite(a, "lost", 4), EDESTADDRREQ);
	/* A port that nobody has: the next call tells. */
	MUST(rconnect(a, (struct sockaddr *)&three, kit_address_length(&three)));
	MUST(rclose(c));
	CHECK_EQ(rsend(a, "x", 1, 0), 1);
	kit_await(a, POLLERR);
	CHECK_FAILS(rrecv(a, buf, sizeof(buf), MSG_DONTWAIT), ECONNREFUSED);
	MUST(rclose(a));
	MUST(rclose(b));
}

CASE(vectors_and_many)
{
	struct sockaddr_storage to, from;
	int a = bound(AF_INET, &from), b = bound(AF_INET, &to);
	char first[3], second[10], words[3][8];
	struct iovec out[2] = {{"one", 3}, {"two", 3}}, in[2] = {{first, 3}, {second, 10}}, each[3];
	struct mmsghdr many[3] = {0};

	MUST(rconnect(a, (struct sockaddr *)&to, kit_address_length(&to)));
	CHECK_EQ(rwritev(a, out, 2), 6);
	kit_await(b, POLLIN);
	CHECK_EQ(rreadv(b, in, 2), 6);
	CHECK(memcmp(first, "one", 3) == 0 && memcmp(second, "two", 3) == 0);
	for (int i = 0; i < 3; i++) {
		snprintf(words[i], sizeof(words[i]), "word %d", i);
		each[i] = (struct iovec){words[i], 6};
		many[i].msg_hdr.msg_iov = &each[i];
		many[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK_EQ(rsendmmsg(a, many, 3, 0), 3);
	memset(words, 0, sizeof(words));
	kit_await(b, POLLIN);
	CHECK_EQ(rrecvmmsg(b, many, 3, MSG_WAITFORONE, NULL), 3);
	CHECK(many[2].msg_len == 6 && memcmp(words[2], "word 2", 6) == 0);
	MUST(rclose(a));
	MUST(rclose(b));
}

CASE(options_of_datagrams)
{
	struct sockaddr_storage address;
	int fd = bound(AF_INET, &address), value = 0;
	char path[72] = "a path", back[144];
	socklen_t size = sizeof(value);

	MUST(rgetsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size));
	CHECK_EQ(value, SOCK_DGRAM);
	kit_set_option(fd, SOL_SOCKET, SO_BROADCAST, 1);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_BROADCAST), 1);
	kit_set_option(fd, IPPROTO_IP, IP_TOS, 0x10);
	CHECK_EQ(kit_get_option(fd, IPPROTO_IP, IP_TOS), 0x10);
	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_SQSIZE), 384);
	kit_set_option(fd, SOL_RDMA, RDMA_SQSIZE, 1 << 20);
	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_SQSIZE), 0xfffe);
	kit_set_option(fd, SOL_RDMA, RDMA_INLINE, 0);
	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_INLINE), 0);
	CHECK_FAILS(rsetsockopt(fd, SOL_RDMA, 99, &value, sizeof(value)), ENOTSUP);
	CHECK_FAILS(rgetsockopt(fd, SOL_RDMA, RDMA_SQSIZE, NULL, &size), EFAULT);
	MUST(rsetsockopt(fd, SOL_RDMA, RDMA_ROUTE, path, sizeof(path)));
	size = sizeof(back);
	MUST(rgetsockopt(fd, SOL_RDMA, RDMA_ROUTE, back, &size));
	CHECK_EQ(size, sizeof(path));
	CHECK(memcmp(back, path, sizeof(path)) == 0);
	CHECK_FAILS(rlisten(fd, 1), EOPNOTSUPP);
	MUST(rclose(fd));
}

static int loopback_index(void)
{
	return (int)if_nametoindex("lo");
}

CASE(multicast)
{
	struct sockaddr_in any = {.sin_family = AF_INET}, group = {.sin_family = AF_INET};
	struct ip_mreqn request = {.imr_ifindex = loopback_index()};
	int a = (int)MUST(rsocket(AF_INET, SOCK_DGRAM, 0)), b = (int)MUST(rsocket(AF_INET, SOCK_DGRAM, 0));
	socklen_t size = sizeof(any);
	char buf[16];

	inet_pton(AF_INET, "239.255.77.77", &group.sin_addr);
	request.imr_multiaddr = group.sin_addr;
	MUST(rbind(b, (struct sockaddr *)&any, sizeof(any)));
	MUST(rgetsockname(b, (struct sockaddr *)&any, &size));
	group.sin_port = any.sin_port;
	MUST(rsetsockopt(a, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)));
	kit_set_option(a, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
	MUST(rsetsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)));
	CHECK_FAILS(rsetsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)), EADDRINUSE);
	CHECK_EQ(rsendto(a, "to all", 6, 0, (struct sockaddr *)&group, sizeof(group)), 6);
	check_next(b, "to all");
	MUST(rsetsockopt(b, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request)));
	rsendto(a, "to some", 7, 0, (struct sockaddr *)&group, sizeof(group));
	CHECK_SILENT(b);
	CHECK_FAILS(rrecv(b, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	MUST(rclose(a));
	MUST(rclose(b));
}

/* The interface by which the kernel's own socket reaches GROUP: few loopbacks have a route for it. 0: none. */
static unsigned multicast_interface(struct sockaddr_in6 *group)
{
	struct if_nameindex *all = if_nameindex();
	int fd = (int)syscall(SYS_socket, AF_INET6, SOCK_DGRAM, 0);
	unsigned found = 0;

	for (struct if_nameindex *i = all; i && i->if_index && !found; i++) {
		group->sin6_scope_id = i->if_index;
		if (syscall(SYS_sendto, fd, "", 1, 0, group, sizeof(*group)) == 1)
			found = i->if_index;
	}
	if_freenameindex(all);
	MUST(syscall(SYS_close, fd));
	return found;
}

CASE(multicast_ipv6)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6}, group = {.sin6_family = AF_INET6};
	struct ipv6_mreq request = {0};
	int a = (int)MUST(rsocket(AF_INET6, SOCK_DGRAM, 0)), b = (int)MUST(rsocket(AF_INET6, SOCK_DGRAM, 0));
	socklen_t size = sizeof(any);

	inet_pton(AF_INET6, "ff11::7777", &group.sin6_addr);
	request.ipv6mr_multiaddr = group.sin6_addr;
	MUST(rbind(b, (struct sockaddr *)&any, sizeof(any)));
	MUST(rgetsockname(b, (struct sockaddr *)&any, &size));
	group.sin6_port = any.sin6_port;
	request.ipv6mr_interface = multicast_interface(&group);
	if (!request.ipv6mr_interface)
		kit_skip("no interface carries IPv6 multicast here");
	kit_set_option(a, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)request.ipv6mr_interface);
	MUST(rsetsockopt(b, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request)));
	CHECK_EQ(rsendto(a, "to all", 6, 0, (struct sockaddr *)&group, sizeof(group)), 6);
	check_next(b, "to all");
	MUST(rsetsockopt(b, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &request, sizeof(request)));
	rsendto(a, "to some", 7, 0, (struct sockaddr *)&group, sizeof(group));
	CHECK_SILENT(b);
	MUST(rclose(a));
	MUST(rclose(b));
}

static void *send_one(void *argument)
{
	const struct sockaddr_storage *to = argument;
	int fd = (int)MUST(rsocket(AF_INET, SOCK_DGRAM, 0));

	CHECK_EQ(rsendto(fd, "late", 4, 0, (const struct sockaddr *)to, kit_address_length(to)), 4);
	MUST(rclose(fd));
	return NULL;
}

/* A datagram, a stream and a pipe in one wait. */
CASE(mixed_waits)
{
	struct sockaddr_storage address;
	struct pair pair = PAIR;
	struct thread sender;
	int fd = bound(AF_INET, &address), ends[2], set = (int)MUST(repoll_create(0));
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	struct pollfd fds[3];

	MUST(pipe(ends));
	fds[0] = (struct pollfd){.fd = ends[0], .events = POLLIN};
	fds[1] = (struct pollfd){.fd = pair.a, .events = POLLIN};
	fds[2] = (struct pollfd){.fd = fd, .events = POLLIN};
	CHECK_EQ(rpoll(fds, 3, 0), 0);
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	CHECK_EQ(repoll_wait(set, &event, 1, 0), 0);
	thread_start(&sender, send_one, &address);
	CHECK_EQ(rpoll(fds, 3, 5000), 1);
	CHECK(fds[0].revents == 0 && fds[1].revents == 0 && fds[2].revents == POLLIN);
	thread_join(&sender);
	CHECK_EQ(repoll_wait(set, &event, 1, 5000), 1);
	CHECK_EQ(event.data.fd, fd);
	check_next(fd, "late");
	MUST(rclose(set));
	MUST(rclose(fd));
	pair_close(&pair);
}

/* Zero-copy sends, with their completions. */
CASE(zerocopy_completes)
{
	struct pair pair = pair_new(AF_INET);
	static char out[100000];
	char control[128];
	struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};
	const struct sock_extended_err *error;
	size_t left = sizeof(out);

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	kit_set_nonblocking(pair.a, true);
	kit_pattern(out, sizeof(out), 4, 0);
	CHECK_EQ(rsend(pair.a, out, sizeof(out), MSG_ZEROCOPY), sizeof(out));
	kit_recv_pattern(pair.b, left, 4, 0);
	CHECK(kit_await(pair.a, POLLERR) & POLLERR);
	CHECK_EQ(MUST(rrecvmsg(pair.a, &msg, MSG_ERRQUEUE)), 0);
	CHECK(CMSG_FIRSTHDR(&msg) != NULL);
	error = (const struct sock_extended_err *)(const void *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
	CHECK_EQ(error->ee_origin, SO_EE_ORIGIN_ZEROCOPY);
	CHECK_EQ(error->ee_info, 0);
	pair_close(&pair);
}
