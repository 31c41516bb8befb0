/* Direct data placement: a child process writes into a buffer that its parent mapped, and tells so by a message behind it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <rdma/rsocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 100000
#define OFFSET 4096

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void ask_for_maps(int fd)
{
	int maps = 1, got = 0;
	socklen_t size = sizeof(got);

	if (rsetsockopt(fd, SOL_RDMA, RDMA_IOMAPSIZE, &maps, sizeof(maps)) < 0 ||
	    rgetsockopt(fd, SOL_RDMA, RDMA_IOMAPSIZE, &got, &size) < 0 || got < 1)
		die("RDMA_IOMAPSIZE");
}

static int writer(const struct sockaddr_in *address)
{
	int fd = rsocket(AF_INET, SOCK_STREAM, 0);
	static char bytes[SIZE];
	char go;

	if (fd < 0)
		die("rsocket");
	ask_for_maps(fd);
	if (rconnect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		die("rconnect");
	/* Once this has come, the map is there. */
	if (rrecv(fd, &go, 1, 0) != 1)
		die("rrecv");
	memset(bytes, 'b', SIZE);
	if (riowrite(fd, bytes, SIZE, OFFSET, 0) != SIZE)
		die("riowrite");
	if (rsend(fd, "d", 1, 0) != 1 || rrecv(fd, &go, 1, 0) != 0)
		die("the end");
	return rclose(fd) < 0;
}

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = rsocket(AF_INET, SOCK_STREAM, 0), fd, status;
	static char buffer[SIZE];
	char done;
	pid_t pid;

	if (listener < 0)
		die("listener");
	ask_for_maps(listener);
	if (rbind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || rlisten(listener, 1) < 0 ||
	    rgetsockname(listener, (struct sockaddr *)&address, &size) < 0)
		die("listener");
	pid = fork();
	if (pid == 0)
		return writer(&address);
	fd = raccept(listener, NULL, NULL);
	if (fd < 0 || riomap(fd, buffer, SIZE, PROT_WRITE, 0, OFFSET) != OFFSET)
		die("riomap");
	if (rsend(fd, "g", 1, 0) != 1 || rrecv(fd, &done, 1, 0) != 1)
		die("the message");
	for (int i = 0; i < SIZE; i++)
		if (buffer[i] != 'b') {
			fprintf(stderr, "byte %d is %d\n", i, buffer[i]);
			return 1;
		}
	if (riounmap(fd, buffer, SIZE) < 0 || rclose(fd) < 0 || rclose(listener) < 0)
		die("riounmap");
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return 1;
	puts("every byte is in its place");
	return 0;
}
