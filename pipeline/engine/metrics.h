/*
 * The counters of a running engine in Prometheus's text format (exposition format 0.0.4). Any thread while the engine lives.
 */
#ifndef PIPE_METRICS_H
#define PIPE_METRICS_H

#include "pipeline/engine/engine.h"

void metrics_print(const struct engine *e, struct buffer *out);

#endif
