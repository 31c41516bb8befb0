/* The conformance kit: checks, connected pairs, peers in threads and processes, promotion, and a watchdog around each case. */
#ifndef KIT_H
#define KIT_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <rdma/rsocket.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIT_SKIPPED 77
#define KIB 1024
#define MIB (1024 * 1024)

/* ---- cases ---- */

struct kit_case {
	const char *name;
	void (*run)(void);
	struct kit_case *next;
};
void kit_case_add(struct kit_case *);

/* One behaviour: CASE(name, tags...) { ... }. The build registers kernel.<file>__<name> and shm.<file>__<name> with ctest;
 * tag `tiny` adds a run with 256-byte rings, `tcp` one with transport=tcp, `serial` keeps others from running beside it. */
#define CASE(name, ...)                                                    \
	static void case__##name(void);                                    \
	__attribute__((constructor)) static void case_add__##name(void)    \
	{                                                                  \
		static struct kit_case self = {#name, case__##name, NULL}; \
		kit_case_add(&self);                                       \
	}                                                                  \
	static void case__##name(void)

/* A program that a case starts by exec: PROGRAM(name) { ... } gets argc and argv, and returns its exit code. */
struct kit_program {
	const char *name;
	int (*run)(int argc, char **argv);
	struct kit_program *next;
};
void kit_program_add(struct kit_program *);
#define PROGRAM(name)                                                            \
	static int program__##name(int argc, char **argv);                       \
	__attribute__((constructor)) static void program_add__##name(void)       \
	{                                                                        \
		static struct kit_program self = {#name, program__##name, NULL}; \
		kit_program_add(&self);                                          \
	}                                                                        \
	static int program__##name(int argc __attribute__((unused)), char **argv __attribute__((unused)))

/* argv and envp that start PROGRAM(name) with up to four words; PLAIN drops the preload. The result lives as long as the process. */
char **kit_program_argv(const char *name, const char *a, const char *b, const char *c, const char *d);
char **kit_program_envp(bool plain);

/* ---- checks: each names file and line, both values and errno, then ends every process of the case ---- */

_Noreturn void kit_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void kit_fail_eq(const char *file, int line, const char *text, intmax_t got, intmax_t want);
intmax_t kit_must(const char *file, int line, const char *text, intmax_t result);
void kit_check_fails(const char *file, int line, const char *text, intmax_t result, int error);
_Noreturn void kit_skip(const char *why);
void kit_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* From now on this process and its children get ACTION (SECCOMP_RET_*) for system call NUMBER; no preload is told of that. */
void kit_forbid(long number, uint32_t action);

#define FAIL(...) kit_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) ((condition) ? (void)0 : kit_fail(__FILE__, __LINE__, "false: %s", #condition))
#define CHECK_EQ(got, want)                                                              \
	do {                                                                             \
		intmax_t got_ = (intmax_t)(got);                                         \
		intmax_t want_ = (intmax_t)(want);                                       \
		if (got_ != want_)                                                       \
			kit_fail_eq(__FILE__, __LINE__, #got " == " #want, got_, want_); \
	} while (0)
/* The value of a call that must not return -1. */
#define MUST(call) kit_must(__FILE__, __LINE__, #call, (intmax_t)(call))
/* A call that must return -1 with ERROR in errno. */
#define CHECK_FAILS(call, error) (errno = 0, kit_check_fails(__FILE__, __LINE__, #call, (intmax_t)(call), (error)))
/* A pthread call that must return 0. */
#define PTHREAD(call) CHECK_EQ((call), 0)

/* ---- time ---- */

int64_t kit_now_ms(void);
void kit_sleep_ms(int ms);
/* How much longer than asked a wait may take on a busy machine. */
#define KIT_LATE_MS 1500
#define CHECK_LASTED(start_ms, least_ms)                                                                  \
	do {                                                                                              \
		int64_t lasted_ = kit_now_ms() - (start_ms);                                              \
		if (lasted_ < (least_ms)-3 || lasted_ > (least_ms) + KIT_LATE_MS)                         \
			FAIL("lasted %lld ms, expected %lld", (long long)lasted_, (long long)(least_ms)); \
	} while (0)
/* Returns once thread TID (of any process of the case) sleeps in the kernel and stays asleep. */
void kit_await_asleep(pid_t tid);
void kit_await_stopped(pid_t pid);

/* ---- bytes: the byte at each offset of a stream follows from seed and offset, so any reader can check any part ---- */

/* The seed of this run: KIT_SEED, or the clock; printed with the case. */
uint64_t kit_seed(void);
uint64_t kit_random(uint64_t *state);
size_t kit_random_below(uint64_t *state, size_t limit);
void kit_pattern(void *buffer, size_t length, uint64_t seed, uint64_t at);
void kit_check_pattern(const char *file, int line, const void *buffer, size_t length, uint64_t seed, uint64_t at);
#define CHECK_PATTERN(buffer, length, seed, at) kit_check_pattern(__FILE__, __LINE__, buffer, length, seed, at)
/* Send or receive exactly LENGTH bytes of the pattern, whether FD blocks or not. */
void kit_send_pattern(int fd, size_t length, uint64_t seed, uint64_t at);
void kit_recv_pattern(int fd, size_t length, uint64_t seed, uint64_t at);
/* The same for given bytes. */
void kit_put(int fd, const void *bytes, size_t length);
void kit_get(int fd, void *bytes, size_t length);
#define PUT(fd, text) kit_put(fd, text, sizeof(text) - 1)
#define CHECK_GETS(fd, text) kit_check_gets(__FILE__, __LINE__, fd, text, sizeof(text) - 1)
void kit_check_gets(const char *file, int line, int fd, const char *text, size_t length);
/* Reads until the end of the stream; returns how many bytes came, checked against the pattern. */
uint64_t kit_drain_pattern(int fd, uint64_t seed, uint64_t at);
/* Waits until all that was sent on FD is at the peer: Nagle may hold a small piece back for 40 ms. */
void kit_await_delivered(int fd);
/* Sends without blocking until the connection takes no more; returns how many bytes of the pattern went. */
uint64_t kit_fill(int fd, uint64_t seed, uint64_t at);

/* ---- readiness ---- */

/* poll with every event asked for, without waiting. */
short kit_revents(int fd);
/* Waits until one of EVENTS shows (5 s at most, else fails); returns all revents. */
short kit_await(int fd, short events);
const char *kit_events_text(char *text, size_t size, unsigned events);
void kit_check_revents(const char *file, int line, int fd, short want);
/* revents settle to exactly WANT within a second and stay so. */
#define CHECK_REVENTS(fd, want) kit_check_revents(__FILE__, __LINE__, fd, want)
/* Nothing to read and no end of stream for a while. */
#define CHECK_SILENT(socket) CHECK_EQ(poll(&(struct pollfd){.fd = (socket), .events = POLLIN | POLLRDHUP}, 1, 30), 0)
/* End of stream. */
#define CHECK_EOF(fd) kit_check_eof(__FILE__, __LINE__, fd)
void kit_check_eof(const char *file, int line, int fd);

/* ---- sockets ---- */

/* A listening socket on a free port of the loopback address of FAMILY; ADDRESS, if not NULL, gets where. */
int kit_listen(int family, struct sockaddr_storage *address);
socklen_t kit_address_length(const struct sockaddr_storage *address);
int kit_connect(const struct sockaddr_storage *address);
void kit_set_nonblocking(int fd, bool on);
void kit_set_option(int fd, int level, int option, int value);
int kit_get_option(int fd, int level, int option);
void kit_set_timeout(int fd, int option, int ms);

/* Both ends of one connection in this process: A connected, B was accepted. */
struct pair {
	int a, b;
};
struct pair pair_new(int family);
/* The same, promoted both ways where the run expects that. */
struct pair pair_promoted(int family);
void pair_close(struct pair *);
#define PAIR pair_promoted(AF_INET)

/* ---- what carries a connection ---- */

enum kit_expect { EXPECT_KERNEL, EXPECT_SHM, EXPECT_TCP };
enum kit_expect kit_expect(void);
/* False where FD is not a connection of the toolkit. */
bool kit_carrier(int fd, struct rdma_carrier *carrier);
/* Small rounds of ping-pong between two descriptors of this thread, until both report SHM both ways; fails with the reason codes
 * after 500. A run that expects no promotion makes 8. */
void kit_promote(int a, int b);
/* The same with the two ends in different threads or processes: one calls active, the other passive. */
void kit_promote_active(int fd);
void kit_promote_passive(int fd);
/* The active half against a peer that can not promote: ROUNDS of ping-pong, after which the connection must still be on TCP. */
void kit_stay_active(int fd, int rounds);
/* In a run that expects SHM: the connection is carried by shared memory in both directions, and at least so many bytes were. */
void kit_check_carried(const char *file, int line, int fd, uint64_t sent_min, uint64_t received_min);
#define CHECK_CARRIED(fd, sent_min, received_min) kit_check_carried(__FILE__, __LINE__, fd, sent_min, received_min)
/* A line for each connection of this process that the toolkit knows, to stderr; safe in a signal handler. */
void kit_carriers_print(void);

/* ---- threads and peers ---- */

struct thread {
	pthread_t id;
	volatile pid_t tid;
	void *(*run)(void *);
	void *argument;
};
void thread_start(struct thread *, void *(*run)(void *), void *argument);
void *thread_join(struct thread *);
void thread_await_asleep(struct thread *);

/* Who has the other end. */
enum party {
	PARTY_THREAD,  /* a thread of this process */
	PARTY_PROCESS, /* a process forked before the connection existed */
	PARTY_CHILD,   /* a process forked after the connection was made (and promoted): it inherits its end */
	PARTY_PROGRAM, /* a program started by exec */
	PARTY_PLAIN,   /* the same without the preload */
};
typedef void peer_fn(int fd, long argument);
struct peer_entry {
	const char *name;
	peer_fn *run;
	struct peer_entry *next;
};
void kit_peer_add(struct peer_entry *);
/* What the other party does: PEER(name) { ... } gets fd and argument. FD is closed when it returns. */
#define PEER(name)                                                      \
	static void peer__##name(int fd, long argument);                \
	static struct peer_entry name = {#name, peer__##name, NULL};    \
	__attribute__((constructor)) static void peer_add__##name(void) \
	{                                                               \
		kit_peer_add(&name);                                    \
	}                                                               \
	static void peer__##name(int fd __attribute__((unused)), long argument __attribute__((unused)))

struct peer {
	enum party party;
	struct peer_entry *run;
	long argument;
	int family;   /* 0: IPv4 */
	bool listens; /* the peer accepts, we connect; else the other way round */
	bool fresh;   /* do not promote before RUN */
	/* set by peer_start */
	pid_t pid;
	struct thread thread;
	int fd;
};
/* Starts the party and returns our end, promoted (unless fresh or the peer is plain). */
int peer_start(struct peer *);
/* The peer returned from RUN, or its process exited with 0. */
void peer_join(struct peer *);
/* Whether a party runs under the preload, so that connections with it are promoted. */
bool party_promotes(enum party);

/* ---- child processes ---- */

/* fork; the child runs RUN(argument) and exits 0. */
pid_t kit_fork(void (*run)(void *), void *argument);
void kit_wait_exit(const char *file, int line, pid_t pid, int code);
#define CHECK_EXITS(pid, code) kit_wait_exit(__FILE__, __LINE__, pid, code)
void kit_wait_killed(pid_t pid, int signal);

/* ---- used by main only ---- */

int kit_supervise(const char *name);
int kit_peer_main(int argc, char **argv);

#endif
