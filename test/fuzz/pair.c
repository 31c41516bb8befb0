/* The operations that take both ends at once: by two processes, by two threads, or by one thread in small steps. */
#include "driver.h"
#include "rdma/rsocket.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define WARM_ROUNDS_MAX 200
#define LATE_US 3000
#define PAUSE_US 1000

static char send_buffer[SIZE_MAX_OP];
static char recv_buffer[SIZE_MAX_OP];

/* What a helper thread needs. */
struct task {
	struct driver *driver;
	const struct op *op;
	struct record *record;
};

static bool usable(const struct log *log)
{
	return !log->reset && !log->sides[0].closed && !log->sides[1].closed;
}

static bool possible(const struct driver *driver, const struct op *op)
{
	const struct log *log = driver->log;
	const struct side *side = &log->sides[op->end];
	const struct side *peer = &log->sides[!op->end];

	if (!usable(log))
		return false;
	switch (op->kind) {
	case OP_WARM:
		/* A corked round takes 200 ms. */
		return !side->fin && !side->deaf && !peer->fin && !peer->deaf && !calls_unread(log, 0) &&
		       !calls_unread(log, 1) && !side->corked && !peer->corked;
	case OP_XFER:
		return !side->fin && !peer->deaf;
	default:
		return !peer->fin && !side->deaf && !side->nonblock && !calls_unread(log, op->end);
	}
}

/* Keeps on until the call is no longer told to come again. */
static ssize_t insist_recv(int fd, char *bytes, size_t length)
{
	ssize_t got;

	do {
		got = recv(fd, bytes, length, 0);
	} while (got < 0 && errno == EAGAIN);
	return got;
}

static bool carried(struct driver *driver, int end)
{
	struct rdma_carrier carrier = {0};
	socklen_t length = sizeof(carrier);
	int fd = calls_fd(driver, end);

	if (getsockopt(fd, SOL_RDMA, RDMA_CARRIER, &carrier, &length) != 0)
		return true; /* nothing to wait for */
	return carrier.send == RDMA_TRANSPORT_SHM && carrier.recv == RDMA_TRANSPORT_SHM;
}

static int64_t warm_half(struct driver *driver, int end, char *byte, bool sends)
{
	int fd = calls_fd(driver, end);
	ssize_t ret = sends ? send(fd, byte, 1, MSG_NOSIGNAL) : insist_recv(fd, byte, 1);

	return ret == 1 ? 0 : ret < 0 ? -errno : -1;
}

/* Ping-pong: the plan's rounds, and under the preload more until both directions are promoted. 'e' is the last round. */
static void run_warm(struct driver *driver, const struct op *op, struct record *record)
{
	int starter = op->end;
	int64_t ret = 0;
	char byte = 'c';

	for (uint32_t round = 1; ret == 0 && byte == 'c'; round++) {
		bool starts = calls_owns(driver, starter);
		bool answers = calls_owns(driver, !starter);

		if (starts && (round >= WARM_ROUNDS_MAX || (round >= op->size && carried(driver, starter))))
			byte = 'e';
		if (starts)
			ret = warm_half(driver, starter, &byte, true);
		if (answers && ret == 0)
			ret = warm_half(driver, !starter, &byte, false);
		if (answers && ret == 0)
			ret = warm_half(driver, !starter, &byte, true);
		if (starts && ret == 0)
			ret = warm_half(driver, starter, &byte, false);
	}
	if (calls_owns(driver, starter))
		record->ret = ret;
}

static void store(uint64_t *value, uint64_t to)
{
	__atomic_store_n(value, to, __ATOMIC_RELEASE);
}

/* One send of a transfer whose first byte was at START. False: all sent, or the connection failed. */
static bool xfer_send(struct driver *driver, const struct op *op, uint64_t start, int flags, struct record *record)
{
	struct side *side = &driver->log->sides[op->end];
	uint64_t done = side->sent - start;
	size_t chunk = op->size / op->parts + 1;
	size_t length = op->size - done < chunk ? op->size - done : chunk;
	ssize_t sent;

	if (!length)
		return false;
	data_fill(send_buffer, op->end, side->sent, length);
	sent = send(calls_fd(driver, op->end), send_buffer, length, flags | MSG_NOSIGNAL);
	if (sent < 0 && errno == EAGAIN) {
		sched_yield();
		return true;
	}
	if (sent < 0) {
		record->aux[0] = errno;
		__atomic_store_n(&driver->log->stop, 1, __ATOMIC_RELEASE);
		return false;
	}
	store(&side->sent, side->sent + sent);
	return true;
}

/* One receive of a transfer that ends at GOAL. False: all there, or the connection failed. */
static bool xfer_recv(struct driver *driver, const struct op *op, uint64_t goal, int flags, struct record *record)
{
	struct side *side = &driver->log->sides[!op->end];
	uint32_t stopped = __atomic_load_n(&driver->log->stop, __ATOMIC_ACQUIRE);
	size_t most = 1 + (op->size * 2654435761u >> 8) % (op->parts * 30000);
	size_t length = goal - side->got < most ? goal - side->got : most;
	ssize_t got;

	if (!length)
		return false;
	got = recv(calls_fd(driver, !op->end), recv_buffer, length, flags);
	if (got < 0 && errno == EAGAIN && !stopped)
		return true;
	if (got <= 0) {
		record->aux[1] = got ? errno : ~0u;
		return false;
	}
	record->hash = data_hash(record->hash, recv_buffer, got);
	record->ret += got;
	store(&side->got, side->got + got);
	return true;
}

static void *xfer_thread(void *argument)
{
	struct task *task = argument;
	uint64_t start = task->driver->log->sides[task->op->end].sent;

	while (xfer_send(task->driver, task->op, start, 0, task->record))
		;
	return NULL;
}

static void run_xfer(struct driver *driver, const struct op *op, struct record *record, uint64_t start)
{
	struct task task = {driver, op, record};
	uint64_t goal = start + op->size;
	pthread_t thread;
	bool sending = true;
	bool receiving = true;

	if (driver->me >= 0 && driver->me == op->end) {
		xfer_thread(&task);
	} else if (driver->me >= 0) {
		while (xfer_recv(driver, op, goal, 0, record))
			;
	} else if (op->call == XFER_THREAD && pthread_create(&thread, NULL, xfer_thread, &task) == 0) {
		while (xfer_recv(driver, op, goal, 0, record))
			;
		pthread_join(thread, NULL);
	} else {
		while (sending || receiving) {
			sending = sending && xfer_send(driver, op, start, MSG_DONTWAIT, record);
			receiving = receiving && xfer_recv(driver, op, goal, MSG_DONTWAIT, record);
		}
	}
}

/* How many bytes the late sender sends so that the blocked call gets what it waits for. */
static size_t late_bytes(const struct driver *driver, const struct op *op)
{
	size_t bytes = op->size2;

	if (bytes < driver->log->sides[op->end].lowat)
		bytes = driver->log->sides[op->end].lowat;
	return bytes < driver->plan->cap ? bytes : driver->plan->cap;
}

static size_t late_wanted(const struct driver *driver, const struct op *op)
{
	size_t bytes = op->size2 ? late_bytes(driver, op) : op->size;

	return (op->flags & MSG_WAITALL) && op->size > bytes ? bytes : op->size;
}

/* The end that is not blocked: sends a little later, in two pieces for WAITALL, or shuts down. */
static void late_act(struct driver *driver, const struct op *op)
{
	struct side *side = &driver->log->sides[!op->end];
	int fd = calls_fd(driver, !op->end);
	size_t length = late_bytes(driver, op);
	size_t first = op->flags & MSG_WAITALL ? length / 2 : length;

	usleep(LATE_US);
	if (!op->size2) {
		if (shutdown(fd, SHUT_WR) == 0)
			side->fin = 1;
		return;
	}
	data_fill(send_buffer, !op->end, side->sent, length);
	if (first && send(fd, send_buffer, first, MSG_NOSIGNAL) == (ssize_t)first)
		store(&side->sent, side->sent + first);
	if (first == length)
		return;
	usleep(PAUSE_US);
	if (send(fd, send_buffer + first, length - first, MSG_NOSIGNAL) == (ssize_t)(length - first))
		store(&side->sent, side->sent + length - first);
}

static void *late_thread(void *argument)
{
	struct task *task = argument;

	late_act(task->driver, task->op);
	return NULL;
}

static void late_recv(struct driver *driver, const struct op *op, int fd, struct record *record)
{
	struct side *side = &driver->log->sides[op->end];
	struct timeval usual = {.tv_usec = side->timeout_ms * 1000};
	struct timeval forever = {0};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	record->ret = recv(fd, recv_buffer, late_wanted(driver, op), op->flags);
	record->error = record->ret < 0 ? errno : 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &usual, sizeof(usual));
	if (record->ret > 0) {
		record->hash = data_hash(0, recv_buffer, record->ret);
		side->got += op->flags & MSG_PEEK ? 0 : record->ret;
	}
}

static void late_wait(const struct op *op, int fd, struct record *record)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN | POLLRDHUP};
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | op->events};
	int set;

	if (op->call == LATE_POLL) {
		record->ret = poll(&entry, 1, -1);
		record->aux[0] = entry.revents;
		return;
	}
	set = epoll_create1(EPOLL_CLOEXEC);
	record->aux[1] = epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	record->ret = epoll_wait(set, &event, 1, -1);
	record->aux[0] = event.events;
	close(set);
}

static void run_late(struct driver *driver, const struct op *op, struct record *record)
{
	struct task task = {driver, op, record};
	int fd = calls_fd(driver, op->end);
	pthread_t thread;

	if (driver->me >= 0 && driver->me != op->end) {
		late_act(driver, op);
		return;
	}
	if (driver->me < 0 && pthread_create(&thread, NULL, late_thread, &task) != 0)
		return;
	if (op->call == LATE_RECV)
		late_recv(driver, op, fd, record);
	else
		late_wait(op, fd, record);
	if (driver->me < 0)
		pthread_join(thread, NULL);
}

/* The owner of the operation decides whether it can be done, from state that is still; then both take part. */
void pair_run(struct driver *driver, const struct op *op, struct record *record)
{
	struct log *log = driver->log;
	bool owner = calls_owns(driver, op->end);

	if (owner) {
		log->start = log->sides[op->end].sent;
		log->go = possible(driver, op);
		log->stop = 0;
	} else {
		driver_wait(driver);
	}
	if (owner)
		driver_pass(driver);
	if (log->go) {
		if (op->kind == OP_WARM)
			run_warm(driver, op, record);
		else if (op->kind == OP_XFER)
			run_xfer(driver, op, record, log->start);
		else
			run_late(driver, op, record);
	}
	if (!owner) {
		driver_note_carrier(driver, driver->me);
		driver_pass(driver);
		return;
	}
	driver_wait(driver);
	record->ran = log->go;
}
