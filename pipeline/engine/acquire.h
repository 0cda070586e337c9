/*
 * Taking over partitions of a shared source: a lane asks, the first connection of every sink that keeps positions answers between two of its commits. What they found is read by
 * the lane afterwards.
 *
 * The lane's thread makes and frees; the runner has a claim from runner_claim until its connection answers it.
 */
#ifndef PIPE_ACQUIRE_H
#define PIPE_ACQUIRE_H

#include <stdatomic.h>

#include "pipeline/engine/position.h"

struct acquisition;

/* One sink's part. */
struct claim {
    struct claim *next;
    struct acquisition *of;
    struct positions *found; /* NULL: the sink keeps none of this source */
};

struct acquisition {
    struct acquisition *next; /* the lane's list */
    struct lane *lane;
    char *source;
    char **keys;
    uint32_t count;
    uint32_t claim_count;
    atomic_uint open; /* claims without an answer */
    struct claim claims[]; /* one per sink */
};

struct acquisition *acquisition_new(struct lane *lane, const char *source, const char *const *keys, uint32_t count, uint32_t sinks);
/* Not before it is done, or the runners' threads have ended. */
void acquisition_free(struct acquisition *a);

static inline bool acquisition_is_done(const struct acquisition *a)
{
    return atomic_load_explicit(&a->open, memory_order_acquire) == 0;
}
/* The sink's thread, when claim->found is complete. The lane may free it at once. */
void claim_answer(struct claim *c);

#endif
