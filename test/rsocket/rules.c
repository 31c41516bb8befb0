/* Settings that a rule gives single rsockets. The engine reads rules with the first call. */
#include "kit.h"

static bool is_promoted_after(int rounds)
{
	struct pair pair = pair_new(AF_INET);
	struct rdma_carrier carrier;

	for (int i = 0; i < rounds; i++) {
		PUT(pair.a, "x");
		CHECK_GETS(pair.b, "x");
		PUT(pair.b, "y");
		CHECK_GETS(pair.a, "y");
	}
	CHECK(kit_carrier(pair.a, &carrier));
	pair_close(&pair);
	return carrier.shm_send_bytes > 0;
}

CASE(a_rule_lets_it_look_at_once)
{
	setenv("RSOCKET_SET", "rsocket_after_calls=1000000", 1);
	setenv("RSOCKET_RULES", "use both * * 127.0.0.0/8 rsocket_after_calls=0", 1);
	CHECK(is_promoted_after(20));
}

CASE(a_rule_puts_it_off)
{
	setenv("RSOCKET_RULES", "use both client * *;use both server * * rsocket_after_calls=1000000", 1);
	CHECK(!is_promoted_after(200));
}

/* What is for plain sockets is not for these. */
CASE(calls_of_plain_sockets_do_not_count)
{
	setenv("RSOCKET_RULES", "use both * * * promote_after_calls=1000000", 1);
	CHECK(is_promoted_after(20));
}
