#include "pipeline/engine/job_part.h"

#include <stdlib.h>

#include "pipeline/engine/engine.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/runner.h"

/* Too little to be worth a part of its own. */
enum { LEAST = 64 << 10, LEAST_PARTS = 64 };

static size_t at_least(const struct job *j)
{
    size_t part = budget_limit(j->engine->budget) / LEAST_PARTS;
    return part > LEAST ? part : LEAST;
}

/* One record may take half of the memory. */
static size_t at_most(const struct job *j)
{
    return budget_limit(j->engine->budget) / 2;
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static void make_outputs(struct job *j)
{
    for (sink_mask rest = j->reaches; rest; rest &= rest - 1) {
        uint32_t sink = (uint32_t)__builtin_ctzll(rest);
        struct output *o = j->outputs[sink];
        if (!o) {
            o = mem_zalloc(sizeof(*o));
            o->batch = batch_ref(j->batch);
            o->sink = sink;
            o->number = j->numbers[sink];
            o->raw = !(j->sinks & (sink_mask)1 << sink);
        }
        j->outputs[sink] = o;
    }
    j->part_first = j->first;
    j->made = 0;
    j->full = false;
}

void part_begin(struct job *j)
{
    size_t charged = atomic_load_explicit(&j->batch->charged, memory_order_relaxed), raw = batch_memory(j->batch);
    j->part = 0;
    j->room = 0;
    if (!j->late && charged > raw) {
        j->room = charged - raw;
        atomic_store_explicit(&j->batch->charged, raw, memory_order_relaxed);
    }
    j->limit = j->route->makes_rows ? j->room + j->room / 4 : j->room * 2;
    if (j->limit < at_least(j))
        j->limit = at_least(j);
    if (j->route->makes_rows && j->limit > at_most(j))
        j->limit = at_most(j);
    j->wanted = 0;
    make_outputs(j);
}

/* What the records that are left will take, by what is known of their like. */
static size_t expected(const struct job *j)
{
    size_t most = lane_part(j->batch->lane);
    size_t expected = j->route->makes_rows ? lane_rows_memory(j->batch->lane, j->end - j->first) : j->limit;
    if (j->part > 0 || j->late)
        expected = most;
    return expected > j->wanted ? expected : j->wanted < at_most(j) ? j->wanted : at_most(j);
}

static void ask_for_commits(struct engine *e, uint32_t lane, sink_mask sinks, const uint64_t *numbers)
{
    for (; sinks; sinks &= sinks - 1) {
        int sink = __builtin_ctzll(sinks);
        runner_flush(e->runners[sink], lane, numbers[sink] + 1);
    }
}

bool part_has_room(struct job *j)
{
    size_t need = j->first == j->part_first ? expected(j) : 0;
    if (need <= j->limit)
        return true;
    struct engine *e = j->engine;
    uint32_t lane = lane_index(j->batch->lane);
    sink_mask reaches = j->reaches;
    uint64_t numbers[PLAN_MAX_SINKS];
    memcpy(numbers, j->numbers, sizeof(numbers));
    size_t more = need > j->room ? need - j->room : 0;
    j->room += more;
    j->limit = need;
    if (budget_extend(&j->turn, more))
        return true;
    ask_for_commits(e, lane, reaches, numbers);
    return false;
}

bool part_is_full(const struct job *j)
{
    return j->full || j->made >= j->limit;
}

bool part_is_largest(const struct job *j)
{
    return j->limit >= at_most(j);
}

/* What the part has become is charged, neither more nor less. */
static void settle_room(struct job *j, size_t made, bool last)
{
    struct batch *b = j->batch;
    struct budget_share *share = lane_share(b->lane);
    if (made > j->room)
        budget_charge(share, made - j->room);
    else if (made < j->room)
        budget_return(share, j->room - made);
    j->room = j->limit = j->wanted = 0;
    if (j->sinks)
        lane_learn_records(b->lane, j->first - j->part_first, made);
    if (last && j->part == 0 && !j->late) /* what rows take is learnt by the record */
        lane_learn(b->lane, b->len, batch_memory(b) + (j->route->makes_rows ? 0 : made));
}

/* ---- putting ---------------------------------------------------------------------------------------------------- */

/* The sums of an output that all slices have gone into. */
static void complete_output(struct job *j, struct output *o, struct tools *tools)
{
    struct runner *runner = j->engine->runners[o->sink];
    if (o->piece_count && runner->ops->finish)
        runner->ops->finish(runner->sinks[0], tools, o);
    o->records = o->record_count - o->skipped;
    o->filtered = o->records - o->delivered - o->dead;
    o->dead_ticket = j->dead_ticket;
    o->bytes = output_measure(o);
}

static void count_at_source(struct job *j)
{
    if (j->late)
        return;
    if ((j->sinks & (j->sinks - 1)) == 0 && j->sinks) {
        const struct output *only = j->outputs[__builtin_ctzll(j->sinks)];
        j->source_dead = only->dead;
        j->source_filtered = only->filtered;
    }
    struct source_stats *stats = &j->engine->stats->sources[lane_source_index(j->batch->lane)];
    counter_add(&stats->dead, j->source_dead);
    counter_add(&stats->filtered, j->source_filtered);
    j->source_dead = j->source_filtered = 0;
}

static void put(struct job *j, struct output *o, bool last)
{
    o->part = j->part;
    o->more_parts = !last;
    o->holds_bytes = o->raw || o->piece_count;
    if (o->holds_bytes)
        batch_hold_bytes(j->batch);
    struct runner *r = j->engine->runners[o->sink];
    if (j->late)
        runner_put_late(r, o);
    else
        runner_put(r, o);
}

static void end(struct job *j)
{
    budget_leave(&j->turn);
    engine_drop_bytes(j->batch);
    batch_unref(j->batch);
    j->batch = NULL;
}

/* Every sink's output leaves, with or without pieces: no number is ever missing in a reorder window. */
void part_put(struct job *j, struct tools *tools, bool last)
{
    size_t made = 0;
    for (sink_mask rest = j->reaches; rest; rest &= rest - 1) {
        struct output *o = j->outputs[__builtin_ctzll(rest)];
        output_cover(o, j->part_first, last ? j->end : j->first);
        if (o->raw)
            continue;
        complete_output(j, o, tools);
        made += o->bytes;
    }
    count_at_source(j);
    settle_room(j, made, last);
    for (sink_mask rest = j->reaches; rest; rest &= rest - 1) {
        int sink = __builtin_ctzll(rest);
        struct output *o = j->outputs[sink];
        j->outputs[sink] = NULL;
        put(j, o, last);
    }
    j->part++;
    if (last)
        end(j);
    else
        make_outputs(j);
}

void part_abandon(struct job *j)
{
    for (sink_mask rest = j->reaches; rest; rest &= rest - 1) {
        int sink = __builtin_ctzll(rest);
        output_free(j->outputs[sink]);
        j->outputs[sink] = NULL;
    }
    budget_return(lane_share(j->batch->lane), j->room);
    end(j);
}
