/*
 * The table of [dead_letter] read back, for `pipe dead`.
 */
#include <string.h>

#include "connectors/postgres/module/pg.h"
#include "pipeline/engine/plan.h"

/* The table's column for a member of the letters, quoted. NULL: `columns` leaves it out. */
static const char *column_of(const struct sink *s, struct arena *a, enum dead_column c)
{
    const struct text_table *map = &pg_options(s)->columns;
    for (uint32_t i = 0; i < map->count; i++)
        if (strcmp(map->items[i].value, dead_column_name(c)) == 0)
            return pg_quote(a, map->items[i].key);
    return map->count ? NULL : pg_quote(a, dead_column_name(c));
}

/* As a file's letters have it, whatever the session's zone: what is read is also what is compared when the letter goes.
 */
static void add_time(struct buffer *sql, const char *column)
{
    buffer_printf(sql, "to_char(t.%s::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')", column);
}

/* All the names; an error where one is missing without which a letter is nobody's. */
static bool name_columns(const struct sink *s, struct arena *a, const char *names[DEAD_COLUMNS], struct error *err)
{
    for (int c = 0; c < DEAD_COLUMNS; c++)
        names[c] = column_of(s, a, (enum dead_column)c);
    static const enum dead_column needed[] = {DEAD_ID, DEAD_TIME, DEAD_PIPELINE, DEAD_SOURCE, DEAD_COMPONENT};
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        if (!names[needed[i]])
            return error_set(err, ERROR_STOP, "table %s: `columns` leaves out \"%s\", which `pipe dead` needs",
                             pg_options(s)->table, dead_column_name(needed[i]));
    return true;
}

static void print_select(const struct pg_shared *shared, const char *const names[DEAD_COLUMNS], struct buffer *sql)
{
    for (int c = 0; c < DEAD_COLUMNS; c++) {
        buffer_printf(sql, c ? ", " : "SELECT ");
        if (c == DEAD_TIME)
            add_time(sql, names[c]);
        else if (names[c])
            buffer_printf(sql, "t.%s", names[c]);
        else
            buffer_printf(sql, "NULL");
    }
    buffer_printf(sql, " FROM %s AS t WHERE t.%s = $1 ORDER BY t.%s", shared->table.quoted, names[DEAD_PIPELINE],
                  names[DEAD_TIME]);
}

bool pg_read_letters(struct sink *s, void (*each)(void *arg, const struct str *columns), void *arg, struct error *err)
{
    const struct pg_shared *shared = s->shared;
    if (!shared->table.exists)
        return true;
    struct arena arena = ARENA_INIT;
    struct buffer sql = {0};
    const char *names[DEAD_COLUMNS];
    PGresult *r = NULL;
    if (name_columns(s, &arena, names, err)) {
        print_select(shared, names, &sql);
        r = pg_query(s, buffer_cstr(&sql), 1, &s->identity->pipeline, err);
    }
    for (int row = 0; r && row < PQntuples(r); row++) {
        struct str columns[DEAD_COLUMNS];
        for (int c = 0; c < DEAD_COLUMNS; c++)
            columns[c] =
                (struct str){PQgetisnull(r, row, c) ? NULL : PQgetvalue(r, row, c), (size_t)PQgetlength(r, row, c)};
        each(arg, columns);
    }
    bool done = r != NULL;
    PQclear(r);
    buffer_release(&sql);
    arena_release(&arena);
    return done;
}

static bool remove_all(struct sink *s, const char *const names[DEAD_COLUMNS], const char *ids, const char *times,
                       struct error *err)
{
    const struct pg_shared *shared = s->shared;
    struct buffer sql = {0};
    buffer_printf(&sql,
                  "DELETE FROM %s AS t USING unnest($2::text[], $3::text[]) AS gone(id, time) WHERE t.%s = $1 AND "
                  "t.%s::text = gone.id AND ",
                  shared->table.quoted, names[DEAD_PIPELINE], names[DEAD_ID]);
    add_time(&sql, names[DEAD_TIME]);
    buffer_printf(&sql, " = gone.time");
    PGresult *r = pg_query(s, buffer_cstr(&sql), 3, (const char *const[]){s->identity->pipeline, ids, times}, err);
    bool done = r != NULL;
    PQclear(r);
    buffer_release(&sql);
    return done;
}

bool pg_remove_letters(struct sink *s, const struct letter_key *keys, uint32_t count, struct error *err)
{
    struct arena arena = ARENA_INIT;
    struct buffer ids = {0}, times = {0};
    const char *names[DEAD_COLUMNS];
    pg_array_open(&ids);
    pg_array_open(&times);
    for (uint32_t i = 0; i < count; i++) {
        pg_array_add(&ids, keys[i].id);
        pg_array_add(&times, keys[i].time);
    }
    bool done =
        name_columns(s, &arena, names, err) && remove_all(s, names, pg_array_close(&ids), pg_array_close(&times), err);
    buffer_release(&ids);
    buffer_release(&times);
    arena_release(&arena);
    return done;
}
