#include "pipeline/engine/table_columns.h"

#include <stdarg.h>
#include <stdio.h>

#include "pipeline/codec/json.h"

struct matcher {
    const struct table_columns *table;
    struct schema *schema;
    struct arena *arena;
    struct table_match *match;
    struct str *known;
    struct error *err;
};

static bool fail(const struct matcher *mt, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
static bool fail(const struct matcher *mt, const char *sqlstate, const char *format, ...)
{
    char text[800];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(mt->err, ERROR_STOP, "table %s: %s", mt->table->name, text);
    memcpy(mt->err->sqlstate, sqlstate, 6);
    return false;
}

int table_find(const struct table_columns *t, const char *name)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

static bool fail_no_column(const struct matcher *mt, const char *name, const char *advice)
{
    const char **names = arena_array(mt->arena, const char *, mt->table->count + 1);
    for (uint32_t i = 0; i < mt->table->count; i++)
        names[i] = mt->table->columns[i].name;
    const char *near = str_nearest(name, names, mt->table->count);
    return fail(mt, "42703", "there is no column \"%s\"%s%s%s%s", name, near ? ": did you mean \"" : "",
                near ? near : "", near ? "\"?" : "", advice);
}

static bool collects(const struct table_columns *t)
{
    return strcmp(t->unknown, "error") != 0 && strcmp(t->unknown, "ignore") != 0;
}

static bool is_hidden(const struct schema *s, struct str name)
{
    for (uint32_t i = 0; i < s->hidden_count; i++)
        if (str_eq(s->hidden[i], name))
            return true;
    return false;
}

static void add_field(struct matcher *mt, uint32_t column, int32_t source)
{
    mt->match->fields[mt->match->count++] = (struct table_field){column, source};
}

/* ---- columns, by name
 * ------------------------------------------------------------------------------------------------- */

static bool match_column(struct matcher *mt, uint32_t column)
{
    const struct table_column *c = &mt->table->columns[column];
    struct str name = str_of(c->name);
    bool takes_strays = collects(mt->table) && strcmp(c->name, mt->table->unknown) == 0;
    int source = schema_visible(mt->schema, name);
    if (c->generated)
        return source < 0 || fail(mt, "428C9", "column \"%s\" is generated: it can't be written", c->name);
    if (source < 0 && takes_strays) {
        add_field(mt, column, -1);
        return true;
    }
    if (source < 0 && mt->schema->open && !is_hidden(mt->schema, name))
        source = schema_find(mt->schema, &(struct path){&name, 1});
    if (source < 0)
        return true;
    mt->known[mt->match->known_count++] = name;
    add_field(mt, column, source);
    return true;
}

/* ---- members without a column
 * ----------------------------------------------------------------------------------------- */

/* Visible members are known now; those of an open event beside them show themselves later. */
static bool match_strays(struct matcher *mt)
{
    struct table_match *m = mt->match;
    const struct schema *schema = mt->schema;
    if (strcmp(mt->table->unknown, "ignore") == 0)
        return true;
    uint32_t *collect = arena_array(mt->arena, uint32_t, schema->count + 1);
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct column *c = &schema->columns[i];
        if (!c->visible || schema_visible(schema, c->name) != (int)i)
            continue;
        const char *name = arena_str(mt->arena, c->name).data;
        if (table_find(mt->table, name) >= 0)
            continue;
        if (!collects(mt->table))
            return fail_no_column(mt, name, "; unknown = \"ignore\" leaves out what the table has no column for");
        collect[m->collect_count++] = i;
        mt->known[m->known_count++] = c->name; /* in place of the event's own */
    }
    m->collect = collect;
    if (!schema->open)
        return true;
    m->refuses = !collects(mt->table);
    for (uint32_t i = 0; i < schema->hidden_count; i++)
        mt->known[m->known_count++] = schema->hidden[i];
    schema_want_raw(mt->schema);
    return true;
}

static bool has_field(const struct table_match *m, uint32_t column)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->fields[i].column == column)
            return true;
    return false;
}

static bool check_complete(const struct matcher *mt)
{
    const struct table_columns *t = mt->table;
    if (mt->match->count == 0)
        return fail(mt, "42703", "none of its columns has the name of a member of the events");
    for (uint32_t i = 0; i < t->key.count; i++) {
        int column = table_find(t, t->key.items[i]);
        if (column < 0)
            return fail_no_column(mt, t->key.items[i], "");
        if (!has_field(mt->match, (uint32_t)column))
            return fail(mt, "42703", "the events have no member for the key column \"%s\"", t->key.items[i]);
    }
    for (uint32_t i = 0; i < t->count; i++)
        if (t->columns[i].must_be_set && !has_field(mt->match, i))
            return fail(mt, "23502",
                        "column \"%s\" is NOT NULL and has no default, and the events have no member for it",
                        t->columns[i].name);
    if (collects(t) && table_find(t, t->unknown) < 0)
        return fail_no_column(mt, t->unknown, "");
    return true;
}

bool table_match(struct table_match *m, const struct table_columns *t, struct binding *b, struct error *err)
{
    struct matcher mt = {.table = t, .schema = b->schema, .arena = b->arena, .match = m, .err = err};
    *m = (struct table_match){.schema = b->schema, .fields = arena_array(b->arena, struct table_field, t->count + 1)};
    mt.known = arena_array(b->arena, struct str, t->count + b->schema->count + b->schema->hidden_count + 1);
    m->known = mt.known;
    for (uint32_t i = 0; i < t->count; i++)
        if (!match_column(&mt, i))
            return false;
    return match_strays(&mt) && check_complete(&mt);
}

/* ---- per row
 * ------------------------------------------------------------------------------------------------------------ */

static bool is_known(const struct table_match *m, struct str key, uint32_t *hint)
{
    for (uint32_t i = 0; i < m->known_count; i++) {
        uint32_t k = (*hint + i) % m->known_count;
        if (str_eq(m->known[k], key)) {
            *hint = k + 1;
            return true;
        }
    }
    return false;
}

/* The key's characters; one that has none ("\u0000") is no column's name. */
static struct str key_text(struct str key, struct arena *arena)
{
    struct value v = value_text(key);
    v.flags = VALUE_ESCAPED;
    struct error ignored;
    return value_unescape(arena, &v, &ignored) ? value_str(v) : key;
}

static bool next_stray(const struct table_match *m, struct json_members *members, struct arena *arena, uint32_t *hint,
                       struct str *key, struct str *value)
{
    bool escaped;
    while (json_object_next(members, key, &escaped, value))
        if (!is_known(m, escaped ? key_text(*key, arena) : *key, hint))
            return true;
    return false;
}

bool table_stray(const struct table_match *m, const struct slice *in, uint32_t row, struct arena *arena,
                 struct str *member)
{
    struct json_members members;
    struct str value;
    uint32_t hint = 0;
    return in->raw && json_object_open(&members, in->raw[row]) && next_stray(m, &members, arena, &hint, member, &value);
}

static void add_member(struct buffer *out, struct str escaped_key)
{
    buffer_add(out, out->len ? ",\"" : "{\"", 2);
    buffer_add_str(out, escaped_key);
    buffer_add(out, "\":", 2);
}

struct value table_collect(const struct table_match *m, const struct slice *in, uint32_t row,
                           const struct convert_context *cx)
{
    struct buffer out = {0}, name = {0};
    struct json_members members;
    struct str key, value;
    uint32_t hint = 0;
    if (m->schema->open && in->raw && json_object_open(&members, in->raw[row]))
        while (next_stray(m, &members, cx->arena, &hint, &key, &value)) {
            add_member(&out, key);
            buffer_add_str(&out, value);
        }
    for (uint32_t i = 0; i < m->collect_count; i++) {
        const struct column *c = &m->schema->columns[m->collect[i]];
        buffer_clear(&name);
        json_escape(&name, c->name);
        add_member(&out, (struct str){name.data, name.len});
        value_print_json(in->columns[m->collect[i]][row], c->type, cx->zone, &out);
    }
    if (out.len)
        buffer_add_byte(&out, '}');
    struct str text = arena_str(cx->arena, (struct str){out.data, out.len});
    buffer_release(&out);
    buffer_release(&name);
    return text.len ? (struct value){.kind = VALUE_JSON, .len = (uint32_t)text.len, .ptr = text.data} : value_null();
}
