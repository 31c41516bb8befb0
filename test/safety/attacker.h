/* A peer that speaks the rendezvous itself, without the library, and means harm. */
#ifndef SAFETY_ATTACKER_H
#define SAFETY_ATTACKER_H

#include <stdbool.h>

struct attack {
	const char *name;
	/* The attacker's end sorts lower: it listens under the rendezvous' name and the victim connects to it. */
	bool listens;
	/* Rendezvous as another user than the one who owns the TCP connection. */
	bool stranger;
	/* The victim gives up TCP with such a peer; else it must not. */
	bool attaches;
};

/* By name; fails if there is none. */
const struct attack *attack_find(const char *name);

#endif
