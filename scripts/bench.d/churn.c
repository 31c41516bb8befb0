/* Short connections: open, one exchange of 64 bytes, close; as many as go. */
#include "net.h"

enum { EXCHANGE = 64 };

static void serve(int port)
{
	int listener = listen_on(port);
	char data[EXCHANGE];

	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept_from(listener);

		nodelay(fd);
		if (read_whole(fd, data, sizeof(data)))
			write_whole(fd, data, sizeof(data));
		read_whole(fd, data, sizeof(data)); /* the client closes first and keeps TIME_WAIT on its port */
		close(fd);
	}
}

static void drive(int port, long run_ms)
{
	uint64_t begin = now_ns(), end = begin + (uint64_t)run_ms * 1000000u, now, count = 0;
	char data[EXCHANGE] = {0};

	do {
		int fd = connect_to(port);

		nodelay(fd);
		write_whole(fd, data, sizeof(data));
		if (!read_whole(fd, data, sizeof(data)))
			errx(1, "the server closed early");
		close(fd);
		count++;
		now = now_ns();
	} while (now < end);
	printf("connections_per_s %.1f\n", (double)count * 1e9 / (double)(now - begin));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((int)number(argv[2]));
	else if (argc == 4 && !strcmp(argv[1], "drive"))
		drive((int)number(argv[2]), number(argv[3]));
	else
		errx(2, "usage: churn serve PORT | churn drive PORT MILLISECONDS");
	return 0;
}
