/*
 * Regular expressions whose results are arrays (manual, 9.7.3).
 */
#include "pipeline/event/array.h"
#include "pipeline/sql/regex_call.h"

/* The groups of a match, or all of it where there are none. */
static struct value groups_of(struct eval *ev, const struct regex_matches *m)
{
    uint32_t groups = regex_groups(m->regex);
    struct array *a = array_new(ev->arena, groups ? groups : 1);
    for (uint32_t i = 0; i < a->count; i++)
        a->items[i] = regex_piece(m->text, m->found + 2 * (i + (groups > 0)));
    return value_of_array(a);
}

bool fn_regexp_match(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    unsigned options;
    struct regex_matches m = {.text = value_str(args[0])};
    if (!(m.regex = regex_of_call(e, args, &options, err)))
        return false;
    enum regex_result found = regex_next(&m, err);
    if (found == REGEX_YES)
        *out = groups_of(ev, &m);
    return found != REGEX_FAILED;
}

/* Values that are gathered before it is known how many there are; their array grows in the arena. */
struct gathered {
    struct value *items;
    uint32_t count;
};

static void gather(struct eval *ev, struct gathered *g, struct value v)
{
    bool full = g->count == 0 || (g->count >= 8 && (g->count & (g->count - 1)) == 0);
    if (full) {
        struct value *grown = arena_array(ev->arena, struct value, g->count ? g->count * 2 : 8);
        if (g->count)
            memcpy(grown, g->items, g->count * sizeof(*grown));
        g->items = grown;
    }
    g->items[g->count++] = v;
}

static struct value array_of(struct eval *ev, const struct gathered *g)
{
    struct array *a = array_new(ev->arena, g->count);
    if (g->count)
        memcpy(a->items, g->items, g->count * sizeof(*g->items));
    return value_of_array(a);
}

/* The groups of the first match, with the flag g of every one. */
bool fn_regexp_matches(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    unsigned options;
    struct gathered rows = {0};
    struct regex_matches m = {.text = value_str(args[0])};
    if (!(m.regex = regex_of_call(e, args, &options, err)))
        return false;
    enum regex_result found;
    while ((found = regex_next(&m, err)) == REGEX_YES) {
        gather(ev, &rows, groups_of(ev, &m));
        if (!(options & REGEX_GLOBAL))
            break;
    }
    *out = array_of(ev, &rows);
    return found != REGEX_FAILED;
}

/* What stands between the matches. Empty ones at the start, at the end and right behind a match do not part anything.
 */
bool fn_regexp_split(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    unsigned options;
    struct gathered parts = {0};
    struct regex_matches m = {.text = value_str(args[0])};
    if (!(m.regex = regex_of_call(e, args, &options, err)))
        return false;
    size_t part[2] = {0, 0}, last_end = 0;
    enum regex_result found;
    while ((found = regex_next(&m, err)) == REGEX_YES) {
        bool parts_something = m.found[0] < m.text.len && m.found[1] > last_end;
        last_end = m.found[1];
        if (!parts_something)
            continue;
        part[1] = m.found[0];
        gather(ev, &parts, regex_piece(m.text, part));
        part[0] = m.found[1];
    }
    part[1] = m.text.len;
    gather(ev, &parts, regex_piece(m.text, part));
    *out = array_of(ev, &parts);
    return found != REGEX_FAILED;
}
