/* Peers that are killed or stopped: the survivor sees what TCP shows, and never hangs. */
#include "kit.h"

PEER(send_for_ever)
{
	for (uint64_t at = 0;; at += 1000)
		kit_send_pattern(fd, 1000, kit_seed(), at);
}

PEER(sleep_for_ever)
{
	for (;;)
		pause();
}

PEER(read_for_ever)
{
	kit_drain_pattern(fd, kit_seed(), 0);
}

/* Whatever had been sent is a correct beginning of the stream; then the end, or a reset. */
static void read_to_the_death(int fd, uint64_t at)
{
	static char buffer[64 * KIB];
	ssize_t got;

	while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
		CHECK_PATTERN(buffer, (size_t)got, kit_seed(), at);
		at += (uint64_t)got;
	}
	if (got == -1)
		CHECK_EQ(errno, ECONNRESET);
}

CASE(killed_while_sending, tiny, tcp)
{
	for (int i = 0; i < 8; i++) {
		struct peer peer = {.party = i % 2 ? PARTY_PROCESS : PARTY_CHILD, .run = &send_for_ever};
		int fd = peer_start(&peer);
		kit_recv_pattern(fd, 20000, kit_seed(), 0);
		MUST(kill(peer.pid, SIGKILL));
		read_to_the_death(fd, 20000);
		kit_wait_killed(peer.pid, SIGKILL);
		MUST(close(fd));
	}
}

CASE(killed_while_its_buffer_was_full, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_for_ever};
	int fd = peer_start(&peer);

	kit_await_asleep(peer.pid);
	MUST(kill(peer.pid, SIGKILL));
	kit_wait_killed(peer.pid, SIGKILL);
	read_to_the_death(fd, 0);
	MUST(close(fd));
}

/* Bytes sent before the death are read, as TCP would deliver them. */
PEER(send_then_sleep)
{
	kit_send_pattern(fd, 200, kit_seed(), 0);
	for (;;)
		pause();
}

CASE(data_before_the_death_is_delivered, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_then_sleep};
	int fd = peer_start(&peer);
	char got[200];

	CHECK_EQ(MUST(recv(fd, got, 200, MSG_PEEK | MSG_WAITALL)), 200);
	MUST(kill(peer.pid, SIGKILL));
	kit_wait_killed(peer.pid, SIGKILL);
	kit_sleep_ms(20);
	kit_recv_pattern(fd, 200, kit_seed(), 0);
	CHECK_EOF(fd);
	MUST(close(fd));
}

CASE(killed_peer_of_a_blocked_reader, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &sleep_for_ever};
	int fd = peer_start(&peer);
	pid_t killer = (pid_t)MUST(fork());

	if (killer == 0) {
		kit_sleep_ms(80);
		MUST(kill(peer.pid, SIGKILL));
		_exit(0);
	}
	CHECK_EQ(recv(fd, &(char){0}, 1, 0), 0);
	CHECK_EXITS(killer, 0);
	kit_wait_killed(peer.pid, SIGKILL);
	MUST(close(fd));
}

CASE(killed_peer_of_a_blocked_writer, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &sleep_for_ever};
	int fd = peer_start(&peer);
	pid_t killer;

	kit_fill(fd, kit_seed(), 0);
	killer = (pid_t)MUST(fork());
	if (killer == 0) {
		MUST(close(fd));
		kit_sleep_ms(80);
		MUST(kill(peer.pid, SIGKILL));
		_exit(0);
	}
	/* Unread bytes at its death: TCP answers with a reset. */
	ssize_t sent = send(fd, "x", 1, MSG_NOSIGNAL);
	CHECK(sent == -1 && (errno == ECONNRESET || errno == EPIPE));
	CHECK_EXITS(killer, 0);
	kit_wait_killed(peer.pid, SIGKILL);
	MUST(close(fd));
}

CASE(killed_peer_in_an_endless_epoll_wait, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &sleep_for_ever};
	int fd = peer_start(&peer), set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	pid_t killer = (pid_t)MUST(fork());

	if (killer == 0) {
		kit_sleep_ms(80);
		MUST(kill(peer.pid, SIGKILL));
		_exit(0);
	}
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	CHECK_EQ(MUST(epoll_wait(set, &event, 1, -1)), 1);
	CHECK_EQ(event.events, EPOLLIN | EPOLLRDHUP);
	CHECK_EOF(fd);
	CHECK_EXITS(killer, 0);
	kit_wait_killed(peer.pid, SIGKILL);
	MUST(close(fd));
}

CASE(killed_peer_with_unread_data, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &sleep_for_ever};
	int fd = peer_start(&peer);

	PUT(fd, "never read");
	kit_await_delivered(fd);
	MUST(kill(peer.pid, SIGKILL));
	kit_wait_killed(peer.pid, SIGKILL);
	kit_await(fd, POLLERR);
	CHECK_FAILS(recv(fd, &(char){0}, 1, 0), ECONNRESET);
	MUST(close(fd));
}

CASE(writing_after_the_death, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &sleep_for_ever};
	int fd = peer_start(&peer);
	int64_t start;

	MUST(kill(peer.pid, SIGKILL));
	kit_wait_killed(peer.pid, SIGKILL);
	kit_await(fd, POLLRDHUP);
	start = kit_now_ms();
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1) {
		CHECK(kit_now_ms() - start < 3000);
		kit_sleep_ms(1);
	}
	CHECK(errno == EPIPE || errno == ECONNRESET);
	MUST(close(fd));
}

CASE(one_of_two_holders_killed, tiny)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		for (;;)
			pause();
	}
	MUST(kill(pid, SIGKILL));
	kit_wait_killed(pid, SIGKILL);
	CHECK_SILENT(pair.a);
	for (int i = 0; i < 100; i++) {
		PUT(pair.a, "there");
		CHECK_GETS(pair.b, "there");
		PUT(pair.b, "back");
		CHECK_GETS(pair.a, "back");
	}
	pair_close(&pair);
}

/* A holder dies in the middle of using the connection; the other goes on. What the dead one had under way is anyone's guess. */
CASE(holder_killed_in_the_middle_of_reading, tiny)
{
	for (int i = 0; i < 10; i++) {
		struct peer peer = {.party = PARTY_PROCESS, .run = &send_for_ever};
		int fd = peer_start(&peer);
		char buffer[1000];
		pid_t pid = (pid_t)MUST(fork());
		if (pid == 0) {
			for (;;)
				MUST(recv(fd, buffer, sizeof(buffer), 0));
		}
		kit_sleep_ms(3 + i);
		MUST(kill(pid, SIGKILL));
		kit_wait_killed(pid, SIGKILL);
		for (int reads = 0; reads < 100; reads++)
			CHECK(MUST(recv(fd, buffer, sizeof(buffer), 0)) > 0);
		MUST(kill(peer.pid, SIGKILL));
		kit_wait_killed(peer.pid, SIGKILL);
		MUST(close(fd));
	}
}

CASE(holder_killed_in_the_middle_of_writing, tiny)
{
	for (int i = 0; i < 10; i++) {
		struct pair pair = PAIR;
		static char buffer[1000];
		int64_t until;
		pid_t pid = (pid_t)MUST(fork());
		if (pid == 0) {
			MUST(close(pair.a));
			for (;;)
				MUST(send(pair.b, buffer, sizeof(buffer), 0));
		}
		until = kit_now_ms() + 3 + i;
		while (kit_now_ms() < until)
			CHECK(MUST(recv(pair.a, buffer, sizeof(buffer), 0)) > 0);
		MUST(kill(pid, SIGKILL));
		kit_wait_killed(pid, SIGKILL);
		/* Our own mark comes through after whatever the dead one had sent. */
		memset(buffer, 0, sizeof(buffer));
		while (recv(pair.a, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
			;
		PUT(pair.b, "!");
		do
			CHECK(MUST(recv(pair.a, buffer, 1, 0)) == 1);
		while (buffer[0] != '!');
		pair_close(&pair);
	}
}

PEER(echo)
{
	char buffer[4096];
	ssize_t got;

	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

CASE(stopped_and_continued_peer, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &echo};
	int fd = peer_start(&peer);

	for (uint64_t i = 0; i < 10; i++) {
		MUST(kill(peer.pid, SIGSTOP));
		kit_await_stopped(peer.pid);
		kit_send_pattern(fd, 100, kit_seed(), i * 100);
		CHECK_SILENT(fd);
		MUST(kill(peer.pid, SIGCONT));
		kit_recv_pattern(fd, 100, kit_seed(), i * 100);
	}
	MUST(shutdown(fd, SHUT_WR));
	peer_join(&peer);
	MUST(close(fd));
}

CASE(stopped_peer_of_a_blocked_writer, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &read_for_ever};
	int fd = peer_start(&peer);
	uint64_t filled;
	pid_t helper;

	MUST(kill(peer.pid, SIGSTOP));
	kit_await_stopped(peer.pid);
	filled = kit_fill(fd, kit_seed(), 0);
	kit_set_timeout(fd, SO_SNDTIMEO, 50);
	CHECK_FAILS(send(fd, "x", 1, 0), EAGAIN);
	kit_set_timeout(fd, SO_SNDTIMEO, 0);
	helper = (pid_t)MUST(fork());
	if (helper == 0) {
		kit_sleep_ms(80);
		MUST(kill(peer.pid, SIGCONT));
		_exit(0);
	}
	kit_send_pattern(fd, 10000, kit_seed(), filled);
	CHECK_EXITS(helper, 0);
	MUST(shutdown(fd, SHUT_WR));
	peer_join(&peer);
	MUST(close(fd));
}

CASE(stopped_peer_then_killed, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &echo};
	int fd = peer_start(&peer);

	MUST(kill(peer.pid, SIGSTOP));
	kit_await_stopped(peer.pid);
	PUT(fd, "unread");
	kit_await_delivered(fd);
	MUST(kill(peer.pid, SIGKILL));
	kit_wait_killed(peer.pid, SIGKILL);
	kit_await(fd, POLLERR);
	CHECK_FAILS(recv(fd, &(char){0}, 1, 0), ECONNRESET);
	MUST(close(fd));
}

/* A peer killed at a random moment of its first exchanges, while the connection is being promoted; where none lived long enough for that, later. */
CASE(killed_during_promotion, tiny, tcp)
{
	uint64_t random = kit_seed();
	int promoted = kit_expect() != EXPECT_SHM;

	for (int i = 0; i < 30 || (!promoted && i < 300); i++) {
		struct peer peer = {.party = PARTY_PROCESS, .run = &echo, .fresh = true};
		int fd = peer_start(&peer);
		struct rdma_carrier carrier;
		int64_t until = kit_now_ms() + (int64_t)kit_random_below(&random, 6 + (uint64_t)i / 8);
		bool killed = false;
		char byte;
		for (;;) {
			if (!killed && kit_now_ms() >= until) {
				MUST(kill(peer.pid, SIGKILL));
				killed = true;
			}
			if (send(fd, "x", 1, MSG_NOSIGNAL) == -1 || recv(fd, &byte, 1, 0) != 1)
				break;
		}
		CHECK(killed);
		promoted += kit_carrier(fd, &carrier) && carrier.shm_send_bytes;
		kit_wait_killed(peer.pid, SIGKILL);
		MUST(close(fd));
	}
	CHECK(promoted);
}
