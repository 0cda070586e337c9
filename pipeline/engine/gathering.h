/*
 * Outputs that were put in parts (job.h) come home one by one, in any order. Only when all parts of a number are there
 * is it answered, and settled only if all of them are. Lane thread only.
 */
#ifndef PIPE_GATHERING_H
#define PIPE_GATHERING_H

#include "pipeline/engine/output.h"

struct gathering {
    struct gathered *first; /* numbers of which some parts are home; few */
};

/* An output is home. true: with it, all of its number and sink; o->settled then speaks for all of them. */
bool gather_part(struct gathering *g, struct output *o);
void gathering_release(struct gathering *g);

#endif
