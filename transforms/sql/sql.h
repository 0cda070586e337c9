/*
 * The transform `sql`: a SELECT over the events that come in (pipeline/sql/sql.h).
 */
#ifndef PIPE_TRANSFORMS_SQL_H
#define PIPE_TRANSFORMS_SQL_H

#include "pipeline/engine/component.h"

extern const struct transform_type sql_transform_type;

#endif
