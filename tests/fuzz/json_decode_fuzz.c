/*
 * Records, split at 0x1E, through both parsers: they take exactly the valid objects and find the same values; what is
 * taken is written again as valid JSON on one line, with a column in place of a member, and so is its jsonb form. Bytes
 * behind the batch's padding are poisoned.
 */
#include <sanitizer/asan_interface.h>
#include <stdlib.h>

#include "pipeline/codec/json.h"
#include "pipeline/codec/json_decode.h"
#include "pipeline/codec/json_encode.h"
#include "pipeline/codec/json_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {"a", "b", "loc", "loc.lat", "loc.lat.x", "longer name than a step holds, by far"};
enum { PATHS = sizeof(paths) / sizeof(*paths), RECORDS_MAX = 64 };

static struct arena plan, arena;
static struct schema schema;
static struct format_options options = {.json_max_depth = 20};
static struct decoder decoder = {.options = &options, .schema = &schema};
static struct encoder encoder = {.options = &options, .schema = &schema};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool is_valid(struct str text, uint32_t depth)
{
    size_t offset;
    const char *why;
    return json_validate(text, depth, &offset, &why);
}

static void set_up(void)
{
    struct error err;
    schema.arena = &plan;
    schema.open = schema.wants_raw = true;
    for (size_t i = 0; i < PATHS; i++) {
        struct column c = {
            .name = str_of(paths[i]), .type = TYPE(TYPE_JSON), .path = path_parse(&plan, str_of(paths[i]))};
        c.visible = i == 1;
        schema_add(&schema, c);
    }
    check(json_bind_decoder(&decoder, &plan, &err));
    check(json_bind_encoder(&encoder, &plan, &err));
}

static void add_records(struct batch *b, const uint8_t *data, size_t size)
{
    batch_reserve(b, size);
    for (const uint8_t *at = data, *end = data + size; at <= end && b->record_count < RECORDS_MAX;) {
        const uint8_t *stop = at < end ? memchr(at, 0x1E, (size_t)(end - at)) : NULL;
        size_t len = (size_t)((stop ? stop : end) - at);
        struct record *r = batch_add_record(b);
        *r = (struct record){.offset = (uint32_t)b->len, .length = (uint32_t)len};
        if (len)
            memcpy(b->bytes + b->len, at, len);
        b->len += len;
        at += len + 1;
    }
}

static struct slice decode(const struct batch *b, json_parse_function *parse)
{
    struct slice out = {.batch = b, .arena = &arena};
    struct rejections r = {.arena = &arena};
    ((struct json_program *)decoder.program)->parse = parse;
    json_decode(&decoder, b, 0, b->record_count, &out, &r);
    check(out.selected + r.count == b->record_count);
    for (uint32_t i = 0; i < r.count; i++)
        check(r.items[i].offset <= b->records[r.items[i].record].length);
    return out;
}

static void check_taken(const struct batch *b, const struct slice *s)
{
    uint32_t row = 0;
    for (uint32_t i = 0; i < b->record_count; i++) {
        struct json_members m;
        struct str text = batch_record_bytes(b, i);
        bool event = is_valid(text, 20) && json_object_open(&m, text);
        check(event == (row < s->selected && s->record[s->sel[row]] == i));
        row += event;
    }
}

static void check_values(const struct slice *s, const struct slice *other)
{
    check(s->selected == other->selected);
    for (uint32_t row = 0; row < s->selected; row++) {
        for (uint32_t c = 0; c < PATHS; c++) {
            const struct path *path = &schema.columns[c].path;
            struct value v = s->columns[c][row], w = other->columns[c][row];
            struct value found = json_at(s->raw[row], path->parts, path->count);
            check(v.kind == w.kind && v.kind == found.kind && v.flags == found.flags);
            if (v.kind == VALUE_TEXT || v.kind == VALUE_NUMBER || v.kind == VALUE_JSON)
                check(v.ptr == w.ptr && v.len == w.len && v.ptr == found.ptr && v.len == found.len);
        }
    }
}

static void check_written(const struct slice *s)
{
    struct buffer out = {0}, jsonb = {0};
    struct rejections r = {.arena = &arena};
    for (uint32_t row = 0; row < s->selected; row++) {
        buffer_clear(&out);
        json_encode(&encoder, s, &row, 1, &out, NULL, &r);
        check(out.data[out.len - 1] == '\n' && memchr(out.data, '\n', out.len - 1) == NULL);
        check(is_valid((struct str){out.data, out.len}, 20));
        buffer_clear(&jsonb);
        json_print_jsonb(s->raw[row], &jsonb);
        check(is_valid((struct str){jsonb.data, jsonb.len}, 20));
    }
    buffer_release(&out);
    buffer_release(&jsonb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!decoder.program)
        set_up();
    struct batch *b = batch_new(size ? size : 1);
    add_records(b, data, size);
    char *hidden = b->bytes + b->len + BATCH_PADDING;
    size_t hidden_bytes = b->capacity - b->len;
    ASAN_POISON_MEMORY_REGION(hidden, hidden_bytes);
    struct slice baseline = decode(b, json_parse_baseline), best = decode(b, json_parse_choose());
    check_taken(b, &baseline);
    check_values(&baseline, &best);
    check_written(&best);
    ASAN_UNPOISON_MEMORY_REGION(hidden, hidden_bytes);
    batch_unref(b);
    arena_reset(&arena);
    return 0;
}
