/*
 * Decodes records as a worker does: paths are asked for, records are put into a batch one after the other.
 */
#ifndef TEST_JSON_DECODING_H
#define TEST_JSON_DECODING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/codec/json_decode.h"
#include "pipeline/codec/json_parse.h"

struct decoding_rig {
    struct arena plan, arena;
    struct schema schema;
    struct format_options options;
    struct decoder d;
    struct partition *partition;
    struct batch *b;
    struct slice out;
    struct rejections rejections;
};

static inline struct decoding_rig *decoding_open(void)
{
    struct decoding_rig *rig = calloc(1, sizeof *rig);
    rig->schema.arena = &rig->plan;
    rig->schema.open = true;
    rig->d = (struct decoder){.options = &rig->options, .schema = &rig->schema, .convert.zone = zone_utc};
    rig->partition = partition_new("records");
    rig->b = batch_new(4096);
    batch_add_span(rig->b, rig->partition, 0);
    return rig;
}

/* "loc.lat"; type NULL: not declared. */
static inline void decoding_want(struct decoding_rig *rig, const char *path, const char *type)
{
    struct column c = {
        .name = str_of(path), .type = TYPE(TYPE_JSON), .path = path_parse(&rig->plan, str_of(path)), .declared = type};
    struct error err;
    if (type)
        assert_true(type_parse(str_of(type), &c.type, &err));
    schema_add(&rig->schema, c);
}

static inline void decoding_add(struct decoding_rig *rig, struct str text)
{
    struct batch *b = rig->b;
    if (b->len + text.len > b->capacity)
        batch_reserve(b, 2 * (b->len + text.len));
    struct record *r = batch_add_record(b);
    *r = (struct record){.position = b->len, .offset = (uint32_t)b->len, .length = (uint32_t)text.len};
    if (text.len)
        memcpy(b->bytes + b->len, text.data, text.len);
    b->len += text.len;
    b->spans[0].count++;
}

/* parse NULL: the one for this machine. */
static inline void decoding_run(struct decoding_rig *rig, json_parse_function *parse)
{
    struct error err;
    assert_true(json_bind_decoder(&rig->d, &rig->plan, &err));
    if (parse)
        ((struct json_program *)rig->d.program)->parse = parse;
    rig->rejections = (struct rejections){.arena = &rig->arena};
    rig->out = (struct slice){.batch = rig->b, .arena = &rig->arena};
    json_decode(&rig->d, rig->b, 0, rig->b->record_count, &rig->out, &rig->rejections);
}

static inline void decoding_close(struct decoding_rig *rig)
{
    arena_release(&rig->plan);
    arena_release(&rig->arena);
    batch_unref(rig->b);
    partition_unref(rig->partition);
    free(rig);
}

/* A value as the test writes it down: missing -, true, 12.50, "text" (escapes as they are), {…}. */
static inline void print_decoded(struct value v, struct buffer *out)
{
    if (v.kind == VALUE_NULL) {
        buffer_add_byte(out, '-');
    } else if (v.kind == VALUE_BOOL) {
        buffer_add_str(out, v.i ? STR("true") : STR("false"));
    } else if (v.kind == VALUE_TEXT) {
        bool backslash = v.len && memchr(v.ptr, '\\', v.len);
        assert_int_equal(v.flags, backslash ? VALUE_ESCAPED : VALUE_JSON_SAFE);
        buffer_printf(out, "\"%.*s\"", (int)v.len, v.ptr);
    } else if (v.kind == VALUE_NUMBER || v.kind == VALUE_JSON) {
        buffer_add(out, v.ptr, v.len);
    } else if (v.kind == VALUE_INT) {
        buffer_printf(out, "int %lld", (long long)v.i);
    } else {
        buffer_printf(out, "kind %d", v.kind);
    }
}

static inline json_parse_function *const *all_parsers(void)
{
    static json_parse_function *parsers[3] = {json_parse_baseline};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        parsers[1] = json_parse_avx2;
#endif
    return parsers;
}

#endif
