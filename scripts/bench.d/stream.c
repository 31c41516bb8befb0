/* One-way traffic: messages of one size written as fast as they go, counted where they arrive. */
#include "net.h"

static void serve(int port, size_t read_size)
{
	int listener = listen_on(port);
	char *data = malloc(read_size);

	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept_from(listener);
		uint64_t total = 0;
		ssize_t n;

		while ((n = recv(fd, data, read_size, 0)) > 0)
			total += (uint64_t)n;
		if (n < 0)
			err(1, "recv");
		write_whole(fd, &total, sizeof(total));
		close(fd);
	}
}

/* The rate counts until the last byte was read at the other end, not until it was written at this one. */
static void drive(int port, size_t size, long run_ms, bool nagle)
{
	int fd = connect_to(port);
	char *data = calloc(1, size);
	uint64_t sent = 0, arrived = 0, begin = now_ns(), deadline = begin + (uint64_t)run_ms * 1000000u;
	double seconds;

	if (!nagle)
		nodelay(fd);
	do {
		for (int i = 0; i < 64; i++)
			write_whole(fd, data, size);
		sent += 64;
	} while (now_ns() < deadline);
	if (shutdown(fd, SHUT_WR) || !read_whole(fd, &arrived, sizeof(arrived)))
		err(1, "end of stream");
	seconds = (double)(now_ns() - begin) / 1e9;
	if (arrived != sent * size)
		errx(1, "%llu bytes sent, %llu arrived", (unsigned long long)(sent * size),
		     (unsigned long long)arrived);
	printf("messages_per_s %.0f\nbytes_per_s %.0f\n", (double)sent / seconds, (double)arrived / seconds);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve((int)number(argv[2]), (size_t)number(argv[3]));
	else if (argc >= 5 && argc <= 6 && !strcmp(argv[1], "drive"))
		drive((int)number(argv[2]), (size_t)number(argv[3]), number(argv[4]),
		      argc == 6 && !strcmp(argv[5], "nagle"));
	else
		errx(2, "usage: stream serve PORT READ_SIZE | stream drive PORT SIZE MILLISECONDS [nagle]");
	return 0;
}
