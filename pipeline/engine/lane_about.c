/*
 * What a lane is asked and told: one line each.
 */
#include "pipeline/engine/lane_private.h"
#include "pipeline/engine/worker.h"

const struct component *lane_component(const struct lane *lane)
{
    return lane->component;
}

const struct clock *lane_clock(const struct lane *lane)
{
    return lane->engine->clock;
}

void *lane_state(struct lane *lane)
{
    return lane->state;
}

void lane_set_state(struct lane *lane, void *state)
{
    lane->state = state;
}

const char *lane_state_dir(const struct lane *lane)
{
    return lane->engine->cfg->pipeline.state_dir;
}

bool lane_stopping(const struct lane *lane)
{
    return atomic_load_explicit(&lane->engine->draining, memory_order_relaxed);
}

bool lane_stopping_now(const struct lane *lane)
{
    return atomic_load_explicit(&lane->engine->stop_now, memory_order_relaxed);
}

bool lane_worker_idle(const struct lane *lane)
{
    return pool_has_idle(lane->engine->pool);
}

uint32_t lane_index(const struct lane *lane)
{
    return lane->index;
}

uint32_t lane_source_index(const struct lane *lane)
{
    return stats_source_index(lane->component);
}

uint32_t lane_number(const struct lane *lane)
{
    return lane->number;
}

uint32_t lane_count(const struct lane *lane)
{
    return lane->count;
}

bool lane_is_trial(const struct lane *lane)
{
    return lane->engine->without_state;
}

void *lane_shared(const struct lane *lane)
{
    return lane->first->shared;
}

int64_t lane_oldest_us(const struct lane *lane)
{
    return atomic_load_explicit(&lane->oldest_us, memory_order_relaxed);
}

struct engine *lane_engine(const struct lane *lane)
{
    return lane->engine;
}

sink_mask lane_reaches(const struct lane *lane)
{
    return lane->route->reaches;
}

uint64_t lane_next_number(const struct lane *lane, uint32_t sink)
{
    return lane->numbers[sink];
}

size_t lane_memory_of(const struct lane *lane, size_t bytes)
{
    return lane_with_factor(lane, bytes);
}

void lane_listen(struct lane *lane, const struct lane_listener *listener)
{
    lane->listener = *listener;
}

bool lane_is_reader(const struct lane *lane)
{
    return lane->reader;
}

/* A front's batches are neither decoded nor encoded. */
void lane_set_spool(struct lane *lane, struct spool *s)
{
    lane->spool = s;
    if (!lane->reader)
        atomic_store_explicit(&lane->factor_percent, FRONT_FACTOR_PERCENT, memory_order_relaxed);
}

struct spool *lane_spool(const struct lane *lane)
{
    return lane->spool;
}

bool lane_gave_up(const struct lane *lane)
{
    return lane_is_front(lane) && !ledger_is_empty(&lane->ledger);
}

bool lane_has_ended(const struct lane *lane)
{
    return atomic_load_explicit(&lane->ended, memory_order_acquire);
}

bool lane_is_done(const struct lane *lane)
{
    return atomic_load_explicit(&lane->done, memory_order_acquire);
}

void lane_wake(struct lane *lane)
{
    mailbox_wake(&lane->mail);
}

struct budget_share *lane_share(const struct lane *lane)
{
    return lane->share;
}

struct lag *lane_begin_lag(struct lane *lane, struct partition *p)
{
    return lags_begin(&lane->lags, p);
}

void lane_end_lag(struct lane *lane, struct lag *lag)
{
    lags_end(&lane->lags, lag);
}

void lane_each_lag(struct lane *lane, void (*each)(void *arg, const char *partition, uint64_t records), void *arg)
{
    lags_each(&lane->lags, each, arg);
}

void lane_progress(struct lane *lane, uint64_t done_bytes, uint64_t total_bytes)
{
    atomic_store_explicit(&lane->stats->done_bytes, done_bytes, memory_order_relaxed);
    atomic_store_explicit(&lane->stats->total_bytes, total_bytes, memory_order_relaxed);
}

void lane_count_bytes(struct lane *lane, uint64_t bytes)
{
    counter_add(&lane->stats->bytes, bytes);
}

void lane_count_refused(struct lane *lane)
{
    counter_add(&lane->stats->refused, 1);
}
