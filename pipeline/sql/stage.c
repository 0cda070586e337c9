#include "pipeline/sql/stage.h"

static uint32_t add(struct stage *s, struct column c, struct stage_column from)
{
    uint32_t index = schema_add(s->out, c);
    if (index >= s->capacity) {
        uint32_t capacity = s->capacity ? s->capacity * 2 : 16;
        struct stage_column *grown = arena_array(s->out->arena, struct stage_column, capacity);
        if (s->capacity)
            memcpy(grown, s->columns, s->capacity * sizeof(*grown));
        s->columns = grown;
        s->capacity = capacity;
    }
    s->columns[index] = from;
    return index;
}

/* The column of out that passes this one on. */
static int pass(struct stage *s, int column, bool visible)
{
    for (uint32_t i = 0; i < s->out->count; i++)
        if (s->columns[i].from == column)
            return (int)i;
    struct column c = s->in->columns[column];
    c.visible = visible;
    c.declared = false;
    if (c.origin != COLUMN_META)
        c.origin = COLUMN_DERIVED;
    if (visible)
        c.path = (struct path){0};
    return (int)add(s, c, (struct stage_column){.from = column});
}

static int request_member(struct schema *out, const struct path *path)
{
    struct stage *s = out->owner;
    int visible = schema_visible(out, path->parts[0]);
    if (visible >= 0 && s->columns[visible].from < 0)
        return -1; /* the inside of an own column: bind_column reaches into it */
    int column = schema_find(s->in, path);
    return column < 0 ? -1 : pass(s, column, false);
}

static int request_meta(struct schema *out, enum meta_field field)
{
    struct stage *s = out->owner;
    int column = schema_meta(s->in, field);
    return column < 0 ? -1 : pass(s, column, false);
}

static void request_raw(struct schema *out)
{
    struct stage *s = out->owner;
    schema_want_raw(s->in);
}

void stage_init(struct stage *s, struct scope *scope, struct arena *plan)
{
    s->previous = scope->last;
    s->in = scope->last ? scope->last->out : scope->input;
    s->out = arena_new(plan, struct schema);
    *s->out = (struct schema){.arena = plan,
                              .open = s->in->open,
                              .hidden = s->in->hidden,
                              .hidden_count = s->in->hidden_count,
                              .request = request_member,
                              .request_meta = request_meta,
                              .request_raw = request_raw,
                              .owner = s};
    for (uint32_t i = 0; i < s->in->count; i++)
        if (s->in->columns[i].visible)
            pass(s, (int)i, true);
    s->first_own = s->out->count;
}

void stage_own(struct stage *s, struct str name, struct type type, bool visible)
{
    struct column c = {.name = name, .type = type, .visible = visible, .origin = COLUMN_DERIVED};
    add(s, c, (struct stage_column){.from = -1, .own = s->own_count++});
}

int stage_carry(struct scope *scope, const struct stage *s, int column)
{
    for (struct stage *next = s ? s->next : scope->first; next; next = next->next)
        column = pass(next, column, false);
    return column;
}

const struct stage *stage_owner(const struct scope *scope, int column)
{
    const struct stage *s = scope->last;
    for (; s && s->columns[column].from >= 0; s = s->previous)
        column = s->columns[column].from;
    return s;
}
