/*
 * pipe_positions: which ranges of which partitions are in the database, stored by the transaction that stores their
 * rows. pipe_epochs: one row per sink. A process counts it up when it begins, and each of its commits looks whether it
 * is still the last one; BEGIN IMMEDIATE makes that certain.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "connectors/sqlite/sqlite.h"
#include "pipeline/engine/resume.h"
#include "pipeline/engine/upstream.h"

static const char create_sql[] =
    "CREATE TABLE IF NOT EXISTS pipe_positions (pipeline TEXT NOT NULL, instance TEXT NOT NULL, sink TEXT NOT NULL, "
    "source TEXT NOT NULL,"
    " partition TEXT NOT NULL, shard INTEGER NOT NULL, incarnation TEXT NOT NULL, first INTEGER NOT NULL, next INTEGER "
    "NOT NULL,"
    " PRIMARY KEY (pipeline, instance, sink, source, partition, shard, incarnation, first)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS pipe_epochs (pipeline TEXT NOT NULL, instance TEXT NOT NULL, sink TEXT NOT NULL,"
    " incarnation TEXT NOT NULL, epoch INTEGER NOT NULL, since TEXT NOT NULL, PRIMARY KEY (pipeline, instance, sink)) "
    "WITHOUT ROWID";

/* Every statement here begins with these. */
static void bind_identity(const struct sink *s, sqlite3_stmt *stmt)
{
    const struct identity *id = s->identity;
    sqlite3_bind_text(stmt, 1, id->pipeline, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, id->instance, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, id->sink, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 4, id->incarnation, -1, SQLITE_STATIC);
}

static sqlite3_stmt *prepare(struct sink *s, const char *sql, struct error *err)
{
    sqlite3_stmt *stmt = sq_prepare(s, sql, err);
    if (stmt)
        bind_identity(s, stmt);
    return stmt;
}

/* For statements without rows. */
static bool run_once(const struct sink *s, sqlite3_stmt *stmt, struct error *err)
{
    bool done = sqlite3_step(stmt) == SQLITE_DONE || sq_fail(s, NULL, err);
    sqlite3_reset(stmt);
    return done;
}

/* ---- epochs
 * --------------------------------------------------------------------------------------------------------------- */

static bool fail_fenced(const struct sink *s, struct error *err)
{
    const struct identity *id = s->identity;
    return error_set(err, ERROR_STOP,
                     "another process has taken over pipeline \"%s\"%s%s%s: it writes to %s for the same sink, and "
                     "this one stops so that "
                     "nothing is stored twice",
                     id->pipeline, *id->instance ? " instance " : "", id->instance, *id->instance ? "," : "",
                     sq_options(s)->path);
}

static bool fail_foreign(const struct sink *s, const char *incarnation, const char *since, struct error *err)
{
    const struct identity *id = s->identity;
    return error_set(
        err, ERROR_STOP,
        "another state_dir (%s, last used %s) owns what %s has of pipeline \"%s\", instance \"%s\", sink \"%s\". A "
        "copy of the "
        "pipeline needs an `instance` of its own; if this state_dir replaces the other one, run `pipe state adopt`",
        incarnation, since, sq_options(s)->path, id->pipeline, id->instance, id->sink);
}

/* 0: there is none yet. -1: error. */
static int64_t stored_epoch(struct sink *s, struct error *err)
{
    sqlite3_stmt *stmt = prepare(
        s,
        "SELECT epoch, incarnation, since, incarnation = ?4 FROM pipe_epochs WHERE pipeline = ?1 AND instance = ?2 "
        "AND sink = ?3",
        err);
    if (!stmt)
        return -1;
    int64_t epoch = 0;
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        epoch = sqlite3_column_int64(stmt, 0);
        if (!sqlite3_column_int(stmt, 3)) {
            fail_foreign(s, (const char *)sqlite3_column_text(stmt, 1), (const char *)sqlite3_column_text(stmt, 2),
                         err);
            epoch = -1;
        }
    } else if (code != SQLITE_DONE) {
        sq_fail(s, NULL, err);
        epoch = -1;
    }
    sqlite3_finalize(stmt);
    return epoch;
}

static bool still_ours(struct sink *s, struct error *err)
{
    const struct sq_shared *shared = s->shared;
    int64_t epoch = stored_epoch(s, err);
    return epoch == shared->epoch || (epoch >= 0 && fail_fenced(s, err));
}

/* A new one at the start of the process; after a reconnect it must still be that. */
static bool take_epoch(struct sink *s, int64_t *epoch, struct error *err)
{
    const struct sq_shared *shared = s->shared;
    *epoch = shared->epoch;
    if (shared->epoch)
        return still_ours(s, err);
    int64_t before = stored_epoch(s, err);
    if (before < 0)
        return false;
    sqlite3_stmt *stmt = prepare(
        s,
        "INSERT INTO pipe_epochs (pipeline, instance, sink, incarnation, epoch, since) VALUES (?1, ?2, ?3, ?4, 1, "
        "datetime('now')) ON CONFLICT DO UPDATE SET epoch = epoch + 1, since = excluded.since",
        err);
    bool done = stmt && run_once(s, stmt, err);
    sqlite3_finalize(stmt);
    *epoch = before + 1;
    return done;
}

/* ---- reading
 * --------------------------------------------------------------------------------------------------------------- */

/* Finalizes. */
static bool add_ranges(struct sink *s, sqlite3_stmt *stmt, struct positions *out, struct error *err)
{
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
        positions_add(out, (const char *)sqlite3_column_text(stmt, 0), (const char *)sqlite3_column_text(stmt, 1),
                      sqlite3_column_int(stmt, 2),
                      (struct range){(uint64_t)sqlite3_column_int64(stmt, 3), (uint64_t)sqlite3_column_int64(stmt, 4)});
    bool done = code == SQLITE_DONE || sq_fail(s, NULL, err);
    sqlite3_finalize(stmt);
    return done;
}

static bool read_ranges(struct sink *s, struct positions *out, struct error *err)
{
    sqlite3_stmt *stmt = prepare(
        s,
        "SELECT source, partition, shard, first, next FROM pipe_positions WHERE pipeline = ?1 AND sink = ?3 AND "
        "((instance = ?2 AND incarnation = ?4) OR (instance = '' AND incarnation = ''))",
        err);
    return stmt && add_ranges(s, stmt, out, err);
}

static bool end_transaction(struct sink *s, struct error *err)
{
    struct sq_sink *sq = s->state;
    if (!sq_run(s, "COMMIT", err))
        return false;
    sq->in_transaction = false;
    return true;
}

bool sq_end(struct sink *s, bool good, struct error *err)
{
    good = good && end_transaction(s, err);
    if (!good)
        sq_rollback(s);
    return good;
}

/* ---- partitions of shared sources
 * --------------------------------------------------------------------------------------------------------------- */

static void note_own(void *arg, const struct component *source)
{
    bool *any = arg;
    *any |= !source->source->shared;
}

/* Sources whose positions belong to the state_dir, and so to one process. */
static bool has_own_sources(const struct sink *s)
{
    bool any = false;
    upstream_each_source(s->component, note_own, &any);
    return any;
}

/* A partition's epoch is in pipe_epochs as that of "sink/source/partition", without instance. -1: error; 0: there is none. */
static int64_t partition_epoch(struct sink *s, const char *sql, const char *source, const char *partition, struct error *err)
{
    sqlite3_stmt *stmt = sq_prepare(s, sql, err);
    if (!stmt)
        return -1;
    struct buffer name = {0};
    buffer_printf(&name, "%s/%s/%s", s->identity->sink, source, partition);
    sqlite3_bind_text(stmt, 1, s->identity->pipeline, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, buffer_cstr(&name), -1, SQLITE_STATIC);
    int code = sqlite3_step(stmt);
    int64_t epoch = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        sq_fail(s, NULL, err);
        epoch = -1;
    }
    sqlite3_finalize(stmt);
    buffer_release(&name);
    return epoch;
}

static bool acquire_one(struct sink *s, const char *source, const char *partition, struct positions *out, struct error *err)
{
    int64_t epoch = partition_epoch(s,
                                    "INSERT INTO pipe_epochs (pipeline, instance, sink, incarnation, epoch, since) VALUES (?1, '', ?2, '', 1, "
                                    "datetime('now')) ON CONFLICT DO UPDATE SET epoch = epoch + 1, since = excluded.since RETURNING epoch",
                                    source, partition, err);
    if (epoch < 0)
        return false;
    positions_set_epoch(out, source, partition, epoch);
    sqlite3_stmt *stmt = prepare(s,
                                 "SELECT source, partition, shard, first, next FROM pipe_positions WHERE pipeline = ?1 AND instance = '' AND "
                                 "sink = ?3 AND incarnation = '' AND source = ?5 AND partition = ?6",
                                 err);
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 5, source, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 6, partition, -1, SQLITE_STATIC);
    return add_ranges(s, stmt, out, err);
}

bool sq_acquire(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct positions *out,
                struct error *err)
{
    const struct sq_sink *sq = s->state;
    bool good = !sq->keeps_positions || sq_begin(s, err);
    for (uint32_t i = 0; good && sq->keeps_positions && i < count; i++)
        good = acquire_one(s, source, keys[i], out, err);
    return !sq->keeps_positions || sq_end(s, good, err);
}

/* Marks those that others have by now. */
static bool still_have(struct sink *s, struct output *const *outputs, uint32_t count, struct arena *arena, struct error *err)
{
    uint32_t n;
    const struct held_partition *held = held_partitions(s->index, outputs, count, arena, &n);
    bool ours = true;
    for (uint32_t i = 0; i < n; i++) {
        int64_t epoch = partition_epoch(s, "SELECT epoch FROM pipe_epochs WHERE pipeline = ?1 AND instance = '' AND sink = ?2", held[i].source,
                                        held[i].partition->key, err);
        if (epoch < 0)
            return false;
        if (epoch == held[i].epoch)
            continue;
        atomic_store_explicit(&held[i].partition->lost, true, memory_order_relaxed);
        ours = error_set(err, ERROR_RETRY, "another process has taken over %s", held[i].partition->key);
    }
    return ours;
}

bool sq_load_positions(struct sink *s, struct positions *out, struct error *err)
{
    struct sq_shared *shared = s->shared;
    struct sq_sink *sq = s->state;
    int64_t epoch = 0;
    sq->keeps_positions = sq_options(s)->write != SQ_REPLACE;
    if (!sq->keeps_positions)
        return true;
    if (!sq_begin(s, err) ||
        !sq_end(s, sq_run(s, create_sql, err) && (!has_own_sources(s) || take_epoch(s, &epoch, err)) && read_ranges(s, out, err), err))
        return false;
    shared->epoch = epoch; /* not before it is committed */
    return true;
}

/* ---- writing
 * ---------------------------------------------------------------------------------------------------------------- */

/* The two statements that store a range: one lengthens the range that it continues, the other begins one. */
struct storing {
    struct sink *sink;
    sqlite3_stmt *lengthen, *begin;
    bool good;
    struct error *err;
};

/* What is shared by processes belongs to none of them. */
static void bind_range(const struct sink *s, sqlite3_stmt *stmt, const struct position *p)
{
    bool shared = upstream_is_shared(s->component, p->source);
    sqlite3_bind_text(stmt, 2, shared ? "" : s->identity->instance, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 4, shared ? "" : s->identity->incarnation, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 5, p->source, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 6, p->partition, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 7, p->shard);
    sqlite3_bind_int64(stmt, 8, (int64_t)p->range.first);
    sqlite3_bind_int64(stmt, 9, (int64_t)p->range.next);
}

static void store_range(void *arg, const struct position *p)
{
    struct storing *st = arg;
    const struct sq_sink *sq = st->sink->state;
    if (!st->good)
        return;
    bind_range(st->sink, st->lengthen, p);
    st->good = run_once(st->sink, st->lengthen, st->err);
    if (!st->good || sqlite3_changes(sq->db))
        return;
    bind_range(st->sink, st->begin, p);
    st->good = run_once(st->sink, st->begin, st->err);
}

static bool begin_storing(struct storing *st, struct sink *s, struct error *err)
{
    *st = (struct storing){.sink = s, .err = err};
    st->lengthen = prepare(s,
                           "UPDATE pipe_positions SET next = max(next, ?9) WHERE pipeline = ?1 AND instance = ?2 AND "
                           "sink = ?3 AND source = ?5 "
                           "AND partition = ?6 AND shard = ?7 AND incarnation = ?4 AND first <= ?8 AND next >= ?8",
                           err);
    if (st->lengthen)
        st->begin = prepare(
            s,
            "INSERT INTO pipe_positions (pipeline, instance, sink, incarnation, source, partition, shard, first, next) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            err);
    st->good = st->begin != NULL;
    return st->good;
}

static bool end_storing(struct storing *st)
{
    sqlite3_finalize(st->lengthen);
    sqlite3_finalize(st->begin);
    return st->good;
}

bool sq_store_positions(struct sink *s, const struct positions *p, struct error *err)
{
    const struct sq_sink *sq = s->state;
    struct storing st;
    if (!sq->keeps_positions || positions_count(p) == 0)
        return true;
    if (!sq_begin(s, err))
        return false;
    if (begin_storing(&st, s, err))
        positions_each(p, store_range, &st);
    return sq_end(s, end_storing(&st) && (!has_own_sources(s) || still_ours(s, err)), err);
}

bool sq_forget_positions(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct error *err)
{
    const struct sq_sink *sq = s->state;
    if (!sq->keeps_positions || count == 0)
        return true;
    if (!sq_begin(s, err))
        return false;
    sqlite3_stmt *stmt = prepare(
        s,
        "DELETE FROM pipe_positions WHERE pipeline = ?1 AND instance = ?2 AND sink = ?3 AND incarnation = ?4 AND "
        "source = ?5 AND partition = ?6",
        err);
    bool good = stmt != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        sqlite3_bind_text(stmt, 5, source, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 6, keys[i], -1, SQLITE_STATIC);
        good = run_once(s, stmt, err);
    }
    sqlite3_finalize(stmt);
    return sq_end(s, good, err);
}

static bool store_outputs(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err)
{
    struct arena arena = ARENA_INIT;
    uint32_t n;
    const struct position *positions = positions_of_outputs(outputs, count, &arena, &n);
    struct storing st;
    if (begin_storing(&st, s, err))
        for (uint32_t i = 0; i < n; i++)
            store_range(&st, &positions[i]);
    bool done = end_storing(&st) && (!has_own_sources(s) || still_ours(s, err)) && still_have(s, outputs, count, &arena, err);
    arena_release(&arena);
    return done;
}

bool sq_commit(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err)
{
    const struct sq_sink *sq = s->state;
    if (sq_options(s)->write == SQ_REPLACE) /* also a run without any rows empties the table */
        return sq_begin_writing(s, err) && end_transaction(s, err) && sq_is_in_place(s, err);
    if (!sq->keeps_positions)
        return !sq->in_transaction || (end_transaction(s, err) && sq_is_in_place(s, err));
    return sq_begin(s, err) && store_outputs(s, outputs, count, err) && end_transaction(s, err) &&
           sq_is_in_place(s, err);
}
