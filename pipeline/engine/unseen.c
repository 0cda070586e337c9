#include "pipeline/engine/unseen.h"

#include <stdlib.h>

#include "pipeline/codec/json.h"

enum { SAMPLE_MAX = 64 << 10, NAMES_MAX = 256 };

struct unseen {
    const struct schema *schema;
    uint32_t count;
    atomic_bool *seen; /* per column */
    atomic_uint left;  /* not seen yet */
    atomic_flag sampling;
    atomic_bool sampled;
    atomic_bool any; /* an event was there at all */
    struct buffer sample; /* of the first event: its text, or its header's names as a JSON array */
};

static bool is_watched(const struct column *c)
{
    return c->origin == COLUMN_MEMBER && !c->declared;
}

static void free_sample(void *object)
{
    buffer_release(&((struct unseen *)object)->sample);
}

struct unseen *unseen_new(const struct schema *s, struct arena *plan)
{
    struct unseen *u = arena_new(plan, struct unseen);
    u->schema = s;
    u->count = s->count;
    u->seen = arena_array(plan, atomic_bool, s->count + 1);
    uint32_t watched = 0;
    for (uint32_t c = 0; c < s->count; c++) {
        bool watch = s->open && is_watched(&s->columns[c]);
        atomic_init(&u->seen[c], !watch);
        watched += watch;
    }
    atomic_init(&u->left, watched);
    arena_on_end(plan, free_sample, u);
    return u;
}

static void take_sample(struct unseen *u, const struct decoder *d, const struct slice *s)
{
    if (atomic_load_explicit(&u->sampled, memory_order_relaxed) || atomic_flag_test_and_set(&u->sampling))
        return;
    uint32_t record = s->record[s->sel[0]];
    const struct partition *p = batch_record_partition(s->batch, record);
    struct str bytes = batch_record_bytes(s->batch, record);
    if (p->format_state && d->format->save_start)
        d->format->save_start(p, &u->sample);
    else if (d->format == &format_json && bytes.len <= SAMPLE_MAX)
        buffer_add_str(&u->sample, bytes);
    atomic_store_explicit(&u->sampled, true, memory_order_release);
}

static bool has_value(const struct slice *s, const struct value *column)
{
    for (uint32_t i = 0; i < s->selected; i++)
        if (column[s->sel[i]].kind != VALUE_NULL)
            return true;
    return false;
}

void unseen_look(struct unseen *u, const struct decoder *d, const struct slice *s)
{
    if (atomic_load_explicit(&u->left, memory_order_relaxed) == 0 || s->selected == 0)
        return;
    atomic_store_explicit(&u->any, true, memory_order_relaxed);
    take_sample(u, d, s);
    for (uint32_t c = 0; c < u->count; c++) {
        if (atomic_load_explicit(&u->seen[c], memory_order_relaxed) || !s->columns[c] || !has_value(s, s->columns[c]))
            continue;
        if (!atomic_exchange_explicit(&u->seen[c], true, memory_order_relaxed))
            atomic_fetch_sub_explicit(&u->left, 1, memory_order_relaxed);
    }
}

/* ---- afterwards ---------------------------------------------------------------------------------------------------------- */

static const char *text_of(struct str json, struct arena *a)
{
    struct error err;
    struct value v = json_to_value(json);
    return v.kind == VALUE_TEXT && value_unescape(a, &v, &err) ? arena_str(a, value_str(v)).data : "";
}

static uint32_t sampled_names(const struct unseen *u, const char **names, struct arena *a)
{
    struct json_members m;
    struct str key, value, text = {u->sample.data, u->sample.len};
    bool escaped;
    uint32_t n = 0;
    if (!atomic_load_explicit(&u->sampled, memory_order_acquire) || text.len == 0)
        return 0;
    if (json_object_open(&m, text)) {
        while (n < NAMES_MAX && json_object_next(&m, &key, &escaped, &value))
            names[n++] = text_of((struct str){key.data - 1, key.len + 2}, a); /* its quotes stand around it */
    } else if (json_array_open(&m, text)) {
        while (n < NAMES_MAX && json_array_next(&m, &value))
            names[n++] = text_of(value, a);
    }
    return n;
}

void unseen_each(const struct unseen *u, void (*each)(void *arg, const char *member, const char *nearest), void *arg)
{
    struct arena arena = ARENA_INIT;
    const char *names[NAMES_MAX];
    uint32_t n = atomic_load(&u->any) ? sampled_names(u, names, &arena) : 0;
    for (uint32_t c = 0; n && c < u->count; c++) {
        const struct path *path = &u->schema->columns[c].path;
        if (atomic_load(&u->seen[c]))
            continue;
        const char *first = arena_str(&arena, path->parts[0]).data, *member = first;
        bool there = false; /* always null, then, which is no mistake */
        for (uint32_t i = 0; i < n; i++)
            there |= strcmp(names[i], first) == 0;
        for (uint32_t i = 1; i < path->count; i++)
            member = arena_printf(&arena, "%s." STR_FMT, member, STR_ARG(path->parts[i]));
        if (!there)
            each(arg, member, str_nearest(first, names, n));
    }
    arena_release(&arena);
}
