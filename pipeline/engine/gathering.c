#include "pipeline/engine/gathering.h"

#include <stdlib.h>

#include "pipeline/base/arena.h"

struct gathered {
    struct gathered *next;
    uint64_t number;
    uint32_t sink;
    uint32_t home, all; /* parts; all 0: the last one is not home yet */
    bool given_up;
};

static struct gathered **find(struct gathering *g, const struct output *o)
{
    struct gathered **link = &g->first;
    while (*link && ((*link)->number != o->number || (*link)->sink != o->sink))
        link = &(*link)->next;
    return link;
}

bool gather_part(struct gathering *g, struct output *o)
{
    if (o->part == 0 && !o->more_parts)
        return true;
    struct gathered **link = find(g, o);
    if (!*link) {
        *link = mem_zalloc(sizeof(**link));
        (*link)->number = o->number;
        (*link)->sink = o->sink;
    }
    struct gathered *x = *link;
    x->home++;
    x->given_up |= !o->settled;
    if (!o->more_parts)
        x->all = o->part + 1;
    if (x->home != x->all)
        return false;
    o->settled = !x->given_up;
    *link = x->next;
    free(x);
    return true;
}

void gathering_release(struct gathering *g)
{
    for (struct gathered *x = g->first, *next; x; x = next) {
        next = x->next;
        free(x);
    }
    g->first = NULL;
}
