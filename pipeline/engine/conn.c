#include "pipeline/engine/conn.h"

#include <inttypes.h>
#include <stdlib.h>

#include "pipeline/base/log.h"
#include "pipeline/engine/acquire.h"
#include "pipeline/engine/dead.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/late.h"
#include "pipeline/engine/upstream.h"

/* A commit of nothing but positions is worth one a second. */
enum { IDLE_POSITIONS_US = 1000000 };

/* ---- lists of shares --------------------------------------------------------------------------------------------------- */

static void shares_push(struct shares *list, struct share *s)
{
    s->next = NULL;
    if (list->last)
        list->last->next = s;
    else
        list->first = s;
    list->last = s;
    list->count++;
}

static struct share *shares_pop(struct shares *list)
{
    struct share *s = list->first;
    if (!s)
        return NULL;
    list->first = s->next;
    if (!list->first)
        list->last = NULL;
    list->count--;
    return s;
}

/* a, then b. */
static struct shares shares_join(struct shares a, struct shares b)
{
    if (!a.last)
        return b;
    a.last->next = b.first;
    return (struct shares){a.first, b.last ? b.last : a.last, a.count + b.count};
}

void conn_init(struct conn *c, struct runner *r, uint32_t number)
{
    struct engine *e = r->engine;
    c->runner = r;
    mailbox_init(&c->mail);
    c->flush_upto = mem_zalloc((r->lane_count + 1) * sizeof(*c->flush_upto));
    c->release_upto = mem_zalloc((r->lane_count + 1) * sizeof(*c->release_upto));
    c->sink = (struct sink){
        .component = r->component,
        .type = r->component->sink,
        .ops = r->ops,
        .identity = &r->identity,
        .index = r->index,
        .connection = number,
        .state = mem_zalloc(r->ops->state_size + 1),
        .zone = e->cfg->zone,
        .finite = engine_is_finite(e),
        .clock = e->clock,
        .engine = e,
    };
}

void conn_release(struct conn *c)
{
    mailbox_release(&c->mail);
    free(c->flush_upto);
    free(c->release_upto);
    free(c->sink.state);
}

/* ---- settling ------------------------------------------------------------------------------------------------------------ */

/* The last connection to settle its share sends the output home. */
static void settle_share(struct conn *c, struct share *s, bool settled)
{
    struct output *o = s->output;
    free(s);
    if (!settled)
        atomic_store_explicit(&o->given_up, true, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&o->open_shares, 1, memory_order_acq_rel) != 1)
        return;
    engine_return_output(o);
    o->settled = !atomic_load_explicit(&o->given_up, memory_order_relaxed);
    o->dead += o->rejection_count;
    o->delivered -= o->rejection_count;
    lane_post_verdict(o->batch->lane, o);
    (void)c;
}

static void give_up_all(struct conn *c)
{
    for (struct share *s; (s = shares_pop(&c->held));)
        settle_share(c, s, false);
    for (struct share *s; (s = shares_pop(&c->todo));)
        settle_share(c, s, false);
}

static void take_mail(struct conn *c)
{
    for (struct mail *m = mailbox_take(&c->mail), *next; m; m = next) {
        next = m->next;
        shares_push(&c->todo, (struct share *)m);
    }
}

void conn_give_up_rest(struct conn *c)
{
    take_mail(c);
    give_up_all(c);
}

/* ---- opening, failing, trying again -------------------------------------------------------------------------------------- */

static bool stopping_now(const struct conn *c)
{
    return atomic_load(&c->runner->engine->stop_now);
}

static void fail(struct conn *c, const struct error *err)
{
    struct engine *e = c->runner->engine;
    if (c->runner->one_commit && err->kind == ERROR_RETRY)
        atomic_store(&e->restart, true);
    engine_fail(e, c->runner->component, err);
}

/* Sleeps before the next try; outputs may come in meanwhile. false: it has taken too long, or nobody waits any more. */
static bool back_off(struct conn *c, struct error *err)
{
    const struct clock *clock = c->runner->engine->clock;
    const struct sink_common *common = c->runner->component->sink_common;
    int64_t now = clock_now_us(clock);
    if (!c->retry_since_us) {
        c->retry_since_us = now;
        c->retry_wait_us = common->retry_first;
        atomic_fetch_add(&c->runner->troubled, 1);
        mailbox_wake(&c->runner->engine->mail); /* a drain need not wait for it where its data is in a spool */
        log_warn(c->runner->component->name, "%s; trying again", err->text);
    }
    if (now - c->retry_since_us > sink_retry_limit(&c->sink)) {
        error_wrap(err, "gave up after %" PRId64 " s", (now - c->retry_since_us) / 1000000);
        return false;
    }
    counter_add(&c->runner->engine->stats->sinks[c->runner->index].retries, 1);
    for (int64_t until = now + c->retry_wait_us; now < until && !stopping_now(c); now = clock_now_us(clock)) {
        mailbox_wait(&c->mail, NULL, 0, until - now);
        take_mail(c);
    }
    c->retry_wait_us = c->retry_wait_us * 2 < common->retry_max ? c->retry_wait_us * 2 : common->retry_max;
    return !stopping_now(c);
}

static void all_is_well(struct conn *c)
{
    if (!c->retry_since_us)
        return;
    log_info(c->runner->component->name, "works again");
    atomic_fetch_sub(&c->runner->troubled, 1);
    c->retry_since_us = 0;
    c->commit_failed = false;
}

static bool open_once(struct conn *c, struct positions *stored, struct error *err)
{
    const struct sink_ops *ops = c->runner->ops;
    if (ops->open && !ops->open(&c->sink, err))
        return false;
    if (c->runner->keeps_positions && !ops->load_positions(&c->sink, stored, err)) {
        if (ops->close)
            ops->close(&c->sink);
        return false;
    }
    c->open = true;
    return true;
}

static void close_sink(struct conn *c)
{
    if (c->open && c->runner->ops->close)
        c->runner->ops->close(&c->sink);
    c->open = false;
}

/* Connection 0 says once how it stands: the run starts with the sinks that are open. */
static void announce(struct conn *c, bool late)
{
    struct runner *r = c->runner;
    if (c->sink.connection != 0 || r->announced)
        return;
    r->announced = true;
    r->late = late;
    if (late)
        r->stored = positions_new(); /* from the journal, by start.c */
    engine_sink_opened(r->engine);
}

/* Opens, as often as it takes. The positions found go to *stored. NULL: given up, the run has failed or stops. */
static struct positions *open_sink(struct conn *c)
{
    for (;;) {
        struct positions *stored = positions_new();
        struct error err;
        if (open_once(c, stored, &err))
            return stored;
        positions_free(stored);
        if (err.kind == ERROR_RETRY && !stopping_now(c)) {
            announce(c, true);
            if (back_off(c, &err))
                continue;
        }
        if (!stopping_now(c))
            fail(c, &err);
        return NULL;
    }
}

static bool has_output(const struct conn *c, const struct positions *stored, const struct output *o)
{
    if (c->runner->ops->has)
        return c->runner->ops->has(&c->sink, stored, o);
    for (uint32_t i = 0; i < o->span_count; i++) {
        struct span s = output_span(o, i);
        const char *source = lane_component(o->batch->lane)->name;
        uint32_t count;
        const struct range *ranges = positions_ranges(stored, source, s.partition->key, SHARD_ALL, &count);
        if (s.first < s.next && (!ranges_cover(ranges, count, s.first) || !ranges_cover(ranges, count, s.next - 1)))
            return false;
    }
    return true;
}

/* After a reconnect: what turns out to be committed is settled (an answer that was lost), the rest is written again. */
static void requeue_held(struct conn *c, const struct positions *stored)
{
    struct shares again = {0};
    for (struct share *s; (s = shares_pop(&c->held));) {
        if (c->runner->keeps_positions && has_output(c, stored, s->output)) {
            settle_share(c, s, true);
        } else {
            output_forgive(s->output, c->sink.connection);
            shares_push(&again, s);
        }
    }
    c->todo = shares_join(again, c->todo);
    c->held_rows = c->held_bytes = 0;
}

/*
 * After a rollback: what is held of partitions that other processes have by now is given up; the rest is written again, or stays held where the sink has made it its
 * own. Whether there was any: then nothing is wrong with the connection.
 */
static bool drop_lost(struct conn *c)
{
    bool any = false, again = !c->runner->takes_over;
    for (const struct share *s = c->held.first; s && !any; s = s->next)
        any = batch_is_lost(s->output->batch);
    if (!any)
        return false;
    struct shares kept = {0};
    for (struct share *s; (s = shares_pop(&c->held));) {
        struct output *o = s->output;
        if (batch_is_lost(o->batch)) {
            c->held_rows -= o->rows;
            settle_share(c, s, false);
        } else {
            if (again)
                output_forgive(o, c->sink.connection);
            shares_push(&kept, s);
        }
    }
    if (again) {
        c->todo = shares_join(kept, c->todo);
        c->held_rows = c->held_bytes = 0;
    } else {
        c->held = kept;
    }
    return true;
}

/* Something failed: decides by its class. true: go on; false: this connection has failed for good. */
static bool recover(struct conn *c, struct error *err)
{
    const struct sink_ops *ops = c->runner->ops;
    if (ops->rollback)
        ops->rollback(&c->sink);
    if (err->kind == ERROR_RETRY && drop_lost(c))
        return true;
    if (err->kind != ERROR_RETRY || c->runner->one_commit || !back_off(c, err)) {
        if (!stopping_now(c))
            fail(c, err);
        return false;
    }
    if (c->runner->takes_over) /* what it holds is safe in its part files */
        return true;
    close_sink(c);
    struct positions *stored = open_sink(c);
    if (!stored)
        return false;
    requeue_held(c, stored);
    positions_free(stored);
    /* To be open again is not enough while there is something to write: a full disk opens as well. The next commit shows. */
    if (!c->todo.first)
        all_is_well(c);
    return true;
}

/* ---- writing and committing ---------------------------------------------------------------------------------------------- */

/* Data that the sink has made its own needs no memory here. */
static void release_written(struct conn *c, struct output *o)
{
    if ((c->runner->takes_over || c->runner->one_commit) && o->rejection_count == 0 &&
        atomic_load_explicit(&o->open_shares, memory_order_relaxed) == 1)
        engine_return_output(o);
}

static bool write_next(struct conn *c, struct error *err)
{
    struct share *s = c->todo.first;
    struct output *o = s->output;
    if (batch_is_lost(o->batch) && !c->runner->takes_over) {
        settle_share(c, shares_pop(&c->todo), false);
        return true;
    }
    if (o->piece_count) {
        size_t bytes = o->bytes;
        if (!c->runner->ops->write(&c->sink, o, err))
            return false;
        c->held_rows += o->rows;
        c->held_bytes += bytes;
        release_written(c, o);
        if (c->runner->takes_over && !c->commit_failed) /* its next commit may be hours away */
            all_is_well(c);
    }
    shares_pop(&c->todo);
    if (!c->held.first)
        c->held_since_us = clock_now_us(c->runner->engine->clock);
    shares_push(&c->held, s);
    return true;
}

/* The dead letters of everything held are durable after this. */
static bool write_dead_letters(struct conn *c)
{
    struct dead_letters *dead = c->runner->engine->dead;
    uint64_t ticket = 0;
    for (const struct share *s = c->held.first; s; s = s->next) {
        struct output *o = s->output;
        if (o->dead_ticket > ticket)
            ticket = o->dead_ticket;
        struct sink_rejection *own;
        uint32_t count = output_rejections_of(o, c->sink.connection, &own);
        for (uint32_t i = 0; i < count; i++)
            if (output_take_letter(o, own[i].record))
                ticket =
                    dead_put_record(dead, o->batch, own[i].record, c->runner->component, own[i].sqlstate, own[i].text);
        free(own);
    }
    return dead_wait(dead, ticket);
}

/* Those of shared sources are kept by the source's own system: another process may go on from them. */
static const struct position *own_positions(const struct conn *c, struct output *const *outputs, uint32_t count, struct arena *arena,
                                            uint32_t *n)
{
    uint32_t all, kept = 0;
    const struct position *positions = positions_of_outputs(outputs, count, arena, &all);
    struct position *own = arena_array(arena, struct position, all + 1);
    for (uint32_t i = 0; i < all; i++)
        if (!upstream_is_shared(c->runner->component, positions[i].source))
            own[kept++] = positions[i];
    *n = kept;
    return own;
}

static bool keep_positions(struct conn *c, struct output *const *outputs, uint32_t count, struct error *err)
{
    struct engine *e = c->runner->engine;
    if (!e->state || c->runner->one_commit || c->runner->conn_count > 1)
        return true;
    struct arena arena = ARENA_INIT;
    uint32_t n;
    const struct position *positions = own_positions(c, outputs, count, &arena, &n);
    bool ok = n == 0 || state_append(e->state, c->runner->component->name, positions, n, err);
    arena_release(&arena);
    return ok || c->runner->keeps_positions; /* those are only a hint, for a start at which the sink is late */
}

/* The data is out there: as long as its positions cannot be written, they alone are tried again. Writing the data again would
 * deliver it once for each attempt. */
static bool keep_positions_at_last(struct conn *c, struct output *const *outputs, uint32_t count, struct error *err)
{
    while (!keep_positions(c, outputs, count, err))
        if (err->kind != ERROR_RETRY || !back_off(c, err)) {
            err->kind = ERROR_STOP;
            return false;
        }
    return true;
}

static bool commit_group(struct conn *c, struct output *const *outputs, uint32_t count, struct error *err)
{
    const struct sink_ops *ops = c->runner->ops;
    struct engine *e = c->runner->engine;
    struct sink_stats *stats = &e->stats->sinks[c->runner->index];
    if (ops->prepare && c->held_rows && !ops->prepare(&c->sink, err))
        return false;
    if (!write_dead_letters(c))
        return error_set(err, ERROR_STOP, "its dead letters cannot be written");
    if (ops->commit && (c->held_rows || c->runner->keeps_positions || c->runner->one_commit)) {
        int64_t start = clock_now_us(e->clock);
        if (!ops->commit(&c->sink, outputs, count, err))
            return false;
        stats_commit(stats, clock_now_us(e->clock) - start);
        counter_add(&stats->rows, c->held_rows);
        counter_add(&stats->bytes, c->held_bytes);
    }
    return keep_positions_at_last(c, outputs, count, err);
}

static void count_rejections(const struct conn *c)
{
    const struct runner *r = c->runner;
    for (const struct share *s = c->held.first; s; s = s->next) {
        uint32_t source = lane_source_index(s->output->batch->lane);
        struct sink_rejection *own;
        uint32_t count = output_rejections_of(s->output, c->sink.connection, &own);
        free(own);
        counter_add(stats_dead(r->engine->stats, source, r->index, r->component->index), count);
    }
}

static bool commit(struct conn *c, struct error *err)
{
    struct output **outputs = mem_alloc((c->held.count + 1) * sizeof(struct output *));
    uint32_t count = 0;
    for (struct share *s = c->held.first; s; s = s->next)
        outputs[count++] = s->output;
    c->commit_failed = !commit_group(c, outputs, count, err);
    free(outputs);
    if (c->commit_failed)
        return false;
    count_rejections(c);
    c->held_rows = c->held_bytes = 0;
    all_is_well(c);
    for (struct share *s; (s = shares_pop(&c->held));)
        settle_share(c, s, true);
    return true;
}

/* ---- when to commit ---------------------------------------------------------------------------------------------------- */

static bool awaited(const struct conn *c, _Atomic uint64_t *upto)
{
    for (const struct share *s = c->held.first; s; s = s->next) {
        const struct output *o = s->output;
        if (o->number < atomic_load_explicit(&upto[lane_index(o->batch->lane)], memory_order_acquire))
            return true;
    }
    return false;
}

/* Has a lane ended, and is the last it sent among what is held? Its source waits for nothing but this. */
static bool holds_an_end(const struct conn *c)
{
    for (const struct share *s = c->held.first; s; s = s->next) {
        const struct output *o = s->output;
        const struct lane *lane = o->batch->lane;
        if (lane_has_ended(lane) && !o->more_parts && runner_is_last(c->runner, lane_index(lane), o->number))
            return true;
    }
    return false;
}

static bool is_full(const struct conn *c)
{
    const struct sink_common *common = c->runner->component->sink_common;
    return c->held_rows >= common->commit_rows || c->held_bytes >= common->commit_bytes;
}

/*
 * Is it time to commit what is held? *wait_us: how long until the answer may change by time alone. `idle`: there is nothing to write.
 */
static bool wants_commit(struct conn *c, bool idle, bool complete, int64_t *wait_us)
{
    *wait_us = -1;
    if (!c->held.first)
        return complete && idle && c->runner->one_commit; /* a run without any rows still empties the table */
    if (c->runner->one_commit)
        return complete && idle;
    int64_t now = clock_now_us(c->runner->engine->clock);
    if (c->runner->takes_over && c->held_rows) {
        int64_t wait = -1;
        bool wants = c->runner->ops->wants_commit && c->runner->ops->wants_commit(&c->sink, now, &wait);
        *wait_us = wait;
        return wants || (idle && (complete || holds_an_end(c) || awaited(c, c->release_upto)));
    }
    if (is_full(c))
        return true;
    int64_t interval = c->runner->component->sink_common->commit_interval;
    bool only_positions = c->held_rows == 0;
    if (idle && (complete || awaited(c, c->flush_upto)))
        return true;
    if (idle && !c->held.last->output->batch->more && !(only_positions && c->runner->keeps_positions))
        return true;
    if (only_positions && interval > IDLE_POSITIONS_US)
        interval = IDLE_POSITIONS_US;
    *wait_us = c->held_since_us + interval - now;
    return *wait_us <= 0;
}

/* ---- the thread ---------------------------------------------------------------------------------------------------------- */

static bool is_complete(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    bool complete = r->complete;
    pthread_mutex_unlock(&r->lock);
    return complete;
}

/* Positions of partitions that are gone. What is lost by a failure here is only tidiness. */
static void forget(struct conn *c)
{
    if (c->sink.connection != 0 || c->held.first)
        return;
    struct runner *r = c->runner;
    struct error err;
    for (struct forgotten *f; (f = runner_take_forgotten(r)); forgotten_free(f)) {
        const char *const *keys = (const char *const *)f->keys;
        bool ok = true;
        if (!r->keeps_positions && r->engine->state)
            ok = state_forget(r->engine->state, r->component->name, f->source, keys, f->count, &err);
        else if (r->ops->forget_positions)
            ok = r->ops->forget_positions(&c->sink, f->source, keys, f->count, &err);
        if (!ok)
            log_warn(r->component->name, "positions of files that are gone are kept: %s", err.text);
    }
}

/* Partitions of shared sources that are being taken over. */
static bool answer_claims(struct conn *c, struct error *err)
{
    struct runner *r = c->runner;
    for (struct claim *claim; c->sink.connection == 0 && (claim = runner_take_claim(r));) {
        const struct acquisition *a = claim->of;
        claim->found = positions_new();
        bool ok = (!c->held.first || commit(c, err)) &&
                  r->ops->acquire(&c->sink, a->source, (const char *const *)a->keys, a->count, claim->found, err);
        if (!ok) {
            positions_free(claim->found);
            claim->found = NULL;
            runner_claim(r, claim);
            return false;
        }
        claim_answer(claim);
    }
    return true;
}

/* One thing. false: the end, by success or failure. */
static bool step(struct conn *c)
{
    struct error err;
    int64_t wait_us;
    bool complete = is_complete(c->runner); /* before the mail: what is complete has been posted */
    take_mail(c);
    if (stopping_now(c))
        return false;
    if (!answer_claims(c, &err))
        return recover(c, &err);
    if (c->todo.first) {
        if (!write_next(c, &err) || (wants_commit(c, false, complete, &wait_us) && !commit(c, &err)))
            return recover(c, &err);
        return true;
    }
    bool abandoned = c->runner->one_commit && engine_is_incomplete(c->runner->engine);
    if (wants_commit(c, true, complete, &wait_us) && !abandoned) {
        if (!commit(c, &err))
            return recover(c, &err);
        return !(complete && c->runner->one_commit);
    }
    forget(c);
    if (complete && (!c->held.first || abandoned))
        return false;
    mailbox_wait(&c->mail, NULL, 0, wait_us);
    return true;
}

/* After a failure: everything that still comes goes home unsettled, until nothing more can come. */
static void drain_unsettled(struct conn *c)
{
    if (c->sink.connection == 0 && c->runner->late && !c->runner->own)
        runner_encode_raw(c->runner, NULL);
    for (;;) {
        bool complete = is_complete(c->runner) || stopping_now(c);
        conn_give_up_rest(c);
        if (complete)
            return;
        mailbox_wait(&c->mail, NULL, 0, -1);
    }
}

/* Takes what the sink has stored. A late one can be planned for now, and its other connections started. */
static bool adopt_positions(struct conn *c, struct positions *stored)
{
    struct runner *r = c->runner;
    if (c->sink.connection != 0) {
        positions_free(stored);
        return true;
    }
    if (!r->late) {
        r->stored = stored;
        announce(c, false);
        return true;
    }
    while (!atomic_load(&r->engine->running) && !stopping_now(c)) {
        mailbox_wait(&c->mail, NULL, 0, -1);
        take_mail(c);
    }
    struct error err;
    c->sink.stored = stored;
    struct late *own = late_new(r, stored, &err);
    if (!own) {
        c->sink.stored = NULL;
        if (!stopping_now(c))
            fail(c, &err);
        return false;
    }
    runner_start_others(r);
    runner_encode_raw(r, own);
    return true;
}

void *conn_main(void *arg)
{
    struct conn *c = arg;
    struct positions *stored = open_sink(c);
    bool open = stored && adopt_positions(c, stored);
    if (!stored)
        announce(c, false);
    while (open && step(c))
        ;
    if (c->held.first && c->open && c->runner->ops->rollback)
        c->runner->ops->rollback(&c->sink);
    drain_unsettled(c);
    close_sink(c);
    return NULL;
}
