/*
 * A whole pipeline in a temporary directory: a source under test, and a sink that writes each record as
 * FILE:LINE:OFFSET:BYTES to the file "out", at once. What is rejected goes to the dead letters.
 */
#ifndef TEST_RIG_H
#define TEST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connectors/file/file_sink.h"
#include "connectors/file/source.h"
#include "connectors/std/sources.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/output.h"
#include "tests/unit/connectors/scratch.h"

/* ---- the sink ------------------------------------------------------------------------------------------------------
 */

struct collect_options {
    const char *path;
};

static inline bool collect_bind(struct sink *s, struct binding *b, struct error *err)
{
    (void)s;
    (void)b;
    (void)err;
    return true;
}

static inline void collect_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                                  struct tools *tools, struct output *out, struct rejections *r)
{
    (void)b;
    (void)tools;
    (void)r;
    struct piece *piece = output_piece(out, STR(""));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t record = in->record[rows[i]];
        const char *file = batch_record_partition(in->batch, record)->file;
        const struct record *at = &in->batch->records[record];
        struct str bytes = batch_record_bytes(in->batch, record);
        buffer_printf(&piece->bytes, "%s:%u:%llu:", file ? file : "-", at->line, (unsigned long long)at->position);
        buffer_add_str(&piece->bytes, bytes);
        buffer_add_byte(&piece->bytes, '\n');
        piece->rows++;
    }
}

static inline bool collect_write(struct sink *s, struct output *o, struct error *err)
{
    const struct collect_options *options = s->component->options;
    int fd = open(options->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    bool ok = fd >= 0;
    for (uint32_t i = 0; ok && i < o->piece_count; i++)
        ok = file_write_all(fd, o->pieces[i].bytes.data, o->pieces[i].bytes.len, options->path, err);
    close(fd);
    return ok;
}

static const struct sink_ops collect_ops = {.bind = collect_bind, .encode = collect_encode, .write = collect_write};
static const struct option collect_option_table[] = {
    OPT(PATH, struct collect_options, path, .preset = "out", .doc = ""), OPT_END};
static const struct sink_type collect_sink_type = {
    .base = {.name = "collect",
             .summary = "",
             .example = "",
             .options = collect_option_table,
             .options_size = sizeof(struct collect_options)},
    .ops = &collect_ops,
};

/* ---- the pipeline --------------------------------------------------------------------------------------------------
 */

struct rig {
    struct scratch dir;
    uint64_t read, delivered, dead; /* of the last run */
    struct error err;               /* why it failed */
    char problems[4096];
    bool (*tick)(struct rig *r);   /* 200 times a second; true: drain */
    const struct edge_stats *edge; /* while it runs */
    struct buffer text;
};

static inline void rig_open(struct rig *r)
{
    *r = (struct rig){0};
    scratch_open(&r->dir);
}

static inline void rig_close(struct rig *r)
{
    scratch_close(&r->dir);
    buffer_release(&r->text);
}

static inline bool rig_tick(struct engine *e, void *arg)
{
    struct rig *r = arg;
    r->edge = stats_edge(e->stats, 0, 0);
    if (r->tick && r->tick(r))
        engine_drain(e);
    return true;
}

/* source: the options of [sources.in]. NULL: r->problems says why. */
static inline const struct config *rig_config(struct rig *r, const char *source, struct arena *arena)
{
    static const struct source_type *const sources[] = {&file_source_type, &stdin_source_type, &generate_source_type,
                                                        NULL};
    static const struct transform_type *const transforms[] = {NULL};
    static const struct sink_type *const sinks[] = {&collect_sink_type, &file_sink_type, NULL};
    static const struct catalog catalog = {sources, transforms, sinks};
    struct problems problems = {.arena = arena};
    const char *path = arena_strdup(arena, scratch_path(&r->dir, "pipeline.toml"));
    const char *text = arena_printf(arena,
                                    "[pipeline]\nname = \"t\"\nmemory = \"16MiB\"\nworkers = 2\n[sources.in]\n%s\n"
                                    "[sinks.out]\ntype = \"collect\"\ninputs = [\"in\"]\n",
                                    source);
    const struct config *cfg =
        config_load(&(struct config_sources){.path = path, .text = str_of(text)}, &catalog, arena, &problems);
    struct buffer shown = {0};
    problems_print(&problems, false, &shown);
    snprintf(r->problems, sizeof(r->problems), "%s", shown.len ? buffer_cstr(&shown) : "");
    buffer_release(&shown);
    return cfg;
}

/* Runs to the end. */
static inline enum outcome rig_run(struct rig *r, const char *source)
{
    struct arena arena = ARENA_INIT;
    log_setup(LOG_ERROR, LOG_HUMAN);
    const struct config *cfg = rig_config(r, source, &arena);
    if (!cfg)
        fail_msg("%s", r->problems);
    struct problems problems = {.arena = &arena};
    struct engine *e = engine_new(cfg, &clock_system);
    struct engine_options o = {.signal_fd = -1, .tick = rig_tick, .tick_arg = r, .tick_interval_us = 5000};
    r->err.text[0] = '\0';
    enum outcome outcome = engine_run(e, &o, &problems, &r->err);
    if (e->stats) {
        r->read = counter_get(&e->stats->sources[0].read);
        r->delivered = counter_get(&stats_edge(e->stats, 0, 0)->delivered);
        r->dead = counter_get(&stats_edge(e->stats, 0, 0)->dead);
    }
    r->edge = NULL;
    engine_free(e);
    arena_release(&arena);
    return outcome;
}

static inline void rig_complete(struct rig *r, const char *source)
{
    enum outcome outcome = rig_run(r, source);
    if (outcome != OUTCOME_COMPLETE)
        fail_msg("outcome %d: %s", (int)outcome, r->err.text);
}

/* What the sink has written; "" if nothing. */
static inline const char *rig_output(struct rig *r)
{
    struct error err;
    buffer_clear(&r->text);
    if (scratch_has(&r->dir, "out"))
        assert_true(file_read_all(scratch_path(&r->dir, "out"), 1 << 28, &r->text, &err));
    return buffer_cstr(&r->text);
}

static inline size_t rig_lines(struct rig *r)
{
    size_t lines = 0;
    for (const char *p = rig_output(r); *p; p++)
        lines += *p == '\n';
    return lines;
}

#endif
