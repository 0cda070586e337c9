/*
 * The sources `stdin` and `generate`.
 */
#ifndef PIPE_STD_SOURCES_H
#define PIPE_STD_SOURCES_H

#include "pipeline/engine/lane.h"

extern const struct source_type stdin_source_type;
extern const struct source_type generate_source_type;

#endif
