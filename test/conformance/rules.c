/* Settings of single connections: which rule a connection goes by follows from its port, role and address, and each has what that rule
 * gives it, beside others of the same process. */
#include "kit.h"

#include "../../core/stats.h"

#define PAIRS 3
#define EARLY \
	20 /* bytes that go by TCP at most before a connection is promoted whose ends look for each other from the first call on */
/* The same for ends that look with every hundredth call or byte: the second finds the first in one of the first looks. */
#define LATER_MIN 49
#define LATER_MAX 120

struct ports {
	struct pair pair[PAIRS];
};

/* Runs PROGRAM(name) with RULES, in which each %u becomes the next listener's port, and with SETTINGS. */
static void run_with(const char *name, const char *settings, const char *rules)
{
	char text[1024] = "", fds[PAIRS][16];
	size_t used = 0;
	pid_t pid;

	for (int i = 0; i < PAIRS; i++) {
		struct sockaddr_storage address;
		int fd = kit_listen(AF_INET, &address);
		const char *place = strstr(rules, "%u");

		MUST(fcntl(fd, F_SETFD, 0));
		snprintf(fds[i], sizeof(fds[i]), "%d", fd);
		if (!place)
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s%u", (int)(place - rules), rules,
					 ntohs(((struct sockaddr_in *)&address)->sin_port));
		rules = place + 2;
	}
	snprintf(text + used, sizeof(text) - used, "%s", rules);
	setenv("RSOCKET_RULES", text, 1);
	setenv("RSOCKET_SET", settings, 1);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		char **argv = kit_program_argv(name, fds[0], fds[1], fds[2], NULL);

		execve("/proc/self/exe", argv, kit_program_envp(false));
		_exit(127);
	}
	CHECK_EXITS(pid, 0);
}

/* Both ends of a connection to each listener. */
static struct ports pairs_new(char **argv)
{
	struct ports ports;

	for (int i = 0; i < PAIRS; i++) {
		struct sockaddr_storage address;
		socklen_t size = sizeof(address);
		int listener = atoi(argv[i]);

		MUST(getsockname(listener, (struct sockaddr *)&address, &size));
		ports.pair[i].a = kit_connect(&address);
		ports.pair[i].b = (int)MUST(accept(listener, NULL, NULL));
	}
	return ports;
}

static void exchange(const struct pair *pair, int rounds)
{
	for (int round = 0; round < rounds; round++) {
		PUT(pair->a, "x");
		CHECK_GETS(pair->b, "x");
		PUT(pair->b, "y");
		CHECK_GETS(pair->a, "y");
	}
}

/* Of what FD sent. */
static uint64_t bytes_by_tcp(int fd)
{
	struct rdma_carrier carrier;

	CHECK(kit_carrier(fd, &carrier));
	return carrier.send_bytes - carrier.shm_send_bytes;
}

PROGRAM(promoted_by_port)
{
	struct ports ports = pairs_new(argv);
	struct rdma_carrier carrier;

	for (int i = 0; i < PAIRS; i++)
		exchange(&ports.pair[i], 300);
	CHECK(bytes_by_tcp(ports.pair[0].a) < EARLY && bytes_by_tcp(ports.pair[0].b) < EARLY);
	CHECK_EQ(bytes_by_tcp(ports.pair[1].a), 300);
	CHECK(kit_carrier(ports.pair[1].a, &carrier));
	CHECK_EQ(strcmp(carrier.reason_code, "new"), 0);
	/* As the process has it. */
	CHECK(bytes_by_tcp(ports.pair[2].a) >= LATER_MIN && bytes_by_tcp(ports.pair[2].a) < LATER_MAX);
	return 0;
}

CASE(each_port_is_promoted_when_its_rule_says, ours)
{
	run_with("promoted_by_port", "promote_after_calls=100",
		 "use both * * *:%u promote_after_calls=1;use both * * *:%u promote_after_calls=1000000");
}

CASE(a_rule_by_address_and_program, ours)
{
	run_with("promoted_by_port", "promote_after_calls=100",
		 "use tcp * other *;use both * conformance_* 127.0.0.0/8:%u promote_after_calls=1;"
		 "use both * conformance_rules *:%u promote_after_calls=1000000;use both * * [::]/0 "
		 "promote_after_calls=7");
}

PROGRAM(promoted_by_bytes)
{
	struct ports ports = pairs_new(argv);

	for (int i = 0; i < PAIRS; i++)
		exchange(&ports.pair[i], 300);
	CHECK(bytes_by_tcp(ports.pair[0].a) >= LATER_MIN && bytes_by_tcp(ports.pair[0].a) < LATER_MAX);
	CHECK_EQ(bytes_by_tcp(ports.pair[1].a), 300);
	CHECK_EQ(bytes_by_tcp(ports.pair[2].a), 300);
	return 0;
}

CASE(bytes_count_as_the_rule_says, ours)
{
	run_with("promoted_by_bytes", "promote_after_calls=1000000",
		 "use both * * *:%u promote_after_bytes=100;use both * * *:%u promote_after_bytes=1000000");
}

/* One end's rule keeps both on TCP, as long as it does not look. */
PROGRAM(promoted_by_role)
{
	struct ports ports = pairs_new(argv);

	for (int i = 0; i < PAIRS; i++)
		exchange(&ports.pair[i], 100);
	CHECK_EQ(bytes_by_tcp(ports.pair[0].a), 100);
	CHECK_EQ(bytes_by_tcp(ports.pair[1].a), 100);
	CHECK(bytes_by_tcp(ports.pair[2].a) < EARLY);
	return 0;
}

CASE(one_role_alone, ours)
{
	run_with("promoted_by_role", "promote_after_calls=1",
		 "use both server * *:%u promote_after_calls=1000000;use both client * *:%u "
		 "promote_after_calls=1000000");
}

PROGRAM(rings_by_port)
{
	static const uint64_t sizes[PAIRS] = {4096, 65536, 16384};
	struct ports ports = pairs_new(argv);

	for (int i = 0; i < PAIRS; i++) {
		kit_promote(ports.pair[i].a, ports.pair[i].b);
		CHECK_EQ(kit_fill(ports.pair[i].a, 1, 0), sizes[i]);
		CHECK_EQ(kit_fill(ports.pair[i].b, 1, 0), sizes[i]);
	}
	return 0;
}

CASE(each_port_has_the_rings_of_its_rule, ours)
{
	run_with("rings_by_port", "promote_after_calls=1,ring_size=16384",
		 "use both * * *:%u ring_size=4096;use shm * * *:%u ring_size=65536");
}

/* The record of FD in our own area. */
static const struct stats_conn *record_of(int fd)
{
	char line[512];
	unsigned long from = 0;
	const struct stats_area *area;
	const struct stats_conn *records;
	FILE *maps = fopen("/proc/self/maps", "r");

	CHECK(maps);
	while (!from && fgets(line, sizeof(line), maps))
		if (strstr(line, "/memfd:" AREA_NAME))
			CHECK_EQ(sscanf(line, "%lx-", &from), 1);
	fclose(maps);
	CHECK(from);
	area = (const struct stats_area *)from;
	records = (const struct stats_conn *)(from + area->records_offset);
	for (unsigned i = 0; i < area->used; i++)
		if (records[i].state == STATS_LIVE && records[i].fd == fd)
			return &records[i];
	FAIL("fd %d has no record", fd);
}

#define WAITS 300

static void *echo(void *fd)
{
	char byte;

	for (int i = 0; i < WAITS; i++) {
		kit_get(*(int *)fd, &byte, 1);
		kit_put(*(int *)fd, &byte, 1);
	}
	return NULL;
}

PROGRAM(spins_by_port)
{
	struct ports ports = pairs_new(argv);

	for (int i = 0; i < PAIRS; i++) {
		pthread_t thread;
		char byte = 'x';

		kit_promote(ports.pair[i].a, ports.pair[i].b);
		PTHREAD(pthread_create(&thread, NULL, echo, &ports.pair[i].b));
		for (int k = 0; k < WAITS; k++) {
			kit_put(ports.pair[i].a, &byte, 1);
			kit_get(ports.pair[i].a, &byte, 1);
		}
		PTHREAD(pthread_join(thread, NULL));
	}
	CHECK_EQ(record_of(ports.pair[0].a)->spins, 0);
	CHECK(record_of(ports.pair[0].a)->sleeps > 0);
	CHECK(record_of(ports.pair[1].a)->spins > 0);
	CHECK_EQ(record_of(ports.pair[2].a)->spins, 0);
	CHECK_EQ(record_of(ports.pair[0].a)->settings_line, 1);
	CHECK_EQ(record_of(ports.pair[1].b)->settings_line, 3);
	CHECK_EQ(record_of(ports.pair[2].a)->settings_line, 0);
	return 0;
}

CASE(waits_on_each_port_spin_as_its_rule_says, ours, serial)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		kit_skip("nothing spins on one processor");
	run_with("spins_by_port", "promote_after_calls=1,polling_time=0",
		 "use both * * *:%u polling_time=0;;use both * * *:%u polling_time=100000");
}
