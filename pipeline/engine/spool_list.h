/*
 * What is in a spool, for people: `pipe spool ls`.
 */
#ifndef PIPE_SPOOL_LIST_H
#define PIPE_SPOOL_LIST_H

#include "pipeline/engine/spool_log.h"

struct spool_cursor {
    const char *sink;
    uint64_t settled; /* it has everything before; UINT64_MAX: not known here */
};

/* Any thread: segments with their records, bytes and age; then where each sink is. */
void spool_list(struct spool_log *l, const char *source, const struct spool_cursor *cursors, uint32_t count, struct buffer *out);

#endif
