/* fork: a child uses its parent's connection, both do, servers fork before and after accept. */
#include "kit.h"

#include <stdatomic.h>
#include <sys/resource.h>

CASE(child_uses_the_connection, tiny, tcp)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		MUST(close(pair.a));
		CHECK_GETS(pair.b, "to the child");
		PUT(pair.b, "from the child");
		_exit(0);
	}
	MUST(close(pair.b));
	PUT(pair.a, "to the child");
	CHECK_GETS(pair.a, "from the child");
	CHECK_EOF(pair.a);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.a));
}

CASE(parent_goes_on_after_the_childs_turn, tiny, tcp)
{
	struct pair pair = PAIR;

	for (int i = 0; i < 10; i++) {
		pid_t pid = (pid_t)MUST(fork());
		if (pid == 0) {
			CHECK_GETS(pair.b, "child's");
			PUT(pair.b, "answer");
			_exit(0);
		}
		PUT(pair.a, "child's");
		CHECK_GETS(pair.a, "answer");
		CHECK_EXITS(pid, 0);
		PUT(pair.a, "parent's");
		CHECK_GETS(pair.b, "parent's");
		PUT(pair.b, "answer");
		CHECK_GETS(pair.a, "answer");
	}
	pair_close(&pair);
}

PEER(echo)
{
	char buffer[4096];
	ssize_t got;

	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

/* Parent and child hold one end and talk to the peer in turn. */
static void in_turn(bool fresh)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &echo, .fresh = fresh};
	int fd = peer_start(&peer), turns[2][2];
	char token = 't';
	pid_t pid;

	MUST(pipe(turns[0]));
	MUST(pipe(turns[1]));
	pid = (pid_t)MUST(fork());
	for (int i = 0; i < 200; i++) {
		int me = pid == 0;
		if (me || i)
			CHECK_EQ(read(turns[me][0], &token, 1), 1);
		kit_send_pattern(fd, 100, kit_seed() + (uint64_t)me, (uint64_t)i * 100);
		kit_recv_pattern(fd, 100, kit_seed() + (uint64_t)me, (uint64_t)i * 100);
		CHECK_EQ(write(turns[!me][1], &token, 1), 1);
	}
	if (pid == 0)
		_exit(0);
	CHECK_EXITS(pid, 0);
	/* From here on nobody else holds it: one that was not promoted yet may be, at its next attempt. */
	for (int i = 200; i < (fresh ? 3000 : 400); i++) {
		kit_send_pattern(fd, 100, kit_seed(), (uint64_t)i * 100);
		kit_recv_pattern(fd, 100, kit_seed(), (uint64_t)i * 100);
	}
	CHECK_CARRIED(fd, 100, 100);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(both_in_turn, tiny, tcp)
{
	in_turn(false);
}

CASE(both_in_turn_from_the_start, tiny)
{
	in_turn(true);
}

/* Writer W's bytes carry W in the top two bits and count on in the others: each byte must come once and in its writer's order,
 * however the writers' calls are mixed. */
#define BYTES_EACH 60000

static void write_counting(int fd, unsigned writer)
{
	unsigned char buffer[100];
	uint64_t random = kit_seed() + writer;

	for (unsigned at = 0; at < BYTES_EACH;) {
		size_t size = 1 + kit_random_below(&random, sizeof(buffer));
		if (size > BYTES_EACH - at)
			size = BYTES_EACH - at;
		for (size_t i = 0; i < size; i++)
			buffer[i] = (unsigned char)(writer << 6 | ((at + i) & 63));
		kit_put(fd, buffer, size);
		at += (unsigned)size;
	}
}

PEER(check_counting)
{
	unsigned next[4] = {0};
	unsigned char buffer[4096];

	for (long left = argument * BYTES_EACH; left;) {
		ssize_t got = MUST(recv(fd, buffer, sizeof(buffer), 0));
		CHECK(got > 0);
		for (ssize_t i = 0; i < got; i++) {
			unsigned writer = buffer[i] >> 6;
			if ((buffer[i] & 63u) != next[writer] % 64)
				FAIL("byte %u of writer %u counts %u", next[writer], writer, buffer[i] & 63u);
			next[writer]++;
		}
		left -= got;
	}
	for (long i = 0; i < argument; i++)
		CHECK_EQ(next[i], BYTES_EACH);
	PUT(fd, "all");
}

CASE(parent_and_children_write_at_once, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &check_counting, .argument = 3};
	int fd = peer_start(&peer);
	pid_t pids[2];

	for (unsigned i = 0; i < 2; i++) {
		pids[i] = (pid_t)MUST(fork());
		if (pids[i] == 0) {
			write_counting(fd, i);
			_exit(0);
		}
	}
	write_counting(fd, 2);
	for (int i = 0; i < 2; i++)
		CHECK_EXITS(pids[i], 0);
	CHECK_GETS(fd, "all");
	peer_join(&peer);
	MUST(close(fd));
}

PEER(send_pattern)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
}

static void tally(int fd, uint64_t counts[256])
{
	unsigned char buffer[64];
	ssize_t got;

	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		for (ssize_t i = 0; i < got; i++)
			counts[buffer[i]]++;
}

/* Parent and child read one end at once: every byte goes to exactly one of them. */
CASE(parent_and_child_read_at_once, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_pattern, .argument = 300000};
	int fd = peer_start(&peer), pipes[2];
	uint64_t mine[256] = {0}, theirs[256], total = 0;
	static unsigned char sent[300000];
	pid_t pid;

	MUST(pipe(pipes));
	pid = (pid_t)MUST(fork());
	tally(fd, mine);
	if (pid == 0) {
		CHECK_EQ(write(pipes[1], mine, sizeof(mine)), sizeof(mine));
		_exit(0);
	}
	CHECK_EQ(read(pipes[0], theirs, sizeof(theirs)), sizeof(theirs));
	kit_pattern(sent, sizeof(sent), kit_seed(), 0);
	for (int i = 0; i < 256; i++)
		total += mine[i] + theirs[i];
	CHECK_EQ(total, sizeof(sent));
	for (size_t i = 0; i < sizeof(sent); i++)
		mine[sent[i]]--;
	for (int i = 0; i < 256; i++)
		CHECK_EQ(mine[i] + theirs[i], 0);
	CHECK_EXITS(pid, 0);
	peer_join(&peer);
	MUST(close(fd));
}

/* One reads, the other writes: a common way to split a connection. */
CASE(child_reads_and_parent_writes, tiny, tcp)
{
	size_t size = MIB;
	struct peer peer = {.party = PARTY_PROCESS, .run = &echo};
	int fd = peer_start(&peer);
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		kit_recv_pattern(fd, size, kit_seed(), 0);
		CHECK_EOF(fd);
		_exit(0);
	}
	kit_send_pattern(fd, size, kit_seed(), 0);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EXITS(pid, 0);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(close_in_the_child_changes_nothing, tiny, tcp)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		pair_close(&pair);
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	CHECK_SILENT(pair.a);
	CHECK_SILENT(pair.b);
	PUT(pair.a, "still");
	CHECK_GETS(pair.b, "still");
	PUT(pair.b, "there");
	CHECK_GETS(pair.a, "there");
	pair_close(&pair);
}

CASE(exit_of_the_child_changes_nothing, tiny)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		PUT(pair.a, "from the child");
		exit(0);
	}
	CHECK_EXITS(pid, 0);
	CHECK_GETS(pair.b, "from the child");
	CHECK_SILENT(pair.b);
	PUT(pair.b, "still");
	CHECK_GETS(pair.a, "still");
	pair_close(&pair);
}

CASE(parent_closes_after_fork, tiny, tcp)
{
	struct pair pair = PAIR;
	int go[2];
	pid_t pid;

	MUST(pipe(go));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		MUST(close(pair.a));
		CHECK_EQ(read(go[0], &(char){0}, 1), 1);
		PUT(pair.b, "alive");
		CHECK_GETS(pair.b, "end");
		MUST(close(pair.b));
		_exit(0);
	}
	MUST(close(pair.b));
	CHECK_SILENT(pair.a);
	CHECK_EQ(write(go[1], "g", 1), 1);
	CHECK_GETS(pair.a, "alive");
	PUT(pair.a, "end");
	CHECK_EOF(pair.a);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.a));
}

CASE(shutdown_in_the_child_is_for_all, tiny, tcp)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		MUST(shutdown(pair.b, SHUT_WR));
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	CHECK_EOF(pair.a);
	CHECK_FAILS(send(pair.b, "x", 1, MSG_NOSIGNAL), EPIPE);
	PUT(pair.a, "other direction");
	CHECK_GETS(pair.b, "other direction");
	pair_close(&pair);
}

/* Forked before the first byte: both processes hold the end while it is promoted, or not. */
CASE(forked_before_the_first_byte, tiny, tcp)
{
	struct pair pair = pair_new(AF_INET);
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		for (int i = 0; i < 100; i++) {
			CHECK_GETS(pair.b, "ping");
			PUT(pair.b, "pong");
		}
		_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		PUT(pair.a, "ping");
		CHECK_GETS(pair.a, "pong");
	}
	CHECK_EXITS(pid, 0);
	PUT(pair.a, "to the parent");
	CHECK_GETS(pair.b, "to the parent");
	/* Nobody else holds it any more. */
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

CASE(grandchild_outlives_its_parent, tiny)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		MUST(setpgid(0, 0) == 0 || errno == EPERM ? 0 : -1);
		pid = (pid_t)MUST(fork());
		if (pid == 0) {
			MUST(close(pair.a));
			kit_sleep_ms(50);
			CHECK_GETS(pair.b, "to the daemon");
			PUT(pair.b, "from the daemon");
			_exit(0);
		}
		_exit(0);
	}
	MUST(close(pair.b));
	CHECK_EXITS(pid, 0);
	PUT(pair.a, "to the daemon");
	CHECK_GETS(pair.a, "from the daemon");
	CHECK_EOF(pair.a);
	MUST(close(pair.a));
}

static void serve(int listener, int connections)
{
	for (int i = 0; i < connections; i++) {
		int fd = (int)MUST(accept(listener, NULL, NULL));
		kit_promote_passive(fd);
		char buffer[256];
		ssize_t got;
		while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
			kit_put(fd, buffer, (size_t)got);
		MUST(close(fd));
	}
}

static void use_server(const struct sockaddr_storage *address)
{
	int fd = kit_connect(address);

	kit_promote_active(fd);
	for (uint64_t i = 0; i < 50; i++) {
		kit_send_pattern(fd, 100, kit_seed(), i * 100);
		kit_recv_pattern(fd, 100, kit_seed(), i * 100);
	}
	CHECK_CARRIED(fd, 5000, 5000);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	MUST(close(fd));
}

/* Workers forked before any connection accept on one listener. */
CASE(prefork_workers_accept, tiny, tcp)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address);
	pid_t workers[3];

	for (int i = 0; i < 3; i++) {
		workers[i] = (pid_t)MUST(fork());
		if (workers[i] == 0) {
			serve(listener, 1000);
			_exit(0);
		}
	}
	for (int i = 0; i < 20; i++)
		use_server(&address);
	for (int i = 0; i < 3; i++) {
		MUST(kill(workers[i], SIGTERM));
		kit_wait_killed(workers[i], SIGTERM);
	}
	MUST(close(listener));
}

/* A process a connection, forked after accept; the parent closes its copy. */
CASE(server_forks_after_accept, tiny, tcp)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address);
	pid_t server = (pid_t)MUST(fork());

	if (server == 0) {
		for (int i = 0; i < 10; i++) {
			int fd = (int)MUST(accept(listener, NULL, NULL));
			pid_t worker = (pid_t)MUST(fork());
			if (worker == 0) {
				MUST(close(listener));
				kit_promote_passive(fd);
				char buffer[256];
				ssize_t got;
				while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
					kit_put(fd, buffer, (size_t)got);
				_exit(0);
			}
			MUST(close(fd));
		}
		for (int i = 0; i < 10; i++)
			CHECK(MUST(wait(NULL)) > 0);
		_exit(0);
	}
	MUST(close(listener));
	for (int i = 0; i < 10; i++)
		use_server(&address);
	CHECK_EXITS(server, 0);
}

struct traffic {
	int fd;
	atomic_bool stop;
	uint64_t at;
};

static void *keep_traffic(void *argument)
{
	struct traffic *traffic = argument;

	while (!traffic->stop) {
		kit_send_pattern(traffic->fd, 200, kit_seed(), traffic->at);
		kit_recv_pattern(traffic->fd, 200, kit_seed(), traffic->at);
		traffic->at += 200;
	}
	return NULL;
}

/* fork in one thread while another is in the middle of an exchange. */
CASE(fork_during_traffic_of_another_thread, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &echo};
	struct traffic traffic = {.fd = peer_start(&peer)};
	struct thread thread;

	thread_start(&thread, keep_traffic, &traffic);
	for (int i = 0; i < 100; i++) {
		pid_t pid = (pid_t)MUST(fork());
		if (pid == 0) {
			/* A child of its own connections: they work though another thread may have been anywhere. */
			struct pair own = pair_new(AF_INET);
			PUT(own.a, "x");
			CHECK_GETS(own.b, "x");
			_exit(0);
		}
		CHECK_EXITS(pid, 0);
	}
	traffic.stop = true;
	thread_join(&thread);
	CHECK(traffic.at > 0);
	MUST(shutdown(traffic.fd, SHUT_WR));
	CHECK_EOF(traffic.fd);
	peer_join(&peer);
	MUST(close(traffic.fd));
}

CASE(child_makes_its_own_connections, tiny)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		for (int i = 0; i < 5; i++) {
			struct pair own = PAIR;
			PUT(own.a, "own");
			CHECK_GETS(own.b, "own");
			CHECK_CARRIED(own.a, 3, 0);
			pair_close(&own);
		}
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	struct pair own = PAIR;
	PUT(own.a, "own");
	CHECK_GETS(own.b, "own");
	pair_close(&own);
	PUT(pair.a, "old");
	CHECK_GETS(pair.b, "old");
	pair_close(&pair);
}

/* ---- a sibling that dies while it writes ---- */

PEER(drain)
{
	static char bytes[256 * KIB];

	while (MUST(recv(fd, bytes, sizeof(bytes), 0)) > 0)
		;
}

static void write_for_ever(void *argument)
{
	static char bytes[256 * KIB];

	for (;;)
		kit_put(*(int *)argument, bytes, sizeof(bytes));
}

/* Killed in the midst of a send, and not waited for yet. */
CASE(send_beside_a_killed_sibling)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &drain};
	int fd = peer_start(&peer);

	for (int i = 0; i < 100; i++) {
		pid_t pid = kit_fork(write_for_ever, &fd);
		int64_t start;

		kit_sleep_ms(2);
		MUST(kill(pid, SIGKILL));
		kit_sleep_ms(1);
		start = kit_now_ms();
		PUT(fd, "x");
		CHECK_LASTED(start, 0);
		kit_wait_killed(pid, SIGKILL);
	}
	MUST(close(fd));
	peer_join(&peer);
}

static void *sends_much(void *argument)
{
	kit_send_pattern(*(int *)argument, 512 * KIB, kit_seed(), 0);
	return NULL;
}

/* What a sibling takes back to TCP leaves room that no reader of the ring will tell of. */
CASE(sibling_sends_urgently_while_we_wait_for_room, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &drain};
	int fd = peer_start(&peer);
	struct thread thread;
	pid_t pid;

	MUST(kill(peer.pid, SIGSTOP));
	kit_await_stopped(peer.pid);
	if (kit_expect() == EXPECT_SHM)
		kit_fill(fd, kit_seed(), 0);
	thread_start(&thread, sends_much, &fd);
	kit_sleep_ms(50);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		send(fd, "!", 1, MSG_OOB | MSG_DONTWAIT);
		_exit(0);
	}
	CHECK_EXITS(pid, 0);
	MUST(kill(peer.pid, SIGCONT));
	thread_join(&thread);
	MUST(close(fd));
	peer_join(&peer);
}

/* Of a child that never was nothing stays behind. */
CASE(promoted_after_a_fork_that_failed, tiny, tcp)
{
	struct pair pair;

	/* Root may have as many processes as it likes. */
	if (geteuid() == 0)
		MUST(setresuid(65534, 65534, 65534));
	pair = pair_new(AF_INET);
	MUST(setrlimit(RLIMIT_NPROC, &(struct rlimit){0, 0}));
	CHECK_FAILS(fork(), EAGAIN);
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}
