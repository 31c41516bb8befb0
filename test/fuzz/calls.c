/* The operations that one process can do alone on one end. */
#include "driver.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PARTS_MAX 8
#define MARGIN 64
#define FILLER 0x5a

volatile int calls_sigpipes;

static char buffer[SIZE_MAX_OP + MARGIN];

bool calls_owns(const struct driver *driver, int end)
{
	return driver->me < 0 || driver->me == end;
}

uint64_t calls_unread(const struct log *log, int end)
{
	return log->sides[!end].sent - log->sides[end].got;
}

int calls_fd(const struct driver *driver, int end)
{
	for (int slot = 0; slot < SLOTS; slot++)
		if (driver->open[end][slot])
			return driver->fds[end][slot];
	return -1;
}

static bool number_taken(const struct driver *driver, int fd)
{
	for (int token = 0; token < TOKENS; token++)
		if (driver->open[token / SLOTS][token % SLOTS] && driver->fds[token / SLOTS][token % SLOTS] == fd)
			return true;
	return fd == driver->sets[0] || fd == driver->sets[1];
}

/* The descriptor of an operation: its slot's; a closed slot's old number, which must give EBADF; -1: there is none to use. */
static int slot_fd(const struct driver *driver, int end, int slot)
{
	int fd = driver->fds[end][slot];

	if (driver->open[end][slot])
		return fd;
	if (fd < 0)
		return calls_fd(driver, end);
	return number_taken(driver, fd) ? -1 : fd;
}

static int split(struct iovec *parts, int count, char *bytes, size_t length)
{
	size_t piece;

	if (count < 1)
		count = 1;
	piece = length / count;
	for (int i = 0; i < count; i++) {
		parts[i].iov_base = bytes + i * piece;
		parts[i].iov_len = i == count - 1 ? length - i * piece : piece;
	}
	return count;
}

static ssize_t send_by(const struct op *op, int fd, size_t length, int flags)
{
	struct iovec parts[PARTS_MAX];
	struct msghdr message = {.msg_iov = parts};

	message.msg_iovlen = split(parts, op->parts, buffer, length);
	switch (op->call) {
	case SEND_WRITE:
		return write(fd, buffer, length);
	case SEND_WRITEV:
		return writev(fd, parts, message.msg_iovlen);
	case SEND_SENDMSG:
		return sendmsg(fd, &message, flags);
	case SEND_SENDTO:
		return sendto(fd, buffer, length, flags, NULL, 0);
	default:
		return send(fd, buffer, length, flags);
	}
}

static void run_send(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	struct log *log = driver->log;
	struct side *side = &log->sides[op->end];
	const struct side *peer = &log->sides[!op->end];
	uint64_t unread = calls_unread(log, !op->end);
	size_t room = unread < driver->plan->cap ? driver->plan->cap - unread : 0;
	size_t length = op->size < room ? op->size : room;

	data_fill(buffer, op->end, side->sent, length);
	/* A corked zero-copy send is done when it pleases. */
	record->ret = send_by(op, fd, length, side->corked ? op->flags & ~MSG_ZEROCOPY : op->flags);
	if (record->ret <= 0)
		return;
	side->sent += record->ret;
	if (peer->closed || (peer->fin && peer->deaf))
		log->reset = 1;
}

static ssize_t recv_by(const struct op *op, int fd, struct record *record)
{
	struct sockaddr_storage from;
	socklen_t from_length = sizeof(from);
	struct iovec parts[PARTS_MAX];
	char control[64];
	struct msghdr message = {.msg_iov = parts,
				 .msg_name = &from,
				 .msg_namelen = sizeof(from),
				 .msg_control = control,
				 .msg_controllen = op->flags & MSG_ERRQUEUE ? sizeof(control) : 0};
	struct sock_extended_err completion;
	ssize_t got;

	message.msg_iovlen = split(parts, op->parts, buffer, op->size);
	switch (op->call) {
	case RECV_READ:
		return read(fd, buffer, op->size);
	case RECV_READV:
		return readv(fd, parts, message.msg_iovlen);
	case RECV_RECVMSG:
		got = recvmsg(fd, &message, op->flags);
		if (got >= 0) {
			record->aux[0] = message.msg_flags;
			record->aux[1] = message.msg_namelen;
			record->aux[2] = message.msg_controllen;
		}
		if (got >= 0 && message.msg_controllen >= CMSG_LEN(sizeof(completion))) {
			memcpy(&completion, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(completion));
			record->aux[3] = completion.ee_info;
			record->aux[4] = completion.ee_data;
			record->aux[5] = completion.ee_code;
		}
		return got;
	case RECV_RECVFROM:
		got = recvfrom(fd, buffer, op->size, op->flags, (struct sockaddr *)&from, &from_length);
		record->aux[1] = got < 0 ? 0 : from_length;
		return got;
	default:
		return recv(fd, buffer, op->size, op->flags);
	}
}

static void run_recv(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	struct side *side = &driver->log->sides[op->end];
	uint64_t start = driver_now_us();
	size_t written;
	bool blocks = !side->nonblock && !(op->flags & (MSG_DONTWAIT | MSG_ERRQUEUE));

	memset(buffer, FILLER, op->size + MARGIN);
	record->ret = recv_by(op, fd, record);
	record->error = errno;
	written = record->ret > 0 && !(op->flags & MSG_TRUNC) ? record->ret : 0;
	if (written)
		record->hash = data_hash(0, buffer, written);
	for (size_t i = written; i < op->size + MARGIN; i++)
		record->spoiled |= buffer[i] != FILLER;
	if (record->ret > 0 && !(op->flags & (MSG_PEEK | MSG_ERRQUEUE)))
		side->got += record->ret;
	if (record->ret < 0 && record->error == EAGAIN && blocks)
		record->early = driver_now_us() - start < side->timeout_ms * 250;
	errno = record->error;
}

/* The descriptors that a poll or select names: those of the plan that this process has. */
static int poll_list(const struct driver *driver, const struct op *op, struct pollfd *list, int *tokens)
{
	int count = 0;

	for (int token = 0; token < TOKENS; token++) {
		int fd;

		if (!(op->flags & 1u << token) || !calls_owns(driver, token / SLOTS) ||
		    driver->fds[token / SLOTS][token % SLOTS] < 0)
			continue;
		fd = slot_fd(driver, token / SLOTS, token % SLOTS);
		if (fd < 0)
			continue;
		list[count].fd = fd;
		list[count].events = op->events;
		list[count].revents = 0;
		tokens[count++] = token;
	}
	return count;
}

static int select_by(const struct op *op, struct pollfd *list, int count)
{
	struct timeval timeout = {.tv_usec = op->size * 1000};
	struct timespec precise = {.tv_nsec = op->size * 1000000};
	fd_set in, out, except;
	int highest = -1;
	int ret;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	for (int i = 0; i < count; i++) {
		if (op->events & POLLIN)
			FD_SET(list[i].fd, &in);
		if (op->events & POLLOUT)
			FD_SET(list[i].fd, &out);
		if (op->events & POLLPRI)
			FD_SET(list[i].fd, &except);
		highest = list[i].fd > highest ? list[i].fd : highest;
	}
	if (op->call == POLL_SELECT)
		ret = select(highest + 1, &in, &out, &except, &timeout);
	else
		ret = pselect(highest + 1, &in, &out, &except, &precise, NULL);
	for (int i = 0; i < count && ret >= 0; i++)
		list[i].revents = (FD_ISSET(list[i].fd, &in) ? POLLIN : 0) |
				  (FD_ISSET(list[i].fd, &out) ? POLLOUT : 0) |
				  (FD_ISSET(list[i].fd, &except) ? POLLPRI : 0);
	return ret;
}

static void run_poll(struct driver *driver, const struct op *op, struct record *record)
{
	struct timespec precise = {.tv_nsec = op->size * 1000000};
	struct pollfd list[TOKENS];
	int tokens[TOKENS];
	int count = poll_list(driver, op, list, tokens);

	if (op->call == POLL_POLL)
		record->ret = poll(list, count, op->size);
	else if (op->call == POLL_PPOLL)
		record->ret = ppoll(list, count, &precise, NULL);
	else
		record->ret = select_by(op, list, count);
	for (int i = 0; i < count; i++)
		record->aux[tokens[i]] = list[i].revents;
}

static void run_epoll_wait(struct driver *driver, const struct op *op, struct record *record)
{
	struct timespec precise = {.tv_nsec = op->size * 1000000};
	struct epoll_event events[2 * TOKENS];
	int set = driver->sets[op->set];
	uint8_t moving = 0;

	for (int end = 0; end < 2; end++)
		moving |= !driver_note_carrier(driver, end) << end;
	for (int i = 0; i < TOKENS; i++)
		if (driver->edge[op->set][i] && ((moving | driver->moving[op->set]) >> (i / SLOTS) & 1))
			record->moving |= 1 << i;
	driver->moving[op->set] = moving;
	if (op->call == WAIT_WAIT)
		record->ret = epoll_wait(set, events, 2 * TOKENS, op->size);
	else if (op->call == WAIT_PWAIT)
		record->ret = epoll_pwait(set, events, 2 * TOKENS, op->size, NULL);
	else
		record->ret = epoll_pwait2(set, events, 2 * TOKENS, &precise, NULL);
	for (int i = 0; i < record->ret; i++)
		record->aux[events[i].data.u32 % TOKENS] |= events[i].events | 1u << 31;
	for (int i = 0; i < TOKENS; i++) {
		uint32_t *told = &driver->told[op->set][i];

		if (!driver->edge[op->set][i] || !record->aux[i])
			continue;
		if ((record->aux[i] == *told && (*told & EPOLLHUP)) ||
		    (driver->log->sides[i / SLOTS].lowat > 1 && (record->aux[i] & ~(1u << 31)) == EPOLLOUT))
			record->again |= 1 << i;
		*told = record->aux[i];
	}
}

static void run_close(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	struct log *log = driver->log;
	struct side *side = &log->sides[op->end];

	record->ret = close(fd);
	for (int slot = 0; slot < SLOTS; slot++)
		if (driver->open[op->end][slot] && driver->fds[op->end][slot] == fd)
			driver->open[op->end][slot] = false;
	if (calls_fd(driver, op->end) >= 0 || side->closed)
		return;
	side->closed = 1;
	if (calls_unread(log, op->end) > 0 || side->linger)
		log->reset = 1;
}

static int dup_by(const struct op *op, int fd, int target)
{
	switch (op->call) {
	case DUP_DUP:
		return dup(fd);
	case DUP_DUP2:
		return dup2(fd, target);
	case DUP_DUP3:
		return dup3(fd, target, O_CLOEXEC);
	case DUP_FCNTL:
		return fcntl(fd, F_DUPFD, target);
	default:
		return fcntl(fd, F_DUPFD_CLOEXEC, target);
	}
}

/* A closed target slot gets a number of its own; stdio numbers are reached by dup2 and dup3 only. */
static void run_dup(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	int end = op->end;
	bool onto = op->call == DUP_DUP2 || op->call == DUP_DUP3;
	int target = 60 + end * SLOTS + op->slot2;

	/* TCP would reset for what comes to an end that is shut both ways, and not take it. */
	for (int i = 0; i < 2 && op->slot2 == STDIO_SLOT; i++)
		if (driver->log->sides[i].fin && driver->log->sides[i].deaf && calls_unread(driver->log, i)) {
			record->ran = 0;
			return;
		}
	if (op->slot2 == STDIO_SLOT)
		target = end;
	else if (onto && driver->open[end][op->slot2])
		target = driver->fds[end][op->slot2];
	if (!onto && (driver->open[end][op->slot2] || op->slot2 == STDIO_SLOT)) {
		record->ran = 0;
		return;
	}
	if (onto && number_taken(driver, target) &&
	    !(driver->open[end][op->slot2] && driver->fds[end][op->slot2] == target)) {
		record->ran = 0;
		return;
	}
	record->ret = dup_by(op, fd, target);
	if (record->ret >= 0) {
		driver->fds[end][op->slot2] = record->ret;
		driver->open[end][op->slot2] = true;
	}
}

static void run_setopt(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	struct side *side = &driver->log->sides[op->end];
	struct timeval timeout = {.tv_usec = op->size * 1000};
	struct linger linger = {.l_onoff = op->size};
	struct linger linger_now = {0};
	int value = op->size;
	socklen_t length = sizeof(value);

	switch (op->call) {
	case SET_RCVLOWAT:
		record->ret = setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value));
		if (record->ret == 0)
			side->lowat = value;
		getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &record->aux[0], &length);
		break;
	case SET_RCVTIMEO:
		record->ret = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		if (record->ret == 0)
			side->timeout_ms = value;
		break;
	case SET_NODELAY:
		record->ret = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
		getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &record->aux[0], &length);
		break;
	case SET_CORK:
		record->ret = setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
		if (record->ret == 0)
			side->corked = value;
		break;
	default:
		record->ret = setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		length = sizeof(linger_now);
		if (record->ret == 0) {
			side->linger = op->size;
			getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger_now, &length);
			record->aux[0] = linger_now.l_onoff;
		}
	}
}

static void run_nonblock(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	int on = op->size;

	if (op->call == 0) {
		int flags = fcntl(fd, F_GETFL);

		record->aux[0] = flags;
		record->ret = fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
	} else {
		record->ret = ioctl(fd, FIONBIO, &on);
	}
	if (record->ret == 0)
		driver->log->sides[op->end].nonblock = on;
}

static void run_shutdown(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	struct log *log = driver->log;
	struct side *side = &log->sides[op->end];

	record->ret = shutdown(fd, op->call);
	if (record->ret < 0)
		return;
	side->deaf |= op->call != SHUT_WR;
	side->fin |= op->call != SHUT_RD;
}

static void run_epoll_ctl(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	struct epoll_event event = {.events = op->events, .data.u32 = op->end * SLOTS + op->slot};

	record->ret = epoll_ctl(driver->sets[op->set], op->call, fd, &event);
	if (record->ret < 0)
		return;
	driver->told[op->set][event.data.u32] = 0;
	driver->edge[op->set][event.data.u32] = (op->events & EPOLLET) && !(op->events & EPOLLONESHOT);
}

static void run_query(const struct op *op, int fd, struct record *record)
{
	int value = 0;
	socklen_t length = sizeof(value);

	if (op->kind == OP_FIONREAD)
		record->ret = ioctl(fd, FIONREAD, &value);
	else
		record->ret = getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length);
	if (record->ret == 0)
		record->aux[0] = value;
}

static void dispatch(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	switch (op->kind) {
	case OP_SEND:
		return run_send(driver, op, fd, record);
	case OP_RECV:
		return run_recv(driver, op, fd, record);
	case OP_SHUTDOWN:
		return run_shutdown(driver, op, fd, record);
	case OP_CLOSE:
		return run_close(driver, op, fd, record);
	case OP_DUP:
		return run_dup(driver, op, fd, record);
	case OP_SETOPT:
		return run_setopt(driver, op, fd, record);
	case OP_NONBLOCK:
		return run_nonblock(driver, op, fd, record);
	case OP_EPOLL_CTL:
		return run_epoll_ctl(driver, op, fd, record);
	case OP_POLL:
		return run_poll(driver, op, record);
	case OP_EPOLL_WAIT:
		return run_epoll_wait(driver, op, record);
	default:
		return run_query(op, fd, record);
	}
}

void calls_run(struct driver *driver, const struct op *op, struct record *record)
{
	int sigpipes = calls_sigpipes;
	int fd = slot_fd(driver, op->end, op->slot);

	if (fd < 0 && op->kind != OP_POLL && op->kind != OP_EPOLL_WAIT)
		return;
	record->ran = 1;
	errno = 0;
	dispatch(driver, op, fd, record);
	record->error = record->ret < 0 ? errno : 0;
	record->sigpipe = calls_sigpipes - sigpipes;
}
