/* Starting the target: what Node changed in this process is undone first. No policy. */
#ifndef RS_LAUNCH_H
#define RS_LAUNCH_H

#include <signal.h>
#include <sys/types.h>
#include <vector>

/* What rsrun's own caller gave it and a target must find unchanged: Node resets signals, raises RLIMIT_NOFILE
 * and makes every inherited descriptor close-on-exec. */
struct inherited {
	sigset_t ignored;
	sigset_t blocked;
	std::vector<int> fds; /* to be open in the target */
	long nofile_soft;     /* -1: leave as is */
};

/* As execve, in this process. Returns only on failure, with -errno, and what it undid is done again. */
int launch_exec(const char *path, char *const argv[], char *const env[], const struct inherited *inherited);

/* From here on, signals that end or steer a program and that another process sent are meant for the child.
 * Those that come while there is none are kept. What the terminal sends reaches the child anyway, and is ignored here. */
void launch_relay_begin(void);

/* Back to default dispositions; signals that were kept now take effect on this process. */
void launch_relay_end(void);

/* Starts a child and waits for its end: 0 and *STATUS as waitpid gives it, or -errno of fork or execve. */
int launch_wait(const char *path, char *const argv[], char *const env[], const struct inherited *inherited,
		int *status);

/* Ends this process by signal NUMBER, without a core file of our own. Returns when that signal does not kill. */
void launch_die(int number);

#endif
