/* The report file: made by rsrun, mapped by every process it starts, read when they are done. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "barrier.h"
#include "stats.h"
#include "sys.h"

static struct stats_file *report;
static char report_path[256];

static size_t report_size(uint32_t capacity)
{
	return sizeof(struct stats_file) + (size_t)capacity * sizeof(struct stats_conn);
}

/* Whether HEAD describes a report that fits into SIZE bytes. */
static bool head_valid(const struct stats_file *head, off_t size)
{
	return head->magic == STATS_MAGIC && head->version == STATS_VERSION &&
	       head->record_size == sizeof(struct stats_conn) && size >= (off_t)report_size(head->capacity);
}

int stats_file_create(const char *path, uint32_t capacity)
{
	const struct stats_file head = {
		.magic = STATS_MAGIC,
		.version = STATS_VERSION,
		.record_size = sizeof(struct stats_conn),
		.capacity = capacity,
	};
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	long result;

	if (fd < 0)
		return -errno;
	/* Allocated, not only sized: a full file system is an error here, not a SIGBUS in the target. */
	result = sys_call4(SYS_fallocate, fd, 0, 0, report_size(capacity));
	if (result == -EOPNOTSUPP)
		result = sys_call2(SYS_ftruncate, fd, report_size(capacity));
	if (result == 0)
		result = sys_pwrite(fd, &head, sizeof(head), 0);
	sys_close(fd);
	if (result == sizeof(head))
		return 0;
	unlink(path);
	return result < 0 ? (int)result : -EIO;
}

/* Reads records [0, COUNT) of FD into OUT, leaving out those never filled in. How many, or -errno. */
static ssize_t records_read(int fd, struct stats_conn *out, size_t count)
{
	size_t filled = 0;

	for (size_t i = 0; i < count; i++) {
		off_t offset = (off_t)report_size((uint32_t)i);
		ssize_t length = sys_pread(fd, &out[filled], sizeof(*out), offset);

		if (length < 0)
			return length;
		if (length != sizeof(*out))
			return -EINVAL;
		if (out[filled].state != STATS_FREE)
			filled++;
	}
	return (ssize_t)filled;
}

ssize_t stats_file_read(const char *path, struct stats_conn *out, size_t max, uint32_t *dropped)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stats_file head;
	struct stat status;
	ssize_t result;
	size_t count;

	if (fd < 0)
		return -errno;
	result = sys_pread(fd, &head, sizeof(head), 0);
	if (result >= 0 && (result != sizeof(head) || fstat(fd, &status) != 0 || !head_valid(&head, status.st_size)))
		result = -EINVAL;
	if (result < 0) {
		sys_close(fd);
		return result;
	}
	count = head.next < head.capacity ? head.next : head.capacity;
	result = records_read(fd, out, count < max ? count : max);
	sys_close(fd);
	if (result >= 0)
		*dropped = head.next > head.capacity ? head.next - head.capacity : 0;
	return result;
}

static struct stats_file *report_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stats_file *file = MAP_FAILED;
	struct stats_file head;
	struct stat status;

	if (fd < 0)
		return NULL;
	if (sys_pread(fd, &head, sizeof(head), 0) == sizeof(head) && fstat(fd, &status) == 0 &&
	    S_ISREG(status.st_mode) && head_valid(&head, status.st_size))
		file = mmap(NULL, report_size(head.capacity), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sys_close(fd);
	return file == MAP_FAILED ? NULL : file;
}

void stats_init(void)
{
	const char *path = secure_getenv("RSOCKET_REPORT");
	int errno_before = errno;

	if (!report && path && *path) {
		report = report_map(path);
		if (report) {
			fetch_add(&report->processes, 1);
			strncpy(report_path, path, sizeof report_path - 1);
		}
	}
	errno = errno_before;
}

const char *stats_report_path(void)
{
	return report ? report_path : NULL;
}

struct stats_conn *stats_conn_new(void)
{
	struct stats_conn *records;
	uint32_t index;

	/* The limit keeps a counter that only grows from coming round to records in use. */
	if (!report || load_relaxed(&report->next) > UINT32_MAX / 2)
		return NULL;
	index = fetch_add(&report->next, 1);
	if (index >= report->capacity)
		return NULL;
	records = (struct stats_conn *)(report + 1);
	return &records[index];
}
