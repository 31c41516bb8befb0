/* Running a plan in a driver process, and comparing two runs. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_GUARDS 4 /* a whole run may take as long as so many hanging operations */

static pid_t running;

static void on_alarm(int number)
{
	(void)number;
	if (running > 0)
		kill(-running, SIGKILL);
}

static void fail(const char *what)
{
	fprintf(stderr, "fuzz: %s: %s\n", what, strerror(errno));
	exit(2);
}

int runner_init(struct runner *runner, const char *self, const char *library)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	const char *guard = getenv("FUZZ_GUARD_S");

	runner->self = self;
	runner->library = library;
	runner->guard_s = guard && atoi(guard) > 0 ? atoi(guard) : 5;
	strcpy(runner->directory, "/tmp/fuzz-XXXXXX");
	sigaction(SIGALRM, &action, NULL);
	if (!mkdtemp(runner->directory)) {
		fprintf(stderr, "fuzz: no temporary directory: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

static void file_path(const struct runner *runner, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", runner->directory, name);
}

void runner_fini(struct runner *runner)
{
	char path[96];

	file_path(runner, "plan", path, sizeof(path));
	unlink(path);
	file_path(runner, "log", path, sizeof(path));
	unlink(path);
	rmdir(runner->directory);
}

static void set_environment(const struct runner *runner, const struct plan *plan, bool preloaded)
{
	char text[160];
	int used;

	snprintf(text, sizeof(text), "%d", runner->guard_s);
	setenv("FUZZ_GUARD_S", text, 1);
	/* In a sanitizer build the preload comes before the runtime. */
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 0);
	unsetenv("LD_PRELOAD");
	if (!preloaded)
		return;
	used = snprintf(text, sizeof(text), "promote_after_calls=%u,polling_time=%u", plan->calls, plan->polling);
	if (plan->ring)
		snprintf(text + used, sizeof(text) - used, ",ring_size=%u", plan->ring);
	setenv("RSOCKET_SET", text, 1);
	setenv("RSOCKET_CONFIG_DIR", runner->directory, 1);
	setenv("LD_PRELOAD", runner->library, 1);
}

/* A child with nothing but stdio, in a process group of its own. */
static void exec_driver(const struct runner *runner, const struct plan *plan, bool preloaded, const char *plan_path,
			const char *log_path)
{
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	dup2(null, 0);
	dup2(null, 1);
	close_range(3, ~0u, 0);
	set_environment(runner, plan, preloaded);
	execl(runner->self, runner->self, "--drive", plan_path, log_path, (char *)NULL);
	_exit(126);
}

void run_plan(const struct runner *runner, const struct plan *plan, bool preloaded, struct outcome *outcome)
{
	struct itimerval timer = {.it_value.tv_sec = RUN_GUARDS * runner->guard_s};
	struct itimerval none = {0};
	char plan_path[96];
	char log_path[96];
	FILE *file;

	file_path(runner, "plan", plan_path, sizeof(plan_path));
	file_path(runner, "log", log_path, sizeof(log_path));
	memset(outcome, 0, sizeof(*outcome));
	file = fopen(plan_path, "w");
	if (!file)
		fail(plan_path);
	plan_write(plan, file);
	fclose(file);
	file = fopen(log_path, "w");
	if (!file || fwrite(&outcome->log, sizeof(outcome->log), 1, file) != 1)
		fail(log_path);
	fclose(file);
	running = fork();
	if (running < 0)
		fail("fork");
	if (running == 0)
		exec_driver(runner, plan, preloaded, plan_path, log_path);
	setitimer(ITIMER_REAL, &timer, NULL);
	if (waitpid(running, &outcome->status, 0) != running)
		fail("waitpid");
	setitimer(ITIMER_REAL, &none, NULL);
	kill(-running, SIGKILL);
	running = 0;
	file = fopen(log_path, "r");
	if (!file || fread(&outcome->log, sizeof(outcome->log), 1, file) != 1)
		fail(log_path);
	fclose(file);
	if (WIFEXITED(outcome->status) && (WEXITSTATUS(outcome->status) == 126 || outcome->log.state == LOG_BROKEN))
		fail("driver did not start");
}

int run_driver(const char *plan_path, const char *log_path)
{
	static struct plan plan;
	FILE *file = fopen(plan_path, "r");
	int fd = open(log_path, O_RDWR | O_CLOEXEC);
	struct log *log;

	if (!file || fd < 0 || plan_read(&plan, file))
		return 126;
	fclose(file);
	log = mmap(NULL, sizeof(*log), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (log == MAP_FAILED)
		return 126;
	driver_run(&plan, log);
	return 0;
}

/* A promotion may show a watcher on edges what it was told already: those events of B that A has not are taken out; so are
 * those of A that tell an end once more. */
static bool same_record(const struct record *a, const struct record *b)
{
	struct record left = *a, right = *b;

	for (int i = 0; i < TOKENS; i++)
		if ((right.moving >> i & 1) && right.aux[i] && !left.aux[i] && right.ret > 0) {
			right.aux[i] = 0;
			right.ret--;
		} else if ((left.again >> i & 1) && left.aux[i] && !right.aux[i] && left.ret > 0) {
			left.aux[i] = 0;
			left.ret--;
		}
	left.moving = right.moving = left.again = right.again = 0;
	return memcmp(&left, &right, sizeof(left)) == 0;
}

int run_compare(const struct plan *plan, const struct outcome *a, const struct outcome *b)
{
	for (uint32_t i = 0; i < plan->count; i++) {
		if (a->log.state != b->log.state && (i == a->log.now || i == b->log.now) &&
		    ((a->log.state != LOG_DONE && i == a->log.now) || (b->log.state != LOG_DONE && i == b->log.now)))
			return i;
		if (!same_record(&a->log.records[i], &b->log.records[i]))
			return i;
	}
	return a->log.state != b->log.state || a->status != b->status ? (int)plan->count - 1 : -1;
}

void run_describe(const struct outcome *outcome, int index, FILE *out)
{
	const struct record *record = &outcome->log.records[index];

	if (outcome->log.state == LOG_HANG && outcome->log.now == (uint32_t)index) {
		fprintf(out, "hangs\n");
		return;
	}
	if (outcome->log.state == LOG_RUNNING && outcome->log.now == (uint32_t)index && WIFSIGNALED(outcome->status) &&
	    WTERMSIG(outcome->status) == SIGKILL) {
		fprintf(out, "hangs, and its SIGALRM handler does not run\n");
		return;
	}
	if (outcome->log.state == LOG_RUNNING && outcome->log.now == (uint32_t)index) {
		fprintf(out, "dies, wait status %#x\n", outcome->status);
		return;
	}
	if (!record->ran) {
		fprintf(out, "left out\n");
		return;
	}
	fprintf(out, "returns %lld", (long long)record->ret);
	if (record->error)
		fprintf(out, " %s", strerrorname_np(record->error));
	if (record->hash)
		fprintf(out, " data %08llx", (unsigned long long)record->hash & 0xffffffff);
	for (int i = 0; i < TOKENS; i++)
		if (record->aux[i])
			fprintf(out, " %c%d:%#x", 'A' + i / SLOTS, i % SLOTS, record->aux[i]);
	fprintf(out, "%s%s%s%s\n", record->sigpipe ? " SIGPIPE" : "", record->early ? " before its timeout" : "",
		record->spoiled ? " wrote behind the data" : "",
		outcome->log.state != LOG_DONE ? " (and later does not end)" : "");
}

int run_both(const struct runner *runner, const struct plan *plan, int tries, struct outcome outcomes[2])
{
	int found = -1;

	for (int i = 0; i < tries && found < 0; i++) {
		run_plan(runner, plan, false, &outcomes[0]);
		run_plan(runner, plan, runner->library != NULL, &outcomes[1]);
		found = run_compare(plan, &outcomes[0], &outcomes[1]);
	}
	return found;
}
