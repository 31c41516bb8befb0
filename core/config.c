/* Reads the settings: a directory of one-value files, the rules, then RSOCKET_SET. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "rules.h"
#include "sys.h"

#define CONFIG_DIR "/etc/rdma/rsocket"

/* Longer values are malformed: the longest number or name is far shorter. */
#define VALUE_SIZE 64

static struct settings current = {
#define OPTION(name, unit, deflt, min, max, values, scope, help) .name = (deflt),
#include "option.def"
#undef OPTION
};

/* By number, from 1 on, and which of them a rule gave: a bit for each row. */
static struct settings own[RULES_MAX];
static uint32_t own_given[RULES_MAX];

enum {
#define OPTION(name, unit, deflt, min, max, values, scope, help) ROW_##name,
#include "option.def"
#undef OPTION
	ROWS
};
_Static_assert(ROWS <= 32, "own_given has a bit for each row");

const struct settings *settings(void)
{
	return &current;
}

const struct settings *settings_of(unsigned number)
{
	return number ? &own[number - 1] : &current;
}

__attribute__((format(printf, 2, 3))) static void complain(settings_warn_fn *warn, const char *format, ...)
{
	char sentence[512];
	va_list args;

	if (!warn)
		return;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	warn(sentence);
}

static long *setting_in(struct settings *s, const struct option_info *info)
{
	return (long *)((char *)s + info->offset);
}

/* SOURCE names the file or variable in complaints. */
static void setting_store(struct settings *to, const struct option_info *info, const char *text, const char *source,
			  settings_warn_fn *warn)
{
	int length = (int)strcspn(text, "\n");
	long value;

	if (option_parse(info, text, &value) == 0)
		*setting_in(to, info) = value;
	else if (info->values[0] != '\0')
		complain(warn, "%s: %s is one of %s, not \"%.*s\"; it is ignored", source, info->name, info->values,
			 length, text);
	else
		complain(warn, "%s: %s is a number from %ld to %ld (%s), not \"%.*s\"; it is ignored", source,
			 info->name, info->min, info->max, info->unit, length, text);
}

static void file_load(const struct option_info *info, int dirfd, const char *dir, settings_warn_fn *warn)
{
	char text[VALUE_SIZE], source[256];
	/* Not blocking: somebody may have put a FIFO there. */
	int fd = openat(dirfd, info->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t length;

	if (fd < 0 && errno == ENOENT)
		return;
	snprintf(source, sizeof(source), "%s/%s", dir, info->name);
	length = fd < 0 ? -errno : sys_read(fd, text, sizeof(text));
	if (fd >= 0)
		sys_close(fd);
	if (length < 0) {
		complain(warn, "%s: cannot be read (error %ld); it is ignored", source, (long)-length);
		return;
	}
	if (length == sizeof(text) || memchr(text, '\0', (size_t)length)) {
		complain(warn, "%s: %s is one value of less than %d characters; it is ignored", source, info->name,
			 VALUE_SIZE);
		return;
	}
	text[length] = '\0';
	setting_store(&current, info, text, source, warn);
}

/* One "key=value", for the settings of this number. */
static void pair_load(unsigned number, const char *pair, size_t length, const char *source, settings_warn_fn *warn)
{
	char text[2 * VALUE_SIZE];
	const struct option_info *info;
	char *value;

	if (length == 0)
		return;
	if (length >= sizeof(text)) {
		complain(warn, "%s: \"%.*s...\" is too long for a setting", source, VALUE_SIZE, pair);
		return;
	}
	memcpy(text, pair, length);
	text[length] = '\0';
	value = strchr(text, '=');
	if (!value) {
		complain(warn, "%s: \"%s\" is not of the form key=value", source, text);
		return;
	}
	*value++ = '\0';
	info = option_find(text);
	if (!info) {
		complain(warn, "%s: no setting is called \"%s\"", source, text);
		return;
	}
	setting_store(number ? &own[number - 1] : &current, info, value, source, warn);
	if (number)
		own_given[number - 1] |= 1u << (info - option_table);
}

/* What no rule gave is the process's. */
static void own_complete(void)
{
	for (unsigned number = 0; number < RULES_MAX; number++)
		for (size_t i = 0; own_given[number] && i < option_count; i++)
			if (!(own_given[number] >> i & 1))
				*setting_in(&own[number], &option_table[i]) = *setting_in(&current, &option_table[i]);
}

/* Whether another directory took the path since DIRFD was opened. */
static bool dir_replaced(int dirfd, const char *dir)
{
	struct stat opened, there;

	return fstat(dirfd, &opened) == 0 && stat(dir, &there) == 0 &&
	       (opened.st_ino != there.st_ino || opened.st_dev != there.st_dev);
}

/* The files of the directory, then the rules, which may set more. False: it was replaced meanwhile, and its files may have been going. */
static bool dir_load(settings_warn_fn *warn)
{
	bool whole = true;
	const char *named = secure_getenv("RSOCKET_CONFIG_DIR");
	const char *dir = named && *named ? named : CONFIG_DIR;
	int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0 && errno != ENOENT)
		complain(warn, "%s: not a readable directory (error %d); defaults are used", dir, errno);
	for (size_t i = 0; dirfd >= 0 && i < option_count; i++)
		file_load(&option_table[i], dirfd, dir, warn);
	rules_load(dirfd, dir, warn, pair_load);
	if (dirfd >= 0) {
		whole = !dir_replaced(dirfd, dir);
		sys_close(dirfd);
	}
	return whole;
}

static void set_load(settings_warn_fn *warn)
{
	const char *set = secure_getenv("RSOCKET_SET");

	while (set && *set) {
		size_t length = strcspn(set, ",");

		pair_load(0, set, length, "RSOCKET_SET", warn);
		set += length + (set[length] == ',');
	}
}

void settings_load(settings_warn_fn *warn)
{
	const struct settings initial = current;
	int errno_before = errno, tries = 3;

	do {
		current = initial;
		memset(own_given, 0, sizeof own_given);
		/* Once before, in silence: log_level decides which of the complaints are heard. */
		set_load(NULL);
	} while (!dir_load(warn) && --tries);
	set_load(warn);
	own_complete();
	errno = errno_before;
}
