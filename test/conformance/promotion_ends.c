/* Connections that end at each possible moment of their promotion. */
#include "kit.h"

CASE(closed_at_each_moment, tiny, tcp)
{
	for (int rounds = 0; rounds < 40; rounds++) {
		struct pair pair = pair_new(AF_INET);
		for (int i = 0; i < rounds; i++) {
			if (i % 2 == 0) {
				PUT(pair.a, "x");
				CHECK_GETS(pair.b, "x");
			} else {
				PUT(pair.b, "y");
				CHECK_GETS(pair.a, "y");
			}
		}
		if (rounds == 39)
			CHECK_CARRIED(pair.a, 1, 1);
		PUT(pair.a, "last");
		MUST(close(pair.a));
		CHECK_GETS(pair.b, "last");
		CHECK_EOF(pair.b);
		MUST(close(pair.b));
	}
}

CASE(half_closed_at_each_moment, tiny)
{
	for (int rounds = 0; rounds < 40; rounds++) {
		struct pair pair = pair_new(AF_INET);
		for (int i = 0; i < rounds; i++) {
			PUT(i % 2 ? pair.b : pair.a, "x");
			CHECK_GETS(i % 2 ? pair.a : pair.b, "x");
		}
		if (rounds == 39)
			CHECK_CARRIED(pair.a, 1, 1);
		PUT(pair.a, "last");
		MUST(shutdown(pair.a, SHUT_WR));
		for (int i = 0; i < 20; i++) {
			PUT(pair.b, "other way");
			CHECK_GETS(pair.a, "other way");
		}
		CHECK_GETS(pair.b, "last");
		CHECK_EOF(pair.b);
		MUST(shutdown(pair.b, SHUT_WR));
		CHECK_EOF(pair.a);
		pair_close(&pair);
	}
}

CASE(reset_at_each_moment, tiny)
{
	struct linger now = {1, 0};

	for (int rounds = 0; rounds < 40; rounds++) {
		struct pair pair = pair_new(AF_INET);
		for (int i = 0; i < rounds; i++) {
			PUT(i % 2 ? pair.b : pair.a, "x");
			CHECK_GETS(i % 2 ? pair.a : pair.b, "x");
		}
		if (rounds == 39)
			CHECK_CARRIED(pair.a, 1, 1);
		MUST(setsockopt(pair.a, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
		MUST(close(pair.a));
		kit_await(pair.b, POLLERR);
		CHECK_FAILS(recv(pair.b, &(char){0}, 1, 0), ECONNRESET);
		MUST(close(pair.b));
	}
}
