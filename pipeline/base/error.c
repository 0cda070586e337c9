#include "pipeline/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* snprintf cuts at a byte; a character cut in two would make the log line invalid UTF-8. */
static void cut_at_character(char *text, size_t capacity)
{
    size_t len = strlen(text);
    if (len + 1 < capacity)
        return;
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (lead >= 0xC0 && len - (start - 1) < whole)
        text[start - 1] = '\0';
}

static void set_text(struct error *err, const char *text)
{
    size_t len = strnlen(text, sizeof(err->text) - 1);
    memcpy(err->text, text, len);
    err->text[len] = '\0';
    cut_at_character(err->text, sizeof(err->text));
}

/* Through a buffer of its own: the arguments may point into err->text. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    char text[sizeof(err->text) + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err->kind = kind;
    err->sqlstate[0] = '\0';
    set_text(err, text);
    return false;
}

static enum error_kind kind_of_errno(int errnum)
{
    switch (errnum) {
    case EAGAIN:
    case EINTR:
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EBUSY:
    case ETXTBSY:
    case ESTALE:
    case ENOBUFS:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case EPIPE:
    case ETIMEDOUT:
        return ERROR_RETRY;
    default:
        return ERROR_STOP;
    }
}

bool error_errno(struct error *err, int errnum, const char *format, ...)
{
    char text[sizeof(err->text)], reason[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(err, kind_of_errno(errnum), "%s: %s", text, strerror_r(errnum, reason, sizeof(reason)));
}

bool error_wrap(struct error *err, const char *format, ...)
{
    char text[2 * sizeof(err->text)];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(err->text), format, args);
    va_end(args);
    size_t at = len < 0 ? 0 : (size_t)len < sizeof(err->text) ? (size_t)len : sizeof(err->text) - 1;
    snprintf(text + at, sizeof(text) - at, ": %s", err->text);
    set_text(err, text);
    return false;
}

const char *error_kind_name(enum error_kind kind)
{
    switch (kind) {
    case ERROR_RETRY:
        return "retry";
    case ERROR_REJECT:
        return "reject";
    case ERROR_STOP:
        return "stop";
    }
    return "?";
}
