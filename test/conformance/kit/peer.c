/* The other end of a connection in a thread, a process or a program of its own. */
#include "kit.h"

#include <sys/syscall.h>

extern char **environ;

static struct peer_entry *peers;
static struct kit_program *programs;

void kit_peer_add(struct peer_entry *entry)
{
	entry->next = peers;
	peers = entry;
}

void kit_program_add(struct kit_program *program)
{
	program->next = programs;
	programs = program;
}

static void *thread_main(void *argument)
{
	struct thread *thread = argument;

	__atomic_store_n(&thread->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELAXED);
	return thread->run(thread->argument);
}

void thread_start(struct thread *thread, void *(*run)(void *), void *argument)
{
	*thread = (struct thread){.run = run, .argument = argument};
	PTHREAD(pthread_create(&thread->id, NULL, thread_main, thread));
}

void *thread_join(struct thread *thread)
{
	void *result;

	PTHREAD(pthread_join(thread->id, &result));
	return result;
}

void thread_await_asleep(struct thread *thread)
{
	pid_t tid;

	for (int i = 0; !(tid = __atomic_load_n(&thread->tid, __ATOMIC_RELAXED)); i++) {
		CHECK(i < 5000);
		kit_sleep_ms(1);
	}
	kit_await_asleep(tid);
}

char **kit_program_argv(const char *name, const char *a, const char *b, const char *c, const char *d)
{
	char **argv = calloc(8, sizeof(*argv));

	CHECK(argv);
	argv[0] = program_invocation_name;
	argv[1] = "--program";
	argv[2] = (char *)name;
	argv[3] = (char *)a;
	argv[4] = a ? (char *)b : NULL;
	argv[5] = a && b ? (char *)c : NULL;
	argv[6] = a && b && c ? (char *)d : NULL;
	return argv;
}

char **kit_program_envp(bool plain)
{
	size_t count = 0, used = 0;
	char **envp;

	while (environ[count])
		count++;
	envp = calloc(count + 1, sizeof(*envp));
	CHECK(envp);
	for (size_t i = 0; i < count; i++)
		if (!plain || strncmp(environ[i], "LD_PRELOAD=", 11) != 0)
			envp[used++] = environ[i];
	return envp;
}

bool party_promotes(enum party party)
{
	return party != PARTY_PLAIN;
}

static void peer_serve(int fd, struct peer_entry *run, long argument, bool fresh)
{
	if (!fresh)
		kit_promote_passive(fd);
	run->run(fd, argument);
	MUST(close(fd));
}

/* argv: "--program" "peer" NAME ARGUMENT FRESH and, on descriptor 3, the address as a struct sockaddr_storage;
 * or for one that listens, the pipe on 3 is where it writes that. */
struct peer_order {
	struct sockaddr_storage address;
	char name[64];
	long argument;
	bool fresh, listens;
	int family;
};

static int peer_obtain(const struct peer_order *order, int report)
{
	struct sockaddr_storage address;
	int listener, fd;

	if (!order->listens)
		return kit_connect(&order->address);
	listener = kit_listen(order->family, &address);
	CHECK_EQ(MUST(write(report, &address, sizeof(address))), sizeof(address));
	fd = (int)MUST(accept(listener, NULL, NULL));
	MUST(close(listener));
	return fd;
}

static struct peer_entry *peer_find(const char *name)
{
	struct peer_entry *entry = peers;

	while (entry && strcmp(entry->name, name) != 0)
		entry = entry->next;
	if (!entry)
		FAIL("no peer is called %s", name);
	return entry;
}

static void peer_obey(const struct peer_order *order, int report)
{
	struct peer_entry *entry = peer_find(order->name);
	int fd = peer_obtain(order, report);

	MUST(close(report));
	peer_serve(fd, entry, order->argument, order->fresh);
}

/* Descriptors given by number: where the order is read, where a listener's address goes. */
PROGRAM(peer)
{
	struct peer_order order;
	int from = atoi(argv[0]), report = atoi(argv[1]);

	CHECK_EQ(MUST(read(from, &order, sizeof(order))), sizeof(order));
	MUST(close(from));
	peer_obey(&order, report);
	return 0;
}

int kit_peer_main(int argc, char **argv)
{
	struct kit_program *program = programs;

	while (program && strcmp(program->name, argv[0]) != 0)
		program = program->next;
	if (!program)
		FAIL("no program is called %s", argv[0]);
	return program->run(argc - 1, argv + 1);
}

static void *peer_thread(void *argument)
{
	struct peer *peer = argument;

	peer_serve(peer->fd, peer->run, peer->argument, peer->fresh);
	return NULL;
}

static int start_thread(struct peer *peer)
{
	struct pair pair = pair_new(peer->family);
	int ours = peer->listens ? pair.a : pair.b;

	peer->fd = peer->listens ? pair.b : pair.a;
	thread_start(&peer->thread, peer_thread, peer);
	return ours;
}

static int start_child(struct peer *peer)
{
	struct pair pair = peer->fresh ? pair_new(peer->family) : pair_promoted(peer->family);
	int ours = peer->listens ? pair.a : pair.b, theirs = peer->listens ? pair.b : pair.a;

	fflush(NULL);
	peer->pid = (pid_t)MUST(fork());
	if (peer->pid == 0) {
		MUST(close(ours));
		peer_serve(theirs, peer->run, peer->argument, true);
		exit(0);
	}
	MUST(close(theirs));
	return ours;
}

static void exec_peer(const struct peer *peer, int from, int report)
{
	char words[2][16];

	snprintf(words[0], sizeof(words[0]), "%d", from);
	snprintf(words[1], sizeof(words[1]), "%d", report);
	MUST(fcntl(from, F_SETFD, 0));
	MUST(fcntl(report, F_SETFD, 0));
	execve("/proc/self/exe", kit_program_argv("peer", words[0], words[1], NULL, NULL),
	       kit_program_envp(peer->party == PARTY_PLAIN));
	FAIL("exec");
}

static int start_process(struct peer *peer)
{
	struct peer_order order = {
		.argument = peer->argument, .fresh = peer->fresh, .listens = peer->listens, .family = peer->family};
	int orders[2], report[2], listener = -1, fd;

	snprintf(order.name, sizeof(order.name), "%s", peer->run->name);
	MUST(pipe2(orders, O_CLOEXEC));
	MUST(pipe2(report, O_CLOEXEC));
	if (!peer->listens)
		listener = kit_listen(peer->family, &order.address);
	fflush(NULL);
	peer->pid = (pid_t)MUST(fork());
	if (peer->pid == 0) {
		close(orders[1]);
		close(report[0]);
		if (listener != -1)
			close(listener);
		if (peer->party != PARTY_PROCESS)
			exec_peer(peer, orders[0], report[1]);
		close(orders[0]);
		peer_obey(&order, report[1]);
		exit(0);
	}
	MUST(close(orders[0]));
	MUST(close(report[1]));
	if (peer->party != PARTY_PROCESS)
		CHECK_EQ(MUST(write(orders[1], &order, sizeof(order))), sizeof(order));
	MUST(close(orders[1]));
	if (peer->listens) {
		CHECK_EQ(MUST(read(report[0], &order.address, sizeof(order.address))), sizeof(order.address));
		fd = kit_connect(&order.address);
	} else {
		fd = (int)MUST(accept(listener, NULL, NULL));
		MUST(close(listener));
	}
	MUST(close(report[0]));
	return fd;
}

int peer_start(struct peer *peer)
{
	int fd;

	if (!peer->family)
		peer->family = AF_INET;
	if (peer->party == PARTY_THREAD)
		fd = start_thread(peer);
	else if (peer->party == PARTY_CHILD)
		return start_child(peer);
	else
		fd = start_process(peer);
	if (peer->fresh)
		return fd;
	if (party_promotes(peer->party))
		kit_promote_active(fd);
	else
		kit_stay_active(fd, 60);
	return fd;
}

void peer_join(struct peer *peer)
{
	if (peer->party == PARTY_THREAD)
		thread_join(&peer->thread);
	else
		CHECK_EXITS(peer->pid, 0);
}

pid_t kit_fork(void (*run)(void *), void *argument)
{
	fflush(NULL);
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		run(argument);
		exit(0);
	}
	return pid;
}

void kit_wait_exit(const char *file, int line, pid_t pid, int code)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			kit_fail(file, line, "waitpid %d", pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		kit_fail(file, line, "process %d ended with %s %d, expected exit code %d", pid,
			 WIFEXITED(status) ? "exit code" : "signal",
			 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), code);
}

void kit_wait_killed(pid_t pid, int signal)
{
	int status;

	CHECK_EQ(MUST(waitpid(pid, &status, 0)), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), signal);
}
