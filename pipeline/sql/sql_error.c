#include <stdarg.h>
#include <stdio.h>

#include "pipeline/sql/lex.h"

bool sql_fail(struct sql_error *err, const char *sqlstate, size_t offset, size_t length, const char *format, ...)
{
    char text[sizeof(err->error.text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(&err->error, ERROR_STOP, "%s", text);
    snprintf(err->error.sqlstate, sizeof(err->error.sqlstate), "%s", sqlstate);
    err->offset = offset;
    err->length = length;
    err->hint[0] = '\0';
    return false;
}

bool sql_hint(struct sql_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof(err->hint), format, args);
    va_end(args);
    return false;
}
