/* The sink `stdout`: encoded events on standard output, for shells. */
#ifndef PIPE_STDOUT_H
#define PIPE_STDOUT_H

#include "pipeline/engine/component.h"

extern const struct sink_type stdout_sink_type;

#endif
