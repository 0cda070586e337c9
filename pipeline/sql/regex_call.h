/*
 * What the functions of regular expressions share: the pattern of a call, and a search for one match after the other.
 */
#ifndef PIPE_SQL_REGEX_CALL_H
#define PIPE_SQL_REGEX_CALL_H

#include "pipeline/sql/implementation.h"
#include "pipeline/sql/regex.h"

/* The call's pattern, its second argument, compiled before where that and the flags are constants; *options are the
 * flags'. NULL with *err. */
const struct regex *regex_of_call(const struct expr *e, const struct value *args, unsigned *options, struct error *err);

struct regex_matches {
    const struct regex *regex;
    struct str text;
    size_t at;           /* where the next one may start; behind the end: nowhere */
    const size_t *found; /* as regex_search() has it */
};

/* An empty match is followed by one that starts a character further. */
enum regex_result regex_next(struct regex_matches *m, struct error *err);

/* What lies between two offsets; NULL where a group took no part. */
static inline struct value regex_piece(struct str s, const size_t *bounds)
{
    if (bounds[0] == SIZE_MAX)
        return (struct value){.kind = VALUE_NULL};
    return value_text((struct str){s.data + bounds[0], bounds[1] - bounds[0]});
}

#endif
