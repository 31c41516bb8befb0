/* Peers that break the rules of placement by message: they met us politely, then speak core/wire.h by themselves. Only their own connection
 * suffers: no crash, no hang, no byte outside their maps, and others are served meanwhile. */
#include "placement.h"

#include "wire.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/un.h>

#define BYTES 8192
#define ATTACKS 9
#define ROUNDS 6            /* of each attack */
#define SPARE_DESCRIPTORS 2 /* helper sockets that are made on first use and kept */

/* The two sockets between a process and its peer: one for its questions, one for the peer's; who tries both needs not know which. */
static int find_ways(int ways[2])
{
	DIR *open = opendir("/proc/self/fd");
	struct dirent *entry;
	int found = 0;

	CHECK(open);
	while ((entry = readdir(open)) && found < 2) {
		int fd = atoi(entry->d_name), domain = 0, type = 0;
		struct sockaddr_storage peer;
		socklen_t size = sizeof(domain);

		if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
		    syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET) {
			size = sizeof(peer);
			if (syscall(SYS_getpeername, fd, &peer, &size) == 0)
				ways[found++] = fd;
		}
	}
	closedir(open);
	return found;
}

static ssize_t pass(int way, const void *message, size_t size, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)message, size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	}
	return syscall(SYS_sendmsg, way, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A socket that waits in close, for half a minute, for whoever closes its last copy. */
static int lingering(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	const struct linger linger = {.l_onoff = 1, .l_linger = 30};
	int listener = (int)MUST(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0)), fd;
	static char bytes[4 * MIB];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(syscall(SYS_bind, listener, &address, size));
	MUST(syscall(SYS_listen, listener, 1));
	MUST(syscall(SYS_getsockname, listener, &address, &size));
	fd = (int)MUST(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
	MUST(syscall(SYS_connect, fd, &address, sizeof(address)));
	syscall(SYS_sendto, fd, bytes, sizeof(bytes), MSG_DONTWAIT, NULL, 0);
	syscall(SYS_sendto, fd, bytes, sizeof(bytes), MSG_DONTWAIT, NULL, 0);
	MUST(syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	return fd;
}

static void attack(int kind, int way, uint64_t *seed)
{
	static union {
		char bytes[sizeof(struct wire_ask) + 2 * WIRE_PLACE_MAX];
		struct wire_ask ask;
		struct wire_answer answer;
	} m;
	size_t size = sizeof(m.ask);

	m.ask = (struct wire_ask){.what = WIRE_PLACE_READ, .number = (uint32_t)kit_random_below(seed, 4), .size = 64};
	switch (kind) {
	case 0: /* rubbish */
		for (size_t i = 0; i < 64; i += 8)
			*(uint64_t *)(void *)(m.bytes + i) = kit_random(seed);
		size = kit_random_below(seed, 64);
		break;
	case 1: /* a length that the head does not have */
		m.ask.what = WIRE_PLACE_WRITE;
		m.ask.size = (uint32_t)kit_random_below(seed, 2 * WIRE_PLACE_MAX);
		size += kit_random_below(seed, WIRE_PLACE_MAX);
		break;
	case 2: /* sizes and offsets at every edge, well formed */
		m.ask.what = kit_random(seed) & 1 ? WIRE_PLACE_WRITE : WIRE_PLACE_READ;
		m.ask.size = 1 + (uint32_t)kit_random_below(seed, WIRE_PLACE_MAX);
		m.ask.offset = kit_random(seed) & 1 ? kit_random(seed) : kit_random_below(seed, 2 * BYTES);
		if (kit_random_below(seed, 4) == 0)
			m.ask.offset = UINT64_MAX - kit_random_below(seed, 3);
		if (m.ask.what == WIRE_PLACE_WRITE)
			size += m.ask.size;
		memset(m.bytes + sizeof(m.ask), 0x55, m.ask.size);
		break;
	case 3: /* too much at once */
		m.ask.size = kit_random(seed) & 1 ? WIRE_PLACE_MAX + 1 : UINT32_MAX;
		break;
	case 4: /* nothing */
		size = kit_random(seed) & 1 ? 0 : sizeof(m.ask);
		m.ask.size = 0;
		break;
	case 5: /* an operation that there is not */
		m.ask.what = (uint32_t)kit_random(seed);
		break;
	case 6: { /* a descriptor, and one that waits */
		int fd = lingering();

		/* Not sent, it is our last copy. */
		if (pass(way, &m, size, fd) < 0)
			MUST(syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
				     sizeof(struct linger)));
		syscall(SYS_close, fd);
		return;
	}
	case 7: /* an answer to what was not asked, or not so */
		m.answer = (struct wire_answer){.number = (uint32_t)kit_random_below(seed, 1000),
						.error = kit_random(seed) & 1 ? (uint32_t)kit_random(seed) : 0,
						.size = (uint32_t)kit_random_below(seed, 3000)};
		size = sizeof(m.answer) + kit_random_below(seed, 3000);
		break;
	default: /* a flood of good questions whose answers nobody takes */
		m.ask.size = WIRE_PLACE_MAX;
		while (pass(way, &m, size, -1) >= 0)
			;
		return;
	}
	pass(way, &m, size, -1);
}

static void be_hostile(int fd, void *argument)
{
	static char bytes[BYTES];
	uint64_t seed = kit_seed() + (uint64_t)getpid();
	const int kind = *(int *)argument;
	int ways[2];
	char go;

	MUST(riomap(fd, bytes, sizeof(bytes), PROT_READ | PROT_WRITE, 0, 0));
	kit_put(fd, "m", 1);
	kit_get(fd, &go, 1);
	CHECK_EQ(find_ways(ways), 2);
	for (int i = 0; i < (kind == 6 ? 10 : 400); i++) {
		int way = ways[kit_random(&seed) & 1];
		char taken[256];

		attack(kind, way, &seed);
		if (kind != 8 && (kit_random(&seed) & 1))
			syscall(SYS_recvfrom, way, taken, sizeof(taken), MSG_DONTWAIT, NULL, NULL);
		if (i % 50 == 0)
			usleep(200);
	}
	/* What hangs in here is not ours to wait for. */
	kit_sleep_ms(20);
	_exit(0);
}

static void be_honest(int fd, void *shared)
{
	volatile uint32_t *control = shared; /* rounds made; then 1: stop */
	char *mine = buffer_new(BYTES), *back = buffer_new(BYTES), mapped;

	kit_get(fd, &mapped, 1);
	while (!control[1]) {
		kit_pattern(mine, BYTES, control[0], 0);
		CHECK_EQ(riowrite(fd, mine, BYTES, 0, 0), BYTES);
		CHECK_EQ(rioread(fd, back, BYTES, 0, 0), BYTES);
		CHECK_PATTERN(back, BYTES, control[0], 0);
		control[0]++;
	}
}

static void await_rounds(volatile uint32_t *control)
{
	uint32_t before = control[0];
	int64_t start = kit_now_ms();

	while (control[0] < before + 3) {
		if (kit_now_ms() - start > 10000)
			FAIL("the honest peer is not served");
		usleep(100);
	}
}

static int descriptors(void)
{
	DIR *open = opendir("/proc/self/fd");
	int count = 0;

	CHECK(open);
	while (readdir(open))
		count++;
	closedir(open);
	return count;
}

static void attack_beside(int kind)
{
	volatile uint32_t *control;
	char *around, *mine, *honest;
	int served, before;
	pid_t pid;

	forbid_copies();
	control = shared_new(4096);
	around = buffer_new(5 * BYTES);
	mine = buffer_new(BYTES);
	honest = buffer_new(BYTES);
	pid = child_start(be_honest, (void *)(uintptr_t)control, &served);
	MUST(riomap(served, honest, BYTES, PROT_READ | PROT_WRITE, 0, 0));
	PUT(served, "m");
	await_rounds(control);
	before = descriptors();
	for (int round = 0; round < ROUNDS; round++) {
		int fd;
		pid_t rogue = child_start(be_hostile, &kind, &fd);
		char mapped;

		memset(around, 0x77, 5 * BYTES);
		kit_set_timeout(fd, SO_SNDTIMEO, 50);
		kit_set_timeout(fd, SO_RCVTIMEO, 5000);
		MUST(riomap(fd, around + 2 * BYTES, BYTES, PROT_READ | PROT_WRITE, 0, 0));
		kit_get(fd, &mapped, 1);
		PUT(fd, "g");
		kit_set_timeout(fd, SO_RCVTIMEO, 50);
		for (int i = 0; i < 20; i++) {
			size_t n = i & 1 ? riowrite(fd, mine, BYTES, 0, 0) : rioread(fd, mine, BYTES, 0, 0);

			if (n == NOTHING)
				CHECK(errno == ECONNRESET || errno == EFAULT || errno == EACCES || errno == EAGAIN);
			else
				CHECK(n > 0 && n <= BYTES);
		}
		await_rounds(control);
		CHECK_EXITS(rogue, 0);
		MUST(riounmap(fd, around + 2 * BYTES, BYTES));
		MUST(rclose(fd));
		for (int i = 0; i < 2 * BYTES; i++)
			CHECK(around[i] == 0x77 && around[3 * BYTES + i] == 0x77);
		await_rounds(control);
	}
	for (int64_t start = kit_now_ms(); descriptors() > before + SPARE_DESCRIPTORS; usleep(1000))
		CHECK(kit_now_ms() - start < 5000);
	control[1] = 1;
	CHECK_EXITS(pid, 0);
	MUST(rclose(served));
	free(around);
	free(mine);
	free(honest);
}

CASE(rubbish)
{
	attack_beside(0);
}

CASE(wrong_lengths)
{
	attack_beside(1);
}

CASE(edges)
{
	attack_beside(2);
}

CASE(too_large)
{
	attack_beside(3);
}

CASE(empty)
{
	attack_beside(4);
}

CASE(unknown_questions)
{
	attack_beside(5);
}

CASE(descriptors_that_wait)
{
	attack_beside(6);
}

CASE(answers_to_nothing)
{
	attack_beside(7);
}

CASE(flood)
{
	attack_beside(8);
}

static void flood_and_wait(int fd, void *unused)
{
	struct wire_ask ask = {.what = WIRE_PLACE_READ, .number = 1, .size = WIRE_PLACE_MAX};
	int ways[2];
	char done;

	(void)unused;
	kit_get(fd, &done, 1);
	CHECK_EQ(find_ways(ways), 2);
	for (int i = 0; i < 2; i++)
		while (pass(ways[i], &ask, sizeof(ask), -1) >= 0)
			;
	kit_put(fd, "f", 1);
	kit_get(fd, &done, 1);
}

/* Who takes no answers costs nothing, and is no reason for others to wait. */
CASE(answers_not_taken)
{
	char *bytes, mapped;
	struct rusage before, after;
	struct pair pair;
	uint64_t word = 0;
	int64_t start;
	int fd;
	pid_t pid;

	forbid_copies();
	bytes = buffer_new(MIB);
	pid = child_start(flood_and_wait, NULL, &fd);
	MUST(riomap(fd, bytes, MIB, PROT_READ, 0, 0));
	PUT(fd, "m");
	kit_get(fd, &mapped, 1);
	kit_sleep_ms(100);
	MUST(getrusage(RUSAGE_SELF, &before));
	kit_sleep_ms(300);
	MUST(getrusage(RUSAGE_SELF, &after));
	CHECK(after.ru_nvcsw - before.ru_nvcsw < 20);
	pair = pair_maps(1, 1);
	MUST(riomap(pair.b, &word, 8, PROT_WRITE, 0, 0));
	start = kit_now_ms();
	for (uint64_t i = 1; i < 500; i++) {
		CHECK_EQ(riowrite(pair.a, &i, 8, 0, 0), 8);
		CHECK_EQ(word, i);
	}
	CHECK(kit_now_ms() - start < 5000);
	pair_close(&pair);
	/* Nor does it keep us from taking the map back. */
	MUST(riounmap(fd, bytes, MIB));
	PUT(fd, "d");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	free(bytes);
}

/* --- what the tables say --- */

#define MANY 14 /* WIRE_VISITORS */

/* The tables of the only connection that this process has. */
static struct wire_iomap *find_tables(struct wire_iomap *side[2])
{
	FILE *file = fopen("/proc/self/maps", "r");
	unsigned long from = 0, to = 0;
	char line[512];
	const struct wire_channel *channel;
	size_t size;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, "memfd:rsocket-channel"))
			CHECK_EQ(sscanf(line, "%lx-%lx", &from, &to), 2);
	fclose(file);
	CHECK(from);
	channel = (const struct wire_channel *)from;
	size = 2 * sizeof(struct wire_iomap) + ((size_t)channel->maps[0] + channel->maps[1]) * sizeof(struct wire_map);
	size = (size + WIRE_PAGE - 1) & ~(size_t)(WIRE_PAGE - 1);
	side[0] = (struct wire_iomap *)(to - size);
	side[1] =
		(struct wire_iomap *)((char *)side[0] + sizeof(*side[0]) + channel->maps[0] * sizeof(struct wire_map));
	return side[0];
}

/* Says for ever that it visits all that is mapped. */
static void visit_for_ever(void *argument)
{
	const struct sockaddr_storage *address = argument;
	int fd = connect_maps(MANY, address);
	struct wire_iomap *side[2];
	char done;

	kit_get(fd, &done, 1);
	find_tables(side);
	for (int i = 0; i < 2 * MANY; i++)
		side[i & 1]->visitor[i / 2] = (uint64_t)getpid() << 32 | (uint64_t)(i / 2 + 1);
	kit_put(fd, "v", 1);
	kit_get(fd, &done, 1);
	for (;;)
		pause();
}

static void check_visited(bool message)
{
	struct sockaddr_storage address;
	char *bytes = buffer_new(BYTES), done;
	int listener, fd;
	int64_t start;
	pid_t pid;

	if (message)
		forbid_copies();
	listener = listen_maps(MANY, &address);
	pid = kit_fork(visit_for_ever, &address);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	for (int i = 0; i < MANY; i++)
		MUST(riomap(fd, bytes, BYTES, PROT_WRITE, 0, i * BYTES));
	PUT(fd, "m");
	kit_get(fd, &done, 1);
	PUT(fd, "d");
	start = kit_now_ms();
	if (message)
		MUST(riounmap(fd, bytes, BYTES));
	else
		CHECK_FAILS(riounmap(fd, bytes, BYTES), EBUSY);
	MUST(rclose(fd));
	kit_note("%lld ms", (long long)(kit_now_ms() - start));
	CHECK(kit_now_ms() - start < 2000 + KIT_LATE_MS);
	MUST(kill(pid, SIGKILL));
	kit_wait_killed(pid, SIGKILL);
}

/* The end of a connection waits a second for visits, not a second for each map; and for none where nobody can visit. */
CASE(visits_for_ever)
{
	check_visited(false);
}

CASE(visits_by_message)
{
	check_visited(true);
}

#define OTHER_USER 12345
#define LOW_PORT 20000

static char *put_end(char *p, uint32_t address, uint16_t port)
{
	return p + sprintf(p, "%08x%024d%04x", ntohl(address), 0, ntohs(port));
}

static void *map_of(int fd, size_t size)
{
	void *map = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(map != MAP_FAILED);
	return map;
}

static int bells_new(void)
{
	int fd = (int)MUST(memfd_create("rogue", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	struct wire_bells *bells;

	MUST(ftruncate(fd, sizeof(*bells)));
	bells = map_of(fd, sizeof(*bells));
	MUST(syscall(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE));
	bells->magic = WIRE_MAGIC;
	bells->version = WIRE_VERSION;
	return fd;
}

/* By plain system calls, as another user: meets who listens at ADDRESS, and claims that the kernel lets it copy. */
static void claim_rights(void *argument)
{
	const struct sockaddr_in *peer = argument;
	struct sockaddr_in own;
	socklen_t size = sizeof(own);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct wire_hello hello = {.magic = WIRE_MAGIC, .version = WIRE_VERSION, .maps = 4, .capacity = {4096, 4096}};
	struct wire_verdict verdict = {.magic = WIRE_MAGIC, .direct = 1};
	struct wire_grant grant;
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct iovec iov = {&grant, sizeof(grant)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	char text[108], *p = text + sprintf(text, "rsocket-1-4"), byte;
	int tcp, un, fds[3];
	struct stat st;
	struct wire_channel *channel;
	const struct wire_iomap *table;

	MUST(setgid(OTHER_USER));
	MUST(setuid(OTHER_USER));
	tcp = (int)MUST(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
	MUST(syscall(SYS_connect, tcp, peer, sizeof(*peer)));
	MUST(syscall(SYS_getsockname, tcp, &own, &size));
	p = put_end(p, peer->sin_addr.s_addr, peer->sin_port);
	p = put_end(p, own.sin_addr.s_addr, own.sin_port);
	memcpy(name.sun_path + 1, text, (size_t)(p - text));
	size = sizeof(hello.cookie);
	MUST(syscall(SYS_getsockopt, tcp, SOL_SOCKET, SO_COOKIE, &hello.cookie, &size));
	hello.process[0] = (uint64_t)getpid();
	un = (int)MUST(syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0));
	for (int64_t start = kit_now_ms();
	     syscall(SYS_connect, un, &name, offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)(p - text)) < 0;
	     usleep(1000))
		CHECK(kit_now_ms() - start < 5000);
	MUST(pass(un, &hello, sizeof(hello), bells_new()));
	CHECK_EQ(syscall(SYS_recvmsg, un, &msg, 0), sizeof(grant));
	CHECK_EQ(control.head.cmsg_len, CMSG_LEN(sizeof(fds)));
	memcpy(fds, CMSG_DATA(&control.head), sizeof(fds));
	MUST(fstat(fds[1], &st));
	channel = map_of(fds[1], (size_t)st.st_size);
	channel->side[1].attached = WIRE_ATTACHED;
	MUST(pass(un, &verdict, sizeof(verdict), -1));
	CHECK_EQ(syscall(SYS_recvfrom, tcp, &byte, 1, 0, NULL, NULL), 1);
	table = (const struct wire_iomap *)((const char *)channel + WIRE_DATA_OFFSET +
					    ((channel->capacity[0] + channel->capacity[1] + WIRE_PAGE - 1) &
					     ~(uint64_t)(WIRE_PAGE - 1)));
	for (uint32_t i = 0; i < channel->maps[0]; i++)
		CHECK(table->map[i].address == 0 && table->map[i].token_at == 0);
	CHECK_EQ(syscall(SYS_close, tcp), 0);
}

/* Where our memory is, another user's process does not learn by saying that it could write there. */
CASE(rights_claimed_by_another_user)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int listener = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0)), fd;
	char *bytes = buffer_new(BYTES);
	pid_t pid;

	if (geteuid() != 0)
		kit_skip("needs root");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	kit_set_option(listener, SOL_RDMA, RDMA_IOMAPSIZE, 4);
	/* Below every port that the kernel gives to clients: this end sorts lower. */
	address.sin_port = htons(LOW_PORT);
	while (rbind(listener, (struct sockaddr *)&address, sizeof(address)) < 0)
		address.sin_port = htons((uint16_t)(ntohs(address.sin_port) + 1));
	MUST(rlisten(listener, 1));
	pid = kit_fork(claim_rights, &address);
	fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(riomap(fd, bytes, BYTES, PROT_WRITE, 0, 0));
	PUT(fd, "m");
	CHECK_EXITS(pid, 0);
	MUST(rclose(fd));
	MUST(rclose(listener));
}

static void ask_for_maps(void *argument)
{
	const struct sockaddr_storage *address = argument;
	char byte;
	int fd;

	fd = connect_maps(4, address);
	kit_promote_active(fd);
	kit_get(fd, &byte, 1);
	MUST(rclose(fd));
}

/* From now on whoever lets another process trace it is killed. */
static void forbid_tracers(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_PTRACER, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

#define ASKERS 8 /* among them are some whose port sorts higher, to whom we grant */

/* A process that asked for no maps lets nobody into its memory, whoever asks. */
CASE(maps_asked_for_by_the_peer_alone)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address);
	pid_t pids[ASKERS];

	for (int i = 0; i < ASKERS; i++)
		pids[i] = kit_fork(ask_for_maps, &address);
	forbid_tracers();
	for (int i = 0; i < ASKERS; i++) {
		int fd = (int)MUST(raccept(listener, NULL, NULL));

		kit_promote_passive(fd);
		PUT(fd, "d");
		MUST(rclose(fd));
	}
	for (int i = 0; i < ASKERS; i++)
		CHECK_EXITS(pids[i], 0);
	MUST(rclose(listener));
}
