/* The face of a conformance program: PROGRAM CASE runs one case under the watchdog, PROGRAM --list names them.
 *
 * KIT_EXPECT   kernel (default), shm or tcp: what the connections must be carried by
 * KIT_PRELOAD  what the case is started with as LD_PRELOAD (the watchdog itself is not)
 * KIT_TIMEOUT  seconds a case may take (20); KIT_SEED the random seed; KIT_GDB=1 adds stack traces to a timeout */
#include "kit.h"

static struct kit_case *cases;

void kit_case_add(struct kit_case *entry)
{
	entry->next = cases;
	cases = entry;
}

static struct kit_case *case_find(const char *name)
{
	for (struct kit_case *entry = cases; entry; entry = entry->next)
		if (strcmp(entry->name, name) == 0)
			return entry;
	return NULL;
}

static void on_question(int signal __attribute__((unused)))
{
	kit_carriers_print();
}

static int case_run(const char *name)
{
	struct kit_case *entry = case_find(name);

	sigaction(SIGRTMAX, &(struct sigaction){.sa_handler = on_question, .sa_flags = SA_RESTART}, NULL);
	if (!entry)
		return 2;
	kit_seed();
	entry->run();
	fflush(NULL);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "--run") == 0)
		return case_run(argv[2]);
	if (argc >= 3 && strcmp(argv[1], "--program") == 0)
		return kit_peer_main(argc - 2, argv + 2);
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (struct kit_case *entry = cases; entry; entry = entry->next)
			puts(entry->name);
		return 0;
	}
	if (argc != 2 || !case_find(argv[1])) {
		fprintf(stderr, "usage: %s CASE | --list\n", argv[0]);
		return 2;
	}
	return kit_supervise(argv[1]);
}
