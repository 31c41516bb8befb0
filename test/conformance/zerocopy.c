/* MSG_ZEROCOPY: what is counted, and how the completions are told. */
#include "kit.h"

#include <linux/errqueue.h>
#include <sys/resource.h>
#include <sys/select.h>

/* Both ends, the option set at A. */
static struct pair pair_counting(int family)
{
	struct pair pair = pair_promoted(family);

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	return pair;
}

static void send_counted(int fd, int times)
{
	while (times--)
		CHECK_EQ(send(fd, "zerocopy", 8, MSG_ZEROCOPY), 8);
}

/* The peer reads them, and TCP has acknowledged them: then the kernel has told of all. */
static void settle(const struct pair *pair, int times)
{
	char got[8];

	while (times--)
		kit_get(pair->b, got, sizeof(got));
	kit_await_delivered(pair->a);
	kit_sleep_ms(60);
}

/* The next range; CHECKs what never differs. */
static struct sock_extended_err notice_get(int fd)
{
	char control[128];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct sock_extended_err notice;

	kit_await(fd, POLLERR);
	CHECK_EQ(MUST(recvmsg(fd, &message, MSG_ERRQUEUE)), 0);
	CHECK_EQ(message.msg_flags, MSG_ERRQUEUE);
	memcpy(&notice, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(notice));
	CHECK_EQ(notice.ee_errno, 0);
	CHECK_EQ(notice.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
	CHECK_EQ(notice.ee_type, 0);
	CHECK_EQ(notice.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
	CHECK_EQ(notice.ee_pad, 0);
	return notice;
}

static void check_range(int fd, unsigned low, unsigned high)
{
	struct sock_extended_err notice = notice_get(fd);

	CHECK_EQ(notice.ee_info, low);
	CHECK_EQ(notice.ee_data, high);
}

/* LOW to HIGH in whatever ranges. */
static void check_all(int fd, unsigned low, unsigned high)
{
	while (low <= high) {
		struct sock_extended_err notice = notice_get(fd);

		CHECK_EQ(notice.ee_info, low);
		CHECK(notice.ee_data >= low && notice.ee_data <= high);
		low = notice.ee_data + 1;
	}
}

static void check_empty(int fd)
{
	char got[4];

	CHECK_FAILS(recv(fd, got, sizeof(got), MSG_ERRQUEUE), EAGAIN);
	CHECK_REVENTS(fd, POLLOUT);
}

CASE(each_send_has_a_number, tiny, tcp)
{
	struct pair pair = pair_counting(AF_INET);

	for (unsigned i = 0; i < 3; i++) {
		send_counted(pair.a, 1);
		settle(&pair, 1);
		check_range(pair.a, i, i);
		check_empty(pair.a);
	}
	CHECK_CARRIED(pair.a, 24, 0);
	CHECK_CARRIED(pair.b, 0, 24);
	pair_close(&pair);
}

CASE(neighbours_are_one_range, tiny, tcp)
{
	struct pair pair = pair_counting(AF_INET);

	send_counted(pair.a, 5);
	settle(&pair, 5);
	check_range(pair.a, 0, 4);
	check_empty(pair.a);
	send_counted(pair.a, 2);
	settle(&pair, 2);
	check_range(pair.a, 5, 6);
	check_empty(pair.a);
	CHECK_CARRIED(pair.a, 56, 0);
	pair_close(&pair);
}

CASE(large_ones_arrive, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	static char out[64 * KIB];
	uint64_t at = 0;

	kit_set_nonblocking(pair.a, true);
	for (unsigned i = 0; i < 4; i++) {
		ssize_t sent;

		kit_pattern(out, sizeof(out), kit_seed(), at);
		sent = MUST(send(pair.a, out, sizeof(out), MSG_ZEROCOPY));
		kit_recv_pattern(pair.b, (size_t)sent, kit_seed(), at);
		at += (uint64_t)sent;
		check_range(pair.a, i, i);
	}
	CHECK_CARRIED(pair.a, at, 0);
	pair_close(&pair);
}

/* --- what counts --- */

CASE(without_the_option_nothing, tiny)
{
	struct pair pair = PAIR;

	CHECK_EQ(send(pair.a, "plain", 5, MSG_ZEROCOPY), 5);
	CHECK_GETS(pair.b, "plain");
	kit_sleep_ms(60);
	check_empty(pair.a);
	CHECK_CARRIED(pair.a, 5, 0);
	pair_close(&pair);
}

CASE(without_the_flag_nothing, tiny)
{
	struct pair pair = pair_counting(AF_INET);

	PUT(pair.a, "plain");
	CHECK_GETS(pair.b, "plain");
	kit_sleep_ms(60);
	check_empty(pair.a);
	send_counted(pair.a, 1);
	settle(&pair, 1);
	check_range(pair.a, 0, 0);
	pair_close(&pair);
}

CASE(an_empty_send_has_none, tiny)
{
	struct pair pair = pair_counting(AF_INET);

	CHECK_EQ(send(pair.a, "", 0, MSG_ZEROCOPY), 0);
	kit_sleep_ms(60);
	check_empty(pair.a);
	send_counted(pair.a, 1);
	settle(&pair, 1);
	check_range(pair.a, 0, 0);
	pair_close(&pair);
}

CASE(a_failed_send_has_none, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	uint64_t filled;

	filled = kit_fill(pair.a, kit_seed(), 0);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_ZEROCOPY | MSG_DONTWAIT), EAGAIN);
	kit_recv_pattern(pair.b, filled, kit_seed(), 0);
	kit_await(pair.a, POLLOUT);
	send_counted(pair.a, 1);
	settle(&pair, 1);
	check_range(pair.a, 0, 0);
	check_empty(pair.a);
	CHECK_CARRIED(pair.a, 8, 0);
	pair_close(&pair);
}

CASE(nor_one_after_a_shutdown, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	char got;

	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_FAILS(send(pair.a, "x", 1, MSG_ZEROCOPY | MSG_NOSIGNAL), EPIPE);
	kit_sleep_ms(60);
	CHECK_FAILS(recv(pair.a, &got, 1, MSG_ERRQUEUE), EAGAIN);
	pair_close(&pair);
}

CASE(a_partial_send_has_one, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	size_t size = 2 * MIB;
	char *out = calloc(1, size);
	uint64_t filled = kit_fill(pair.a, kit_seed(), 0), half = filled / 2;
	ssize_t sent;

	kit_recv_pattern(pair.b, half, kit_seed(), 0);
	kit_await(pair.a, POLLOUT);
	sent = MUST(send(pair.a, out, size, MSG_ZEROCOPY | MSG_DONTWAIT));
	kit_recv_pattern(pair.b, filled - half, kit_seed(), half);
	for (ssize_t got, left = sent; left; left -= got)
		got = MUST(recv(pair.b, out, (size_t)left, 0));
	check_range(pair.a, 0, 0);
	free(out);
	pair_close(&pair);
}

CASE(every_way_of_sending, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	struct iovec parts[2] = {{"zero", 4}, {"copy", 4}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	struct mmsghdr messages[3] = {{.msg_hdr = message}, {.msg_hdr = message}, {.msg_hdr = message}};

	CHECK_EQ(sendmsg(pair.a, &message, MSG_ZEROCOPY), 8);
	CHECK_EQ(sendto(pair.a, "zerocopy", 8, MSG_ZEROCOPY, NULL, 0), 8);
	CHECK_EQ(sendmmsg(pair.a, messages, 3, MSG_ZEROCOPY), 3);
	settle(&pair, 5);
	check_range(pair.a, 0, 4);
	CHECK_CARRIED(pair.a, 40, 0);
	pair_close(&pair);
}

CASE(the_option_goes_and_comes, tiny)
{
	struct pair pair = pair_counting(AF_INET);

	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_ZEROCOPY), 1);
	send_counted(pair.a, 2);
	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 0);
	send_counted(pair.a, 2);
	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	send_counted(pair.a, 1);
	settle(&pair, 5);
	check_range(pair.a, 0, 2);
	pair_close(&pair);
}

/* What is accepted has its listener's option. */
CASE(the_option_is_inherited)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address);
	struct pair pair;

	kit_set_option(listener, SOL_SOCKET, SO_ZEROCOPY, 1);
	pair.b = kit_connect(&address);
	pair.a = (int)MUST(accept(listener, NULL, NULL));
	MUST(close(listener));
	kit_promote(pair.b, pair.a);
	send_counted(pair.a, 2);
	settle(&pair, 2);
	check_range(pair.a, 0, 1);
	CHECK_EQ(send(pair.b, "zerocopy", 8, MSG_ZEROCOPY), 8);
	kit_sleep_ms(60);
	CHECK(!(kit_revents(pair.b) & POLLERR));
	CHECK_CARRIED(pair.a, 16, 0);
	pair_close(&pair);
}

/* --- across the promotion and back --- */

static void check_continues(bool unread)
{
	struct pair pair = pair_new(AF_INET);

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	send_counted(pair.a, 3);
	settle(&pair, 3);
	if (!unread)
		check_range(pair.a, 0, 2);
	kit_promote(pair.a, pair.b);
	PUT(pair.a, "sent");
	CHECK_GETS(pair.b, "sent");
	send_counted(pair.a, 2);
	settle(&pair, 2);
	check_range(pair.a, unread ? 0 : 3, 4);
	check_empty(pair.a);
	CHECK_CARRIED(pair.a, 16, 0);
	pair_close(&pair);
}

CASE(numbers_go_on_when_promoted, tiny)
{
	check_continues(false);
}

CASE(what_the_kernel_had_to_tell_stays, tiny)
{
	check_continues(true);
}

CASE(numbers_go_on_back_on_tcp)
{
	struct pair pair = pair_counting(AF_INET);
	char got;

	send_counted(pair.a, 2);
	settle(&pair, 2);
	CHECK_EQ(send(pair.a, "!", 1, MSG_OOB), 1);
	kit_await(pair.b, POLLPRI);
	CHECK_EQ(recv(pair.b, &got, 1, MSG_OOB), 1);
	send_counted(pair.a, 2);
	settle(&pair, 2);
	check_all(pair.a, 0, 3);
	send_counted(pair.a, 1);
	settle(&pair, 1);
	check_range(pair.a, 4, 4);
	check_empty(pair.a);
	pair_close(&pair);
}

/* --- the message --- */

/* What recvmsg says with SPACE bytes for control: their number afterwards, MSG_CTRUNC, and the length in the header. */
static void check_space(const struct pair *pair, size_t space, size_t used, bool cut, size_t length, int level,
			int type)
{
	char control[128];
	struct sockaddr_storage name;
	struct msghdr message = {
		.msg_control = control, .msg_controllen = space, .msg_name = &name, .msg_namelen = sizeof(name)};
	struct cmsghdr *head = (struct cmsghdr *)control;

	send_counted(pair->a, 1);
	settle(pair, 1);
	CHECK_EQ(MUST(recvmsg(pair->a, &message, MSG_ERRQUEUE | MSG_CMSG_CLOEXEC | MSG_PEEK)), 0);
	CHECK_EQ(message.msg_flags, MSG_ERRQUEUE | MSG_CMSG_CLOEXEC | (cut ? MSG_CTRUNC : 0));
	CHECK_EQ(message.msg_controllen, used);
	CHECK_EQ(message.msg_namelen, 0);
	if (!length)
		return;
	CHECK_EQ(head->cmsg_len, length);
	CHECK_EQ(head->cmsg_level, level);
	CHECK_EQ(head->cmsg_type, type);
}

CASE(the_message_of_ipv4, tiny, tcp)
{
	struct pair pair = pair_counting(AF_INET);

	check_space(&pair, 128, 48, false, 48, SOL_IP, IP_RECVERR);
	check_space(&pair, 48, 48, false, 48, SOL_IP, IP_RECVERR);
	check_space(&pair, 40, 40, true, 40, SOL_IP, IP_RECVERR);
	check_space(&pair, 16, 16, true, 16, SOL_IP, IP_RECVERR);
	check_space(&pair, 8, 0, true, 0, 0, 0);
	check_space(&pair, 0, 0, true, 0, 0, 0);
	check_empty(pair.a);
	pair_close(&pair);
}

CASE(the_message_of_ipv6, tiny, tcp)
{
	struct pair pair = pair_counting(AF_INET6);

	check_space(&pair, 128, 64, false, 60, SOL_IPV6, IPV6_RECVERR);
	check_space(&pair, 60, 60, false, 60, SOL_IPV6, IPV6_RECVERR);
	check_space(&pair, 48, 48, true, 48, SOL_IPV6, IPV6_RECVERR);
	check_empty(pair.a);
	CHECK_CARRIED(pair.a, 24, 0);
	pair_close(&pair);
}

CASE(every_way_of_reading, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	char got[4], control[128];
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_control = control, .msg_controllen = sizeof(control)}}};

	send_counted(pair.a, 1);
	settle(&pair, 1);
	CHECK_EQ(recv(pair.a, got, sizeof(got), MSG_ERRQUEUE), 0);
	check_empty(pair.a);
	send_counted(pair.a, 1);
	settle(&pair, 1);
	CHECK_EQ(recvmmsg(pair.a, messages, 2, MSG_ERRQUEUE, NULL), 1);
	CHECK_EQ(messages[0].msg_len, 0);
	CHECK_EQ(messages[0].msg_hdr.msg_flags, MSG_ERRQUEUE);
	check_empty(pair.a);
	pair_close(&pair);
}

/* --- what it is to the stream --- */

CASE(the_stream_takes_no_notice, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	clock_t start;
	int64_t start_ms;
	char got;

	send_counted(pair.a, 1);
	settle(&pair, 1);
	CHECK_REVENTS(pair.a, POLLOUT | POLLERR);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_ERROR), 0);
	PUT(pair.a, "there");
	CHECK_GETS(pair.b, "there");
	PUT(pair.b, "back");
	CHECK_GETS(pair.a, "back");
	/* A blocked read sleeps. */
	kit_set_timeout(pair.a, SO_RCVTIMEO, 300);
	start_ms = kit_now_ms();
	start = clock();
	CHECK_FAILS(recv(pair.a, &got, 1, 0), EAGAIN);
	CHECK(clock() - start < CLOCKS_PER_SEC / 10);
	CHECK_LASTED(start_ms, 300);
	CHECK_FAILS(recv(pair.a, &got, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_REVENTS(pair.a, POLLOUT | POLLERR);
	check_range(pair.a, 0, 0);
	check_empty(pair.a);
	pair_close(&pair);
}

/* The same of what the kernel had to tell when the connection was promoted. */
CASE(an_old_notice_neither, tiny)
{
	struct pair pair = pair_new(AF_INET);
	clock_t start;
	char got;

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	send_counted(pair.a, 1);
	settle(&pair, 1);
	kit_promote(pair.a, pair.b);
	kit_set_timeout(pair.a, SO_RCVTIMEO, 300);
	start = clock();
	CHECK_FAILS(recv(pair.a, &got, 1, 0), EAGAIN);
	CHECK(clock() - start < CLOCKS_PER_SEC / 10);
	for (int i = 0; i < 20; i++) {
		PUT(pair.a, "there");
		CHECK_GETS(pair.b, "there");
		PUT(pair.b, "back");
		CHECK_GETS(pair.a, "back");
	}
	CHECK_REVENTS(pair.a, POLLOUT | POLLERR);
	check_range(pair.a, 0, 0);
	check_empty(pair.a);
	CHECK_CARRIED(pair.a, 100, 80);
	pair_close(&pair);
}

CASE(the_queue_outlives_a_reset, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	struct linger now = {1, 0};

	send_counted(pair.a, 2);
	settle(&pair, 2);
	MUST(setsockopt(pair.b, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	MUST(close(pair.b));
	kit_await(pair.a, POLLHUP);
	CHECK_REVENTS(pair.a, POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_ERROR), ECONNRESET);
	CHECK_REVENTS(pair.a, POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
	check_range(pair.a, 0, 1);
	CHECK_REVENTS(pair.a, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	MUST(close(pair.a));
}

/* --- readiness --- */

CASE(poll_and_select, tiny, tcp)
{
	struct pair pair = pair_counting(AF_INET);
	struct pollfd entry = {.fd = pair.a};
	fd_set in, out, except;

	send_counted(pair.a, 1);
	settle(&pair, 1);
	for (int i = 0; i < 2; i++) {
		entry.events = 0;
		CHECK_EQ(poll(&entry, 1, 1000), 1);
		CHECK_EQ(entry.revents, POLLERR);
		entry.events = POLLIN;
		CHECK_EQ(poll(&entry, 1, -1), 1);
		CHECK_EQ(entry.revents, POLLERR);
		entry.events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;
		CHECK_EQ(poll(&entry, 1, 0), 1);
		CHECK_EQ(entry.revents, POLLERR | POLLOUT);
	}
	FD_ZERO(&in);
	FD_SET(pair.a, &in);
	out = except = in;
	CHECK_EQ(select(pair.a + 1, &in, &out, &except, &(struct timeval){1, 0}), 2);
	CHECK(FD_ISSET(pair.a, &in) && FD_ISSET(pair.a, &out) && !FD_ISSET(pair.a, &except));
	FD_SET(pair.a, &except);
	CHECK_EQ(select(pair.a + 1, NULL, NULL, &except, &(struct timeval){0, 20000}), 0);
	check_range(pair.a, 0, 0);
	entry.events = 0;
	CHECK_EQ(poll(&entry, 1, 20), 0);
	pair_close(&pair);
}

struct watched {
	struct pair pair;
	int set;
};

static struct watched watch(uint32_t events)
{
	struct watched watched = {pair_counting(AF_INET), (int)MUST(epoll_create1(EPOLL_CLOEXEC))};
	struct epoll_event event = {.events = events};

	MUST(epoll_ctl(watched.set, EPOLL_CTL_ADD, watched.pair.a, &event));
	return watched;
}

static uint32_t events_of(const struct watched *watched, int timeout_ms)
{
	struct epoll_event event;

	return MUST(epoll_wait(watched->set, &event, 1, timeout_ms)) ? event.events : 0;
}

static void unwatch(struct watched *watched)
{
	MUST(close(watched->set));
	pair_close(&watched->pair);
}

#define SOON 5000
#define NOT_AGAIN 40

CASE(epoll_level, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN);

	CHECK_EQ(events_of(&watched, 0), 0);
	send_counted(watched.pair.a, 1);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(events_of(&watched, SOON), EPOLLERR);
	settle(&watched.pair, 1);
	check_range(watched.pair.a, 0, 0);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	send_counted(watched.pair.a, 1);
	CHECK_EQ(events_of(&watched, SOON), EPOLLERR);
	unwatch(&watched);
}

/* Every completion is an edge, one that only lengthens a range too; reading the queue is none. */
CASE(epoll_edge, tiny, tcp)
{
	struct watched watched = watch(EPOLLIN | EPOLLET);

	for (int i = 0; i < 3; i++) {
		send_counted(watched.pair.a, 1);
		CHECK_EQ(events_of(&watched, SOON), EPOLLERR);
		CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
		settle(&watched.pair, 1);
	}
	check_range(watched.pair.a, 0, 2);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	PUT(watched.pair.b, "x");
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN);
	send_counted(watched.pair.a, 1);
	CHECK_EQ(events_of(&watched, SOON), EPOLLIN | EPOLLERR);
	unwatch(&watched);
}

CASE(epoll_edge_of_all, tiny)
{
	struct watched watched = watch(EPOLLIN | EPOLLOUT | EPOLLET);

	CHECK_EQ(events_of(&watched, SOON), EPOLLOUT);
	send_counted(watched.pair.a, 1);
	CHECK_EQ(events_of(&watched, SOON), EPOLLOUT | EPOLLERR);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

CASE(epoll_oneshot, tiny)
{
	struct watched watched = watch(EPOLLIN | EPOLLONESHOT);
	struct epoll_event again = {.events = EPOLLIN | EPOLLONESHOT};

	send_counted(watched.pair.a, 1);
	CHECK_EQ(events_of(&watched, SOON), EPOLLERR);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	send_counted(watched.pair.a, 1);
	settle(&watched.pair, 2);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	MUST(epoll_ctl(watched.set, EPOLL_CTL_MOD, watched.pair.a, &again));
	CHECK_EQ(events_of(&watched, SOON), EPOLLERR);
	check_range(watched.pair.a, 0, 1);
	MUST(epoll_ctl(watched.set, EPOLL_CTL_MOD, watched.pair.a, &again));
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	unwatch(&watched);
}

/* Registered first, promoted then. */
CASE(epoll_across_the_promotion, tiny)
{
	struct watched watched = {pair_new(AF_INET), (int)MUST(epoll_create1(0))};
	struct epoll_event event = {.events = EPOLLPRI};

	MUST(epoll_ctl(watched.set, EPOLL_CTL_ADD, watched.pair.a, &event));
	kit_set_option(watched.pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	kit_promote(watched.pair.a, watched.pair.b);
	CHECK_EQ(events_of(&watched, NOT_AGAIN), 0);
	send_counted(watched.pair.a, 1);
	CHECK_EQ(events_of(&watched, SOON), EPOLLERR);
	unwatch(&watched);
}

static void *poll_for_error(void *argument)
{
	struct pollfd entry = {.fd = *(int *)argument, .events = POLLIN};

	CHECK_EQ(poll(&entry, 1, SOON), 1);
	CHECK_EQ(entry.revents, POLLERR);
	return NULL;
}

static void *epoll_for_error(void *argument)
{
	CHECK_EQ(events_of(argument, SOON), EPOLLERR);
	return NULL;
}

CASE(sleepers_are_woken, tiny)
{
	struct watched watched = watch(EPOLLIN);
	struct thread poller, waiter;

	thread_start(&poller, poll_for_error, &watched.pair.a);
	thread_await_asleep(&poller);
	thread_start(&waiter, epoll_for_error, &watched);
	thread_await_asleep(&waiter);
	send_counted(watched.pair.a, 1);
	thread_join(&poller);
	thread_join(&waiter);
	unwatch(&watched);
}

/* --- threads --- */

#define SENDS 200

static void *send_many(void *argument)
{
	send_counted(*(int *)argument, SENDS);
	return NULL;
}

CASE(two_senders, tiny)
{
	struct pair pair = pair_counting(AF_INET);
	struct thread one, two;
	unsigned done = 0;

	thread_start(&one, send_many, &pair.a);
	thread_start(&two, send_many, &pair.a);
	settle(&pair, 2 * SENDS);
	thread_join(&one);
	thread_join(&two);
	while (done < 2 * SENDS) {
		struct sock_extended_err notice = notice_get(pair.a);

		CHECK_EQ(notice.ee_info, done);
		done = notice.ee_data + 1;
	}
	CHECK_EQ(done, 2 * SENDS);
	check_empty(pair.a);
	pair_close(&pair);
}
