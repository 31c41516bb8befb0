/* What goes to standard error: one line a message, whole. */
#ifndef RS_LOG_H
#define RS_LOG_H

enum log_level { LOG_SILENT, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Formats and writes "rsocket[PID]: ..." if the log_level setting lets it through. Keeps errno. */
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
