/* A library whose destructor still writes; loaded later than the preload, its destructor runs later too. */
#include <sys/socket.h>
#include <unistd.h>

static int descriptor = -1;

__attribute__((visibility("default"))) void goodbye_to(int fd);
void goodbye_to(int fd)
{
	descriptor = fd;
}

__attribute__((destructor)) static void leave(void)
{
	if (descriptor < 0 || send(descriptor, "goodbye", 7, MSG_NOSIGNAL) != 7)
		return;
	if (write(descriptor, " and more", 9) < 0)
		_exit(1);
}
