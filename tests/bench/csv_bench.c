/*
 * How fast CSV is cut into records, decoded and encoded, on one core. Prints a table; MB/s are of the CSV text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pipeline/codec/format.h"

enum { ROWS = 400000, CHUNK = 1 << 20, ROUNDS = 5 };

static const char *const names[] = {"device", "ts", "temp", "hum", "volt", "seq", "status"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void make_rows(struct buffer *out, bool quoted)
{
    const char *q = quoted ? "\"" : "";
    uint32_t random = 7;
    for (unsigned i = 0; i < ROWS; i++) {
        random = random * 1664525 + 1013904223;
        buffer_printf(
            out,
            "%ssite-oslo-%02u/line-%02u/gw-%04u%s,%s2026-03-01T12:%02u:%02u.%03uZ%s,%u.%02u,%u.%02u,3.%03u,%u,%sok%s\n",
            q, random >> 30, random >> 29, (random >> 10) % 1000, q, q, i / 60000 % 60, i / 1000 % 60, i % 1000, q,
            20 + (random >> 28), (random >> 12) % 100, 40 + (random >> 27), (random >> 14) % 100, 700 + (random >> 26),
            i, q, q);
    }
}

struct bench {
    struct arena plan, scratch;
    struct format_options options;
    struct schema schema;
    struct decoder decoder;
    struct encoder encoder;
    struct partition *partition;
    struct buffer text, out;
    uint64_t rows;
};

static void must(bool worked, const struct error *err)
{
    if (worked)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

/* wanted: how many of the columns somebody asks for, from the last one back. */
static void bench_open(struct bench *m, bool quoted, unsigned wanted, bool raw)
{
    struct error err;
    *m = (struct bench){.options.csv_names = {(const char **)names, NAMES}};
    m->schema = (struct schema){.arena = &m->plan};
    if (wanted == NAMES) {
        must(format_csv.source_schema(&m->options, &m->schema, &err), &err);
    } else {
        for (unsigned i = NAMES - wanted; i < NAMES; i++) {
            struct str name = str_of(names[i]);
            schema_add(&m->schema,
                       (struct column){.name = name, .type = TYPE(TYPE_UNKNOWN), .visible = true, .path = {&name, 1}});
        }
    }
    m->schema.wants_raw = raw;
    m->decoder = (struct decoder){.format = &format_csv, .options = &m->options, .schema = &m->schema};
    must(format_csv.bind_decoder(&m->decoder, &m->plan, &err), &err);
    m->encoder =
        (struct encoder){.format = &format_csv, .options = &m->options, .schema = &m->schema, .zone = zone_utc};
    must(format_csv.bind_encoder(&m->encoder, &m->plan, &err), &err);
    m->partition = partition_new("bench");
    make_rows(&m->text, quoted);
}

static void bench_close(struct bench *m)
{
    partition_unref(m->partition);
    buffer_release(&m->text);
    buffer_release(&m->out);
    arena_release(&m->plan);
    arena_release(&m->scratch);
}

enum work { FRAME, DECODE, ENCODE };

static void run_slices(struct bench *m, const struct batch *b, enum work work)
{
    for (uint32_t first = 0; first < b->record_count; first += SLICE_ROWS) {
        uint32_t count = b->record_count - first < SLICE_ROWS ? b->record_count - first : SLICE_ROWS;
        struct slice slice;
        arena_reset(&m->scratch);
        struct rejections rejections = {.arena = &m->scratch};
        decoder_run(&m->decoder, b, first, count, &m->scratch, &slice, &rejections);
        m->rows += slice.selected;
        buffer_clear(&m->out);
        if (work == ENCODE)
            format_csv.encode(&m->encoder, &slice, slice.sel, slice.selected, &m->out, NULL, &rejections);
    }
}

/* The whole text once, a chunk at a time. Returns the seconds that count: framing alone, or what comes behind it. */
static double run(struct bench *m, enum work work)
{
    struct framer f = {
        .format = &format_csv, .options = &m->options, .max_record = 1 << 20, .line = 1, .partition = m->partition};
    double seconds = 0;
    while (f.position < m->text.len) {
        size_t len = m->text.len - f.position < CHUNK ? m->text.len - f.position : CHUNK;
        struct batch *b = batch_new(CHUNK);
        memcpy(b->bytes, m->text.data + f.position, len);
        b->len = len;
        batch_add_span(b, m->partition, f.position);
        double start = now();
        format_csv.frame(&f, b, 0, f.position + len == m->text.len, UINT32_MAX);
        if (work != FRAME) {
            start = now();
            run_slices(m, b, work);
        }
        seconds += now() - start;
        batch_unref(b);
    }
    return seconds;
}

static void measure(const char *what, enum work work, bool quoted, unsigned wanted, bool raw)
{
    struct bench m;
    bench_open(&m, quoted, wanted, raw);
    double best = 1e9;
    for (unsigned i = 0; i < ROUNDS; i++) {
        double seconds = run(&m, work);
        best = seconds < best ? seconds : best;
    }
    printf("%-46s %8.0f %9.1f %8.1f\n", what, (double)m.text.len / best / 1e6, ROWS / best / 1e6, best / ROWS * 1e9);
    bench_close(&m);
}

int main(void)
{
    printf("%-46s %8s %9s %8s\n", "", "MB/s", "M rows/s", "ns/row");
    measure("frame", FRAME, false, NAMES, false);
    measure("frame, three fields quoted", FRAME, true, NAMES, false);
    measure("decode, 7 of 7 columns", DECODE, false, NAMES, false);
    measure("decode, the last 2 of 7", DECODE, false, 2, false);
    measure("decode, 7 of 7, three fields quoted", DECODE, true, NAMES, false);
    measure("decode, 7 of 7 and the whole event as JSON", DECODE, false, NAMES, true);
    measure("decode and encode, 7 columns", ENCODE, false, NAMES, false);
    return 0;
}
