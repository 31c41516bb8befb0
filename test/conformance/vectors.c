/* Messages in many pieces: iovec edge cases, several messages a call, ancillary fields, RWF flags. */
#include "kit.h"

#include <limits.h>
#include <sys/mman.h>

CASE(empty_pieces_are_skipped, tiny, tcp)
{
	struct pair pair = PAIR;
	char in[8];
	struct iovec out[] = {{NULL, 0}, {"ab", 2}, {NULL, 0}, {"cd", 2}, {"", 0}};
	struct iovec into[] = {{NULL, 0}, {in, 1}, {in, 0}, {in + 1, 3}};

	CHECK_EQ(writev(pair.a, out, 5), 4);
	kit_await(pair.b, POLLIN);
	CHECK_EQ(readv(pair.b, into, 4), 4);
	CHECK_EQ(memcmp(in, "abcd", 4), 0);
	pair_close(&pair);
}

CASE(nothing_at_all, tiny, tcp)
{
	struct pair pair = PAIR;
	struct iovec empty[2] = {{NULL, 0}, {NULL, 0}};
	struct msghdr message = {.msg_iov = empty, .msg_iovlen = 2};

	CHECK_EQ(writev(pair.a, empty, 2), 0);
	CHECK_EQ(writev(pair.a, empty, 0), 0);
	CHECK_EQ(sendmsg(pair.a, &message, 0), 0);
	message.msg_iovlen = 0;
	CHECK_EQ(sendmsg(pair.a, &message, 0), 0);
	CHECK_EQ(readv(pair.b, empty, 2), 0);
	CHECK_EQ(readv(pair.b, empty, 0), 0);
	CHECK_FAILS(recvmsg(pair.b, &message, MSG_DONTWAIT), EAGAIN);
	CHECK_SILENT(pair.b);
	pair_close(&pair);
}

CASE(as_many_pieces_as_allowed, tiny, tcp)
{
	struct pair pair = PAIR;
	static char out[IOV_MAX], in[IOV_MAX];
	static struct iovec pieces[IOV_MAX + 1], into[IOV_MAX + 1];
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 200};

	kit_pattern(out, sizeof(out), kit_seed(), 0);
	for (int i = 0; i <= IOV_MAX; i++) {
		pieces[i] = (struct iovec){out + i % IOV_MAX, 1};
		into[i] = (struct iovec){in + i % IOV_MAX, 1};
	}
	CHECK_EQ(sendmsg(pair.a, &message, 0), 200);
	message.msg_iov = into;
	CHECK_EQ(recvmsg(pair.b, &message, MSG_WAITALL), 200);
	CHECK_PATTERN(in, 200, kit_seed(), 0);
	CHECK_FAILS(writev(pair.a, pieces, IOV_MAX + 1), EINVAL);
	CHECK_FAILS(readv(pair.b, into, IOV_MAX + 1), EINVAL);
	message = (struct msghdr){.msg_iov = pieces, .msg_iovlen = IOV_MAX + 1};
	CHECK_FAILS(sendmsg(pair.a, &message, 0), EMSGSIZE);
	message.msg_iov = into;
	CHECK_FAILS(recvmsg(pair.b, &message, MSG_DONTWAIT), EMSGSIZE);
	CHECK_SILENT(pair.b);
	pair_close(&pair);
}

CASE(a_thousand_pieces_in_one_call)
{
	struct pair pair = PAIR;
	static char out[IOV_MAX * 7], in[IOV_MAX * 7];
	static struct iovec pieces[IOV_MAX], into[IOV_MAX];

	kit_pattern(out, sizeof(out), kit_seed(), 0);
	for (int i = 0; i < IOV_MAX; i++) {
		pieces[i] = (struct iovec){out + i * 7, 7};
		into[i] = (struct iovec){in + i * 7, 7};
	}
	CHECK_EQ(writev(pair.a, pieces, IOV_MAX), sizeof(out));
	struct msghdr message = {.msg_iov = into, .msg_iovlen = IOV_MAX};
	CHECK_EQ(recvmsg(pair.b, &message, MSG_WAITALL), sizeof(in));
	CHECK_PATTERN(in, sizeof(in), kit_seed(), 0);
	pair_close(&pair);
}

CASE(lengths_too_large, tiny)
{
	struct pair pair = PAIR;
	char byte;
	volatile int negative_count = -1;
	struct iovec huge[2] = {{&byte, SSIZE_MAX}, {&byte, SSIZE_MAX}}, negative = {&byte, (size_t)-1};

	CHECK_FAILS(writev(pair.a, &negative, 1), EINVAL);
	CHECK_FAILS(readv(pair.b, &negative, 1), EINVAL);
	CHECK_FAILS(writev(pair.a, huge, negative_count), EINVAL);
	CHECK_FAILS(readv(pair.b, huge, negative_count), EINVAL);
	CHECK_SILENT(pair.b);
	pair_close(&pair);
}

/* A request for more than 2 GiB gets what is there. */
CASE(huge_read_request, tiny)
{
	struct pair pair = PAIR;
	size_t size = (size_t)3 << 30;
	char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(area != MAP_FAILED);
	PUT(pair.a, "short");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recv(pair.b, area, size, 0), 5);
	CHECK_EQ(memcmp(area, "short", 5), 0);
	PUT(pair.a, "again");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(read(pair.b, area, size), 5);
	pair_close(&pair);
}

CASE(addresses_and_control_come_back_empty, tiny, tcp)
{
	struct pair pair = PAIR;
	char in[8], control[64];
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	struct iovec into = {in, sizeof(in)};
	struct msghdr message = {.msg_name = &address,
				 .msg_namelen = sizeof(address),
				 .msg_iov = &into,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control),
				 .msg_flags = -1};

	PUT(pair.a, "abcd");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recvfrom(pair.b, in, 2, 0, (struct sockaddr *)&address, &length), 2);
	CHECK_EQ(length, 0);
	CHECK_EQ(recvmsg(pair.b, &message, 0), 2);
	CHECK_EQ(message.msg_namelen, 0);
	CHECK_EQ(message.msg_controllen, 0);
	CHECK_EQ(message.msg_flags & ~MSG_CMSG_CLOEXEC, 0);
	pair_close(&pair);
}

CASE(destination_is_ignored_when_connected, tiny, tcp)
{
	struct pair pair = PAIR, other = PAIR;
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	MUST(getsockname(other.b, (struct sockaddr *)&address, &length));
	CHECK_EQ(sendto(pair.a, "abc", 3, 0, (struct sockaddr *)&address, length), 3);
	CHECK_GETS(pair.b, "abc");
	CHECK_SILENT(other.b);
	pair_close(&pair);
	pair_close(&other);
}

CASE(several_messages_a_call, tiny, tcp)
{
	struct pair pair = PAIR;
	struct iovec out[3] = {{"one", 3}, {"two", 3}, {"three", 5}};
	struct mmsghdr messages[3], got[3];
	char in[3][16];
	struct iovec into[3];
	size_t total = 0;

	memset(messages, 0, sizeof(messages));
	memset(got, 0, sizeof(got));
	for (int i = 0; i < 3; i++) {
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
		into[i] = (struct iovec){in[i], i == 0 ? 3 : 4};
		got[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
	}
	CHECK_EQ(sendmmsg(pair.a, messages, 3, 0), 3);
	CHECK_EQ(messages[0].msg_len, 3);
	CHECK_EQ(messages[1].msg_len, 3);
	CHECK_EQ(messages[2].msg_len, 5);
	/* All 11 bytes are there: they fill three buffers of 3, 4 and 4. */
	while (MUST(recv(pair.b, &(char[16]){0}, 16, MSG_PEEK)) < 11)
		kit_sleep_ms(1);
	CHECK_EQ(recvmmsg(pair.b, got, 3, MSG_WAITALL, NULL), 3);
	for (int i = 0; i < 3; i++)
		total += got[i].msg_len;
	CHECK_EQ(total, 11);
	CHECK_EQ(memcmp(in[0], "one", 3), 0);
	CHECK_EQ(memcmp(in[1], "twot", 4), 0);
	CHECK_EQ(memcmp(in[2], "hree", 4), 0);
	pair_close(&pair);
}

/* The second wait may block without MSG_WAITFORONE, not with it. */
CASE(wait_for_one_message, tiny, tcp)
{
	struct pair pair = PAIR;
	char in[2][4];
	struct iovec into[2] = {{in[0], 4}, {in[1], 4}};
	struct mmsghdr got[2] = {{.msg_hdr = {.msg_iov = &into[0], .msg_iovlen = 1}},
				 {.msg_hdr = {.msg_iov = &into[1], .msg_iovlen = 1}}};

	PUT(pair.a, "abcd");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recvmmsg(pair.b, got, 2, MSG_WAITFORONE, NULL), 1);
	CHECK_EQ(got[0].msg_len, 4);
	CHECK_FAILS(recvmmsg(pair.b, got, 2, MSG_DONTWAIT, NULL), EAGAIN);
	CHECK_EQ(recvmmsg(pair.b, got, 0, 0, NULL), 0);
	CHECK_EQ(sendmmsg(pair.a, got, 0, 0), 0);
	pair_close(&pair);
}

CASE(several_messages_at_the_end_of_the_stream, tiny)
{
	struct pair pair = PAIR;
	char in[3][4];
	struct iovec into[3] = {{in[0], 4}, {in[1], 4}, {in[2], 4}};
	struct mmsghdr got[3];

	memset(got, 0, sizeof(got));
	for (int i = 0; i < 3; i++)
		got[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
	PUT(pair.a, "abcd");
	MUST(shutdown(pair.a, SHUT_WR));
	kit_await(pair.b, POLLRDHUP);
	CHECK_EQ(recvmmsg(pair.b, got, 3, 0, NULL), 3);
	CHECK_EQ(got[0].msg_len, 4);
	CHECK_EQ(got[1].msg_len, 0);
	CHECK_EQ(got[2].msg_len, 0);
	pair_close(&pair);
}

/* What no longer fits is not an error if something went. */
CASE(messages_until_full, tiny)
{
	struct pair pair = PAIR;
	static char out[64 * KIB];
	static struct iovec pieces[1024];
	static struct mmsghdr messages[1024];
	uint64_t sent = 0;
	int count;

	kit_pattern(out, sizeof(out), 1, 0);
	for (int i = 0; i < 1024; i++) {
		pieces[i] = (struct iovec){out, sizeof(out)};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
	}
	count = (int)MUST(sendmmsg(pair.a, messages, 1024, MSG_DONTWAIT));
	CHECK(count > 0 && count < 1024);
	for (int i = 0; i < count; i++)
		sent += messages[i].msg_len;
	kit_fill(pair.a, 2, 0);
	CHECK_FAILS(sendmmsg(pair.a, messages, 4, MSG_DONTWAIT), EAGAIN);
	CHECK(sent > 0);
	pair_close(&pair);
}

CASE(positions_make_no_sense_on_sockets, tiny)
{
	struct pair pair = PAIR;
	char byte;
	struct iovec part = {&byte, 1};

	CHECK_FAILS(pread(pair.b, &byte, 1, 0), ESPIPE);
	CHECK_FAILS(pwrite(pair.a, "x", 1, 0), ESPIPE);
	CHECK_FAILS(preadv(pair.b, &part, 1, 0), ESPIPE);
	CHECK_FAILS(preadv2(pair.b, &part, 1, 0, 0), ESPIPE);
	CHECK_FAILS(pwritev2(pair.a, &part, 1, 5, 0), ESPIPE);
	CHECK_SILENT(pair.b);
	pair_close(&pair);
}

CASE(preadv2_and_pwritev2_without_position, tiny, tcp)
{
	struct pair pair = PAIR;
	char in[8];
	struct iovec out[2] = {{"ab", 2}, {"cd", 2}}, into[2] = {{in, 3}, {in + 3, 5}};

	CHECK_EQ(pwritev2(pair.a, out, 2, -1, 0), 4);
	kit_await(pair.b, POLLIN);
	CHECK_EQ(preadv2(pair.b, into, 2, -1, 0), 4);
	CHECK_EQ(memcmp(in, "abcd", 4), 0);
	CHECK_EQ(pwritev2(pair.a, out, 1, -1, RWF_HIPRI), 2);
	CHECK_GETS(pair.b, "ab");
	CHECK_FAILS(pwritev2(pair.a, out, 1, -1, 0x40000000), EOPNOTSUPP);
	pair_close(&pair);
}

CASE(rwf_nowait_does_not_block, tiny)
{
	struct pair pair = PAIR;
	char in[8];
	struct iovec out = {"abcd", 4}, into = {in, 8};
	ssize_t got = preadv2(pair.b, &into, 1, -1, RWF_NOWAIT);

	if (got == -1 && errno == EOPNOTSUPP)
		kit_skip("the kernel knows no RWF_NOWAIT on sockets");
	CHECK_EQ(got, -1);
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(pwritev2(pair.a, &out, 1, -1, RWF_NOWAIT), 4);
	kit_await(pair.b, POLLIN);
	CHECK_EQ(preadv2(pair.b, &into, 1, -1, RWF_NOWAIT), 4);
	pair_close(&pair);
}

/* What comes with the bytes means nothing to a stream, but must be well-formed. */
CASE(company_is_checked, tiny)
{
	struct pair pair = PAIR;
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {"x", 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct sockaddr_storage address = {.ss_family = AF_INET};

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = 999;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	CHECK_FAILS(sendmsg(pair.a, &msg, 0), EINVAL);
	control.head.cmsg_len = 3;
	CHECK_FAILS(sendmsg(pair.a, &msg, 0), EINVAL);
	msg.msg_controllen = 0;
	msg.msg_name = &address;
	msg.msg_namelen = (socklen_t)-5;
	CHECK_FAILS(sendmsg(pair.a, &msg, 0), EINVAL);
	CHECK_FAILS(sendto(pair.a, "x", 1, 0, (struct sockaddr *)&address, 500), EINVAL);
	CHECK_FAILS(sendto(pair.a, "x", 1, 0, (struct sockaddr *)16, 16), EFAULT);
	CHECK_EQ(sendto(pair.a, "y", 1, 0, (struct sockaddr *)&address, sizeof(address)), 1);
	msg.msg_namelen = (socklen_t)-5;
	CHECK_FAILS(recvmsg(pair.b, &msg, 0), EINVAL);
	CHECK_GETS(pair.b, "y");
	pair_close(&pair);
}

CASE(a_place_for_no_address, tiny)
{
	struct pair pair = PAIR;
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char got[4];

	PUT(pair.a, "a");
	CHECK_EQ(recvfrom(pair.b, got, 1, 0, (struct sockaddr *)&address, &length), 1);
	CHECK_EQ(length, 0);
	PUT(pair.a, "b");
	length = (socklen_t)-1;
	CHECK_FAILS(recvfrom(pair.b, got, 1, 0, (struct sockaddr *)&address, &length), EINVAL);
	pair_close(&pair);
}

/* A size beyond what a call may move is cut, not refused. */
CASE(any_size_may_be_asked_for, tiny)
{
	struct pair pair = PAIR;
	static char got[64];
	volatile size_t all = (size_t)-1;

	PUT(pair.a, "bytes");
	kit_await_delivered(pair.a);
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recv(pair.b, got, all >> 1, 0), 5);
	CHECK_EQ(memcmp(got, "bytes", 5), 0);
	pair_close(&pair);
}

CASE(recvmmsg_tells_the_time_left, tiny)
{
	struct pair pair = PAIR;
	char got[4];
	struct iovec iov = {got, 1};
	struct mmsghdr vec = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
	struct timespec time = {5, 0};

	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recvmmsg(pair.b, &vec, 1, 0, &time), 1);
	CHECK(time.tv_sec == 4);
	time = (struct timespec){0, 2000000000};
	CHECK_FAILS(recvmmsg(pair.b, &vec, 1, MSG_DONTWAIT, &time), EINVAL);
	pair_close(&pair);
}
