/*
 * Starting: the parts in the order in which they need one another.
 */
#ifndef PIPE_START_H
#define PIPE_START_H

#include "pipeline/engine/engine.h"

/*
 * State directory, dead letters, sinks (open, positions), plan, workers, lanes. false: *err or *problems say why; what was made stays for engine_free.
 */
bool start_parts(struct engine *e, const struct engine_options *o, struct problems *problems, struct error *err);

/* Takes a signal from the descriptor. false: there is none, or only one to apply changes. */
bool signal_asks_to_stop(int signal_fd);

#endif
