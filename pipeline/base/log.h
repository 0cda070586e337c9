/*
 * The program's own log, on stderr: one line an event, as people or as JSON. Any thread. Errors are logged where they are
 * stopped, once. Secrets never come here: options of kind secret are not printable.
 */
#ifndef PIPE_LOG_H
#define PIPE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_HUMAN, LOG_JSON };

/* Before any other thread starts. */
void log_setup(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);

/* `component` is a name from the configuration, or NULL for the engine itself. */
void log_line(enum log_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(component, ...) log_line(LOG_ERROR, component, __VA_ARGS__)
#define log_warn(component, ...) log_line(LOG_WARN, component, __VA_ARGS__)
#define log_info(component, ...) log_line(LOG_INFO, component, __VA_ARGS__)
#define log_debug(component, ...) log_line(LOG_DEBUG, component, __VA_ARGS__)

/*
 * The status line at the bottom of a terminal (progress). Log lines are printed above it. "" takes it away.
 * Does nothing where stderr is no terminal.
 */
void log_status(const char *line);

#endif
