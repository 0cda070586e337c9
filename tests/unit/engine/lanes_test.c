/*
 * A source with several lanes: each has its own thread, batch numbers, partitions and ledger; stored positions and
 * counters are the source's.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/base/log.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/output.h"
#include "tests/unit/connectors/scratch.h"

enum { LANES = 3, RECORDS = 5000, PER_BATCH = 50 };

struct lanes_options {
    int64_t lanes;
    bool refuses;
};

static const struct option lanes_option_table[] = {
    OPT(INTEGER, struct lanes_options, lanes, .preset = "3", .min = 1, .max = 8, .doc = ""),
    OPT(BOOL, struct lanes_options, refuses, .preset = "false", .doc = ""), OPT_END};

/* What the lanes share; each writes its own member. */
static struct lanes_seen {
    int opened, released;
    uint64_t began[LANES], settled[LANES];
    pthread_t thread[LANES];
    atomic_bool settled_elsewhere, shared_is_wrong;
} seen;

static bool lanes_open(struct lane *first, void **shared, struct error *err)
{
    const struct lanes_options *o = lane_component(first)->options;
    if (o->refuses)
        return error_set(err, ERROR_STOP, "the port is in use");
    seen.opened++;
    assert_int_equal(lane_count(first), o->lanes);
    *shared = &seen;
    return true;
}

static void lanes_release(void *shared)
{
    ((struct lanes_seen *)shared)->released++;
}

static bool lanes_run(struct lane *lane, struct error *err)
{
    (void)err;
    uint32_t number = lane_number(lane);
    seen.shared_is_wrong |= lane_shared(lane) != &seen || lane_count(lane) != LANES;
    seen.thread[number] = pthread_self();
    char key[16];
    snprintf(key, sizeof(key), "part-%u", number);
    struct partition *p = lane_partition(lane, key);
    uint64_t next = lane_resume_at(lane, p, RECORDS);
    seen.began[number] = next;
    while (next < RECORDS) {
        struct batch *b = lane_draw(lane, 4096);
        if (!b)
            break;
        struct span *s = batch_add_span(b, p, next);
        for (int i = 0; i < PER_BATCH; i++) {
            struct record *r = batch_add_record(b);
            r->position = next++;
            r->offset = (uint32_t)b->len;
            r->length = (uint32_t)sprintf(b->bytes + b->len, "{\"lane\":%u}", number);
            b->len += r->length;
            s->count++;
        }
        s->next = next;
        lane_emit(lane, b);
    }
    partition_unref(p);
    return true;
}

static void lanes_settled(struct lane *lane, struct partition *p, uint64_t next)
{
    (void)p;
    uint32_t number = lane_number(lane);
    seen.settled_elsewhere |= !pthread_equal(seen.thread[number], pthread_self()) || next <= seen.settled[number];
    seen.settled[number] = next;
}

static bool lanes_finite(const struct component *c)
{
    (void)c;
    return true;
}

static uint32_t lanes_wanted(const struct component *c)
{
    const struct lanes_options *o = c->options;
    return (uint32_t)o->lanes;
}

static const struct source_ops lanes_ops = {
    .open = lanes_open, .release = lanes_release, .run = lanes_run, .settled = lanes_settled};
static const struct source_type lanes_type = {
    .base = {.name = "lanes",
             .summary = "",
             .example = "",
             .options = lanes_option_table,
             .options_size = sizeof(struct lanes_options),
             .has_format = true},
    .finite = lanes_finite,
    .rewindable = lanes_finite,
    .lanes = lanes_wanted,
    .ops = &lanes_ops,
};

/* ---- a sink that checks the order of each lane's records */

static uint64_t next_of[LANES], rows_seen;
static bool in_order;

static bool order_bind(struct sink *s, struct binding *b, struct error *err)
{
    (void)s;
    (void)b;
    (void)err;
    return true;
}

static void order_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                         struct tools *tools, struct output *out, struct rejections *r)
{
    (void)b;
    (void)in;
    (void)rows;
    (void)tools;
    (void)r;
    output_piece(out, STR(""))->rows += count;
}

static bool order_write(struct sink *s, struct output *o, struct error *err)
{
    (void)s;
    (void)err;
    for (uint32_t i = 0; i < o->batch->span_count; i++) {
        const struct span *span = &o->batch->spans[i];
        int number = span->partition->key[5] - '0';
        in_order &= span->first == next_of[number];
        next_of[number] = span->next;
    }
    if (o->piece_count)
        rows_seen += o->pieces[0].rows;
    return true;
}

static const struct sink_ops order_ops = {.bind = order_bind, .encode = order_encode, .write = order_write};
static const struct option no_options[] = {OPT_END};
static const struct sink_type order_type = {
    .base = {.name = "order", .summary = "", .options = no_options},
    .ops = &order_ops,
};

extern const struct sink_type file_sink_type; /* the default of the dead letters */
static const struct source_type *const sources[] = {&lanes_type, NULL};
static const struct transform_type *const transforms[] = {NULL};
static const struct sink_type *const sinks[] = {&order_type, &file_sink_type, NULL};
static const struct catalog catalog = {sources, transforms, sinks};

struct run {
    enum outcome outcome;
    uint64_t read, read_on_edge, delivered, in_flight;
    struct error err;
};

static struct run run_once(const struct scratch *dir, const char *options)
{
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    log_setup(LOG_ERROR, LOG_HUMAN);
    const char *toml =
        arena_printf(&arena,
                     "[pipeline]\nname = \"lanes\"\nmemory = \"16MiB\"\n[sources.s]\ntype = \"lanes\"\n%s\n"
                     "[sinks.k]\ntype = \"order\"\ninputs = [\"s\"]\n",
                     options);
    const struct config_sources from = {.path = scratch_path(dir, "lanes.toml"), .text = str_of(toml)};
    const struct config *cfg = config_load(&from, &catalog, &arena, &problems);
    assert_non_null(cfg);
    memset(&seen, 0, sizeof(seen));
    in_order = true;
    rows_seen = 0;
    struct engine *e = engine_new(cfg, &clock_system);
    struct engine_options o = {.signal_fd = -1};
    struct run r = {0};
    r.outcome = engine_run(e, &o, &problems, &r.err);
    const struct edge_stats *edge = stats_edge(e->stats, 0, 0);
    r.read = counter_get(&e->stats->sources[0].read);
    r.read_on_edge = counter_get(&edge->read);
    r.delivered = counter_get(&edge->delivered);
    r.in_flight = stats_in_flight(edge);
    if (r.outcome == OUTCOME_COMPLETE)
        assert_int_equal(engine_oldest_unacked_us(e, 0), 0);
    engine_free(e);
    arena_release(&arena);
    return r;
}

static void every_lane_keeps_its_order_and_its_positions(void **state)
{
    (void)state;
    struct scratch dir;
    scratch_open(&dir);
    memset(next_of, 0, sizeof(next_of));
    struct run first = run_once(&dir, "");
    assert_int_equal(first.outcome, OUTCOME_COMPLETE);
    assert_int_equal(first.read, LANES * RECORDS);
    assert_int_equal(first.read_on_edge, LANES * RECORDS);
    assert_int_equal(first.delivered, LANES * RECORDS);
    assert_int_equal(first.in_flight, 0);
    assert_int_equal(rows_seen, LANES * RECORDS);
    assert_true(in_order);
    assert_int_equal(seen.opened, 1);
    assert_int_equal(seen.released, 1);
    assert_false(seen.settled_elsewhere);
    assert_false(seen.shared_is_wrong);
    for (int i = 0; i < LANES; i++) {
        assert_int_equal(seen.began[i], 0);
        assert_int_equal(seen.settled[i], RECORDS);
    }

    struct run second = run_once(&dir, "");
    assert_int_equal(second.outcome, OUTCOME_COMPLETE);
    assert_int_equal(second.read, 0);
    for (int i = 0; i < LANES; i++)
        assert_int_equal(seen.began[i], UINT64_MAX);
    scratch_close(&dir);
}

static void what_the_lanes_share_cannot_be_made_and_the_run_says_so(void **state)
{
    (void)state;
    struct scratch dir;
    scratch_open(&dir);
    struct run r = run_once(&dir, "refuses = true");
    assert_int_equal(r.outcome, OUTCOME_FAILED);
    assert_string_equal(r.err.text, "source s: the port is in use");
    assert_int_equal(seen.released, 0);
    scratch_close(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lane_keeps_its_order_and_its_positions),
        cmocka_unit_test(what_the_lanes_share_cannot_be_made_and_the_run_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
