/*
 * `pipe check --connect` and `--ddl`: asks the components of a bound plan about the world outside, one after the other.
 */
#ifndef PIPE_PROBE_H
#define PIPE_PROBE_H

#include "pipeline/engine/plan.h"

/*
 * Reaches every source and sink that can be reached, logs in, compares columns; a line for each goes to *out. False where one of them fails.
 * The plan's bindings are used up.
 */
bool probe_connect(const struct plan *plan, struct buffer *out);
/* The statements that create = true would run, for every sink that has some. Connects to nothing. */
bool probe_ddl(const struct plan *plan, struct buffer *out);

#endif
