/*
 * Reads a CSV stream as a source and a worker would, offered in pieces that end where the test says, and tells in lines
 * what came out:
 *
 *   3 @17 {"a":"1","b":null}        line 3, byte 17: the whole event
 *   4 @23 ! expected 2 fields, got 1
 */
#ifndef CSV_RIG_H
#define CSV_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/codec/format.h"

struct csv_rig {
    struct format_options options;
    size_t max_record;
    uint32_t most; /* records per batch */
    struct arena plan;
    struct schema schema;
    struct decoder decoder;
};

static void csv_rig_open(struct csv_rig *rig)
{
    struct error err;
    rig->schema = (struct schema){.arena = &rig->plan, .open = true};
    rig->decoder = (struct decoder){
        .format = &format_csv,
        .options = &rig->options,
        .schema = &rig->schema,
        .convert = {.zone = zone_utc, .now_us = INT64_MIN},
        .source_name = STR("test"),
    };
    if (!format_csv.source_schema(&rig->options, &rig->schema, &err))
        fail_msg("%s", err.text);
    rig->schema.wants_raw = true;
    if (!format_csv.bind_decoder(&rig->decoder, &rig->plan, &err))
        fail_msg("%s", err.text);
    rig->most = rig->most ? rig->most : SLICE_ROWS;
    rig->max_record = rig->max_record ? rig->max_record : 1 << 20;
}

static void csv_rig_close(struct csv_rig *rig)
{
    arena_release(&rig->plan);
}

static void tell_batch(const struct csv_rig *rig, const struct batch *b, struct buffer *told)
{
    struct arena arena = ARENA_INIT;
    for (uint32_t first = 0; first < b->record_count; first += SLICE_ROWS) {
        uint32_t count = b->record_count - first < SLICE_ROWS ? b->record_count - first : SLICE_ROWS;
        struct slice slice;
        struct rejections rejections = {.arena = &arena};
        decoder_run(&rig->decoder, b, first, count, &arena, &slice, &rejections);
        uint32_t s = 0, r = 0;
        for (uint32_t row = 0; row < count; row++) {
            const struct record *rec = &b->records[first + row];
            buffer_printf(told, "%u @%llu ", rec->line, (unsigned long long)rec->position);
            if (s < slice.selected && slice.sel[s] == row) {
                buffer_add_str(told, slice.raw[row]);
                s++;
            } else {
                assert_true(r < rejections.count);
                assert_int_equal(rejections.items[r].record, first + row);
                buffer_printf(told, "! " STR_FMT, STR_ARG(rejections.items[r].text));
                r++;
            }
            buffer_add_byte(told, '\n');
        }
        assert_int_equal(r, rejections.count);
        assert_int_equal(s, slice.selected);
    }
    arena_release(&arena);
}

/* The pieces end at ends[0] < ends[1] … and at the stream's end. */
static void csv_rig_read(const struct csv_rig *rig, struct str stream, const size_t *ends, size_t end_count,
                         struct buffer *told)
{
    struct partition *partition = partition_new("test");
    struct framer f = {
        .format = &format_csv,
        .options = &rig->options,
        .max_record = rig->max_record,
        .line = 1,
        .partition = partition,
    };
    bool primed = false;
    for (size_t i = 0; i <= end_count; i++) {
        size_t end = i < end_count ? ends[i] : stream.len;
        bool last = end == stream.len;
        if (!primed) {
            struct error err;
            /* A copy of exactly this size, so that a sanitizer sees whoever reads on. */
            char *copy = malloc(end ? end : 1);
            if (end)
                memcpy(copy, stream.data, end);
            ssize_t start = format_csv.prime(&f, copy, end, last, &err);
            free(copy);
            if (start == PRIME_MORE) {
                assert_false(last);
                continue;
            }
            if (start == PRIME_ERROR) {
                buffer_printf(told, "! %s\n", err.text);
                break;
            }
            primed = true;
            f.position = (uint64_t)start;
        }
        size_t taken;
        uint32_t records;
        do {
            size_t len = end - f.position;
            struct batch *b = batch_new(len + 1);
            if (len)
                memcpy(b->bytes, stream.data + f.position, len);
            b->len = len;
            batch_add_span(b, partition, f.position);
            uint64_t before = f.position;
            taken = format_csv.frame(&f, b, 0, last, rig->most);
            assert_true(f.position == before + taken);
            assert_int_equal(b->spans[0].count, b->record_count);
            assert_true(b->spans[0].next <= f.position);
            tell_batch(rig, b, told);
            records = b->record_count;
            batch_unref(b);
        } while (taken || records);
    }
    if (primed)
        assert_true(f.position == stream.len);
    partition_unref(partition);
}

#endif
