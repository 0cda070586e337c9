#include "pipeline/engine/engine.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "pipeline/base/log.h"
#include "pipeline/engine/dead.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/output.h"
#include "pipeline/engine/runner.h"
#include "pipeline/engine/spool.h"
#include "pipeline/engine/start.h"
#include "pipeline/engine/worker.h"

/* ---- what the parts ask of the engine ------------------------------------------------------------------------------------- */

bool engine_is_finite(const struct engine *e)
{
    for (uint32_t i = 0; i < e->cfg->count; i++) {
        const struct component *c = &e->cfg->components[i];
        if (c->kind == COMPONENT_SOURCE && !c->source->finite(c))
            return false;
    }
    return true;
}

int64_t engine_oldest_unacked_us(const struct engine *e, uint32_t source)
{
    int64_t oldest = 0;
    for (uint32_t i = 0; i < e->lane_count; i++) {
        int64_t its = lane_source_index(e->lanes[i]) == source ? lane_oldest_us(e->lanes[i]) : 0;
        if (its && (!oldest || its < oldest))
            oldest = its;
    }
    return oldest;
}

bool engine_is_incomplete(const struct engine *e)
{
    return atomic_load(&e->draining);
}

static void wake_everybody(struct engine *e)
{
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (e->lanes[i])
            lane_wake(e->lanes[i]);
    for (uint32_t i = 0; i < e->sink_count; i++)
        if (e->runners[i])
            runner_wake(e->runners[i]);
    mailbox_wake(&e->mail);
}

void engine_drain(struct engine *e)
{
    atomic_store(&e->draining, true);
    wake_everybody(e);
}

void engine_stop_now(struct engine *e)
{
    atomic_store(&e->stop_now, true);
    if (e->budget)
        budget_open(e->budget);
    engine_drain(e);
}

void engine_fail(struct engine *e, const struct component *c, const struct error *err)
{
    pthread_mutex_lock(&e->lock);
    bool first = !e->failed;
    if (first) {
        e->failed = true;
        e->failed_component = c;
        e->failure = *err;
    }
    pthread_cond_broadcast(&e->opened);
    pthread_mutex_unlock(&e->lock);
    if (!first)
        log_error(c ? c->name : NULL, "%s", err->text);
    engine_drain(e);
}

void engine_sink_opened(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->sinks_opening--;
    pthread_cond_broadcast(&e->opened);
    pthread_mutex_unlock(&e->lock);
}

void engine_drop_bytes(struct batch *b)
{
    size_t charged = atomic_load_explicit(&b->charged, memory_order_relaxed);
    if (batch_drop_bytes(b))
        budget_return(lane_share(b->lane), charged);
}

void engine_return_output(struct output *o)
{
    output_free_pieces(o);
    if (o->handed)
        budget_return_handed(lane_share(o->batch->lane), o->bytes);
    else
        budget_return(lane_share(o->batch->lane), o->bytes);
    o->bytes = 0;
    if (o->holds_bytes)
        engine_drop_bytes(o->batch);
    o->holds_bytes = false;
}

void sink_compute(struct sink *s, void (*run)(void *item, struct tools *tools), void *const *items, uint32_t count)
{
    pool_run(s->engine->pool, run, items, count);
}

void *sink_source_shared(const struct sink *s, const char *source)
{
    for (uint32_t i = 0; i < s->engine->lane_count; i++)
        if (strcmp(lane_component(s->engine->lanes[i])->name, source) == 0)
            return lane_shared(s->engine->lanes[i]);
    return NULL;
}

bool sink_stopping(const struct sink *s)
{
    return s->engine && atomic_load(&s->engine->stop_now);
}

/* ---- what waits outside of a connection ---------------------------------------------------------------------------------- */

enum { PAUSE_US = 1000000 };

int64_t sink_retry_limit(const struct sink *s)
{
    int64_t limit = s->component->sink_common->retry_for;
    if (limit)
        return limit;
    return s->finite ? INT64_C(300000000) : INT64_MAX;
}

bool engine_is_called_off(const struct engine *e)
{
    struct pollfd fd = {.fd = e->signal_fd, .events = POLLIN};
    return atomic_load(&e->stop_now) || (!atomic_load(&e->running) && e->signal_fd >= 0 && poll(&fd, 1, 0) > 0);
}

bool sink_pause(struct sink *s, int64_t since_us)
{
    int64_t now = clock_now_us(s->clock);
    if (now - since_us > sink_retry_limit(s))
        return false;
    for (int64_t until = now + PAUSE_US; now < until && !engine_is_called_off(s->engine); now = clock_now_us(s->clock))
        poll(NULL, 0, 50);
    return !engine_is_called_off(s->engine);
}

/* ---- the main thread ------------------------------------------------------------------------------------------------------ */

static bool all_lanes_done(const struct engine *e)
{
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (!lane_is_done(e->lanes[i]))
            return false;
    return true;
}

struct watch {
    struct engine *engine;
    const struct engine_options *options;
    int64_t drain_until_us; /* 0: not draining */
    int64_t next_tick_us;
};

bool signal_asks_to_stop(int signal_fd)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
        return false;
    if (info.ssi_signo == SIGHUP)
        log_warn(NULL, "this version applies changes at the next start; SIGHUP is ignored");
    return info.ssi_signo != SIGHUP;
}

static void take_signal(struct watch *w)
{
    struct engine *e = w->engine;
    if (!signal_asks_to_stop(w->options->signal_fd))
        return;
    if (atomic_load(&e->draining)) {
        log_warn(NULL, "stopping now: what is not delivered will be read again by the next run");
        engine_stop_now(e);
    } else {
        log_info(NULL, "draining: no more is read; a second signal stops at once");
        engine_drain(e);
    }
}

static bool only_spools_are_left(const struct engine *e)
{
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (!lane_is_done(e->lanes[i]) && !lane_is_reader(e->lanes[i]))
            return false;
    return true;
}

/* Nothing is left to be waited for but sinks that cannot be reached, and what they have not got is in a spool. */
static bool waits_in_vain(const struct engine *e)
{
    sink_mask open = 0;
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (!lane_is_done(e->lanes[i])) {
            if (!lane_has_ended(e->lanes[i]))
                return false;
            open |= lane_open_sinks(e->lanes[i]);
        }
    for (uint32_t i = 0; i < e->sink_count; i++)
        if (open & (sink_mask)1 << i && atomic_load(&e->runners[i]->troubled) == 0)
            return false;
    return open != 0;
}

static void check_drain(struct watch *w, int64_t now)
{
    struct engine *e = w->engine;
    if (!atomic_load(&e->draining) || atomic_load(&e->stop_now))
        return;
    if (!w->drain_until_us) {
        w->drain_until_us = now + e->cfg->pipeline.drain_timeout;
        if (w->options->ending)
            w->options->ending(e, w->options->tick_arg);
    }
    bool spooled = only_spools_are_left(e);
    if (now < w->drain_until_us && !(spooled && waits_in_vain(e)))
        return;
    if (spooled) {
        log_info(NULL, "what the sinks could not take stays in the spool for the next run");
        engine_stop_now(e);
        return;
    }
    struct error err;
    error_set(&err, ERROR_STOP, "not everything was delivered within drain_timeout (%" PRId64 " s)",
              e->cfg->pipeline.drain_timeout / 1000000);
    engine_fail(e, NULL, &err);
    engine_stop_now(e);
}

/* Until all lanes are done: signals, ticks, the drain's time limit. */
static void watch(struct engine *e, const struct engine_options *o)
{
    struct watch w = {.engine = e, .options = o};
    struct pollfd signal_fd = {.fd = o->signal_fd, .events = POLLIN};
    while (!all_lanes_done(e)) {
        int64_t now = clock_now_us(e->clock), wait = -1;
        check_drain(&w, now);
        if (o->tick_interval_us && now >= w.next_tick_us) {
            if (o->tick && !o->tick(e, o->tick_arg))
                engine_drain(e);
            w.next_tick_us = now + o->tick_interval_us;
        }
        if (o->tick_interval_us)
            wait = w.next_tick_us - now;
        if (w.drain_until_us && !atomic_load(&e->stop_now) && (wait < 0 || w.drain_until_us - now < wait))
            wait = w.drain_until_us - now;
        mailbox_wait(&e->mail, &signal_fd, o->signal_fd >= 0, wait);
        mailbox_take(&e->mail);
        if (o->signal_fd >= 0 && signal_fd.revents)
            take_signal(&w);
        signal_fd.revents = 0;
    }
}

/* Downstream order: nothing may come any more for a part that ends. */
static void end_parts(struct engine *e)
{
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (e->lanes[i])
            lane_join(e->lanes[i]);
    for (uint32_t i = 0; e->spools && i < e->stats->source_count; i++)
        spool_stop(e->spools[i]);
    pool_free(e->pool);
    e->pool = NULL;
    if (!atomic_load(&e->running)) /* not every lane ran: no runner can become complete */
        engine_stop_now(e);
    for (uint32_t i = 0; i < e->sink_count; i++)
        if (e->runners[i])
            runner_join(e->runners[i]);
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (e->lanes[i])
            lane_release_source(e->lanes[i]); /* sinks may have used it, too */
}

static enum outcome outcome_of(struct engine *e, struct error *err)
{
    pthread_mutex_lock(&e->lock);
    bool failed = e->failed;
    if (failed) {
        *err = e->failure;
        if (e->failed_component)
            error_wrap(err, "%s", e->failed_component->name);
    }
    pthread_mutex_unlock(&e->lock);
    if (failed)
        return atomic_load(&e->restart) ? OUTCOME_RESTART : OUTCOME_FAILED;
    bool batch_cut = atomic_load(&e->stopped_early);
    bool gave_up = false;
    for (uint32_t i = 0; i < e->stats->source_count; i++)
        for (uint32_t k = 0; k < e->stats->sink_count; k++) /* what is in a spool is not given up */
            gave_up |= !e->spools[i] && stats_in_flight(stats_edge(e->stats, i, k)) != 0;
    for (uint32_t i = 0; i < e->lane_count; i++)
        gave_up |= lane_gave_up(e->lanes[i]);
    if (batch_cut || gave_up)
        return OUTCOME_STOPPED;
    atomic_store(&e->stats->last_success_wall_us, e->clock->wall_us(e->clock));
    return OUTCOME_COMPLETE;
}

struct engine *engine_new(const struct config *cfg, const struct clock *clock)
{
    struct engine *e = mem_zalloc(sizeof(*e));
    e->cfg = cfg;
    e->clock = clock;
    e->signal_fd = -1;
    mailbox_init(&e->mail);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->opened, NULL);
    e->stats = stats_new(cfg);
    e->stats->started_wall_us = clock->wall_us(clock);
    return e;
}

enum outcome engine_run(struct engine *e, const struct engine_options *o, struct problems *problems, struct error *err)
{
    err->text[0] = '\0';
    e->signal_fd = o->signal_fd;
    if (start_parts(e, o, problems, err)) {
        if (o->started)
            o->started(e, o->tick_arg);
        watch(e, o);
    } else if (err->text[0] && !e->failed) {
        engine_fail(e, NULL, err);
    }
    end_parts(e);
    if (problems->errors)
        return OUTCOME_FAILED;
    return outcome_of(e, err);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    dead_free(e->dead);
    for (uint32_t i = 0; i < e->lane_count; i++)
        lane_free(e->lanes[i]);
    for (uint32_t i = 0; e->spools && i < e->stats->source_count; i++)
        spool_free(e->spools[i]);
    free(e->spools);
    for (uint32_t i = 0; i < e->sink_count; i++)
        runner_free(e->runners[i]);
    free(e->lanes);
    free(e->runners);
    if (e->plan)
        arena_release(e->plan->arena);
    free(e->plan_arena);
    budget_free(e->budget);
    state_close(e->state);
    stats_free(e->stats);
    mailbox_release(&e->mail);
    pthread_cond_destroy(&e->opened);
    pthread_mutex_destroy(&e->lock);
    free(e);
}
