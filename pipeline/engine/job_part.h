/*
 * The parts of a job's outputs (job.h): the memory they may take, and how they leave. The worker that runs the job.
 */
#ifndef PIPE_JOB_PART_H
#define PIPE_JOB_PART_H

#include "pipeline/engine/job.h"

/* The first part begins: what was drawn for the batch is its room. */
void part_begin(struct job *j);
/* Is there memory for what comes next? false: parked, j may be running elsewhere. */
bool part_has_room(struct job *j);
/* Is it as large as it may become? */
bool part_is_full(const struct job *j);
/* May the part under way not become larger, however much is freed? */
bool part_is_largest(const struct job *j);
/* What was made of the records before j->first goes to the sinks. last: the batch is through. */
void part_put(struct job *j, struct tools *tools, bool last);
/* The run is being stopped: what there is is dropped. */
void part_abandon(struct job *j);

#endif
