/* Two hosts: two network namespaces with a cable between them, this process in one. Needs root and ip(8). */
#ifndef HOSTS_H
#define HOSTS_H

#include "placement.h"

#include <sched.h>

#define PORT 7471

static int net_there = -1;

static inline void command(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (system(text) != 0)
		FAIL("failed: %s", text);
}

static inline int net_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return (int)MUST(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
}

/* From now on this process is on the other host. */
static inline void go_there(void)
{
	MUST(setns(net_there, CLONE_NEWNET));
}

static inline void hosts_make(void)
{
	int ready[2];
	pid_t keeper, pid;
	char byte;

	if (geteuid() != 0)
		kit_skip("needs root");
	MUST(unshare(CLONE_NEWNET));
	MUST(pipe2(ready, O_CLOEXEC));
	keeper = (pid_t)MUST(fork());
	if (keeper == 0) {
		MUST(unshare(CLONE_NEWNET));
		MUST(syscall(SYS_write, ready[1], "r", 1));
		for (;;)
			pause();
	}
	MUST(syscall(SYS_read, ready[0], &byte, 1));
	net_there = net_of(keeper);
	command("ip link set lo up && ip link add far0 type veth peer name far0 netns %d && ip link set far0 up && "
		"ip addr add 10.77.0.1/24 dev far0 && ip addr add fd77::1/64 dev far0 nodad",
		keeper);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		go_there();
		command("ip link set lo up && ip link set far0 up && ip addr add 10.77.0.2/24 dev far0 && "
			"ip addr add fd77::2/64 dev far0 nodad");
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	MUST(kill(keeper, SIGKILL));
	kit_wait_killed(keeper, SIGKILL);
	MUST(syscall(SYS_close, ready[0]));
	MUST(syscall(SYS_close, ready[1]));
}

/* HOST 1 is this one. */
static inline struct sockaddr_storage address_of(int family, int host, int port)
{
	struct sockaddr_storage address = {.ss_family = (sa_family_t)family};

	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&address;

		in->sin_port = htons((uint16_t)port);
		in->sin_addr.s_addr = htonl(0x0a4d0000u + (uint32_t)host);
	} else {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)&address;

		in->sin6_port = htons((uint16_t)port);
		in->sin6_addr.s6_addr[0] = 0xfd;
		in->sin6_addr.s6_addr[1] = 0x77;
		in->sin6_addr.s6_addr[15] = (uint8_t)host;
	}
	return address;
}

/* The kernel's sockets, which the library knows nothing of. */
static inline int raw_socket(int family)
{
	const int on = 1;
	int fd = (int)MUST(syscall(SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	MUST(syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	return fd;
}

static inline int raw_listen(int family, int host, int port)
{
	struct sockaddr_storage address = address_of(family, host, port);
	int fd = raw_socket(family);

	MUST(syscall(SYS_bind, fd, &address, kit_address_length(&address)));
	MUST(syscall(SYS_listen, fd, 64));
	return fd;
}

static inline int raw_connect(const struct sockaddr_storage *to)
{
	int fd = raw_socket(to->ss_family);

	if (syscall(SYS_connect, fd, to, kit_address_length(to)) == 0)
		return fd;
	syscall(SYS_close, fd);
	return -1;
}

static inline int raw_accept(int listener)
{
	return (int)MUST(syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC));
}

static inline void raw_put(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		ssize_t n = MUST(syscall(SYS_sendto, fd, at, size, MSG_NOSIGNAL, NULL, 0));

		at += n;
		size -= (size_t)n;
	}
}

/* SIZE bytes, or fewer at the end of the stream. */
static inline size_t raw_get(int fd, void *bytes, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size && (n = syscall(SYS_recvfrom, fd, (char *)bytes + done, size - done, 0, NULL, NULL)) > 0)
		done += (size_t)n;
	return done;
}

/* Rsockets. */
static inline int far_listen(int family, int host, int maps)
{
	struct sockaddr_storage address = address_of(family, host, PORT);
	int fd = (int)MUST(rsocket(family, SOCK_STREAM, 0));

	kit_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, maps);
	MUST(rbind(fd, (struct sockaddr *)&address, kit_address_length(&address)));
	MUST(rlisten(fd, 64));
	return fd;
}

static inline int far_connect(int family, int host, int maps)
{
	struct sockaddr_storage address = address_of(family, host, PORT);

	for (int i = 0; i < 1000; i++) {
		int fd = (int)MUST(rsocket(family, SOCK_STREAM, 0));

		kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, maps);
		if (rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)) == 0)
			return fd;
		MUST(rclose(fd));
		kit_sleep_ms(2);
	}
	FAIL("nobody listens");
}

static inline int far_accept(int family, int host, int maps)
{
	int listener = far_listen(family, host, maps), fd = (int)MUST(raccept(listener, NULL, NULL));

	MUST(rclose(listener));
	return fd;
}

/* A connection between the hosts: this process has one end, a child there that runs RUN the other. */
struct far {
	int family;         /* 0: IPv4 */
	bool accepts_there; /* the child does; else it connects */
	int maps;           /* that either end takes; 0: 4 */
	void (*run)(int fd, void *shared);
	void *shared;
};

static inline void far_child(void *argument)
{
	const struct far *far = argument;
	int fd;

	go_there();
	fd = far->accepts_there ? far_accept(far->family, 2, far->maps) : far_connect(far->family, 1, far->maps);
	far->run(fd, far->shared);
	MUST(rclose(fd));
}

static inline pid_t far_start(struct far far, int *fd)
{
	int listener = -1;
	pid_t pid;

	if (!far.family)
		far.family = AF_INET;
	if (!far.maps)
		far.maps = 4;
	if (!far.accepts_there)
		listener = far_listen(far.family, 1, far.maps);
	pid = kit_fork(far_child, &far);
	if (far.accepts_there) {
		*fd = far_connect(far.family, 2, far.maps);
	} else {
		*fd = (int)MUST(raccept(listener, NULL, NULL));
		MUST(rclose(listener));
	}
	return pid;
}

#endif
