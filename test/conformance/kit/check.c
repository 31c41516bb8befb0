/* Checks: how a case says that something is not as expected. */
#include "kit.h"

#include <stdarg.h>
#include <sys/syscall.h>

static void place_print(const char *file, int line)
{
	const char *base = strrchr(file, '/');

	fprintf(stderr, "%s:%d: [%d/%ld] ", base ? base + 1 : file, line, getpid(), syscall(SYS_gettid));
}

static _Noreturn void die(int error)
{
	if (error)
		fprintf(stderr, " (errno %d %s)", error, strerrorname_np(error) ? strerrorname_np(error) : "?");
	fputc('\n', stderr);
	kit_carriers_print();
	fflush(NULL);
	/* A peer that waits for us would wait until the watchdog bites: end every process of the case now. */
	kill(0, SIGKILL);
	_exit(1);
}

void kit_fail(const char *file, int line, const char *format, ...)
{
	int error = errno;
	va_list arguments;

	place_print(file, line);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	die(error);
}

void kit_fail_eq(const char *file, int line, const char *text, intmax_t got, intmax_t want)
{
	int error = errno;

	place_print(file, line);
	fprintf(stderr, "%s: got %jd (0x%jx), expected %jd (0x%jx)", text, got, got, want, want);
	die(error);
}

intmax_t kit_must(const char *file, int line, const char *text, intmax_t result)
{
	int error = errno;

	if (result != -1)
		return result;
	place_print(file, line);
	fprintf(stderr, "%s failed", text);
	die(error);
}

void kit_check_fails(const char *file, int line, const char *text, intmax_t result, int error)
{
	int got = errno;

	if (result == -1 && got == error)
		return;
	place_print(file, line);
	fprintf(stderr, "%s: got %jd, expected -1 with %s", text, result, strerrorname_np(error));
	die(result == -1 ? got : 0);
}

void kit_skip(const char *why)
{
	fprintf(stderr, "skipped: %s\n", why);
	_exit(KIT_SKIPPED);
}

void kit_note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

int64_t kit_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void kit_sleep_ms(int ms)
{
	struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

static char thread_state(pid_t tid)
{
	char path[64], line[512];
	FILE *file;
	char state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file)) {
		char *end = strrchr(line, ')');
		state = end && end[1] ? end[2] : 0;
	}
	fclose(file);
	return state;
}

static void await_state(pid_t tid, char wanted, int times)
{
	int64_t start = kit_now_ms();
	int seen = 0;

	while (seen < times) {
		char state = thread_state(tid);
		if (!state || kit_now_ms() - start > 5000)
			FAIL("thread %d is '%c', not '%c'", tid, state ? state : '?', wanted);
		seen = state == wanted ? seen + 1 : 0;
		kit_sleep_ms(4);
	}
}

void kit_await_asleep(pid_t tid)
{
	await_state(tid, 'S', 5);
}

void kit_await_stopped(pid_t pid)
{
	await_state(pid, 'T', 1);
}
