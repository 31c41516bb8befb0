/* Which settings a connection has: those of the process, and over them those of the first rule that matches. */
#include "rules.h"
#include "config.h"
#include "kit.h"

static char complaints[2048];

static void note(const char *sentence)
{
	strncat(complaints, sentence, sizeof(complaints) - strlen(complaints) - 1);
}

static void load(const char *rules, const char *set)
{
	setenv("RSOCKET_CONFIG_DIR", "/nonexistent", 1);
	setenv("RSOCKET_RULES", rules, 1);
	setenv("RSOCKET_SET", set, 1);
	complaints[0] = '\0';
	settings_load(note);
}

/* Of a connection to this port of 127.0.0.1. */
static const struct settings *of(bool is_server, uint16_t port, uint16_t *line)
{
	struct rule_subject subject = {.is_server = is_server, .family = AF_INET, .peer = {127, 0, 0, 1}, .port = port};

	return settings_of(rules_settings(&subject, line));
}

CASE(the_first_rule_that_matches_gives_its_settings)
{
	uint16_t line;

	load("# first\nuse both server * *:80 ring_size=4096 promote_tries=3 ring_size=8192\nuse both * * *:80\n"
	     "use both * * * polling_time=7",
	     "polling_time=5,promote_tries=9");
	CHECK(rules_give_settings());
	CHECK_EQ(complaints[0], '\0');
	CHECK_EQ(of(true, 80, &line)->ring_size, 8192);
	CHECK_EQ(line, 2);
	CHECK_EQ(of(true, 80, &line)->promote_tries, 3);
	/* What the rule leaves open is the process's, although that is read later. */
	CHECK_EQ(of(true, 80, &line)->polling_time, 5);
	CHECK(of(false, 80, &line) == settings());
	CHECK_EQ(line, 0);
	CHECK_EQ(of(false, 81, &line)->polling_time, 7);
	CHECK_EQ(of(false, 81, &line)->promote_tries, 9);
	CHECK_EQ(line, 4);
	CHECK_EQ(settings()->polling_time, 5);
	CHECK_EQ(settings()->ring_size, 0);
}

CASE(rules_for_other_programs_cost_nothing)
{
	uint16_t line;

	load("use both * other *:80 ring_size=4096;set * ring_size=64", "");
	CHECK(!rules_give_settings());
	CHECK_EQ(settings()->ring_size, 64);
	CHECK(of(true, 80, &line) == settings());
	load("use both * * *:80", "");
	CHECK(!rules_give_settings());
}

CASE(a_profile_is_complained_of_and_the_rest_obeyed)
{
	uint16_t line;

	load("use tcp * * *:80 profile=latency;use both * * * profile=latency ring_size=64", "");
	CHECK(strstr(complaints, "RSOCKET_RULES, line 1: a profile is not known to the library"));
	CHECK(strstr(complaints, "RSOCKET_RULES, line 2: a profile is not known to the library"));
	CHECK(of(true, 80, &line) == settings());
	CHECK_EQ(of(true, 81, &line)->ring_size, 64);
}

CASE(broken_rules_give_nothing_and_keep_all_on_tcp)
{
	struct rule_subject subject = {.family = AF_INET, .port = 80};

	load("use both * * * ring_size=64;use both * * * log_level=info", "");
	CHECK(strstr(complaints, "line 2: this setting is the whole process's"));
	CHECK(!rules_give_settings());
	CHECK(!rules_allow(&subject));
}

CASE(as_many_as_there_may_be)
{
	static char text[65536];
	uint16_t line;

	for (unsigned i = 1; i <= RULES_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "use both * * *:%u ring_size=%u\n", i,
			 64 + i);
	load(text, "");
	CHECK_EQ(complaints[0], '\0');
	for (unsigned i = 1; i <= RULES_MAX; i++) {
		CHECK_EQ(of(true, (uint16_t)i, &line)->ring_size, 64 + i);
		CHECK_EQ(line, i);
	}
	strcat(text, "use both * * * ring_size=64\n");
	load(text, "");
	CHECK(strstr(complaints, "more than 256 rules"));
}
