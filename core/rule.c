/* The grammar of rules, and what they match. Without system calls or state: the addon uses it too. */
#include "rule.h"
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define PORT_MAX 65535

/* A line being parsed. */
struct words {
	const char *next, *end;
	const char *word;
	size_t length;
	unsigned number;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word; false at the end of the line or at a comment. */
static bool word_next(struct words *w)
{
	while (w->next < w->end && is_space(*w->next))
		w->next++;
	w->word = w->next;
	while (w->next < w->end && !is_space(*w->next))
		w->next++;
	w->length = (size_t)(w->next - w->word);
	w->number++;
	if (w->length && *w->word == '#')
		w->next = w->end, w->length = 0;
	return w->length > 0;
}

static bool word_is(const struct words *w, const char *text)
{
	return strlen(text) == w->length && memcmp(text, w->word, w->length) == 0;
}

static const char *transport_parse(const struct words *w, struct rule *rule)
{
	char name[16];
	long value;

	if (w->length < sizeof name) {
		memcpy(name, w->word, w->length);
		name[w->length] = '\0';
		if (strcmp(name, "both") == 0)
			strcpy(name, "auto");
		if (option_parse(option_find("transport"), name, &value) == 0) {
			rule->transport = (uint8_t)value;
			return NULL;
		}
	}
	return "what may be used is \"both\" or a value of the transport setting";
}

static const char *role_parse(const struct words *w, struct rule *rule)
{
	if (word_is(w, "*"))
		rule->role = RULE_ROLE_ANY;
	else if (word_is(w, "server"))
		rule->role = RULE_ROLE_SERVER;
	else if (word_is(w, "client"))
		rule->role = RULE_ROLE_CLIENT;
	else
		return "a role is \"server\", \"client\" or \"*\"";
	return NULL;
}

static const char *program_parse(const struct words *w, struct rule *rule)
{
	if (w->length >= RULE_PROGRAM_SIZE)
		return "a program's name has at most 63 characters";
	if (memchr(w->word, '/', w->length))
		return "a program is named without its directory";
	memcpy(rule->program, w->word, w->length);
	rule->program[w->length] = '\0';
	return NULL;
}

/* Decimal digits up to MAX from *TEXT on; -1 when there are none or they say more. */
static long number_parse(const char **text, const char *end, long max)
{
	const char *start = *text;
	long number = 0;

	for (; *text < end && **text >= '0' && **text <= '9'; (*text)++) {
		number = number * 10 + (**text - '0');
		if (number > max)
			return -1;
	}
	return *text == start ? -1 : number;
}

static const char *port_parse(const char *text, const char *end, struct rule *rule)
{
	static const char form[] = "a port is a number from 1 to 65535, two of them with a - between, or \"*\"";
	long min, max;

	if (end - text == 1 && *text == '*')
		return NULL;
	min = max = number_parse(&text, end, PORT_MAX);
	if (text < end && *text == '-') {
		text++;
		max = number_parse(&text, end, PORT_MAX);
	}
	if (text != end || min < 1 || max < 1)
		return form;
	if (max < min)
		return "the second port of a range is not below the first one";
	rule->port_min = (uint16_t)min;
	rule->port_max = (uint16_t)max;
	return NULL;
}

/* The address between TEXT and END, without brackets. */
static bool address_parse(const char *text, const char *end, struct rule *rule)
{
	char copy[INET6_ADDRSTRLEN];
	size_t length = (size_t)(end - text);

	if (length >= sizeof copy)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return inet_pton(rule->family, copy, rule->address) == 1;
}

/* Bits beyond the prefix are an error: somebody meant something else. */
static bool has_more_bits(const struct rule *rule)
{
	unsigned size = rule->family == AF_INET ? 4 : 16;

	for (unsigned i = rule->bits; i < size * 8; i++)
		if (rule->address[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

static const char *peer_parse(const struct words *w, struct rule *rule)
{
	static const char form[] = "a peer is an IPv4 address, an IPv6 address in brackets or \"*\", then maybe /bits, "
				   "then maybe a colon and ports";
	const char *text = w->word, *end = w->word + w->length, *address_end;
	bool in_brackets = *text == '[';
	long bits, bits_max = in_brackets ? 128 : 32;

	rule->port_min = 0;
	rule->port_max = PORT_MAX;
	if (*text == '*') {
		rule->family = 0;
		text++;
	} else {
		rule->family = in_brackets ? AF_INET6 : AF_INET;
		text += in_brackets;
		for (address_end = text; address_end < end && !strchr(in_brackets ? "]" : "/:", *address_end);)
			address_end++;
		if ((in_brackets && address_end == end) || !address_parse(text, address_end, rule))
			return form;
		text = address_end + in_brackets;
		bits = bits_max;
		if (text < end && *text == '/') {
			text++;
			bits = number_parse(&text, end, bits_max);
			if (bits < 0)
				return in_brackets ? "an IPv6 prefix has 0 to 128 bits"
						   : "an IPv4 prefix has 0 to 32 bits";
		}
		rule->bits = (uint8_t)bits;
		if (has_more_bits(rule))
			return "the address has bits set beyond its prefix";
	}
	if (text == end)
		return NULL;
	if (*text != ':')
		return form;
	return port_parse(text + 1, end, rule);
}

/* OF_CONNECTION: only what a connection can have of its own. */
static const char *pair_check(const struct words *w, bool of_connection)
{
	char text[128];
	const struct option_info *info;
	char *value;
	long number;

	if (w->length >= sizeof text || memchr(w->word, ',', w->length))
		return "a setting is written key=value";
	memcpy(text, w->word, w->length);
	text[w->length] = '\0';
	value = strchr(text, '=');
	if (!value)
		return "a setting is written key=value";
	*value++ = '\0';
	info = option_find(text);
	if (!info)
		return "no setting has this name";
	if (of_connection && strcmp(text, "transport") == 0)
		return "the transport of these connections is the word behind \"use\"";
	if (of_connection && info->scope != SCOPE_CONNECTION)
		return "this setting is the whole process's, not a connection's: only a set rule can give it";
	return option_parse(info, value, &number) == 0 ? NULL : "the setting cannot have this value";
}

/* From this word on, what a use rule gives its connections. */
static const char *own_parse(struct words *w, struct rule *rule)
{
	static const char profile[] = "profile=";
	const size_t length = sizeof profile - 1;
	const char *sentence;
	bool is_first = true;

	do {
		if (w->length >= length && memcmp(w->word, profile, length) == 0) {
			if (w->length == length)
				return "a profile has a name";
			if (!is_first)
				return "one profile comes first, before the settings that win over it";
			rule->profile = w->word + length;
			rule->profile_length = w->length - length;
		} else {
			sentence = pair_check(w, true);
			if (sentence)
				return sentence;
			rule->rest = rule->rest ? rule->rest : w->word;
			rule->rest_length = (size_t)(w->word + w->length - rule->rest);
		}
		is_first = false;
	} while (word_next(w));
	return NULL;
}

static const char *use_parse(struct words *w, struct rule *rule)
{
	static const char form[] = "a use rule is: use <both|auto|shm|tcp> <server|client|*> <program|*> "
				   "<peer|*>[:<port|*>] [profile=<name>] [<setting>=<value>...]";
	static const char *(*const parts[])(const struct words *, struct rule *) = {transport_parse, role_parse,
										    program_parse, peer_parse};
	const char *sentence;

	rule->kind = RULE_USE;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (!word_next(w))
			return form;
		sentence = parts[i](w, rule);
		if (sentence)
			return sentence;
	}
	return word_next(w) ? own_parse(w, rule) : NULL;
}

/* `set` and `profile`: a program, then words that REST points to. */
static const char *rest_parse(struct words *w, struct rule *rule, enum rule_kind kind)
{
	const char *form = kind == RULE_SET ? "a set rule is: set <program|*> <setting>=<value>..."
					    : "a profile rule is: profile <program|*> <name>";
	const char *sentence, *start = NULL, *end = NULL;
	unsigned count = 0;

	rule->kind = (uint8_t)kind;
	if (!word_next(w))
		return form;
	sentence = program_parse(w, rule);
	while (!sentence && word_next(w)) {
		start = start ? start : w->word;
		end = w->word + w->length;
		sentence = kind == RULE_SET ? pair_check(w, false) : NULL;
		count++;
	}
	if (sentence)
		return sentence;
	if (count == 0 || (kind == RULE_PROFILE && count > 1))
		return form;
	rule->rest = start;
	rule->rest_length = (size_t)(end - start);
	return NULL;
}

static const char *line_parse(struct words *w, struct rule *rule)
{
	if ((size_t)(w->end - w->next) > RULE_LINE_MAX)
		return "a rule has at most 511 characters";
	for (const char *c = w->next; c < w->end; c++)
		if ((unsigned char)*c < ' ' && !is_space(*c))
			return "a rule is text without control characters";
	if (!word_next(w))
		return NULL;
	if (word_is(w, "use"))
		return use_parse(w, rule);
	if (word_is(w, "set"))
		return rest_parse(w, rule, RULE_SET);
	if (word_is(w, "profile"))
		return rest_parse(w, rule, RULE_PROFILE);
	return "a rule begins with \"use\", \"set\" or \"profile\"";
}

int rule_parse(const char *text, size_t length, struct rule *rule, struct rule_fault *fault)
{
	struct words w = {.next = text, .end = text + length};
	const char *sentence;

	memset(rule, 0, sizeof *rule);
	sentence = line_parse(&w, rule);
	if (!sentence)
		return 0;
	fault->sentence = sentence;
	fault->word = w.number ? w.number : 1;
	return -EINVAL;
}

bool rule_program_matches(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;

	/* After a mismatch the last star takes one character more. */
	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			retry = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star + 1;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool rule_matches(const struct rule *rule, const struct rule_subject *subject)
{
	unsigned whole = rule->bits / 8, part = rule->bits % 8;

	if (rule->kind != RULE_USE ||
	    (rule->role != RULE_ROLE_ANY && (rule->role == RULE_ROLE_SERVER) != subject->is_server) ||
	    subject->port < rule->port_min || subject->port > rule->port_max ||
	    !rule_program_matches(rule->program, subject->program))
		return false;
	if (rule->family == 0)
		return true;
	return rule->family == subject->family && memcmp(rule->address, subject->peer, whole) == 0 &&
	       (part == 0 || (rule->address[whole] ^ subject->peer[whole]) >> (8 - part) == 0);
}
