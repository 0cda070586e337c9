/*
 * Everything that is wrong with a configuration, gathered and shown at once: file:line:column: message, the line, a
 * caret, a hint.
 */
#ifndef PIPE_PROBLEM_H
#define PIPE_PROBLEM_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/option.h"

struct problem {
    struct place place; /* line 0: the file as a whole, or the command line */
    uint32_t length;    /* characters under the caret line; at least 1 */
    bool warning;
    uint32_t shown;          /* characters of the line that are shown, because what follows may be a secret; 0: all */
    const char *text, *hint; /* hint NULL: none */
};

struct problems {
    struct arena *arena;
    const char *file;  /* as the user named it */
    struct str source; /* the file's text, for the line shown */
    struct problem *items;
    uint32_t count, capacity, errors; /* errors: those that are no warnings */
};

/* Returns the new problem, so that length and hint can be set (arena-allocated text). The same text at the same place
 * is kept once. */
struct problem *problem_add(struct problems *p, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct problem *problem_warn(struct problems *p, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets the hint 'did you mean "x"?' when a near name is among the candidates. */
void problem_nearest(struct problems *p, struct problem *problem, const char *name, const char *const *candidates,
                     size_t count);
/* All, in the order of the file. */
void problems_print(const struct problems *p, bool colour, struct buffer *out);

#endif
