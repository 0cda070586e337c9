/*
 * Cuts a stream into records as a source does: pieces are appended to a batch and offered until they are consumed.
 */
#ifndef TEST_JSON_FRAMING_H
#define TEST_JSON_FRAMING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/codec/json_frame.h"

struct framing_rig {
    struct framer f;
    struct batch *b;
    struct partition *partition;
    size_t consumed; /* of batch->bytes */
};

static inline struct framing_rig framing_open(size_t max_record)
{
    struct framing_rig rig = {
        .f = {.max_record = max_record, .line = 1},
        .b = batch_new(4096),
        .partition = partition_new("stream"),
    };
    batch_add_span(rig.b, rig.partition, 0);
    return rig;
}

static inline void framing_offer(struct framing_rig *rig, struct str piece, bool last)
{
    struct batch *b = rig->b;
    if (b->len + piece.len > b->capacity)
        batch_reserve(b, 2 * (b->len + piece.len));
    if (piece.len)
        memcpy(b->bytes + b->len, piece.data, piece.len);
    b->len += piece.len;
    rig->consumed += json_frame(&rig->f, b, rig->consumed, last, UINT32_MAX);
    assert_int_equal(rig->f.position, rig->consumed);
    assert_true(b->spans[0].next <= rig->f.position);
}

static inline void framing_close(struct framing_rig *rig)
{
    batch_unref(rig->b);
    partition_unref(rig->partition);
}

static inline void assert_same_records(const struct batch *a, const struct batch *b)
{
    assert_int_equal(a->record_count, b->record_count);
    for (uint32_t i = 0; i < a->record_count; i++) {
        assert_int_equal(a->records[i].position, b->records[i].position);
        assert_int_equal(a->records[i].offset, b->records[i].offset);
        assert_int_equal(a->records[i].length, b->records[i].length);
        assert_int_equal(a->records[i].line, b->records[i].line);
        assert_int_equal(a->records[i].fault, b->records[i].fault);
    }
    assert_int_equal(a->spans[0].count, b->spans[0].count);
    assert_int_equal(a->spans[0].next, b->spans[0].next);
}

#endif
