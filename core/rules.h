/* The rules of this process: RSOCKET_RULES, or the file "rules" of the configuration directory. */
#ifndef RS_RULES_H
#define RS_RULES_H

#include "config.h"
#include "rule.h"

#define RULES_MAX 256 /* use rules */

/* Takes one key=value for the settings of this NUMBER: 0 those of the process, 1 to RULES_MAX those of a use rule's connections. */
typedef void rules_set_fn(unsigned number, const char *pair, size_t length, const char *source, settings_warn_fn *warn);

/* Reads them, once, allocating nothing. DIRFD is the configuration directory, called DIR in complaints, or < 0. Calls SET for what
 * the first set rule for this program gives, and for what use rules for it give. Rules that cannot be read or understood keep every
 * connection on TCP. */
void rules_load(int dirfd, const char *dir, settings_warn_fn *warn, rules_set_fn *set);

/* Whether the first rule that matches SUBJECT lets it leave TCP; SUBJECT's program is filled in. */
bool rules_allow(struct rule_subject *subject);

/* Whether any connection of this program may have settings of its own: rules_settings tells which. */
bool rules_give_settings(void);

/* The number of SUBJECT's settings (settings_of), and the line of the rule that gives it some of its own: 0 and 0 when none does. */
unsigned rules_settings(struct rule_subject *subject, uint16_t *line);

#endif
