/* The thread that answers questions about maps. DESIGN NOTES. It sleeps in one poll of all sockets on which a peer may ask. A question is
 * one message, answered by one, and each is handled without blocking, under a lock that is held for one question: a peer that takes no
 * answer is asked for room and asks nothing more meanwhile. Nothing is allocated on a peer's word; who breaks a rule is no longer
 * listened to. Under a system-call filter it goes on: it makes no call but those of a stream that stays on TCP. */
#include "service.h"
#include "iomap.h"
#include "kernel.h"
#include "lock.h"
#include "message.h"
#include "process.h"
#include "thread.h"
#include "wire.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define SERVED_MAX 1024
#define SIZE_MIN 4096 /* an answer for which no memory is left is no longer tried with less */

enum turn {
	ASKING,
	READING,
	ANSWERING
}; /* whose turn it is: the peer's; ours, with a read's bytes; ours, with a head alone */

struct served {
	struct iomap *map;
	int fd;
	uint32_t id;
	enum turn turn;
	struct wire_ask ask;
	struct wire_answer answer;
};

static struct lock service_lock; /* guards what follows; taken before a map's own lock */
static struct served served[SERVED_MAX];
static unsigned count;
static uint32_t last_id;
static bool running;
static int wake[2] = {-1, -1};

/* The thread's own. */
static struct pollfd polled[SERVED_MAX + 1];
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

/* One step for S. False: the peer is gone, or broke the rules. */
static bool serve(struct served *s)
{
	ssize_t n;

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

static void wake_close(void)
{
	for (int k = 0; k < 2; k++) {
		if (wake[k] >= 0)
			own_fd_close(wake[k]);
		wake[k] = -1;
	}
}

/* What to sleep on. 0: nothing, and the thread is no more. */
static unsigned collect(void)
{
	unsigned entries = 0;

	critical_enter();
	lock_take(&service_lock);
	if (count) {
		polled[entries++] = (struct pollfd){.fd = wake[0], .events = POLLIN};
		for (unsigned k = 0; k < count; k++, entries++) {
			polled[entries] = (struct pollfd){.fd = served[k].fd,
							  .events = served[k].turn == ASKING ? POLLIN : POLLOUT};
			polled_id[entries] = served[k].id;
		}
	} else {
		wake_close();
		running = false;
	}
	lock_drop(&service_lock);
	critical_exit();
	return entries;
}

/* The program closed what it has not opened: nobody could wake us any more. */
static void abandon(void)
{
	critical_enter();
	lock_take(&service_lock);
	count = 0;
	wake[0] = wake[1] = -1;
	lock_drop(&service_lock);
	critical_exit();
}

static void *service_main(void *unused)
{
	unsigned entries;

	(void)unused;
	sys_call2(SYS_prctl, PR_SET_NAME, "rsocket-maps");
	while ((entries = collect())) {
		char byte;

		if (sys_call5(SYS_ppoll, polled, entries, NULL, NULL, 8) <= 0)
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
	if (thread_start_own(service_main))
		return 0;
	wake_close();
	return -ENOMEM;
}

int service_add(int fd, struct iomap *map)
{
	unsigned k = 0;
	int error = 0;

	critical_enter();
	lock_take(&service_lock);
	while (k < count && served[k].map != map)
		k++;
	if (k == count) {
		/* A filter may kill for a thread. */
		if (count == SERVED_MAX || (!running && load_relaxed(&process_filtered)))
			error = -ENOMEM;
		else if (!running)
			error = thread_make();
		if (error == 0) {
			running = true;
			served[count++] = (struct served){.map = map, .fd = fd, .id = ++last_id};
			kernel_sendto(wake[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		}
	}
	lock_drop(&service_lock);
	critical_exit();
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
	count = 0;
	running = false;
	wake_close();
}
