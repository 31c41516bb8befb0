/* Connected pairs in one process, and what carries them. */
#include "kit.h"

#include <arpa/inet.h>

int kit_listen(int family, struct sockaddr_storage *address)
{
	struct sockaddr_storage bound = {.ss_family = (sa_family_t)family};
	socklen_t length = sizeof(bound);
	int fd = (int)MUST(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (family == AF_INET)
		((struct sockaddr_in *)&bound)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&bound)->sin6_addr = in6addr_loopback;
	MUST(bind(fd, (struct sockaddr *)&bound, kit_address_length(&bound)));
	MUST(listen(fd, 128));
	MUST(getsockname(fd, (struct sockaddr *)&bound, &length));
	if (address)
		*address = bound;
	return fd;
}

socklen_t kit_address_length(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

int kit_connect(const struct sockaddr_storage *address)
{
	int fd = (int)MUST(socket(address->ss_family, SOCK_STREAM, 0));

	MUST(connect(fd, (const struct sockaddr *)address, kit_address_length(address)));
	return fd;
}

void kit_set_nonblocking(int fd, bool on)
{
	int flags = (int)MUST(fcntl(fd, F_GETFL));

	MUST(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

void kit_set_option(int fd, int level, int option, int value)
{
	MUST(setsockopt(fd, level, option, &value, sizeof(value)));
}

int kit_get_option(int fd, int level, int option)
{
	int value = -1;
	socklen_t length = sizeof(value);

	MUST(getsockopt(fd, level, option, &value, &length));
	CHECK_EQ(length, sizeof(value));
	return value;
}

void kit_set_timeout(int fd, int option, int ms)
{
	struct timeval timeout = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	MUST(setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout)));
}

struct pair pair_new(int family)
{
	struct sockaddr_storage address;
	int listener = kit_listen(family, &address);
	struct pair pair;

	pair.a = kit_connect(&address);
	pair.b = (int)MUST(accept(listener, NULL, NULL));
	MUST(close(listener));
	return pair;
}

struct pair pair_promoted(int family)
{
	struct pair pair = pair_new(family);

	kit_promote(pair.a, pair.b);
	return pair;
}

void pair_close(struct pair *pair)
{
	MUST(close(pair->a));
	MUST(close(pair->b));
}

enum kit_expect kit_expect(void)
{
	const char *text = getenv("KIT_EXPECT");

	if (!text || strcmp(text, "kernel") == 0)
		return EXPECT_KERNEL;
	if (strcmp(text, "shm") == 0)
		return EXPECT_SHM;
	if (strcmp(text, "tcp") == 0)
		return EXPECT_TCP;
	FAIL("KIT_EXPECT=%s is none of kernel, shm, tcp", text);
}

bool kit_carrier(int fd, struct rdma_carrier *carrier)
{
	socklen_t length = sizeof(*carrier);
	int error = errno;
	bool known = getsockopt(fd, SOL_RDMA, RDMA_CARRIER, carrier, &length) == 0;

	errno = error;
	return known;
}

static bool promoted(int fd)
{
	struct rdma_carrier carrier;

	return kit_carrier(fd, &carrier) && carrier.send == RDMA_TRANSPORT_SHM && carrier.recv == RDMA_TRANSPORT_SHM;
}

static const char *transport_name(uint32_t transport)
{
	static const char *const names[] = {"tcp", "shm", "verbs"};

	return transport < 3 ? names[transport] : "?";
}

void kit_carriers_print(void)
{
	char line[256];

	if (kit_expect() == EXPECT_KERNEL)
		return;
	for (int fd = 0; fd < 4096; fd++) {
		struct rdma_carrier carrier;
		if (!kit_carrier(fd, &carrier))
			continue;
		int length = snprintf(
			line, sizeof(line),
			"  [%d] fd %d: send %s, recv %s, reason %.32s, sent %llu (%llu shm), received %llu (%llu "
			"shm)\n",
			getpid(), fd, transport_name(carrier.send), transport_name(carrier.recv), carrier.reason_code,
			(unsigned long long)carrier.send_bytes, (unsigned long long)carrier.shm_send_bytes,
			(unsigned long long)carrier.recv_bytes, (unsigned long long)carrier.shm_recv_bytes);
		if (write(STDERR_FILENO, line, (size_t)length) == -1)
			return;
	}
}

#define PROMOTE_MS \
	8000 /* a loaded machine needs many rounds; one that never promotes must fail before the case's own timeout */
#define ROUNDS_KERNEL 8

static void check_stays_on_tcp(int fd)
{
	struct rdma_carrier carrier;

	if (kit_expect() == EXPECT_KERNEL)
		return;
	CHECK(kit_carrier(fd, &carrier));
	CHECK_EQ(carrier.send, RDMA_TRANSPORT_TCP);
	CHECK_EQ(carrier.recv, RDMA_TRANSPORT_TCP);
}

void kit_promote(int a, int b)
{
	int64_t start = kit_now_ms();

	for (int round = 0; kit_now_ms() - start < PROMOTE_MS; round++) {
		char byte = (char)round;
		kit_put(a, &byte, 1);
		kit_get(b, &byte, 1);
		CHECK_EQ(byte, (char)round);
		kit_put(b, &byte, 1);
		kit_get(a, &byte, 1);
		CHECK_EQ(byte, (char)round);
		if (kit_expect() == EXPECT_SHM ? promoted(a) && promoted(b) : round == ROUNDS_KERNEL) {
			if (kit_expect() == EXPECT_TCP)
				check_stays_on_tcp(a);
			return;
		}
	}
	FAIL("fds %d and %d are not promoted both ways after %d ms", a, b, PROMOTE_MS);
}

/* The active end asks '?', the passive one answers whether its side is promoted, until '!' ends it. */
void kit_promote_active(int fd)
{
	int64_t start = kit_now_ms();

	for (int round = 0; kit_now_ms() - start < PROMOTE_MS; round++) {
		char answer;
		kit_put(fd, "?", 1);
		kit_get(fd, &answer, 1);
		if (kit_expect() == EXPECT_SHM ? promoted(fd) && answer == 'y' : round == ROUNDS_KERNEL) {
			kit_put(fd, "!", 1);
			return;
		}
	}
	FAIL("fd %d is not promoted both ways after %d ms", fd, PROMOTE_MS);
}

void kit_promote_passive(int fd)
{
	for (;;) {
		char question;
		kit_get(fd, &question, 1);
		if (question == '!')
			return;
		CHECK_EQ(question, '?');
		kit_put(fd, promoted(fd) ? "y" : "n", 1);
	}
}

void kit_stay_active(int fd, int rounds)
{
	for (int round = 0; round < rounds; round++) {
		char answer;
		kit_put(fd, "?", 1);
		kit_get(fd, &answer, 1);
		CHECK_EQ(answer, 'n');
	}
	kit_put(fd, "!", 1);
	check_stays_on_tcp(fd);
}

void kit_check_carried(const char *file, int line, int fd, uint64_t sent_min, uint64_t received_min)
{
	struct rdma_carrier carrier;

	if (kit_expect() != EXPECT_SHM)
		return;
	if (!kit_carrier(fd, &carrier))
		kit_fail(file, line, "fd %d: the toolkit does not know it", fd);
	if (carrier.send != RDMA_TRANSPORT_SHM || carrier.recv != RDMA_TRANSPORT_SHM)
		kit_fail(file, line, "fd %d is not carried by shared memory both ways: %.32s", fd, carrier.reason_code);
	if (carrier.shm_send_bytes < sent_min || carrier.shm_recv_bytes < received_min)
		kit_fail(file, line,
			 "fd %d: %llu bytes sent and %llu received by shared memory, expected %llu and %llu", fd,
			 (unsigned long long)carrier.shm_send_bytes, (unsigned long long)carrier.shm_recv_bytes,
			 (unsigned long long)sent_min, (unsigned long long)received_min);
}
