/*
 * The source `generate`: events from a template, for tests and first steps.
 */
#include <stdlib.h>
#include <time.h>

#include "connectors/std/sources.h"
#include "connectors/std/template.h"
#include "pipeline/base/clock.h"

#define DEFAULT_TEMPLATE                                                                                               \
    "{\"device\":\"sensor-{random_int:1:20}\",\"ts\":\"{time}\",\"temp\":{random:15:35},\"hum\":{random:30:80},"       \
    "\"status\":\"{choice:ok|ok|ok|warn}\",\"seq\":{counter}}"

enum {
    CHUNK = 1 << 20,
    MOST_RECORDS = 32768,
    TICK_US = 5000,         /* a faster pace than one event per tick comes in bundles */
    MOST_DEBT_US = 1000000, /* what a slow sink held up for longer is not made up for */
    SEEDED_STEP_US = 1000,
};

/* Events per second; what lies between them is counted in microseconds. */
#define LEAST_RATE 1e-6
#define MOST_RATE 1e9

/* 2026-01-01 00:00 UTC: when a seeded run begins, each time */
#define SEEDED_START_US INT64_C(1767225600000000)

struct generate_options {
    double rate;
    int64_t count, seed;
    const char *template;
};

static const struct option options[] = {
    OPT(NUMBER, struct generate_options, rate, .preset = "0", .doc = "Events per second; 0: as many as possible.",
        .example = "100"),
    OPT(INTEGER, struct generate_options, count, .preset = "0", .min = 0, .max = INT64_MAX,
        .doc = "How many events; 0: without end.", .example = "1000"),
    OPT(TEXT, struct generate_options, template, .preset = DEFAULT_TEMPLATE,
        .doc = "One event, with placeholders: `{counter}` or `{counter:START}`, `{random:LO:HI}` (a decimal number), "
               "`{random_int:LO:HI}`, "
               "`{choice:a|b|c}`, `{time}`, `{uuid}`. Any other brace is itself.",
        .example = "'{\"seq\":{counter},\"temp\":{random:15:35}}'"),
    OPT(INTEGER, struct generate_options, seed, .preset = "0", .min = 0, .max = INT64_MAX,
        .doc = "With a seed every run makes the same events, `{time}` included, and a restart goes on where the sinks' "
               "positions end. 0: "
               "every run makes others, and what was not delivered is lost with the process.",
        .example = "42"),
    OPT_END,
};

static void check(const struct component *c, struct problems *p)
{
    const struct generate_options *o = c->options;
    struct arena arena = ARENA_INIT;
    struct error err;
    size_t offset = 0;
    struct template *t = template_parse(o->template, &arena, &offset, &err);
    if (!t)
        problem_add(p, config_place_in(c, "template", offset), "%s", err.text);
    else if (template_most(t) > c->source_common->max_record)
        problem_add(p, config_place(c, "template"), "an event may be %zu bytes long, which is more than max_record",
                    template_most(t));
    arena_release(&arena);
    if (o->rate != 0 && !(o->rate >= LEAST_RATE && o->rate <= MOST_RATE))
        problem_add(p, config_place(c, "rate"), "rate must be 0, or between %g and %g", LEAST_RATE, MOST_RATE);
    const struct source_common *common = c->source_common;
    if (common->format >= 0 && formats[common->format] == &format_csv && common->formats.csv_names.count == 0)
        problem_add(p, config_place(c, "format"), "generated CSV has no header: csv.names has to name the members");
}

/* ---- run -----------------------------------------------------------------------------------------------------------
 */

struct generator {
    struct lane *lane;
    const struct generate_options *options;
    struct partition *partition;
    const struct template *template;
    struct template_clock clock;
    uint64_t seed, next, end; /* events; end: UINT64_MAX without one */
    uint64_t paced_from;      /* the event that was due at started_us */
    int64_t started_us;
    uint64_t bytes;
};

static int64_t now_us(const struct generator *g)
{
    return clock_now_us(lane_clock(g->lane));
}

/* The format may want to know the members' names. */
static bool prime(struct generator *g, struct error *err)
{
    const struct source_common *common = lane_component(g->lane)->source_common;
    const struct format *format = formats[common->format];
    struct framer f = {
        .format = format, .options = &common->formats, .max_record = common->max_record, .partition = g->partition};
    return !format->prime || format->prime(&f, "", 0, true, err) != PRIME_ERROR;
}

/* How many events should leave now; 0: wait for *wait_us. */
static uint64_t due(struct generator *g, int64_t *wait_us)
{
    uint64_t left = g->end - g->next;
    double rate = g->options->rate;
    if (rate <= 0)
        return left;
    int64_t now = now_us(g);
    uint64_t all = g->paced_from + (uint64_t)((double)(now - g->started_us) * rate / 1e6) + 1;
    if (all > g->next && (double)(all - g->next) > rate * (MOST_DEBT_US / 1e6) + 1) {
        g->started_us = now;
        g->paced_from = g->next;
        all = g->next + 1;
    }
    if (all > g->next)
        return all - g->next < left ? all - g->next : left;
    int64_t at = g->started_us + (int64_t)((double)(g->next - g->paced_from) * 1e6 / rate);
    *wait_us = at - now > TICK_US ? at - now : TICK_US;
    return 0;
}

/* Fills a batch with up to `most` events. */
static void fill(struct generator *g, struct batch *b, uint64_t most, size_t room)
{
    size_t size = template_most(g->template);
    int64_t wall_us = lane_clock(g->lane)->wall_us(lane_clock(g->lane));
    int64_t step_us = g->options->rate > 0 ? 0 : SEEDED_STEP_US;
    struct span *s = batch_add_span(b, g->partition, g->next);
    while (most-- > 0 && b->record_count < MOST_RECORDS && room - b->len >= size) {
        int64_t time_us = wall_us;
        if (g->options->seed)
            time_us = SEEDED_START_US +
                      (step_us ? (int64_t)g->next * step_us : (int64_t)((double)g->next * 1e6 / g->options->rate));
        struct record *r = batch_add_record(b);
        r->position = g->next;
        r->offset = (uint32_t)b->len;
        r->length = (uint32_t)template_print(g->template, g->seed, g->next, time_us, &g->clock, b->bytes + b->len);
        b->len += r->length;
        g->next++;
    }
    s->count = b->record_count;
    s->next = g->next;
    b->read_at = wall_us - INT64_C(946684800000000);
}

static void report(struct generator *g, size_t bytes, uint64_t first)
{
    g->bytes += bytes;
    lane_count_bytes(g->lane, bytes);
    if (g->end != UINT64_MAX && g->next > first)
        lane_progress(g->lane, g->bytes,
                      (uint64_t)((double)g->bytes * (double)(g->end - first) / (double)(g->next - first)));
}

static void generate(struct generator *g)
{
    uint64_t first = g->next;
    size_t size = template_most(g->template);
    g->started_us = now_us(g);
    g->paced_from = g->next;
    while (g->next < g->end) {
        int64_t wait_us = 0;
        uint64_t most = due(g, &wait_us);
        if (most == 0) {
            lane_wait(g->lane, NULL, 0, wait_us);
            if (lane_stopping(g->lane))
                return;
            continue;
        }
        size_t room = CHUNK > size ? CHUNK : size;
        if (size > 0 && most < room / size)
            room = (size_t)most * size;
        struct batch *b = lane_draw(g->lane, room);
        if (!b)
            return;
        fill(g, b, most, room);
        size_t bytes = b->len;
        b->more = g->options->rate <= 0 && g->next < g->end;
        lane_emit(g->lane, b);
        report(g, bytes, first);
    }
}

static uint64_t any_seed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool run(struct lane *lane, struct error *err)
{
    const struct generate_options *o = lane_component(lane)->options;
    struct arena arena = ARENA_INIT;
    size_t offset;
    struct generator g = {
        .lane = lane,
        .options = o,
        .seed = o->seed ? (uint64_t)o->seed : any_seed(),
        .end = o->count ? (uint64_t)o->count : UINT64_MAX,
    };
    g.template = template_parse(o->template, &arena, &offset, err);
    bool ok = g.template != NULL;
    if (ok && o->seed) {
        g.partition = lane_partition(lane, arena_printf(&arena, "generate-%lld", (long long)o->seed));
        g.next = lane_resume_at(lane, g.partition, g.end == UINT64_MAX ? INT64_MAX : g.end);
    } else if (ok) {
        g.partition = lane_partition_of_this_run(lane, "generate");
    }
    ok = ok && prime(&g, err);
    if (ok && g.next < g.end)
        generate(&g);
    partition_unref(g.partition);
    arena_release(&arena);
    return ok;
}

static bool is_finite(const struct component *c)
{
    const struct generate_options *o = c->options;
    return o->count > 0;
}

static bool is_rewindable(const struct component *c)
{
    const struct generate_options *o = c->options;
    return o->seed != 0;
}

static const struct source_ops ops = {.run = run};

const struct source_type generate_source_type = {
    .base =
        {
            .name = "generate",
            .summary = "Makes events from a template, for tests and first steps.",
            .doc = "Without a seed nothing can be made twice: what was not yet delivered is lost with the process. A "
                   "seeded run starts its `{time}` at "
                   "2026-01-01T00:00:00Z and moves it by the time between two events (1 ms where `rate` is 0).",
            .example = "rate = 10\n",
            .options = options,
            .options_size = sizeof(struct generate_options),
            .has_format = true,
            .check = check,
        },
    .finite = is_finite,
    .rewindable = is_rewindable,
    .ops = &ops,
};
