/* The least of a FUSE server. */
#include "stuck.h"

#include "kit.h"

#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static void reply(int dev, uint64_t unique, int error, const void *body, size_t size)
{
	union {
		struct fuse_out_header head;
		char bytes[1024];
	} out = {.head = {.len = (uint32_t)(sizeof(out.head) + size), .error = error, .unique = unique}};

	if (size)
		memcpy(out.bytes + sizeof(out.head), body, size);
	if (write(dev, &out, out.head.len) < 0)
		_exit(1);
}

static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){.ino = node, .mode = node == 1 ? S_IFDIR | 0777 : S_IFREG | 0666, .nlink = 1};
}

static void answer(int dev, const struct fuse_in_header *in)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096};
	struct fuse_entry_out entry = {.nodeid = 2, .entry_valid = 3600, .attr_valid = 3600, .attr = attributes(2)};
	struct fuse_attr_out attr = {.attr_valid = 3600, .attr = attributes(in->nodeid)};
	struct fuse_open_out opened = {0};

	switch (in->opcode) {
	case FUSE_INIT:
		reply(dev, in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		reply(dev, in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		reply(dev, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(dev, in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_FLUSH:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(dev, in->unique, -ENOSYS, NULL, 0);
	}
}

static _Noreturn void serve(int dev)
{
	static union {
		struct fuse_in_header head;
		char bytes[1 << 16];
	} in;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(dev, &in, sizeof(in)) > 0)
		answer(dev, &in.head);
	_exit(0);
}

int stuck_open(pid_t *server)
{
	char dir[] = "/tmp/stuck-XXXXXX", options[64], path[64];
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC), fd;

	if (dev < 0)
		return -1;
	CHECK(mkdtemp(dir));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", dev);
	if (mount("stuck", dir, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
		close(dev);
		rmdir(dir);
		return -1;
	}
	*server = (pid_t)MUST(fork());
	if (*server == 0)
		serve(dev);
	MUST(close(dev));
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = (int)MUST(open(path, O_RDWR | O_CLOEXEC));
	MUST(umount2(dir, MNT_DETACH));
	MUST(rmdir(dir));
	return fd;
}
