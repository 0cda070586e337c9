/*
 * The transform `route`: conditions that decide which outputs an event goes to.
 */
#ifndef PIPE_TRANSFORMS_ROUTE_H
#define PIPE_TRANSFORMS_ROUTE_H

#include "pipeline/engine/component.h"

extern const struct transform_type route_transform_type;

#endif
