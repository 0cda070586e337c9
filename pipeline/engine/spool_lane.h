/*
 * The lane that reads a spool for the sinks. Each sink has a place of its own: those at the same place get the same batches, decoded once; one that is behind is served apart, in
 * turn with the others, and joins them again where it reaches their place. A sink that settles nothing gets no more than its part of the budget, so it holds up only itself.
 *
 * Under a drain it stops reading; what is left stays on disk for the next run.
 */
#ifndef PIPE_SPOOL_LANE_H
#define PIPE_SPOOL_LANE_H

#include "pipeline/engine/component.h"
#include "pipeline/engine/spool.h"

extern const struct source_ops spool_reader_ops;

/* The engine has a state_dir and the source wants it. */
bool spool_wanted(const struct engine *e, const struct component *source);
/* Before the lanes start: opens the spools of all sources that want one, and gives them to their lanes. */
bool spool_open_all(struct engine *e, struct error *err);

#endif
