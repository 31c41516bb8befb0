/* A live program meets peers that mean harm. Its other connections go on with the right bytes, it neither dies nor hangs, and nothing
 * of the attack stays behind in it. */
#include "attacker.h"
#include "kit.h"

#include <dirent.h>

PEER(echo)
{
	char buffer[4096];
	ssize_t got;

	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

static int open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	CHECK(directory);
	while (readdir(directory))
		count++;
	MUST(closedir(directory));
	return count;
}

static pid_t attacker_start(const struct attack *attack, int *fd)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address);
	char port[16];
	pid_t pid;

	snprintf(port, sizeof(port), "%d", ntohs(((struct sockaddr_in *)&address)->sin_port));
	fflush(NULL);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		execve("/proc/self/exe", kit_program_argv("attacker", attack->name, port, NULL, NULL),
		       kit_program_envp(true));
		FAIL("exec");
	}
	*fd = (int)MUST(accept(listener, NULL, NULL));
	MUST(close(listener));
	return pid;
}

/* One call of some kind; whatever it answers is the attacker's own affair. False: the connection has ended. */
static bool use(int fd, int set, uint64_t *random)
{
	static char buffer[8192];
	struct pollfd wait = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
	struct iovec parts[2] = {{buffer, 100}, {buffer + 100, 1000}};
	struct epoll_event event;
	ssize_t n = 1;
	int bytes;

	switch (kit_random_below(random, 9)) {
	case 0:
		n = send(fd, buffer, 1 + kit_random_below(random, sizeof(buffer)), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 1:
		n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		break;
	case 2:
		n = recv(fd, buffer, sizeof(buffer), 0); /* waits up to its timeout */
		break;
	case 3:
		n = recv(fd, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT);
		break;
	case 4:
		n = readv(fd, parts, 2);
		break;
	case 5:
		MUST(poll(&wait, 1, 1));
		break;
	case 6:
		MUST(epoll_wait(set, &event, 1, 1));
		break;
	case 7:
		if (ioctl(fd, FIONREAD, &bytes) == 0)
			CHECK(bytes >= 0);
		break;
	default:
		n = send(fd, "x", 1, MSG_NOSIGNAL);
	}
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void exchange(int fd, uint64_t *at)
{
	kit_send_pattern(fd, 700, kit_seed(), *at);
	kit_recv_pattern(fd, 700, kit_seed(), *at);
	*at += 700;
}

static bool ended(pid_t pid, int *status)
{
	return MUST(waitpid(pid, status, WNOHANG)) == pid;
}

static void survive(const char *name)
{
	const struct attack *attack = attack_find(name);
	struct peer honest = {.party = PARTY_PROCESS, .run = &echo};
	uint64_t random = kit_seed(), at = 0;
	struct rdma_carrier carrier;
	bool alive = true, left_tcp = false;
	int good, bad, before, status, set;
	pid_t attacker;

	if (kit_expect() != EXPECT_SHM)
		kit_skip("there is nothing to attack without the library");
	if (attack->stranger && geteuid() != 0)
		kit_skip("only root can be two users");
	good = peer_start(&honest);
	exchange(good, &at);
	set = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
	before = open_descriptors();
	attacker = attacker_start(attack, &bad);
	kit_set_timeout(bad, SO_RCVTIMEO, 5);
	kit_set_timeout(bad, SO_SNDTIMEO, 5);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, bad, &(struct epoll_event){.events = EPOLLIN | EPOLLRDHUP}));
	while (!ended(attacker, &status)) {
		exchange(good, &at);
		for (int i = 0; i < 4 && alive; i++)
			alive = use(bad, set, &random);
		if (kit_carrier(bad, &carrier))
			left_tcp |= carrier.send == RDMA_TRANSPORT_SHM || carrier.recv == RDMA_TRANSPORT_SHM;
		if (!alive)
			kit_sleep_ms(1);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("the attacker ended with status 0x%x", status);
	if (left_tcp && !attack->attaches)
		FAIL("the connection left TCP for this peer");
	MUST(close(bad));
	MUST(close(set));
	exchange(good, &at);
	/* The epoll set is gone, and with it one more than was counted before. */
	CHECK_EQ(open_descriptors(), before - 1);
	MUST(shutdown(good, SHUT_WR));
	CHECK_EOF(good);
	peer_join(&honest);
	MUST(close(good));
}

CASE(silent_stranger_in_the_queue)
{
	survive("silent_stranger_in_the_queue");
}

CASE(half_a_hello)
{
	survive("half_a_hello");
}

CASE(hello_of_noise)
{
	survive("hello_of_noise");
}

CASE(hello_without_descriptor)
{
	survive("hello_without_descriptor");
}

CASE(hello_with_too_many_descriptors)
{
	survive("hello_with_too_many_descriptors");
}

CASE(hello_with_a_device)
{
	survive("hello_with_a_device");
}

CASE(hello_with_a_socket)
{
	survive("hello_with_a_socket");
}

CASE(hello_with_unsealed_bells)
{
	survive("hello_with_unsealed_bells");
}

CASE(hello_with_short_bells)
{
	survive("hello_with_short_bells");
}

CASE(hello_with_a_wrong_cookie)
{
	survive("hello_with_a_wrong_cookie");
}

CASE(hello_with_too_many_maps)
{
	survive("hello_with_too_many_maps");
}

CASE(hello_and_away)
{
	survive("hello_and_away");
}

CASE(hello_of_another_user)
{
	survive("hello_of_another_user");
}

CASE(flood_of_hellos)
{
	survive("flood_of_hellos");
}

CASE(huge_capacity)
{
	survive("huge_capacity");
}

CASE(scribbles_as_side_1)
{
	survive("scribbles_as_side_1");
}

CASE(bells_that_block)
{
	survive("bells_that_block");
}

CASE(channel_cannot_be_truncated)
{
	survive("channel_cannot_be_truncated");
}

CASE(silent_listener)
{
	survive("silent_listener");
}

CASE(grant_of_noise)
{
	survive("grant_of_noise");
}

CASE(grant_without_descriptors)
{
	survive("grant_without_descriptors");
}

CASE(grant_with_too_many_descriptors)
{
	survive("grant_with_too_many_descriptors");
}

CASE(grant_with_a_device)
{
	survive("grant_with_a_device");
}

CASE(grant_with_an_unsealed_channel)
{
	survive("grant_with_an_unsealed_channel");
}

CASE(grant_with_a_channel_that_shrinks)
{
	survive("grant_with_a_channel_that_shrinks");
}

CASE(grant_with_a_short_channel)
{
	survive("grant_with_a_short_channel");
}

CASE(grant_with_odd_capacity)
{
	survive("grant_with_odd_capacity");
}

CASE(grant_with_unsealed_link)
{
	survive("grant_with_unsealed_link");
}

CASE(grant_with_a_slot_out_of_range)
{
	survive("grant_with_a_slot_out_of_range");
}

CASE(grant_of_another_user)
{
	survive("grant_of_another_user");
}

CASE(scribbles_as_side_0)
{
	survive("scribbles_as_side_0");
}
