/* The sink `file`: appends encoded events to one local file. */
#ifndef PIPE_FILE_SINK_H
#define PIPE_FILE_SINK_H

#include "pipeline/engine/component.h"

extern const struct sink_type file_sink_type;

#endif
