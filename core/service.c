/* The thread that answers questions about maps, and looks for peers on other hosts (far.h). DESIGN NOTES. It sleeps in one poll of all
 * sockets on which a peer may ask. A question is one message, answered by one, and each is handled without blocking, under a lock that is
 * held for one question: a peer that takes no answer is asked for room and asks nothing more meanwhile. Nothing is allocated on a peer's word;
 * who breaks a rule is no longer listened to. Under a system-call filter it goes on: it makes no call but those of a stream that stays on TCP. Between hosts questions and
 * answers come in pieces: a write's bytes go into the map as they come, each piece as long as the map is there, and a read's are copied out of
 * it first, by the kernel, since a program may have taken its memory away. */
#include "service.h"
#include "far.h"
#include "iomap.h"
#include "kernel.h"
#include "lock.h"
#include "message.h"
#include "process.h"
#include "thread.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define SERVED_MAX 1024
#define SIZE_MIN 4096 /* an answer for which no memory is left is no longer tried with less */

/* Whose turn it is: the peer's; ours, with a read's bytes; ours, with a head alone. Between hosts: the peer's, with a question's head, with
 * a write's bytes; ours, with what is in the buffer. */
enum turn { ASKING, READING, ANSWERING, TAKING, GIVING };

struct served {
	struct iomap *map;
	int fd;
	uint32_t id;
	enum turn turn;
	struct wire_ask ask;
	struct wire_answer answer;
	/* Between hosts; NULL: on one. The answer as it is sent, and room for a read's bytes behind it. */
	struct wire_answer *out;
	uint32_t got;            /* bytes of the question's head; then of what follows it */
	uint32_t sent, out_size; /* bytes of the answer */
	bool full;               /* the rest of a write's bytes has no place */
};

static struct lock service_lock; /* guards what follows; taken before a map's own lock */
static struct served served[SERVED_MAX];
static unsigned count;
static uint32_t last_id;
static bool running;
static int wake[2] = {-1, -1};
static int copier[2] = {-1, -1}; /* through it the kernel copies; between hosts */

/* The thread's own. */
static struct pollfd polled[SERVED_MAX + 1 + FAR_POLLED];
static char nowhere[WIRE_PLACE_MAX];
static uint32_t polled_id[SERVED_MAX + 1];

/* --- one question --- */

/* How many of the SIZE bytes at P are before the last page's beginning. */
static size_t without_last_page(const char *p, size_t size)
{
	uintptr_t start = (uintptr_t)p, page = (start + size - 1) & ~(uintptr_t)(WIRE_PAGE - 1);

	return page > start ? page - start : 0;
}

/* Copies a write's bytes from the message, which stays. The last byte last: somebody may spin on it. Of memory that is no longer
 * there, what is before it. Bytes. */
static size_t bytes_take(int fd, char *memory, size_t size)
{
	struct wire_ask head;

	for (; size; size = without_last_page(memory, size)) {
		struct iovec iov[3] = {{&head, sizeof head}, {memory, size - 1}, {memory + size - 1, 1}};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 3};

		if (kernel_recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)(sizeof head + size))
			break;
	}
	return size;
}

/* Sends ANSWER with the SIZE bytes at MEMORY, or fewer. As sendmsg(); -EFAULT: none is there. */
static ssize_t bytes_give(int fd, struct wire_answer *answer, char *memory, size_t size)
{
	ssize_t n = -EFAULT;

	while (size) {
		struct iovec iov[2] = {{answer, sizeof *answer}, {memory, size}};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

		answer->size = (uint32_t)size;
		n = kernel_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -EFAULT)
			size = without_last_page(memory, size);
		else if ((n == -EMSGSIZE || n == -ENOBUFS || n == -ENOMEM) && size > SIZE_MIN)
			size /= 2;
		else
			break;
	}
	return n;
}

static void write_do(struct served *s)
{
	char *memory;
	ssize_t n = iomap_hold(s->map, s->ask.offset, s->ask.size, PROT_WRITE, &memory);

	if (n > 0) {
		s->answer.size = (uint32_t)bytes_take(s->fd, memory, (size_t)n);
		iomap_let_go(s->map);
		n = s->answer.size ? 0 : -EFAULT;
	}
	s->answer.error = (uint32_t)-n;
}

/* As sendmsg(). */
static ssize_t read_do(struct served *s)
{
	char *memory;
	ssize_t n = iomap_hold(s->map, s->ask.offset, s->ask.size, PROT_READ, &memory);

	if (n > 0) {
		n = bytes_give(s->fd, &s->answer, memory, (size_t)n);
		iomap_let_go(s->map);
	}
	return n;
}

/* Answers, if there is room. False: nobody is to be answered any more. */
static bool answer_give(struct served *s)
{
	ssize_t n = s->turn == READING ? read_do(s) : 0;

	if (s->turn == READING && (n == -EFAULT || n == -EACCES)) {
		s->answer.size = 0;
		s->answer.error = (uint32_t)-n;
		s->turn = ANSWERING;
	}
	if (s->turn == ANSWERING)
		n = message_send(s->fd, &s->answer, sizeof s->answer, NULL, 0);
	if (n >= 0)
		s->turn = ASKING;
	return n >= 0 || n == -EAGAIN;
}

/* --- the same between hosts --- */

/* recv() into the map, of what there is of the SIZE bytes at MEMORY. The last byte last. Of memory that is no longer there, what is before it. */
static ssize_t stream_take_into(int fd, char *memory, size_t size)
{
	while (size) {
		struct iovec iov[2] = {{memory, size - 1}, {memory + size - 1, 1}};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t n = kernel_recvmsg(fd, &msg, MSG_DONTWAIT);

		if (n != -EFAULT)
			return n;
		size = without_last_page(memory, size);
	}
	return -EFAULT;
}

/* The next of a write's bytes: into the map, or nowhere once that is not possible. As recv(). */
static ssize_t write_some(struct served *s)
{
	size_t left = s->ask.size - s->got;
	char *memory;
	ssize_t n;

	if (!s->full) {
		n = iomap_hold(s->map, s->ask.offset + s->got, left, PROT_WRITE, &memory);
		if (n > 0) {
			n = stream_take_into(s->fd, memory, (size_t)n);
			iomap_let_go(s->map);
			if (n > 0)
				s->answer.size += (uint32_t)n;
		}
		if (n != -EFAULT && n != -EACCES)
			return n;
		s->full = true;
		if (!s->answer.size)
			s->answer.error = (uint32_t)-n;
	}
	return kernel_recv(s->fd, nowhere, left, MSG_DONTWAIT);
}

/* Copies the SIZE bytes at MEMORY, or those before what is no longer there, to TO. Bytes, or -EFAULT. */
static ssize_t copy_out(char *to, char *memory, size_t size)
{
	while (size) {
		ssize_t n = kernel_sendto(copier[1], memory, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);

		if (n > 0)
			n = kernel_recv(copier[0], to, (size_t)n, MSG_DONTWAIT);
		if (n > 0)
			return n;
		if (n == -EFAULT)
			size = without_last_page(memory, size);
		else if (size > SIZE_MIN)
			size /= 2;
		else
			break;
	}
	return -EFAULT;
}

static void read_all(struct served *s)
{
	char *memory;
	ssize_t n = iomap_hold(s->map, s->ask.offset, s->ask.size, PROT_READ, &memory);

	if (n > 0) {
		n = copy_out((char *)(s->out + 1), memory, (size_t)n);
		iomap_let_go(s->map);
	}
	if (n > 0)
		s->answer.size = s->answer.bytes = (uint32_t)n;
	else
		s->answer.error = (uint32_t)-n;
}

static void give_begin(struct served *s)
{
	*s->out = s->answer;
	s->sent = 0;
	s->out_size = (uint32_t)sizeof s->answer + s->answer.bytes;
	s->turn = GIVING;
}

/* One step for S. False: the peer is gone, or broke the rules. */
static bool serve_stream(struct served *s)
{
	ssize_t n = 1;

	if (s->turn == ASKING) {
		n = kernel_recv(s->fd, (char *)&s->ask + s->got, sizeof s->ask - s->got, MSG_DONTWAIT);
		if (n > 0)
			s->got += (uint32_t)n;
		if (n > 0 && s->got == sizeof s->ask) {
			if (s->ask.size == 0 || s->ask.size > WIRE_PLACE_MAX ||
			    (s->ask.what != WIRE_PLACE_WRITE && s->ask.what != WIRE_PLACE_READ))
				return false;
			s->got = 0;
			s->full = false;
			s->answer = (struct wire_answer){.number = s->ask.number};
			if (s->ask.what == WIRE_PLACE_WRITE) {
				s->turn = TAKING;
			} else {
				read_all(s);
				give_begin(s);
			}
		}
	}
	if (s->turn == TAKING && n > 0) {
		n = write_some(s);
		if (n > 0)
			s->got += (uint32_t)n;
		if (n > 0 && s->got == s->ask.size) {
			s->got = 0;
			give_begin(s);
		}
	}
	if (s->turn == GIVING && n > 0) {
		n = kernel_sendto(s->fd, (char *)s->out + s->sent, s->out_size - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL,
				  NULL, 0);
		if (n > 0)
			s->sent += (uint32_t)n;
		if (n > 0 && s->sent == s->out_size)
			s->turn = ASKING;
	}
	return n > 0 || n == -EAGAIN || n == -ENOBUFS || n == -ENOMEM;
}

/* One step for S. False: the peer is gone, or broke the rules. */
static bool serve(struct served *s)
{
	ssize_t n;

	if (s->out)
		return serve_stream(s);
	if (s->turn != ASKING)
		return answer_give(s);
	n = message_peek(s->fd, &s->ask, sizeof s->ask);
	if (n == -EAGAIN)
		return true;
	if (n < 0 || s->ask.size == 0 || s->ask.size > WIRE_PLACE_MAX ||
	    (s->ask.what != WIRE_PLACE_WRITE && s->ask.what != WIRE_PLACE_READ) ||
	    (size_t)n != sizeof s->ask + (s->ask.what == WIRE_PLACE_WRITE ? s->ask.size : 0))
		return false;
	s->answer = (struct wire_answer){.number = s->ask.number};
	if (s->ask.what == WIRE_PLACE_WRITE)
		write_do(s);
	message_drop(s->fd);
	s->turn = s->ask.what == WIRE_PLACE_WRITE ? ANSWERING : READING;
	return answer_give(s);
}

/* --- the thread --- */

static void drop(unsigned k)
{
	free(served[k].out);
	served[k] = served[--count];
}

static void serve_id(uint32_t id)
{
	unsigned k = 0;

	critical_enter();
	lock_take(&service_lock);
	while (k < count && served[k].id != id)
		k++;
	if (k < count && !serve(&served[k])) {
		/* Whoever asks there is told, too. */
		sys_call2(SYS_shutdown, served[k].fd, SHUT_RDWR);
		drop(k);
	}
	lock_drop(&service_lock);
	critical_exit();
}

static void pair_close(int pair[2])
{
	for (int k = 0; k < 2; k++) {
		if (pair[k] >= 0)
			own_fd_close(pair[k]);
		pair[k] = -1;
	}
}

static void pairs_close(void)
{
	pair_close(wake);
	pair_close(copier);
}

/* What to sleep on, *ALL of it and the first entries for those who ask, and how long at most: TIME, or NULL in *TIMEOUT. 0: nothing, and the thread is no
 * more. */
static unsigned collect(unsigned *all, struct timespec *time, struct timespec **timeout)
{
	unsigned entries = 0;
	uint64_t wait_ns = UINT64_MAX;

	critical_enter();
	lock_take(&service_lock);
	if (count || far_any()) {
		polled[entries++] = (struct pollfd){.fd = wake[0], .events = POLLIN};
		for (unsigned k = 0; k < count; k++, entries++) {
			bool hears = served[k].turn == ASKING || served[k].turn == TAKING;

			polled[entries] = (struct pollfd){.fd = served[k].fd, .events = hears ? POLLIN : POLLOUT};
			polled_id[entries] = served[k].id;
		}
	} else {
		pairs_close();
		running = false;
	}
	lock_drop(&service_lock);
	*all = entries;
	if (entries && far_any())
		*all += far_collect(polled + entries, &wait_ns);
	critical_exit();
	*time = (struct timespec){(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
	*timeout = wait_ns == UINT64_MAX ? NULL : time;
	return entries;
}

/* The program closed what it has not opened: nobody could wake us any more. */
static void abandon(void)
{
	critical_enter();
	lock_take(&service_lock);
	while (count)
		drop(count - 1);
	wake[0] = wake[1] = -1;
	lock_drop(&service_lock);
	far_abandon();
	critical_exit();
}

static void *service_main(void *unused)
{
	unsigned entries, all;
	struct timespec time, *timeout;

	(void)unused;
	sys_call2(SYS_prctl, PR_SET_NAME, "rsocket-maps");
	while ((entries = collect(&all, &time, &timeout))) {
		char byte;
		long n = sys_call5(SYS_ppoll, polled, all, timeout, NULL, 8);

		if (all > entries || timeout)
			far_work();
		if (n <= 0)
			continue;
		if (polled[0].revents & POLLNVAL)
			abandon();
		else if (polled[0].revents)
			while (kernel_recv(polled[0].fd, &byte, 1, MSG_DONTWAIT) > 0)
				;
		for (unsigned k = 1; k < entries; k++)
			if (polled[k].revents)
				serve_id(polled_id[k]);
	}
	return NULL;
}

/* 0 or -ENOMEM. Under the lock. */
static int thread_make(void)
{
	if (sys_call4(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, wake) < 0)
		return -ENOMEM;
	wake[0] = own_fd(wake[0]);
	wake[1] = own_fd(wake[1]);
	if (sys_call4(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, copier) < 0) {
		pairs_close();
		return -ENOMEM;
	}
	copier[0] = own_fd(copier[0]);
	copier[1] = own_fd(copier[1]);
	if (thread_start_own(service_main))
		return 0;
	pairs_close();
	return -ENOMEM;
}

/* The thread is there, and looks at what there is now. 0 or -ENOMEM. Under the lock. */
static int run(void)
{
	int error = 0;

	/* A filter may kill for a thread. */
	if (!running)
		error = load_relaxed(&process_filtered) ? -ENOMEM : thread_make();
	if (error == 0) {
		running = true;
		kernel_sendto(wake[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	}
	return error;
}

int service_run(void)
{
	int error;

	critical_enter();
	lock_take(&service_lock);
	error = run();
	lock_drop(&service_lock);
	critical_exit();
	return error;
}

int service_add(int fd, struct iomap *map, bool far)
{
	struct wire_answer *out = far ? malloc(sizeof *out + WIRE_PLACE_MAX) : NULL;
	unsigned k = 0;
	int error = far && !out ? -ENOMEM : 0;

	critical_enter();
	lock_take(&service_lock);
	while (k < count && served[k].map != map)
		k++;
	if (k == count && error == 0) {
		error = count == SERVED_MAX ? -ENOMEM : run();
		if (error == 0) {
			served[count++] = (struct served){.map = map, .fd = fd, .id = ++last_id, .out = out};
			out = NULL;
		}
	}
	lock_drop(&service_lock);
	critical_exit();
	free(out);
	return error;
}

void service_remove(const struct iomap *map)
{
	critical_enter();
	lock_take(&service_lock);
	for (unsigned k = 0; k < count; k++)
		if (served[k].map == map) {
			drop(k);
			/* It sleeps on a socket that is about to be closed. */
			kernel_sendto(wake[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
			break;
		}
	lock_drop(&service_lock);
	critical_exit();
}

void service_forked(void)
{
	exchange(&service_lock.word, 0); /* what the parent's thread did last comes before */
	count = 0; /* the buffers are left behind: the parent's thread may have been at work on them */
	running = false;
	pairs_close();
}
