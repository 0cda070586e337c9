/*
 * A sink's runner: takes its outputs from workers in any order (a put never waits), restores the order of each lane,
 * and hands them to its connections, each a thread that writes, commits, retries and settles. What it may hold is
 * bounded by the byte budget alone.
 *
 *   1. Outputs of one lane reach a connection in the order of their numbers.
 *   2. An output is settled only after its data, its positions and its dead letters are durable.
 *   3. A sink that cannot be reached when the run starts is late: the others start without it, its outputs are put
 * unencoded (raw), and stay in the reorder window. Once it is open its connection plans for itself, and workers encode
 * them, for each lane one after the other. What it had is known from the journal until then.
 *   4. A connection that has nothing more to write and no reason to wait commits at once; a flush mark takes away every
 * reason.
 */
#ifndef PIPE_RUNNER_H
#define PIPE_RUNNER_H

#include "pipeline/engine/output.h"
#include "pipeline/engine/position.h"

struct claim;
struct engine;
struct conn;

struct forgotten {
    struct forgotten *next;
    char *source;
    char **keys;
    uint32_t count;
};

struct runner {
    struct engine *engine;
    const struct component *component;
    const struct sink_ops *ops;
    uint32_t index;       /* among the plan's sinks */
    struct sink **sinks;  /* one per connection */
    struct conn *conns;
    uint32_t conn_count;
    struct identity identity;
    struct positions *stored; /* as loaded at the start; const from then on */
    bool keeps_positions;     /* the sink keeps them; else the engine does, in state_dir */
    bool one_commit, takes_over;
    _Atomic uint32_t troubled;    /* connections that failed and try again */
    bool late;                    /* set before the plan is made, then const */
    bool announced;               /* connection 0 has said whether it is open or late */
    struct positions *baseline;   /* a late sink that is new: to be stored when it opens */

    pthread_mutex_t lock; /* what follows */
    struct late *own;     /* a late sink's own plan */
    bool gives_up_raw;    /* a late sink that will never open */
    struct window *windows; /* one per lane */
    uint32_t lane_count;
    struct forgotten *forgotten; /* partitions whose positions may go */
    struct claim *claims;        /* not answered yet, the newest first */
    bool complete;        /* all lanes have ended and every output has been handed on */
};

struct runner *runner_new(struct engine *e, const struct component *c, uint32_t index, uint32_t lane_count, struct error *err);
/* Starts connection 0, which opens, loads positions, and says so through engine_sink_opened. */
void runner_start(struct runner *r);
/* Starts the others; after bind. */
void runner_start_others(struct runner *r);
/* Threads have ended (runner_stop or all lanes ended). Outputs that are left are freed unsettled. */
void runner_join(struct runner *r);
void runner_free(struct runner *r);

/* Workers. Never waits; o is the runner's. */
void runner_put(struct runner *r, struct output *o);
/* Workers: what has become of the raw output whose turn it is. Comes in order. */
void runner_put_late(struct runner *r, struct output *o);
/* Connection 0: the late sink is open, its raw outputs may be encoded. own NULL: it has failed for good, they are
 * handed on as they are. */
void runner_encode_raw(struct runner *r, struct late *own);
/* A lane, or a job of its: commit what there is up to (not including) this output number as soon as you can: I am
 * waiting. */
void runner_flush(struct runner *r, uint32_t lane, uint64_t number);
/* The same, also of sinks that roll by themselves. */
void runner_release(struct runner *r, uint32_t lane, uint64_t number);
/* A lane: to be answered by connection 0 (acquire.h). */
void runner_claim(struct runner *r, struct claim *c);
/* Connection 0: one that is to be answered, or NULL. */
struct claim *runner_take_claim(struct runner *r);
/* A lane: these are all the outputs there will ever be. */
void runner_lane_ended(struct runner *r, uint32_t lane, uint64_t outputs);
/* Is this the last output the lane will ever send? */
bool runner_is_last(struct runner *r, uint32_t lane, uint64_t number);
/* What the sink had stored of its positions when the run began; NULL where positions do not count (one commit). */
const struct positions *runner_stored(const struct runner *r);
/* A lane: these partitions are gone for good. Copies. */
void runner_forget(struct runner *r, const char *source, const char *const *keys, uint32_t count);
/* Wakes the connections to look at engine.stop_now. */
void runner_wake(struct runner *r);
/* Connection 0: the oldest that is to be forgotten, or NULL; the caller frees it. */
struct forgotten *runner_take_forgotten(struct runner *r);
void forgotten_free(struct forgotten *f);

#endif
