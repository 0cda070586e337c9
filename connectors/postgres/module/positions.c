/*
 * pipe_positions: which ranges of which partitions are in the table. A commit inserts its ranges, it never updates a
 * row: so connections do not wait for each other. pipe_epochs: one row per source of a sink, which a new process counts
 * up and every commit locks for sharing. A source whose partitions are shared by processes (Kafka) has a row for each
 * partition, "source/partition", without instance and incarnation; whoever takes the partition over counts it up.
 *
 * Reading positions needs the epoch rows exclusively. So it waits for a commit of ours whose answer was lost but which
 * the server is still working on: what is read is final.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"
#include "pipeline/engine/lane.h"
#include "pipeline/engine/upstream.h"

/* ---- the tables ------------------------------------------------------------------------------------------------- */

static const char create_sql[] =
    "CREATE TABLE IF NOT EXISTS pipe_positions (pipeline text NOT NULL, instance text NOT NULL, sink text NOT NULL, "
    "source text NOT NULL,"
    " partition text NOT NULL, shard integer NOT NULL, incarnation text NOT NULL, first bigint NOT NULL, next bigint "
    "NOT NULL);"
    "CREATE INDEX IF NOT EXISTS pipe_positions_of ON pipe_positions (pipeline, instance, sink, source, partition);"
    "CREATE TABLE IF NOT EXISTS pipe_epochs (pipeline text NOT NULL, instance text NOT NULL, sink text NOT NULL, "
    "source text NOT NULL,"
    " incarnation text NOT NULL, epoch bigint NOT NULL, since timestamptz NOT NULL DEFAULT now(),"
    " PRIMARY KEY (pipeline, instance, sink, source))";

static bool make_tables(struct sink *s, struct error *err)
{
    PGresult *r = pg_query(
        s, "SELECT to_regclass('pipe_positions') IS NOT NULL AND to_regclass('pipe_epochs') IS NOT NULL", 0, NULL, err);
    bool there = r && *PQgetvalue(r, 0, 0) == 't', known = r != NULL;
    PQclear(r);
    if (there || !known)
        return there;
    return pg_create(s, create_sql, err) || error_wrap(err, "creating pipe_positions and pipe_epochs");
}

/* A source's stored positions belong to an instance and a state_dir, or to all processes together. */
struct owner {
    const char *instance, *incarnation;
};

static struct owner owner_of(const struct sink *s, const char *source)
{
    if (source && upstream_is_shared(s->component, source))
        return (struct owner){"", ""};
    return (struct owner){s->identity->instance, s->identity->incarnation};
}

static void add_key(struct buffer *array, const char *key)
{
    struct buffer stored = {0};
    pg_array_add(array, pg_stored_key(key, &stored));
    buffer_release(&stored);
}

static const char begin_sql[] = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '30s'";

/* ---- epochs ----------------------------------------------------------------------------------------------------- */

/* By what the state_dir owns, and by what processes share. */
struct sources {
    struct buffer own, shared;
    int own_count, shared_count;
};

static void add_source(void *arg, const struct component *source)
{
    struct sources *list = arg;
    pg_array_add(source->source->shared ? &list->shared : &list->own, source->name);
    *(source->source->shared ? &list->shared_count : &list->own_count) += 1;
}

int64_t pg_epoch_of(struct pg_shared *shared, const char *source)
{
    int64_t epoch = 0;
    pthread_mutex_lock(&shared->lock);
    for (uint32_t i = 0; i < shared->epoch_count; i++)
        if (strcmp(shared->epochs[i].source, source) == 0)
            epoch = shared->epochs[i].number;
    pthread_mutex_unlock(&shared->lock);
    return epoch;
}

bool pg_fenced(const struct sink *s, struct error *err)
{
    const struct identity *id = s->identity;
    return error_set(err, ERROR_STOP,
                     "another process has taken over pipeline \"%s\"%s%s%s: it runs with the same state_dir identity "
                     "against the same "
                     "database, and this one stops so that nothing is stored twice",
                     id->pipeline, *id->instance ? " instance \"" : "", id->instance, *id->instance ? "\"" : "");
}

static bool fail_foreign(struct sink *s, const char *sources, struct error *err)
{
    const struct identity *id = s->identity;
    PGresult *r = pg_query(
        s,
        "SELECT source, incarnation, since::text FROM pipe_epochs WHERE pipeline = $1 AND instance = $2 AND sink = $3 "
        "AND source = ANY ($4::text[]) AND incarnation <> $5 LIMIT 1",
        5, (const char *const[]){id->pipeline, id->instance, id->sink, sources, id->incarnation}, err);
    if (r && PQntuples(r) == 1)
        error_set(err, ERROR_STOP,
                  "another state_dir (%s, last used %s) owns what is stored for pipeline \"%s\", instance \"%s\", "
                  "source \"%s\". A copy of "
                  "the pipeline on another machine needs an `instance` of its own; if this state_dir replaces the "
                  "other one, run `pipe state adopt`",
                  PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2), id->pipeline, id->instance, PQgetvalue(r, 0, 0));
    else if (r)
        error_set(err, ERROR_RETRY, "the rows of pipe_epochs change at the moment");
    PQclear(r);
    return false;
}

void pg_forget_epochs(struct pg_shared *shared)
{
    for (uint32_t i = 0; i < shared->epoch_count; i++)
        free((char *)shared->epochs[i].source);
    free(shared->epochs);
    shared->epochs = NULL;
    shared->epoch_count = 0;
}

/* Ours only once the transaction is committed: see epochs_taken. */
static bool note_epochs(struct pg_shared *shared, const PGresult *r)
{
    pthread_mutex_lock(&shared->lock);
    pg_forget_epochs(shared);
    shared->epochs = mem_zalloc(sizeof(*shared->epochs) * ((size_t)PQntuples(r) + 1));
    for (int i = 0; i < PQntuples(r); i++)
        shared->epochs[shared->epoch_count++] =
            (struct pg_epoch){mem_strdup(PQgetvalue(r, i, 0)), strtoll(PQgetvalue(r, i, 1), NULL, 10)};
    pthread_mutex_unlock(&shared->lock);
    return true;
}

static bool are_epochs_taken(struct pg_shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    bool taken = shared->epochs_taken;
    pthread_mutex_unlock(&shared->lock);
    return taken;
}

static bool take_epochs(struct sink *s, const char *sources, int source_count, struct error *err)
{
    const struct identity *id = s->identity;
    PGresult *r =
        pg_query(s,
                 "INSERT INTO pipe_epochs AS e (pipeline, instance, sink, source, incarnation, epoch) "
                 "SELECT $1, $2, $3, source, $5, 1 FROM unnest($4::text[]) source ORDER BY source "
                 "ON CONFLICT (pipeline, instance, sink, source) DO UPDATE SET epoch = e.epoch + 1, since = now() "
                 "WHERE e.incarnation = EXCLUDED.incarnation RETURNING source, epoch",
                 5, (const char *const[]){id->pipeline, id->instance, id->sink, sources, id->incarnation}, err);
    bool done = r != NULL;
    if (done)
        done = PQntuples(r) == source_count ? note_epochs(s->shared, r) : fail_foreign(s, sources, err);
    PQclear(r);
    return done;
}

static bool keep_epoch_rows(struct sink *s, const char *sources, int source_count, struct error *err)
{
    struct pg_shared *shared = s->shared;
    const struct identity *id = s->identity;
    PGresult *r =
        pg_query(s,
                 "SELECT source, epoch FROM pipe_epochs WHERE pipeline = $1 AND instance = $2 AND sink = $3 AND "
                 "source = ANY ($4::text[]) AND incarnation = $5 ORDER BY source FOR UPDATE",
                 5, (const char *const[]){id->pipeline, id->instance, id->sink, sources, id->incarnation}, err);
    bool done = r != NULL;
    if (done && PQntuples(r) != source_count)
        done = pg_fenced(s, err);
    for (int i = 0; done && i < source_count; i++)
        if (strtoll(PQgetvalue(r, i, 1), NULL, 10) != pg_epoch_of(shared, PQgetvalue(r, i, 0)))
            done = pg_fenced(s, err);
    PQclear(r);
    return done;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Takes the result. */
static bool add_ranges(PGresult *r, struct positions *out)
{
    struct buffer key = {0};
    for (int i = 0; i < PQntuples(r); i++) {
        buffer_clear(&key);
        positions_add(out, PQgetvalue(r, i, 0), pg_key_of_stored(PQgetvalue(r, i, 1), &key), atoi(PQgetvalue(r, i, 2)),
                      (struct range){(uint64_t)strtoll(PQgetvalue(r, i, 3), NULL, 10),
                                     (uint64_t)strtoll(PQgetvalue(r, i, 4), NULL, 10)});
    }
    buffer_release(&key);
    PQclear(r);
    return true;
}

static bool read_ranges(struct sink *s, struct positions *out, struct error *err)
{
    const struct identity *id = s->identity;
    PGresult *r = pg_query(
        s,
        "SELECT source, partition, shard, first, next FROM pipe_positions WHERE pipeline = $1 AND instance = $2 "
        "AND sink = $3 AND incarnation = $4",
        4, (const char *const[]){id->pipeline, id->instance, id->sink, id->incarnation}, err);
    return r && add_ranges(r, out);
}

/* What processes share is read at a reconnect, to see which commits have arrived; at the start it is read partition by partition, when they are taken over. */
static bool read_shared(struct sink *s, const char *sources, struct positions *out, struct error *err)
{
    const struct identity *id = s->identity;
    PGresult *r = pg_query(s,
                           "SELECT 1 FROM pipe_epochs WHERE pipeline = $1 AND instance = '' AND sink = $2 AND "
                           "split_part(source, '/', 1) = ANY ($3::text[]) ORDER BY source FOR UPDATE",
                           3, (const char *const[]){id->pipeline, id->sink, sources}, err);
    bool locked = r != NULL;
    PQclear(r);
    if (!locked)
        return false;
    r = pg_query(s,
                 "SELECT source, partition, shard, first, next FROM pipe_positions WHERE pipeline = $1 AND instance = '' "
                 "AND sink = $2 AND incarnation = '' AND source = ANY ($3::text[])",
                 3, (const char *const[]){id->pipeline, id->sink, sources}, err);
    return r && add_ranges(r, out);
}

static bool load_own(struct sink *s, const char *sources, int count, bool taken, struct positions *out, struct error *err)
{
    if (taken ? !keep_epoch_rows(s, sources, count, err) : !take_epochs(s, sources, count, err))
        return false;
    return pg_merge_ranges(s, NULL, NULL, err) && read_ranges(s, out, err);
}

static bool load_in_transaction(struct sink *s, struct sources *sources, struct positions *out, struct error *err)
{
    struct pg_shared *shared = s->shared;
    bool taken = are_epochs_taken(shared);
    const char *own = pg_array_close(&sources->own), *common = pg_array_close(&sources->shared);
    if (!pg_run(s, begin_sql, err))
        return false;
    if (sources->own_count && !load_own(s, own, sources->own_count, taken, out, err))
        return false;
    if (sources->shared_count && taken && !read_shared(s, common, out, err))
        return false;
    if (!pg_run(s, "COMMIT", err))
        return false;
    pthread_mutex_lock(&shared->lock);
    shared->epochs_taken = true;
    pthread_mutex_unlock(&shared->lock);
    return true;
}

/* Positions are read between two commits: whatever fails leaves no transaction behind. */
static bool end_reading(struct sink *s, bool done)
{
    struct error ignored;
    if (!done)
        pg_run(s, "ROLLBACK", &ignored);
    return done;
}

bool pg_load_positions(struct sink *s, struct positions *out, struct error *err)
{
    struct pg_shared *shared = s->shared;
    if (shared->no_positions)
        return true;
    if (!make_tables(s, err))
        return false;
    struct sources sources = {0};
    pg_array_open(&sources.own);
    pg_array_open(&sources.shared);
    upstream_each_source(s->component, add_source, &sources);
    bool done = end_reading(s, load_in_transaction(s, &sources, out, err));
    buffer_release(&sources.own);
    buffer_release(&sources.shared);
    return done;
}

/* ---- partitions of shared sources ------------------------------------------------------------------------------- */

/* Takes the result: rows of (partition, epoch). */
static void note_partition_epochs(PGresult *r, const char *source, struct positions *out)
{
    for (int i = 0; i < PQntuples(r); i++)
        positions_set_epoch(out, source, PQgetvalue(r, i, 0), strtoll(PQgetvalue(r, i, 1), NULL, 10));
    PQclear(r);
}

/* Waits for commits of the process that had them: what is read then is final. */
static bool acquire_in_transaction(struct sink *s, const char *source, const char *keys, struct positions *out,
                                   struct error *err)
{
    const struct identity *id = s->identity;
    if (!pg_run(s, begin_sql, err))
        return false;
    PGresult *r = pg_query(s,
                           "INSERT INTO pipe_epochs AS e (pipeline, instance, sink, source, incarnation, epoch) "
                           "SELECT $1, '', $2, $3 || '/' || key, '', 1 FROM unnest($4::text[]) key ORDER BY key "
                           "ON CONFLICT (pipeline, instance, sink, source) DO UPDATE SET epoch = e.epoch + 1, since = now() "
                           "RETURNING substr(source, length($3) + 2), epoch",
                           4, (const char *const[]){id->pipeline, id->sink, source, keys}, err);
    if (!r)
        return false;
    note_partition_epochs(r, source, out);
    r = pg_query(s,
                 "SELECT source, partition, shard, first, next FROM pipe_positions WHERE pipeline = $1 AND instance = '' "
                 "AND sink = $2 AND incarnation = '' AND source = $3 AND partition = ANY ($4::text[])",
                 4, (const char *const[]){id->pipeline, id->sink, source, keys}, err);
    return r && add_ranges(r, out) && pg_run(s, "COMMIT", err);
}

bool pg_acquire(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct positions *out,
                struct error *err)
{
    struct buffer literal = {0};
    pg_array_open(&literal);
    for (uint32_t i = 0; i < count; i++)
        pg_array_add(&literal, keys[i]);
    bool done = end_reading(s, acquire_in_transaction(s, source, pg_array_close(&literal), out, err));
    buffer_release(&literal);
    return done;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* The columns of ranges to be inserted, as array literals. */
struct columns {
    const struct sink *sink;
    struct buffer source, partition, shard, first, next, instance, incarnation;
};

static void add_range(struct columns *c, const struct position *p, int32_t shard)
{
    char number[24];
    struct owner owner = owner_of(c->sink, p->source);
    pg_array_add(&c->instance, owner.instance);
    pg_array_add(&c->incarnation, owner.incarnation);
    pg_array_add(&c->source, p->source);
    add_key(&c->partition, p->partition);
    snprintf(number, sizeof(number), "%" PRId32, shard);
    pg_array_add(&c->shard, number);
    snprintf(number, sizeof(number), "%" PRId64, (int64_t)p->range.first);
    pg_array_add(&c->first, number);
    snprintf(number, sizeof(number), "%" PRId64, (int64_t)p->range.next);
    pg_array_add(&c->next, number);
}

static void open_columns(struct columns *c, const struct sink *s)
{
    c->sink = s;
    pg_array_open(&c->instance);
    pg_array_open(&c->incarnation);
    pg_array_open(&c->source);
    pg_array_open(&c->partition);
    pg_array_open(&c->shard);
    pg_array_open(&c->first);
    pg_array_open(&c->next);
}

static void release_columns(struct columns *c)
{
    buffer_release(&c->instance);
    buffer_release(&c->incarnation);
    buffer_release(&c->source);
    buffer_release(&c->partition);
    buffer_release(&c->shard);
    buffer_release(&c->first);
    buffer_release(&c->next);
}

static bool insert_columns(struct sink *s, struct columns *c, struct error *err)
{
    const struct identity *id = s->identity;
    const char *const values[] = {id->pipeline,
                                  id->sink,
                                  pg_array_close(&c->instance),
                                  pg_array_close(&c->incarnation),
                                  pg_array_close(&c->source),
                                  pg_array_close(&c->partition),
                                  pg_array_close(&c->shard),
                                  pg_array_close(&c->first),
                                  pg_array_close(&c->next)};
    PGresult *r = pg_query(
        s,
        "INSERT INTO pipe_positions (pipeline, sink, instance, incarnation, source, partition, shard, first, next) "
        "SELECT $1, $2, u.* FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::bigint[], "
        "$9::bigint[]) u",
        9, values, err);
    PQclear(r);
    return r != NULL;
}

bool pg_insert_ranges(struct sink *s, const struct position *positions, uint32_t count, struct error *err)
{
    const struct pg_shared *shared = s->shared;
    struct columns c = {0};
    open_columns(&c, s);
    for (uint32_t i = 0; i < count; i++) {
        if (shared->routing != PG_ROUTE_SHARD)
            add_range(&c, &positions[i], SHARD_ALL);
        for (int32_t shard = 0; shard < POSITION_SHARDS && shared->routing == PG_ROUTE_SHARD; shard++)
            if ((uint32_t)shard % shared->connections == s->connection)
                add_range(&c, &positions[i], shard);
    }
    bool done = insert_columns(s, &c, err);
    release_columns(&c);
    return done;
}

static void add_stored(void *arg, const struct position *p)
{
    add_range(arg, p, p->shard);
}

bool pg_store_positions(struct sink *s, const struct positions *p, struct error *err)
{
    const struct pg_shared *shared = s->shared;
    if (shared->no_positions || positions_count(p) == 0)
        return true;
    struct columns c = {0};
    open_columns(&c, s);
    positions_each(p, add_stored, &c);
    bool done = insert_columns(s, &c, err);
    release_columns(&c);
    return done;
}

bool pg_forget_positions(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct error *err)
{
    const struct pg_shared *shared = s->shared;
    const struct identity *id = s->identity;
    if (shared->no_positions || count == 0)
        return true;
    struct buffer literal = {0};
    pg_array_open(&literal);
    for (uint32_t i = 0; i < count; i++)
        add_key(&literal, keys[i]);
    PGresult *r = pg_query(
        s,
        "DELETE FROM pipe_positions WHERE pipeline = $1 AND instance = $2 AND sink = $3 AND source = $4 AND "
        "incarnation = $5 AND partition = ANY ($6::text[])",
        6,
        (const char *const[]){id->pipeline, id->instance, id->sink, source, id->incarnation, pg_array_close(&literal)},
        err);
    PQclear(r);
    buffer_release(&literal);
    return r != NULL;
}

/* Gaps and islands: a range begins a new island when it starts behind all before it. Partitions with one row are left
 * alone. */
static const char merge_sql[] =
    "WITH many AS (SELECT source, partition, shard FROM pipe_positions WHERE pipeline = $1 AND instance = $2 AND sink "
    "= $3 AND"
    "  incarnation = $4 AND ($5::text IS NULL OR source = $5) AND ($6::text IS NULL OR partition = $6)"
    "  GROUP BY source, partition, shard HAVING count(*) > 1),"
    " gone AS (DELETE FROM pipe_positions p USING many m WHERE p.pipeline = $1 AND p.instance = $2 AND p.sink = $3 AND"
    "  p.incarnation = $4 AND p.source = m.source AND p.partition = m.partition AND p.shard = m.shard"
    "  RETURNING p.source, p.partition, p.shard, p.first, p.next),"
    " begun AS (SELECT *, first > max(next) OVER before AS begins FROM gone WINDOW before AS (PARTITION BY source, "
    "partition, shard"
    "  ORDER BY first, next ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),"
    " islands AS (SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY source, partition, shard ORDER BY first, "
    "next"
    "  ROWS UNBOUNDED PRECEDING) AS island FROM begun) "
    "INSERT INTO pipe_positions (pipeline, instance, sink, incarnation, source, partition, shard, first, next) "
    "SELECT $1, $2, $3, $4, source, partition, shard, min(first), max(next) FROM islands GROUP BY source, partition, "
    "shard, island";

bool pg_merge_ranges(struct sink *s, const char *source, const char *partition, struct error *err)
{
    const struct identity *id = s->identity;
    struct owner owner = owner_of(s, source);
    struct buffer key = {0};
    if (partition)
        partition = pg_stored_key(partition, &key);
    PGresult *r = pg_query(
        s, merge_sql, 6,
        (const char *const[]){id->pipeline, owner.instance, id->sink, owner.incarnation, source, partition}, err);
    PQclear(r);
    buffer_release(&key);
    return r != NULL;
}

/* ---- what an output needs --------------------------------------------------------------------------------------- */

bool pg_is_mine(const struct sink *s, const struct position *p)
{
    const struct pg_shared *shared = s->shared;
    return shared->routing != PG_ROUTE_PARTITION || pg_partition_route(shared, p->partition) == s->connection;
}

static bool covers(const struct positions *p, const char *source, const struct span *span, int32_t shard)
{
    uint32_t count;
    const struct range *ranges = positions_ranges(p, source, span->partition->key, shard, &count);
    for (uint32_t i = 0; i < count; i++)
        if (ranges[i].first <= span->first && span->next <= ranges[i].next)
            return true;
    return false;
}

static bool has_span(const struct sink *s, const struct positions *p, const char *source, const struct span *span)
{
    const struct pg_shared *shared = s->shared;
    if (!pg_is_mine(s, &(struct position){source, span->partition->key, SHARD_ALL, {0, 0}}) ||
        covers(p, source, span, SHARD_ALL))
        return true;
    bool all = shared->routing == PG_ROUTE_SHARD;
    for (int32_t shard = 0; shard < POSITION_SHARDS && all; shard++)
        if ((uint32_t)shard % shared->connections == s->connection)
            all = covers(p, source, span, shard);
    return all;
}

bool pg_has(const struct sink *s, const struct positions *p, const struct output *o)
{
    const char *source = lane_component(o->batch->lane)->name;
    for (uint32_t i = 0; i < o->span_count; i++) {
        struct span span = output_span(o, i);
        if (span.first < span.next && !has_span(s, p, source, &span))
            return false;
    }
    return true;
}
