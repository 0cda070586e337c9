/*
 * Stored positions: which ranges of which partitions a sink has. The identity of a position is (pipeline, instance, sink, source, partition,
 * shard, incarnation); struct positions is what is stored for one sink.
 */
#ifndef PIPE_POSITION_H
#define PIPE_POSITION_H

#include "pipeline/base/arena.h"
#include "pipeline/base/error.h"
#include "pipeline/event/batch.h"

struct output;

struct identity {
    const char *pipeline, *instance;
    const char *sink;
    const char *incarnation; /* the state_dir's UUID: part of the identity of machine-local sources */
};

/* SHARD_ALL: of rows that are not sharded. Upserts over several connections are sharded by key hash. */
enum { SHARD_ALL = -1, POSITION_SHARDS = 16 };

/* [first, next) */
struct range {
    uint64_t first, next;
};

struct position {
    const char *source, *partition; /* borrowed, or in the set's arena */
    int32_t shard;
    struct range range;
};

/* A set: (source, partition, shard) → disjoint ranges, sorted, merged. Not thread-safe while it grows; any thread once it is const. */
struct positions;
struct positions *positions_new(void);
void positions_free(struct positions *p);
void positions_add(struct positions *p, const char *source, const char *partition, int32_t shard, struct range r);
/* The ranges, or NULL with *count 0. */
const struct range *positions_ranges(const struct positions *p, const char *source, const char *partition, int32_t shard,
                                     uint32_t *count);
bool ranges_cover(const struct range *ranges, uint32_t count, uint64_t position);
bool positions_cover(const struct positions *p, const char *source, const char *partition, int32_t shard, uint64_t position);
bool positions_have_source(const struct positions *p, const char *source);
void positions_remove(struct positions *p, const char *source, const char *partition);
/* The epoch under which this process may store a partition of a shared source; 0: none was taken. */
void positions_set_epoch(struct positions *p, const char *source, const char *partition, int64_t epoch);
int64_t positions_epoch(const struct positions *p, const char *source, const char *partition);
uint32_t positions_count(const struct positions *p);
/* Each range in some stable order. */
void positions_each(const struct positions *p, void (*each)(void *arg, const struct position *position), void *arg);

/*
 * What a commit of these outputs has to store: their spans, merged, sorted by (source, partition), with shard SHARD_ALL. In `arena`.
 */
const struct position *positions_of_outputs(struct output *const *outputs, uint32_t count, struct arena *arena, uint32_t *n);

#endif
