/* Messages to standard error. */
#include "log.h"
#include "config.h"
#include "kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void log_at(enum log_level level, const char *format, ...)
{
	char line[512];
	int saved = errno, n;
	va_list args;

	if ((long)level > settings()->log_level)
		return;
	n = snprintf(line, sizeof line, "rsocket[%u]: ", kernel_getpid());
	va_start(args, format);
	n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
	va_end(args);
	if (n > (int)sizeof line - 2)
		n = sizeof line - 2;
	line[n++] = '\n';
	sys_write(2, line, (size_t)n);
	errno = saved;
}
