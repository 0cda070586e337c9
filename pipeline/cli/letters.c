#include "pipeline/cli/letters.h"

#include <stdlib.h>

#include "pipeline/base/hash.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/json_walk.h"

/* ---- one letter ----------------------------------------------------------------------------------------------------
 */

static const char *text_of(struct str json, struct arena *arena)
{
    struct error err;
    struct value v = json.len ? json_to_value(json) : value_null();
    if (value_is_null(v))
        return "";
    if (v.kind == VALUE_TEXT && value_unescape(arena, &v, &err))
        json = value_str(v);
    return arena_str(arena, json).data;
}

const char *letter_text(const struct letter *l, enum dead_column c, struct arena *arena)
{
    return text_of(l->members[c], arena);
}

bool letter_name(struct letter *l, struct arena *arena)
{
    l->id = letter_text(l, DEAD_ID, arena);
    l->source = letter_text(l, DEAD_SOURCE, arena);
    l->component = letter_text(l, DEAD_COMPONENT, arena);
    l->time = letter_text(l, DEAD_TIME, arena);
    return *l->id != '\0';
}

/* ---- finding by id -------------------------------------------------------------------------------------------------
 */

struct letter_index {
    const struct letters *letters;
    size_t mask;
    uint32_t slots[]; /* item + 1; 0: free */
};

static struct letter_index *index_new(const struct letters *l)
{
    size_t size = 16;
    while (size < (size_t)l->count * 2)
        size *= 2;
    struct letter_index *x = mem_zalloc(sizeof(*x) + size * sizeof(x->slots[0]));
    x->letters = l;
    x->mask = size - 1;
    return x;
}

/* The slot that has the id, or is free for it. */
static uint32_t *slot_of(struct letter_index *x, const char *id)
{
    size_t at = hash64(id, strlen(id), 0) & x->mask;
    while (x->slots[at] && strcmp(x->letters->items[x->slots[at] - 1].id, id) != 0)
        at = (at + 1) & x->mask;
    return &x->slots[at];
}

struct letter_index *letter_index_new(const struct letters *l)
{
    struct letter_index *x = index_new(l);
    for (uint32_t i = 0; i < l->count; i++)
        *slot_of(x, l->items[i].id) = i + 1;
    return x;
}

uint32_t letter_index_find(const struct letter_index *x, const char *id)
{
    return *slot_of((struct letter_index *)x, id) - 1;
}

void letter_index_free(struct letter_index *x)
{
    free(x);
}

/* Of several with one id the last one stays; the others gather in front. */
static void set_repeats_apart(struct letters *l)
{
    struct letter_index *x = index_new(l);
    uint32_t first = l->count;
    for (uint32_t i = l->count; i-- > 0;) {
        uint32_t *slot = slot_of(x, l->items[i].id);
        if (*slot)
            continue;
        struct letter kept = l->items[i];
        l->items[i] = l->items[--first]; /* a repeat, or itself */
        l->items[first] = kept;
        *slot = first + 1;
    }
    letter_index_free(x);
    l->repeats = l->items;
    l->repeat_count = first;
    l->items += first;
    l->count -= first;
}

/* ---- the list ------------------------------------------------------------------------------------------------------
 */

struct letter *letters_add(struct letters *l)
{
    if ((l->count & (l->count - 1)) == 0) { /* full at every power of two */
        struct letter *grown = arena_array(l->arena, struct letter, l->count ? l->count * 2 : 1);
        if (l->count)
            memcpy(grown, l->items, l->count * sizeof(*grown));
        l->items = grown;
    }
    l->items[l->count] = (struct letter){.line = STR("")};
    return &l->items[l->count++];
}

bool letters_read(const struct config *cfg, struct arena *arena, struct letters *out, struct error *err)
{
    bool is_file = strcmp(cfg->dead_letter->type->name, "file") == 0;
    *out = (struct letters){.store = is_file ? &letter_file : &letter_sink, .cfg = cfg, .arena = arena};
    if (!out->store->read(out, err))
        return false;
    set_repeats_apart(out);
    return true;
}

bool letters_remove(const struct letters *l, const bool *gone, uint32_t *newer, struct error *err)
{
    struct letters now;
    if (!letters_read(l->cfg, l->arena, &now, err))
        return false;
    struct letter_index *before = letter_index_new(l);
    bool *keep = arena_array(l->arena, bool, now.count + 1);
    *newer = 0;
    for (uint32_t i = 0; i < now.count; i++) {
        uint32_t at = letter_index_find(before, now.items[i].id);
        bool is_old = at != UINT32_MAX && strcmp(l->items[at].time, now.items[i].time) == 0;
        keep[i] = !is_old || !gone[at];
        *newer += !is_old;
    }
    letter_index_free(before);
    return now.store->keep(&now, keep, err);
}

uint32_t letters_find(const struct letters *l, const char *prefix, uint32_t *found)
{
    uint32_t count = 0;
    size_t len = strlen(prefix);
    for (uint32_t i = 0; i < l->count; i++)
        if (strncmp(l->items[i].id, prefix, len) == 0) {
            *found = i;
            count++;
        }
    return count;
}
