/* What a read and a write of something that is no socket cost more than libc's own: the calls of this process, which the preload may have
 * taken, and libc's, which are looked up in libc itself; in turns, so that both see the same machine. */
#include <dlfcn.h>
#include <fcntl.h>

#include "net.h"

enum { BATCHES = 1000 };

typedef ssize_t read_call(int, void *, size_t);
typedef ssize_t write_call(int, const void *, size_t);

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *value)
{
	qsort(value, BATCHES, sizeof(*value), by_value);
	return value[BATCHES / 2];
}

/* One batch: ns a call. */
static double calls(read_call *r, write_call *w, int in, int out, long count)
{
	uint64_t begin = now_ns();
	char byte = 0;

	for (long i = 0; i < count; i++)
		if (r(in, &byte, 1) != 1 || w(out, &byte, 1) != 1)
			err(1, "read or write");
	return (double)(now_ns() - begin) / (double)(2 * count);
}

int main(int argc, char **argv)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	read_call *libc_read = libc ? (read_call *)dlsym(libc, "read") : NULL;
	write_call *libc_write = libc ? (write_call *)dlsym(libc, "write") : NULL;
	int in = open("/dev/zero", O_RDONLY | O_CLOEXEC), out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	static double here[BATCHES], there[BATCHES], more[BATCHES];
	long count;

	if (argc != 2)
		errx(2, "usage: elsewhere CALLS");
	if (!libc_read || !libc_write)
		errx(1, "no libc.so.6: %s", dlerror());
	if (in < 0 || out < 0)
		err(1, "/dev/zero or /dev/null");
	count = number(argv[1]) / BATCHES + 1;
	for (int i = 0; i < BATCHES; i++) {
		if (i & 1)
			there[i] = calls(libc_read, libc_write, in, out, count);
		here[i] = calls(read, write, in, out, count);
		if (!(i & 1))
			there[i] = calls(libc_read, libc_write, in, out, count);
		more[i] = here[i] - there[i];
	}
	printf("here_ns %.2f\nlibc_ns %.2f\nmore_ns %.2f\n", median(here), median(there), median(more));
	return 0;
}
