/*
 * One option's value from its text: what the configuration, presets and ${…} have in common. Messages name the value
 * unless it is secret.
 */
#ifndef PIPE_OPTION_VALUE_H
#define PIPE_OPTION_VALUE_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"
#include "pipeline/base/option.h"

/* "4096", "64KiB", "1.5 GB": KiB, MiB, GiB, TiB are powers of 1024, KB, MB, GB, TB of 1000. */
bool size_parse(struct str text, uint64_t *bytes);
/* "5ms", "2s", "1h30m", "0": us, ms, s, m, h, d; microseconds. */
bool duration_parse(struct str text, int64_t *us);
/* In the largest unit that divides it. */
void size_print(uint64_t bytes, struct buffer *out);
void duration_print(int64_t us, struct buffer *out);

struct option_values {
    struct arena *arena;   /* what is stored lives here */
    const char *directory; /* relative paths start here */
    bool secret;           /* the texts must not be shown */
    bool unchecked;        /* a preset: ranges do not apply */
};

/* Stores the text at base + o->offset. A text for a list is a list of one; tables are not for this. */
bool option_store(const struct option *o, void *base, struct str text, const struct option_values *how,
                  struct error *err);
/* What the option takes: "a whole number", "one of \"a\", \"b\"". In the arena, or static. */
const char *option_takes(const struct option *o, struct arena *arena);
const char *option_path(const char *text, const struct option_values *how);

#endif
