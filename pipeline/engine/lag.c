#include "pipeline/engine/lag.h"

#include <stdlib.h>

#include "pipeline/base/arena.h"

void lags_init(struct lags *l)
{
    pthread_mutex_init(&l->lock, NULL);
    l->first = NULL;
}

void lags_release(struct lags *l)
{
    while (l->first)
        lags_end(l, l->first);
    pthread_mutex_destroy(&l->lock);
}

struct lag *lags_begin(struct lags *l, struct partition *p)
{
    struct lag *lag = mem_zalloc(sizeof(*lag));
    lag->partition = partition_ref(p);
    pthread_mutex_lock(&l->lock);
    lag->next = l->first;
    l->first = lag;
    pthread_mutex_unlock(&l->lock);
    return lag;
}

void lags_end(struct lags *l, struct lag *lag)
{
    pthread_mutex_lock(&l->lock);
    struct lag **link = &l->first;
    while (*link != lag)
        link = &(*link)->next;
    *link = lag->next;
    pthread_mutex_unlock(&l->lock);
    partition_unref(lag->partition);
    free(lag);
}

void lags_each(struct lags *l, void (*each)(void *arg, const char *partition, uint64_t records), void *arg)
{
    pthread_mutex_lock(&l->lock);
    for (const struct lag *lag = l->first; lag; lag = lag->next)
        each(arg, lag->partition->key, atomic_load_explicit(&lag->records, memory_order_relaxed));
    pthread_mutex_unlock(&l->lock);
}
