/*
 * `run --preview N`: shows what each sink would get, and writes, commits and moves nothing.
 */
#ifndef PIPE_PREVIEW_H
#define PIPE_PREVIEW_H

#include "pipeline/engine/engine.h"

/* The configuration with each sink, and the dead letters, replaced by one that prints its first `rows` rows; in `arena`. */
const struct config *preview_config(const struct config *cfg, int64_t rows, struct arena *arena);

#endif
