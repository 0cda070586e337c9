/*
 * The ledger of a lane: turns verdicts that come in any order into positions that move in order. Lane thread only.
 *
 * Batches are numbered without holes; a batch is open until each of its sinks has answered. When the oldest open batch is through, its spans are
 * settled, one after the other, in the order of reading: `settled` is called for each. What was given up because its partition is lost to another process is not, and
 * holds up nothing else.
 */
#ifndef PIPE_LEDGER_H
#define PIPE_LEDGER_H

#include "pipeline/engine/plan.h"

struct ledger_entry {
    struct batch *batch; /* a reference */
    sink_mask open;
    bool given_up;
    int64_t emitted_wall_us;
};

struct ledger {
    struct ledger_entry *ring; /* capacity: a power of two */
    uint32_t capacity;
    uint64_t first, next; /* numbers of open batches: [first, next) */
    bool given_up;        /* some batch was: nothing behind it is ever settled in this run */
    void (*settled)(void *arg, const struct span *span);
    void *arg;
};

void ledger_add(struct ledger *l, struct batch *b, sink_mask sinks, int64_t now_wall_us);
/* A sink has answered. */
void ledger_answer(struct ledger *l, uint64_t number, uint32_t sink, bool settled);
static inline bool ledger_is_empty(const struct ledger *l)
{
    return l->first == l->next;
}
/* When the oldest open batch was read; 0 if none. */
int64_t ledger_oldest_us(const struct ledger *l);
void ledger_release(struct ledger *l);

#endif
