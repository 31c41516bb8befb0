/* riowrite and rioread with MSG_ZEROCOPY: begun at once, done in the calls that wait, told by the error queue. */
#include "kit.h"

#include <linux/errqueue.h>
#include <sys/mman.h>

#define LARGE (64 * MIB)
#define SIZE (3 * MIB + 17)
#define NOTHING ((size_t)-1)

static int connect_maps(const struct sockaddr_storage *address)
{
	int fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0));

	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, 4);
	MUST(rconnect(fd, (const struct sockaddr *)address, kit_address_length(address)));
	return fd;
}

static struct pair pair_maps(void)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address);
	struct pair pair;

	kit_set_option(listener, SOL_RDMA, RDMA_IOMAPSIZE, 4);
	pair.a = connect_maps(&address);
	pair.b = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	kit_promote(pair.a, pair.b);
	return pair;
}

/* Memory that a child shares. */
static char *memory_new(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* A writes into, and reads from, what B mapped at 0. */
struct placing {
	struct pair pair;
	char *ours, *theirs;
	size_t size;
};

static struct placing placing_new(size_t size)
{
	struct placing p = {.pair = pair_maps(), .ours = memory_new(size), .theirs = memory_new(size), .size = size};

	MUST(riomap(p.pair.b, p.theirs, size, PROT_READ | PROT_WRITE, 0, 0));
	kit_pattern(p.ours, size, 1, 0);
	return p;
}

static void placing_free(struct placing *p)
{
	if (p->pair.a >= 0)
		MUST(rclose(p->pair.a));
	if (p->pair.b >= 0)
		MUST(rclose(p->pair.b));
	MUST(munmap(p->ours, p->size));
	MUST(munmap(p->theirs, p->size));
}

static void start_write(struct placing *p, size_t size, off_t offset)
{
	CHECK_EQ(riowrite(p->pair.a, p->ours, size, offset, MSG_ZEROCOPY), size);
}

/* One notice: its numbers, its errno, and of a failed one the bytes. */
struct notice {
	unsigned low, high;
	int error, code;
	uint64_t bytes;
};

static bool notice_read(int fd, struct notice *notice)
{
	char control[256];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct sock_extended_err error;
	struct rdma_placed placed;
	struct cmsghdr *head;

	if (rrecvmsg(fd, &message, MSG_ERRQUEUE) < 0) {
		CHECK_EQ(errno, EAGAIN);
		return false;
	}
	CHECK_EQ(message.msg_flags, MSG_ERRQUEUE);
	head = CMSG_FIRSTHDR(&message);
	CHECK(head->cmsg_level == SOL_IP && head->cmsg_type == IP_RECVERR);
	memcpy(&error, CMSG_DATA(head), sizeof(error));
	CHECK_EQ(error.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
	*notice = (struct notice){
		.low = error.ee_info, .high = error.ee_data, .error = (int)error.ee_errno, .code = error.ee_code};
	head = CMSG_NXTHDR(&message, head);
	CHECK_EQ(head != NULL, error.ee_errno != 0);
	if (!head)
		return true;
	CHECK(head->cmsg_level == SOL_RDMA && head->cmsg_type == RDMA_PLACED);
	CHECK_EQ(head->cmsg_len, CMSG_LEN(sizeof(placed)));
	memcpy(&placed, CMSG_DATA(head), sizeof(placed));
	CHECK_EQ(placed.number, error.ee_info);
	CHECK_EQ(placed.number, error.ee_data);
	CHECK_EQ(placed.error, error.ee_errno);
	notice->bytes = placed.bytes;
	return true;
}

static struct notice notice_await(int fd)
{
	struct notice notice;

	kit_await(fd, POLLERR);
	CHECK(notice_read(fd, &notice));
	return notice;
}

static void check_done(int fd, unsigned low, unsigned high)
{
	struct notice notice = notice_await(fd);

	CHECK_EQ(notice.error, 0);
	CHECK_EQ(notice.code, 0);
	CHECK_EQ(notice.low, low);
	CHECK_EQ(notice.high, high);
}

static void check_failed(int fd, unsigned number, int error)
{
	struct notice notice = notice_await(fd);

	CHECK_EQ(notice.low, number);
	CHECK_EQ(notice.high, number);
	CHECK_EQ(notice.error, error);
}

static void check_no_notice(int fd)
{
	struct notice notice;

	CHECK(!notice_read(fd, &notice));
}

/* --- what they do --- */

CASE(a_write_completes)
{
	struct placing p = placing_new(SIZE);

	start_write(&p, SIZE, 0);
	/* Lent, and no call was made since. */
	CHECK_EQ(p.theirs[0], 0);
	check_done(p.pair.a, 0, 0);
	CHECK_PATTERN(p.theirs, SIZE, 1, 0);
	CHECK_REVENTS(p.pair.a, POLLOUT);
	check_no_notice(p.pair.a);
	CHECK_EQ(kit_get_option(p.pair.a, SOL_SOCKET, SO_ERROR), 0);
	placing_free(&p);
}

CASE(a_read_completes)
{
	struct placing p = placing_new(SIZE);

	kit_pattern(p.theirs, SIZE, 2, 0);
	CHECK_EQ(rioread(p.pair.a, p.ours, SIZE, 0, MSG_ZEROCOPY), SIZE);
	CHECK_PATTERN(p.ours, SIZE, 1, 0);
	check_done(p.pair.a, 0, 0);
	CHECK_PATTERN(p.ours, SIZE, 2, 0);
	placing_free(&p);
}

CASE(many_are_one_range)
{
	struct placing p = placing_new(SIZE);

	kit_set_nonblocking(p.pair.a, true);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(riowrite(p.pair.a, p.ours + i, 1, i, MSG_ZEROCOPY | MSG_DONTWAIT), 1);
	CHECK_EQ(riowrite(p.pair.a, p.ours, 0, 0, MSG_ZEROCOPY), 0);
	/* A wait for another descriptor works too. */
	for (int i = 0; i < 101; i++)
		CHECK_EQ(rpoll(&(struct pollfd){.fd = p.pair.b, .events = POLLIN}, 1, 0), 0);
	check_done(p.pair.a, 0, 99);
	CHECK_PATTERN(p.theirs, 100, 1, 0);
	check_no_notice(p.pair.a);
	placing_free(&p);
}

CASE(one_counter_with_the_sends)
{
	struct placing p = placing_new(SIZE);
	char got[2];

	kit_set_option(p.pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	CHECK_EQ(rsend(p.pair.a, "a", 1, MSG_ZEROCOPY), 1);
	start_write(&p, SIZE, 0);
	CHECK_EQ(rsend(p.pair.a, "b", 1, MSG_ZEROCOPY), 1);
	kit_get(p.pair.b, got, 2);
	for (unsigned i = 0; i < 3; i++) {
		struct notice notice = notice_await(p.pair.a);

		CHECK_EQ(notice.low, i);
		CHECK_EQ(notice.high, i);
		CHECK_EQ(notice.error, 0);
		/* The ring was copied into. */
		CHECK_EQ(notice.code, i == 1 ? 0 : SO_EE_CODE_ZEROCOPY_COPIED);
	}
	placing_free(&p);
}

CASE(reading_the_queue_works_too)
{
	struct placing p = placing_new(SIZE);
	struct notice notice;
	int calls = 0;

	start_write(&p, SIZE, 0);
	while (!notice_read(p.pair.a, &notice))
		calls++;
	CHECK(calls > 0);
	CHECK_PATTERN(p.theirs, SIZE, 1, 0);
	placing_free(&p);
}

CASE(select_works_too)
{
	struct placing p = placing_new(SIZE);
	fd_set in;

	start_write(&p, SIZE, 0);
	FD_ZERO(&in);
	FD_SET(p.pair.a, &in);
	CHECK_EQ(rselect(p.pair.a + 1, &in, NULL, NULL, NULL), 1);
	CHECK(FD_ISSET(p.pair.a, &in));
	CHECK_PATTERN(p.theirs, SIZE, 1, 0);
	check_done(p.pair.a, 0, 0);
	placing_free(&p);
}

static void answer_when_placed(void *argument)
{
	struct placing *p = argument;

	while (!__atomic_load_n(&p->theirs[SIZE - 1], __ATOMIC_ACQUIRE))
		kit_sleep_ms(1);
	CHECK_EQ(rsend(p->pair.b, "!", 1, 0), 1);
}

CASE(a_blocked_read_works_too)
{
	struct placing p = placing_new(SIZE);
	char got;
	pid_t pid;

	p.ours[SIZE - 1] = 'x';
	pid = kit_fork(answer_when_placed, &p);
	start_write(&p, SIZE, 0);
	CHECK_EQ(rrecv(p.pair.a, &got, 1, 0), 1);
	CHECK_EQ(got, '!');
	CHECK_EXITS(pid, 0);
	check_done(p.pair.a, 0, 0);
	placing_free(&p);
}

/* --- event loops --- */

/* Serves a ping-pong on another connection until the large one is told of; returns how many rounds there were. */
static int loop_by_poll(struct placing *p, const struct pair *other)
{
	struct pollfd fds[3] = {
		{.fd = p->pair.a}, {.fd = other->a, .events = POLLIN}, {.fd = other->b, .events = POLLIN}};
	int rounds = 0;
	char got;

	CHECK_EQ(rsend(other->a, "x", 1, 0), 1);
	for (;;) {
		MUST(rpoll(fds, 3, 5000));
		for (int i = 1; i < 3; i++)
			if (fds[i].revents & POLLIN) {
				CHECK_EQ(rrecv(fds[i].fd, &got, 1, 0), 1);
				CHECK_EQ(rsend(fds[i].fd, "x", 1, 0), 1);
				rounds++;
			}
		if (fds[0].revents & POLLERR)
			return rounds;
	}
}

static int loop_by_repoll(struct placing *p, const struct pair *other, uint32_t how)
{
	int set = (int)MUST(repoll_create(0)), fds[3] = {p->pair.a, other->a, other->b}, rounds = 0;
	char got;

	for (int i = 0; i < 3; i++) {
		struct epoll_event event = {.events = EPOLLIN | how, .data.fd = fds[i]};

		MUST(repoll_ctl(set, EPOLL_CTL_ADD, fds[i], &event));
	}
	CHECK_EQ(rsend(other->a, "x", 1, 0), 1);
	for (bool done = false; !done;) {
		struct epoll_event events[3];
		int n = (int)MUST(repoll_wait(set, events, 3, 5000));

		CHECK(n > 0);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == p->pair.a) {
				CHECK_EQ(events[i].events, EPOLLERR);
				done = true;
				continue;
			}
			CHECK_EQ(rrecv(events[i].data.fd, &got, 1, 0), 1);
			CHECK_EQ(rsend(events[i].data.fd, "x", 1, 0), 1);
			rounds++;
		}
	}
	MUST(rclose(set));
	return rounds;
}

static void check_loop(int how)
{
	struct placing p = placing_new(LARGE);
	struct pair other = PAIR;
	int rounds;

	start_write(&p, LARGE, 0);
	rounds = how < 0 ? loop_by_poll(&p, &other) : loop_by_repoll(&p, &other, (uint32_t)how);
	CHECK(rounds >= 64);
	check_done(p.pair.a, 0, 0);
	CHECK_PATTERN(p.theirs, LARGE, 1, 0);
	MUST(rclose(other.a));
	MUST(rclose(other.b));
	placing_free(&p);
}

CASE(poll_serves_others_meanwhile)
{
	check_loop(-1);
}

CASE(repoll_serves_others_meanwhile)
{
	check_loop(0);
}

CASE(repoll_on_edges_does)
{
	check_loop((int)EPOLLET);
}

/* Every completion is an edge; a set that watches others only works too. */
CASE(each_completion_is_an_edge)
{
	struct placing p = placing_new(SIZE);
	int set = (int)MUST(repoll_create(0)), pipes[2];
	struct epoll_event event = {.events = EPOLLIN | EPOLLET}, got;

	MUST(repoll_ctl(set, EPOLL_CTL_ADD, p.pair.a, &event));
	for (int i = 0; i < 3; i++) {
		start_write(&p, SIZE, 0);
		CHECK_EQ(repoll_wait(set, &got, 1, 5000), 1);
		CHECK_EQ(got.events, EPOLLERR);
		CHECK_EQ(repoll_wait(set, &got, 1, 20), 0);
	}
	check_done(p.pair.a, 0, 2);
	CHECK_EQ(repoll_wait(set, &got, 1, 20), 0);
	MUST(rclose(set));
	MUST(pipe(pipes));
	set = (int)MUST(repoll_create(0));
	event.events = EPOLLIN;
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &event));
	start_write(&p, SIZE, 0);
	CHECK_EQ(repoll_wait(set, &got, 1, 200), 0);
	CHECK_PATTERN(p.theirs, SIZE, 1, 0);
	check_done(p.pair.a, 3, 3);
	MUST(rclose(set));
	placing_free(&p);
}

/* --- order --- */

CASE(a_send_comes_after)
{
	struct placing p = placing_new(LARGE);
	char got;

	start_write(&p, LARGE, 0);
	CHECK_EQ(rsend(p.pair.a, "x", 1, MSG_DONTWAIT), 1);
	CHECK_EQ(rrecv(p.pair.b, &got, 1, 0), 1);
	CHECK_PATTERN(p.theirs, LARGE, 1, 0);
	check_done(p.pair.a, 0, 0);
	placing_free(&p);
}

CASE(so_does_another_placement)
{
	struct placing p = placing_new(SIZE);

	start_write(&p, SIZE, 0);
	CHECK_EQ(riowrite(p.pair.a, "zz", 2, 0, 0), 2);
	CHECK(p.theirs[0] == 'z' && p.theirs[1] == 'z');
	CHECK_PATTERN(p.theirs + 2, SIZE - 2, 1, 2);
	check_done(p.pair.a, 0, 0);
	placing_free(&p);
}

CASE(and_the_end_of_the_stream)
{
	struct placing p = placing_new(SIZE);
	char got;

	start_write(&p, SIZE, 0);
	MUST(rshutdown(p.pair.a, SHUT_WR));
	CHECK_EQ(rrecv(p.pair.b, &got, 1, 0), 0);
	CHECK_PATTERN(p.theirs, SIZE, 1, 0);
	check_done(p.pair.a, 0, 0);
	placing_free(&p);
}

/* --- errors --- */

CASE(what_is_known_at_once)
{
	struct placing p = placing_new(SIZE);
	char more[8];

	MUST(riomap(p.pair.b, more, sizeof(more), PROT_READ, 0, 2 * SIZE));
	CHECK_FAILS(riowrite(p.pair.a, p.ours, 1, -1, MSG_ZEROCOPY), EINVAL);
	CHECK_FAILS(riowrite(p.pair.a, p.ours, 1, SIZE, MSG_ZEROCOPY), EFAULT);
	CHECK_FAILS(riowrite(p.pair.a, p.ours, 1, 2 * SIZE, MSG_ZEROCOPY), EACCES);
	CHECK_FAILS(riowrite(p.pair.b, p.ours, 1, 0, MSG_ZEROCOPY), EFAULT);
	CHECK_FAILS(riowrite(-1, p.ours, 1, 0, MSG_ZEROCOPY), EBADF);
	check_no_notice(p.pair.a);
	/* None took a number. */
	start_write(&p, 1, 0);
	check_done(p.pair.a, 0, 0);
	placing_free(&p);
}

CASE(where_the_map_ends)
{
	struct placing p = placing_new(SIZE);
	struct notice notice;

	start_write(&p, SIZE, 0);
	start_write(&p, SIZE, 1000);
	start_write(&p, SIZE, 1000);
	start_write(&p, 100, 0);
	CHECK_EQ(rsend(p.pair.a, "x", 1, 0), 1);
	check_done(p.pair.a, 0, 0);
	for (unsigned i = 1; i <= 2; i++) {
		notice = notice_await(p.pair.a);
		CHECK_EQ(notice.low, i);
		CHECK_EQ(notice.error, EFAULT);
		CHECK_EQ(notice.bytes, SIZE - 1000);
	}
	check_done(p.pair.a, 3, 3);
	CHECK_PATTERN(p.theirs + 1000, SIZE - 1000, 1, 0);
	placing_free(&p);
}

CASE(unmapped_meanwhile)
{
	struct placing p = placing_new(LARGE);
	struct notice notice;

	start_write(&p, LARGE, 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(rpoll(&(struct pollfd){.fd = p.pair.a}, 1, 0), 0);
	MUST(riounmap(p.pair.b, p.theirs, LARGE));
	notice = notice_await(p.pair.a);
	CHECK_EQ(notice.error, EFAULT);
	CHECK(notice.bytes > 0 && notice.bytes < LARGE);
	CHECK_PATTERN(p.theirs, notice.bytes, 1, 0);
	CHECK_EQ(p.theirs[LARGE - 1], 0);
	placing_free(&p);
}

struct mapper {
	struct sockaddr_storage address;
	char *theirs;
};

static void map_and_wait(void *argument)
{
	struct mapper *mapper = argument;
	int fd = connect_maps(&mapper->address);

	MUST(riomap(fd, mapper->theirs, LARGE, PROT_WRITE, 0, 0));
	CHECK_EQ(rsend(fd, "x", 1, 0), 1);
	for (;;)
		kit_sleep_ms(1000);
}

CASE(the_peer_dies)
{
	struct mapper mapper = {.theirs = memory_new(LARGE)};
	int listener = kit_listen(AF_INET, &mapper.address), fd;
	char *ours = memory_new(LARGE), got;
	struct notice notice;
	pid_t pid;

	kit_set_option(listener, SOL_RDMA, RDMA_IOMAPSIZE, 4);
	pid = kit_fork(map_and_wait, &mapper);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	CHECK_EQ(rrecv(fd, &got, 1, 0), 1);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(riowrite(fd, ours, LARGE, 0, MSG_ZEROCOPY), LARGE);
	CHECK_EQ(rpoll(&(struct pollfd){.fd = fd}, 1, 0), 0);
	MUST(kill(pid, SIGKILL));
	kit_wait_killed(pid, SIGKILL);
	notice = notice_await(fd);
	CHECK_EQ(notice.low, 0);
	CHECK_EQ(notice.error, ECONNRESET);
	CHECK(notice.bytes > 0 && notice.bytes < LARGE);
	check_failed(fd, 1, ECONNRESET);
	check_failed(fd, 2, ECONNRESET);
	CHECK_FAILS(riowrite(fd, ours, 1, 0, MSG_ZEROCOPY), ECONNRESET);
	MUST(rclose(fd));
}

CASE(too_many)
{
	struct placing p = placing_new(SIZE);
	int count = 0;

	while (riowrite(p.pair.a, p.ours, 1, 0, MSG_ZEROCOPY) == 1)
		count++;
	CHECK_EQ(errno, ENOBUFS);
	CHECK(count >= 256);
	for (int i = 0; i < count; i++)
		rpoll(&(struct pollfd){.fd = p.pair.a}, 1, 0);
	check_done(p.pair.a, 0, (unsigned)count - 1);
	start_write(&p, 1, 0);
	check_done(p.pair.a, (unsigned)count, (unsigned)count);
	placing_free(&p);
}

/* --- ends --- */

CASE(close_finishes_writes)
{
	struct placing p = placing_new(SIZE);
	char got;
	int dup;

	CHECK_EQ(rioread(p.pair.a, p.ours, 0, 0, MSG_ZEROCOPY), 0);
	start_write(&p, SIZE, 0);
	/* Not the last descriptor. */
	dup = (int)MUST(rdup(p.pair.a));
	MUST(rclose(p.pair.a));
	CHECK_EQ(p.theirs[SIZE - 1], 0);
	MUST(rclose(dup));
	p.pair.a = -1;
	CHECK_PATTERN(p.theirs, SIZE, 1, 0);
	CHECK_EQ(rrecv(p.pair.b, &got, 1, 0), 0);
	placing_free(&p);
}

CASE(close_drops_reads)
{
	struct placing p = placing_new(SIZE);
	static char into[64];

	p.theirs[0] = 'x';
	CHECK_EQ(rioread(p.pair.a, into, sizeof(into), 0, MSG_ZEROCOPY), sizeof(into));
	start_write(&p, SIZE, 0);
	MUST(rclose(p.pair.a));
	p.pair.a = -1;
	CHECK_EQ(into[0], 0);
	CHECK_PATTERN(p.theirs, SIZE, 1, 0);
	placing_free(&p);
}

CASE(a_reset_drops_all)
{
	struct placing p = placing_new(SIZE);
	struct linger now = {1, 0};

	start_write(&p, SIZE, 0);
	MUST(rsetsockopt(p.pair.a, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	MUST(rclose(p.pair.a));
	p.pair.a = -1;
	CHECK_EQ(p.theirs[0], 0);
	placing_free(&p);
}

static void write_and_exit(void *argument)
{
	const struct sockaddr_storage *address = argument;
	char *ours = memory_new(SIZE), got;
	int fd = connect_maps(address);

	kit_pattern(ours, SIZE, 1, 0);
	CHECK_EQ(rrecv(fd, &got, 1, 0), 1);
	CHECK_EQ(riowrite(fd, ours, SIZE, 0, MSG_ZEROCOPY), SIZE);
}

CASE(exit_finishes_writes)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), fd;
	char *theirs = memory_new(SIZE), got;
	pid_t pid;

	kit_set_option(listener, SOL_RDMA, RDMA_IOMAPSIZE, 4);
	pid = kit_fork(write_and_exit, &address);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(riomap(fd, theirs, SIZE, PROT_WRITE, 0, 0));
	CHECK_EQ(rsend(fd, "x", 1, 0), 1);
	CHECK_EXITS(pid, 0);
	CHECK_EQ(rrecv(fd, &got, 1, 0), 0);
	CHECK_PATTERN(theirs, SIZE, 1, 0);
	MUST(rclose(fd));
}

/* --- threads and forks --- */

#define PARTS 32

static void *work_until_told(void *argument)
{
	int *end = argument;

	while (!__atomic_load_n(end, __ATOMIC_ACQUIRE))
		rpoll(NULL, 0, 1);
	return NULL;
}

CASE(threads_work_together)
{
	struct placing p = placing_new(SIZE);
	struct thread others[2];
	int end = 0;
	unsigned done = 0;
	const size_t part = SIZE / PARTS;

	for (int i = 0; i < 2; i++)
		thread_start(&others[i], work_until_told, &end);
	for (size_t i = 0; i < PARTS; i++)
		CHECK_EQ(riowrite(p.pair.a, p.ours + i * part, part, (off_t)(i * part), MSG_ZEROCOPY), part);
	while (done < PARTS) {
		struct notice notice = notice_await(p.pair.a);

		CHECK_EQ(notice.error, 0);
		CHECK_EQ(notice.low, done);
		done = notice.high + 1;
	}
	__atomic_store_n(&end, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		thread_join(&others[i]);
	CHECK_EQ(done, PARTS);
	CHECK_PATTERN(p.theirs, PARTS * part, 1, 0);
	placing_free(&p);
}

static void *wait_for_completion(void *argument)
{
	struct pollfd entry = {.fd = *(int *)argument, .events = POLLIN};

	CHECK_EQ(rpoll(&entry, 1, 5000), 1);
	CHECK_EQ(entry.revents, POLLERR);
	return NULL;
}

/* Who sleeps already is woken to work. */
CASE(a_sleeper_begins_to_work)
{
	struct placing p = placing_new(SIZE);
	struct thread sleeper;

	thread_start(&sleeper, wait_for_completion, &p.pair.a);
	thread_await_asleep(&sleeper);
	start_write(&p, SIZE, 0);
	thread_join(&sleeper);
	CHECK_PATTERN(p.theirs, SIZE, 1, 0);
	check_done(p.pair.a, 0, 0);
	placing_free(&p);
}

static void work_of_nobody(void *argument)
{
	struct placing *p = argument;

	for (int i = 0; i < 20; i++)
		CHECK_EQ(rpoll(&(struct pollfd){.fd = p->pair.a}, 1, 0), 0);
	CHECK_EQ(p->theirs[0], 0);
	check_no_notice(p->pair.a);
	/* Its own have the numbers that follow. */
	p->ours[0] = 'c';
	CHECK_EQ(riowrite(p->pair.a, p->ours, 1, SIZE - 1, MSG_ZEROCOPY), 1);
	check_done(p->pair.a, 1, 1);
}

CASE(a_child_does_not_work_for_its_parent)
{
	struct placing p = placing_new(SIZE);

	start_write(&p, SIZE - 1, 0);
	CHECK_EXITS(kit_fork(work_of_nobody, &p), 0);
	CHECK_EQ(p.theirs[SIZE - 1], 'c');
	check_done(p.pair.a, 0, 0);
	CHECK_PATTERN(p.theirs + 1, SIZE - 2, 1, 1);
	placing_free(&p);
}
