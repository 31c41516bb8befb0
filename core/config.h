/* The settings of this process: one row each in option.def, read once from the environment and /etc/rdma/rsocket. */
#ifndef RS_CONFIG_H
#define RS_CONFIG_H

#include <stddef.h>

struct settings {
#define OPTION(name, unit, deflt, min, max, values, scope, help) long name;
#include "option.def"
#undef OPTION
};

/* Values of the transport setting, in the order of its row. */
enum transport_setting { TRANSPORT_SETTING_AUTO, TRANSPORT_SETTING_SHM, TRANSPORT_SETTING_TCP };

/* Whose a setting is: the process's alone, or also that of each connection to which a use rule gives it (rule.h). */
enum option_scope { SCOPE_PROCESS, SCOPE_CONNECTION };

/* One row of option.def. */
struct option_info {
	const char *name;
	const char *unit; /* "bytes", "us", "ms", "calls", "count", "flag", "enum" */
	long deflt, min, max;
	const char *values; /* "enum": names separated by '|', the first one is number 0; else "" */
	enum option_scope scope;
	const char *help; /* one sentence */
	size_t offset;    /* of the long in struct settings */
};

extern const struct option_info option_table[];
extern const size_t option_count;

/* The settings; defaults until settings_load ran. Never NULL, constant afterwards. */
const struct settings *settings(void);

/* The same for connections whose settings have this number (rules_settings): 0, or those that a use rule gave some of their own, and for
 * the rest the process's. */
const struct settings *settings_of(unsigned number);

/* Called with each complaint: a sentence without newline that names file or variable, what was wrong, the allowed range. */
typedef void settings_warn_fn(const char *sentence);

/* Reads RSOCKET_CONFIG_DIR (default /etc/rdma/rsocket), then the rules (rules.h), then RSOCKET_SET ("key=value,key=value"), which wins
 * over both, but not over what a use rule gives its connections.
 * A malformed or unreadable value is reported through WARN once and its default stays. Allocates nothing, is safe in a constructor. */
void settings_load(settings_warn_fn *warn);

/* Parses TEXT for option INFO ("64", "0x40", an enum's name; one optional trailing newline). 0 and *VALUE, or -EINVAL / -ERANGE. */
int option_parse(const struct option_info *info, const char *text, long *value);

/* The row called NAME, or NULL. */
const struct option_info *option_find(const char *name);

#endif
