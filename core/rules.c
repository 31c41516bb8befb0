/* Reads the rules when the process starts, and looks connections up in them. */
#include "rules.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536
#define FILE_NAME "rules"

static struct rule rules[RULES_MAX];
static unsigned rule_count;
static bool broken; /* nothing leaves TCP */
static bool give_settings;
static char program[RULE_PROGRAM_SIZE];

/* Where a line is from, and whom to tell. */
struct reading {
	const char *source; /* file or variable */
	settings_warn_fn *warn;
	rules_set_fn *set;
	unsigned line;
	bool was_set;
};

static void refuse(struct reading *r, const char *sentence)
{
	char text[512];

	broken = true;
	if (!r->warn)
		return;
	if (r->line)
		snprintf(text, sizeof text, "%s, line %u: %s; all connections stay on TCP", r->source, r->line,
			 sentence);
	else
		snprintf(text, sizeof text, "%s: %s; all connections stay on TCP", r->source, sentence);
	r->warn(text);
}

/* Pairs of a rule that was checked. */
static void pairs_set(struct reading *r, const struct rule *rule, unsigned number)
{
	const char *next = rule->rest, *end = rule->rest + rule->rest_length;

	while (next < end) {
		size_t length = 0;

		while (next + length < end && !strchr(" \t\r", next[length]))
			length++;
		if (length)
			r->set(number, next, length, r->source, r->warn);
		next += length + 1;
	}
}

static void profile_refuse(struct reading *r)
{
	char sentence[512];

	if (!r->warn)
		return;
	snprintf(sentence, sizeof sentence,
		 "%s, line %u: a profile is not known to the library; rsconfig rules install makes it known", r->source,
		 r->line);
	r->warn(sentence);
}

/* The text goes: of what the rule gives, only that it gives something is kept. */
static void use_take(struct reading *r, struct rule *rule)
{
	if (rule->rest && rule_program_matches(rule->program, program)) {
		pairs_set(r, rule, rule_count + 1);
		give_settings = true;
	}
	rule->rest = rule->profile = NULL;
	rules[rule_count++] = *rule;
}

static void line_take(struct reading *r, const char *text, size_t length)
{
	struct rule_fault fault;
	struct rule rule;

	r->line++;
	if (rule_parse(text, length, &rule, &fault) < 0) {
		refuse(r, fault.sentence);
		return;
	}
	rule.line = (uint16_t)r->line;
	if (rule.kind == RULE_PROFILE || rule.profile)
		profile_refuse(r);
	if (rule.kind == RULE_SET && !r->was_set && rule_program_matches(rule.program, program)) {
		r->was_set = true;
		pairs_set(r, &rule, 0);
	} else if (rule.kind == RULE_USE && rule_count == RULES_MAX) {
		refuse(r, "there are more than 256 rules");
	} else if (rule.kind == RULE_USE) {
		use_take(r, &rule);
	}
}

/* In the variable, a semicolon ends a line too. */
static void variable_load(struct reading *r, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n;");

		line_take(r, text, length);
		text += length + (text[length] != '\0');
	}
}

static void descriptor_load(struct reading *r, int fd)
{
	static char line[RULE_LINE_MAX + 2]; /* one more than allowed: what is longer stays too long */
	char chunk[1024];
	size_t length = 0, total = 0;
	ssize_t got;

	while ((got = sys_read(fd, chunk, sizeof chunk)) > 0 && (total += (size_t)got) <= TEXT_MAX) {
		for (ssize_t i = 0; i < got; i++) {
			if (chunk[i] == '\n') {
				line_take(r, line, length);
				length = 0;
			} else if (length < sizeof line) {
				line[length++] = chunk[i];
			}
		}
	}
	if (got == 0 && length)
		line_take(r, line, length);
	r->line = 0;
	if (got < 0)
		refuse(r, "the rules cannot be read");
	else if (got > 0)
		refuse(r, "there are more than 65536 bytes of rules");
}

void rules_load(int dirfd, const char *dir, settings_warn_fn *warn, rules_set_fn *set)
{
	const char *variable = secure_getenv("RSOCKET_RULES");
	struct reading r = {.warn = warn, .set = set};
	char source[256];
	int fd;

	rule_count = 0;
	broken = give_settings = false;
	snprintf(program, sizeof program, "%s", program_invocation_short_name);
	if (variable && *variable) {
		r.source = "RSOCKET_RULES";
		variable_load(&r, variable);
		return;
	}
	if (dirfd < 0)
		return;
	/* Not blocking: somebody may have put a FIFO there. */
	fd = openat(dirfd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return;
	snprintf(source, sizeof source, "%s/%s", dir, FILE_NAME);
	r.source = source;
	if (fd < 0) {
		refuse(&r, "the rules cannot be opened");
		return;
	}
	descriptor_load(&r, fd);
	sys_close(fd);
}

/* The first rule that matches, or NULL. */
static const struct rule *rule_find(struct rule_subject *subject)
{
	subject->program = program;
	for (unsigned i = 0; i < rule_count; i++)
		if (rule_matches(&rules[i], subject))
			return &rules[i];
	return NULL;
}

bool rules_allow(struct rule_subject *subject)
{
	const struct rule *rule = rule_find(subject);

	return !broken && (!rule || rule->transport != TRANSPORT_SETTING_TCP);
}

bool rules_give_settings(void)
{
	return give_settings && !broken;
}

unsigned rules_settings(struct rule_subject *subject, uint16_t *line)
{
	const struct rule *rule = rule_find(subject);

	*line = rule && rule->rest_length ? rule->line : 0;
	return *line ? (unsigned)(rule - rules) + 1 : 0;
}
