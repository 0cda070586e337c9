/*
 * Errors are values. A function that can fail returns bool and fills the caller's struct error: a kind, which says
 * what the caller may do, and a line of text. Each level adds only what it alone knows (error_wrap). Whoever stops
 * the error logs it, once; nothing below logs and returns.
 */
#ifndef PIPE_ERROR_H
#define PIPE_ERROR_H

#include <stdbool.h>

enum error_kind {
    ERROR_RETRY,  /* the world is broken just now: the same call may succeed later */
    ERROR_REJECT, /* this record (or row) can never succeed; its neighbours can */
    ERROR_STOP,   /* going on is pointless or unsafe: configuration, permission, corruption, a bug */
};

struct error {
    enum error_kind kind;
    char sqlstate[6]; /* the server's SQLSTATE or ours (22P02 …); "" where there is none */
    char text[1018];
};

/* All return false, so that `return error_set(err, …)` reads as a failure. A text too long is cut at a character. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* As error_set, with ": " and the text of `errnum`; the kind follows from errnum (ENOSPC, EIO, EAGAIN, EMFILE …: retry;
 * ENOENT, EACCES, EROFS …: stop). */
bool error_errno(struct error *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4), cold));

/* Puts "context: " before the text; kind and sqlstate stay. */
bool error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* "retry", "reject", "stop" */
const char *error_kind_name(enum error_kind kind);

#endif
