/*
 * `pipe dead retry`: the same pipeline, its sources replaced by one that reads dead letters. Each record goes only to the sinks below the
 * component that failed, and is committed under its letter's own position, so that a retry which was killed delivers nothing twice.
 */
#ifndef PIPE_RETRY_H
#define PIPE_RETRY_H

#include "pipeline/cli/letters.h"

struct retry {
    const struct letters *letters;
    const bool *chosen;  /* which of letters->items */
    bool *settled;       /* out: every sink has answered, be it with a new letter */
    const char **refused; /* out: why a letter cannot be tried again; NULL: it was */
};

/* The configuration to run, in the arena; *retry outlives it. */
const struct config *retry_config(const struct config *cfg, struct retry *retry, struct arena *arena);

#endif
