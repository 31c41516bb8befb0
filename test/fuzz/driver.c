/* Sets the connection up and takes the operations in turn, each after the bytes on their way have arrived. */
#include "driver.h"

#include "rdma/rsocket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_US 400000 /* longer than a cork or a delayed acknowledgement lasts */
#define BUFFER_BYTES (2 << 20)
#define TIMEOUT_MS 8

static struct log *guarded;
static int guard_s = 5; /* an operation that takes longer hangs; FUZZ_GUARD_S */

static void on_alarm(int number)
{
	(void)number;
	guarded->state = LOG_HANG;
	_exit(99);
}

static void on_pipe(int number)
{
	(void)number;
	calls_sigpipes++;
}

static void guard(int seconds)
{
	struct itimerval timer = {.it_value.tv_sec = seconds};

	setitimer(ITIMER_REAL, &timer, NULL);
}

uint64_t driver_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

static void broken(struct driver *driver, const char *what)
{
	fprintf(stderr, "driver: %s: %s\n", what, strerror(errno));
	driver->log->state = LOG_BROKEN;
	_exit(98);
}

void driver_pass(struct driver *driver)
{
	if (driver->me >= 0 && write(driver->token_write, "t", 1) != 1)
		_exit(97);
}

/* The other process guards its own operation; when it dies, so do we. */
void driver_wait(struct driver *driver)
{
	char token;

	if (driver->me < 0)
		return;
	guard(0);
	if (read(driver->token_read, &token, 1) != 1)
		_exit(97);
	guard(guard_s);
}

/* Returns whether both directions are promoted, as END sees it. */
bool driver_note_carrier(struct driver *driver, int end)
{
	struct rdma_carrier carrier = {0};
	socklen_t length = sizeof(carrier);
	int fd = calls_owns(driver, end) ? calls_fd(driver, end) : -1;

	if (fd < 0 || getsockopt(fd, SOL_RDMA, RDMA_CARRIER, &carrier, &length) != 0)
		return false;
	driver->log->sides[end].shm_send |= carrier.send == RDMA_TRANSPORT_SHM;
	driver->log->sides[end].shm_recv |= carrier.recv == RDMA_TRANSPORT_SHM;
	return carrier.send == RDMA_TRANSPORT_SHM && carrier.recv == RDMA_TRANSPORT_SHM;
}

static bool settled(struct driver *driver, int end, int fd)
{
	const struct side *peer = &driver->log->sides[!end];
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);
	int readable = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
		return true;
	if (info.tcpi_state == TCP_CLOSE)
		return true;
	if (driver->log->reset)
		return false;
	if ((peer->fin || peer->closed) && (info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_FIN_WAIT1 ||
					    info.tcpi_state == TCP_FIN_WAIT2))
		return false;
	return ioctl(fd, FIONREAD, &readable) == 0 && (uint64_t)readable == calls_unread(driver->log, end);
}

/* Waits until TCP has delivered what END sent: a reset would take back what still waits for an acknowledgement. */
static void settle_sent(struct driver *driver, int end)
{
	int fd = calls_owns(driver, end) ? calls_fd(driver, end) : -1, waiting = 0;
	uint64_t start = driver_now_us();

	while (fd >= 0 && ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting && driver_now_us() - start < SETTLE_US)
		usleep(100);
}

/* Waits until what the other end did has arrived: with that, what a call returns does not depend on time. */
static void settle(struct driver *driver, int end)
{
	int fd = calls_owns(driver, end) ? calls_fd(driver, end) : -1;
	uint64_t start = driver_now_us();
	uint64_t waited = 0;

	if (fd < 0)
		return;
	while (!settled(driver, end, fd)) {
		waited = driver_now_us() - start;
		if (waited > SETTLE_US) {
			driver->log->unsettled++;
			return;
		}
		if (waited < 200)
			sched_yield();
		else
			usleep(100);
	}
}

/* A child does the operation and exits; its descriptors are copies. */
static void run_in_child(struct driver *driver, const struct op *op, struct record *record)
{
	int status = 0;
	pid_t child = fork();

	if (child < 0)
		broken(driver, "fork");
	if (child == 0) {
		guard(guard_s);
		calls_run(driver, op, record);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		raise(WTERMSIG(status));
	if (status)
		_exit(WEXITSTATUS(status));
}

/* What END has not read comes by TCP once a stdio number is to read it, in the next call that the other end makes: it makes one. */
static void let_resend(struct driver *driver, int end)
{
	struct pollfd entry;

	if (driver->me == end) {
		driver_pass(driver);
		driver_wait(driver);
		return;
	}
	driver_wait(driver);
	entry = (struct pollfd){.fd = calls_fd(driver, !end)};
	poll(&entry, 1, 0);
	driver_pass(driver);
}

static void run_all(struct driver *driver)
{
	const struct plan *plan = driver->plan;

	for (uint32_t i = 0; i < plan->count; i++) {
		const struct op *op = &plan->ops[i];
		bool pair = op->kind == OP_WARM || op->kind == OP_XFER || op->kind == OP_LATE;
		bool to_stdio = op->kind == OP_DUP && op->slot2 == STDIO_SLOT;

		if (driver->turn != op->end) {
			if (driver->me == driver->turn)
				driver_pass(driver);
			else
				driver_wait(driver);
			driver->turn = op->end;
		}
		if (!pair && !calls_owns(driver, op->end)) {
			if (to_stdio)
				let_resend(driver, op->end);
			continue;
		}
		guard(guard_s);
		if (calls_owns(driver, op->end)) {
			driver->log->now = i;
			settle(driver, op->end);
			settle(driver, !op->end);
			/* Then the kernel has told of all its zero-copy sends. */
			if (plan->zerocopy) {
				settle_sent(driver, op->end);
				settle_sent(driver, !op->end);
			}
			if (plan->two && (op->kind == OP_CLOSE || op->kind == OP_DUP || op->kind == OP_SHUTDOWN))
				settle_sent(driver, op->end);
		}
		if (pair)
			pair_run(driver, op, &driver->log->records[i]);
		else if (op->fork)
			run_in_child(driver, op, &driver->log->records[i]);
		else
			calls_run(driver, op, &driver->log->records[i]);
		if (to_stdio)
			let_resend(driver, op->end);
		driver_note_carrier(driver, 0);
		driver_note_carrier(driver, 1);
	}
	guard(0);
}

static void set_buffers(struct driver *driver, int fd)
{
	int bytes = BUFFER_BYTES;

	if (!driver->plan->buffers)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static void prepare(struct driver *driver, int end, int fd)
{
	struct timeval timeout = {.tv_usec = TIMEOUT_MS * 1000};
	int on = driver->plan->nodelay, zerocopy = driver->plan->zerocopy;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (zerocopy)
		setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &zerocopy, sizeof(zerocopy));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	driver->fds[end][0] = fd;
	driver->open[end][0] = true;
	driver->log->sides[end].timeout_ms = TIMEOUT_MS;
	driver->log->sides[end].lowat = 1;
}

static socklen_t local_address(const struct plan *plan, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;

	memset(address, 0, sizeof(*address));
	if (plan->ipv6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_addr = in6addr_loopback;
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(*v4);
}

/* Connects; with two processes the second one has end B and starts here. */
static void connect_ends(struct driver *driver)
{
	struct sockaddr_storage address;
	socklen_t length = local_address(driver->plan, &address);
	int listener = socket(address.ss_family, SOCK_STREAM, 0);
	int pipes[2][2];

	set_buffers(driver, listener);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) != 0)
		broken(driver, "listen");
	if (driver->plan->two) {
		if (pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0)
			broken(driver, "pipe");
		driver->me = fork() == 0;
		driver->token_read = pipes[driver->me][0];
		driver->token_write = pipes[!driver->me][1];
		close(pipes[driver->me][1]);
		close(pipes[!driver->me][0]);
	}
	if (calls_owns(driver, 1)) {
		int fd = socket(address.ss_family, SOCK_STREAM, 0);

		set_buffers(driver, fd);
		if (connect(fd, (struct sockaddr *)&address, length) != 0)
			broken(driver, "connect");
		prepare(driver, 1, fd);
	}
	if (calls_owns(driver, 0)) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			broken(driver, "accept");
		prepare(driver, 0, fd);
	}
	close(listener);
}

static void install_handlers(struct log *log)
{
	struct sigaction alarm_action = {.sa_handler = on_alarm};
	struct sigaction pipe_action = {.sa_handler = on_pipe, .sa_flags = SA_RESTART};

	guarded = log;
	if (getenv("FUZZ_GUARD_S"))
		guard_s = atoi(getenv("FUZZ_GUARD_S"));
	sigaction(SIGALRM, &alarm_action, NULL);
	sigaction(SIGPIPE, &pipe_action, NULL);
}

void driver_run(const struct plan *plan, struct log *log)
{
	struct driver driver = {.plan = plan, .log = log, .me = -1};

	memset(driver.fds, -1, sizeof(driver.fds));
	install_handlers(log);
	guard(guard_s);
	connect_ends(&driver);
	for (int i = 0; i < SETS; i++)
		driver.sets[i] = epoll_create1(EPOLL_CLOEXEC);
	/* Both ends exist before the first operation. */
	if (driver.me == 1)
		driver_pass(&driver);
	else
		driver_wait(&driver);
	run_all(&driver);
	if (driver.me == 1) {
		driver_pass(&driver);
		driver_wait(&driver);
		_exit(0);
	}
	driver_wait(&driver);
	log->state = LOG_DONE;
	driver_pass(&driver);
}
