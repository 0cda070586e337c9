/*
 * How far a lane's partitions are behind: what `pipe_source_lag_records` shows. The lane's thread begins, sets and ends them; any thread reads.
 */
#ifndef PIPE_LAG_H
#define PIPE_LAG_H

#include <pthread.h>
#include <stdatomic.h>

#include "pipeline/event/batch.h"

/* One partition: lives from lane_begin_lag to lane_end_lag. */
struct lag {
    struct lag *next;
    struct partition *partition; /* a reference */
    _Atomic uint64_t records;    /* that the source's system has, and that are not settled */
};

struct lags {
    pthread_mutex_t lock; /* the list */
    struct lag *first;
};

void lags_init(struct lags *l);
void lags_release(struct lags *l);
struct lag *lags_begin(struct lags *l, struct partition *p);
void lags_end(struct lags *l, struct lag *lag);
void lags_each(struct lags *l, void (*each)(void *arg, const char *partition, uint64_t records), void *arg);

static inline void lag_set(struct lag *lag, uint64_t records)
{
    atomic_store_explicit(&lag->records, records, memory_order_relaxed);
}

#endif
