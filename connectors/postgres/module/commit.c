/*
 * The end of a transaction: the ranges it holds, then (last, and sorted, so that connections can't deadlock) the share
 * locks that say we are still the one.
 */
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"
#include "pipeline/base/hash.h"
#include "pipeline/engine/lane.h"
#include "pipeline/engine/resume.h"
#include "pipeline/engine/upstream.h"

/* A partition's rows are merged after this many commits. */
enum { MERGE_EVERY = 64 };

static bool merge_hot(struct sink *s, const struct position *p, struct error *err)
{
    struct pg_sink *pg = s->state;
    uint64_t hash = hash64(p->partition, strlen(p->partition), hash64(p->source, strlen(p->source), 0));
    struct pg_hot *hot = &pg->hot[hash % PG_HOT];
    if (hot->hash != hash)
        *hot = (struct pg_hot){hash, 0};
    if (++hot->inserted < MERGE_EVERY)
        return true;
    hot->inserted = 0;
    return pg_merge_ranges(s, p->source, p->partition, err);
}

/* Two connections that merge the same partition would wait for each other's rows in no particular order: the first one
 * does it for all. */
static bool merges(const struct sink *s)
{
    const struct pg_shared *shared = s->shared;
    return s->connection == 0 || shared->routing == PG_ROUTE_PARTITION;
}

static bool store_ranges(struct sink *s, const struct position *positions, uint32_t count, struct error *err)
{
    if (!pg_insert_ranges(s, positions, count, err))
        return false;
    for (uint32_t i = 0; i < count && merges(s); i++)
        if (!merge_hot(s, &positions[i], err))
            return false;
    return true;
}

static bool check_epochs(struct sink *s, const struct position *positions, uint32_t count, struct error *err)
{
    struct buffer sources = {0};
    pg_array_open(&sources);
    int expected = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!upstream_is_shared(s->component, positions[i].source) &&
            (i == 0 || strcmp(positions[i].source, positions[i - 1].source) != 0)) {
            pg_array_add(&sources, positions[i].source);
            expected++;
        }
    const struct identity *id = s->identity;
    if (expected == 0) {
        buffer_release(&sources);
        return true;
    }
    PGresult *r = pg_query(
        s,
        "SELECT source, epoch FROM pipe_epochs WHERE pipeline = $1 AND instance = $2 AND sink = $3 AND "
        "source = ANY ($4::text[]) AND incarnation = $5 ORDER BY source FOR SHARE",
        5, (const char *const[]){id->pipeline, id->instance, id->sink, pg_array_close(&sources), id->incarnation}, err);
    bool ours = r != NULL;
    if (ours && PQntuples(r) != expected)
        ours = pg_fenced(s, err);
    for (int i = 0; ours && i < expected; i++)
        if (strtoll(PQgetvalue(r, i, 1), NULL, 10) != pg_epoch_of(s->shared, PQgetvalue(r, i, 0)))
            ours = pg_fenced(s, err);
    PQclear(r);
    buffer_release(&sources);
    return ours;
}

/* ---- partitions of shared sources ------------------------------------------------------------------------------- */

/* Marks those that others have by now. */
static bool compare_epochs(const PGresult *r, const struct held_partition *held, uint32_t count, struct error *err)
{
    bool ours = true;
    for (uint32_t i = 0; i < count; i++) {
        bool found = false;
        for (int k = 0; k < PQntuples(r) && !found; k++) {
            const char *row = PQgetvalue(r, k, 0);
            size_t len = strlen(held[i].source);
            found = strncmp(row, held[i].source, len) == 0 && row[len] == '/' &&
                    strcmp(row + len + 1, held[i].partition->key) == 0 &&
                    strtoll(PQgetvalue(r, k, 1), NULL, 10) == held[i].epoch;
        }
        if (!found) {
            atomic_store_explicit(&held[i].partition->lost, true, memory_order_relaxed);
            ours = error_set(err, ERROR_RETRY, "another process has taken over %s", held[i].partition->key);
        }
    }
    return ours;
}

static bool check_partitions(struct sink *s, struct output *const *outputs, uint32_t count, struct arena *arena,
                             struct error *err)
{
    uint32_t n;
    const struct held_partition *held = held_partitions(s->index, outputs, count, arena, &n);
    if (n == 0)
        return true;
    struct buffer rows = {0};
    pg_array_open(&rows);
    for (uint32_t i = 0; i < n; i++)
        pg_array_add(&rows, arena_printf(arena, "%s/%s", held[i].source, held[i].partition->key));
    PGresult *r = pg_query(s,
                           "SELECT source, epoch FROM pipe_epochs WHERE pipeline = $1 AND instance = '' AND sink = $2 AND "
                           "source = ANY ($3::text[]) ORDER BY source FOR SHARE",
                           3, (const char *const[]){s->identity->pipeline, s->identity->sink, pg_array_close(&rows)}, err);
    bool ours = r && compare_epochs(r, held, n, err);
    PQclear(r);
    buffer_release(&rows);
    return ours;
}

/* COMMIT of a transaction that has failed is answered by "ROLLBACK", not by an error. */
static bool end_transaction(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    if (!PQsendQuery(pg->conn, "COMMIT"))
        return pg_fail(s, NULL, err);
    PGresult *r = pg_collect(s, err);
    if (!r)
        return false;
    bool committed = strcmp(PQcmdStatus(r), "COMMIT") == 0;
    PQclear(r);
    pg_forget_transaction(pg);
    return committed ||
           error_set(err, ERROR_RETRY, "table %s: the server rolled the transaction back", pg_options(s)->table);
}

/* The positions that this connection answers for. */
static const struct position *own_positions(const struct sink *s, struct output *const *outputs, uint32_t count,
                                            struct arena *arena, uint32_t *kept)
{
    uint32_t n;
    const struct position *all = positions_of_outputs(outputs, count, arena, &n);
    struct position *own = arena_array(arena, struct position, n + 1);
    *kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (pg_is_mine(s, &all[i]))
            own[(*kept)++] = all[i];
    return own;
}

static bool commit_with(struct sink *s, struct output *const *outputs, uint32_t count, struct arena *arena,
                        struct error *err)
{
    struct pg_sink *pg = s->state;
    const struct pg_shared *shared = s->shared;
    if (shared->no_positions) {
        if (!pg->in_transaction && pg_options(s)->write != POSTGRES_REPLACE)
            return true;
        return pg_begin(s, err) && end_transaction(s, err);
    }
    uint32_t n;
    const struct position *positions = own_positions(s, outputs, count, arena, &n);
    if (n == 0 && !pg->in_transaction)
        return true;
    if (!pg_begin(s, err))
        return false;
    if (n && !(store_ranges(s, positions, n, err) && check_epochs(s, positions, n, err) &&
              check_partitions(s, outputs, count, arena, err)))
        return false;
    return end_transaction(s, err);
}

bool pg_commit(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err)
{
    if (!pg_prepare(s, err))
        return false;
    struct arena arena = ARENA_INIT;
    bool done = commit_with(s, outputs, count, &arena, err);
    arena_release(&arena);
    return done;
}
