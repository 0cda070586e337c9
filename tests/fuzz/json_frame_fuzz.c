/*
 * A stream framed whole and framed in pieces, whose sizes the input's first eight bytes give, is the same records. The
 * records lie in order and apart, and end where the stream ends.
 */
#include <stdlib.h>

#include "pipeline/codec/json_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES = 8, MAX_RECORD = 100 };

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct batch *frame(const uint8_t *stream, size_t size, const uint8_t pieces[PIECES],
                           struct partition *partition)
{
    struct framer f = {.max_record = MAX_RECORD, .line = 1};
    struct batch *b = batch_new(size ? size : 1);
    size_t consumed = 0;
    batch_add_span(b, partition, 0);
    for (size_t i = 0; pieces && b->len < size; i++) {
        size_t n = 1 + pieces[i % PIECES];
        n = n < size - b->len ? n : size - b->len;
        memcpy(b->bytes + b->len, stream + b->len, n);
        b->len += n;
        consumed += json_frame(&f, b, consumed, false, UINT32_MAX);
        check(f.position == consumed && consumed <= b->len && b->spans[0].next <= consumed);
        check(b->len - consumed <= MAX_RECORD + 1);
    }
    if (b->len < size)
        memcpy(b->bytes, stream, size);
    b->len = size;
    consumed += json_frame(&f, b, consumed, true, UINT32_MAX);
    check(consumed == size && f.position == size && b->spans[0].next == size);
    return b;
}

static void check_order(const struct batch *b)
{
    uint64_t end = 0;
    uint32_t line = 1;
    check(b->spans[0].count == b->record_count);
    for (uint32_t i = 0; i < b->record_count; i++) {
        const struct record *r = &b->records[i];
        check(r->position == r->offset && r->offset >= end && r->offset + r->length <= b->len && r->line >= line);
        check(r->length <= MAX_RECORD);
        end = r->offset + r->length;
        line = r->line;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PIECES)
        return 0;
    struct partition *partition = partition_new("stream");
    struct batch *whole = frame(data + PIECES, size - PIECES, NULL, partition);
    struct batch *cut = frame(data + PIECES, size - PIECES, data, partition);
    check_order(whole);
    check(whole->record_count == cut->record_count);
    check(whole->record_count == 0 ||
          memcmp(whole->records, cut->records, whole->record_count * sizeof(struct record)) == 0);
    batch_unref(whole);
    batch_unref(cut);
    partition_unref(partition);
    return 0;
}
