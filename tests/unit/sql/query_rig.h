/*
 * Runs a query over records as a worker does: the source's decoder, the query, the JSON encoder. What comes out is
 * text: one line per event, then one line "! reason" per rejected record.
 */
#ifndef TEST_QUERY_RIG_H
#define TEST_QUERY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/codec/format.h"
#include "pipeline/event/datetime.h"
#include "pipeline/sql/sql.h"

struct query_rig {
    struct arena plan, arena;
    struct format_options options;
    const struct format *format;
    struct schema *source;
    struct decoder decoder;
    struct partition *partition;
    struct batch *b;
    struct slice in;
    struct rejections rejections;
    struct sql_options how;
    struct sql_error err;
    struct buffer out;
};

static inline int rig_request(struct schema *s, const struct path *path)
{
    struct query_rig *rig = s->owner;
    if (!s->open)
        return -1;
    struct column c = {.name = path->parts[path->count - 1],
                       .type = TYPE(rig->format == &format_json ? TYPE_JSON : TYPE_UNKNOWN),
                       .origin = COLUMN_MEMBER,
                       .path = *path};
    return (int)schema_add(s, c);
}

static inline int rig_request_meta(struct schema *s, enum meta_field field)
{
    struct column c = {
        .name = str_of(meta_field_name(field)), .type = meta_field_type(field), .origin = COLUMN_META, .meta = field};
    return (int)schema_add(s, c);
}

static inline struct query_rig *rig_open(const struct format *format)
{
    struct query_rig *rig = calloc(1, sizeof *rig);
    struct error err;
    rig->format = format;
    rig->options =
        (struct format_options){.csv_delimiter = ",", .csv_quote = "\"", .json_max_depth = 128, .text_column = "line"};
    rig->source = arena_new(&rig->plan, struct schema);
    *rig->source = (struct schema){
        .arena = &rig->plan, .open = true, .request = rig_request, .request_meta = rig_request_meta, .owner = rig};
    rig->how = (struct sql_options){.input = "readings", .source_name = STR("line3"), .zone = zone_utc, .component = 7};
    rig->partition = partition_new("inbox/a.json");
    rig->partition->file = mem_strdup("inbox/a.json");
    assert_true(timestamp_parse(STR("2026-03-01 12:00:00"), &rig->partition->timestamp, &err));
    return rig;
}

/* Closes the source's set of members around this column. */
static inline void rig_declare(struct query_rig *rig, const char *name, const char *type)
{
    struct error err;
    struct column c = {.name = str_of(name), .visible = true, .origin = COLUMN_MEMBER, .declared = true};
    c.path = (struct path){&c.name, 1};
    assert_true(type_parse(str_of(type), &c.type, &err));
    schema_add(rig->source, c);
    rig->source->open = false;
}

/* "name type, name type" */
static inline void rig_declare_all(struct query_rig *rig, const char *list)
{
    char copy[512];
    snprintf(copy, sizeof copy, "%s", list);
    for (char *rest = copy, *item; (item = strsep(&rest, ",")) != NULL;) {
        item += strspn(item, " ");
        char *type = strchr(item, ' ');
        *type++ = '\0';
        rig_declare(rig, arena_strdup(&rig->plan, item), type);
    }
}

/* Cuts the text into records, decodes them with the columns that were asked for. */
static inline void rig_decode(struct query_rig *rig, const char *text)
{
    struct error err;
    size_t len = strlen(text), from = 0;
    rig->b = batch_new(len + 1);
    memcpy(rig->b->bytes, text, len);
    rig->b->len = len;
    batch_add_span(rig->b, rig->partition, 0);
    struct framer f = {
        .format = rig->format, .options = &rig->options, .max_record = 1 << 20, .line = 1, .partition = rig->partition};
    if (rig->format->prime)
        from = (size_t)rig->format->prime(&f, rig->b->bytes, len, true, &err);
    rig->format->frame(&f, rig->b, from, true, SLICE_ROWS);
    rig->decoder = (struct decoder){.format = rig->format,
                                    .options = &rig->options,
                                    .schema = rig->source,
                                    .convert.zone = zone_utc,
                                    .source_name = rig->how.source_name};
    assert_true(rig->format->bind_decoder(&rig->decoder, &rig->plan, &err));
    rig->rejections = (struct rejections){.arena = &rig->arena};
    decoder_run(&rig->decoder, rig->b, 0, rig->b->record_count, &rig->arena, &rig->in, &rig->rejections);
}

static inline void rig_print_rejections(struct query_rig *rig)
{
    for (uint32_t i = 0; i < rig->rejections.count; i++) {
        struct rejection *j = &rig->rejections.items[i];
        buffer_printf(&rig->out, "! %s " STR_FMT "\n", j->sqlstate, STR_ARG(j->text));
    }
}

static inline const char *rig_error(struct query_rig *rig)
{
    buffer_printf(&rig->out, "ERROR %s at %zu+%zu: %s", rig->err.error.sqlstate, rig->err.offset, rig->err.length,
                  rig->err.error.text);
    if (rig->err.hint[0])
        buffer_printf(&rig->out, " | %s", rig->err.hint);
    buffer_add_byte(&rig->out, '\n');
    return buffer_cstr(&rig->out);
}

/* The result of one or (with `then`) two queries in a row. */
static inline const char *rig_run(struct query_rig *rig, const char *query, const char *then, const char *records)
{
    struct error err;
    struct schema *out, *last;
    struct slice result, second;
    rig->out.len = 0;
    struct sql_query *q = sql_compile(str_of(query), rig->source, &rig->how, &rig->plan, &out, &rig->err);
    if (!q)
        return rig_error(rig);
    last = out;
    struct sql_query *next = NULL;
    if (then && !(next = sql_compile(str_of(then), out, &rig->how, &rig->plan, &last, &rig->err)))
        return rig_error(rig);
    if (last->open)
        schema_want_raw(last);
    struct encoder encoder = {.format = &format_json, .options = &rig->options, .schema = last, .zone = zone_utc};
    assert_true(format_json.bind_encoder(&encoder, &rig->plan, &err));
    rig_decode(rig, records);
    sql_run(q, &rig->in, &result, &rig->rejections);
    if (next) {
        sql_run(next, &result, &second, &rig->rejections);
        result = second;
    }
    format_json.encode(&encoder, &result, result.sel, result.selected, &rig->out, NULL, &rig->rejections);
    rig_print_rejections(rig);
    return buffer_cstr(&rig->out);
}

static inline void rig_close(struct query_rig *rig)
{
    buffer_release(&rig->out);
    if (rig->b)
        batch_unref(rig->b);
    partition_unref(rig->partition);
    arena_release(&rig->plan);
    arena_release(&rig->arena);
    free(rig);
}

#endif
