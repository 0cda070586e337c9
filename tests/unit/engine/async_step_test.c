/*
 * Steps that wait: the worker parks the job, takes other work, and the job goes on when the step is done.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "connectors/std/sources.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/job.h"
#include "pipeline/engine/output.h"

enum { EVENTS = 30000 };

/* ---- a transform that waits: another thread hands the slice on a little later
 * -------------------------------------------- */

struct call {
    struct job *job;
    const struct slice *in;
    struct slice *outs;
};

static atomic_int waiting, most_waiting;

static void *answer(void *arg)
{
    struct call *c = arg;
    for (int i = 0; i < 10000 && atomic_load(&most_waiting) < 2; i++)
        usleep(1000); /* until a second job waits beside it, though there is one worker */
    c->outs[0] = *c->in;
    struct job *job = c->job;
    free(c);
    atomic_fetch_sub(&waiting, 1);
    job_resume(job);
    return NULL;
}

static void start(const struct step *step, struct job *job, const struct slice *in, struct slice *outs,
                  struct rejections *r)
{
    (void)step;
    (void)r;
    struct call *c = malloc(sizeof(*c));
    *c = (struct call){job, in, outs};
    int now = atomic_fetch_add(&waiting, 1) + 1;
    if (now > atomic_load(&most_waiting))
        atomic_store(&most_waiting, now);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer, c), 0);
    pthread_detach(thread);
}

static bool bind(struct step *step, struct arena *plan, struct problems *p)
{
    (void)plan;
    (void)p;
    step->outs[0] = step->in;
    return true;
}

static const struct option no_options[] = {OPT_END};
static const struct transform_type waits_type = {
    .base = {.name = "waits", .summary = "Wait.", .options = no_options},
    .bind = bind,
    .start = start,
};

/* ---- a sink that remembers in which order batches came
 * -------------------------------------------------------------------- */

static uint64_t records_seen, next_number;
static bool in_order = true;

static bool sink_bind(struct sink *s, struct binding *b, struct error *err)
{
    (void)s;
    (void)b;
    (void)err;
    return true;
}

static void sink_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                        struct tools *tools, struct output *out, struct rejections *r)
{
    (void)b;
    (void)in;
    (void)rows;
    (void)tools;
    (void)r;
    output_piece(out, STR(""))->rows += count;
}

static bool sink_write(struct sink *s, struct output *o, struct error *err)
{
    (void)s;
    (void)err;
    in_order &= o->batch->number == next_number++;
    records_seen += o->pieces[0].rows;
    return true;
}

static const struct sink_ops sink_ops = {.bind = sink_bind, .encode = sink_encode, .write = sink_write};
static const struct sink_type counts_type = {
    .base = {.name = "counts", .summary = "Count.", .options = no_options},
    .ops = &sink_ops,
};

static const struct source_type *const sources[] = {&generate_source_type, NULL};
static const struct transform_type *const transforms[] = {&waits_type, NULL};
extern const struct sink_type file_sink_type; /* the default of the dead letters */
static const struct sink_type *const sinks[] = {&counts_type, &file_sink_type, NULL};
static const struct catalog catalog = {sources, transforms, sinks};

#define PAD "0123456789012345678901234567890123456789012345678901234567890123456789"

static void a_parked_job_goes_on_in_order_and_loses_nothing(void **state)
{
    (void)state;
    static const char toml[] = "[pipeline]\nname = \"waits\"\nworkers = \"1\"\n"
                               "[sources.s]\ntype = \"generate\"\ncount = 30000\n"
                               "template = '{\"n\":{counter},\"pad\":\"" PAD PAD PAD PAD "\"}'\n" /* several batches */
                               "[transforms.t]\ntype = \"waits\"\ninputs = [\"s\"]\n"
                               "[sinks.k]\ntype = \"counts\"\ninputs = [\"t\"]\n";
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    const struct config_sources from = {.path = "waits.toml", .text = STR(toml)};
    const struct config *cfg = config_load(&from, &catalog, &arena, &problems);
    assert_non_null(cfg);
    struct engine *e = engine_new(cfg, &clock_system);
    e->without_state = true;
    struct error err;
    struct engine_options options = {.signal_fd = -1};
    assert_int_equal(engine_run(e, &options, &problems, &err), OUTCOME_COMPLETE);
    assert_int_equal(records_seen, EVENTS);
    assert_true(in_order);
    assert_int_equal(counter_get(&stats_edge(e->stats, 0, 0)->delivered), EVENTS);
    assert_true(atomic_load(&most_waiting) > 1); /* more at a time than there are workers */
    engine_free(e);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_parked_job_goes_on_in_order_and_loses_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
