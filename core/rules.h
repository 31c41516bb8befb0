/* The rules of this process: RSOCKET_RULES, or the file "rules" of the configuration directory. */
#ifndef RS_RULES_H
#define RS_RULES_H

#include "config.h"
#include "rule.h"

/* Reads them, once, allocating nothing. DIRFD is the configuration directory, called DIR in complaints, or < 0. Calls SET for each
 * key=value of the first set rule for this program. Rules that cannot be read or understood keep every connection on TCP. */
void rules_load(int dirfd, const char *dir, settings_warn_fn *warn,
		void (*set)(const char *pair, size_t length, const char *source, settings_warn_fn *warn));

/* Whether the first rule that matches SUBJECT lets it leave TCP; SUBJECT's program is filled in. */
bool rules_allow(struct rule_subject *subject);

#endif
