/*
 * What the sinks have stored of one partition when the run starts, or (shared sources) when it is taken over: partition.resume. Const.
 */
#ifndef PIPE_RESUME_H
#define PIPE_RESUME_H

#include "pipeline/engine/position.h"

struct resume_sink {
    const struct range *ranges;
    uint32_t count;
    uint64_t prefix; /* all before this is there, in every shard */
    int64_t epoch;   /* of a shared source: under which this process may store it; 0: none */
};
struct resume {
    uint32_t count;
    struct resume_sink sinks[];
};

/* NULL where no sink has anything. stored: one set per sink; NULL entries have nothing. One allocation, which copies what it needs. */
struct resume *resume_new(const struct positions *const *stored, uint32_t count, const char *source, const char *partition);

/* A partition of a shared source that a commit stores, and the epoch under which this process took it over. */
struct held_partition {
    struct partition *partition;
    const char *source;
    int64_t epoch;
};
/* Those of the outputs of a sink, each once; in `arena`. */
const struct held_partition *held_partitions(uint32_t sink, struct output *const *outputs, uint32_t count, struct arena *arena, uint32_t *n);

static inline bool resume_has(const struct resume *r, uint32_t sink, uint64_t position)
{
    const struct resume_sink *s = &r->sinks[sink];
    return s->count && position < s->ranges[s->count - 1].next && ranges_cover(s->ranges, s->count, position);
}

#endif
