/*
 * A built-in sink driven by hand the way the engine drives it: open, load_positions, bind, encode, write, commit. One
 * source "hand" with one partition, a temporary directory, workers for sink_compute.
 */
#ifndef TEST_SINK_RIG_H
#define TEST_SINK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/base/clock.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/output.h"
#include "pipeline/engine/worker.h"
#include "tests/unit/connectors/scratch.h"

static inline bool always(const struct component *c)
{
    (void)c;
    return true;
}

static const struct source_ops hand_ops = {.run = NULL};
static const struct source_type hand_source_type = {
    .base = {.name = "hand"}, .finite = always, .rewindable = always, .ops = &hand_ops};

struct rig {
    struct scratch scratch;
    struct arena arena;
    struct config config;
    struct component components[2];
    struct source_common source_common;
    struct sink_common sink_common;
    struct input input;
    struct identity identity;
    struct engine *engine;
    struct lane *lane;
    struct partition *partition;
    struct clock clock; /* a test may replace it */
    struct sink sink;
    struct positions *stored;
    struct schema schema;
    struct binding binding;
    struct arena slice_arena;
    struct rejections rejections;
    struct compressor *compressor;
    uint64_t position; /* of the next record */
    struct error err;
};

/* Options may be changed until rig_open. */
static inline void rig_init(struct rig *rig, const struct sink_type *type, void *options)
{
    memset(rig, 0, sizeof(*rig));
    scratch_open(&rig->scratch);
    rig->sink_common = (struct sink_common){.connections = 1, .ordered = true};
    rig->config = (struct config){.components = rig->components, .count = 2, .zone = zone_utc};
    rig->config.pipeline.name = "test";
    rig->config.pipeline.instance = "";
    rig->clock = clock_system;
    rig->components[0] = (struct component){.config = &rig->config,
                                            .kind = COMPONENT_SOURCE,
                                            .name = "hand",
                                            .source = &hand_source_type,
                                            .source_common = &rig->source_common};
    rig->components[1] = (struct component){.config = &rig->config,
                                            .kind = COMPONENT_SINK,
                                            .index = 1,
                                            .name = "store",
                                            .sink = type,
                                            .options = options,
                                            .sink_common = &rig->sink_common,
                                            .inputs = &rig->input,
                                            .input_count = 1};
    rig->identity = (struct identity){"test", "", "store", "11111111-2222-3333-4444-555555555555"};
    rig->engine = engine_new(&rig->config, &clock_system);
    rig->engine->budget = budget_new(1 << 30);
    rig->engine->pool = pool_new(2);
    rig->lane = lane_new(rig->engine, &rig->components[0], 0, 0, 1, &rig->err);
    rig->partition = partition_new("a.csv");
    rig->compressor = compressor_new();
    rig->schema = (struct schema){.arena = &rig->arena};
    rig->binding = (struct binding){.sink = &rig->sink,
                                    .component = &rig->components[1],
                                    .component_index = 1,
                                    .schema = &rig->schema,
                                    .arena = &rig->arena,
                                    .source_name = STR("hand"),
                                    .zone = zone_utc};
    rig->rejections.arena = &rig->slice_arena;
}

static inline char *rig_path(struct rig *rig, const char *name)
{
    return arena_printf(&rig->arena, "%s/%s", rig->scratch.path, name);
}

static inline void rig_column(struct rig *rig, const char *name, enum type_id type)
{
    schema_add(&rig->schema,
               (struct column){.name = str_of(name), .type = TYPE(type), .visible = true, .origin = COLUMN_DERIVED});
}

static inline bool rig_connect(struct rig *rig)
{
    const struct sink_ops *ops = rig->sink.ops;
    if (!ops->open(&rig->sink, &rig->err))
        return false;
    positions_free(rig->stored);
    rig->stored = positions_new();
    if (ops->load_positions(&rig->sink, rig->stored, &rig->err))
        return true;
    ops->close(&rig->sink);
    return false;
}

static inline bool rig_try_open(struct rig *rig)
{
    const struct sink_type *type = rig->components[1].sink;
    rig->sink = (struct sink){.component = &rig->components[1],
                              .type = type,
                              .ops = type->ops,
                              .identity = &rig->identity,
                              .state = mem_zalloc(type->ops->state_size),
                              .zone = zone_utc,
                              .finite = true,
                              .clock = &rig->clock,
                              .engine = rig->engine};
    if (!rig_connect(rig)) {
        type->ops->release(&rig->sink);
        free(rig->sink.state);
        rig->sink.state = NULL;
        return false;
    }
    return type->ops->bind(&rig->sink, &rig->binding, &rig->err);
}

static inline void rig_open(struct rig *rig)
{
    if (!rig_try_open(rig))
        fail_msg("%s", rig->err.text);
}

/* The end of a process, as far as the sink can see: what it has not committed is gone. */
static inline void rig_shut(struct rig *rig)
{
    if (!rig->sink.state)
        return;
    rig->sink.ops->close(&rig->sink);
    rig->sink.ops->release(&rig->sink);
    free(rig->sink.state);
    rig->sink.state = NULL;
}

static inline void rig_restart(struct rig *rig)
{
    rig_shut(rig);
    rig_open(rig);
}

static inline void rig_close(struct rig *rig)
{
    rig_shut(rig);
    positions_free(rig->stored);
    partition_unref(rig->partition);
    lane_free(rig->lane);
    pool_free(rig->engine->pool);
    engine_free(rig->engine);
    compressor_free(rig->compressor);
    arena_release(&rig->slice_arena);
    arena_release(&rig->arena);
    scratch_close(&rig->scratch);
}

/* rows × columns of values; record[i] of each row, NULL: one record a row. One output of the next `records` positions.
 */
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
    struct tools tools = {.arena = &rig->slice_arena, .compressor = rig->compressor};
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
        rig->sink.ops->encode(&rig->binding, &slice, slice_all_rows, count, &tools, o, &rig->rejections);
    }
    for (uint32_t i = 0; i < o->piece_count; i++)
        o->rows += o->pieces[i].rows;
    return o;
}

static inline bool rig_try_write(struct rig *rig, struct output *o)
{
    return o->piece_count == 0 || rig->sink.ops->write(&rig->sink, o, &rig->err);
}

static inline bool rig_try_commit(struct rig *rig, struct output *const *outputs, uint32_t count)
{
    return rig->sink.ops->commit(&rig->sink, outputs, count, &rig->err);
}

static inline void rig_commit(struct rig *rig, struct output *const *outputs, uint32_t count)
{
    if (!rig_try_commit(rig, outputs, count))
        fail_msg("%s", rig->err.text);
}

static inline struct output *rig_write(struct rig *rig, const struct value *values, uint32_t rows)
{
    struct output *o = rig_encode(rig, values, NULL, rows, rows);
    if (!rig_try_write(rig, o))
        fail_msg("%s", rig->err.text);
    return o;
}

/* Encode, write, commit: all well. The output is returned for its rejections. */
static inline struct output *rig_store(struct rig *rig, const struct value *values, uint32_t rows)
{
    struct output *o = rig_write(rig, values, rows);
    rig_commit(rig, &o, 1);
    return o;
}

/* What the sink has stored of the partition, as "0-5 7-9". */
static inline const char *rig_stored(const struct rig *rig)
{
    static char text[256];
    uint32_t count;
    const struct range *ranges = positions_ranges(rig->stored, "hand", "a.csv", SHARD_ALL, &count);
    int len = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < count && (size_t)len < sizeof(text) - 50; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%llu-%llu", i ? " " : "",
                        (unsigned long long)ranges[i].first, (unsigned long long)ranges[i].next);
    return text;
}

static inline struct value text(const char *s)
{
    return value_text(str_of(s));
}

#define VALUES(...) ((const struct value[]){__VA_ARGS__})

#endif
