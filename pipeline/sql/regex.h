/*
 * POSIX regular expressions as PostgreSQL has them (manual, 9.7.3), on PCRE2: the pattern is rewritten for PCRE2
 * (regex_translate.c), and where the two choose another match, Postgres's choice is found (regex.c). What is left of
 * differences is listed in docs/sql.md.
 *
 * Texts are valid UTF-8; classes and case are those of C.UTF-8. A struct regex is const once made and shared by all
 * threads. What a search needs beside it belongs to the thread and is kept until the thread ends, so that a row
 * allocates nothing.
 */
#ifndef PIPE_SQL_REGEX_H
#define PIPE_SQL_REGEX_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"

enum regex_option {
    REGEX_NOCASE = 1,
    REGEX_LINE_DOTS = 2,    /* . and [^…] match no newline */
    REGEX_LINE_ANCHORS = 4, /* ^ and $ match at each line */
    REGEX_EXPANDED = 8,     /* blanks and # comments mean nothing */
    REGEX_LITERAL = 16,
    REGEX_ERE = 32, /* not advanced: a backslash only quotes */
    REGEX_GLOBAL = 64,
};

/* The letters of a function's flags argument, added to *options; false with 22023. */
bool regex_parse_flags(struct str flags, unsigned *options, struct error *err);

struct regex;
/* NULL with 2201B where the pattern is none, or 0A000 where PCRE2 has no way to do it. */
struct regex *regex_new(struct str pattern, unsigned options, struct error *err);
void regex_free(void *regex);
/* Number of capturing groups. */
uint32_t regex_groups(const struct regex *r);

/* The pattern compiled before by this thread, or compiled now. Good until the thread's next call. */
const struct regex *regex_cached(struct str pattern, unsigned options, struct error *err);

enum regex_result { REGEX_NO, REGEX_YES, REGEX_FAILED /* with *err: it took too long, or too much memory */ };
/* Whether the text matches anywhere. */
enum regex_result regex_test(const struct regex *r, struct str text, struct error *err);
/*
 * The first match at or behind byte `from` (at the start of a character). found: for the match and then for each group
 * the bytes where it starts and ends, SIZE_MAX where a group took no part; the thread's, good until its next search.
 */
enum regex_result regex_search(const struct regex *r, struct str text, size_t from, const size_t **found,
                               struct error *err);

/* SIMILAR TO and substring(… SIMILAR …): the pattern as an advanced regular expression, appended. escape: one character
 * or none. */
bool regex_of_similar(struct str pattern, struct str escape, struct buffer *out, struct error *err);

/* ---- for regex.c only: what the translation gives --------------------------------------------------------------- */

struct regex_translation {
    struct buffer pattern; /* PCRE2's */
    unsigned options;      /* with those that the pattern itself began with */
    uint32_t groups;
    bool shortest;  /* of all matches from one start Postgres wants the shortest, else the longest */
    bool ambiguous; /* PCRE2 may find one of another length */
};
bool regex_translate(struct str pattern, unsigned options, struct regex_translation *t, struct error *err);
bool regex_fail(struct error *err, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

#endif
