/* What the machine itself can do: two processes and a bare shared ring, two processes and a bare futex, one memcpy. */
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "net.h"

enum { SLOTS = 1024, MESSAGE = 64 };

/* One direction: MESSAGE bytes a slot; the writer moves tail, the reader head. */
struct bare_ring {
	_Alignas(64) _Atomic uint64_t tail;
	_Alignas(64) _Atomic uint64_t head;
	_Alignas(64) char slot[SLOTS][MESSAGE];
};

static void ring_put(struct bare_ring *r, const char *data)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	while (tail - atomic_load_explicit(&r->head, memory_order_acquire) == SLOTS)
		;
	memcpy(r->slot[tail % SLOTS], data, MESSAGE);
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}

static void ring_take(struct bare_ring *r, char *data)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	while (atomic_load_explicit(&r->tail, memory_order_acquire) == head)
		;
	memcpy(data, r->slot[head % SLOTS], MESSAGE);
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

static void *shared(size_t length)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void die_with_parent(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		err(1, "prctl");
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_median(uint32_t *round_ns, size_t rounds)
{
	qsort(round_ns, rounds, sizeof(*round_ns), by_value);
	printf("half_round_trip_us %.4f\n", round_ns[rounds / 2] / 2e3);
}

static void ring(size_t rounds)
{
	struct bare_ring *pair = shared(2 * sizeof(*pair));
	uint32_t *round_ns = malloc(rounds * sizeof(*round_ns));
	char data[MESSAGE] = {0};

	if (fork() == 0) {
		die_with_parent();
		for (;;) {
			ring_take(&pair[0], data);
			ring_put(&pair[1], data);
		}
	}
	for (size_t i = 0; i < rounds; i++) {
		uint64_t begin = now_ns();

		ring_put(&pair[0], data);
		ring_take(&pair[1], data);
		round_ns[i] = (uint32_t)(now_ns() - begin);
	}
	print_median(round_ns, rounds);
}

static void word_wait(_Atomic uint32_t *word, uint32_t seen)
{
	while (atomic_load(word) == seen)
		syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void word_bump(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

static void sleeping(size_t rounds, int cpu, int other_cpu)
{
	_Atomic uint32_t *word = shared(4096);
	uint32_t *round_ns = malloc(rounds * sizeof(*round_ns));

	if (fork() == 0) {
		die_with_parent();
		run_on(other_cpu);
		for (uint32_t i = 0;; i++) {
			word_wait(&word[0], i);
			word_bump(&word[64]);
		}
	}
	run_on(cpu);
	for (size_t i = 0; i < rounds; i++) {
		uint64_t begin = now_ns();

		word_bump(&word[0]);
		word_wait(&word[64], (uint32_t)i);
		round_ns[i] = (uint32_t)(now_ns() - begin);
	}
	print_median(round_ns, rounds);
}

/* The copy that a stream cannot avoid: blocks of SIZE from one warm buffer to one that other core last touched is
 * optimistic to call warm too, so the target walks through SPAN bytes as a ring would. */
static void copy(size_t size, size_t span, long run_ms)
{
	char *from = malloc(size), *to = malloc(span);
	uint64_t begin, end, now, bytes = 0;

	memset(from, 1, size);
	memset(to, 2, span);
	begin = now_ns();
	end = begin + (uint64_t)run_ms * 1000000u;
	do {
		for (size_t at = 0; at + size <= span; at += size) {
			memcpy(to + at, from, size);
			__asm__ volatile("" : : "r"(to) : "memory");
			bytes += size;
		}
		now = now_ns();
	} while (now < end);
	printf("bytes_per_s %.0f\n", (double)bytes * 1e9 / (double)(now - begin));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "ring"))
		ring((size_t)number(argv[2]));
	else if (argc == 5 && !strcmp(argv[1], "futex"))
		sleeping((size_t)number(argv[2]), (int)number(argv[3]), (int)number(argv[4]));
	else if (argc == 5 && !strcmp(argv[1], "memcpy"))
		copy((size_t)number(argv[2]), (size_t)number(argv[3]), number(argv[4]));
	else
		errx(2, "usage: yardstick ring ROUNDS | futex ROUNDS CPU CPU | memcpy SIZE SPAN MILLISECONDS");
	return 0;
}
