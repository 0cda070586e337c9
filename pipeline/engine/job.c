#include "pipeline/engine/job.h"

#include <stddef.h>
#include <stdlib.h>

#include "pipeline/engine/dead.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/job_part.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/resume.h"
#include "pipeline/engine/unseen.h"
#include "pipeline/engine/worker.h"

#define EACH_SINK(sink, mask) \
    for (sink_mask rest_ = (mask); rest_ && ((sink) = (uint32_t)__builtin_ctzll(rest_), true); rest_ &= rest_ - 1)

static struct slice *slot_of(struct job *j, struct edge e)
{
    if (e.node == EDGE_SOURCE)
        return &j->slots[e.output == INPUT_REJECTED ? 1 : 0];
    const struct node *n = &j->route->nodes[e.node];
    return &j->slots[n->slot + (e.output == INPUT_REJECTED ? n->out_count : (uint32_t)e.output)];
}

/* ---- marks: which records of the slice a sink must not get ------------------------------------------------------------- */

static uint8_t *marks_of(struct job *j, uint32_t sink)
{
    if (!j->marks[sink]) {
        j->marks[sink] = arena_alloc(&j->arena, j->count);
        memset(j->marks[sink], MARK_NONE, j->count);
    }
    return j->marks[sink];
}

/* A replay starts at the position of the sink that lags most; the others have some of it already. */
static bool is_skipped(const struct job *j, uint32_t sink, const struct record *r)
{
    const struct partition *p = j->batch->spans[r->span].partition;
    if (j->skip && !j->route->source->source->shared)
        return positions_cover(j->skip, j->route->source->name, p->key, SHARD_ALL, r->position);
    const struct resume *resume = p->resume;
    return resume && resume_has(resume, sink, r->position);
}

static void mark_skipped(struct job *j)
{
    uint32_t sink;
    EACH_SINK(sink, j->sinks) {
        bool spared = j->batch->only && !(j->batch->only & (sink_mask)1 << sink);
        for (uint32_t i = 0; i < j->count; i++)
            if (spared || is_skipped(j, sink, &j->batch->records[j->first + i]))
                marks_of(j, sink)[i] = MARK_SKIPPED;
    }
}

static bool batch_resumes(const struct batch *b)
{
    for (uint32_t i = 0; i < b->span_count; i++)
        if (b->spans[i].partition->resume)
            return true;
    return false;
}

/* ---- rejections -------------------------------------------------------------------------------------------------------- */

/* Marks a rejected record for the sinks below; returns those that had not skipped it. */
static sink_mask mark_rejected(struct job *j, uint32_t record, sink_mask below, uint8_t mark)
{
    sink_mask hit = 0;
    uint32_t sink;
    EACH_SINK(sink, below & j->sinks) {
        uint8_t *m = &marks_of(j, sink)[record - j->first];
        if (*m != MARK_SKIPPED && *m != MARK_DEAD) { /* of several rows that fail the first is the letter */
            *m = mark;
            hit |= (sink_mask)1 << sink;
        }
    }
    return hit;
}

/* A letter is written once it is certain that its record belongs to this slice: see cut_slice. */
static void add_grave(struct job *j, uint32_t rejection, sink_mask sinks)
{
    if (j->grave_count == j->grave_capacity) {
        uint32_t capacity = j->grave_capacity ? j->grave_capacity * 2 : 16;
        struct grave *grown = arena_array(&j->arena, struct grave, capacity);
        if (j->grave_count)
            memcpy(grown, j->graves, j->grave_count * sizeof(*grown));
        j->graves = grown;
        j->grave_capacity = capacity;
    }
    j->graves[j->grave_count++] = (struct grave){rejection, sinks};
}

static void bury(struct job *j, const struct rejection *r, sink_mask sinks)
{
    uint32_t sink;
    j->dead_ticket = dead_put_rejection(j->engine->dead, j->batch, r);
    EACH_SINK(sink, sinks) {
        counter_add(stats_dead(j->engine->stats, lane_source_index(j->batch->lane), sink, r->component), 1);
    }
}

static void bury_all(struct job *j)
{
    for (uint32_t i = 0; i < j->grave_count; i++) {
        const struct rejection *r = &j->rejections.items[j->graves[i].rejection];
        if (r->record < j->first + j->count)
            bury(j, r, j->graves[i].sinks);
    }
    j->grave_count = 0;
}

/* Of several rows of one record, and several expressions of one row, the first that failed speaks for the record. */
static const struct rejection *first_of_each(struct job *j, const struct rejection *items, uint32_t *count)
{
    uint8_t *seen = memset(arena_alloc(&j->arena, j->count + 1), 0, j->count + 1);
    struct rejection *firsts = arena_array(&j->arena, struct rejection, *count + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < *count; i++) {
        uint8_t *s = &seen[items[i].record - j->first];
        if (!*s)
            firsts[n++] = items[i];
        *s = 1;
    }
    *count = n;
    return firsts;
}

/* What was rejected since the last call: to NAME.rejected where it is read, else to the dead letters. */
static void take_rejections(struct job *j, sink_mask below, bool keeps, struct slice *rejected)
{
    const struct rejection *fresh = &j->rejections.items[j->rejections_seen];
    uint32_t n = j->rejections.count - j->rejections_seen;
    for (uint32_t i = 0; i < n; i++) {
        sink_mask hit = mark_rejected(j, fresh[i].record, below, keeps ? MARK_EXCLUDED : MARK_DEAD);
        if (hit && !keeps)
            add_grave(j, j->rejections_seen + i, hit);
    }
    if (keeps) {
        const struct rejection *firsts = first_of_each(j, fresh, &n);
        dead_slice(j->engine->dead, j->batch, firsts, n, &j->arena, rejected);
    }
    j->rejections_seen = j->rejections.count;
}

/* ---- decoding and transforms ------------------------------------------------------------------------------------------- */

/* The arena is the worker's as long as the job runs: jobs that only wait hold no memory of their own, except in the
 * middle of a slice. */
static void borrow_arena(struct job *j)
{
    j->arena = *j->lender;
    *j->lender = (struct arena)ARENA_INIT;
    arena_reset(&j->arena);
}

static void give_arena_back(struct job *j)
{
    arena_release(j->lender);
    *j->lender = j->arena;
    j->arena = (struct arena)ARENA_INIT;
}

static void begin_slice(struct job *j)
{
    borrow_arena(j);
    j->rejections = (struct rejections){.arena = &j->arena};
    j->rejections_seen = 0;
    j->grave_count = j->grave_capacity = 0;
    memset(j->marks, 0, sizeof(j->marks));
    j->slots = arena_array(&j->arena, struct slice, j->route->slots);
    memset(j->slots, 0, j->route->slots * sizeof(struct slice));
    j->count = j->end - j->first;
    if (j->count > j->most_records)
        j->count = j->most_records;
    if (j->skip || j->batch->only || batch_resumes(j->batch))
        mark_skipped(j);
    decoder_run(&j->route->decoder, j->batch, j->first, j->count, &j->arena, &j->slots[0], &j->rejections);
    unseen_look(j->route->unseen, &j->route->decoder, &j->slots[0]);
    take_rejections(j, j->route->sinks, j->route->keeps_rejected, &j->slots[1]);
    j->node = 0;
    j->in_slice = true;
}

static void after_node(struct job *j, const struct node *n)
{
    take_rejections(j, n->below, n->keeps_rejected, &j->slots[n->slot + n->out_count]);
    j->node++;
}

/* false: parked. */
static bool run_nodes(struct job *j)
{
    if (j->parked) {
        j->parked = false;
        after_node(j, &j->route->nodes[j->node]);
    }
    while (j->node < j->route->node_count) {
        const struct node *n = &j->route->nodes[j->node];
        const struct transform_type *type = n->step.component->transform;
        const struct slice *in = slot_of(j, n->from);
        if (type->start) {
            j->parked = true;
            type->start(&n->step, j, in, &j->slots[n->slot], &j->rejections);
            return false; /* j may be running elsewhere by now */
        }
        type->run(&n->step, in, &j->slots[n->slot], &j->rejections);
        after_node(j, n);
    }
    return true;
}

/*
 * A step that makes rows stops when they are many; the records it has not come to are left for the next slice. What
 * other steps have made of them is not encoded.
 */
static void cut_slice(struct job *j)
{
    uint32_t until = j->first + j->count;
    for (uint32_t i = 0; i < j->route->slots; i++)
        if (j->slots[i].until && j->slots[i].until < until)
            until = j->slots[i].until;
    j->count = until - j->first;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------------- */

/* What a rejected record became on its way to who reads NAME.rejected. */
static bool is_rejected(const struct route *route, struct edge e)
{
    while (e.output != INPUT_REJECTED && e.node != EDGE_SOURCE)
        e = route->nodes[e.node].from;
    return e.output == INPUT_REJECTED;
}

/* Records of the slice that are encoded together. */
struct range_of_records {
    uint32_t from, to;
    size_t limit; /* what the part may have become with them */
};

static uint32_t rows_for_leaf(const struct job *j, const struct slice *in, const struct leaf *l,
                              const struct range_of_records *x, uint32_t *rows)
{
    const uint8_t *marks = j->marks[l->sink];
    bool rejected = is_rejected(j->route, l->from); /* what excludes a record from the others is what brings it here */
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->selected; i++) {
        uint32_t record = in->record[in->sel[i]];
        if (record < x->from || record >= x->to)
            continue;
        uint8_t mark = marks ? marks[record - j->first] : MARK_NONE;
        rows[n] = in->sel[i];
        n += mark <= MARK_LIVE || (mark == MARK_EXCLUDED && rejected);
    }
    return n;
}

/* Few rows at first, while nobody knows how large they are. */
enum { FIRST_ROWS = 64 };

/* false: the part is larger than it may be. */
static bool encode_rows(struct job *j, const struct leaf *l, const uint32_t *rows, uint32_t n, size_t limit,
                        struct tools *tools)
{
    const struct slice *in = slot_of(j, l->from);
    const struct sink_ops *ops = l->binding.sink->ops;
    struct output *out = j->outputs[l->sink];
    tools->arena = &j->arena;
    if (limit == SIZE_MAX) {
        ops->encode(&l->binding, in, rows, n, tools, out, &j->rejections);
        return true;
    }
    size_t before = output_measure(out), made = 0;
    for (uint32_t at = 0, some = FIRST_ROWS; at < n;) {
        if (some > n - at)
            some = n - at;
        ops->encode(&l->binding, in, rows + at, some, tools, out, &j->rejections);
        at += some;
        made = output_measure(out) - before;
        if (j->made + made > limit)
            return false;
        size_t half_full = (limit - j->made - made) / 2 / (made / at + 1) + 1;
        some = half_full < some * 2 ? (uint32_t)half_full : some * 2;
    }
    j->made += made;
    return true;
}

/* false: the part is larger than it may be. */
static bool encode_leaf(struct job *j, const struct leaf *l, const struct range_of_records *x, struct tools *tools,
                        bool count_by_marks)
{
    const struct slice *in = slot_of(j, l->from);
    struct output *out = j->outputs[l->sink];
    if (in->selected == 0)
        return true;
    const uint32_t *rows = in->sel;
    uint32_t n = in->selected;
    if (j->marks[l->sink] || j->route->makes_rows) {
        uint32_t *chosen = arena_array(&j->arena, uint32_t, n);
        n = rows_for_leaf(j, in, l, x, chosen);
        rows = chosen;
    }
    uint32_t rejected_before = j->rejections.count;
    if (n && !encode_rows(j, l, rows, n, x->limit, tools))
        return false;
    out->rows += n - (j->rejections.count - rejected_before);
    if (!count_by_marks) {
        out->delivered += n - (j->rejections.count - rejected_before);
        return true;
    }
    uint8_t *marks = marks_of(j, l->sink);
    for (uint32_t i = 0; i < n; i++)
        marks[in->record[rows[i]] - j->first] = MARK_LIVE;
    return true;
}

struct piece_mark {
    size_t len;
    uint32_t rows;
};

static struct piece_mark *mark_pieces(struct job *j, const struct output *o)
{
    struct piece_mark *marks = arena_array(&j->arena, struct piece_mark, o->piece_count + 1);
    for (uint32_t i = 0; i < o->piece_count; i++)
        marks[i] = (struct piece_mark){o->pieces[i].bytes.len, o->pieces[i].rows};
    return marks;
}

static void rewind_pieces(struct output *o, const struct piece_mark *marks, uint32_t count)
{
    output_truncate(o, count);
    for (uint32_t i = 0; i < count; i++) {
        o->pieces[i].bytes.len = marks[i].len;
        o->pieces[i].rows = marks[i].rows;
    }
}

/*
 * All leaves of one sink. Where one record can have several rows here, a rejected one must take the others with it:
 * what was encoded of the records is taken back and encoded again without the rejected ones. false: the part is larger
 * than it may be.
 */
static bool encode_sink(struct job *j, const struct leaf *l, const struct leaf *next, const struct range_of_records *x,
                        struct tools *tools)
{
    uint32_t sink = l->sink;
    struct output *out = j->outputs[sink];
    bool several_rows = false;
    for (const struct leaf *at = l; at < next; at++)
        several_rows |= at->sink_has_others || slot_of(j, at->from)->repeats;
    bool one_sink = (j->sinks & (j->sinks - 1)) == 0;
    bool count_by_marks = several_rows || j->marks[sink] || !one_sink; /* several sinks: who got what is compared */
    uint32_t piece_count = out->piece_count;
    struct piece_mark *piece_marks = several_rows ? mark_pieces(j, out) : NULL;
    uint64_t rows = out->rows;
    size_t made = j->made;
    for (const struct leaf *at = l; at < next; at++)
        if (!encode_leaf(j, at, x, tools, count_by_marks))
            return false;
    if (several_rows && j->rejections.count > j->rejections_seen) {
        rewind_pieces(out, piece_marks, piece_count);
        out->rows = rows;
        j->made = made;
        uint8_t *marks = marks_of(j, sink);
        for (uint32_t i = x->from - j->first; i < x->to - j->first; i++)
            marks[i] = marks[i] == MARK_LIVE ? MARK_NONE : marks[i];
        take_rejections(j, (sink_mask)1 << sink, false, NULL);
        for (const struct leaf *at = l; at < next; at++)
            if (!encode_leaf(j, at, x, tools, true))
                return false;
    }
    take_rejections(j, (sink_mask)1 << sink, false, NULL);
    return true;
}

/* A sink whose leaf has no marks yet counts its rows directly; should encoding reject some, those marks count only the
 * dead. */
static bool encode_sinks(struct job *j, const struct range_of_records *x, struct tools *tools)
{
    const struct leaf *end = &j->route->leaves[j->route->leaf_count], *next;
    for (const struct leaf *l = j->route->leaves; l < end; l = next) {
        for (next = l; next < end && next->sink == l->sink;)
            next++;
        if (j->sinks & (sink_mask)1 << l->sink && !encode_sink(j, l, next, x, tools))
            return false;
    }
    return true;
}

/* ---- encoding no more than there is memory for ------------------------------------------------------------------ */

/* What a try to encode some records changes. */
struct undo {
    uint32_t rejections, graves;
    size_t made;
    struct undo_sink {
        struct piece_mark *pieces;
        uint32_t piece_count, delivered;
        uint64_t rows;
        uint8_t *marks;
    } sinks[PLAN_MAX_SINKS];
};

static void remember(struct job *j, struct undo *u)
{
    u->rejections = j->rejections.count;
    u->graves = j->grave_count;
    u->made = j->made;
    uint32_t sink;
    EACH_SINK(sink, j->sinks)
    {
        const struct output *o = j->outputs[sink];
        u->sinks[sink] = (struct undo_sink){mark_pieces(j, o), o->piece_count, o->delivered, o->rows, NULL};
        if (j->marks[sink])
            u->sinks[sink].marks = memcpy(arena_alloc(&j->arena, j->count + 1), j->marks[sink], j->count);
    }
}

/* Memory that was needed for the try is given back, too. */
static void take_back(struct job *j, const struct undo *u)
{
    j->rejections.count = j->rejections_seen = u->rejections;
    j->grave_count = u->graves;
    j->made = u->made;
    uint32_t sink;
    EACH_SINK(sink, j->sinks)
    {
        struct output *o = j->outputs[sink];
        rewind_pieces(o, u->sinks[sink].pieces, u->sinks[sink].piece_count);
        output_trim(o);
        o->delivered = u->sinks[sink].delivered;
        o->rows = u->sinks[sink].rows;
        j->marks[sink] = u->sinks[sink].marks;
    }
}

static bool try_to_encode(struct job *j, const struct range_of_records *x, struct tools *tools)
{
    struct undo u;
    remember(j, &u);
    if (encode_sinks(j, x, tools))
        return true;
    take_back(j, &u);
    return false;
}

/* Those that get the rows which a record is made into. */
static const struct node *maker_of_rows(const struct job *j, sink_mask *below)
{
    const struct node *first = NULL;
    *below = 0;
    for (uint32_t i = 0; i < j->route->node_count; i++)
        if (j->route->nodes[i].step.makes_rows) {
            first = first ? first : &j->route->nodes[i];
            *below |= j->route->nodes[i].below;
        }
    return first;
}

/* The slice's first record alone is more than the memory allows: it is dead for the sinks that would get its rows. */
static void refuse_record(struct job *j, struct tools *tools)
{
    sink_mask below;
    const struct node *maker = maker_of_rows(j, &below);
    struct rejection *r = reject_record(&j->rejections, j->first, maker->step.component_index, "expression",
                                        "too large: the rows that this record becomes take more than half of the "
                                        "memory (%zu MiB); raise [pipeline] memory",
                                        budget_limit(j->engine->budget) >> 20);
    memcpy(r->sqlstate, "54000", sizeof("54000"));
    take_rejections(j, below, false, NULL);
    encode_sinks(j, &(struct range_of_records){j->first, j->first + 1, SIZE_MAX}, tools);
}

/* Returns how many of the slice's records are encoded; the others are left for another slice, and if need be another
 * part. */
static uint32_t encode_what_fits(struct job *j, struct tools *tools)
{
    uint32_t at = j->first, end = at + j->count, some = j->count;
    j->full = false;
    while (at < end && !j->full) {
        if (some > end - at)
            some = end - at;
        if (try_to_encode(j, &(struct range_of_records){at, at + some, j->limit}, tools))
            at += some;
        else if (some > 1 && j->made < j->limit / 2)
            some = some / 4 + (some < 4);
        else
            j->full = true;
    }
    if (at > j->part_first)
        return at - j->first;
    if (!part_is_largest(j)) {
        j->wanted = j->limit * 2;
        return 0;
    }
    refuse_record(j, tools);
    j->full = false;
    return 1;
}

/* ---- what became of the records --------------------------------------------------------------------------------- */

/* What became of each record over all sinks, for the source's own counts. */
static void count_for_source(struct job *j)
{
    for (uint32_t i = 0; i < j->count; i++) {
        bool dead = false, reached = false;
        uint32_t sink;
        EACH_SINK(sink, j->sinks) {
            uint8_t mark = j->marks[sink] ? j->marks[sink][i] : MARK_NONE;
            dead |= mark == MARK_DEAD;
            reached |= mark == MARK_LIVE || mark == MARK_SKIPPED;
        }
        j->source_dead += dead;
        j->source_filtered += !dead && !reached;
    }
}

static void count_slice(struct job *j)
{
    uint32_t sink;
    if (j->sinks & (j->sinks - 1))
        count_for_source(j);
    EACH_SINK(sink, j->sinks) {
        struct output *o = j->outputs[sink];
        const uint8_t *marks = j->marks[sink];
        for (uint32_t i = 0; marks && i < j->count; i++) {
            o->delivered += marks[i] == MARK_LIVE;
            o->dead += marks[i] == MARK_DEAD;
            o->skipped += marks[i] == MARK_SKIPPED;
        }
    }
}

static void measure_outputs(struct job *j)
{
    uint32_t sink;
    j->made = 0;
    EACH_SINK(sink, j->sinks)
    {
        j->made += output_measure(j->outputs[sink]);
    }
}

/* The next slice has fewer records where this one had too many. */
static void end_slice(struct job *j, uint32_t begun)
{
    bury_all(j);
    count_slice(j);
    j->first += j->count;
    j->most_records = j->count < begun ? j->count + j->count / 2 + 1 : j->most_records * 2;
    if (j->most_records > SLICE_ROWS)
        j->most_records = SLICE_ROWS;
    j->in_slice = false;
    give_arena_back(j);
}

static void encode_slice(struct job *j, struct tools *tools)
{
    uint32_t begun = j->count;
    cut_slice(j);
    if (j->route->makes_rows) {
        j->count = encode_what_fits(j, tools);
    } else {
        encode_sinks(j, &(struct range_of_records){j->first, j->first + j->count, SIZE_MAX}, tools);
        measure_outputs(j);
    }
    end_slice(j, begun);
}

/* ---- the whole batch --------------------------------------------------------------------------------------------------- */

/* A slice need not be tried with more records than are likely to fit. */
static uint32_t first_slice(const struct job *j)
{
    uint32_t most = lane_most_records(j->batch->lane);
    return most < SLICE_ROWS ? most : SLICE_ROWS;
}

static void begin(struct job *j)
{
    j->most_records = first_slice(j);
    j->dead_ticket = j->source_dead = j->source_filtered = 0;
    part_begin(j);
    j->begun = true;
}

bool job_run(struct job *j, struct tools *tools, struct arena *arena)
{
    j->lender = arena;
    if (!j->begun)
        begin(j);
    for (;;) {
        if (!j->in_slice && atomic_load_explicit(&j->engine->stop_now, memory_order_relaxed)) {
            part_abandon(j);
            return true;
        }
        if (!j->in_slice && (j->first == j->end || j->sinks == 0)) {
            tools->arena = arena;
            part_put(j, tools, true);
            return true;
        }
        if (!j->in_slice) {
            if (!part_has_room(j))
                return false;
            begin_slice(j);
        }
        if (!run_nodes(j))
            return false;
        encode_slice(j, tools);
        if (part_is_full(j) && j->first < j->end && j->first > j->part_first) {
            tools->arena = arena;
            part_put(j, tools, false);
        }
    }
}

static void go_on(struct budget_turn *t)
{
    job_resume((struct job *)((char *)t - offsetof(struct job, turn)));
}

/* In the order in which this is called what is made of the batches of a lane leaves. */
static void submit(struct job *j, uint32_t first, uint32_t count)
{
    j->first = first;
    j->end = first + count;
    j->begun = j->in_slice = j->parked = false;
    j->turn = (struct budget_turn){.share = lane_share(j->batch->lane), .alone = j->late, .go_on = go_on};
    budget_enter(&j->turn);
    pool_submit(j->engine->pool, j);
}

void job_submit(struct engine *e, const struct route *route, struct batch *b, sink_mask reaches, uint64_t *numbers)
{
    struct job *j = pool_job(e->pool);
    j->engine = e;
    j->route = route;
    j->batch = b;
    j->reaches = reaches;
    j->sinks = route->sinks & reaches;
    j->late = false;
    j->skip = NULL;
    for (sink_mask rest = reaches; rest; rest &= rest - 1) {
        int sink = __builtin_ctzll(rest);
        j->numbers[sink] = numbers[sink]++;
    }
    submit(j, 0, b->record_count);
}

/* The output's reference and hold become the job's. */
void job_submit_late(struct engine *e, const struct route *route, struct output *o, const struct positions *skip)
{
    struct job *j = pool_job(e->pool);
    j->engine = e;
    j->route = route;
    j->batch = o->batch;
    j->reaches = j->sinks = (sink_mask)1 << o->sink;
    j->late = true;
    j->skip = skip;
    j->numbers[o->sink] = o->number;
    uint32_t first = o->first_record, count = o->record_count;
    o->batch = NULL;
    output_free(o);
    submit(j, first, count);
}

void job_resume(struct job *j)
{
    pool_submit(j->engine->pool, j);
}
