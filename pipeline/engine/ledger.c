#include "pipeline/engine/ledger.h"

#include <stdlib.h>

#include "pipeline/base/arena.h"

static struct ledger_entry *entry_at(const struct ledger *l, uint64_t number)
{
    return &l->ring[number & (l->capacity - 1)];
}

static void grow(struct ledger *l)
{
    struct ledger old = *l;
    l->capacity = old.capacity ? old.capacity * 2 : 16;
    l->ring = mem_zalloc(l->capacity * sizeof(*l->ring));
    for (uint64_t n = old.first; n < old.next; n++)
        *entry_at(l, n) = *entry_at(&old, n);
    free(old.ring);
}

static void close_oldest(struct ledger *l)
{
    struct ledger_entry *e = entry_at(l, l->first);
    bool lost = e->given_up && batch_is_lost(e->batch);
    l->given_up |= e->given_up && !lost;
    for (uint32_t i = 0; !l->given_up && !lost && i < e->batch->span_count; i++)
        l->settled(l->arg, &e->batch->spans[i]);
    batch_unref(e->batch);
    e->batch = NULL;
    l->first++;
}

static void advance(struct ledger *l)
{
    while (l->first < l->next && entry_at(l, l->first)->open == 0)
        close_oldest(l);
}

void ledger_add(struct ledger *l, struct batch *b, sink_mask sinks, int64_t now_wall_us)
{
    assert(b->number == l->next);
    if (l->next - l->first == l->capacity)
        grow(l);
    *entry_at(l, l->next++) = (struct ledger_entry){
        .batch = batch_ref(b),
        .open = sinks,
        .emitted_wall_us = now_wall_us,
    };
}

void ledger_answer(struct ledger *l, uint64_t number, uint32_t sink, bool settled)
{
    assert(number >= l->first && number < l->next);
    struct ledger_entry *e = entry_at(l, number);
    assert(e->open & (sink_mask)1 << sink);
    e->open &= ~((sink_mask)1 << sink);
    e->given_up |= !settled;
    advance(l);
}

int64_t ledger_oldest_us(const struct ledger *l)
{
    return ledger_is_empty(l) ? 0 : entry_at(l, l->first)->emitted_wall_us;
}

void ledger_release(struct ledger *l)
{
    for (; l->first < l->next; l->first++)
        batch_unref(entry_at(l, l->first)->batch);
    free(l->ring);
    l->ring = NULL;
}
