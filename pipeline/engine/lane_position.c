/*
 * A lane's partitions: where to read on, what the sinks have stored, and, for a source that several processes share, taking partitions over.
 */
#include <stdlib.h>

#include "pipeline/engine/lane_private.h"
#include "pipeline/engine/runner.h"

/* ---- partitions and positions -------------------------------------------------------------------------------------------- */

struct partition *lane_partition(struct lane *lane, const char *key)
{
    struct partition *p = partition_new(key);
    p->index = lane->next_partition++;
    if (!lane_is_front(lane))
        p->resume = resume_new(lane->stored, lane->engine->sink_count, lane->component->name, key);
    return p;
}

/* What the sinks have stored is of the spool: a front's own partitions are nothing they know. */
static uint32_t sinks_that_know(const struct lane *lane)
{
    return lane_is_front(lane) ? 0 : lane->engine->sink_count;
}

/* The lowest over the sinks that this source reaches. */
static uint64_t lowest_prefix(const struct lane *lane, const struct resume *r)
{
    uint64_t lowest = UINT64_MAX;
    if (!r)
        return lane->route->reaches ? 0 : UINT64_MAX;
    for (uint32_t i = 0; i < r->count; i++)
        if (lane->route->reaches & (sink_mask)1 << i && r->sinks[i].prefix < lowest)
            lowest = r->sinks[i].prefix;
    return lowest;
}

uint64_t lane_resume_or(const struct lane *lane, const struct partition *p, uint64_t fallback, uint64_t beginning)
{
    const struct engine *e = lane->engine;
    const struct resume *r = p->resume;
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < e->sink_count; i++) {
        if (!(lane->route->reaches & (sink_mask)1 << i))
            continue;
        uint64_t at = r ? r->sinks[i].prefix : 0;
        if (at == 0)
            at = e->runners[i]->component->sink_common->backfill ? beginning : fallback;
        lowest = at < lowest ? at : lowest;
    }
    return lowest == UINT64_MAX ? fallback : lowest;
}

bool lane_sink_commits(const struct lane *lane)
{
    for (uint32_t i = 0; i < lane->engine->sink_count; i++) {
        const struct runner *r = lane->engine->runners[i];
        if (lane->route->reaches & (sink_mask)1 << i && r->keeps_positions && r->component->sink->commits_for)
            return true;
    }
    return false;
}

bool lane_reads_all(const struct lane *lane)
{
    for (uint32_t i = 0; i < lane->engine->sink_count; i++)
        if (lane->route->reaches & (sink_mask)1 << i && lane->engine->runners[i]->one_commit)
            return true;
    return false;
}

uint64_t lane_settled(const struct lane *lane, const struct partition *p)
{
    return lowest_prefix(lane, p->resume);
}

uint64_t lane_resume_at(struct lane *lane, const struct partition *p, uint64_t end)
{
    uint64_t lowest = lowest_prefix(lane, p->resume);
    return lowest >= end ? UINT64_MAX : lowest;
}

uint64_t lane_sinks_below(const struct lane *lane, uint32_t component)
{
    return route_sinks_below(lane->route, component);
}

struct reach {
    const char *source, *key;
    uint64_t highest;
};

static void take_end(void *arg, const struct position *p)
{
    struct reach *r = arg;
    if (p->range.next > r->highest && strcmp(p->partition, r->key) == 0 && strcmp(p->source, r->source) == 0)
        r->highest = p->range.next;
}

uint64_t lane_reached(const struct lane *lane, const struct partition *p)
{
    struct reach r = {lane->component->name, p->key, 0};
    for (uint32_t i = 0; i < lane->engine->sink_count; i++)
        if (lane->stored[i])
            positions_each(lane->stored[i], take_end, &r);
    return r.highest;
}

bool lane_spooled_mark(const struct lane *lane, uint32_t number, uint64_t *mark)
{
    if (!lane_is_front(lane))
        return false;
    *mark = number < SPOOL_MARKS ? spool_files(lane->spool)->marks[number] : 0;
    return true;
}

bool lane_knows(struct lane *lane, const char *key)
{
    struct resume *r = resume_new(lane->stored, sinks_that_know(lane), lane->component->name, key);
    free(r);
    return r != NULL;
}

struct key_visit {
    struct lane *lane;
    void (*each)(void *arg, const char *key, uint64_t lowest);
    void *arg;
    struct positions *seen;
};

static void visit_key(void *arg, const struct position *p)
{
    struct key_visit *v = arg;
    if (strcmp(p->source, v->lane->component->name) != 0 || positions_cover(v->seen, p->source, p->partition, SHARD_ALL, 0))
        return;
    positions_add(v->seen, p->source, p->partition, SHARD_ALL, (struct range){0, 1});
    struct resume *r = resume_new(v->lane->stored, v->lane->engine->sink_count, p->source, p->partition);
    v->each(v->arg, p->partition, lowest_prefix(v->lane, r));
    free(r);
}

void lane_stored_keys(struct lane *lane, void (*each)(void *arg, const char *key, uint64_t lowest), void *arg)
{
    struct key_visit v = {lane, each, arg, positions_new()};
    for (uint32_t i = 0; i < sinks_that_know(lane); i++)
        if (lane->stored[i])
            positions_each(lane->stored[i], visit_key, &v);
    positions_free(v.seen);
}

void lane_forget(struct lane *lane, const char *const *keys, uint32_t count)
{
    for (uint32_t i = 0; count && i < sinks_that_know(lane); i++)
        if (lane->route->reaches & (sink_mask)1 << i)
            runner_forget(lane->engine->runners[i], lane->component->name, keys, count);
}

bool lane_partition_has_dead(const struct lane *lane, const struct partition *p)
{
    (void)lane;
    return atomic_load_explicit(&p->has_dead, memory_order_relaxed);
}

/* ---- shared sources ------------------------------------------------------------------------------------------------------ */

/* Those that are done, and whose answers nobody reads any more. */
void lane_free_acquisitions(struct lane *lane, bool all)
{
    struct acquisition **link = &lane->acquisitions;
    for (struct acquisition *a; (a = *link);) {
        if (all || acquisition_is_done(a)) {
            *link = a->next;
            acquisition_free(a);
        } else {
            link = &a->next;
        }
    }
}

void lane_acquire(struct lane *lane, const char *const *keys, uint32_t count)
{
    struct engine *e = lane->engine;
    lane_free_acquisitions(lane, false);
    struct acquisition *a = acquisition_new(lane, lane->component->name, keys, count, e->sink_count);
    a->next = lane->acquisitions;
    lane->acquisitions = a;
    sink_mask asked = 0;
    for (uint32_t i = 0; i < e->sink_count; i++) {
        const struct runner *r = e->runners[i];
        lane->stored[i] = NULL;
        if (lane->route->reaches & (sink_mask)1 << i && r->keeps_positions && !r->one_commit && r->ops->acquire)
            asked |= (sink_mask)1 << i;
    }
    atomic_store(&a->open, (unsigned)__builtin_popcountll(asked));
    for (uint32_t i = 0; i < e->sink_count; i++)
        if (asked & (sink_mask)1 << i)
            runner_claim(e->runners[i], &a->claims[i]);
}

bool lane_acquired(struct lane *lane)
{
    const struct acquisition *a = lane->acquisitions;
    if (!acquisition_is_done(a))
        return false;
    for (uint32_t i = 0; i < a->claim_count; i++)
        lane->stored[i] = a->claims[i].found;
    return true;
}

void lane_answered(struct lane *lane)
{
    atomic_store_explicit(&lane->answered, true, memory_order_relaxed);
    mailbox_wake(&lane->mail);
}

void lane_release(struct lane *lane)
{
    for (uint32_t i = 0; i < lane->engine->sink_count; i++)
        if (lane->route->reaches & (sink_mask)1 << i)
            runner_release(lane->engine->runners[i], lane->index, lane->numbers[i]);
}

void lane_lose(struct lane *lane, struct partition *p)
{
    atomic_store_explicit(&p->lost, true, memory_order_relaxed);
    lane_flush(lane);
}
