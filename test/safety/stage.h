/* The honest part of the stage: a preloaded echo server and a preloaded client that keeps checking its bytes, beside whatever a case
 * does to the server. */
#ifndef STAGE_H
#define STAGE_H

#include "kit.h"

/* How the server waits: one thread with an epoll set, or a thread a connection in blocking calls. */
enum stage_kind { STAGE_EPOLL, STAGE_THREADS, STAGE_KINDS };

struct stage {
	enum stage_kind kind;
	bool server_low; /* the server's port sorts below every ephemeral port: it listens for the rendezvous */
	uint16_t port;
	pid_t server, client;
	int server_in, client_in, client_out;
	int descriptors; /* of the server, before the case did anything */
};

/* Both run, the client's connections are promoted. */
void stage_start(struct stage *, enum stage_kind, bool server_low);
/* The server alone. */
void stage_start_server(struct stage *, enum stage_kind, bool server_low);
/* The server lives, the client's bytes are right and keep coming. */
void stage_check_serves(struct stage *);
/* With nothing to do for anyone the server uses no CPU time. */
void stage_check_idle(struct stage *);
/* What was opened for the connections of the case is closed again. */
void stage_check_descriptors(struct stage *);
/* Serves, descriptors; then both end in order, without a word on standard error from a sanitizer. */
void stage_end(struct stage *);

/* A port that nobody uses, below or above the range that the kernel gives to clients. */
uint16_t stage_port(bool low);

/* CPU time that process PID has used. */
int64_t stage_cpu_ms(pid_t pid);

/* Starts PROGRAM(name) preloaded; pipes to its standard input, and from its output unless OUT is NULL. */
pid_t stage_program(const char *name, const char *a, const char *b, const char *c, int *in, int *out);

/* Runs BODY for each kind of server and each order of the ports. */
#define STAGE_EACH(kind, low)                                                \
	for (enum stage_kind kind = STAGE_EPOLL; kind < STAGE_KINDS; kind++) \
		for (int low = 0; low < 2; low++)

#endif
