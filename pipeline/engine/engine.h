/*
 * The engine: makes the parts, starts them, and ends them. One per run.
 *
 * Threads: the caller's (signals, progress), each source's lanes, the workers, one per sink connection, one for dead letters.
 */
#ifndef PIPE_ENGINE_H
#define PIPE_ENGINE_H

#include "pipeline/base/clock.h"
#include "pipeline/engine/budget.h"
#include "pipeline/engine/lane.h"
#include "pipeline/engine/plan.h"
#include "pipeline/engine/state.h"
#include "pipeline/engine/stats.h"

struct dead_letters;
struct pool;
struct runner;
struct spool;

enum outcome {
    OUTCOME_COMPLETE,   /* everything settled (or a stream drained) */
    OUTCOME_STOPPED,    /* a batch was stopped before its end */
    OUTCOME_FAILED,
    OUTCOME_RESTART,    /* a one-commit sink lost its connection: run again */
};

struct engine {
    const struct config *cfg;
    const struct clock *clock;
    struct state *state;       /* NULL: without_state */
    bool without_state;        /* `pipe sql`, --preview: nothing is remembered */
    struct budget *budget;
    struct pool *pool;
    struct plan *plan;         /* NULL until all sinks are open */
    struct arena *plan_arena;
    struct stats *stats;
    struct dead_letters *dead;
    struct runner **runners; /* by sink index */
    struct spool **spools;   /* by source index; NULL entries have none */
    uint32_t sink_count;
    struct lane **lanes;     /* those of one source are neighbours, in the order of the sources */
    uint32_t lane_count;
    struct mailbox mail;     /* the main thread's; only woken */
    int signal_fd;           /* where its signals come in; -1: none */

    atomic_bool running;     /* everything has started: late sinks may plan */
    atomic_bool draining;    /* sources stop reading */
    atomic_bool stop_now;    /* nothing is waited for any more */
    atomic_bool stopped_early; /* a finite source was stopped before its end */
    atomic_bool restart;

    pthread_mutex_t lock;    /* what follows */
    pthread_cond_t opened;
    uint32_t sinks_opening;
    bool failed;
    const struct component *failed_component;
    struct error failure;
};

struct engine_options {
    bool (*tick)(struct engine *e, void *arg); /* called from the main thread about ten times a second where interval_us > 0 */
    void *tick_arg;
    int64_t tick_interval_us;
    int signal_fd;     /* signalfd of SIGINT, SIGTERM, SIGHUP; -1: none */
    void (*started)(struct engine *e, void *arg); /* all parts run: the place to tell systemd, and to start the admin server */
    void (*ending)(struct engine *e, void *arg);
};

/*
 * Opens the state_dir and all sinks, plans, runs until every source has ended or the pipeline is stopped. *err says why for OUTCOME_FAILED; config problems that only
 * binding finds go to *problems (OUTCOME_FAILED, err->text empty). The engine is left for reading (stats, report) and freed by engine_free.
 */
struct engine *engine_new(const struct config *cfg, const struct clock *clock);
enum outcome engine_run(struct engine *e, const struct engine_options *o, struct problems *problems, struct error *err);
void engine_free(struct engine *e);

/* Any thread. The first failure is the run's; sources stop, healthy sinks finish what is in flight. c NULL: the engine itself. */
void engine_fail(struct engine *e, const struct component *c, const struct error *err);
void engine_drain(struct engine *e);
void engine_stop_now(struct engine *e);

/* When the oldest record of a source that is not settled was read (wall time); 0: none. */
int64_t engine_oldest_unacked_us(const struct engine *e, uint32_t source);
/* All sources end by themselves. */
bool engine_is_finite(const struct engine *e);
/* Nothing is waited for any more. Before all parts run a first signal says so, which nobody else looks for then. */
bool engine_is_called_off(const struct engine *e);
/* Sources were stopped or something failed: what has arrived is not all there is. */
bool engine_is_incomplete(const struct engine *e);

/* From the parts. */
void engine_sink_opened(struct engine *e);
void engine_drop_bytes(struct batch *b);
void engine_return_output(struct output *o); /* pieces are freed, their bytes go back to the budget */

#endif
