/* One rule: a line that says what may carry which connections, and with which settings these or a program run.
 *
 *   use <both|auto|shm|tcp> <server|client|*> <program|*> <peer|*>[:<port|*>] [profile=<name>] [<setting>=<value>...]
 *   set <program|*> <setting>=<value>...
 *   profile <program|*> <name>
 *
 * The transports are the values of the transport setting; both is auto. The peer is an IPv4 address, an IPv6 address in brackets, or
 * either with /bits; the port is the one that the server listens on (6379, 7000-7010), whichever end reads the rule. In a program's name *
 * stands for any characters. # begins a comment. The first matching rule of a kind wins. A use rule gives settings of scope
 * CONNECTION (option.def) only; later ones win over earlier ones and over the profile. A profile is what rsconfig and rsrun turn into
 * settings; this library knows none. */
#ifndef RS_RULE_H
#define RS_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULE_LINE_MAX 511 /* characters of a line */
#define RULE_PROGRAM_SIZE 64

enum rule_kind { RULE_NONE, RULE_USE, RULE_SET, RULE_PROFILE };
enum rule_role { RULE_ROLE_ANY, RULE_ROLE_SERVER, RULE_ROLE_CLIENT };

struct rule {
	uint8_t kind;      /* enum rule_kind; RULE_NONE: an empty line */
	uint8_t role;      /* enum rule_role */
	uint8_t transport; /* a value of the transport setting */
	uint8_t family;    /* of the address; 0: every address */
	uint8_t bits;      /* of the address that count */
	uint16_t port_min, port_max;
	uint16_t line; /* for the caller */
	uint8_t address[16];
	char program[RULE_PROGRAM_SIZE]; /* with a final NUL */
	/* USE, SET: the pairs, NULL for none; PROFILE: the name. Points into the text that was parsed, as PROFILE does. */
	const char *rest;
	size_t rest_length;
	const char *profile; /* USE: its name, or NULL */
	size_t profile_length;
};

/* Why a line is no rule. */
struct rule_fault {
	const char *sentence; /* without full stop */
	unsigned word;        /* which word of the line, the first one is 1 */
};

/* A connection as rules see it. */
struct rule_subject {
	const char *program;
	bool is_server;   /* it was accepted */
	uint8_t family;   /* AF_INET or AF_INET6 */
	uint8_t peer[16]; /* network order; IPv4: the first four bytes */
	uint16_t port;    /* that the server listens on */
};

/* Parses one line without its newline. 0, or -EINVAL and *FAULT. Allocates nothing. */
int rule_parse(const char *text, size_t length, struct rule *rule, struct rule_fault *fault);

/* For RULE_USE. */
bool rule_matches(const struct rule *rule, const struct rule_subject *subject);

/* Whether a program called NAME is meant by PATTERN. */
bool rule_program_matches(const char *pattern, const char *name);

#endif
