/* A process that goes to another network namespace and keeps its connections. */
#include "kit.h"

#include <sched.h>

static void leave_network(void)
{
	if (unshare(CLONE_NEWNET) == -1 && unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1)
		kit_skip("no network namespace to be had");
}

PEER(sends_when_asked_and_later)
{
	char byte;

	kit_get(fd, &byte, 1);
	kit_sleep_ms(100);
	PUT(fd, "later");
	CHECK_EOF(fd);
}

static void *receives_later(void *argument)
{
	CHECK_GETS(*(int *)argument, "later");
	return NULL;
}

/* Who sleeps for them there is woken from here. */
CASE(connection_from_before, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &sends_when_asked_and_later};
	int fd = peer_start(&peer);
	struct thread thread;

	leave_network();
	PUT(fd, "x");
	thread_start(&thread, receives_later, &fd);
	thread_join(&thread);
	MUST(close(fd));
	peer_join(&peer);
}
