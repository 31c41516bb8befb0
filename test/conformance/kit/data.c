/* Bytes that can be checked at any offset, and moving exactly so many of them. */
#include "kit.h"

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t kit_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ull;
	return mix(*state);
}

size_t kit_random_below(uint64_t *state, size_t limit)
{
	return kit_random(state) % limit;
}

uint64_t kit_seed(void)
{
	static uint64_t seed;

	if (!seed) {
		const char *text = getenv("KIT_SEED");
		seed = text ? strtoull(text, NULL, 0) : 0;
		if (!seed)
			seed = mix((uint64_t)time(NULL) * 1000003 + (uint64_t)getpid()) >> 16;
		char number[32];
		snprintf(number, sizeof(number), "0x%llx", (unsigned long long)seed);
		fprintf(stderr, "KIT_SEED=%s\n", number);
		setenv("KIT_SEED", number, 1);
	}
	return seed;
}

void kit_pattern(void *buffer, size_t length, uint64_t seed, uint64_t at)
{
	unsigned char *out = buffer;

	while (length) {
		uint64_t word = mix(seed ^ (at >> 3));
		size_t skip = at & 7, part = 8 - skip < length ? 8 - skip : length;
		memcpy(out, (unsigned char *)&word + skip, part);
		out += part;
		at += part;
		length -= part;
	}
}

void kit_check_pattern(const char *file, int line, const void *buffer, size_t length, uint64_t seed, uint64_t at)
{
	const unsigned char *got = buffer;
	unsigned char want[512];

	for (size_t done = 0; done < length;) {
		size_t part = length - done < sizeof(want) ? length - done : sizeof(want);
		kit_pattern(want, part, seed, at + done);
		if (memcmp(got + done, want, part) == 0) {
			done += part;
			continue;
		}
		for (size_t i = 0; i < part; i++)
			if (got[done + i] != want[i])
				kit_fail(file, line,
					 "stream offset %llu (byte %zu of %zu): got 0x%02x, expected 0x%02x",
					 (unsigned long long)(at + done + i), done + i, length, got[done + i], want[i]);
	}
}

static void await_again(int fd, short events)
{
	if (errno == EAGAIN)
		MUST(poll(&(struct pollfd){.fd = fd, .events = events}, 1, 10000));
	else if (errno != EINTR)
		FAIL("fd %d", fd);
}

void kit_put(int fd, const void *bytes, size_t length)
{
	const char *from = bytes;

	while (length) {
		ssize_t sent = send(fd, from, length, MSG_NOSIGNAL);
		if (sent == -1) {
			await_again(fd, POLLOUT);
			continue;
		}
		from += sent;
		length -= (size_t)sent;
	}
}

void kit_get(int fd, void *bytes, size_t length)
{
	char *to = bytes;

	while (length) {
		ssize_t got = recv(fd, to, length, 0);
		if (got == -1) {
			await_again(fd, POLLIN);
			continue;
		}
		if (got == 0)
			FAIL("end of stream on fd %d, %zu bytes early", fd, length);
		to += got;
		length -= (size_t)got;
	}
}

void kit_check_gets(const char *file, int line, int fd, const char *text, size_t length)
{
	char got[256];

	CHECK(length < sizeof(got));
	kit_get(fd, got, length);
	if (memcmp(got, text, length) != 0)
		kit_fail(file, line, "got '%.*s', expected '%s'", (int)length, got, text);
}

void kit_send_pattern(int fd, size_t length, uint64_t seed, uint64_t at)
{
	char buffer[64 * KIB];

	while (length) {
		size_t part = length < sizeof(buffer) ? length : sizeof(buffer);
		kit_pattern(buffer, part, seed, at);
		kit_put(fd, buffer, part);
		at += part;
		length -= part;
	}
}

void kit_recv_pattern(int fd, size_t length, uint64_t seed, uint64_t at)
{
	char buffer[64 * KIB];

	while (length) {
		size_t part = length < sizeof(buffer) ? length : sizeof(buffer);
		kit_get(fd, buffer, part);
		CHECK_PATTERN(buffer, part, seed, at);
		at += part;
		length -= part;
	}
}

uint64_t kit_drain_pattern(int fd, uint64_t seed, uint64_t at)
{
	char buffer[64 * KIB];
	uint64_t start = at;

	for (;;) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
		if (got == -1) {
			await_again(fd, POLLIN);
			continue;
		}
		if (got == 0)
			return at - start;
		CHECK_PATTERN(buffer, (size_t)got, seed, at);
		at += (uint64_t)got;
	}
}

uint64_t kit_fill(int fd, uint64_t seed, uint64_t at)
{
	static __thread char buffer[16 * KIB];
	uint64_t start = at;

	/* TCP's windows open a little more as acknowledgements come in: full is what stays full for a moment. */
	for (int idle = 0; idle < 12;) {
		kit_pattern(buffer, sizeof(buffer), seed, at);
		ssize_t sent = send(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent == -1) {
			if (errno != EAGAIN)
				FAIL("filling fd %d", fd);
			idle++;
			kit_sleep_ms(5);
			continue;
		}
		idle = 0;
		at += (uint64_t)sent;
	}
	return at - start;
}

void kit_await_delivered(int fd)
{
	int64_t start = kit_now_ms();
	int unsent = 1;

	while (MUST(ioctl(fd, TIOCOUTQ, &unsent)) == 0 && unsent) {
		CHECK(kit_now_ms() - start < 5000);
		kit_sleep_ms(1);
	}
}

static const struct {
	unsigned bit;
	const char *name;
} event_names[] = {
	{POLLIN, "IN"},         {POLLPRI, "PRI"},       {POLLOUT, "OUT"},       {POLLERR, "ERR"},
	{POLLHUP, "HUP"},       {POLLNVAL, "NVAL"},     {POLLRDNORM, "RDNORM"}, {POLLRDBAND, "RDBAND"},
	{POLLWRNORM, "WRNORM"}, {POLLWRBAND, "WRBAND"}, {POLLRDHUP, "RDHUP"},
};

const char *kit_events_text(char *text, size_t size, unsigned events)
{
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++)
		if (events & event_names[i].bit && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? "|" : "",
						 event_names[i].name);
	return events ? text : "none";
}

short kit_revents(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP};

	MUST(poll(&entry, 1, 0));
	return entry.revents;
}

short kit_await(int fd, short events)
{
	struct pollfd entry = {.fd = fd, .events = events};
	int64_t start = kit_now_ms();

	while (kit_now_ms() - start < 5000) {
		int ready = poll(&entry, 1, 1000);
		if (ready == -1 && errno != EINTR)
			FAIL("poll");
		if (ready == 1 && entry.revents & events)
			return kit_revents(fd);
	}
	FAIL("fd %d did not become ready for 0x%x in 5 s", fd, (unsigned)events);
}

void kit_check_revents(const char *file, int line, int fd, short want)
{
	char got_text[128], want_text[128];
	int64_t start = kit_now_ms();
	int stable = 0;
	short got = 0;

	/* Two looks in a row: what the state settles to, not what it passes through. */
	while (stable < 2 && kit_now_ms() - start < 1000) {
		got = kit_revents(fd);
		stable = got == want ? stable + 1 : 0;
		kit_sleep_ms(2);
	}
	if (stable < 2)
		kit_fail(file, line, "revents of fd %d: got %s, expected %s", fd,
			 kit_events_text(got_text, sizeof(got_text), (unsigned short)got),
			 kit_events_text(want_text, sizeof(want_text), (unsigned short)want));
}

void kit_check_eof(const char *file, int line, int fd)
{
	char byte;
	ssize_t got;

	kit_await(fd, POLLIN);
	errno = 0;
	got = recv(fd, &byte, 1, 0);
	if (got != 0)
		kit_fail(file, line, "fd %d: got %zd, expected the end of the stream", fd, got);
}
