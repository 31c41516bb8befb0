/* Differential fuzzer: the same random calls on kernel TCP and under the preload, compared call by call. */
#include "run.h"
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHARE_RUNS_MIN 40 /* fewer runs say nothing about the share of promoted ones */
#define SIGNATURES_MAX 64

enum mode { MODE_PLAIN, MODE_SHM, MODE_TINY };

/* The command line. */
struct settings {
	enum mode mode;
	uint64_t seed;
	long seconds;
	long runs;
	long keep;  /* stop after so many different differences */
	long share; /* percent of runs that must have been promoted */
	long shrink_s;
	long jobs; /* processes that run seeds at the same time */
	const char *library;
	const char *replay;
	const char *save;
	bool verbose;
};

/* What the runs came to. */
struct totals {
	long runs;
	long calls;
	long unsettled;
	long promoted; /* some direction */
	long both;     /* both directions, as both ends see it */
	long differences;
	long unstable; /* gone when run again, or the kernel differs from itself */
	int distinct;
};

/* Differences seen by any job; in memory that the jobs share. */
struct signatures {
	int count;
	char text[SIGNATURES_MAX][160];
};
static struct signatures *signatures;

static void usage(FILE *out)
{
	fputs("Usage: fuzz [options]\n"
	      "Runs random socket calls on kernel TCP and under the preload and compares every result.\n\n"
	      "  --mode plain|shm|tiny  plain compares the kernel with itself; tiny uses rings of 64 bytes and up "
	      "(default shm)\n"
	      "  --seed N               first seed (default: from the clock; it is printed)\n"
	      "  --seconds N            stop after N seconds (default 10; FUZZ_SECONDS overrides)\n"
	      "  --runs N               stop after N seeds\n"
	      "  --lib PATH             the preload library (or RS_PRELOAD)\n"
	      "  --jobs N               run N seeds at a time (default 1); --runs counts for each\n"
	      "  --keep N               stop after N distinct differences (default 1)\n"
	      "  --shrink N             seconds for shrinking one difference (default 30)\n"
	      "  --share N              percent of the runs that must have been promoted (default 50)\n"
	      "  --save DIR             write each minimal program to DIR\n"
	      "  --replay FILE          run the program in FILE both ways and print every call that differs\n"
	      "  --verbose              with --replay: print every call\n\n"
	      "Exit: 0 no difference, 1 differences or too few promotions, 2 cannot run, 77 no library.\n",
	      out);
}

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 0);

	if (*end || !*text || value < 0) {
		fprintf(stderr, "fuzz: not a number: %s\n", text);
		exit(2);
	}
	return value;
}

static enum mode mode_of(const char *text)
{
	static const char *const names[] = {"plain", "shm", "tiny"};

	for (int i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	fprintf(stderr, "fuzz: mode is plain, shm or tiny, not %s\n", text);
	exit(2);
}

static void parse(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
		{"mode", 1, NULL, 'm'},    {"seed", 1, NULL, 's'},
		{"seconds", 1, NULL, 't'}, {"runs", 1, NULL, 'n'},
		{"lib", 1, NULL, 'l'},     {"keep", 1, NULL, 'k'},
		{"shrink", 1, NULL, 'z'},  {"share", 1, NULL, 'p'},
		{"save", 1, NULL, 'o'},    {"replay", 1, NULL, 'r'},
		{"verbose", 0, NULL, 'v'}, {"jobs", 1, NULL, 'j'},
		{"help", 0, NULL, 'h'},    {0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			settings->mode = mode_of(optarg);
			break;
		case 's':
			settings->seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			settings->seconds = number(optarg);
			break;
		case 'n':
			settings->runs = number(optarg);
			break;
		case 'l':
			settings->library = optarg;
			break;
		case 'k':
			settings->keep = number(optarg);
			break;
		case 'z':
			settings->shrink_s = number(optarg);
			break;
		case 'p':
			settings->share = number(optarg);
			break;
		case 'o':
			settings->save = optarg;
			break;
		case 'r':
			settings->replay = optarg;
			break;
		case 'j':
			settings->jobs = number(optarg);
			break;
		case 'v':
			settings->verbose = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
}

static void print_difference(const struct plan *plan, int index, const struct outcome outcomes[2], FILE *out)
{
	fprintf(out, "call %d: ", index);
	op_write(&plan->ops[index], out);
	fprintf(out, "\n  plain:   ");
	run_describe(&outcomes[0], index, out);
	fprintf(out, "  preload: ");
	run_describe(&outcomes[1], index, out);
}

/* What makes two differences the same one: the kind of call and how its two results look. */
static void make_signature(const struct plan *plan, int index, const struct outcome outcomes[2], char *out, size_t size)
{
	const struct op *op = &plan->ops[index];
	const struct record *a = &outcomes[0].log.records[index];
	const struct record *b = &outcomes[1].log.records[index];
	int used = snprintf(out, size, "kind %d flags %#x end %d:", op->kind, op->kind == OP_RECV ? op->flags : 0,
			    outcomes[1].log.state);

	snprintf(out + used, size - used, " %d/%d %d/%d %d", (a->ret > 0) - (a->ret < 0), (b->ret > 0) - (b->ret < 0),
		 a->error, b->error, a->hash == b->hash);
	for (int i = 0; i < TOKENS && (op->kind == OP_POLL || op->kind == OP_EPOLL_WAIT); i++) {
		used = strlen(out);
		if (a->aux[i] != b->aux[i])
			snprintf(out + used, size - used, " %x/%x", a->aux[i], b->aux[i]);
	}
}

/* Two jobs that find the same at the same moment both report it: no harm. */
static bool seen(struct totals *totals, const char *signature)
{
	int place;

	for (int i = 0; i < SIGNATURES_MAX && i < __atomic_load_n(&signatures->count, __ATOMIC_ACQUIRE); i++)
		if (strcmp(signatures->text[i], signature) == 0)
			return true;
	totals->distinct++;
	place = __atomic_fetch_add(&signatures->count, 1, __ATOMIC_ACQ_REL);
	if (place < SIGNATURES_MAX)
		strcpy(signatures->text[place], signature);
	return false;
}

static void save_plan(const struct settings *settings, const struct plan *plan)
{
	char path[PATH_MAX];
	FILE *file;

	if (!settings->save)
		return;
	snprintf(path, sizeof(path), "%s/%s-%llu.plan", settings->save, plan->tiny ? "tiny" : "shm",
		 (unsigned long long)plan->seed);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		return;
	}
	plan_write(plan, file);
	fclose(file);
}

/* Printed in one piece: other jobs print too. */
static void report(const struct settings *settings, const struct runner *runner, struct totals *totals,
		   struct plan *plan, int index, const struct outcome outcomes[2])
{
	static struct outcome again[2];
	char signature[160];
	char *text = NULL;
	size_t length = 0;
	FILE *out;

	make_signature(plan, index, outcomes, signature, sizeof(signature));
	if (seen(totals, signature))
		return;
	out = open_memstream(&text, &length);
	if (!out)
		return;
	fprintf(out, "\nDIFFERENCE seed %llu mode %s\n", (unsigned long long)plan->seed, plan->tiny ? "tiny" : "shm");
	print_difference(plan, index, outcomes, out);
	shrink(runner, plan, settings->shrink_s);
	index = run_both(runner, plan, 3, again);
	fprintf(out, "smallest program found (%u operations%s):\n", plan->count,
		index < 0 ? ", does not show it every time" : "");
	plan_write(plan, out);
	if (index >= 0)
		print_difference(plan, index, again, out);
	fclose(out);
	fwrite(text, 1, length, stdout);
	fflush(stdout);
	free(text);
	save_plan(settings, plan);
}

static void count_promotion(struct totals *totals, const struct log *log)
{
	const struct side *sides = log->sides;

	totals->promoted += sides[0].shm_send || sides[0].shm_recv || sides[1].shm_send || sides[1].shm_recv;
	totals->both += sides[0].shm_send && sides[0].shm_recv && sides[1].shm_send && sides[1].shm_recv;
}

static void run_seed(const struct settings *settings, const struct runner *runner, struct totals *totals, uint64_t seed)
{
	static struct outcome outcomes[2];
	static struct outcome check;
	static struct plan plan;
	int index;

	plan_make(&plan, seed, settings->mode == MODE_TINY || (settings->mode == MODE_PLAIN && seed % 2));
	index = run_both(runner, &plan, 1, outcomes);
	totals->runs++;
	totals->calls += plan.count;
	totals->unsettled += outcomes[0].log.unsettled;
	count_promotion(totals, &outcomes[1].log);
	if (index < 0)
		return;
	if (settings->mode == MODE_PLAIN) {
		printf("UNSTABLE seed %llu\n", (unsigned long long)seed);
		print_difference(&plan, index, outcomes, stdout);
		fflush(stdout);
		totals->unstable++;
		return;
	}
	/* The kernel must agree with itself before it is the oracle. */
	run_plan(runner, &plan, false, &check);
	if (run_compare(&plan, &outcomes[0], &check) >= 0) {
		printf("UNSTABLE on the kernel: seed %llu\n", (unsigned long long)seed);
		totals->unstable++;
		return;
	}
	totals->differences++;
	report(settings, runner, totals, &plan, index, outcomes);
}

static int replay(const struct settings *settings, const struct runner *runner)
{
	static struct outcome outcomes[2];
	static struct plan plan;
	FILE *file = fopen(settings->replay, "r");
	int index;

	if (!file) {
		perror(settings->replay);
		return 2;
	}
	if (plan_read(&plan, file))
		return 2;
	fclose(file);
	index = run_both(runner, &plan, 1, outcomes);
	for (uint32_t i = 0; i < plan.count; i++) {
		bool differs =
			memcmp(&outcomes[0].log.records[i], &outcomes[1].log.records[i], sizeof(struct record)) != 0;

		if (differs || settings->verbose || (int)i == index) {
			printf("%s", differs ? "DIFFERS " : "");
			print_difference(&plan, i, outcomes, stdout);
		}
	}
	printf(index < 0 ? "no difference\n" : "first difference: call %d\n", index);
	return index >= 0;
}

static int finish(const struct settings *settings, const struct totals *totals)
{
	long runs = totals->runs ? totals->runs : 1;
	int failed = totals->differences > 0 || (settings->mode == MODE_PLAIN && totals->unstable > 0);

	printf("%ld runs, %ld calls, %ld differences (%d distinct), %ld unstable, %ld waits for data in vain\n",
	       totals->runs, totals->calls, totals->differences, totals->distinct, totals->unstable, totals->unsettled);
	if (settings->mode == MODE_PLAIN)
		return failed;
	printf("promoted: %ld %% of the runs, both ways %ld %%\n", totals->promoted * 100 / runs,
	       totals->both * 100 / runs);
	if (totals->runs >= SHARE_RUNS_MIN && totals->promoted * 100 / runs < settings->share) {
		printf("FAILED: at least %ld %% of the runs must be promoted\n", settings->share);
		failed = 1;
	}
	/* A kernel that often disagrees with itself would hide differences. */
	if (totals->unstable * 50 > totals->runs) {
		printf("FAILED: too many unstable runs\n");
		failed = 1;
	}
	return failed;
}

static void run_seeds(const struct settings *settings, const struct runner *runner, struct totals *totals, int job)
{
	time_t end = time(NULL) + settings->seconds;

	for (uint64_t seed = settings->seed + job; time(NULL) < end; seed += settings->jobs) {
		if ((settings->runs && totals->runs >= settings->runs) || signatures->count >= settings->keep)
			break;
		run_seed(settings, runner, totals, seed);
	}
}

static void add(struct totals *sum, const struct totals *totals)
{
	sum->runs += totals->runs;
	sum->calls += totals->calls;
	sum->unsettled += totals->unsettled;
	sum->promoted += totals->promoted;
	sum->both += totals->both;
	sum->differences += totals->differences;
	sum->unstable += totals->unstable;
	sum->distinct += totals->distinct;
}

static void *shared_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Each job is a process with its own directory and totals. */
static int run_jobs(const struct settings *settings, const char *self)
{
	struct totals *totals = shared_memory(settings->jobs * sizeof(struct totals));
	static struct totals sum;
	struct runner runner;
	int broken = 0;
	int status;

	signatures = shared_memory(sizeof(*signatures));
	if (totals == MAP_FAILED || signatures == MAP_FAILED)
		return 2;
	printf("seed %llu\n", (unsigned long long)settings->seed);
	fflush(stdout);
	for (int job = 0; job < settings->jobs; job++) {
		if (fork() != 0)
			continue;
		if (runner_init(&runner, self, settings->library))
			_exit(2);
		run_seeds(settings, &runner, &totals[job], job);
		runner_fini(&runner);
		_exit(0);
	}
	while (wait(&status) > 0)
		broken |= status;
	for (int job = 0; job < settings->jobs; job++)
		add(&sum, &totals[job]);
	return broken ? 2 : finish(settings, &sum);
}

int main(int argc, char **argv)
{
	struct settings settings = {.mode = MODE_SHM,
				    .seed = (uint64_t)time(NULL) * 1000,
				    .keep = 1,
				    .share = 50,
				    .shrink_s = 30,
				    .jobs = 1,
				    .library = getenv("RS_PRELOAD")};
	static char self[PATH_MAX];
	struct runner runner;
	ssize_t length;
	int ret;

	if (argc == 4 && strcmp(argv[1], "--drive") == 0)
		return run_driver(argv[2], argv[3]);
	parse(&settings, argc, argv);
	if (getenv("FUZZ_SECONDS"))
		settings.seconds = number(getenv("FUZZ_SECONDS"));
	if (!settings.seconds)
		settings.seconds = settings.runs ? 1000000 : 10;
	if (settings.mode == MODE_PLAIN)
		settings.library = NULL;
	else if (!settings.library || access(settings.library, R_OK) != 0) {
		fprintf(stderr, "fuzz: no preload library (--lib)\n");
		return 77;
	}
	length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length < 0 || settings.jobs < 1)
		return 2;
	if (!settings.replay)
		return run_jobs(&settings, self);
	if (runner_init(&runner, self, settings.library))
		return 2;
	ret = replay(&settings, &runner);
	runner_fini(&runner);
	return ret;
}
