/* Making a differing plan small. */
#include "run.h"
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define TRIES 3 /* runs that a candidate gets to show the difference again */

/* A shrink under way. */
struct shrinker {
	const struct runner *runner;
	struct plan *best;
	time_t end;
	int kind;  /* of the operation that differs */
	bool hang; /* and does not end in the preloaded run */
	int tries;
};

static bool hangs_at(const struct outcome *outcome, int index)
{
	return outcome->log.state != LOG_DONE && outcome->log.now == (uint32_t)index;
}

static bool still_differs(const struct shrinker *shrinker, const struct plan *plan)
{
	struct outcome outcomes[2];
	int index = run_both(shrinker->runner, plan, shrinker->tries, outcomes);

	return index >= 0 && plan->ops[index].kind == shrinker->kind && hangs_at(&outcomes[1], index) == shrinker->hang;
}

static bool out_of_time(const struct shrinker *shrinker)
{
	return time(NULL) >= shrinker->end;
}

static bool adopt(struct shrinker *shrinker, const struct plan *candidate)
{
	if (out_of_time(shrinker) || !memcmp(candidate, shrinker->best, sizeof(*candidate)) ||
	    !still_differs(shrinker, candidate))
		return false;
	*shrinker->best = *candidate;
	return true;
}

static void drop(struct plan *plan, uint32_t at, uint32_t count)
{
	memmove(&plan->ops[at], &plan->ops[at + count], (plan->count - at - count) * sizeof(plan->ops[0]));
	plan->count -= count;
}

/* Runs of operations, halves first, then single ones. */
static bool drop_ops(struct shrinker *shrinker)
{
	bool any = false;

	for (uint32_t length = shrinker->best->count / 2; length > 0; length /= 2) {
		for (uint32_t at = 0; at + length <= shrinker->best->count && !out_of_time(shrinker);) {
			struct plan candidate = *shrinker->best;

			drop(&candidate, at, length);
			if (candidate.count && adopt(shrinker, &candidate))
				any = true;
			else
				at += length;
		}
	}
	return any;
}

/* One simplification of operation AT; false when there is none with that number. */
static bool simplify(struct op *op, int number)
{
	static const uint32_t flags[] = {MSG_NOSIGNAL, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_MORE};
	static const uint32_t events[] = {EPOLLOUT, EPOLLRDHUP, EPOLLPRI, EPOLLET, EPOLLONESHOT, EPOLLIN};
	bool messages = op->kind == OP_SEND || op->kind == OP_RECV || op->kind == OP_LATE;

	switch (number) {
	case 0:
		op->fork = 0;
		return true;
	case 1:
		if (op->kind == OP_SEND || op->kind == OP_RECV || op->kind == OP_POLL || op->kind == OP_EPOLL_WAIT)
			op->call = 0;
		return true;
	case 2:
		op->parts = op->parts ? 1 : 0;
		return true;
	case 3:
		if (messages && op->size > 1)
			op->size = 1;
		return true;
	case 4:
		if (messages)
			op->size /= 2;
		return true;
	case 5:
		op->slot = 0;
		return true;
	}
	number -= 6;
	if (number < 6)
		op->flags &= messages ? ~flags[number] : ~0u;
	else if (number < 12)
		op->events &= ~events[number - 6];
	return number < 12;
}

static void simplify_ops(struct shrinker *shrinker)
{
	for (uint32_t at = 0; at < shrinker->best->count; at++) {
		struct plan candidate = *shrinker->best;

		for (int number = 0; simplify(&candidate.ops[at], number) && !out_of_time(shrinker); number++) {
			adopt(shrinker, &candidate);
			candidate = *shrinker->best;
		}
	}
}

static void simplify_settings(struct shrinker *shrinker)
{
	struct plan candidate = *shrinker->best;

	candidate.two = 0;
	adopt(shrinker, &candidate);
	candidate = *shrinker->best;
	candidate.ipv6 = 0;
	adopt(shrinker, &candidate);
	candidate = *shrinker->best;
	candidate.nodelay = 1;
	candidate.polling = 0;
	adopt(shrinker, &candidate);
	candidate = *shrinker->best;
	candidate.calls = 1;
	adopt(shrinker, &candidate);
}

void shrink(const struct runner *runner, struct plan *plan, int seconds)
{
	struct runner hasty = *runner;
	struct shrinker shrinker = {.runner = &hasty, .best = plan};
	struct outcome outcomes[2];
	int index = run_both(runner, plan, TRIES, outcomes);

	if (index < 0)
		return;
	hasty.guard_s = 2;
	shrinker.end = time(NULL) + seconds;
	shrinker.tries = TRIES;
	shrinker.kind = plan->ops[index].kind;
	shrinker.hang = hangs_at(&outcomes[1], index);
	if ((uint32_t)index + 1 < plan->count) {
		struct plan candidate = *plan;

		candidate.count = index + 1;
		memset(&candidate.ops[candidate.count], 0, (OPS_MAX - candidate.count) * sizeof(candidate.ops[0]));
		adopt(&shrinker, &candidate);
	}
	/* A difference that does not always show gets more runs. */
	shrinker.tries = 1;
	if (!still_differs(&shrinker, plan) || !still_differs(&shrinker, plan))
		shrinker.tries = TRIES;
	while (drop_ops(&shrinker) && !out_of_time(&shrinker))
		;
	simplify_settings(&shrinker);
	simplify_ops(&shrinker);
	drop_ops(&shrinker);
}
