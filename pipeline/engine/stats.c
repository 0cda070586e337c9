#include "pipeline/engine/stats.h"

#include <math.h>
#include <stdlib.h>

#include "pipeline/engine/plan.h"

const double commit_bucket_seconds[COMMIT_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, INFINITY};

struct stats *stats_new(const struct config *cfg)
{
    struct stats *s = mem_zalloc(sizeof(*s));
    s->cfg = cfg;
    s->sink_count = plan_sink_count(cfg);
    for (uint32_t i = 0; i < cfg->count; i++)
        s->source_count += cfg->components[i].kind == COMPONENT_SOURCE;
    s->sources = mem_zalloc((s->source_count + 1) * sizeof(*s->sources));
    s->sinks = mem_zalloc((s->sink_count + 1) * sizeof(*s->sinks));
    s->edges = mem_zalloc((s->source_count * s->sink_count + 1) * sizeof(*s->edges));
    s->dead = mem_zalloc((s->source_count * s->sink_count * cfg->count + 1) * sizeof(*s->dead));
    return s;
}

void stats_free(struct stats *s)
{
    if (!s)
        return;
    free(s->sources);
    free(s->sinks);
    free(s->edges);
    free(s->dead);
    free(s);
}

struct edge_stats *stats_edge(const struct stats *s, uint32_t source, uint32_t sink)
{
    return &s->edges[source * s->sink_count + sink];
}

counter *stats_dead(const struct stats *s, uint32_t source, uint32_t sink, uint32_t component)
{
    return &s->dead[(source * s->sink_count + sink) * s->cfg->count + component];
}

void stats_commit(struct sink_stats *s, int64_t us)
{
    counter_add(&s->commits, 1);
    counter_add(&s->commit_us, (uint64_t)us);
    int bucket = 0;
    while ((double)us / 1e6 > commit_bucket_seconds[bucket])
        bucket++;
    counter_add(&s->commit_buckets[bucket], 1);
}

uint32_t stats_source_index(const struct component *source)
{
    return source->index;
}

uint64_t stats_in_flight(const struct edge_stats *e)
{
    /* What is settled is read first: a verdict that comes in between makes the difference larger, never negative. */
    uint64_t settled = counter_get(&e->delivered) + counter_get(&e->filtered) + counter_get(&e->dead) + counter_get(&e->skipped);
    return counter_get(&e->read) - settled;
}
