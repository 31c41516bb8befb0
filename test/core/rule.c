/* The grammar of rules. */
#include "rule.h"
#include "config.h"
#include "kit.h"

static struct rule sound(const char *line)
{
	struct rule rule;
	struct rule_fault fault = {NULL, 0};

	if (rule_parse(line, strlen(line), &rule, &fault) < 0)
		FAIL("\"%s\": word %u: %s", line, fault.word, fault.sentence);
	return rule;
}

static void check_text(const char *text, size_t length, const char *want)
{
	if (!want)
		CHECK(!text);
	else if (!text || length != strlen(want) || memcmp(text, want, length) != 0)
		FAIL("\"%.*s\", expected \"%s\"", text ? (int)length : 0, text ? text : "", want);
}

/* LINE is at fault at this word, in a sentence that has PART. */
static void faulty(const char *line, unsigned word, const char *part)
{
	struct rule rule;
	struct rule_fault fault = {"", 0};

	CHECK_EQ(rule_parse(line, strlen(line), &rule, &fault), -EINVAL);
	if (fault.word != word || !strstr(fault.sentence, part))
		FAIL("\"%s\": word %u: %s, expected word %u: %s", line, fault.word, fault.sentence, word, part);
}

CASE(a_use_rule_may_give_nothing)
{
	struct rule rule = sound("use both server redis-server *:6379 # profile=latency");

	CHECK_EQ(rule.kind, RULE_USE);
	CHECK_EQ(rule.transport, TRANSPORT_SETTING_AUTO);
	check_text(rule.rest, rule.rest_length, NULL);
	check_text(rule.profile, rule.profile_length, NULL);
}

CASE(what_a_use_rule_gives)
{
	struct rule rule = sound("use both * * [::1]:80 profile=latency\tring_size=64  promote_tries=0x10 # x");

	check_text(rule.profile, rule.profile_length, "latency");
	check_text(rule.rest, rule.rest_length, "ring_size=64  promote_tries=0x10");
	CHECK_EQ(rule.port_min, 80);
	rule = sound("use tcp * * * profile=x");
	check_text(rule.profile, rule.profile_length, "x");
	check_text(rule.rest, rule.rest_length, NULL);
	rule = sound("use tcp * * * polling_time=0\r");
	check_text(rule.rest, rule.rest_length, "polling_time=0");
}

CASE(only_settings_of_connections)
{
	for (size_t i = 0; i < option_count; i++) {
		char line[128];
		const struct option_info *info = &option_table[i];
		struct rule rule;
		struct rule_fault fault;

		snprintf(line, sizeof(line), "use both * * * %s=%.*s%s", info->name, (int)strcspn(info->values, "|"),
			 info->values, info->values[0] ? "" : "1");
		CHECK_EQ(rule_parse(line, strlen(line), &rule, &fault), info->scope == SCOPE_CONNECTION ? 0 : -EINVAL);
		memcpy(line, "set *         ", 14);
		sound(line);
	}
	faulty("use both * * * ring_size=64 log_level=info", 7, "only a set rule can give it");
	faulty("use both * * * transport=shm", 6, "the word behind \"use\"");
}

CASE(faults_have_their_word)
{
	faulty("use both * * * latency", 6, "key=value");
	faulty("use both * * * ring_size=64 ring=64", 7, "no setting has this name");
	faulty("use both * * * ring_size=16M", 6, "cannot have this value");
	faulty("use both * * * ring_size=64,polling_time=0", 6, "key=value");
	faulty("use both * * * ring_size=64 profile=latency", 7, "comes first");
	faulty("use both * * * profile=a profile=b", 7, "comes first");
	faulty("use both * * * profile= ring_size=64", 6, "has a name");
	faulty("use both * *", 5, "a use rule is");
	faulty("set * profile=latency", 3, "no setting has this name");
}
