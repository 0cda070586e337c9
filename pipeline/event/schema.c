#include "pipeline/event/schema.h"

uint32_t schema_add(struct schema *s, struct column c)
{
    if (s->count == s->capacity) {
        uint32_t capacity = s->capacity ? s->capacity * 2 : 8;
        struct column *columns = arena_array(s->arena, struct column, capacity);
        if (s->count)
            memcpy(columns, s->columns, s->count * sizeof(*columns));
        s->columns = columns;
        s->capacity = capacity;
    }
    c.name = arena_str(s->arena, c.name);
    c.path = path_copy(s->arena, &c.path);
    s->columns[s->count] = c;
    return s->count++;
}

int schema_visible(const struct schema *s, struct str name)
{
    for (uint32_t i = s->count; i-- > 0;)
        if (s->columns[i].visible && str_eq(s->columns[i].name, name))
            return (int)i;
    return -1;
}

static bool is_hidden(const struct schema *s, struct str name)
{
    for (uint32_t i = 0; i < s->hidden_count; i++)
        if (str_eq(s->hidden[i], name))
            return true;
    return false;
}

/*
 * A visible column is found by its name, whatever it was made from; its path says where it came from only if it is a
 * member of this very event. What is carried unseen is known by its path alone.
 */
static bool holds(const struct column *c, const struct path *path)
{
    return (c->origin == COLUMN_MEMBER || !c->visible) && c->path.count && path_eq(&c->path, path);
}

int schema_find(struct schema *s, const struct path *path)
{
    int visible = schema_visible(s, path->parts[0]);
    if (visible >= 0 && path->count == 1)
        return visible;
    for (uint32_t i = 0; i < s->count; i++)
        if (holds(&s->columns[i], path))
            return (int)i;
    if (visible < 0 && is_hidden(s, path->parts[0]))
        return -1;
    return s->request ? s->request(s, path) : -1;
}

int schema_meta(struct schema *s, enum meta_field field)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->columns[i].origin == COLUMN_META && s->columns[i].meta == field)
            return (int)i;
    return s->request_meta ? s->request_meta(s, field) : -1;
}

void schema_want_raw(struct schema *s)
{
    if (s->wants_raw)
        return;
    s->wants_raw = true;
    if (s->request_raw)
        s->request_raw(s);
}

uint32_t schema_names(const struct schema *s, const char **names, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->columns[i].visible)
            continue;
        if (count < most)
            names[count] = s->columns[i].name.data; /* schema_add's copy ends with NUL */
        count++;
    }
    return count;
}

struct path path_copy(struct arena *a, const struct path *p)
{
    struct path copy = {.count = p->count};
    if (p->count == 0)
        return copy;
    copy.parts = arena_array(a, struct str, p->count);
    for (uint32_t i = 0; i < p->count; i++)
        copy.parts[i] = arena_str(a, p->parts[i]);
    return copy;
}

bool path_eq(const struct path *a, const struct path *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!str_eq(a->parts[i], b->parts[i]))
            return false;
    return true;
}

struct path path_parse(struct arena *a, struct str text)
{
    uint32_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '.';
    struct path p = {.parts = arena_array(a, struct str, count)};
    size_t start = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.data[i] != '.')
            continue;
        p.parts[p.count++] = arena_str(a, (struct str){text.data + start, i - start});
        start = i + 1;
    }
    return p;
}
