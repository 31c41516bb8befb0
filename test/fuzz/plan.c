/* Making plans from seeds, and their text form. */
#include "plan.h"

#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static const char *const kind_names[] = {
#define KIND(id, text, weight) text,
	OP_KINDS(KIND)
#undef KIND
};

static const int kind_weights[] = {
#define KIND(id, text, weight) weight,
	OP_KINDS(KIND)
#undef KIND
};

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t limit)
{
	return random_next(state) % limit;
}

static int chance(uint64_t *state, uint32_t percent)
{
	return below(state, 100) < percent;
}

static uint32_t pick_size(uint64_t *state, const struct plan *plan)
{
	uint32_t roll = below(state, 100);

	if (plan->tiny)
		return roll < 5 ? 0 : roll < 60 ? 1 + below(state, 16) : 1 + below(state, plan->cap + 8);
	if (roll < 4)
		return 0;
	if (roll < 50)
		return 1 + below(state, 100);
	if (roll < 75)
		return 1 + below(state, 5000);
	if (roll < 90)
		return 1 + below(state, 70000);
	return 1 + below(state, SIZE_MAX_OP);
}

static uint32_t pick_send_flags(uint64_t *state)
{
	uint32_t flags = 0;

	if (chance(state, 30))
		flags |= MSG_DONTWAIT;
	if (chance(state, 30))
		flags |= MSG_NOSIGNAL;
	if (chance(state, 1))
		flags |= MSG_MORE;
	return flags;
}

static uint32_t pick_recv_flags(uint64_t *state)
{
	uint32_t flags = 0;

	if (chance(state, 60))
		flags |= MSG_DONTWAIT;
	if (chance(state, 25))
		flags |= MSG_PEEK;
	if (chance(state, 20))
		flags |= MSG_WAITALL;
	if (chance(state, 10))
		flags |= MSG_TRUNC;
	return flags;
}

static uint32_t pick_events(uint64_t *state, const struct plan *plan)
{
	uint32_t events = 0;

	if (chance(state, 85))
		events |= EPOLLIN;
	if (chance(state, 40))
		events |= EPOLLOUT;
	if (chance(state, 40))
		events |= EPOLLRDHUP;
	if (chance(state, 10))
		events |= EPOLLPRI;
	if (chance(state, 45))
		events |= EPOLLET;
	if (chance(state, 15))
		events |= EPOLLONESHOT;
	/* Inside a transfer a tiny ring gets full and has room again, which is an edge that the kernel's large buffers do not see. */
	if (plan->tiny && (events & (EPOLLET | EPOLLONESHOT)))
		events &= ~EPOLLOUT;
	return events;
}

static void fill_setopt(struct op *op, uint64_t *state, const struct plan *plan)
{
	op->call = below(state, SET_OPTIONS);
	if ((op->call == SET_LINGER || op->call == SET_CORK) && chance(state, 60))
		op->call = SET_RCVLOWAT;
	switch (op->call) {
	case SET_RCVLOWAT:
		op->size = chance(state, 40) ? 1 : 1 + below(state, plan->tiny ? plan->cap : 2000);
		break;
	case SET_RCVTIMEO:
		op->size = 4 + below(state, 12);
		break;
	case SET_NODELAY:
		op->size = chance(state, 75);
		break;
	case SET_CORK:
		op->size = chance(state, 30);
		break;
	default:
		op->size = chance(state, 50);
	}
}

static void fill_late(struct op *op, uint64_t *state, const struct plan *plan)
{
	op->call = below(state, LATE_CALLS);
	op->size = 1 + below(state, plan->tiny ? plan->cap : 3000);
	op->size2 = chance(state, 10) ? 0 : op->size + below(state, plan->tiny ? 8 : 500);
	op->parts = 1;
	if (op->call == LATE_EPOLL && chance(state, 50))
		op->events = EPOLLET;
	if (op->call != LATE_RECV)
		return;
	if (chance(state, 30))
		op->flags |= MSG_WAITALL;
	else if (op->size2 && chance(state, 30))
		op->size2 = 1 + below(state, op->size2);
	if (chance(state, 20))
		op->flags |= MSG_PEEK;
}

static uint32_t pick_slot(uint64_t *state)
{
	return chance(state, 75) ? 0 : below(state, SLOTS);
}

static void fill_rest(struct op *op, uint64_t *state, const struct plan *plan)
{
	switch (op->kind) {
	case OP_EPOLL_CTL:
		op->call = chance(state, 60) ? EPOLL_CTL_ADD : chance(state, 60) ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
		op->set = below(state, SETS);
		op->events = pick_events(state, plan);
		break;
	case OP_EPOLL_WAIT:
		op->call = below(state, WAIT_CALLS);
		op->set = below(state, SETS);
		op->size = chance(state, 90) ? 0 : 1 + below(state, 5);
		break;
	case OP_SHUTDOWN:
		op->call = chance(state, 60) ? SHUT_WR : below(state, 3);
		break;
	case OP_DUP:
		op->call = below(state, DUP_CALLS);
		op->slot2 = chance(state, 92) ? below(state, STDIO_SLOT) : STDIO_SLOT;
		break;
	case OP_SETOPT:
		fill_setopt(op, state, plan);
		break;
	case OP_NONBLOCK:
		op->size = chance(state, 40);
		op->call = chance(state, 50);
		break;
	case OP_WARM:
		op->size = 1 + below(state, 20);
		break;
	case OP_XFER:
		op->call = below(state, XFER_CALLS);
		op->parts = 1 + below(state, 3);
		op->size = chance(state, 50) ? 1 + below(state, 3000) : 1 + below(state, SIZE_MAX_OP);
		break;
	case OP_LATE:
		fill_late(op, state, plan);
		break;
	default:
		break;
	}
}

static void make_op(struct op *op, uint64_t *state, const struct plan *plan)
{
	int total = 0;
	int roll;

	memset(op, 0, sizeof(*op));
	for (int i = 0; i < OP_KINDS_COUNT; i++)
		total += kind_weights[i];
	roll = below(state, total);
	while (roll >= kind_weights[op->kind])
		roll -= kind_weights[op->kind++];
	op->end = chance(state, 50);
	op->slot = pick_slot(state);
	op->fork = chance(state, 3);
	switch (op->kind) {
	case OP_SEND:
		op->call = below(state, SEND_CALLS);
		op->parts = 1 + below(state, 4);
		op->size = pick_size(state, plan);
		if (op->call != SEND_WRITE && op->call != SEND_WRITEV)
			op->flags = pick_send_flags(state);
		break;
	case OP_RECV:
		op->call = below(state, RECV_CALLS);
		op->parts = 1 + below(state, 4);
		op->size = pick_size(state, plan);
		if (op->call != RECV_READ && op->call != RECV_READV)
			op->flags = pick_recv_flags(state);
		break;
	case OP_POLL:
		op->call = below(state, POLL_CALLS);
		op->flags = 1 + below(state, (1u << 2 * SLOTS) - 1);
		if (chance(state, 60))
			op->flags = 1 | 1 << SLOTS;
		op->events = pick_events(state, plan) & (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI);
		op->size = chance(state, 90) ? 0 : 1 + below(state, 5);
		break;
	default:
		op->fork = op->fork && (op->kind == OP_SHUTDOWN || op->kind == OP_FIONREAD ||
					(op->kind == OP_SETOPT && op->call != SET_RCVLOWAT));
		fill_rest(op, state, plan);
	}
}

/* From dice of their own, so that the other plans are what they were. Nobody but the sender sees completions under the preload, so no
 * child sends, receives or polls. */
static void add_zerocopy(struct plan *plan)
{
	uint64_t state = ~plan->seed;

	plan->zerocopy = chance(&state, 12);
	for (uint32_t i = 0; i < plan->count && plan->zerocopy; i++) {
		struct op *op = &plan->ops[i];

		if (op->kind == OP_SEND || op->kind == OP_RECV || op->kind == OP_POLL)
			op->fork = 0;
		if (op->kind == OP_SEND && op->call != SEND_WRITE && op->call != SEND_WRITEV &&
		    !(op->flags & MSG_MORE) && chance(&state, 50))
			op->flags |= MSG_ZEROCOPY;
		if (op->kind == OP_RECV && op->call != RECV_READ && op->call != RECV_READV && chance(&state, 25))
			op->flags |= MSG_ERRQUEUE;
	}
}

void plan_make(struct plan *plan, uint64_t seed, int tiny)
{
	static const uint32_t rings[] = {64, 64, 128, 1024, 4096};
	static const uint32_t calls[] = {1, 1, 1, 2, 4, 8};
	static const uint32_t polling[] = {0, 10, 10, 200};
	uint64_t state = seed * 2 + tiny;
	uint32_t room;

	memset(plan, 0, sizeof(*plan));
	plan->seed = seed;
	plan->tiny = tiny;
	plan->two = chance(&state, 50);
	plan->ipv6 = chance(&state, 20);
	plan->nodelay = chance(&state, 85);
	plan->buffers = tiny || chance(&state, 75);
	plan->calls = calls[below(&state, sizeof(calls) / sizeof(calls[0]))];
	plan->polling = polling[below(&state, sizeof(polling) / sizeof(polling[0]))];
	plan->ring = tiny ? rings[below(&state, sizeof(rings) / sizeof(rings[0]))] : 0;
	plan->cap = tiny ? plan->ring / 2 : plan->buffers ? 524288 : 24000;
	room = chance(&state, 70) ? 25 : OPS_MAX;
	plan->count = 3 + below(&state, room - 3);
	for (uint32_t i = 0; i < plan->count; i++)
		make_op(&plan->ops[i], &state, plan);
	if (chance(&state, 50)) {
		plan->ops[0] = (struct op){.kind = OP_WARM, .size = 12};
	}
	add_zerocopy(plan);
}

/* The text form: "send A slot=0 size=7", and one such line of settings first. */
struct field {
	const char *name;
	size_t offset;
	size_t size;
};

#define FIELD(type, member)                                                  \
	{                                                                    \
#member, offsetof(type, member), sizeof(((type *)0)->member) \
	}
static const struct field op_fields[] = {
	FIELD(struct op, slot),
	FIELD(struct op, slot2),
	FIELD(struct op, call),
	FIELD(struct op, fork),
	FIELD(struct op, set),
	FIELD(struct op, parts),
	FIELD(struct op, size),
	FIELD(struct op, size2),
	FIELD(struct op, flags),
	FIELD(struct op, events),
	{0},
};
static const struct field plan_fields[] = {
	FIELD(struct plan, seed),     FIELD(struct plan, tiny),    FIELD(struct plan, two),
	FIELD(struct plan, ipv6),     FIELD(struct plan, nodelay), FIELD(struct plan, buffers),
	FIELD(struct plan, zerocopy), FIELD(struct plan, cap),     FIELD(struct plan, ring),
	FIELD(struct plan, calls),    FIELD(struct plan, polling), {0},
};

static void fields_write(const struct field *fields, const void *base, FILE *out)
{
	for (const struct field *field = fields; field->name; field++) {
		uint64_t value = 0;

		memcpy(&value, (const char *)base + field->offset, field->size);
		if (value)
			fprintf(out,
				strcmp(field->name, "flags") && strcmp(field->name, "events") ? " %s=%llu"
											      : " %s=%#llx",
				field->name, (unsigned long long)value);
	}
}

/* Sets what " name=value ..." says. 0 or -1. */
static int fields_read(const struct field *fields, void *base, char *text)
{
	char *rest = NULL;

	for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
		const struct field *field = fields;
		unsigned long long number;
		size_t length = strcspn(word, "=");
		uint64_t value;

		if (word[0] == '#')
			break;
		while (field->name && (strlen(field->name) != length || strncmp(field->name, word, length) != 0))
			field++;
		if (!field->name || sscanf(word + length, "=%lli", (long long *)&number) != 1)
			return -1;
		value = number;
		memcpy((char *)base + field->offset, &value, field->size);
	}
	return 0;
}

static void flag_names(const struct op *op, FILE *out)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} msg[] = {{MSG_PEEK, "PEEK"},         {MSG_WAITALL, "WAITALL"},   {MSG_DONTWAIT, "DONTWAIT"},
		   {MSG_TRUNC, "TRUNC"},       {MSG_NOSIGNAL, "NOSIGNAL"}, {MSG_MORE, "MORE"},
		   {MSG_ZEROCOPY, "ZEROCOPY"}, {MSG_ERRQUEUE, "ERRQUEUE"}},
	  poll[] = {{EPOLLIN, "IN"},   {EPOLLOUT, "OUT"}, {EPOLLRDHUP, "RDHUP"},
		    {EPOLLPRI, "PRI"}, {EPOLLET, "ET"},   {EPOLLONESHOT, "ONESHOT"}};
	static const char *const calls[][5] = {
		[OP_SEND] = {"send", "write", "writev", "sendmsg", "sendto"},
		[OP_RECV] = {"recv", "read", "readv", "recvmsg", "recvfrom"},
		[OP_POLL] = {"poll", "ppoll", "select", "pselect"},
		[OP_EPOLL_CTL] = {"", "ADD", "DEL", "MOD"},
		[OP_EPOLL_WAIT] = {"epoll_wait", "epoll_pwait", "epoll_pwait2"},
		[OP_SHUTDOWN] = {"RD", "WR", "RDWR"},
		[OP_DUP] = {"dup", "dup2", "dup3", "F_DUPFD", "F_DUPFD_CLOEXEC"},
		[OP_SETOPT] = {"RCVLOWAT", "RCVTIMEO", "NODELAY", "CORK", "LINGER"},
		[OP_NONBLOCK] = {"fcntl", "ioctl"},
		[OP_XFER] = {"one thread", "two threads"},
		[OP_LATE] = {"recv", "poll", "epoll_wait"},
	};
	const char *call = op->kind <= OP_LATE && op->call < 5 ? calls[op->kind][op->call] : NULL;

	if (call)
		fprintf(out, "  # %s", call);
	for (size_t i = 0; i < sizeof(msg) / sizeof(msg[0]) && op->kind != OP_POLL; i++)
		if (op->flags & msg[i].bit)
			fprintf(out, " %s", msg[i].name);
	for (size_t i = 0; i < sizeof(poll) / sizeof(poll[0]); i++)
		if (op->events & poll[i].bit)
			fprintf(out, " %s", poll[i].name);
}

void op_write(const struct op *op, FILE *out)
{
	fprintf(out, "%s %c", kind_names[op->kind], 'A' + op->end);
	fields_write(op_fields, op, out);
	flag_names(op, out);
}

void plan_write(const struct plan *plan, FILE *out)
{
	fprintf(out, "plan");
	fields_write(plan_fields, plan, out);
	fprintf(out, "\n");
	for (uint32_t i = 0; i < plan->count; i++) {
		op_write(&plan->ops[i], out);
		fprintf(out, "\n");
	}
}

static int op_read(struct op *op, char *line)
{
	char name[32];
	char end;
	int used;

	memset(op, 0, sizeof(*op));
	if (sscanf(line, "%31s %c%n", name, &end, &used) != 2 || (end != 'A' && end != 'B'))
		return -1;
	while (op->kind < OP_KINDS_COUNT && strcmp(kind_names[op->kind], name) != 0)
		op->kind++;
	op->end = end - 'A';
	if (op->kind == OP_KINDS_COUNT || fields_read(op_fields, op, line + used))
		return -1;
	return op->slot < SLOTS && op->slot2 < SLOTS && op->set < SETS && op->size <= SIZE_MAX_OP && op->parts <= 8
		       ? 0
		       : -1;
}

int plan_read(struct plan *plan, FILE *in)
{
	char line[512];
	int number = 0;
	int headed = 0;

	memset(plan, 0, sizeof(*plan));
	plan->cap = 24000;
	while (fgets(line, sizeof(line), in)) {
		int bad;

		number++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!headed && strncmp(line, "plan", 4) == 0) {
			bad = fields_read(plan_fields, plan, line + 4);
			headed = 1;
		} else {
			bad = plan->count == OPS_MAX || op_read(&plan->ops[plan->count++], line);
		}
		if (bad) {
			fprintf(stderr, "line %d is not an operation\n", number);
			return -1;
		}
	}
	return 0;
}
