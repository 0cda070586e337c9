#include "pipeline/engine/runner.h"

#include <stdlib.h>

#include "pipeline/engine/acquire.h"
#include "pipeline/engine/conn.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/late.h"
#include "pipeline/engine/module.h"

/* The reorder window of one lane: outputs that came before their turn, by number. */
struct window {
    uint64_t next;
    uint32_t part;  /* of it, whose turn it is */
    uint64_t final; /* outputs there will be; UINT64_MAX: not known yet */
    struct mail *waiting; /* of outputs */
    bool encoding;        /* a late sink's raw output, which is no longer among the waiting ones */
    bool more_parts;      /* of it */
    uint32_t handed;      /* parts that were made of the raw ones of this number */
};

static struct output *output_of(struct mail *m)
{
    return (struct output *)m; /* its first member */
}

struct runner *runner_new(struct engine *e, const struct component *c, uint32_t index, uint32_t lane_count, struct error *err)
{
    const struct sink_ops *ops = sink_ops_of(c, err);
    if (!ops)
        return NULL;
    struct runner *r = mem_zalloc(sizeof(*r));
    *r = (struct runner){
        .engine = e,
        .component = c,
        .ops = ops,
        .index = index,
        .identity = {.pipeline = e->cfg->pipeline.name,
                     .instance = e->cfg->pipeline.instance,
                     .sink = c->name,
                     .incarnation = e->state ? state_id(e->state) : ""},
        .keeps_positions = ops->load_positions && config_keeps_positions(c),
        .one_commit = c->sink->one_commit && c->sink->one_commit(c),
        .takes_over = c->sink->takes_over,
        .lane_count = lane_count,
    };
    /* Where the engine keeps positions, they are those of one connection. */
    r->conn_count = r->keeps_positions ? (uint32_t)c->sink_common->connections : 1;
    pthread_mutex_init(&r->lock, NULL);
    r->windows = mem_zalloc((lane_count + 1) * sizeof(*r->windows));
    for (uint32_t i = 0; i < lane_count; i++)
        r->windows[i].final = UINT64_MAX;
    r->conns = mem_zalloc(r->conn_count * sizeof(*r->conns));
    r->sinks = mem_zalloc(r->conn_count * sizeof(struct sink *));
    for (uint32_t i = 0; i < r->conn_count; i++) {
        conn_init(&r->conns[i], r, i);
        r->sinks[i] = &r->conns[i].sink;
    }
    return r;
}

static void start_conn(struct conn *c)
{
    c->started = pthread_create(&c->thread, NULL, conn_main, c) == 0;
    if (!c->started) {
        struct error err;
        error_set(&err, ERROR_STOP, "cannot start a thread");
        engine_fail(c->runner->engine, c->runner->component, &err);
    }
}

void runner_start(struct runner *r)
{
    start_conn(&r->conns[0]);
}

void runner_start_others(struct runner *r)
{
    r->conns[0].sink.stored = r->stored;
    for (uint32_t i = 1; i < r->conn_count; i++) {
        r->conns[i].sink.shared = r->conns[0].sink.shared;
        r->conns[i].sink.stored = r->late ? r->conns[0].sink.stored : r->stored;
        start_conn(&r->conns[i]);
    }
}

void runner_join(struct runner *r)
{
    for (uint32_t i = 0; i < r->conn_count; i++)
        if (r->conns[i].started)
            pthread_join(r->conns[i].thread, NULL);
    for (uint32_t i = 0; i < r->conn_count; i++) {
        r->conns[i].started = false;
        conn_give_up_rest(&r->conns[i]);
    }
    if (r->ops->release)
        r->ops->release(&r->conns[0].sink);
    r->conns[0].sink.shared = NULL;
    for (uint32_t i = 0; i < r->lane_count; i++)
        while (r->windows[i].waiting) {
            struct output *o = output_of(r->windows[i].waiting);
            r->windows[i].waiting = o->mail.next;
            engine_return_output(o);
            output_free(o);
        }
}

void runner_free(struct runner *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->conn_count; i++)
        conn_release(&r->conns[i]);
    for (struct forgotten *f; (f = runner_take_forgotten(r));)
        forgotten_free(f);
    late_free(r->own);
    positions_free(r->baseline);
    positions_free(r->stored);
    pthread_mutex_destroy(&r->lock);
    free(r->windows);
    free(r->conns);
    free(r->sinks);
    free(r);
}

/* Under the lock: in order, to the connections it concerns. */
static void hand_on(struct runner *r, struct output *o)
{
    bool any_will_do = r->conn_count > 1 && !r->component->sink_common->ordered;
    budget_hand(lane_share(o->batch->lane), o->bytes);
    o->handed = true;
    uint32_t only = any_will_do && !o->raw ? (uint32_t)(o->number % r->conn_count) : 0;
    uint32_t shares =
        any_will_do || o->raw ? 1 : r->conn_count; /* raw: given up, and no other connection has been started */
    atomic_store_explicit(&o->open_shares, shares, memory_order_relaxed);
    for (uint32_t i = only; i < only + shares; i++) {
        struct share *s = mem_zalloc(sizeof(*s));
        s->output = o;
        mailbox_post(&r->conns[i].mail, &s->mail);
    }
}

static void check_complete(struct runner *r)
{
    bool complete = true;
    for (uint32_t i = 0; i < r->lane_count; i++)
        complete &= r->windows[i].next == r->windows[i].final;
    if (complete && !r->complete) {
        r->complete = true;
        runner_wake(r);
    }
}

static bool is_before(const struct output *a, const struct output *b)
{
    return a->number != b->number ? a->number < b->number : a->part < b->part;
}

static void insert(struct window *w, struct output *o)
{
    struct mail **link = &w->waiting;
    while (*link && is_before(output_of(*link), o))
        link = &(*link)->next;
    o->mail.next = *link;
    *link = &o->mail;
}

static void turn_to_next(struct window *w, bool more_parts)
{
    w->part = more_parts ? w->part + 1 : 0;
    w->next += !more_parts;
}

/* Under the lock: all whose turn it is. */
static void advance(struct runner *r, struct window *w)
{
    while (w->waiting && !w->encoding) {
        struct output *ready = output_of(w->waiting);
        bool raw = ready->raw && !r->gives_up_raw;
        if (ready->number != w->next || ready->part != w->part || (raw && !r->own))
            return;
        w->waiting = ready->mail.next;
        if (raw) {
            w->encoding = true;
            w->more_parts = ready->more_parts;
            late_encode(r->own, ready);
            return;
        }
        turn_to_next(w, ready->more_parts);
        hand_on(r, ready);
    }
}

void runner_put(struct runner *r, struct output *o)
{
    pthread_mutex_lock(&r->lock);
    struct window *w = &r->windows[lane_index(o->batch->lane)];
    insert(w, o);
    advance(r, w);
    check_complete(r);
    pthread_mutex_unlock(&r->lock);
}

void runner_put_late(struct runner *r, struct output *o)
{
    pthread_mutex_lock(&r->lock);
    struct window *w = &r->windows[lane_index(o->batch->lane)];
    bool through = !o->more_parts;
    o->part = w->handed++; /* a part may have been divided further */
    o->more_parts |= w->more_parts;
    if (!o->more_parts)
        w->handed = 0;
    hand_on(r, o);
    if (through) {
        w->encoding = false;
        turn_to_next(w, w->more_parts);
        advance(r, w);
    }
    check_complete(r);
    pthread_mutex_unlock(&r->lock);
}

void runner_encode_raw(struct runner *r, struct late *own)
{
    pthread_mutex_lock(&r->lock);
    r->own = own;
    r->gives_up_raw = !own;
    for (uint32_t i = 0; i < r->lane_count; i++)
        advance(r, &r->windows[i]);
    check_complete(r);
    pthread_mutex_unlock(&r->lock);
}

/* Marks only grow: a lane's and its jobs' may cross. */
static bool raise_mark(_Atomic uint64_t *mark, uint64_t number)
{
    uint64_t before = atomic_load_explicit(mark, memory_order_relaxed);
    while (before < number)
        if (atomic_compare_exchange_weak_explicit(mark, &before, number, memory_order_release, memory_order_relaxed))
            return true;
    return false;
}

void runner_flush(struct runner *r, uint32_t lane, uint64_t number)
{
    for (uint32_t i = 0; i < r->conn_count; i++)
        if (raise_mark(&r->conns[i].flush_upto[lane], number))
            mailbox_wake(&r->conns[i].mail);
}

void runner_release(struct runner *r, uint32_t lane, uint64_t number)
{
    for (uint32_t i = 0; i < r->conn_count; i++) {
        raise_mark(&r->conns[i].release_upto[lane], number);
        raise_mark(&r->conns[i].flush_upto[lane], number);
        mailbox_wake(&r->conns[i].mail);
    }
}

void runner_claim(struct runner *r, struct claim *c)
{
    pthread_mutex_lock(&r->lock);
    c->next = r->claims;
    r->claims = c;
    pthread_mutex_unlock(&r->lock);
    mailbox_wake(&r->conns[0].mail);
}

struct claim *runner_take_claim(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    struct claim *c = r->claims;
    if (c)
        r->claims = c->next;
    pthread_mutex_unlock(&r->lock);
    return c;
}

void runner_lane_ended(struct runner *r, uint32_t lane, uint64_t outputs)
{
    pthread_mutex_lock(&r->lock);
    r->windows[lane].final = outputs;
    check_complete(r);
    pthread_mutex_unlock(&r->lock);
    runner_flush(r, lane, outputs);
}

bool runner_is_last(struct runner *r, uint32_t lane, uint64_t number)
{
    pthread_mutex_lock(&r->lock);
    bool last = r->windows[lane].final == number + 1;
    pthread_mutex_unlock(&r->lock);
    return last;
}

void runner_wake(struct runner *r)
{
    for (uint32_t i = 0; i < r->conn_count; i++)
        mailbox_wake(&r->conns[i].mail);
}

const struct positions *runner_stored(const struct runner *r)
{
    return r->one_commit ? NULL : r->stored;
}

void runner_forget(struct runner *r, const char *source, const char *const *keys, uint32_t count)
{
    struct forgotten *f = mem_zalloc(sizeof(*f));
    *f = (struct forgotten){.source = mem_strdup(source), .keys = mem_alloc(count * sizeof(char *)), .count = count};
    for (uint32_t i = 0; i < count; i++)
        f->keys[i] = mem_strdup(keys[i]);
    pthread_mutex_lock(&r->lock);
    f->next = r->forgotten;
    r->forgotten = f;
    pthread_mutex_unlock(&r->lock);
    mailbox_wake(&r->conns[0].mail);
}

struct forgotten *runner_take_forgotten(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    struct forgotten *f = r->forgotten;
    if (f)
        r->forgotten = f->next;
    pthread_mutex_unlock(&r->lock);
    return f;
}

void forgotten_free(struct forgotten *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        free(f->keys[i]);
    free(f->keys);
    free(f->source);
    free(f);
}
