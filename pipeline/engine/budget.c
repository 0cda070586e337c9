#include "pipeline/engine/budget.h"

#include <assert.h>
#include <stdlib.h>

#include "pipeline/base/arena.h"

/* Taken once a batch and once an output, never per event: a plain lock will do. */
struct budget {
    pthread_mutex_t lock;
    size_t limit, used;
    struct budget_share *shares;
    unsigned share_count;
    bool open;
};

struct budget_share {
    struct budget *budget;
    struct budget_share *next;
    struct mailbox *waiter;
    size_t used;
    size_t handed; /* of it, what sinks have and will free */
    bool waiting;
    struct budget_turn *first, *last;
    uint32_t turns_waiting;
};

struct budget *budget_new(size_t limit)
{
    struct budget *b = mem_zalloc(sizeof(*b));
    pthread_mutex_init(&b->lock, NULL);
    b->limit = limit;
    return b;
}

void budget_free(struct budget *b)
{
    if (!b)
        return;
    for (struct budget_share *s = b->shares, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    pthread_mutex_destroy(&b->lock);
    free(b);
}

struct budget_share *budget_add_share(struct budget *b, struct mailbox *waiter)
{
    struct budget_share *s = mem_zalloc(sizeof(*s));
    *s = (struct budget_share){.budget = b, .next = b->shares, .waiter = waiter};
    b->shares = s;
    b->share_count++;
    return s;
}

/* Half of the budget is divided evenly into minimum shares; the other half goes to whoever asks. */
static size_t minimum_share(const struct budget *b)
{
    return b->limit / 2 / b->share_count;
}

/* What others may still claim of their minimum shares. */
static size_t promised_to_others(const struct budget *b, const struct budget_share *asking)
{
    size_t promised = 0;
    for (const struct budget_share *s = b->shares; s; s = s->next)
        if (s != asking && s->used < minimum_share(b))
            promised += minimum_share(b) - s->used;
    return promised;
}

static bool may_draw(const struct budget_share *s, size_t bytes)
{
    const struct budget *b = s->budget;
    return s->used == 0 || s->used + bytes <= minimum_share(b) ||
           b->used + promised_to_others(b, s) + bytes <= b->limit;
}

static void take(struct budget_share *s, size_t bytes)
{
    s->used += bytes;
    s->budget->used += bytes;
}

bool budget_draw(struct budget_share *s, size_t bytes)
{
    struct budget *b = s->budget;
    pthread_mutex_lock(&b->lock);
    bool drawn = s->turns_waiting == 0 && may_draw(s, bytes);
    if (drawn)
        take(s, bytes);
    s->waiting = !drawn;
    pthread_mutex_unlock(&b->lock);
    return drawn;
}

void budget_charge(struct budget_share *s, size_t bytes)
{
    pthread_mutex_lock(&s->budget->lock);
    take(s, bytes);
    pthread_mutex_unlock(&s->budget->lock);
}

/* ---- turns: work that asks for more ----------------------------------------------------------------------------- */

static bool is_first(const struct budget_turn *t)
{
    if (t->alone)
        return true;
    for (const struct budget_turn *before = t->before; before; before = before->before)
        if (!before->alone)
            return false;
    return true;
}

static bool may_extend(const struct budget_turn *t, size_t bytes)
{
    struct budget_share *s = t->share;
    return s->budget->open || may_draw(s, bytes) || (s->handed == 0 && is_first(t));
}

static void grant(struct budget_turn *t)
{
    take(t->share, t->wanted);
    t->wanted = 0;
    t->share->turns_waiting--;
    t->go_on(t);
}

/* Something has become free: turns first, each share's in their order, then lanes. Under the lock. */
static void look_again(struct budget *b)
{
    for (struct budget_share *s = b->shares; s; s = s->next) {
        for (struct budget_turn *t = s->first, *next; t && s->turns_waiting; t = next) {
            next = t->next;
            if (t->wanted && may_extend(t, t->wanted))
                grant(t);
        }
        if (s->waiting) {
            s->waiting = false;
            mailbox_wake(s->waiter);
        }
    }
}

void budget_enter(struct budget_turn *t)
{
    struct budget_share *s = t->share;
    pthread_mutex_lock(&s->budget->lock);
    t->next = NULL;
    t->before = s->last;
    *(s->last ? &s->last->next : &s->first) = t;
    s->last = t;
    t->wanted = 0;
    pthread_mutex_unlock(&s->budget->lock);
}

void budget_leave(struct budget_turn *t)
{
    struct budget_share *s = t->share;
    pthread_mutex_lock(&s->budget->lock);
    *(t->before ? &t->before->next : &s->first) = t->next;
    *(t->next ? &t->next->before : &s->last) = t->before;
    if (s->turns_waiting) /* another may be the first by now */
        look_again(s->budget);
    pthread_mutex_unlock(&s->budget->lock);
}

bool budget_extend(struct budget_turn *t, size_t bytes)
{
    struct budget_share *s = t->share;
    pthread_mutex_lock(&s->budget->lock);
    bool drawn = may_extend(t, bytes);
    if (drawn) {
        take(s, bytes);
    } else {
        t->wanted = bytes;
        s->turns_waiting++;
    }
    pthread_mutex_unlock(&s->budget->lock);
    return drawn;
}

void budget_open(struct budget *b)
{
    pthread_mutex_lock(&b->lock);
    b->open = true;
    look_again(b);
    pthread_mutex_unlock(&b->lock);
}

/* ---- giving back ------------------------------------------------------------------------------------------------ */

static void give_back(struct budget_share *s, size_t bytes, size_t handed)
{
    struct budget *b = s->budget;
    pthread_mutex_lock(&b->lock);
    assert(s->used >= bytes && b->used >= bytes && s->handed >= handed);
    s->used -= bytes;
    b->used -= bytes;
    s->handed -= handed;
    look_again(b);
    pthread_mutex_unlock(&b->lock);
}

void budget_return(struct budget_share *s, size_t bytes)
{
    give_back(s, bytes, 0);
}

void budget_hand(struct budget_share *s, size_t bytes)
{
    pthread_mutex_lock(&s->budget->lock);
    s->handed += bytes;
    pthread_mutex_unlock(&s->budget->lock);
}

void budget_return_handed(struct budget_share *s, size_t bytes)
{
    give_back(s, bytes, bytes);
}

size_t budget_minimum(const struct budget_share *s)
{
    return minimum_share(s->budget);
}

size_t budget_used(struct budget *b)
{
    pthread_mutex_lock(&b->lock);
    size_t used = b->used;
    pthread_mutex_unlock(&b->lock);
    return used;
}

size_t budget_limit(const struct budget *b)
{
    return b->limit;
}
