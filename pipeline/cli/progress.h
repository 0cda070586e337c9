/*
 * The progress line at the bottom of a terminal: records, rate, and percent and time left where the amount is known.
 */
#ifndef PIPE_PROGRESS_H
#define PIPE_PROGRESS_H

#include "pipeline/engine/engine.h"

struct progress {
    int64_t started_us, last_us;
    uint64_t last_read;
    double rate; /* records a second, smoothed */
};

void progress_show(struct progress *p, struct engine *e);
void progress_clear(void);

#endif
