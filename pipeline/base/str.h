/*
 * A borrowed run of bytes, not NUL-terminated. Whoever made it says how long the bytes live.
 */
#ifndef PIPE_STR_H
#define PIPE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *data;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).data

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* "000102…99": what prints numbers takes two digits at a time. */
extern const char str_digit_pairs[201];

/* ASCII case-insensitive. */
bool str_eq_nocase(struct str a, struct str b);

/*
 * The candidate nearest to `name` by edit distance (transpositions count once), or NULL where none is near
 * enough to be a plausible typo. For "did you mean" hints.
 */
const char *str_nearest(const char *name, const char *const *candidates, size_t count);

#endif
