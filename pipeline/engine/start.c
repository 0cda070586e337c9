#include "pipeline/engine/start.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/log.h"
#include "pipeline/engine/dead.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/resume.h"
#include "pipeline/engine/runner.h"
#include "pipeline/engine/spool_lane.h"
#include "pipeline/engine/worker.h"

static uint32_t worker_count(const struct config *cfg)
{
    if (strcmp(cfg->pipeline.workers, "auto") != 0)
        return (uint32_t)strtoul(cfg->pipeline.workers, NULL, 10);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (uint32_t)cores : 1;
}

/* ---- sinks ---------------------------------------------------------------------------------------------------------------- */

static bool make_runners(struct engine *e, struct error *err)
{
    e->sink_count = plan_sink_count(e->cfg);
    if (e->sink_count > PLAN_MAX_SINKS)
        return error_set(err, ERROR_STOP, "%u sinks: at most %d are possible", e->sink_count, PLAN_MAX_SINKS);
    e->runners = mem_zalloc((e->sink_count + 1) * sizeof(struct runner *));
    for (uint32_t i = 0; i < e->sink_count; i++) {
        e->runners[i] = runner_new(e, plan_sink(e->cfg, i), i, e->lane_count, err);
        if (!e->runners[i])
            return error_wrap(err, "sink %s", plan_sink(e->cfg, i)->name);
    }
    return true;
}

/* All at once, each in its own thread; a signal ends the waiting. */
static bool open_sinks(struct engine *e, const struct engine_options *o)
{
    e->sinks_opening = e->sink_count;
    for (uint32_t i = 0; i < e->sink_count; i++)
        runner_start(e->runners[i]);
    pthread_mutex_lock(&e->lock);
    while (e->sinks_opening && !e->failed) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&e->opened, &e->lock, &until);
        if (e->sinks_opening && o->signal_fd >= 0 && signal_asks_to_stop(o->signal_fd))
            break;
    }
    bool opened = e->sinks_opening == 0 && !e->failed;
    pthread_mutex_unlock(&e->lock);
    return opened;
}

/* ---- a sink that is new to the pipeline ----------------------------------------------------------------------------------- */

struct baseline {
    struct engine *engine;
    const struct component *source;
    uint32_t sink;
    struct positions *positions;
};

/* The lowest position that the source's other sinks have of this partition, if all of them have one. */
static void add_baseline(void *arg, const struct position *p)
{
    struct baseline *b = arg;
    if (strcmp(p->source, b->source->name) != 0 || positions_cover(b->positions, p->source, p->partition, SHARD_ALL, 0))
        return;
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < b->engine->sink_count; i++) {
        const struct positions *others = runner_stored(b->engine->runners[i]);
        if (i == b->sink || !others || !positions_have_source(others, p->source))
            continue;
        struct resume *r = resume_new(&others, 1, p->source, p->partition);
        uint64_t prefix = r ? r->sinks[0].prefix : 0;
        lowest = prefix < lowest ? prefix : lowest;
        free(r);
    }
    if (lowest && lowest != UINT64_MAX)
        positions_add(b->positions, p->source, p->partition, SHARD_ALL, (struct range){0, lowest});
}

static bool store_baseline(struct engine *e, struct runner *r, const struct positions *p, struct error *err)
{
    if (r->keeps_positions && !r->late)
        return r->ops->store_positions(r->sinks[0], p, err);
    return !e->state || state_append_all(e->state, r->component->name, p, err);
}

/*
 * That a sink has been started with a source is written down before anything is read: one that has nothing stored because it never
 * answered is not new, and must not be taken for it. The mark is a position of no partition.
 */
static const char no_partition[] = "";

static bool was_started(const struct engine *e, uint32_t sink, const struct component *source)
{
    const struct positions *kept = state_positions(e->state, e->runners[sink]->component->name);
    return kept && positions_cover(kept, source->name, no_partition, SHARD_ALL, 0);
}

static bool mark_started(struct engine *e, uint32_t sink, const struct component *source, struct error *err)
{
    const struct position mark = {source->name, no_partition, SHARD_ALL, {0, 1}};
    return state_append(e->state, e->runners[sink]->component->name, &mark, 1, err);
}

static void copy_position(void *arg, const struct position *p)
{
    if (*p->partition == '\0')
        return;
    positions_add(arg, p->source, p->partition, p->shard, p->range);
}

static bool start_new_sink(struct engine *e, uint32_t sink, const struct component *source, struct error *err)
{
    struct runner *r = e->runners[sink];
    struct baseline b = {e, source, sink, positions_new()};
    for (uint32_t i = 0; i < e->sink_count; i++)
        if (i != sink && runner_stored(e->runners[i]))
            positions_each(runner_stored(e->runners[i]), add_baseline, &b);
    bool ok = positions_count(b.positions) == 0 || store_baseline(e, r, b.positions, err);
    positions_each(b.positions, copy_position, r->stored);
    if (r->late) {
        r->baseline = r->baseline ? r->baseline : positions_new();
        positions_each(b.positions, copy_position, r->baseline);
    }
    positions_free(b.positions);
    return ok || error_wrap(err, "sink %s", r->component->name);
}

static bool start_sink(struct engine *e, uint32_t sink, const struct component *source, struct error *err)
{
    const struct runner *r = e->runners[sink];
    if (source->source->shared)
        return true; /* where it starts is found out partition by partition, when they are taken over */
    if (was_started(e, sink, source))
        return true;
    bool is_new = !state_is_damaged(e->state) && !r->one_commit && !r->component->sink_common->backfill && !positions_have_source(r->stored, source->name);
    return (!is_new || start_new_sink(e, sink, source, err)) && mark_started(e, sink, source, err);
}

/* Positions of sinks whose positions the engine keeps; then those of sinks that are new to a source. */
static bool load_positions(struct engine *e, struct error *err)
{
    for (uint32_t i = 0; i < e->sink_count; i++) {
        struct runner *r = e->runners[i];
        const struct positions *kept = e->state ? state_positions(e->state, r->component->name) : NULL;
        if ((!r->keeps_positions || r->late) && kept)
            positions_each(kept, copy_position, r->stored);
    }
    for (uint32_t k = 0; e->state && k < e->plan->route_count; k++)
        for (uint32_t i = 0; i < e->sink_count; i++)
            if (e->plan->routes[k].reaches & (sink_mask)1 << i && !start_sink(e, i, e->plan->routes[k].source, err))
                return false;
    if (e->state && state_is_damaged(e->state) && !state_made_good(e->state, err))
        return false;
    return !e->state || state_sync(e->state, err);
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------ */

static uint32_t lanes_of(const struct component *source)
{
    return source->source->lanes ? source->source->lanes(source) : 1;
}

static bool make_lanes(struct engine *e, struct error *err)
{
    for (uint32_t i = 0; i < e->stats->source_count; i++)
        e->lane_count += lanes_of(&e->cfg->components[i]) + spool_wanted(e, &e->cfg->components[i]);
    e->spools = mem_zalloc((e->stats->source_count + 1) * sizeof(struct spool *));
    e->lanes = mem_zalloc((e->lane_count + 1) * sizeof(struct lane *));
    uint32_t made = 0;
    for (uint32_t i = 0; i < e->stats->source_count; i++) {
        const struct component *source = &e->cfg->components[i];
        uint32_t count = lanes_of(source);
        for (uint32_t k = 0; k < count; k++, made++) {
            e->lanes[made] = lane_new(e, source, made, k, count, err);
            if (!e->lanes[made])
                return error_wrap(err, "source %s", source->name);
        }
        if (spool_wanted(e, source)) {
            e->lanes[made] = lane_new_reader(e, source, made, count);
            made++;
        }
    }
    return true;
}

static bool start_lanes(struct engine *e, struct error *err)
{
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (!lane_is_reader(e->lanes[i]) && !lane_open_source(e->lanes[i], err))
            return error_wrap(err, "source %s", lane_component(e->lanes[i])->name);
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (!lane_start(e->lanes[i], &e->plan->routes[lane_source_index(e->lanes[i])]))
            return error_set(err, ERROR_STOP, "cannot start a thread");
    return true;
}

static bool make_plan(struct engine *e, struct problems *problems, struct error *err)
{
    struct sink *sinks[PLAN_MAX_SINKS];
    for (uint32_t i = 0; i < e->sink_count; i++)
        sinks[i] = e->runners[i]->sinks[0];
    e->plan_arena = mem_zalloc(sizeof(*e->plan_arena));
    sink_mask open = 0;
    for (uint32_t i = 0; i < e->sink_count; i++)
        open |= (sink_mask)!e->runners[i]->late << i;
    e->plan = plan_new(e->cfg, sinks, open, true, e->plan_arena, problems, err);
    if (!e->plan)
        arena_release(e->plan_arena);
    return e->plan != NULL;
}

/*
 * Outputs of a plan that makes rows are large, of many sizes, and filled by one thread and freed by another: the heap
 * would keep far more than the budget knows of. They are to go back to the system as soon as they are freed.
 */
static void tune_allocator(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->route_count; i++)
        if (plan->routes[i].makes_rows)
            mallopt(M_MMAP_THRESHOLD, 256 << 10);
}

bool start_parts(struct engine *e, const struct engine_options *o, struct problems *problems, struct error *err)
{
    if (!e->without_state && !(e->state = state_open(e->cfg->pipeline.state_dir, err)))
        return false;
    if (e->state && state_is_damaged(e->state))
        log_warn(NULL, "%s/positions is damaged: what its lost lines had as delivered is read and delivered again", e->cfg->pipeline.state_dir);
    e->budget = budget_new(e->cfg->pipeline.memory);
    e->pool = pool_new(worker_count(e->cfg));
    if (!make_lanes(e, err) || !make_runners(e, err) || !(e->dead = dead_new(e, err)))
        return false;
    if (!open_sinks(e, o)) {
        atomic_store(&e->stopped_early, engine_is_finite(e)); /* unless something failed, which goes first */
        return false;
    }
    if (!make_plan(e, problems, err)) {
        if (err->kind == ERROR_RETRY && engine_is_called_off(e)) {
            atomic_store(&e->stopped_early, true);
            err->text[0] = '\0';
        }
        return false;
    }
    if (!load_positions(e, err))
        return false;
    tune_allocator(e->plan);
    for (uint32_t i = 0; i < e->sink_count; i++)
        if (!e->runners[i]->late)
            runner_start_others(e->runners[i]);
    if (!spool_open_all(e, err) || !start_lanes(e, err))
        return false;
    atomic_store(&e->running, true);
    for (uint32_t i = 0; i < e->sink_count; i++)
        runner_wake(e->runners[i]);
    return true;
}
