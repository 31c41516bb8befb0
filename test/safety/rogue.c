/* The rendezvous, the channel and the bells as WIRE says, spoken with plain system calls. */
#include "rogue.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/random.h>

#define PATIENCE_MS 20000
#define RING_BYTES 65536

int rogue_memory(size_t size, int seals)
{
	int fd = (int)MUST(memfd_create("rogue", MFD_CLOEXEC | MFD_ALLOW_SEALING));

	MUST(ftruncate(fd, (off_t)size));
	if (seals)
		MUST(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static void *map_of(int fd, size_t size, int prot)
{
	void *map = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	CHECK(map != MAP_FAILED);
	return map;
}

static char *put_end(char *p, uint32_t address, uint16_t port)
{
	/* Network order, sixteen bytes, of which IPv4 uses four. */
	return p + sprintf(p, "%08x%024d%04x", ntohl(address), 0, port);
}

/* abstract "rsocket-1-4", then the lower end and the higher one. */
static void name_rendezvous(struct rogue *r)
{
	struct sockaddr_in own, peer, *low = &own, *high = &peer;
	socklen_t size = sizeof(own);
	char text[108], *p = text;

	MUST(getsockname(r->tcp, (struct sockaddr *)&own, &size));
	MUST(getpeername(r->tcp, (struct sockaddr *)&peer, &size));
	r->side = ntohs(own.sin_port) > ntohs(peer.sin_port);
	if (r->side == 1)
		low = &peer, high = &own;
	p += sprintf(p, "rsocket-1-4");
	p = put_end(p, low->sin_addr.s_addr, ntohs(low->sin_port));
	p = put_end(p, high->sin_addr.s_addr, ntohs(high->sin_port));
	r->name.sun_family = AF_UNIX;
	memcpy(r->name.sun_path + 1, text, (size_t)(p - text));
	r->name_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)(p - text));
}

static void bells_make(struct rogue *r)
{
	r->bells_fd = rogue_memory(sizeof(struct wire_bells), 0);
	r->bells = map_of(r->bells_fd, sizeof(struct wire_bells), PROT_READ | PROT_WRITE);
	MUST(fcntl(r->bells_fd, F_ADD_SEALS, ROGUE_BELL_SEALS));
	r->bells->magic = WIRE_MAGIC;
	r->bells->version = WIRE_VERSION;
}

static void channel_make(struct rogue *r)
{
	r->channel_size = WIRE_DATA_OFFSET + 2 * RING_BYTES;
	r->channel_fd = rogue_memory(r->channel_size, ROGUE_SEALS);
	r->channel = map_of(r->channel_fd, r->channel_size, PROT_READ | PROT_WRITE);
	r->channel->magic = WIRE_MAGIC;
	r->channel->version = WIRE_VERSION;
	r->channel->capacity[0] = r->channel->capacity[1] = RING_BYTES;
	r->channel->side[0].attached = 1;
	r->link_fd = rogue_memory(sizeof(struct wire_link), ROGUE_SEALS);
	r->link = map_of(r->link_fd, sizeof(struct wire_link), PROT_READ | PROT_WRITE);
	r->link->magic = WIRE_MAGIC;
	r->link->version = WIRE_VERSION;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie;
	socklen_t size = sizeof(cookie);

	MUST(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size));
	return cookie;
}

static void prepare(struct rogue *r)
{
	bells_make(r);
	r->fds[0] = r->bells_fd;
	if (r->side == 1) {
		struct wire_hello *h = &r->message.hello;

		*h = (struct wire_hello){
			.magic = WIRE_MAGIC, .version = WIRE_VERSION, .capacity = {RING_BYTES, RING_BYTES}};
		h->cookie = cookie_of(r->tcp);
		MUST(getrandom(h->process, sizeof(h->process), 0));
		r->message_size = sizeof(*h);
		r->fd_count = 1;
	} else {
		struct wire_grant *g = &r->message.grant;

		channel_make(r);
		*g = (struct wire_grant){.magic = WIRE_MAGIC, .version = WIRE_VERSION};
		g->cookie = cookie_of(r->tcp);
		MUST(getrandom(g->process, sizeof(g->process), 0));
		MUST(getrandom(g->link, sizeof(g->link), 0));
		r->message_size = sizeof(*g);
		r->fds[1] = r->channel_fd;
		r->fds[2] = r->link_fd;
		r->fd_count = 3;
	}
}

void rogue_open_from(struct rogue *r, const struct stage *s, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(s->port)};

	*r = (struct rogue){.listener = -1, .un = -1, .channel_fd = -1, .link_fd = -1, .their_bells_fd = -1};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r->tcp = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (port) {
		struct sockaddr_in own = address;

		own.sin_port = htons(port);
		kit_set_option(r->tcp, SOL_SOCKET, SO_REUSEADDR, 1);
		MUST(bind(r->tcp, (struct sockaddr *)&own, sizeof(own)));
	}
	MUST(connect(r->tcp, (struct sockaddr *)&address, sizeof(address)));
	kit_set_timeout(r->tcp, SO_RCVTIMEO, PATIENCE_MS);
	name_rendezvous(r);
	if (r->side == 0) {
		r->listener = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
		MUST(bind(r->listener, (struct sockaddr *)&r->name, r->name_size));
		MUST(listen(r->listener, 16));
	}
	prepare(r);
}

void rogue_open(struct rogue *r, const struct stage *s)
{
	rogue_open_from(r, s, 0);
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

void rogue_close(struct rogue *r)
{
	close_if(r->tcp);
	close_if(r->un);
	close_if(r->listener);
	close_if(r->channel_fd);
	close_if(r->link_fd);
	close_if(r->bells_fd);
	close_if(r->their_bells_fd);
	if (r->channel)
		munmap(r->channel, r->channel_size);
	if (r->link)
		munmap(r->link, sizeof(struct wire_link));
	if (r->their_bells)
		munmap((void *)(uintptr_t)r->their_bells, sizeof(struct wire_bells));
	munmap(r->bells, sizeof(struct wire_bells));
}

struct wire_side *rogue_own(struct rogue *r)
{
	return &r->channel->side[r->side];
}

struct wire_side *rogue_peer(struct rogue *r)
{
	return &r->channel->side[!r->side];
}

uint64_t *rogue_out_word(struct rogue *r)
{
	return &r->channel->word[r->side];
}

uint64_t *rogue_in_word(struct rogue *r)
{
	return &r->channel->word[!r->side];
}

static bool left_tcp(const uint64_t *word)
{
	return WORD_STATE(__atomic_load_n(word, __ATOMIC_ACQUIRE)) == WIRE_COMMITTED;
}

static unsigned char *ring_byte(struct rogue *r, int producer, uint64_t position)
{
	unsigned char *data = (unsigned char *)r->channel + WIRE_DATA_OFFSET + (producer ? r->capacity[0] : 0);

	return data + ((position - __atomic_load_n(&r->channel->side[producer].base, __ATOMIC_RELAXED)) &
		       (r->capacity[producer] - 1));
}

void rogue_poke(struct rogue *r)
{
	struct wire_ready *ready = &r->link->ready[!r->side];

	__atomic_fetch_or(&ready->leaf[r->slot / 64], 1ull << r->slot % 64, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&ready->summary, 1ull << r->slot / 64, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < BELL_COUNT; i++) {
		const struct wire_bell *bell = &r->their_bells->bell[i];
		struct sockaddr_un un = {.sun_family = AF_UNIX};
		int size = 0;

		if (!bell->name[1])
			continue;
		size = sprintf(un.sun_path + 1, "rsbell-");
		for (int nibble = 0; nibble < 32; nibble++)
			un.sun_path[1 + size++] = "0123456789abcdef"[bell->name[nibble / 16] >> nibble % 16 * 4 & 15];
		/* Without one of its own, as ours do not sleep. */
		int fd = (int)MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
		sendto(fd, "", 1, MSG_NOSIGNAL, (struct sockaddr *)&un,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size));
		close(fd);
	}
}

static void say_byte(struct rogue *r, unsigned char byte)
{
	if (r->channel && left_tcp(rogue_out_word(r))) {
		struct wire_side *own = rogue_own(r);

		*ring_byte(r, r->side, own->tail) = byte;
		__atomic_fetch_add(&own->tail, 1, __ATOMIC_SEQ_CST);
		rogue_poke(r);
	} else {
		/* The server may have reset the connection already. */
		if (send(r->tcp, &byte, 1, MSG_NOSIGNAL) == 1)
			r->tcp_sent++;
	}
}

/* -1: the connection is over. */
static int hear_byte(struct rogue *r)
{
	int64_t start = kit_now_ms();
	unsigned char byte;
	ssize_t n;

	for (;;) {
		struct pollfd entry = {.fd = r->tcp, .events = POLLIN};

		if (r->channel && left_tcp(rogue_in_word(r)) &&
		    r->tcp_received == WORD_POSITION(__atomic_load_n(rogue_in_word(r), __ATOMIC_ACQUIRE))) {
			struct wire_side *own = rogue_own(r);

			if (TAIL_POSITION(__atomic_load_n(&rogue_peer(r)->tail, __ATOMIC_ACQUIRE)) != own->head) {
				byte = *ring_byte(r, !r->side, own->head);
				__atomic_fetch_add(&own->head, 1, __ATOMIC_SEQ_CST);
				return byte;
			}
		}
		if (poll(&entry, 1, 1) == 1)
			break;
		if (kit_now_ms() - start > PATIENCE_MS)
			FAIL("nothing comes back");
	}
	n = recv(r->tcp, &byte, 1, 0);
	if (n <= 0)
		return -1;
	r->tcp_received++;
	return byte;
}

bool rogue_try(struct rogue *r)
{
	say_byte(r, 'r');
	return hear_byte(r) >= 0;
}

void rogue_ping(struct rogue *r)
{
	static unsigned char next;

	say_byte(r, ++next);
	CHECK_EQ(hear_byte(r), next);
}

ssize_t rogue_pass(struct rogue *r)
{
	char control[CMSG_SPACE(ROGUE_FDS * sizeof(int))] = {0};
	struct iovec iov = {r->message.bytes, r->message_size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (r->fd_count) {
		struct cmsghdr *head;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(r->fd_count * sizeof(int));
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(r->fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), r->fds, r->fd_count * sizeof(int));
	}
	return sendmsg(r->un, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool message_receive(struct rogue *r, void *to, size_t size, int *fds, unsigned count)
{
	char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec iov = {to, size};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(r->un, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return false;
	CHECK_EQ(n, size);
	CHECK_EQ(CMSG_FIRSTHDR(&msg)->cmsg_len, CMSG_LEN(count * sizeof(int)));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), count * sizeof(int));
	return true;
}

static void map_theirs(struct rogue *r, int fd)
{
	r->their_bells_fd = fd;
	r->their_bells = map_of(fd, sizeof(struct wire_bells), PROT_READ);
}

void rogue_speak(struct rogue *r)
{
	int64_t start = kit_now_ms();

	for (;;) {
		CHECK(kit_now_ms() - start < PATIENCE_MS);
		rogue_ping(r);
		if (r->side == 1) {
			r->un = (int)MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
			if (connect(r->un, (struct sockaddr *)&r->name, r->name_size) == 0)
				break;
			close(r->un);
			r->un = -1;
		} else {
			int fd;

			if (r->un < 0)
				r->un = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (r->un >= 0 && message_receive(r, &r->theirs, sizeof(r->theirs), &fd, 1)) {
				map_theirs(r, fd);
				break;
			}
		}
	}
	if (rogue_pass(r) == -1 && errno != EINVAL && errno != ETOOMANYREFS && errno != EPIPE)
		FAIL("message");
}

static bool granted(struct rogue *r)
{
	struct wire_grant grant;
	struct stat st;
	int fds[3];

	if (!message_receive(r, &grant, sizeof(grant), fds, 3))
		return false;
	map_theirs(r, fds[0]);
	r->channel_fd = fds[1];
	r->link_fd = fds[2];
	MUST(fstat(r->channel_fd, &st));
	r->channel_size = (size_t)st.st_size;
	r->channel = map_of(r->channel_fd, r->channel_size, PROT_READ | PROT_WRITE);
	r->link = map_of(r->link_fd, sizeof(struct wire_link), PROT_READ | PROT_WRITE);
	memcpy(r->capacity, r->channel->capacity, sizeof(r->capacity));
	r->slot = grant.slot;
	return true;
}

bool rogue_met(struct rogue *r, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		if (r->side == 1 ? granted(r) : __atomic_load_n(&r->channel->side[1].attached, __ATOMIC_ACQUIRE))
			return true;
		rogue_ping(r);
	}
	return false;
}

void rogue_attach(struct rogue *r)
{
	rogue_speak(r);
	CHECK(rogue_met(r, 1000));
	memcpy(r->capacity, r->channel->capacity, sizeof(r->capacity));
	if (r->side == 1)
		__atomic_store_n(&r->channel->side[1].attached, 1, __ATOMIC_RELEASE);
}

void rogue_promote(struct rogue *r)
{
	int64_t start = kit_now_ms();
	uint64_t off = WORD(WIRE_OFF, 0), consent = WORD(WIRE_CONSENT, 0);

	rogue_attach(r);
	/* It consents to hear us by the ring. */
	while (!__atomic_compare_exchange_n(rogue_out_word(r), &consent, WORD(WIRE_COMMITTED, r->tcp_sent), false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		consent = WORD(WIRE_CONSENT, 0);
		rogue_ping(r);
		CHECK(kit_now_ms() - start < PATIENCE_MS);
	}
	CHECK(__atomic_compare_exchange_n(rogue_in_word(r), &off, consent, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	while (!left_tcp(rogue_in_word(r))) {
		rogue_ping(r);
		CHECK(kit_now_ms() - start < PATIENCE_MS);
	}
	rogue_ping(r);
}
