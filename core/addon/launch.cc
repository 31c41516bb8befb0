/* execve and fork+wait with the dispositions, mask and limit that the caller of rsrun had set. */
#include "launch.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const int relayed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGCONT};

/* 0: not started. Written before and after the wait, read by the handler in whichever thread runs it. */
static volatile sig_atomic_t child;
static volatile sig_atomic_t child_ended;
static volatile sig_atomic_t kept[NSIG];

/* What execve takes along of this process, to have it again when nothing was executed. */
class Own
{
public:
	explicit Own(const struct inherited *inherited) : fds(inherited->fds)
	{
		for (int number = 1; number < NSIG; number++)
			known[number] = sigaction(number, nullptr, &actions[number]) == 0;
		sigprocmask(SIG_SETMASK, nullptr, &blocked);
		getrlimit(RLIMIT_NOFILE, &nofile);
		for (int fd : fds)
			flags.push_back(fcntl(fd, F_GETFD));
	}

	void restore() const
	{
		for (int number = 1; number < NSIG; number++)
			if (known[number])
				sigaction(number, &actions[number], nullptr);
		sigprocmask(SIG_SETMASK, &blocked, nullptr);
		setrlimit(RLIMIT_NOFILE, &nofile);
		for (size_t i = 0; i < fds.size(); i++)
			if (flags[i] >= 0)
				fcntl(fds[i], F_SETFD, flags[i]);
	}

private:
	struct sigaction actions[NSIG] = {};
	bool known[NSIG] = {};
	sigset_t blocked = {};
	struct rlimit nofile = {};
	const std::vector<int> &fds;
	std::vector<int> flags;
};

static void inherited_restore(const struct inherited *inherited)
{
	struct rlimit limit;

	for (int number = 1; number < NSIG; number++)
		signal(number, sigismember(&inherited->ignored, number) == 1 ? SIG_IGN : SIG_DFL);
	if (inherited->nofile_soft >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = (rlim_t)inherited->nofile_soft;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (int fd : inherited->fds)
		fcntl(fd, F_SETFD, 0);
	/* Last: what is pending now must meet the dispositions above. */
	sigprocmask(SIG_SETMASK, &inherited->blocked, nullptr);
}

static int exec_as(const char *path, char *const argv[], char *const env[], const struct inherited *inherited)
{
	inherited_restore(inherited);
	execve(path, argv, env);
	return -errno;
}

int launch_exec(const char *path, char *const argv[], char *const env[], const struct inherited *inherited)
{
	const Own own(inherited);
	const int error = exec_as(path, argv, env, inherited);

	own.restore();
	return error;
}

static void relay(int number, siginfo_t *info, void *)
{
	int saved_errno = errno;

	if (info->si_code <= 0) { /* from a process, not from the kernel's terminal code */
		if (child > 0)
			kill(child, number);
		else if (!child_ended)
			kept[number] = 1;
	}
	errno = saved_errno;
}

void launch_relay_begin(void)
{
	struct sigaction action = {};

	action.sa_sigaction = relay;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	for (int number : relayed)
		sigaction(number, &action, nullptr);
}

void launch_relay_end(void)
{
	for (int number : relayed)
		signal(number, SIG_DFL);
	for (int number : relayed)
		if (kept[number])
			kill(getpid(), number);
}

int launch_wait(const char *path, char *const argv[], char *const env[], const struct inherited *inherited, int *status)
{
	sigset_t all, before;
	int pipe_fds[2], error = 0;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -errno;
	/* The child must not run our handlers: it starts with everything blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		error = -exec_as(path, argv, env, inherited);
		if (write(pipe_fds[1], &error, sizeof(error)) < 0)
			_exit(127);
		_exit(126);
	}
	if (pid < 0)
		error = errno;
	child = pid;
	for (int number : relayed)
		if (pid > 0 && kept[number]) {
			kept[number] = 0;
			kill(pid, number);
		}
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
	close(pipe_fds[1]);
	if (pid > 0) {
		if (read(pipe_fds[0], &error, sizeof(error)) != sizeof(error))
			error = 0;
		/* Not reaped before the handler knows: the number could be somebody else's by then. */
		siginfo_t info;
		while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
			;
	}
	child_ended = error == 0;
	child = 0;
	if (pid > 0)
		while (waitpid(pid, status, 0) < 0 && errno == EINTR)
			;
	close(pipe_fds[0]);
	return -error;
}

void launch_die(int number)
{
	const struct rlimit none = {0, 0};
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
	kill(getpid(), number);
}
