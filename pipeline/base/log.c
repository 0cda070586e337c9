#include "pipeline/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/base/buffer.h"
#include "pipeline/base/clock.h"

/* The level and format are set before other threads start; the lock keeps lines and the status line whole. */
static enum log_level log_max_level = LOG_INFO;
static enum log_format log_line_format = LOG_HUMAN;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_status_text[512];

void log_setup(enum log_level level, enum log_format format)
{
    log_max_level = level;
    log_line_format = format;
}

bool log_enabled(enum log_level level)
{
    return level <= log_max_level;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_INFO:
        return "info";
    case LOG_DEBUG:
        return "debug";
    }
    return "?";
}

static void write_stderr(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n <= 0)
            return; /* nobody to tell */
        data += n;
        len -= (size_t)n;
    }
}

/* Bytes of the character at `text`; 0: it is no UTF-8 (RFC 3629). */
static size_t character_at(const unsigned char *text)
{
    unsigned char lead = text[0], second = lead ? text[1] : 0;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4 || (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F))
        return 0;
    size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    for (size_t i = 1; i < len; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

/* A file's name may be any bytes; a line of the log is UTF-8. */
static void replace_invalid(char *text)
{
    for (size_t len; *text; text += len ? len : 1) {
        len = character_at((const unsigned char *)text);
        if (!len)
            *text = '?';
    }
}

/* The inside of a JSON string. */
static void add_json_text(struct buffer *b, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            buffer_add_byte(b, '\\');
            buffer_add_byte(b, (char)c);
        } else if (c == '\n') {
            buffer_add_str(b, STR("\\n"));
        } else if (c < 0x20) {
            buffer_printf(b, "\\u%04x", c);
        } else {
            buffer_add_byte(b, (char)c);
        }
    }
}

static void add_json_line(struct buffer *b, enum log_level level, const char *component, const char *text)
{
    char time[25];
    clock_print_wall(clock_system.wall_us(&clock_system), time);
    buffer_printf(b, "{\"time\":\"%s\",\"level\":\"%s\"", time, level_name(level));
    if (component) {
        buffer_add_str(b, STR(",\"component\":\""));
        add_json_text(b, component);
        buffer_add_byte(b, '"');
    }
    buffer_add_str(b, STR(",\"message\":\""));
    add_json_text(b, text);
    buffer_add_str(b, STR("\"}\n"));
}

/* Lines after the first are indented, so that the next log line is seen as a new one. */
static void add_human_line(struct buffer *b, enum log_level level, const char *component, const char *text)
{
    char time[25];
    clock_print_wall(clock_system.wall_us(&clock_system), time);
    buffer_printf(b, "%s %-5s ", time, level_name(level));
    if (component)
        buffer_printf(b, "%s: ", component);
    for (; *text; text++) {
        buffer_add_byte(b, *text);
        if (*text == '\n')
            buffer_add_str(b, STR("    "));
    }
    buffer_add_byte(b, '\n');
}

static const char erase_line[] = "\r\033[K";

void log_line(enum log_level level, const char *component, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    struct buffer text = {0}, line = {0};
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    va_start(args, format);
    vsnprintf(buffer_reserve(&text, (size_t)len + 1), (size_t)len + 1, format, args);
    va_end(args);
    replace_invalid(text.data);

    pthread_mutex_lock(&log_lock);
    if (log_status_text[0])
        buffer_add_str(&line, STR(erase_line));
    if (log_line_format == LOG_JSON)
        add_json_line(&line, level, component, text.data);
    else
        add_human_line(&line, level, component, text.data);
    buffer_add_str(&line, str_of(log_status_text));
    write_stderr(line.data, line.len);
    pthread_mutex_unlock(&log_lock);
    buffer_release(&text);
    buffer_release(&line);
}

void log_status(const char *line)
{
    if (!isatty(STDERR_FILENO))
        return;
    pthread_mutex_lock(&log_lock);
    snprintf(log_status_text, sizeof(log_status_text), "%s", line);
    write_stderr(erase_line, sizeof(erase_line) - 1);
    write_stderr(log_status_text, strlen(log_status_text));
    pthread_mutex_unlock(&log_lock);
}
