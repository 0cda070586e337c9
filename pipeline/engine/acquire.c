#include "pipeline/engine/acquire.h"

#include <stdlib.h>

#include "pipeline/engine/lane_mail.h"

struct acquisition *acquisition_new(struct lane *lane, const char *source, const char *const *keys, uint32_t count, uint32_t sinks)
{
    struct acquisition *a = mem_zalloc(sizeof(*a) + sinks * sizeof(a->claims[0]));
    a->lane = lane;
    a->source = mem_strdup(source);
    a->keys = mem_alloc((count + 1) * sizeof(*a->keys));
    a->count = count;
    a->claim_count = sinks;
    for (uint32_t i = 0; i < count; i++)
        a->keys[i] = mem_strdup(keys[i]);
    for (uint32_t i = 0; i < sinks; i++)
        a->claims[i].of = a;
    return a;
}

void acquisition_free(struct acquisition *a)
{
    if (!a)
        return;
    for (uint32_t i = 0; i < a->count; i++)
        free(a->keys[i]);
    for (uint32_t i = 0; i < a->claim_count; i++)
        positions_free(a->claims[i].found);
    free(a->keys);
    free(a->source);
    free(a);
}

void claim_answer(struct claim *c)
{
    struct lane *lane = c->of->lane;
    atomic_fetch_sub_explicit(&c->of->open, 1, memory_order_acq_rel);
    lane_answered(lane);
}
