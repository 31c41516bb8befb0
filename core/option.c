/* The option table as data, and the one grammar of its values. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "config.h"

const struct option_info option_table[] = {
#define OPTION(name, unit, deflt, min, max, values, scope, help) \
	{#name, unit, deflt, min, max, values, SCOPE_##scope, help, offsetof(struct settings, name)},
#include "option.def"
#undef OPTION
};
const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);

const struct option_info *option_find(const char *name)
{
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	return NULL;
}

static int enum_parse(const char *values, const char *text, size_t length, long *value)
{
	for (long number = 0;; number++) {
		size_t name_length = strcspn(values, "|");

		if (name_length == length && memcmp(values, text, length) == 0) {
			*value = number;
			return 0;
		}
		if (values[name_length] == '\0')
			return -EINVAL;
		values += name_length + 1;
	}
}

static int digit_parse(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return INT_MAX;
}

int option_parse(const struct option_info *info, const char *text, long *value)
{
	size_t length = strlen(text);
	bool negative = false;
	long base = 10, number = 0;
	const char *end;

	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (info->values[0] != '\0')
		return enum_parse(info->values, text, length, value);
	end = text + length;
	if (text < end && *text == '-') {
		negative = true;
		text++;
	}
	if (end - text > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	if (text == end)
		return -EINVAL;
	for (; text < end; text++) {
		int digit = digit_parse(*text);

		if (digit >= base)
			return -EINVAL;
		/* Saturates: beyond every range, and the rest is still checked for letters. */
		number = number > (LONG_MAX - digit) / base ? LONG_MAX : number * base + digit;
	}
	if (negative)
		number = -number;
	if (number < info->min || number > info->max)
		return -ERANGE;
	*value = number;
	return 0;
}
