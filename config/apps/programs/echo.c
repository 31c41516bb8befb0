/* serve PORT: echoes for one client after the other. talk PORT: messages of many sizes; prints how many came back right. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char out[16384], in[16384];

static int all(int fd, char *bytes, size_t size, int is_write)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = is_write ? write(fd, bytes + done, size - done) : read(fd, bytes + done, size - done);

		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static int serve(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n;

		if (fd < 0)
			return 1;
		while ((n = read(fd, in, sizeof(in))) > 0)
			if (all(fd, in, (size_t)n, 1) < 0)
				break;
		close(fd);
	}
}

static int talk(int fd)
{
	int right = 0;
	long bytes = 0;

	for (int round = 0; round < 2000; round++) {
		size_t size = 1 + (size_t)round * 37 % sizeof(out);

		memset(out, round, size);
		if (all(fd, out, size, 1) < 0 || all(fd, in, size, 0) < 0)
			return 1;
		right += memcmp(out, in, size) == 0;
		bytes += (long)size;
	}
	printf("%d answers, %ld bytes\n", right, bytes);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (argc != 3 || fd < 0)
		return 2;
	address.sin_port = htons((unsigned short)atoi(argv[2]));
	if (strcmp(argv[1], "talk") == 0)
		return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? 1 : talk(fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
		return 1;
	return serve(fd);
}
