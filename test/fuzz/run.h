/* Running a plan in a driver process, and comparing two runs. */
#ifndef FUZZ_RUN_H
#define FUZZ_RUN_H

#include "driver.h"
#include "plan.h"

/* How the runner starts drivers. */
struct runner {
	const char *self;    /* this executable */
	const char *library; /* the preload; NULL: none */
	char directory[64];  /* of plan and log files */
	int guard_s;
};

/* What a run left behind. */
struct outcome {
	int status; /* as from waitpid */
	struct log log;
};

/* 0, or -1 with a message: no temporary directory. */
int runner_init(struct runner *runner, const char *self, const char *library);
void runner_fini(struct runner *runner);

/* Runs PLAN, under the preload or not. Ends the process on errors of the machine's. */
void run_plan(const struct runner *runner, const struct plan *plan, bool preloaded, struct outcome *outcome);

/* The driver's side: reads the plan, carries it out. The exit code. */
int run_driver(const char *plan_path, const char *log_path);

/* Index of the first operation that differs; -1: none. */
int run_compare(const struct plan *plan, const struct outcome *a, const struct outcome *b);

void run_describe(const struct outcome *outcome, int index, FILE *out);

/* Makes PLAN smaller while its preloaded run still differs in the same kind of operation; at most SECONDS. */
void shrink(const struct runner *runner, struct plan *plan, int seconds);

/* Runs PLAN both ways, up to TRIES times. Index of the first difference, or -1; OUTCOMES: plain, preloaded. */
int run_both(const struct runner *runner, const struct plan *plan, int tries, struct outcome outcomes[2]);

#endif
