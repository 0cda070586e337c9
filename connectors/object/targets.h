/*
 * Rows of a slice by the object they go to, so that each object's rows are encoded in one call.
 */
#ifndef PIPE_TARGETS_H
#define PIPE_TARGETS_H

#include "pipeline/base/arena.h"

struct target_group {
    struct str target;
    const uint32_t *rows; /* ascending */
    uint32_t count;
};

/* targets[rows[i]] says where a row goes; rows without one (data NULL) are left out. Everything in the arena. */
struct target_group *targets_group(const struct str *targets, const uint32_t *rows, uint32_t count, struct arena *arena,
                                   uint32_t *group_count);

#endif
