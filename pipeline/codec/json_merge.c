/*
 * Rows of an open schema: the event's own text goes out, but columns take the place of the members of their name,
 * hidden members go, and columns that the event has no member for come last. Of members with one name the last one is
 * the event's.
 *
 * What is to be done with each member (the layout) is worked out once and kept while events have the same members in
 * the same order.
 */
#include "pipeline/base/hash.h"
#include "pipeline/codec/json.h"
#include "pipeline/codec/json_encode.h"
#include "pipeline/codec/json_program.h"

/* Instead of an output's index. */
enum { ACTION_COPY = UINT32_MAX, ACTION_DROP = UINT32_MAX - 1 };

struct merge_step {
    struct str key; /* as it stands in the text of the event the layout was made for */
    uint32_t action;
};

/* In the slice's arena, grown where needed and used for all rows of a call. */
struct layout {
    struct merge_step *steps;
    struct str *names; /* the keys without escapes */
    uint32_t count, capacity;
    uint32_t *buckets; /* 1 + index of the last step with a name of that hash */
    uint32_t bucket_count;
    uint32_t *missing; /* outputs that the event has no member for */
    uint32_t missing_count;
};

struct merging {
    const struct encoder *e;
    const struct json_encoder *program;
    struct arena *arena;
    struct layout layout;
};

static struct str unescaped(struct merging *x, struct str key, bool escaped)
{
    struct value v = value_text(key);
    struct error err;
    if (!escaped)
        return key;
    v.flags = VALUE_ESCAPED;
    return value_unescape(x->arena, &v, &err) ? value_str(v) : key;
}

static void add_step(struct merging *x, struct str key, bool escaped)
{
    struct layout *l = &x->layout;
    if (l->count == l->capacity) {
        uint32_t capacity = l->capacity ? 2 * l->capacity : 32;
        struct merge_step *steps = arena_array(x->arena, struct merge_step, capacity);
        struct str *names = arena_array(x->arena, struct str, capacity);
        if (l->count) {
            memcpy(steps, l->steps, l->count * sizeof(*steps));
            memcpy(names, l->names, l->count * sizeof(*names));
        }
        l->steps = steps;
        l->names = names;
        l->capacity = capacity;
    }
    l->names[l->count] = unescaped(x, key, escaped);
    l->steps[l->count++] = (struct merge_step){.key = key, .action = ACTION_COPY};
}

static void clear_buckets(struct merging *x)
{
    struct layout *l = &x->layout;
    uint32_t wanted = 64;
    while (wanted < 2 * l->count)
        wanted *= 2;
    if (wanted > l->bucket_count) {
        l->buckets = arena_array(x->arena, uint32_t, wanted);
        l->bucket_count = wanted;
    }
    memset(l->buckets, 0, l->bucket_count * sizeof(*l->buckets));
}

/* The bucket of step i's name, which holds an earlier step of that name or none. */
static uint32_t *bucket_of(const struct layout *l, uint32_t i)
{
    for (uint32_t k = (uint32_t)hash64(l->names[i].data, l->names[i].len, 0);; k++) {
        uint32_t *bucket = &l->buckets[k & (l->bucket_count - 1)];
        if (*bucket == 0 || str_eq(l->names[*bucket - 1], l->names[i]))
            return bucket;
    }
}

static void decide_actions(struct merging *x)
{
    struct layout *l = &x->layout;
    bool *present = arena_array(x->arena, bool, x->program->output_count);
    memset(present, 0, x->program->output_count);
    for (uint32_t i = 0; i < l->count; i++) {
        const struct json_member *m = json_level_find(x->program->touched, l->names[i]);
        uint32_t *bucket = bucket_of(l, i);
        if (!m) {
            if (*bucket)
                l->steps[*bucket - 1].action = ACTION_DROP;
        } else if (m->slot == JSON_NONE || present[m->slot]) {
            l->steps[i].action = ACTION_DROP;
        } else {
            l->steps[i].action = m->slot;
            present[m->slot] = true;
        }
        *bucket = i + 1;
    }
    if (!l->missing)
        l->missing = arena_array(x->arena, uint32_t, x->program->output_count);
    l->missing_count = 0;
    for (uint32_t o = 0; o < x->program->output_count; o++)
        if (!present[o])
            l->missing[l->missing_count++] = o;
}

static void make_layout(struct merging *x, struct str event)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    x->layout.count = 0;
    json_object_open(&m, event);
    while (json_object_next(&m, &key, &escaped, &value))
        add_step(x, key, escaped);
    clear_buckets(x);
    decide_actions(x);
}

static void put_output(const struct merging *x, const struct slice *in, uint32_t row, uint32_t output,
                       struct buffer *out)
{
    const struct json_output *o = &x->program->outputs[output];
    buffer_add_str(out, o->label);
    json_put_value(out, x->e, o, in->columns[o->column][row]);
}

/* Members that go out as they stand, in one piece with what is between them. */
static void put_run(struct buffer *out, const char **start, const char *end)
{
    if (*start) {
        buffer_add_byte(out, ',');
        buffer_add(out, *start, (size_t)(end - *start));
    }
    *start = NULL;
}

/* Everything begins with a comma, the first of which becomes the '{'. False: the event is not of this layout. */
static bool put_members(const struct merging *x, const struct slice *in, uint32_t row, struct str event,
                        struct buffer *out)
{
    const struct layout *l = &x->layout;
    struct json_members m;
    struct str key, value;
    bool escaped;
    const char *run = NULL, *run_end = NULL;
    uint32_t i = 0;
    json_object_open(&m, event);
    for (; json_object_next(&m, &key, &escaped, &value); i++) {
        if (i == l->count || !str_eq(key, l->steps[i].key))
            return false;
        uint32_t action = l->steps[i].action;
        if (action == ACTION_COPY) {
            run = run ? run : key.data - 1;
            run_end = value.data + value.len;
            continue;
        }
        put_run(out, &run, run_end);
        if (action != ACTION_DROP)
            put_output(x, in, row, action, out);
    }
    put_run(out, &run, run_end);
    return i == l->count;
}

static void merge_row(struct merging *x, const struct slice *in, uint32_t row, struct buffer *out)
{
    struct str event = in->raw[row];
    if (x->program->touched->count == 0) {
        json_put_line(out, event);
        buffer_add_byte(out, '\n');
        return;
    }
    if (memchr(event.data, '\n', event.len)) {
        struct buffer line = {.data = arena_array(x->arena, char, event.len), .capacity = event.len};
        json_put_line(&line, event);
        event = (struct str){line.data, line.len};
    }
    size_t start = out->len;
    while (!x->layout.missing || !put_members(x, in, row, event, out)) {
        out->len = start;
        make_layout(x, event);
    }
    for (uint32_t i = 0; i < x->layout.missing_count; i++)
        put_output(x, in, row, x->layout.missing[i], out);
    if (out->len == start)
        buffer_add_byte(out, '{');
    out->data[start] = '{';
    buffer_add(out, "}\n", 2);
}

void json_merge_rows(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                     struct buffer *out, uint32_t *row_end)
{
    struct merging x = {.e = e, .program = e->program, .arena = in->arena};
    for (uint32_t i = 0; i < count; i++) {
        merge_row(&x, in, rows[i], out);
        if (row_end)
            row_end[i] = (uint32_t)out->len;
    }
}
