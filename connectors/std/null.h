/* The sink `null`: takes everything, keeps nothing. */
#ifndef PIPE_NULL_H
#define PIPE_NULL_H

#include "pipeline/engine/component.h"

extern const struct sink_type null_sink_type;

#endif
