/*
 * `pipe explain FILE`: per path from a source to a sink, what it promises and why; per source, the columns that are read.
 */
#ifndef PIPE_EXPLAIN_PLAN_H
#define PIPE_EXPLAIN_PLAN_H

#include "pipeline/cli/command.h"

int explain_plan(const struct config_args *args, const struct text_list *operands);

#endif
