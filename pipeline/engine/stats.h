/*
 * Counters of a run: what was read, and what became of it. Any thread adds and reads. Per source and sink, at every moment:
 * read = delivered + filtered + dead + skipped + in flight, in records of the source.
 */
#ifndef PIPE_STATS_H
#define PIPE_STATS_H

#include <stdatomic.h>

#include "pipeline/engine/config.h"

typedef _Atomic uint64_t counter;

static inline void counter_add(counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}
static inline uint64_t counter_get(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

struct source_stats {
    counter read, bytes;
    counter dead, filtered; /* records with a dead letter; records that reached no sink */
    counter waited_us[2];   /* for memory, for verdicts */
    counter refused;        /* connections that a listening source turned away or closed for what the client sent */
    counter done_bytes, total_bytes; /* progress */
    counter spooled; /* records that became durable in the spool */
    counter spool_bytes, spool_records; /* on disk; records that not all sinks have */
};

enum { COMMIT_BUCKETS = 12 };
extern const double commit_bucket_seconds[COMMIT_BUCKETS]; /* upper bounds, the last is infinite */

struct sink_stats {
    counter retries, commits, bytes, rows;
    counter commit_us, commit_buckets[COMMIT_BUCKETS];
};

/* One source on one sink. */
struct edge_stats {
    counter delivered, filtered, dead, skipped;
    counter read; /* records handed on, whose verdict counts here: counted before any verdict can be */
};

struct stats {
    const struct config *cfg;
    uint32_t source_count, sink_count;
    struct source_stats *sources; /* in the order of the config */
    struct sink_stats *sinks;
    struct edge_stats *edges;     /* [source * sink_count + sink] */
    counter *dead;                /* per source, sink and component that rejected: see stats_dead */
    counter dead_letters;
    int64_t started_wall_us;
    _Atomic int64_t last_success_wall_us;
};

struct stats *stats_new(const struct config *cfg);
void stats_free(struct stats *s);
struct edge_stats *stats_edge(const struct stats *s, uint32_t source, uint32_t sink);
/* Records that did not reach the sink because the component rejected them. */
counter *stats_dead(const struct stats *s, uint32_t source, uint32_t sink, uint32_t component);
void stats_commit(struct sink_stats *s, int64_t us);
/* The source's number: components of a config begin with the sources. */
uint32_t stats_source_index(const struct component *source);
uint64_t stats_in_flight(const struct edge_stats *e);

#endif
