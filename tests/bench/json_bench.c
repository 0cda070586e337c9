/*
 * What JSON costs on one core: framing, decoding and encoding of events like those of tests/bench/run.
 * Prints a table. An argument picks the parser: baseline or avx2.
 */
#include <stdio.h>
#include <time.h>

#include "pipeline/codec/json_decode.h"
#include "pipeline/codec/json_encode.h"
#include "pipeline/codec/json_frame.h"
#include "pipeline/codec/json_parse.h"

enum { EVENTS = 5600 /* a megabyte */, ROUNDS = 300 };

static struct batch *batch;
static struct partition *partition;
static struct arena plan, arena;
static struct format_options options = {.json_max_depth = 128};
static json_parse_function *parse;

static void add_event(unsigned i, struct buffer *out)
{
    static const char *const sites[] = {"oslo", "turin", "porto", "gdansk"};
    static const char *const states[] = {"ok", "ok", "ok", "warning", "ok", "maintenance"};
    unsigned r = i * 2654435761u;
    buffer_printf(
        out,
        "{\"device\":\"site-%s-%02u/line-%02u/gw-%04u\",\"ts\":\"2026-03-01T12:%02u:%02u.%03uZ\",\"temp\":%.2f,"
        "\"hum\":%.2f,\"volt\":%.3f,\"seq\":%u,\"loc\":{\"lat\":%.6f,\"lon\":%.6f},\"status\":\"%s\"}\n",
        sites[r >> 30], r >> 20 & 15, r >> 24 & 15, r >> 8 & 4095, i / 60 % 60, i % 60, r >> 12 & 511,
        (r >> 7 & 4095) / 100.0, (r >> 9 & 8191) / 90.0, 3 + (r >> 11 & 1023) / 1000.0, i,
        47 + (r >> 5 & 65535) / 65536.0, -122 - (r >> 3 & 65535) / 65536.0, states[(r >> 13) % 6]);
}

static void frame_all(void)
{
    struct framer f = {.max_record = 1 << 20, .line = 1};
    batch->record_count = 0;
    batch->spans[0].count = 0;
    json_frame(&f, batch, 0, true, UINT32_MAX);
}

static void fill(void)
{
    struct buffer text = {0};
    for (unsigned i = 0; i < EVENTS; i++)
        add_event(i, &text);
    batch = batch_new(text.len);
    partition = partition_new("bench");
    batch_add_span(batch, partition, 0);
    memcpy(batch->bytes, text.data, text.len);
    batch->len = text.len;
    buffer_release(&text);
    frame_all();
}

struct job {
    struct schema schema;
    struct decoder d;
    struct encoder e;
    struct buffer out;
    bool encodes;
};

static void job_open(struct job *j, unsigned count, const char *const *paths, bool open, bool encodes)
{
    struct error err;
    *j = (struct job){.schema = {.arena = &plan, .open = open, .wants_raw = open}, .encodes = encodes};
    for (unsigned i = 0; i < count; i++)
        schema_add(&j->schema, (struct column){.name = str_of(paths[i]),
                                               .type = TYPE(TYPE_JSON),
                                               .visible = encodes,
                                               .path = path_parse(&plan, str_of(paths[i]))});
    j->d = (struct decoder){.options = &options, .schema = &j->schema};
    j->e = (struct encoder){.options = &options, .schema = &j->schema};
    json_bind_decoder(&j->d, &plan, &err);
    json_bind_encoder(&j->e, &plan, &err);
    if (parse)
        ((struct json_program *)j->d.program)->parse = parse;
}

static void job_run(struct job *j)
{
    buffer_clear(&j->out);
    for (uint32_t first = 0; first < batch->record_count; first += SLICE_ROWS) {
        uint32_t count = batch->record_count - first;
        struct slice s = {.batch = batch, .arena = &arena};
        struct rejections r = {.arena = &arena};
        json_decode(&j->d, batch, first, count < SLICE_ROWS ? count : SLICE_ROWS, &s, &r);
        if (j->encodes)
            json_encode(&j->e, &s, s.sel, s.selected, &j->out, NULL, &r);
        arena_reset(&arena);
    }
}

/* clock.h counts microseconds, which is coarse for a megabyte. */
static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void print_row(const char *name, int64_t best_ns)
{
    printf("%-44s %8.0f MB/s %8.2f M records/s\n", name, (double)batch->len * 1e3 / (double)best_ns,
           EVENTS * 1e3 / (double)best_ns);
}

/* The best of several runs: what the code can do when the machine does nothing else. */
static void measure(const char *name, struct job *j)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = now_ns();
        if (j)
            job_run(j);
        else
            frame_all();
        int64_t took = now_ns() - start;
        best = took < best ? took : best;
    }
    print_row(name, best);
}

int main(int argc, char **argv)
{
    static const char *const paths[] = {"device", "ts", "temp", "hum", "volt", "seq", "status", "loc.lat"};
    static const char *const three[] = {"ts", "temp", "loc.lon"};
    if (argc > 1)
        parse = strcmp(argv[1], "avx2") == 0 ? json_parse_avx2 : json_parse_baseline;
    struct job j;
    fill();
    printf("%u events, %.1f bytes each\n", EVENTS, (double)batch->len / EVENTS);
    measure("frame", NULL);
    job_open(&j, 0, paths, false, false);
    measure("decode, nothing wanted", &j);
    job_open(&j, 3, three, false, false);
    measure("decode, 3 paths", &j);
    job_open(&j, 8, paths, false, false);
    measure("decode, 8 paths", &j);
    job_open(&j, 8, paths, false, true);
    measure("decode, 8 paths, encode them", &j);
    job_open(&j, 0, paths, true, true);
    measure("decode, encode the event as it is", &j);
    job_open(&j, 1, paths + 2, true, true);
    measure("decode, encode the event with one replaced", &j);
    buffer_release(&j.out);
    batch_unref(batch);
    partition_unref(partition);
    arena_release(&arena);
    arena_release(&plan);
    return 0;
}
