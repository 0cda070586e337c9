/*
 * The visible lists of components. Adding one is a line in catalog.c.
 */
#ifndef PIPE_CATALOG_H
#define PIPE_CATALOG_H

#include "pipeline/engine/config.h"

extern const struct catalog catalog;

#endif
