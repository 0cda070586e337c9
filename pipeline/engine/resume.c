#include "pipeline/engine/resume.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/base/arena.h"
#include "pipeline/engine/lane.h"
#include "pipeline/engine/output.h"

/* Ranges behind a gap were committed by a faster connection: reading goes on before the gap. */
static uint64_t prefix_of(const struct positions *p, const char *source, const char *partition, int32_t shard)
{
    uint32_t count;
    const struct range *ranges = positions_ranges(p, source, partition, shard, &count);
    return count && ranges[0].first == 0 ? ranges[0].next : 0;
}

static uint64_t sharded_prefix(const struct positions *p, const char *source, const char *partition)
{
    uint64_t all = prefix_of(p, source, partition, SHARD_ALL), lowest = UINT64_MAX;
    for (int32_t shard = 0; shard < POSITION_SHARDS && lowest; shard++) {
        uint64_t prefix = prefix_of(p, source, partition, shard);
        lowest = prefix < lowest ? prefix : lowest;
    }
    return all > lowest ? all : lowest;
}

struct resume *resume_new(const struct positions *const *stored, uint32_t count, const char *source, const char *partition)
{
    uint32_t ranges = 0;
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = 0;
        if (!stored[i])
            continue;
        positions_ranges(stored[i], source, partition, SHARD_ALL, &n);
        ranges += n;
        any |= n || sharded_prefix(stored[i], source, partition) || positions_epoch(stored[i], source, partition);
    }
    if (!any)
        return NULL;
    struct resume *r = mem_zalloc(sizeof(*r) + count * sizeof(r->sinks[0]) + ranges * sizeof(struct range));
    struct range *copies = (struct range *)&r->sinks[count];
    r->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct resume_sink *s = &r->sinks[i];
        if (!stored[i])
            continue;
        const struct range *found = positions_ranges(stored[i], source, partition, SHARD_ALL, &s->count);
        if (s->count)
            s->ranges = memcpy(copies, found, s->count * sizeof(*copies));
        copies += s->count;
        s->prefix = sharded_prefix(stored[i], source, partition);
        s->epoch = positions_epoch(stored[i], source, partition);
    }
    return r;
}

static bool is_among(const struct held_partition *held, uint32_t count, const struct partition *p)
{
    for (uint32_t i = count; i > 0; i--)
        if (held[i - 1].partition == p)
            return true;
    return false;
}

const struct held_partition *held_partitions(uint32_t sink, struct output *const *outputs, uint32_t count, struct arena *arena, uint32_t *n)
{
    struct held_partition *held = arena_array(arena, struct held_partition, count + 1);
    *n = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct batch *b = outputs[i]->batch;
        const struct component *source = b->lane ? lane_component(b->lane) : NULL;
        struct partition *p = b->span_count ? b->spans[0].partition : NULL;
        const struct resume *resume = p ? p->resume : NULL;
        if (source && source->source->shared && resume && !is_among(held, *n, p))
            held[(*n)++] = (struct held_partition){p, source->name, resume->sinks[sink].epoch};
    }
    return held;
}
