#include "pipeline/engine/late.h"

#include <stdlib.h>

#include "pipeline/engine/engine.h"
#include "pipeline/engine/job.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/runner.h"

struct late {
    struct runner *runner;
    struct arena arena;
    struct plan *plan;
    struct positions *stored;
};

static void copy_position(void *into, const struct position *p)
{
    positions_add(into, p->source, p->partition, p->shard, p->range);
}

/* A sink that was new when the run started, where the others were: from now on that is stored with it. */
static bool store_baseline(struct late *l, struct error *err)
{
    struct runner *r = l->runner;
    if (!r->baseline || !r->keeps_positions)
        return true;
    positions_each(r->baseline, copy_position, l->stored);
    return r->ops->store_positions(r->sinks[0], r->baseline, err);
}

static bool make_plan(struct late *l, struct error *err)
{
    struct engine *e = l->runner->engine;
    struct sink *sinks[PLAN_MAX_SINKS];
    for (uint32_t i = 0; i < e->sink_count; i++)
        sinks[i] = e->runners[i]->sinks[0];
    struct problems problems = {.arena = &l->arena};
    l->plan = plan_new(e->cfg, sinks, (sink_mask)1 << l->runner->index, true, &l->arena, &problems, err);
    if (l->plan)
        return true;
    return problems.errors ? error_set(err, ERROR_STOP, "%s", problems.items[0].text) : false;
}

struct late *late_new(struct runner *r, struct positions *stored, struct error *err)
{
    struct late *l = mem_zalloc(sizeof(*l));
    l->runner = r;
    l->stored = stored;
    if (store_baseline(l, err) && make_plan(l, err))
        return l;
    late_free(l);
    return NULL;
}

void late_free(struct late *l)
{
    if (!l)
        return;
    arena_release(&l->arena);
    positions_free(l->stored);
    free(l);
}

void late_encode(struct late *l, struct output *o)
{
    job_submit_late(l->runner->engine, &l->plan->routes[lane_source_index(o->batch->lane)], o, l->stored);
}
