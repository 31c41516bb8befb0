/* Sending: push() gives the next bytes to whoever carries them (stream.c). */
#include "kernel.h"
#include "poll.h"
#include "promote.h"
#include "resend.h"
#include "stream_parts.h"

#include <errno.h>
#include <netinet/in.h>

/* Asks TCP, if there is a reason to, whether anybody is left to write to. 0: yes. 1: no, and it does not know yet: the bytes are
 * sent in vain. Else the error that the send must give. */
static ssize_t send_check(struct conn *c)
{
	int revents;

	if (__builtin_expect(!load_relaxed(&conn_peer(c)->closed) && !load_relaxed(&c->shared->tcp_event), 1)) {
		uint64_t heard = load_relaxed(&conn_own(c)->head), head;

		/* It has sent us something since: then its own cache lines need not be asked. */
		if (heard != load_relaxed(&c->heard)) {
			store_relaxed(&c->heard, heard);
			return 0;
		}
		head = load_relaxed(&conn_peer(c)->head);
		/* The consumer stands still: a look now and then tells a slow one from a dead one. */
		if (head != load_relaxed(&c->stuck_head)) {
			store_relaxed(&c->stuck_head, head);
			return 0;
		}
		if (!stream_due_to_look(c))
			return 0;
	}
	revents = errqueue_poll_now(c, POLLRDHUP);
	if (revents & (POLLERR | POLLHUP))
		return stream_broken(c);
	conn_note_end(c, revents, true);
	/* Both of its ways are shut: what TCP would carry there is answered by a reset, and never read. */
	return (revents & POLLRDHUP) && load_acquire(&conn_peer(c)->closed) ? 1 : 0;
}

/* Gives the next bytes to whoever carries them, without blocking; moves FROM on. > 0 or -errno. Under the send lock. */
static ssize_t push(struct conn *c, struct iov_walk *from)
{
	struct iovec iov[16];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t n;

	while (conn_send_stage(c) == STAGE_RING) {
		n = ring_push(&c->send_ring, from);
		if (n > 0) {
			count_add(&c->stats->shm_send_bytes, (uint64_t)n);
			return n;
		}
		if (n == -EPIPE)
			return stream_broken(c);
		if (n == -EPROTO) {
			conn_reset(c, REASON_PROTOCOL);
			return -ECONNRESET;
		}
		if (n == -ENOMEM)
			promote_return_send(c, REASON_NO_MEMORY);
		else if (n == -ESTALE)
			promote_return_send(c, REASON_RETURNED_PASSED);
		else
			return n;
	}
	n = resend_flush(c);
	if (n < 0)
		return n;
	msg.msg_iovlen = (size_t)stream_walk_iov(from, from->left, iov, 16);
	n = kernel_sendmsg(conn_fd(c), &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		iov_walk_skip(from, (size_t)n);
	return n;
}

/* Waits for room; the send lock is not held. As conn_wait. */
static int wait_room(struct conn *c, int fd, uint64_t *deadline, bool *deadline_known, bool partial)
{
	if (!*deadline_known) {
		*deadline = stream_deadline(load_relaxed(&c->shared->send_timeout_ns));
		*deadline_known = true;
	}
	return conn_wait(c, fd, POLLOUT, 1, *deadline, partial);
}

/* True if there is room after all; else the consumer will tell when there is. TCP_USER_TIMEOUT gives up a peer that takes nothing,
 * also while this process is in no call of ours: only the kernel's clock can, so such a direction goes back to TCP. Under the
 * send lock. */
static bool ask_for_room(struct conn *c)
{
	unsigned int timeout_ms = 0;
	socklen_t size = sizeof timeout_ms;

	conn_want_room(c);
	if (ring_writable(&c->send_ring) > 0)
		return true;
	if (kernel_getsockopt(conn_fd(c), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &size) < 0 || timeout_ms == 0)
		return false;
	promote_return_send(c, REASON_USER_TIMEOUT);
	return conn_send_stage(c) != STAGE_RING;
}

#define ADDRESS_LEAST 65536u /* no program has memory below (vm.mmap_min_addr) */

/* DIFFERS: the kernel also refuses an address that lies above, in memory that the program does not have. */
static bool harmless_name(const struct msghdr *msg)
{
	return !msg->msg_name ||
	       ((uintptr_t)msg->msg_name >= ADDRESS_LEAST && msg->msg_namelen <= sizeof(struct sockaddr_storage));
}

int stream_send_company(int fd, const struct msghdr *msg)
{
	struct msghdr company = {0};
	ssize_t n;

	if (!msg || (!msg->msg_controllen && harmless_name(msg)))
		return 0;
	company.msg_name = msg->msg_name;
	company.msg_namelen = msg->msg_namelen;
	company.msg_control = msg->msg_control;
	company.msg_controllen = msg->msg_controllen;
	n = kernel_sendmsg(fd, &company, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* Its end is the send's to tell, with a signal. */
	return n < 0 && n != -EPIPE ? (int)n : 0;
}

ssize_t stream_send(const struct passage *p, int fd, const struct iovec *iov, int count, int flags)
{
	struct conn *c = p->conn;
	bool nonblock = load_relaxed(&c->shared->nonblock) || (flags & MSG_DONTWAIT), deadline_known = false;
	uint64_t deadline = 0;
	size_t copied = 0;
	struct iov_walk from;
	ssize_t n = iov_walk_init(&from, iov, count);

	/* Nothing to send: the kernel's answer moves no byte. */
	if (n == 0 && from.left == 0)
		n = kernel_sendto(conn_fd(c), NULL, 0, flags | MSG_NOSIGNAL, NULL, 0);
	/* DIFFERS: the kernel also says so when RLIMIT_MEMLOCK allows no more pinned pages; here none is pinned. */
	else if (__builtin_expect(p->numbering, NUMBERING_NONE) && !errqueue_reserve(c))
		n = -ENOBUFS;
	while (n >= 0 && from.left) {
		bool room;

		shared_lock_take(&c->shared->send_lock);
		n = send_check(c);
		if (n > 0) {
			copied += from.left;
			iov_walk_skip(&from, from.left);
		}
		while (n >= 0 && from.left) {
			n = push(c, &from);
			if (n > 0) {
				copied += (size_t)n;
				if (conn_send_stage(c) == STAGE_RING)
					conn_notify(c);
			}
		}
		room = n == -EAGAIN && conn_send_stage(c) == STAGE_RING && ask_for_room(c);
		shared_lock_drop(&c->shared->send_lock);
		if (n != -EAGAIN)
			break;
		if (room)
			n = 0;
		else if (!nonblock)
			n = wait_room(c, fd, &deadline, &deadline_known, copied > 0);
	}
	if (copied && n != -EBADF) {
		n = (ssize_t)copied;
		if (__builtin_expect(p->numbering, NUMBERING_NONE))
			errqueue_sent(c, p->numbering);
	}
	if (load_relaxed(&c->trickle))
		store_relaxed(&c->trickle, 0);
	count_send(c->stats, n);
	conn_put(c);
	if (n == -EPIPE && !(flags & MSG_NOSIGNAL))
		stream_raise_sigpipe();
	return n;
}

/* Fills the ring's next room from IN_FD, a FILE or else a pipe. > 0, 0 at its end, -EAGAIN no room, or another -errno. Under the send
 * lock. */
static ssize_t push_from(struct conn *c, int in_fd, off_t *offset, size_t size, bool file)
{
	int error = 0;
	size_t room = 0;
	void *to = ring_reserve(&c->send_ring, &room, &error);
	ssize_t n;

	if (!to)
		return error == -EPIPE ? stream_broken(c) : error;
	if (room > size)
		room = size;
	n = offset ? sys_pread(in_fd, to, room, *offset) : sys_read(in_fd, to, room);
	if (n <= 0)
		return n;
	error = ring_publish(&c->send_ring, (size_t)n);
	/* The direction ended under us; a file can be wound back, a pipe's bytes go to TCP with what the peer has not read. */
	if (error == -ESTALE && !file) {
		error = ring_publish_closed(&c->send_ring, (size_t)n);
		if (error == 0)
			promote_return_send(c, REASON_RETURNED_PASSED);
	}
	if (error < 0) {
		if (file && !offset)
			sys_call3(SYS_lseek, in_fd, -n, SEEK_CUR);
		return error == -EPIPE ? stream_broken(c) : error;
	}
	if (offset)
		*offset += n;
	count_add(&c->stats->shm_send_bytes, (uint64_t)n);
	conn_notify(c);
	return n;
}

/* What is wrong with reading IN_FD at OFFSET, if there is one, comes before what is wrong with the connection. 0 or -errno. */
static ssize_t source_error(int in_fd, const off_t *offset)
{
	char nothing;

	return offset ? sys_pread(in_fd, &nothing, 0, *offset) : 0;
}

/* The kernel's own sendfile or splice, for a direction that is back on TCP. C is held again afterwards. */
static ssize_t kernel_send_from(const struct passage *p, int fd, int in_fd, off_t *offset, size_t size, bool file,
				bool nonblock)
{
	ssize_t n;

	conn_put_keep(p->conn);
	n = file ? sys_call4(SYS_sendfile, fd, in_fd, offset, size)
		 : sys_call6(SYS_splice, in_fd, 0, fd, 0, (long)size, nonblock ? SPLICE_F_NONBLOCK : 0);
	conn_get_again(p->conn, p->generation, fd);
	return n;
}

ssize_t stream_send_from(const struct passage *p, int fd, int in_fd, off_t *offset, size_t size, bool file,
			 bool nonblock)
{
	struct conn *c = p->conn;
	bool deadline_known = false, by_kernel = false;
	uint64_t deadline = 0;
	size_t copied = 0;
	ssize_t n = 0;

	nonblock |= load_relaxed(&c->shared->nonblock);
	while (copied < size) {
		bool room;

		/* Back on TCP: the rest is the kernel's, which may sleep. */
		by_kernel = conn_send_stage(c) == STAGE_RETURNED;
		if (by_kernel) {
			n = kernel_send_from(p, fd, in_fd, offset, size - copied, file, nonblock);
			if (n > 0)
				copied += (size_t)n;
			break;
		}

		/* A pipe without bytes must not be read under the lock. */
		if (!file && !(kernel_poll_now(in_fd, POLLIN) & (POLLIN | POLLHUP))) {
			struct pollfd wait = {.fd = in_fd, .events = POLLIN};
			int ready;

			n = -EAGAIN;
			if (copied || nonblock)
				break;
			conn_put_keep(c);
			ready = kernel_ppoll(&wait, 1, NULL, NULL);
			n = ready < 0 ? -errno : 0;
			if (!conn_get_again(c, p->generation, fd))
				n = -EBADF;
			if (n < 0)
				break;
			continue;
		}
		shared_lock_take(&c->shared->send_lock);
		n = send_check(c);
		if (n >= 0)
			n = resend_flush(c);
		if (n >= 0 && conn_send_stage(c) == STAGE_RETURNED) {
			shared_lock_drop(&c->shared->send_lock);
			continue;
		}
		if (n >= 0)
			n = push_from(c, in_fd, offset, size - copied, file);
		if (n == -ESTALE || n == -ENOMEM) {
			promote_return_send(c, n == -ENOMEM ? REASON_NO_MEMORY : REASON_RETURNED_PASSED);
			shared_lock_drop(&c->shared->send_lock);
			continue;
		}
		room = n == -EAGAIN && conn_send_stage(c) == STAGE_RING && ask_for_room(c);
		shared_lock_drop(&c->shared->send_lock);
		if (n > 0) {
			copied += (size_t)n;
			if (!file)
				break; /* splice moves what is there */
		} else if (n == -EAGAIN) {
			if (room)
				continue;
			if (nonblock || (!copied && source_error(in_fd, offset) < 0))
				break;
			n = wait_room(c, fd, &deadline, &deadline_known, copied > 0);
			if (n < 0)
				break;
		} else {
			break;
		}
	}
	if (copied && n != -EBADF) {
		n = (ssize_t)copied;
	} else if (n < 0 && !by_kernel) {
		ssize_t error = source_error(in_fd, offset);

		n = error < 0 ? error : n;
	}
	count_send(c->stats, n);
	conn_put(c);
	/* The kernel has done it. */
	if (n == -EPIPE && !by_kernel)
		stream_raise_sigpipe();
	return n;
}
