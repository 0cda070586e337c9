/*
 * Any bytes, offered whole and in pieces, give the same records; records lie inside the stream, in order, and every
 * byte is taken in the end. The first four bytes choose the dialect, max_record, the records a batch may have and the
 * sizes of the pieces.
 */
#include <stdlib.h>

#include "pipeline/codec/format.h"

#define REQUIRE(what)                                                                                                  \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

struct told {
    struct record *records;
    size_t count, capacity;
};

static void tell(struct told *t, const struct batch *b)
{
    if (t->count + b->record_count > t->capacity) {
        t->capacity = (t->count + b->record_count) * 2;
        t->records = mem_realloc(t->records, t->capacity * sizeof(*t->records));
    }
    for (uint32_t i = 0; i < b->record_count; i++) {
        struct record r = b->records[i];
        REQUIRE(r.offset + (size_t)r.length <= b->len);
        r.offset = 0;
        t->records[t->count++] = r;
    }
}

/* piece 0: whole */
static struct told read_stream(const struct format_options *o, size_t max_record, const uint8_t *data, size_t size,
                               size_t piece, uint32_t most)
{
    struct told told = {0};
    struct partition *p = partition_new("fuzz");
    struct framer f = {.format = &format_csv, .options = o, .max_record = max_record, .line = 1, .partition = p};
    size_t end = piece ? 0 : size;
    for (;;) {
        size_t len = end - f.position;
        struct batch *b = batch_new(len + 1);
        if (len)
            memcpy(b->bytes, data + f.position, len);
        b->len = len;
        batch_add_span(b, p, f.position);
        size_t taken = format_csv.frame(&f, b, 0, end == size, most);
        REQUIRE(taken <= len && b->record_count <= most);
        tell(&told, b);
        bool idle = taken == 0 && b->record_count == 0;
        batch_unref(b);
        if (!idle)
            continue;
        if (end == size)
            break;
        end = size - end < piece ? size : end + piece;
    }
    REQUIRE(f.position == size);
    partition_unref(p);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    static const char *names[] = {"a", "b"};
    static const char *delimiters[] = {",", ";", "\\t", "a"}, *quotes[] = {"\"", "'"};
    struct format_options o = {
        .csv_names = {names, 2}, .csv_delimiter = delimiters[data[0] % 4], .csv_quote = quotes[data[0] / 4 % 2]};
    size_t max_record = 1 + data[1];
    struct told whole = read_stream(&o, max_record, data + 4, size - 4, 0, UINT32_MAX);
    struct told cut = read_stream(&o, max_record, data + 4, size - 4, 1 + data[3] % 80, 1 + data[2]);
    REQUIRE(whole.count == cut.count);
    for (size_t i = 0; i < whole.count; i++) {
        REQUIRE(memcmp(&whole.records[i], &cut.records[i], sizeof(struct record)) == 0);
        REQUIRE(whole.records[i].length <= max_record);
        REQUIRE(i == 0 || whole.records[i - 1].position + whole.records[i - 1].length < whole.records[i].position);
    }
    free(whole.records);
    free(cut.records);
    return 0;
}
