/*
 * A private PostgreSQL server, and a postgres sink driven by hand the way the engine does: open, load_positions, bind,
 * encode, write, prepare, commit.
 */
#ifndef PIPE_POSTGRES_RIG_H
#define PIPE_POSTGRES_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "connectors/postgres/postgres.h"
#include "pipeline/base/clock.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/output.h"

/* The module's one export: here it is linked, not loaded. */
extern const struct sink_ops postgres_sink_ops;

/* ---- the server ------------------------------------------------------------------------------------------------- */

static struct server {
    char directory[64], url[128];
    PGconn *watcher; /* an independent client */
} server;

static inline void server_verb(const char *verb)
{
    char command[256];
    snprintf(command, sizeof(command), "./server postgres %s %s", verb, server.directory);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char line[128] = "";
    if (fgets(line, sizeof(line), pipe)) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(server.url, sizeof(server.url), "%s", line);
    }
    assert_int_equal(pclose(pipe), 0);
}

static inline void watcher_connect(void)
{
    PQfinish(server.watcher);
    server.watcher = PQconnectdb(server.url);
    assert_string_equal(PQerrorMessage(server.watcher), "");
    PQclear(PQexec(server.watcher, "SET client_min_messages = warning"));
}

static inline int server_setup(void **state)
{
    (void)state;
    snprintf(server.directory, sizeof(server.directory), "/tmp/pipe-postgres-test.XXXXXX");
    assert_non_null(mkdtemp(server.directory));
    server_verb("start");
    watcher_connect();
    return 0;
}

static inline int server_teardown(void **state)
{
    (void)state;
    PQfinish(server.watcher);
    server_verb("remove");
    return 0;
}

/* Runs statements as the independent client. */
static inline void sql(const char *statements)
{
    PGresult *r = PQexec(server.watcher, statements);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", statements, PQresultErrorMessage(r));
    PQclear(r);
}

/* The result's rows, as "a|b a|b": NULL is "-". */
static inline const char *ask(const char *query)
{
    static char answer[8192];
    PGresult *r = PQexec(server.watcher, query);
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", query, PQresultErrorMessage(r));
    size_t len = 0;
    answer[0] = '\0';
    for (int i = 0; i < PQntuples(r); i++)
        for (int k = 0; k < PQnfields(r); k++)
            len += (size_t)snprintf(answer + len, sizeof(answer) - len, "%s%s",
                                    k   ? "|"
                                    : i ? " "
                                        : "",
                                    PQgetisnull(r, i, k) ? "-" : PQgetvalue(r, i, k));
    PQclear(r);
    return answer;
}

/* ---- the pipeline around the sink ------------------------------------------------------------------------------- */

static inline bool always(const struct component *c)
{
    (void)c;
    return true;
}

static const struct source_ops hand_ops = {.run = NULL};
static const struct source_type hand_source_type = {
    .base = {.name = "hand"}, .finite = always, .rewindable = always, .ops = &hand_ops};

struct rig {
    struct arena arena;
    struct config config;
    struct component components[2];
    struct source_common source_common;
    struct sink_common sink_common;
    struct postgres_options options;
    struct input input;
    struct identity identity;
    struct engine *engine;
    struct lane *lane;
    struct partition *partition;
    const struct sink_ops *ops;
    struct sink sinks[4];
    uint32_t connections;
    struct positions *stored;
    struct schema schema;
    struct binding binding;
    struct arena slice_arena;
    struct rejections rejections;
    uint64_t position; /* of the next record */
    struct error err;
};

/* Options as for most tests; change them before rig_open. */
static inline void rig_init(struct rig *rig, const char *table)
{
    memset(rig, 0, sizeof(*rig));
    rig->options = (struct postgres_options){.url = server.url, .table = table, .unknown = "error"};
    rig->sink_common = (struct sink_common){.connections = 1, .ordered = true};
    rig->config = (struct config){.components = rig->components, .count = 2, .zone = zone_utc};
    rig->config.pipeline.name = "test";
    rig->config.pipeline.instance = "";
    rig->input = (struct input){.component = 0};
    rig->components[0] = (struct component){.config = &rig->config,
                                            .kind = COMPONENT_SOURCE,
                                            .index = 0,
                                            .name = "hand",
                                            .source = &hand_source_type,
                                            .source_common = &rig->source_common};
    rig->components[1] = (struct component){.config = &rig->config,
                                            .kind = COMPONENT_SINK,
                                            .index = 1,
                                            .name = "warehouse",
                                            .sink = &postgres_sink_type,
                                            .options = &rig->options,
                                            .sink_common = &rig->sink_common,
                                            .inputs = &rig->input,
                                            .input_count = 1};
    rig->identity = (struct identity){"test", "", "warehouse", "11111111-2222-3333-4444-555555555555"};
    rig->engine = engine_new(&rig->config, &clock_system);
    rig->engine->budget = budget_new(1 << 30);
    rig->lane = lane_new(rig->engine, &rig->components[0], 0, 0, 1, &rig->err);
    rig->partition = partition_new("a.csv");
    rig->ops = &postgres_sink_ops;
    rig->schema = (struct schema){.arena = &rig->arena};
    rig->binding = (struct binding){.component = &rig->components[1],
                                    .component_index = 1,
                                    .schema = &rig->schema,
                                    .arena = &rig->arena,
                                    .source_name = STR("hand"),
                                    .zone = zone_utc};
    rig->rejections.arena = &rig->slice_arena;
}

static inline void rig_column(struct rig *rig, const char *name, enum type_id type)
{
    schema_add(&rig->schema,
               (struct column){.name = str_of(name), .type = TYPE(type), .visible = true, .origin = COLUMN_DERIVED});
}

static inline bool rig_connect(struct rig *rig, uint32_t connection)
{
    struct sink *s = &rig->sinks[connection];
    if (!rig->ops->open(s, &rig->err))
        return false;
    struct positions *stored = positions_new();
    if (!rig->ops->load_positions(s, stored, &rig->err)) {
        positions_free(stored);
        rig->ops->close(s);
        return false;
    }
    positions_free(rig->stored);
    rig->stored = stored;
    return true;
}

static inline bool rig_try_open(struct rig *rig)
{
    rig->connections = (uint32_t)rig->sink_common.connections;
    for (uint32_t i = 0; i < rig->connections; i++) {
        rig->sinks[i] =
            (struct sink){.component = &rig->components[1],
                          .type = &postgres_sink_type,
                          .ops = rig->ops,
                          .identity = &rig->identity,
                          .connection = i,
                          .shared = rig->sinks[0].shared,
                          .state = rig->sinks[i].state ? rig->sinks[i].state : mem_zalloc(rig->ops->state_size),
                          .zone = zone_utc,
                          .finite = true,
                          .clock = &clock_system};
        if (!rig_connect(rig, i))
            return false;
    }
    rig->sinks[0].stored = rig->stored;
    rig->binding.sink = &rig->sinks[0];
    return rig->ops->bind(&rig->sinks[0], &rig->binding, &rig->err);
}

static inline void rig_open(struct rig *rig)
{
    if (!rig_try_open(rig))
        fail_msg("%s", rig->err.text);
}

static inline void rig_close(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->connections; i++)
        if (rig->sinks[i].state) {
            rig->ops->close(&rig->sinks[i]);
            free(rig->sinks[i].state);
        }
    rig->ops->release(&rig->sinks[0]);
    positions_free(rig->stored);
    partition_unref(rig->partition);
    lane_free(rig->lane);
    engine_free(rig->engine);
    arena_release(&rig->slice_arena);
    arena_release(&rig->arena);
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

/* rows × columns of values; record[i] of each row, NULL: one record a row. Encoded as one output of the next `records`
 * positions. */
static inline struct output *rig_encode(struct rig *rig, const struct value *values, const uint32_t *record,
                                        uint32_t rows, uint32_t records)
{
    struct batch *b = batch_new(64);
    b->lane = rig->lane;
    struct span *span = batch_add_span(b, rig->partition, rig->position);
    for (uint32_t i = 0; i < records; i++)
        batch_add_record(b)->position = rig->position++;
    span->count = records;
    span->next = rig->position;
    struct output *o = mem_zalloc(sizeof(*o));
    o->batch = b;
    o->records = records;
    output_cover(o, 0, records);
    uint32_t columns = rig->schema.count;
    for (uint32_t from = 0; from < rows; from += SLICE_ROWS) {
        uint32_t count = rows - from < SLICE_ROWS ? rows - from : SLICE_ROWS;
        struct slice slice = {.batch = b,
                              .arena = &rig->slice_arena,
                              .rows = count,
                              .sel = slice_all_rows,
                              .selected = count,
                              .column_count = columns};
        uint32_t *numbers = arena_array(&rig->slice_arena, uint32_t, count);
        slice.columns = arena_array(&rig->slice_arena, struct value *, columns + 1);
        for (uint32_t c = 0; c < columns; c++) {
            slice.columns[c] = arena_array(&rig->slice_arena, struct value, count);
            for (uint32_t r = 0; r < count; r++)
                slice.columns[c][r] = values[(from + r) * columns + c];
        }
        for (uint32_t r = 0; r < count; r++)
            numbers[r] = record ? record[from + r] : from + r;
        slice.record = numbers;
        struct tools tools = {.arena = &rig->slice_arena};
        rig->ops->encode(&rig->binding, &slice, slice_all_rows, count, &tools, o, &rig->rejections);
    }
    for (uint32_t i = 0; i < o->piece_count; i++)
        o->rows += o->pieces[i].rows;
    return o;
}

static inline void rig_write(struct rig *rig, uint32_t connection, struct output *o)
{
    if (!rig->ops->write(&rig->sinks[connection], o, &rig->err))
        fail_msg("%s", rig->err.text);
}

static inline bool rig_try_commit(struct rig *rig, uint32_t connection, struct output *const *outputs, uint32_t count)
{
    struct sink *s = &rig->sinks[connection];
    return rig->ops->prepare(s, &rig->err) && rig->ops->commit(s, outputs, count, &rig->err);
}

static inline void rig_commit(struct rig *rig, struct output *const *outputs, uint32_t count)
{
    for (uint32_t i = 0; i < rig->connections; i++)
        if (!rig_try_commit(rig, i, outputs, count))
            fail_msg("%s", rig->err.text);
}

/* Encode, write, commit: all well. The output is returned for its rejections. */
static inline struct output *rig_store(struct rig *rig, const struct value *values, uint32_t rows)
{
    struct output *o = rig_encode(rig, values, NULL, rows, rows);
    for (uint32_t i = 0; i < rig->connections; i++)
        rig_write(rig, i, o);
    rig_commit(rig, &o, 1);
    return o;
}

static inline struct value text(const char *s)
{
    return value_text(str_of(s));
}

#define VALUES(...) ((const struct value[]){__VA_ARGS__})

#endif
