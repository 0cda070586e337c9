/*
 * Members of events ↔ columns of the table, once per incoming edge, before anything flows: what can be known to fail
 * then fails here, with the column's name.
 */
#include <stdarg.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"
#include "pipeline/event/array.h"

struct binder {
    struct sink *sink;
    struct binding *binding;
    struct schema *schema;
    const struct pg_table *table;
    const struct postgres_options *options;
    struct pg_program *program;
    uint32_t *columns; /* of the layout: table columns, in order */
    struct str *known;
    uint32_t known_count;
    struct error *err;
};

static bool fail(struct binder *bd, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct binder *bd, const char *sqlstate, const char *format, ...)
{
    char text[800];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(bd->err, ERROR_STOP, "table %s: %s", bd->table->name, text);
    memcpy(bd->err->sqlstate, sqlstate, 6);
    return false;
}

/* ---- types ------------------------------------------------------------------------------------------------------ */

static uint32_t ready_kinds(const struct pg_column *c)
{
    bool has_typmod = c->type.precision >= 0;
    switch (c->form) {
    case PG_BOOL:
        return 1u << VALUE_BOOL;
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
        return 1u << VALUE_INT;
    case PG_FLOAT4:
        return 1u << VALUE_REAL;
    case PG_FLOAT8:
        return 1u << VALUE_DOUBLE;
    case PG_NUMERIC:
        return has_typmod ? 0 : 1u << VALUE_DECIMAL | 1u << VALUE_NUMBER;
    case PG_CAST:
        return c->item ? 0 : 1u << VALUE_TEXT;
    case PG_TEXT:
        return 1u << VALUE_TEXT;
    case PG_BYTEA:
        return 1u << VALUE_BYTES;
    case PG_DATE:
        return 1u << VALUE_DATE;
    case PG_TIMESTAMP:
        return has_typmod ? 0 : 1u << VALUE_TIMESTAMP;
    case PG_TIMESTAMPTZ:
        return has_typmod ? 0 : 1u << VALUE_TIMESTAMPTZ;
    case PG_INTERVAL:
        return 1u << VALUE_INTERVAL;
    case PG_UUID:
        return 1u << VALUE_UUID;
    case PG_JSON:
    case PG_JSONB:
        return 1u << VALUE_JSON;
    case PG_ARRAY:
        return 0;
    }
    return 0;
}

enum family { FAMILY_NUMBER, FAMILY_TIME, FAMILY_OTHER };

static enum family family_of(enum type_id id)
{
    if (id >= TYPE_SMALLINT && id <= TYPE_DOUBLE)
        return FAMILY_NUMBER;
    return id == TYPE_DATE || id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ ? FAMILY_TIME : FAMILY_OTHER;
}

/* Postgres's assignment casts. What has no type of its own yet (CSV, undeclared JSON) takes the column's. */
static bool is_assignable(struct type from, const struct pg_column *to)
{
    if (from.id == TYPE_UNKNOWN || from.id == TYPE_JSON || to->type.id == TYPE_TEXT || from.id == to->type.id)
        return true;
    if (from.id == TYPE_TEXT && to->item)
        return true; /* {a,b}, as ever */
    if (type_is_array(from.id) && to->item)
        return is_assignable(array_element_type(from), to->item);
    if (type_is_array(from.id))
        return to->type.id == TYPE_JSONB;
    return family_of(from.id) != FAMILY_OTHER && family_of(from.id) == family_of(to->type.id);
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

static bool is_key(const struct binder *bd, const char *name)
{
    for (uint32_t i = 0; i < bd->options->key.count; i++)
        if (strcmp(bd->options->key.items[i], name) == 0)
            return bd->options->write == POSTGRES_UPSERT || bd->options->write == POSTGRES_INSERT;
    return false;
}

static const struct pg_field *item_field(struct binder *bd, const struct pg_column *c)
{
    struct pg_field *f = arena_new(bd->binding->arena, struct pg_field);
    *f = (struct pg_field){.column = c->item, .source = -1, .from = c->item->type, .ready = ready_kinds(c->item)};
    return f;
}

static bool add_field(struct binder *bd, uint32_t table_column, int source, struct type from)
{
    const struct pg_column *c = &bd->table->columns[table_column];
    if (c->generated)
        return fail(bd, "428C9", "column \"%s\" is generated: it can't be written", c->name);
    if (!is_assignable(from, c)) {
        char name[48];
        return fail(bd, "42804", "column \"%s\" is of type %s but the events have %s: cast it in the query", c->name,
                    c->type_name, type_name(from, name));
    }
    struct pg_program *p = bd->program;
    bd->columns[p->count] = table_column;
    p->fields[p->count++] = (struct pg_field){
        .column = c, .source = source, .from = from, .ready = ready_kinds(c), .key = is_key(bd, c->name)};
    if (c->form == PG_ARRAY)
        p->fields[p->count - 1].item = item_field(bd, c);
    return true;
}

static int find_path(struct binder *bd, const struct path *path)
{
    if (path->count == 2 && str_eq(path->parts[0], STR("meta"))) {
        int field = meta_field_find(path->parts[1]);
        return field < 0 ? -1 : schema_meta(bd->schema, (enum meta_field)field);
    }
    int column = path->count == 1 ? schema_visible(bd->schema, path->parts[0]) : -1;
    return column >= 0 ? column : schema_find(bd->schema, path);
}

static bool fail_missing(struct binder *bd, const char *member)
{
    const char *names[256];
    uint32_t count = schema_names(bd->schema, names, 256);
    const char *near = str_nearest(member, names, count < 256 ? count : 256);
    return fail(bd, "42703", "events have no member \"%s\"%s%s%s", member, near ? ": did you mean \"" : "",
                near ? near : "", near ? "\"?" : "");
}

static bool fail_no_column(struct binder *bd, const char *name, bool can_ignore)
{
    const char **names = arena_array(bd->binding->arena, const char *, bd->table->count + 1);
    for (uint32_t i = 0; i < bd->table->count; i++)
        names[i] = bd->table->columns[i].name;
    const char *near = str_nearest(name, names, bd->table->count);
    return fail(bd, "42703", "there is no column \"%s\"%s%s%s%s", name, near ? ": did you mean \"" : "",
                near ? near : "", near ? "\"?" : "",
                can_ignore ? "; unknown = \"ignore\" leaves out what the table has no column for" : "");
}

static bool bind_mapped(struct binder *bd)
{
    const struct text_table *map = &bd->options->columns;
    for (uint32_t i = 0; i < map->count; i++)
        if (pg_table_find(bd->table, map->items[i].key) < 0)
            return fail_no_column(bd, map->items[i].key, false);
    for (uint32_t c = 0; c < bd->table->count; c++)
        for (uint32_t i = 0; i < map->count; i++) {
            if (strcmp(map->items[i].key, bd->table->columns[c].name) != 0)
                continue;
            struct path path = path_parse(bd->binding->arena, str_of(map->items[i].value));
            int column = find_path(bd, &path);
            if (column < 0)
                return fail_missing(bd, map->items[i].value);
            if (!add_field(bd, c, column, bd->schema->columns[column].type))
                return false;
        }
    return true;
}

static bool is_hidden(const struct schema *s, struct str name)
{
    for (uint32_t i = 0; i < s->hidden_count; i++)
        if (str_eq(s->hidden[i], name))
            return true;
    return false;
}

static bool takes_unknown(const struct binder *bd)
{
    return strcmp(bd->options->unknown, "error") != 0 && strcmp(bd->options->unknown, "ignore") != 0;
}

/* The column of the slice for a table column, by name; -1: events don't have it, or it is the server's to fill. */
static int find_by_name(struct binder *bd, const struct pg_column *c)
{
    struct str name = str_of(c->name);
    int column = schema_visible(bd->schema, name);
    if (column >= 0 || !bd->schema->open || is_hidden(bd->schema, name) || c->numbered || c->generated)
        return column;
    if (takes_unknown(bd) && strcmp(c->name, bd->options->unknown) == 0)
        return -1;
    return schema_find(bd->schema, &(struct path){&name, 1});
}

static bool bind_by_name(struct binder *bd)
{
    for (uint32_t i = 0; i < bd->table->count; i++) {
        const struct pg_column *c = &bd->table->columns[i];
        int column = find_by_name(bd, c);
        if (column < 0 && takes_unknown(bd) && strcmp(c->name, bd->options->unknown) == 0) {
            if (!add_field(bd, i, -1, TYPE(TYPE_JSONB)))
                return false;
            continue;
        }
        if (column < 0)
            continue;
        bd->known[bd->known_count++] = str_of(c->name);
        if (!add_field(bd, i, column, bd->schema->columns[column].type))
            return false;
    }
    return true;
}

/* ---- members without a column ----------------------------------------------------------------------------------- */

static bool is_visible_member(const struct schema *s, uint32_t i)
{
    return s->columns[i].visible && schema_visible(s, s->columns[i].name) == (int)i;
}

static bool bind_unknown(struct binder *bd)
{
    struct pg_program *p = bd->program;
    const struct schema *schema = bd->schema;
    if (strcmp(bd->options->unknown, "ignore") == 0)
        return true;
    uint32_t *collect = arena_array(bd->binding->arena, uint32_t, schema->count + 1);
    for (uint32_t i = 0; i < schema->count; i++) {
        if (!is_visible_member(schema, i))
            continue;
        const char *name = arena_str(bd->binding->arena, schema->columns[i].name).data;
        if (pg_table_find(bd->table, name) >= 0)
            continue;
        if (!takes_unknown(bd))
            return fail_no_column(bd, name, true);
        collect[p->collect_count++] = i;
        bd->known[bd->known_count++] = schema->columns[i].name; /* replaced in the open event */
    }
    p->collect = collect;
    p->unknown = takes_unknown(bd) ? PG_UNKNOWN_COLLECT : schema->open ? PG_UNKNOWN_ERROR : PG_UNKNOWN_NONE;
    p->open = schema->open;
    if (!schema->open || p->unknown == PG_UNKNOWN_NONE)
        return true;
    for (uint32_t i = 0; i < schema->hidden_count; i++)
        bd->known[bd->known_count++] = schema->hidden[i];
    p->known = bd->known;
    p->known_count = bd->known_count;
    schema_want_raw(bd->schema);
    return true;
}

static bool has_field(const struct binder *bd, uint32_t table_column)
{
    for (uint32_t i = 0; i < bd->program->count; i++)
        if (bd->columns[i] == table_column)
            return true;
    return false;
}

static bool check_complete(struct binder *bd)
{
    if (bd->program->count == 0)
        return fail(bd, "42703", "none of its columns has the name of a member of the events");
    for (uint32_t i = 0; i < bd->options->key.count; i++) {
        int column = pg_table_find(bd->table, bd->options->key.items[i]);
        if (column < 0)
            return fail_no_column(bd, bd->options->key.items[i], false);
        if (!has_field(bd, (uint32_t)column))
            return fail(bd, "42703", "the events have no member for the key column \"%s\"", bd->options->key.items[i]);
    }
    for (uint32_t i = 0; i < bd->table->count; i++) {
        const struct pg_column *c = &bd->table->columns[i];
        if (c->required && !c->has_default && !c->generated && !has_field(bd, i))
            return fail(bd, "23502",
                        "column \"%s\" is NOT NULL and has no default, and the events have no member for it", c->name);
    }
    if (takes_unknown(bd) && bd->options->columns.count == 0 && pg_table_find(bd->table, bd->options->unknown) < 0)
        return fail_no_column(bd, bd->options->unknown, false);
    return true;
}

static bool bind_fields(struct binder *bd)
{
    bool mapped = bd->options->columns.count > 0;
    return (mapped ? bind_mapped(bd) : bind_by_name(bd)) && (mapped || bind_unknown(bd)) && check_complete(bd);
}

bool pg_bind(struct sink *s, struct binding *b, struct error *err)
{
    struct pg_shared *shared = s->shared;
    if (!shared->table.exists && !(pg_create_table(s, b->schema, err) && pg_check_key(s, err)))
        return false;
    uint32_t most = shared->table.count + b->schema->count + b->schema->hidden_count + 1;
    struct pg_program *p = arena_new(b->arena, struct pg_program);
    p->shared = shared;
    p->source = arena_str(b->arena, b->source_name).data;
    p->fields = arena_array(b->arena, struct pg_field, most);
    struct binder bd = {
        .sink = s,
        .binding = b,
        .schema = b->schema,
        .table = &shared->table,
        .options = pg_options(s),
        .program = p,
        .columns = arena_array(b->arena, uint32_t, most),
        .known = arena_array(b->arena, struct str, 2 * most),
        .err = err,
    };
    if (!bind_fields(&bd))
        return false;
    p->layout = pg_layout(s, bd.columns, p->count, err);
    p->fixed = 2 + 20 * (size_t)p->count;
    b->program = p;
    return p->layout != UINT32_MAX;
}
