/*
 * create = true: the table, from what is known about the events before any has come.
 */
#include <string.h>

#include "connectors/postgres/module/pg.h"

static bool is_key(const struct postgres_options *o, const char *name)
{
    for (uint32_t i = 0; i < o->key.count; i++)
        if (strcmp(o->key.items[i], name) == 0)
            return true;
    return false;
}

static const char *column_type(struct type t, char name[48])
{
    if (t.id == TYPE_UNKNOWN)
        return "text";
    if (t.id == TYPE_JSON || t.id == type_array_of(TYPE_JSON))
        return "jsonb";
    if (t.id == TYPE_TEXT && t.precision > 0) {
        snprintf(name, 48, "varchar(%d)", t.precision);
        return name;
    }
    return type_name(t, name);
}

struct statement {
    struct buffer *out;
    struct arena *scratch;
    const struct postgres_options *options;
    uint32_t columns;
};

static void add_column(struct statement *st, const char *name, struct type type)
{
    char text[48];
    buffer_printf(st->out, "%s\n    %s %s%s", st->columns++ ? "," : "", pg_quote(st->scratch, name),
                  column_type(type, text), is_key(st->options, name) ? " NOT NULL" : "");
}

static bool add_mapped(struct statement *st, struct schema *schema, struct error *err)
{
    for (uint32_t i = 0; i < st->options->columns.count; i++) {
        const struct text_entry *e = &st->options->columns.items[i];
        struct path path = path_parse(schema->arena, str_of(e->value));
        int column = path.count == 1 ? schema_visible(schema, path.parts[0]) : -1;
        if (column < 0)
            column = schema_find(schema, &path);
        if (column < 0)
            return error_set(err, ERROR_STOP, "columns: events have no member \"%s\"", e->value);
        add_column(st, e->key, schema->columns[column].type);
    }
    return true;
}

static bool add_visible(struct statement *st, const struct schema *schema)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct column *c = &schema->columns[i];
        if (c->visible && schema_visible(schema, c->name) == (int)i)
            add_column(st, arena_str(st->scratch, c->name).data, c->type);
    }
    const char *unknown = st->options->unknown;
    if (st->columns && strcmp(unknown, "error") != 0 && strcmp(unknown, "ignore") != 0 &&
        schema_visible(schema, str_of(unknown)) < 0)
        add_column(st, unknown, TYPE(TYPE_JSONB));
    return true;
}

bool pg_create_statement(const struct sink *s, struct schema *schema, const char *quoted, struct buffer *out,
                         struct error *err)
{
    const struct postgres_options *o = pg_options(s);
    struct arena scratch = ARENA_INIT;
    struct statement st = {out, &scratch, o, 0};
    buffer_printf(out, "CREATE TABLE IF NOT EXISTS %s (", quoted);
    bool good = o->columns.count ? add_mapped(&st, schema, err) : add_visible(&st, schema);
    if (good && st.columns == 0)
        good = error_set(err, ERROR_STOP,
                         "create = true can't know the columns of table %s: select them in a query, declare the "
                         "source's columns, or list "
                         "`columns`",
                         o->table);
    if (o->key.count)
        buffer_printf(out, ",\n    PRIMARY KEY (");
    for (uint32_t i = 0; i < o->key.count; i++)
        buffer_printf(out, "%s%s", i ? ", " : "", pg_quote(&scratch, o->key.items[i]));
    buffer_printf(out, o->key.count ? ")\n)" : "\n)");
    arena_release(&scratch);
    return good;
}

bool pg_create(struct sink *s, const char *sql, struct error *err)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        if (pg_run(s, sql, err))
            return true;
        /* What two sessions get who pass IF NOT EXISTS at the same time: unique_violation in the catalog,
         * duplicate_table, duplicate_object. */
        if (strcmp(err->sqlstate, "23505") != 0 && strcmp(err->sqlstate, "42P07") != 0 &&
            strcmp(err->sqlstate, "42710") != 0)
            return false;
    }
    err->kind = ERROR_RETRY;
    return false;
}

bool pg_create_table(struct sink *s, struct schema *schema, struct error *err)
{
    struct pg_shared *shared = s->shared;
    struct buffer sql = {0};
    bool done = pg_create_statement(s, schema, shared->table.quoted, &sql, err) &&
                pg_create(s, buffer_cstr(&sql), err) && pg_table_read(s, err);
    buffer_release(&sql);
    return done;
}
