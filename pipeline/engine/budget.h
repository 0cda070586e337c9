/*
 * The byte budget of a pipeline: everything in flight, from the raw bytes a source reads to the encoded pieces a sink
 * has not written yet. Only sources wait for it, and work that becomes far more than was expected (struct budget_turn);
 * else later stages charge what they need and thereby make the next read wait. Each source has a minimum share, so that
 * a stalled one starves no other, and may always have one batch, however large.
 */
#ifndef PIPE_BUDGET_H
#define PIPE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "pipeline/base/mailbox.h"

struct budget;
/* One per lane; any thread. */
struct budget_share;

struct budget *budget_new(size_t limit);
void budget_free(struct budget *b);

/* `waiter` is woken when a draw that failed may succeed. All shares are added before the first draw. */
struct budget_share *budget_add_share(struct budget *b, struct mailbox *waiter);

/* false: not now; the waiter will be woken. */
bool budget_draw(struct budget_share *s, size_t bytes);
/* Takes without asking. */
void budget_charge(struct budget_share *s, size_t bytes);
void budget_return(struct budget_share *s, size_t bytes);

/*
 * Work that turns one batch into more than was drawn for it asks for the rest part by part (job.h). The turns of a
 * share stand in line in the order in which what they make leaves: what later ones have made waits for the first.
 * Therefore the first gets what it asks for, whatever is left, as soon as the sinks have freed all they were given of
 * this share: nothing else could free memory then. While one waits, the share's lane draws nothing.
 */
struct budget_turn {
    struct budget_share *share;
    struct budget_turn *next, *before;
    size_t wanted; /* it waits for so much; 0: it does not */
    bool alone;    /* what it makes waits for no other's */
    /* It has waited, and what it wanted is drawn. Any thread; must not call the budget. */
    void (*go_on)(struct budget_turn *t);
};

/* t->share, alone and go_on are set. The work has begun; it has ended. */
void budget_enter(struct budget_turn *t);
void budget_leave(struct budget_turn *t);
/* true: drawn. false: not now; go_on will be called, perhaps before this returns. */
bool budget_extend(struct budget_turn *t, size_t bytes);
/* Nobody waits for memory any more: the run is being stopped. */
void budget_open(struct budget *b);

/* What is charged has reached a sink, which will free it; budget_return_handed gives it back. */
void budget_hand(struct budget_share *s, size_t bytes);
void budget_return_handed(struct budget_share *s, size_t bytes);

/* What a share can always get. */
size_t budget_minimum(const struct budget_share *s);
size_t budget_used(struct budget *b);
size_t budget_limit(const struct budget *b);

#endif
