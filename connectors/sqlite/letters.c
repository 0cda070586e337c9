/*
 * The table of [dead_letter] read back, for `pipe dead`.
 */
#include "connectors/sqlite/sqlite.h"
#include "pipeline/engine/plan.h"

/* Behind the table's name: SQLite takes a quoted name that is no column for a text. */
static void add_column(struct buffer *sql, enum dead_column c)
{
    buffer_printf(sql, "t.");
    sq_quote(sql, dead_column_name(c));
}

/* Prepares, with the pipeline as ?1. */
static sqlite3_stmt *prepare(struct sink *s, struct buffer *sql, struct error *err)
{
    sqlite3_stmt *stmt = sq_prepare(s, buffer_cstr(sql), err);
    if (stmt)
        sqlite3_bind_text(stmt, 1, s->identity->pipeline, -1, SQLITE_STATIC);
    buffer_release(sql);
    return stmt;
}

static bool fail_step(const struct sink *s, struct error *err)
{
    return sq_fail(s, sq_options(s)->table, err);
}

bool sq_read_letters(struct sink *s, void (*each)(void *arg, const struct str *columns), void *arg, struct error *err)
{
    const struct sq_shared *shared = s->shared;
    if (!shared->exists)
        return true;
    struct buffer sql = {0};
    for (int c = 0; c < DEAD_COLUMNS; c++) {
        buffer_printf(&sql, c ? ", " : "SELECT ");
        add_column(&sql, (enum dead_column)c);
    }
    buffer_printf(&sql, " FROM ");
    sq_quote(&sql, sq_options(s)->table);
    buffer_printf(&sql, " AS t WHERE t.pipeline = ?1 ORDER BY t.time"); /* text that sorts by time */
    sqlite3_stmt *stmt = prepare(s, &sql, err);
    if (!stmt)
        return false;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct str columns[DEAD_COLUMNS];
        for (int c = 0; c < DEAD_COLUMNS; c++) {
            columns[c].data = (const char *)sqlite3_column_text(stmt, c);
            columns[c].len = (size_t)sqlite3_column_bytes(stmt, c);
        }
        each(arg, columns);
    }
    bool done = code == SQLITE_DONE || fail_step(s, err);
    sqlite3_finalize(stmt);
    return done;
}

/* Into a table of this connection, so that one statement finds them all. */
static bool note_keys(struct sink *s, const struct letter_key *keys, uint32_t count, struct error *err)
{
    if (!sq_run(s, "CREATE TEMP TABLE gone (id TEXT, time TEXT, PRIMARY KEY (id, time)) WITHOUT ROWID", err))
        return false;
    sqlite3_stmt *stmt = sq_prepare(s, "INSERT OR IGNORE INTO temp.gone VALUES (?1, ?2)", err);
    bool done = stmt != NULL;
    for (uint32_t i = 0; done && i < count; i++) {
        sqlite3_bind_text(stmt, 1, keys[i].id, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, keys[i].time, -1, SQLITE_STATIC);
        done = sqlite3_step(stmt) == SQLITE_DONE || fail_step(s, err);
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    return done;
}

static bool remove_noted(struct sink *s, struct error *err)
{
    struct buffer sql = {0};
    buffer_printf(&sql, "DELETE FROM main.");
    sq_quote(&sql, sq_options(s)->table);
    buffer_printf(&sql, " AS t WHERE t.pipeline = ?1 AND (t.id, t.time) IN (SELECT id, time FROM temp.gone)");
    sqlite3_stmt *stmt = prepare(s, &sql, err);
    bool done = stmt && (sqlite3_step(stmt) == SQLITE_DONE || fail_step(s, err));
    sqlite3_finalize(stmt);
    return done;
}

bool sq_remove_letters(struct sink *s, const struct letter_key *keys, uint32_t count, struct error *err)
{
    return sq_begin(s, err) && sq_end(s, note_keys(s, keys, count, err) && remove_noted(s, err), err);
}
