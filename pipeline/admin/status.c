#include <inttypes.h>
#include <unistd.h>

#include "pipeline/admin/admin.h"

const char *admin_state(struct engine *e)
{
    if (!e)
        return "starting";
    pthread_mutex_lock(&e->lock);
    bool failed = e->failed;
    pthread_mutex_unlock(&e->lock);
    return failed ? "failed" : atomic_load(&e->draining) ? "draining" : "running";
}

/* Names of the pipeline and of components need no escaping. */
static void add_sources(const struct engine *e, struct buffer *out)
{
    for (uint32_t i = 0; i < e->stats->source_count; i++) {
        const struct source_stats *s = &e->stats->sources[i];
        buffer_printf(
            out, "%s\"%s\":{\"read\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"dead\":%" PRIu64 ",\"filtered\":%" PRIu64 "}",
            i ? "," : "", e->cfg->components[i].name, counter_get(&s->read), counter_get(&s->bytes),
            counter_get(&s->dead), counter_get(&s->filtered));
    }
}

/* Over all sources. */
static void add_sink(const struct engine *e, uint32_t sink, struct buffer *out)
{
    uint64_t delivered = 0, filtered = 0, dead = 0, in_flight = 0;
    for (uint32_t i = 0; i < e->stats->source_count; i++) {
        const struct edge_stats *edge = stats_edge(e->stats, i, sink);
        delivered += counter_get(&edge->delivered);
        filtered += counter_get(&edge->filtered);
        dead += counter_get(&edge->dead);
        in_flight += stats_in_flight(edge);
    }
    buffer_printf(out,
                  "\"%s\":{\"delivered\":%" PRIu64 ",\"filtered\":%" PRIu64 ",\"dead\":%" PRIu64
                  ",\"in_flight\":%" PRIu64 ",\"retries\":%" PRIu64 "}",
                  plan_sink(e->cfg, sink)->name, delivered, filtered, dead, in_flight,
                  counter_get(&e->stats->sinks[sink].retries));
}

void admin_status(struct engine *e, struct buffer *out)
{
    double seconds = (double)(e->clock->wall_us(e->clock) - e->stats->started_wall_us) / 1e6;
    buffer_printf(out,
                  "{\"pipeline\":\"%s\",\"version\":\"%s\",\"pid\":%d,\"state\":\"%s\",\"seconds\":%.3f,\"sources\":{",
                  e->cfg->pipeline.name, PIPE_VERSION, (int)getpid(), admin_state(e), seconds);
    add_sources(e, out);
    buffer_printf(out, "},\"sinks\":{");
    for (uint32_t i = 0; i < e->stats->sink_count; i++) {
        if (i)
            buffer_add_byte(out, ',');
        add_sink(e, i, out);
    }
    buffer_printf(out, "},\"dead_letters\":%" PRIu64 "}\n", counter_get(&e->stats->dead_letters));
}
