/*
 * The statements of a layout. Where rows can't go straight into the table (a key, or a column that the server casts)
 * there are two ways: many rows by COPY into a temporary table and one INSERT … SELECT from it, few by INSERT … SELECT
 * FROM unnest() of arrays.
 */
#include <string.h>

#include "connectors/postgres/module/pg.h"

struct maker {
    struct arena *arena;
    const struct pg_table *table;
    const struct postgres_options *options;
    const struct pg_layout *layout;
    struct buffer sql;
};

static const struct pg_column *column_of(const struct maker *m, uint32_t i)
{
    return &m->table->columns[m->layout->columns[i]];
}

static bool is_key(const struct maker *m, const char *name)
{
    for (uint32_t i = 0; i < m->options->key.count; i++)
        if (strcmp(m->options->key.items[i], name) == 0)
            return true;
    return false;
}

static const char *finish(struct maker *m)
{
    const char *text = arena_strdup(m->arena, buffer_cstr(&m->sql));
    buffer_clear(&m->sql);
    return text;
}

static void add_names(struct maker *m)
{
    for (uint32_t i = 0; i < m->layout->count; i++)
        buffer_printf(&m->sql, "%s%s", i ? ", " : "", column_of(m, i)->quoted);
}

static void add_key(struct maker *m)
{
    for (uint32_t i = 0; i < m->options->key.count; i++)
        buffer_printf(&m->sql, "%s%s", i ? ", " : "", pg_quote(m->arena, m->options->key.items[i]));
}

/* What a column is called in the stage and in unnest: its own name could be anything, even "ord". */
static void add_values(struct maker *m)
{
    for (uint32_t i = 0; i < m->layout->count; i++) {
        const struct pg_column *c = column_of(m, i);
        buffer_printf(&m->sql, "%sc%u%s%s", i ? ", " : "", i, c->form == PG_CAST ? "::" : "",
                      c->form == PG_CAST ? c->type_name : "");
    }
}

static void add_conflict(struct maker *m)
{
    if (m->options->write == POSTGRES_APPEND || m->options->write == POSTGRES_REPLACE)
        return;
    buffer_printf(&m->sql, " ON CONFLICT ");
    if (m->options->key.count) {
        buffer_add_byte(&m->sql, '(');
        add_key(m);
        buffer_printf(&m->sql, ") ");
    }
    uint32_t set = 0;
    for (uint32_t i = 0; i < m->layout->count && m->options->write == POSTGRES_UPSERT; i++) {
        const struct pg_column *c = column_of(m, i);
        if (!is_key(m, c->name))
            buffer_printf(&m->sql, "%s%s = EXCLUDED.%s", set++ ? ", " : "DO UPDATE SET ", c->quoted, c->quoted);
    }
    if (set == 0)
        buffer_printf(&m->sql, "DO NOTHING");
}

/* INSERT INTO table (…) SELECT … FROM `rows`, which has columns c0 … and ord. Of rows with one key the last is taken,
 * in the key's order: so that two connections lock rows in the same order. */
static const char *make_insert(struct maker *m, const char *rows)
{
    bool upsert = m->options->write == POSTGRES_UPSERT;
    buffer_printf(&m->sql, "INSERT INTO %s (", m->table->quoted);
    add_names(m);
    buffer_printf(&m->sql, ") OVERRIDING SYSTEM VALUE SELECT ");
    struct buffer key = {0};
    for (uint32_t i = 0; i < m->layout->count && upsert; i++)
        if (is_key(m, column_of(m, i)->name))
            buffer_printf(&key, "%sc%u%s%s", key.len ? ", " : "", i, column_of(m, i)->form == PG_CAST ? "::" : "",
                          column_of(m, i)->form == PG_CAST ? column_of(m, i)->type_name : "");
    if (upsert)
        buffer_printf(&m->sql, "DISTINCT ON (%s) ", buffer_cstr(&key));
    add_values(m);
    buffer_printf(&m->sql, " FROM %s ORDER BY %s%sord%s", rows, upsert ? buffer_cstr(&key) : "", upsert ? ", " : "",
                  upsert ? " DESC" : "");
    buffer_release(&key);
    add_conflict(m);
    return finish(m);
}

static const char *array_type(const struct pg_column *c)
{
    return c->form == PG_CAST ? "text" : c->type_name;
}

static const char *make_unnest(struct maker *m)
{
    struct buffer rows = {0};
    buffer_printf(&rows, "unnest(");
    for (uint32_t i = 0; i < m->layout->count; i++)
        buffer_printf(&rows, "%s$%u", i ? ", " : "", i + 1);
    buffer_printf(&rows, ") WITH ORDINALITY AS u (");
    for (uint32_t i = 0; i < m->layout->count; i++)
        buffer_printf(&rows, "c%u, ", i);
    buffer_printf(&rows, "ord)");
    const char *sql = make_insert(m, buffer_cstr(&rows));
    buffer_release(&rows);
    return sql;
}

static const char *make_copy(struct maker *m, const char *into)
{
    buffer_printf(&m->sql, "COPY %s (", into);
    if (into == m->table->quoted)
        add_names(m);
    else
        for (uint32_t i = 0; i < m->layout->count; i++)
            buffer_printf(&m->sql, "%sc%u", i ? ", " : "", i);
    buffer_printf(&m->sql, ") FROM STDIN BINARY");
    return finish(m);
}

static const char *make_stage(struct maker *m, const char *stage)
{
    buffer_printf(
        &m->sql,
        "CREATE TEMPORARY SEQUENCE IF NOT EXISTS %s_ord CACHE 10000; CREATE TEMPORARY TABLE IF NOT EXISTS %s (", stage,
        stage);
    for (uint32_t i = 0; i < m->layout->count; i++)
        buffer_printf(&m->sql, "c%u %s, ", i, array_type(column_of(m, i)));
    buffer_printf(&m->sql, "ord bigint DEFAULT nextval('%s_ord')) ON COMMIT DELETE ROWS", stage);
    return finish(m);
}

static bool is_staged(const struct maker *m)
{
    bool staged = m->options->write == POSTGRES_UPSERT || m->options->write == POSTGRES_INSERT;
    for (uint32_t i = 0; i < m->layout->count; i++)
        staged |= column_of(m, i)->form == PG_CAST;
    return staged;
}

static void make_statements(struct maker *m, struct pg_layout *layout, uint32_t index)
{
    bool staged = is_staged(m);
    const char *stage = arena_printf(m->arena, "pipe_stage_%u", index);
    layout->copy = make_copy(m, staged ? stage : m->table->quoted);
    if (!staged)
        return;
    layout->unnest = make_unnest(m);
    layout->stage = make_stage(m, stage);
    layout->truncate = arena_printf(m->arena, "TRUNCATE %s", stage);
    layout->move = make_insert(m, stage);
}

uint32_t pg_layout(struct sink *s, const uint32_t *columns, uint32_t count, struct error *err)
{
    struct pg_shared *shared = s->shared;
    for (uint32_t i = 0; i < shared->layout_count; i++)
        if (shared->layouts[i].count == count &&
            memcmp(shared->layouts[i].columns, columns, count * sizeof(*columns)) == 0)
            return i;
    if (shared->layout_count == PG_MOST_LAYOUTS) {
        error_set(err, ERROR_STOP, "table %s: more than %d inputs with different members", shared->table.name,
                  PG_MOST_LAYOUTS);
        return UINT32_MAX;
    }
    uint32_t index = shared->layout_count++;
    uint32_t *copy = arena_array(&shared->arena, uint32_t, count);
    memcpy(copy, columns, count * sizeof(*columns));
    struct pg_layout *layout = &shared->layouts[index];
    *layout = (struct pg_layout){.columns = copy, .count = count};
    struct maker m = {&shared->arena, &shared->table, pg_options(s), layout, {0}};
    make_statements(&m, layout, index);
    buffer_release(&m.sql);
    return index;
}
