#include "pipeline/engine/lane.h"

#include <stdlib.h>

#include "pipeline/base/log.h"
#include "pipeline/engine/job.h"
#include "pipeline/engine/lane_private.h"
#include "pipeline/engine/module.h"
#include "pipeline/engine/runner.h"
#include "pipeline/engine/worker.h"
#include "pipeline/event/datetime.h"

static void partition_settled(void *arg, const struct span *span)
{
    struct lane *lane = arg;
    if (lane->ops->settled)
        lane->ops->settled(lane, span->partition, span->next);
}

static struct lane *make_lane(struct engine *e, const struct component *source, const struct source_ops *ops, uint32_t index, uint32_t number,
                              uint32_t count)
{
    struct lane *lane = mem_zalloc(sizeof(*lane));
    lane->engine = e;
    lane->component = source;
    lane->ops = ops;
    lane->index = index;
    lane->number = number;
    lane->count = count;
    lane->first = number == 0 ? lane : e->lanes[index - number];
    lane->stats = &e->stats->sources[stats_source_index(source)];
    lane->ledger = (struct ledger){.settled = partition_settled, .arg = lane};
    atomic_init(&lane->factor_percent, FIRST_FACTOR_PERCENT);
    mailbox_init(&lane->mail);
    lags_init(&lane->lags);
    lane->share = budget_add_share(e->budget, &lane->mail);
    return lane;
}

struct lane *lane_new(struct engine *e, const struct component *source, uint32_t index, uint32_t number, uint32_t count, struct error *err)
{
    const struct source_ops *ops = source_ops_of(source, err);
    return ops ? make_lane(e, source, ops, index, number, count) : NULL;
}

struct lane *lane_new_reader(struct engine *e, const struct component *source, uint32_t index, uint32_t number)
{
    struct lane *lane = make_lane(e, source, &spool_reader_ops, index, number, 1);
    lane->reader = true;
    return lane;
}

/* ---- verdicts ------------------------------------------------------------------------------------------------------------ */

static void take_verdict(struct lane *lane, struct output *o)
{
    if (o->settled) {
        struct edge_stats *edge = stats_edge(lane->engine->stats, lane_source_index(lane), o->sink);
        counter_add(&edge->delivered, o->delivered);
        counter_add(&edge->filtered, o->filtered);
        counter_add(&edge->dead, o->dead);
        counter_add(&edge->skipped, o->skipped);
    } else if (batch_is_lost(o->batch)) {
        counter_add(&stats_edge(lane->engine->stats, lane_source_index(lane), o->sink)->skipped, o->record_count);
    }
    if (!gather_part(&lane->gathering, o)) {
        output_free(o); /* more of its batch's are still to come */
        return;
    }
    if (lane->reader)
        lane->listener.answered(lane->listener.arg, o);
    else
        ledger_answer(&lane->ledger, o->batch->number, o->sink, o->settled);
    output_free(o);
}

enum { SPOOL_SINK = 0 }; /* the only one a front's ledger knows */

/* A batch is safe in the spool. */
static void take_receipt(struct lane *lane, struct spool_frame *f)
{
    counter_add(&lane->stats->spooled, f->head.records);
    engine_drop_bytes(f->batch);
    ledger_answer(&lane->ledger, f->batch->number, SPOOL_SINK, true);
    spool_frame_free(f);
}

static bool has_open(const struct lane *lane)
{
    return lane->reader ? lane->listener.open(lane->listener.arg) != 0 : !ledger_is_empty(&lane->ledger);
}

/* For others to see: what has not been answered. */
static void publish_open(struct lane *lane)
{
    int64_t oldest = lane->reader ? lane->listener.oldest_us(lane->listener.arg) : ledger_oldest_us(&lane->ledger);
    atomic_store_explicit(&lane->oldest_us, oldest, memory_order_relaxed);
    if (!lane->reader)
        return;
    sink_mask open = lane->listener.open(lane->listener.arg);
    if (atomic_exchange(&lane->open_sinks, open) != open && lane_stopping(lane))
        mailbox_wake(&lane->engine->mail); /* a drain may have waited for just this */
}

sink_mask lane_open_sinks(const struct lane *lane)
{
    return atomic_load(&lane->open_sinks);
}

void lane_serve(struct lane *lane)
{
    struct mail *m = mailbox_take(&lane->mail);
    if (!m)
        return;
    for (struct mail *next; m; m = next) {
        next = m->next;
        if (lane_is_front(lane))
            take_receipt(lane, (struct spool_frame *)m);
        else
            take_verdict(lane, (struct output *)m);
    }
    publish_open(lane);
}

void lane_post_verdict(struct lane *lane, struct output *o)
{
    mailbox_post(&lane->mail, &o->mail);
}

void lane_post_receipt(struct lane *lane, struct spool_frame *f)
{
    mailbox_post(&lane->mail, &f->mail);
}

void lane_flush(struct lane *lane)
{
    for (uint32_t i = 0; i < lane->engine->sink_count; i++)
        if (lane->numbers[i])
            runner_flush(lane->engine->runners[i], lane->index, lane->numbers[i]);
}

void lane_sleep(struct lane *lane)
{
    lane_flush(lane);
    mailbox_wait(&lane->mail, NULL, 0, -1);
    lane_serve(lane);
}

int lane_wait(struct lane *lane, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    lane_serve(lane);
    if (lane_stopping(lane))
        timeout_us = 0;
    if (has_open(lane))
        lane_flush(lane);
    const struct clock *clock = lane->engine->clock;
    int64_t until = timeout_us < 0 ? INT64_MAX : clock_now_us(clock) + timeout_us;
    for (;;) {
        int64_t left = timeout_us < 0 ? -1 : until - clock_now_us(clock);
        int ready = mailbox_wait(&lane->mail, fds, count, timeout_us >= 0 && left < 0 ? 0 : left);
        lane_serve(lane);
        bool answered = atomic_exchange_explicit(&lane->answered, false, memory_order_relaxed);
        if (ready > 0 || answered || lane_stopping(lane) || (timeout_us >= 0 && clock_now_us(clock) >= until))
            return ready > 0 ? ready : 0;
    }
}

/* ---- batches ------------------------------------------------------------------------------------------------------------- */

size_t lane_with_factor(const struct lane *lane, size_t bytes)
{
    return bytes * atomic_load_explicit(&lane->factor_percent, memory_order_relaxed) / 100;
}

void lane_learn(struct lane *lane, size_t len, size_t total)
{
    if (len < 4096)
        return;
    uint32_t seen = (uint32_t)(total * 100 / len), old = atomic_load_explicit(&lane->factor_percent, memory_order_relaxed);
    if (seen < 100)
        seen = 100;
    if (seen > 2000)
        seen = 2000;
    /* Up at once, down slowly: too small a guess overshoots the budget, too large a one only reads later. */
    uint32_t learnt = seen > old ? seen : old - (old - seen) / 8;
    atomic_store_explicit(&lane->factor_percent, learnt, memory_order_relaxed);
}

/*
 * One event may become thousands of rows. No batch is taken that is likely to become more than a quarter of what the
 * lane can always get; the first ones are small, for nothing is known yet.
 */
enum { FIRST_RECORDS = 32, SHARE_PARTS = 4 };

size_t lane_part(const struct lane *lane)
{
    return budget_minimum(lane->share) / SHARE_PARTS;
}

size_t lane_rows_memory(const struct lane *lane, size_t records)
{
    size_t rows = records * atomic_load_explicit(&lane->record_bytes, memory_order_relaxed);
    return rows < lane_part(lane) ? rows : lane_part(lane);
}

void lane_learn_records(struct lane *lane, uint32_t records, size_t made)
{
    if (!lane->route || !lane->route->makes_rows || records == 0)
        return;
    size_t seen = made / records + 1, old = atomic_load_explicit(&lane->record_bytes, memory_order_relaxed);
    size_t learnt = seen > old ? seen : old - (old - seen) / 4;
    atomic_store_explicit(&lane->record_bytes, learnt, memory_order_relaxed);
}

uint32_t lane_most_records(const struct lane *lane)
{
    if (!lane->route || !lane->route->makes_rows)
        return UINT32_MAX;
    size_t record_bytes = atomic_load_explicit(&lane->record_bytes, memory_order_relaxed);
    if (record_bytes == 0)
        return FIRST_RECORDS;
    size_t most = lane_part(lane) / record_bytes;
    return most < 1 ? 1 : most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
}

/* A batch that is full, where that means anything. */
static size_t full_rows(const struct lane *lane)
{
    return atomic_load_explicit(&lane->record_bytes, memory_order_relaxed) ? lane_part(lane) : 0;
}

/* Until there is memory. false: the pipeline stops, an fd is ready, or the time is over. */
static bool await_memory(struct lane *lane, size_t need, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    const struct clock *clock = lane->engine->clock;
    int64_t start = clock_now_us(clock), now = start;
    bool interrupted = false, drawn = false;
    lane_flush(lane);
    while (!interrupted && !(drawn = budget_draw(lane->share, need))) {
        int64_t left = timeout_us < 0 ? -1 : start + timeout_us - now;
        interrupted = mailbox_wait(&lane->mail, fds, count, left) > 0;
        lane_serve(lane);
        now = clock_now_us(clock);
        interrupted |= lane_stopping(lane) || (timeout_us >= 0 && now - start >= timeout_us);
    }
    counter_add(&lane->stats->waited_us[0], (uint64_t)(now - start));
    return drawn;
}

struct batch *lane_draw_or(struct lane *lane, size_t bytes, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    size_t need = lane_with_factor(lane, bytes) + full_rows(lane);
    lane_serve(lane);
    if (lane_stopping(lane) || (!budget_draw(lane->share, need) && !await_memory(lane, need, fds, count, timeout_us)))
        return NULL;
    struct batch *b = batch_new(bytes);
    b->lane = lane;
    atomic_store_explicit(&b->charged, need, memory_order_relaxed);
    return b;
}

struct batch *lane_draw(struct lane *lane, size_t bytes)
{
    return lane_draw_or(lane, bytes, NULL, 0, -1);
}

void lane_charge(struct lane *lane, struct batch *b, size_t bytes)
{
    budget_charge(lane->share, bytes);
    atomic_fetch_add_explicit(&b->charged, bytes, memory_order_relaxed);
}

void lane_reserve(struct lane *lane, size_t bytes)
{
    budget_charge(lane->share, bytes);
}

void lane_discard(struct lane *lane, struct batch *b)
{
    budget_return(lane->share, atomic_load_explicit(&b->charged, memory_order_relaxed));
    batch_unref(b);
}

static bool says_nothing(const struct batch *b)
{
    for (uint32_t i = 0; i < b->span_count; i++)
        if (b->spans[i].first != b->spans[i].next)
            return false;
    return b->record_count == 0;
}

/* What was drawn for room that stayed empty goes back. */
static void settle_charge(struct lane *lane, struct batch *b)
{
    size_t drawn = atomic_load_explicit(&b->charged, memory_order_relaxed);
    size_t needed =
        lane_with_factor(lane, b->len) + (batch_memory(b) - b->len) + lane_rows_memory(lane, b->record_count);
    if (needed > drawn)
        budget_charge(lane->share, needed - drawn);
    else
        budget_return(lane->share, drawn - needed);
    atomic_store_explicit(&b->charged, needed, memory_order_relaxed);
}

static void count_read(struct lane *lane, const struct batch *b)
{
    struct engine *e = lane->engine;
    counter_add(&lane->stats->read, b->record_count);
    for (uint32_t i = 0; i < e->sink_count; i++)
        if (lane->route->reaches & (sink_mask)1 << i)
            counter_add(&stats_edge(e->stats, lane_source_index(lane), i)->read, b->record_count);
}

/* To the workers, for these sinks. */
static void submit(struct lane *lane, struct batch *b, sink_mask sinks)
{
    batch_hold_bytes(b);
    job_submit(lane->engine, lane->route, b, sinks, lane->numbers);
}

/* What decoding the batch needs, a writer's schema say, is asked for here: only sources wait. false: the run ends before there is an answer. */
static bool prepare(struct lane *lane, struct batch *b)
{
    const struct decoder *d = &lane->route->decoder;
    struct error err;
    bool told = false;
    for (; d->format->prepare && !d->format->prepare(d, b, &err); told = true) {
        if (err.kind == ERROR_STOP)
            engine_fail(lane->engine, lane->component, &err);
        else if (!told)
            log_warn(lane->component->name, "%s; trying again", err.text);
        lane_wait(lane, NULL, 0, USECS_PER_SEC);
        if (lane_stopping(lane))
            return false;
    }
    if (told)
        log_info(lane->component->name, "works again");
    return true;
}

void lane_emit(struct lane *lane, struct batch *b)
{
    lane_serve(lane);
    if (says_nothing(b) || (!lane->spool && !prepare(lane, b))) {
        lane_discard(lane, b);
        return;
    }
    const struct clock *clock = lane->engine->clock;
    batch_shrink(b);
    settle_charge(lane, b);
    b->number = lane->next_number++;
    count_read(lane, b);
    ledger_add(&lane->ledger, b, lane->spool ? (sink_mask)1 << SPOOL_SINK : lane->route->reaches, clock->wall_us(clock));
    publish_open(lane);
    if (!lane->spool) {
        submit(lane, b, lane->route->reaches);
        return;
    }
    batch_hold_bytes(b);
    spool_put(lane->spool, b);
    batch_unref(b);
}

void lane_hand_on(struct lane *lane, struct batch *b, sink_mask sinks)
{
    if (!prepare(lane, b)) {
        lane_discard(lane, b);
        return;
    }
    batch_shrink(b);
    settle_charge(lane, b);
    b->number = lane->next_number++;
    submit(lane, b, sinks);
    publish_open(lane);
}

/* ---- the thread ---------------------------------------------------------------------------------------------------------- */

/* Until every sink has answered for every batch. */
static void await_verdicts(struct lane *lane)
{
    int64_t start = clock_now_us(lane->engine->clock);
    lane_serve(lane);
    while (has_open(lane) && !atomic_load(&lane->engine->stop_now)) {
        mailbox_wait(&lane->mail, NULL, 0, -1);
        lane_serve(lane);
    }
    counter_add(&lane->stats->waited_us[1], (uint64_t)(clock_now_us(lane->engine->clock) - start));
}

static void *lane_main(void *arg)
{
    struct lane *lane = arg;
    struct engine *e = lane->engine;
    struct error err;
    bool finite = lane->component->source->finite(lane->component);
    if (!lane->ops->run(lane, &err)) {
        engine_fail(e, lane->component, &err);
    } else if (finite && lane_stopping(lane)) {
        atomic_store(&e->stopped_early, true);
    }
    atomic_store_explicit(&lane->ended, true, memory_order_release);
    for (uint32_t i = 0; i < e->sink_count; i++)
        runner_lane_ended(e->runners[i], lane->index, lane->numbers[i]);
    mailbox_wake(&e->mail);
    await_verdicts(lane);
    if (lane_is_front(lane))
        spool_front_ended(lane->spool);
    if (lane->ops->close)
        lane->ops->close(lane);
    atomic_store_explicit(&lane->done, true, memory_order_release);
    mailbox_wake(&e->mail);
    return NULL;
}

bool lane_open_source(struct lane *lane, struct error *err)
{
    if (lane->number != 0 || !lane->ops->open)
        return true;
    lane->source_open = lane->ops->open(lane, &lane->shared, err);
    return lane->source_open;
}

void lane_release_source(struct lane *lane)
{
    if (lane->source_open && lane->ops->release)
        lane->ops->release(lane->shared);
    lane->source_open = false;
}

bool lane_start(struct lane *lane, const struct route *route)
{
    lane->route = route;
    lane->numbers = mem_zalloc((lane->engine->sink_count + 1) * sizeof(*lane->numbers));
    lane->stored = mem_zalloc((lane->engine->sink_count + 1) * sizeof(*lane->stored));
    for (uint32_t i = 0; i < lane->engine->sink_count; i++)
        lane->stored[i] = lane->component->source->shared ? NULL : runner_stored(lane->engine->runners[i]);
    lane->started = pthread_create(&lane->thread, NULL, lane_main, lane) == 0;
    return lane->started;
}

void lane_join(struct lane *lane)
{
    if (lane->started)
        pthread_join(lane->thread, NULL);
    lane->started = false;
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    for (struct mail *m = mailbox_take(&lane->mail), *next; m; m = next) {
        next = m->next;
        if (lane_is_front(lane))
            spool_frame_free((struct spool_frame *)m);
        else
            output_free((struct output *)m);
    }
    ledger_release(&lane->ledger);
    gathering_release(&lane->gathering);
    lane_free_acquisitions(lane, true);
    mailbox_release(&lane->mail);
    lags_release(&lane->lags);
    free(lane->stored);
    free(lane->numbers);
    free(lane);
}
