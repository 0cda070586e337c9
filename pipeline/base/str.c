#include "pipeline/base/str.h"

enum { LONGEST_NAME = 64 };

const char str_digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                               "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                               "8081828384858687888990919293949596979899";

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

static unsigned min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance (optimal string alignment), ignoring ASCII case. Three rows of the matrix are enough. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][LONGEST_NAME + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned cost = lower(a[i - 1]) != lower(b[j - 1]);
            unsigned d = min(last[j] + 1, min(now[j - 1] + 1, last[j - 1] + cost));
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                d = min(d, before[j - 2] + 1);
            now[j] = d;
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

const char *str_nearest(const char *name, const char *const *candidates, size_t count)
{
    size_t len = strlen(name);
    if (len == 0 || len > LONGEST_NAME)
        return NULL;
    const char *best = NULL;
    unsigned best_distance = 0;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_len = strlen(candidates[i]);
        if (candidate_len > LONGEST_NAME)
            continue;
        unsigned d = distance(name, len, candidates[i], candidate_len);
        /* A third of the letters wrong is still a typo; more is another word. */
        unsigned limit = len <= 2 ? 1 : (unsigned)(len > candidate_len ? len : candidate_len) / 3;
        if (d > limit || (d >= len && d >= candidate_len))
            continue;
        if (!best || d < best_distance) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
