/*
 * A job: one raw batch on its way through the plan, in slices. It holds all that an execution needs, so that it can be
 * parked and go on in whatever worker is free: at a step that waits (transform_type.start, job_resume), and between two
 * parts.
 *
 * Parts. A batch that becomes far more than was drawn for it is put in parts: when it has reached its limit, what there
 * is of it goes to the sinks, and the job draws memory for the next part. If there is none the job asks the sinks to
 * commit, is parked, and goes on when enough has been freed (budget.h). A record is never divided.
 */
#ifndef PIPE_JOB_H
#define PIPE_JOB_H

#include "pipeline/engine/budget.h"
#include "pipeline/engine/output.h"
#include "pipeline/engine/plan.h"

struct engine;

enum { MARK_NONE, MARK_LIVE, MARK_DEAD, MARK_SKIPPED, MARK_EXCLUDED };

/* A rejection whose letter is not written yet. */
struct grave {
    uint32_t rejection;
    sink_mask sinks;
};

struct job {
    struct job *next;         /* in the pool's queue or free list */
    struct engine *engine;
    const struct route *route;
    struct batch *batch;      /* a reference and a hold on its bytes */
    sink_mask reaches;        /* each of these gets an output */
    sink_mask sinks;          /* those it is run for; the others' outputs stay raw */
    uint64_t numbers[PLAN_MAX_SINKS]; /* of the outputs: see struct output */
    struct output *outputs[PLAN_MAX_SINKS];
    uint32_t end; /* the records before it are to be run */
    bool late;    /* for a late sink alone, by a route of its own: what it has to do is an output that was put raw */

    struct budget_turn turn;
    uint32_t part, part_first; /* the part under way, and its first record */
    size_t room;               /* drawn for it */
    size_t limit;              /* what it may become */
    size_t made;               /* what it has become, as far as slices are through */
    bool full;                 /* not all that was tried went into it */
    size_t wanted;             /* the next record needs a limit like this; 0: it has not been tried */

    struct arena arena;   /* the slice's, lent by the worker */
    struct arena *lender; /* of the worker that runs it */
    struct rejections rejections;
    uint32_t rejections_seen;
    struct slice *slots;
    uint32_t first, count;    /* records of the slice under way */
    uint32_t most_records;    /* of a slice; fewer where they make many rows */
    struct grave *graves;
    uint32_t grave_count, grave_capacity;
    uint32_t node;            /* the next to run */
    bool begun, in_slice, parked;   /* parked: at an async step */
    uint8_t *marks[PLAN_MAX_SINKS]; /* per record of the slice, where a sink treats them differently; else NULL */
    const struct positions *skip; /* instead of partition.resume: what a late sink turned out to have */
    uint64_t dead_ticket, source_dead, source_filtered;
};

/* From a lane: b, with its bytes held, for the sinks of `reaches`, whose outputs get these numbers. Owns the reference
 * and the hold. */
void job_submit(struct engine *e, const struct route *route, struct batch *b, sink_mask reaches, uint64_t *numbers);
/* A late sink's output, to be encoded at last by a route compiled for that sink alone; `skip`: what the sink has. Owns
 * o; what becomes of it is put. Any thread. */
void job_submit_late(struct engine *e, const struct route *route, struct output *o, const struct positions *skip);
/* Runs until the batch is through (true: the outputs have been put, or the run is being stopped) or parked (false: it
 * may be running elsewhere by now). Any worker, who lends its arena. */
bool job_run(struct job *j, struct tools *tools, struct arena *arena);
/* An async step has filled its outs: the job goes on in some worker. Any thread, once per start. */
void job_resume(struct job *j);

#endif
