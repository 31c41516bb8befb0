/* Exactly which events poll, select and epoll report in every state of a connection, seen from both ends. */
#include "kit.h"

#include <sys/select.h>

enum action {
	END,
	A_WRITES,
	A_SHUTS_WRITING,
	A_SHUTS_READING,
	A_SHUTS_BOTH,
	B_SHUTS_WRITING,
	B_SHUTS_READING,
	B_CLOSES,
	B_RESETS,
	B_READS,
	A_READS,
	B_WRITES
};

static void act(struct pair *pair, enum action action)
{
	struct linger now = {1, 0};
	char got[16];

	switch (action) {
	case A_WRITES:
		PUT(pair->a, "a");
		kit_await(pair->b, POLLIN);
		break;
	case B_WRITES:
		PUT(pair->b, "b");
		kit_await(pair->a, POLLIN);
		break;
	case A_READS:
		MUST(recv(pair->a, got, sizeof(got), 0));
		break;
	case B_READS:
		MUST(recv(pair->b, got, sizeof(got), 0));
		break;
	case A_SHUTS_WRITING:
		MUST(shutdown(pair->a, SHUT_WR));
		break;
	case A_SHUTS_READING:
		MUST(shutdown(pair->a, SHUT_RD));
		break;
	case A_SHUTS_BOTH:
		MUST(shutdown(pair->a, SHUT_RDWR));
		break;
	case B_SHUTS_WRITING:
		MUST(shutdown(pair->b, SHUT_WR));
		break;
	case B_SHUTS_READING:
		MUST(shutdown(pair->b, SHUT_RD));
		break;
	case B_RESETS:
		MUST(setsockopt(pair->b, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
		/* fall through */
	case B_CLOSES:
		MUST(close(pair->b));
		pair->b = -1;
		break;
	case END:
		break;
	}
}

/* What select says of FD: bit 0 readable, 1 writable, 2 exceptional. */
static int select_of(int fd)
{
	fd_set in, out, except;

	FD_ZERO(&in);
	FD_SET(fd, &in);
	out = except = in;
	MUST(select(fd + 1, &in, &out, &except, &(struct timeval){0, 0}));
	return FD_ISSET(fd, &in) | FD_ISSET(fd, &out) << 1 | FD_ISSET(fd, &except) << 2;
}

static void check_end(int fd, short want)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP};
	int set = (int)MUST(epoll_create1(0)), readable, writable, count;

	CHECK_REVENTS(fd, want);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	for (int i = 0; i < 2; i++) {
		event.events = 0;
		count = (int)MUST(epoll_wait(set, &event, 1, 0));
		CHECK_EQ(count, want ? 1 : 0);
		CHECK_EQ(event.events, (uint32_t)want);
	}
	MUST(close(set));
	readable = want & (POLLIN | POLLHUP | POLLERR) ? 1 : 0;
	writable = want & (POLLOUT | POLLERR) ? 2 : 0;
	CHECK_EQ(select_of(fd), readable | writable | (want & POLLPRI ? 4 : 0));
}

/* Does the actions in order, then checks both ends (B only if still open). */
static void check_state(const enum action *actions, short want_a, short want_b)
{
	struct pair pair = PAIR;

	for (; *actions != END; actions++)
		act(&pair, *actions);
	check_end(pair.a, want_a);
	if (pair.b != -1) {
		check_end(pair.b, want_b);
		MUST(close(pair.b));
	}
	MUST(close(pair.a));
}

#define ENDED (POLLIN | POLLOUT | POLLRDHUP)

CASE(fresh, tiny, tcp)
{
	check_state((const enum action[]){END}, POLLOUT, POLLOUT);
}

CASE(data_waiting, tiny, tcp)
{
	check_state((const enum action[]){A_WRITES, END}, POLLOUT, POLLIN | POLLOUT);
}

CASE(data_taken, tiny)
{
	check_state((const enum action[]){A_WRITES, B_READS, END}, POLLOUT, POLLOUT);
}

CASE(one_half_closed, tiny, tcp)
{
	check_state((const enum action[]){A_SHUTS_WRITING, END}, POLLOUT, ENDED);
}

CASE(half_closed_and_end_read, tiny)
{
	check_state((const enum action[]){A_SHUTS_WRITING, B_READS, END}, POLLOUT, ENDED);
}

CASE(half_closed_with_data_before, tiny)
{
	check_state((const enum action[]){A_WRITES, A_SHUTS_WRITING, END}, POLLOUT, ENDED);
}

CASE(half_closed_and_data_back, tiny)
{
	check_state((const enum action[]){A_SHUTS_WRITING, B_WRITES, END}, POLLIN | POLLOUT, ENDED);
}

CASE(both_half_closed, tiny, tcp)
{
	check_state((const enum action[]){A_SHUTS_WRITING, B_SHUTS_WRITING, END}, ENDED | POLLHUP, ENDED | POLLHUP);
}

CASE(both_half_closed_the_other_order, tiny)
{
	check_state((const enum action[]){B_SHUTS_WRITING, A_SHUTS_WRITING, END}, ENDED | POLLHUP, ENDED | POLLHUP);
}

CASE(both_half_closed_with_data, tiny)
{
	check_state((const enum action[]){A_WRITES, B_WRITES, A_SHUTS_WRITING, B_SHUTS_WRITING, END}, ENDED | POLLHUP,
		    ENDED | POLLHUP);
}

CASE(reading_shut_here, tiny)
{
	check_state((const enum action[]){A_SHUTS_READING, END}, ENDED, POLLOUT);
}

CASE(reading_shut_at_both_ends, tiny)
{
	check_state((const enum action[]){A_SHUTS_READING, B_SHUTS_READING, END}, ENDED, ENDED);
}

CASE(both_shut_here, tiny, tcp)
{
	check_state((const enum action[]){A_SHUTS_BOTH, END}, ENDED | POLLHUP, ENDED);
}

CASE(both_shut_here_in_two_steps, tiny)
{
	check_state((const enum action[]){A_SHUTS_READING, A_SHUTS_WRITING, END}, ENDED | POLLHUP, ENDED);
}

CASE(writing_shut_here_and_reading_shut_there, tiny)
{
	check_state((const enum action[]){A_SHUTS_WRITING, B_SHUTS_READING, END}, POLLOUT, ENDED);
}

CASE(peer_closed, tiny, tcp)
{
	check_state((const enum action[]){B_CLOSES, END}, ENDED, 0);
}

CASE(peer_closed_after_writing, tiny)
{
	check_state((const enum action[]){B_WRITES, B_CLOSES, END}, ENDED, 0);
}

CASE(peer_closed_after_own_half_close, tiny)
{
	check_state((const enum action[]){A_SHUTS_WRITING, B_CLOSES, END}, ENDED | POLLHUP, 0);
}

CASE(peer_half_closed_then_closed, tiny)
{
	check_state((const enum action[]){B_SHUTS_WRITING, B_CLOSES, END}, ENDED, 0);
}

CASE(peer_reset, tiny, tcp)
{
	check_state((const enum action[]){B_RESETS, END}, ENDED | POLLHUP | POLLERR, 0);
}

CASE(peer_reset_after_half_close, tiny)
{
	check_state((const enum action[]){A_SHUTS_WRITING, B_RESETS, END}, ENDED | POLLHUP | POLLERR, 0);
}

CASE(peer_reset_with_data_waiting, tiny)
{
	check_state((const enum action[]){B_WRITES, B_RESETS, END}, ENDED | POLLHUP | POLLERR, 0);
}

CASE(peer_closed_with_unread_data, tiny, tcp)
{
	check_state((const enum action[]){A_WRITES, B_CLOSES, END}, ENDED | POLLHUP | POLLERR, 0);
}

CASE(peer_reset_and_error_read, tiny)
{
	struct pair pair = PAIR;

	act(&pair, B_RESETS);
	kit_await(pair.a, POLLERR);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_ERROR), ECONNRESET);
	check_end(pair.a, ENDED | POLLHUP);
	MUST(close(pair.a));
}

CASE(full, tiny, tcp)
{
	struct pair pair = PAIR;
	uint64_t filled = kit_fill(pair.a, kit_seed(), 0);

	check_end(pair.a, 0);
	check_end(pair.b, POLLIN | POLLOUT);
	PUT(pair.b, "x");
	kit_await(pair.a, POLLIN);
	check_end(pair.a, POLLIN);
	kit_recv_pattern(pair.b, filled, kit_seed(), 0);
	kit_await(pair.a, POLLOUT);
	check_end(pair.a, POLLIN | POLLOUT);
	pair_close(&pair);
}

/* Only what was asked for, and HUP and ERR in any case. */
CASE(only_what_was_asked_for, tiny, tcp)
{
	struct pair pair = PAIR;
	struct pollfd entry = {.fd = pair.a, .events = 0};

	PUT(pair.b, "x");
	kit_await(pair.a, POLLIN);
	CHECK_EQ(poll(&entry, 1, 20), 0);
	entry.events = POLLRDNORM;
	CHECK_EQ(poll(&entry, 1, 1000), 1);
	CHECK_EQ(entry.revents, POLLRDNORM);
	entry.events = POLLWRNORM;
	CHECK_EQ(poll(&entry, 1, 1000), 1);
	CHECK_EQ(entry.revents, POLLWRNORM);
	entry.events = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDBAND | POLLWRBAND | POLLPRI;
	CHECK_EQ(poll(&entry, 1, 1000), 1);
	CHECK_EQ(entry.revents, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	MUST(shutdown(pair.b, SHUT_WR));
	MUST(shutdown(pair.a, SHUT_WR));
	entry.events = 0;
	CHECK_EQ(poll(&entry, 1, 1000), 1);
	CHECK_EQ(entry.revents, POLLHUP);
	pair_close(&pair);
}
