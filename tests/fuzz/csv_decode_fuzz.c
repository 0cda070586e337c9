/*
 * Any bytes as a CSV stream: every record ends up either as an event or as a rejection, events are valid JSON, and the
 * fast way of splitting finds what the careful one does. The first two bytes choose the dialect.
 */
#include <stdlib.h>

#include "pipeline/codec/csv.h"
#include "pipeline/codec/json.h"

#define REQUIRE(what)                                                                                                  \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

static void compare(const struct decoder *d, const struct slice *s, uint32_t row, struct arena *arena)
{
    struct csv_dialect dialect;
    struct error err;
    struct value cells[3];
    uint32_t count;
    size_t offset;
    REQUIRE(csv_dialect_of(d->options, &dialect, &err));
    struct str record = batch_record_bytes(s->batch, s->record[row]);
    REQUIRE(csv_split(&dialect, record, arena, cells, 3, &count, &offset) == NULL && count == 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct value v = s->columns[i][row];
        REQUIRE(v.kind == cells[i].kind);
        REQUIRE(value_is_null(v) || str_eq(value_str(v), csv_to_utf8(dialect.encoding, value_str(cells[i]), arena)));
    }
    REQUIRE(json_validate(s->raw[row], 4, &offset, &(const char *){NULL}));
}

static void decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count)
{
    struct arena arena = ARENA_INIT;
    struct slice s;
    struct rejections r = {.arena = &arena};
    decoder_run(d, b, first, count, &arena, &s, &r);
    REQUIRE(s.selected + r.count == count);
    for (uint32_t i = 0; i < s.selected; i++)
        compare(d, &s, s.sel[i], &arena);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    static const char *names[] = {"a", "b\"", "c"};
    static const char *delimiters[] = {",", ";", "\\t", "a"}, *quotes[] = {"\"", "'"};
    struct arena plan = ARENA_INIT;
    struct error err;
    struct format_options o = {
        .csv_names = {names, 3},
        .csv_delimiter = delimiters[data[0] % 4],
        .csv_quote = quotes[data[0] / 4 % 2],
        .csv_null = data[0] & 8 ? "NA" : NULL,
        .csv_encoding = data[1] % 3,
    };
    struct schema schema = {.arena = &plan};
    REQUIRE(format_csv.source_schema(&o, &schema, &err));
    schema.wants_raw = true;
    struct decoder d = {.format = &format_csv, .options = &o, .schema = &schema};
    REQUIRE(format_csv.bind_decoder(&d, &plan, &err));

    struct partition *p = partition_new("fuzz");
    struct framer f = {.format = &format_csv, .options = &o, .max_record = 8192, .line = 1, .partition = p};
    struct batch *b = batch_new(size);
    b->len = size - 2;
    memcpy(b->bytes, data + 2, b->len);
    batch_add_span(b, p, 0);
    REQUIRE(format_csv.frame(&f, b, 0, true, UINT32_MAX) == b->len);
    for (uint32_t first = 0; first < b->record_count; first += SLICE_ROWS)
        decode(&d, b, first, b->record_count - first < SLICE_ROWS ? b->record_count - first : SLICE_ROWS);
    batch_unref(b);
    partition_unref(p);
    arena_release(&plan);
    return 0;
}
