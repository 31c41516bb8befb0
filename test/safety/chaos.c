/* Chaos: honest servers and clients with checked traffic, of which random ones are killed, stopped, and left without descriptors, with
 * rings of random size. Survivors see what TCP shows: an end, a reset, or the right bytes; and nobody hangs.
 *
 * chaos [--seconds N] [--seed S]; SAFETY_PRELOAD is what the programs run with. The seed decides what is done to whom, not when
 * the machine lets it happen. */
#include "stage.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define SERVERS 2
#define CLIENTS 4
#define ACTORS (SERVERS + CLIENTS)
#define CONNECTIONS 3
#define STORM_MS 1200
#define CALM_MS 30000 /* the longest that a client may take for its next rounds when all run */
#define CALM_ROUNDS 3
#define TABLE_FD 200 /* where a client finds the table */

/* What a client tells the driver; survives it. */
struct told {
	uint64_t rounds;   /* whose bytes came back right */
	uint64_t promoted; /* connections that both ways went through shared memory */
	uint64_t resets, ends;
	uint32_t port[SERVERS];
};

struct actor {
	pid_t pid;
	int in;
	bool stopped;
	uint64_t before;
};

static struct told *table;
static struct actor actors[ACTORS];
static uint64_t random_state, seed;
static uint16_t ports[SERVERS];
static uint64_t kills, stops, starved;

/* --- the client --- */

/* What a connection may show when its peer was killed. */
static bool is_death(int error)
{
	return error == ECONNRESET || error == EPIPE || error == ECONNREFUSED || error == ETIMEDOUT ||
	       error == ECONNABORTED;
}

static bool is_starved(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

struct line {
	int fd; /* -1: none */
	uint64_t seed, at;
};

static _Noreturn void wrong(const char *what, const struct line *l)
{
	int error = errno;

	fprintf(stderr, "client %d: %s at byte %llu, errno %d (%s)\n", getpid(), what, (unsigned long long)l->at, error,
		strerror(error));
	kit_carriers_print();
	_exit(3);
}

/* Sends and takes back SIZE bytes. False: the peer is gone. */
static bool round_trip(struct line *l, size_t size, struct told *told)
{
	static char out[64 * KIB], in[64 * KIB], want[64 * KIB];
	size_t sent = 0, got = 0;

	kit_pattern(out, size, l->seed, l->at);
	memcpy(want, out, size);
	while (got < size) {
		struct pollfd entry = {.fd = l->fd, .events = (short)(POLLIN | (sent < size ? POLLOUT : 0))};
		ssize_t n;

		if (poll(&entry, 1, -1) == -1) {
			if (errno == EINTR)
				continue;
			wrong("poll", l);
		}
		if (sent < size && (entry.revents & POLLOUT)) {
			n = send(l->fd, out + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n > 0)
				sent += (size_t)n;
			else if (errno != EAGAIN && !is_death(errno))
				wrong("send", l);
			else if (errno != EAGAIN)
				break;
		}
		if (entry.revents & ~POLLOUT) {
			n = recv(l->fd, in, size - got, MSG_DONTWAIT);
			if (n == 0) {
				told->ends++;
				return false;
			}
			if (n == -1 && errno == EAGAIN)
				continue;
			if (n == -1 && !is_death(errno))
				wrong("recv", l);
			if (n == -1)
				break;
			if (memcmp(in, want + got, (size_t)n) != 0)
				wrong("wrong bytes", l);
			got += (size_t)n;
		}
	}
	if (got < size) {
		told->resets++;
		return false;
	}
	l->at += size;
	return true;
}

static void line_close(struct line *l, struct told *told, bool politely)
{
	struct rdma_carrier carrier;
	char byte;

	if (kit_carrier(l->fd, &carrier) && carrier.shm_send_bytes && carrier.shm_recv_bytes)
		told->promoted++;
	if (politely && shutdown(l->fd, SHUT_WR) == 0) {
		ssize_t n = recv(l->fd, &byte, 1, 0);

		if (n > 0 || (n == -1 && !is_death(errno)))
			wrong("after the end", l);
	}
	close(l->fd);
	l->fd = -1;
}

static void line_open(struct line *l, uint16_t port, uint64_t line_seed)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*l = (struct line){.fd = fd, .seed = line_seed};
	if (fd == -1 && is_starved(errno))
		return;
	if (fd == -1)
		wrong("socket", l);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return;
	if (!is_death(errno) && errno != EADDRNOTAVAIL && !is_starved(errno))
		wrong("connect", l);
	close(fd);
	l->fd = -1;
}

static void on_question(int signal __attribute__((unused)))
{
	kit_carriers_print();
}

/* chaos_client SLOT SEED */
PROGRAM(chaos_client)
{
	struct told *told = mmap(NULL, CLIENTS * sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED, TABLE_FD, 0);
	uint64_t random = strtoull(argv[1], NULL, 0);
	struct line lines[CONNECTIONS];

	CHECK(argc == 2 && told != MAP_FAILED);
	told += atoi(argv[0]);
	signal(SIGRTMAX, on_question);
	for (int i = 0; i < CONNECTIONS; i++)
		lines[i].fd = -1;
	for (;;) {
		struct line *l = &lines[kit_random_below(&random, CONNECTIONS)];
		struct pollfd input = {.fd = 0, .events = POLLIN};
		size_t limit = kit_random_below(&random, 8) ? 2000 : 60000;

		if (poll(&input, 1, 0) > 0)
			return 0;
		if (l->fd == -1)
			line_open(l, (uint16_t)told->port[kit_random_below(&random, SERVERS)], kit_random(&random));
		if (l->fd == -1) {
			kit_sleep_ms(2);
			continue;
		}
		if (!round_trip(l, 1 + kit_random_below(&random, limit), told))
			line_close(l, told, false);
		else if (__atomic_add_fetch(&told->rounds, 1, __ATOMIC_RELAXED) && kit_random_below(&random, 100) == 0)
			line_close(l, told, kit_random(&random) & 1);
	}
}

/* --- the driver --- */

static size_t below(size_t limit)
{
	return kit_random_below(&random_state, limit);
}

static void actor_start(int i)
{
	static const char *const rings[] = {"", ",ring_size=64", ",ring_size=256", ",ring_size=4096"};
	static const char *const polls[] = {"", ",polling_time=0", ",polling_time=200"};
	char setting[128], a[32], b[32];
	struct actor *actor = &actors[i];

	snprintf(setting, sizeof(setting), "promote_after_calls=%zu%s%s", 1 + below(3), rings[below(4)],
		 polls[below(3)]);
	setenv("RSOCKET_SET", setting, 1);
	*actor = (struct actor){0};
	if (i < SERVERS) {
		char byte;
		int out;

		snprintf(a, sizeof(a), "%u", ports[i]);
		actor->pid = stage_program("server", a, i % 2 ? "threads" : "epoll", NULL, &actor->in, &out);
		if (read(out, &byte, 1) != 1)
			FAIL("server %d did not start; seed %llu", i, (unsigned long long)seed);
		close(out);
	} else {
		snprintf(a, sizeof(a), "%d", i - SERVERS);
		snprintf(b, sizeof(b), "%llu", (unsigned long long)kit_random(&random_state));
		actor->pid = stage_program("chaos_client", a, b, NULL, &actor->in, NULL);
	}
	/* A check that fails there ends its own process group only. */
	setpgid(actor->pid, actor->pid);
}

static void command(const char *format, int pid)
{
	char text[256];

	snprintf(text, sizeof(text), format, pid, pid, pid, pid);
	if (system(text) == -1)
		kit_note("no shell");
}

/* What every process does at this moment, and what the kernel knows of their connections. */
static void dump(void)
{
	for (int i = 0; i < ACTORS; i++) {
		kit_note("%s %d, pid %d%s", i < SERVERS ? "server" : "client", i, actors[i].pid,
			 actors[i].stopped ? ", stopped" : "");
		command("head -c 300 /proc/%d/stat >&2; for t in /proc/%d/task/*; do cat $t/wchan >&2; echo >&2; done; "
			"ls -l /proc/%d/fd >&2",
			actors[i].pid);
		if (i >= SERVERS)
			kill(actors[i].pid, SIGRTMAX);
		if (getenv("KIT_GDB"))
			command("timeout 20 gdb -p %d -batch -nx -ex 'thread apply all bt 16' >&2 2>/dev/null",
				actors[i].pid);
	}
	command("ss -tnpi >&2; cat /proc/net/unix >&2", 0);
	kit_sleep_ms(300);
}

static _Noreturn void fail(const char *what, int i)
{
	kit_note("%s: %s %d; seed %llu", what, i < SERVERS ? "server" : "client", i, (unsigned long long)seed);
	dump();
	for (int k = 0; k < ACTORS; k++)
		if (actors[k].pid > 0)
			kill(actors[k].pid, SIGKILL);
	exit(1);
}

static void actor_kill(int i)
{
	int status;

	kill(actors[i].pid, SIGKILL);
	MUST(waitpid(actors[i].pid, &status, 0));
	/* One that had found something wrong by itself was quicker. */
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail("ended by itself", i);
	close(actors[i].in);
	actors[i].pid = 0;
	kills++;
}

static void check_alive(void)
{
	for (int i = 0; i < ACTORS; i++) {
		int status;

		if (actors[i].pid && waitpid(actors[i].pid, &status, WNOHANG) != 0) {
			kit_note("status 0x%x", status);
			fail("ended by itself", i);
		}
	}
}

static void limit_descriptors(int i, rlim_t limit)
{
	struct rlimit now;

	if (prlimit(actors[i].pid, RLIMIT_NOFILE, NULL, &now) == 0) {
		now.rlim_cur = limit ? limit : now.rlim_max;
		prlimit(actors[i].pid, RLIMIT_NOFILE, &now, NULL);
	}
}

static void storm_step(void)
{
	int i = (int)below(ACTORS);
	size_t what = below(100);

	if (!actors[i].pid) {
		if (what < 30)
			actor_start(i);
	} else if (what < 12) {
		actor_kill(i);
	} else if (what < 45) {
		kill(actors[i].pid, SIGSTOP);
		actors[i].stopped = true;
		stops++;
	} else if (what < 90) {
		kill(actors[i].pid, SIGCONT);
		actors[i].stopped = false;
	} else {
		limit_descriptors(i, 4 + below(24));
		starved++;
	}
	kit_sleep_ms((int)below(25));
}

/* Everybody runs and has what he needs: every client gets on. */
static void calm(void)
{
	int64_t start = kit_now_ms();

	for (int i = 0; i < ACTORS; i++) {
		if (!actors[i].pid)
			actor_start(i);
		limit_descriptors(i, 0);
		kill(actors[i].pid, SIGCONT);
		actors[i].stopped = false;
	}
	for (int i = SERVERS; i < ACTORS; i++)
		actors[i].before = __atomic_load_n(&table[i - SERVERS].rounds, __ATOMIC_RELAXED);
	for (int i = SERVERS; i < ACTORS; i++)
		while (__atomic_load_n(&table[i - SERVERS].rounds, __ATOMIC_RELAXED) < actors[i].before + CALM_ROUNDS) {
			check_alive();
			if (kit_now_ms() - start > CALM_MS)
				fail("hangs", i);
			kit_sleep_ms(2);
		}
}

static void finish(void)
{
	for (int i = ACTORS - 1; i >= 0; i--) {
		int64_t start = kit_now_ms();
		int status;

		close(actors[i].in);
		while (waitpid(actors[i].pid, &status, WNOHANG) == 0) {
			if (kit_now_ms() - start > CALM_MS)
				fail("does not end", i);
			kit_sleep_ms(2);
		}
		if (status != 0)
			fail("ended badly", i);
		actors[i].pid = 0;
	}
	CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
}

/* Names in DIRECTORY that could be ours, but for those of other tests. */
static int count_names(const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *e;
	int count = 0;

	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, "rsocket", 7) == 0 && strncmp(e->d_name, "rsocket-test-", 13) != 0)
			count++;
	if (d)
		closedir(d);
	return count;
}

/* Ours alone, so that what is left there is ours; else names with our ports in them. */
static bool own_network(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (unshare(CLONE_NEWNET) == -1)
		return false;
	fd = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0));
	MUST(ioctl(fd, SIOCSIFFLAGS, &lo));
	MUST(close(fd));
	return true;
}

static void check_no_names(bool alone)
{
	FILE *list = fopen("/proc/net/unix", "re");
	char line[512];

	CHECK(list);
	while (fgets(line, sizeof(line), list)) {
		bool ours = alone && strstr(line, "@rs");

		for (int i = 0; i < SERVERS && !ours; i++) {
			char port[64];

			snprintf(port, sizeof(port), "%024d%04x", 0, ports[i]);
			ours = strstr(line, "@rsocket-1-") && strstr(line, port);
		}
		if (ours)
			FAIL("left behind: %s", line);
	}
	fclose(list);
}

int main(int argc, char **argv)
{
	int seconds = 30, shm = count_names("/dev/shm"), tmp = count_names("/tmp"), fd;
	int64_t end;
	uint64_t rounds = 0, promoted = 0, resets = 0, ends = 0;
	bool alone;

	if (argc >= 3 && strcmp(argv[1], "--program") == 0)
		return kit_peer_main(argc - 2, argv + 2);
	for (int i = 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], "--seconds") == 0)
			seconds = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--seed") == 0)
			setenv("KIT_SEED", argv[i + 1], 1);
	seed = random_state = kit_seed();
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	alone = own_network();
	fd = (int)MUST(memfd_create("chaos", 0));
	MUST(ftruncate(fd, CLIENTS * sizeof(*table)));
	MUST(dup2(fd, TABLE_FD));
	MUST(close(fd));
	table = mmap(NULL, CLIENTS * sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, TABLE_FD, 0);
	CHECK(table != MAP_FAILED);
	ports[0] = stage_port(true);
	ports[1] = stage_port(false);
	for (int i = 0; i < CLIENTS; i++)
		for (int k = 0; k < SERVERS; k++)
			table[i].port[k] = ports[k];
	end = kit_now_ms() + seconds * 1000;
	for (int i = 0; i < ACTORS; i++)
		actor_start(i);
	while (kit_now_ms() < end) {
		int64_t storm_end = kit_now_ms() + STORM_MS;

		while (kit_now_ms() < storm_end) {
			check_alive();
			storm_step();
		}
		calm();
	}
	finish();
	for (int i = 0; i < CLIENTS; i++) {
		rounds += table[i].rounds;
		promoted += table[i].promoted;
		resets += table[i].resets;
		ends += table[i].ends;
	}
	kit_note("%llu rounds, %llu promoted connections; %llu kills, %llu stops, %llu starved; %llu ends, %llu resets "
		 "seen",
		 (unsigned long long)rounds, (unsigned long long)promoted, (unsigned long long)kills,
		 (unsigned long long)stops, (unsigned long long)starved, (unsigned long long)ends,
		 (unsigned long long)resets);
	CHECK(promoted > 0 && kills > 0);
	check_no_names(alone);
	CHECK(count_names("/dev/shm") <= shm && count_names("/tmp") <= tmp);
	return 0;
}
