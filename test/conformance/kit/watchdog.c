/* Runs one case in a session of its own; when it takes too long, says what every process of it was doing, and ends them. */
#include "kit.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>

#define PROCESSES_MAX 256

static void file_print(const char *path, const char *label)
{
	char text[1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd != -1)
		close(fd);
	if (got <= 0)
		return;
	text[got] = 0;
	text[strcspn(text, "\n")] = 0;
	fprintf(stderr, "    %s: %s\n", label, text);
}

/* The members of session SESSION that are not zombies. */
static size_t session_list(pid_t session, pid_t *pids)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	while (proc && (entry = readdir(proc)) && count < PROCESSES_MAX) {
		char path[300], line[512], state;
		int pgrp, its_session;
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		FILE *file = fopen(path, "re");
		if (!file)
			continue;
		char *end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
		fclose(file);
		if (end && sscanf(end + 2, "%c %*d %d %d", &state, &pgrp, &its_session) == 3 &&
		    its_session == session && state != 'Z')
			pids[count++] = atoi(entry->d_name);
	}
	if (proc)
		closedir(proc);
	return count;
}

static void each_entry(const char *directory, void (*visit)(const char *directory, const char *name))
{
	DIR *stream = opendir(directory);
	struct dirent *entry;

	while (stream && (entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			visit(directory, entry->d_name);
	if (stream)
		closedir(stream);
}

static void task_print(const char *directory, const char *name)
{
	static const char *const files[] = {"stat", "wchan", "syscall", "stack"};
	char path[512];

	fprintf(stderr, "  thread %s\n", name);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", directory, name, files[i]);
		file_print(path, files[i]);
	}
}

static void descriptor_print(const char *directory, const char *name)
{
	char path[512], target[512];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (length > 0)
		fprintf(stderr, "  fd %s -> %.*s\n", name, (int)length, target);
}

static void debugger_print(pid_t pid)
{
	char command[160];

	if (!getenv("KIT_GDB"))
		return;
	snprintf(command, sizeof(command),
		 "timeout 20 gdb -p %d -batch -nx -ex 'thread apply all bt 16' 2>/dev/null | grep -v '^\\[' >&2", pid);
	if (system(command) == -1)
		fprintf(stderr, "  gdb did not run\n");
}

static void process_print(pid_t pid)
{
	char path[64];

	fprintf(stderr, "process %d\n", pid);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	each_entry(path, task_print);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	each_entry(path, descriptor_print);
	debugger_print(pid);
}

/* The kernel's own view of the connections that these processes hold. */
static void connections_print(const pid_t *pids, size_t count)
{
	FILE *ss = popen("ss -tnpi 2>/dev/null", "re");
	char line[2048];
	bool ours = false;

	while (ss && fgets(line, sizeof(line), ss)) {
		if (!isspace((unsigned char)line[0])) {
			ours = false;
			for (size_t i = 0; i < count && !ours; i++) {
				char mark[32];
				snprintf(mark, sizeof(mark), "pid=%d,", pids[i]);
				ours = strstr(line, mark);
			}
		}
		if (ours)
			fprintf(stderr, "  %s", line);
	}
	if (ss)
		pclose(ss);
}

static void session_print(pid_t session)
{
	pid_t pids[PROCESSES_MAX];
	size_t count = session_list(session, pids);

	for (size_t i = 0; i < count; i++)
		process_print(pids[i]);
	connections_print(pids, count);
	/* Each process that runs the kit answers this signal with what carries its connections. */
	for (size_t i = 0; i < count; i++)
		kill(pids[i], SIGRTMAX);
	kit_sleep_ms(300);
}

static void session_end(pid_t session)
{
	pid_t pids[PROCESSES_MAX];
	size_t count;

	for (int tries = 0; tries < 200 && (count = session_list(session, pids)); tries++) {
		for (size_t i = 0; i < count; i++)
			kill(pids[i], SIGKILL);
		kit_sleep_ms(5);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* A child that outlives its case is one that hangs. */
static bool session_is_empty(pid_t session)
{
	pid_t pids[PROCESSES_MAX];

	for (int tries = 0; tries < 400; tries++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (!session_list(session, pids))
			return true;
		kit_sleep_ms(5);
	}
	return false;
}

static int timeout_ms(void)
{
	const char *text = getenv("KIT_TIMEOUT");

	return (text ? atoi(text) : 20) * 1000;
}

static _Noreturn void case_exec(const char *name)
{
	const char *preload = getenv("KIT_PRELOAD");

	setsid();
	if (preload && *preload)
		setenv("LD_PRELOAD", preload, 1);
	execl("/proc/self/exe", program_invocation_name, "--run", name, (char *)NULL);
	perror("exec");
	_exit(1);
}

int kit_supervise(const char *name)
{
	pid_t pid;
	int handle, status, code;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Whoever started us may ignore or block these; a case starts as a program does. */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	pid = fork();
	if (pid == 0)
		case_exec(name);
	handle = pidfd_open(pid, 0);
	if (poll(&(struct pollfd){.fd = handle, .events = POLLIN}, 1, timeout_ms()) != 1) {
		fprintf(stderr, "%s: not done after %d s\n", name, timeout_ms() / 1000);
		session_print(pid);
		session_end(pid);
		return 1;
	}
	waitpid(pid, &status, 0);
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		fprintf(stderr, "%s: killed by signal %d (%s)\n", name, WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (code == 0 && !session_is_empty(pid)) {
		fprintf(stderr, "%s: left processes behind\n", name);
		session_print(pid);
		code = 1;
	}
	session_end(pid);
	return code;
}
