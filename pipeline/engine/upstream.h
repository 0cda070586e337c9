/*
 * Which sources can reach a component: along its inputs, up to where events come from. Configuration only.
 */
#ifndef PIPE_UPSTREAM_H
#define PIPE_UPSTREAM_H

#include "pipeline/engine/config.h"

/* Calls `each` once for every source above `c`; for a component without inputs (dead letters) for all sources. */
void upstream_each_source(const struct component *c, void (*each)(void *arg, const struct component *source),
                          void *arg);
/* Is the source of this name one whose partitions are shared by processes (source_type.shared)? */
bool upstream_is_shared(const struct component *c, const char *source);
/* A source above `c` whose partitions are shared by processes, or NULL. */
const struct component *upstream_shared(const struct component *c);
/* A source above `c` that never ends by itself, or NULL. */
const struct component *upstream_endless(const struct component *c);
/* A spooled source above `c`, or NULL. */
const struct component *upstream_spooled(const struct component *c);

#endif
