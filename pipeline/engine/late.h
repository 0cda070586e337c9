/*
 * What a late sink needs of its own (runner.h): a plan for it alone, made when it has opened, and what it then turned
 * out to have.
 */
#ifndef PIPE_LATE_H
#define PIPE_LATE_H

#include "pipeline/engine/output.h"
#include "pipeline/engine/plan.h"
#include "pipeline/engine/position.h"

struct runner;
struct late;

/* The sink's own thread, with the sink open. `stored`, what it has, is owned from now on. NULL with *err. */
struct late *late_new(struct runner *r, struct positions *stored, struct error *err);
void late_free(struct late *l);
/* Any thread: an output that was put raw is encoded by a worker, and what becomes of it comes by runner_put_late. Owns
 * o. */
void late_encode(struct late *l, struct output *o);

#endif
