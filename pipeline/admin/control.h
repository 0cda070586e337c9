/*
 * The control socket state_dir/control.sock (0600): a client sends one line, `status`, `metrics` or `spool`, and reads the
 * answer to its end. One client at a time, each for two seconds at most.
 */
#ifndef PIPE_CONTROL_H
#define PIPE_CONTROL_H

#include "pipeline/engine/engine.h"

struct control;

struct control *control_start(const char *state_dir, struct engine *e, struct error *err);
/* Removes the socket. NULL: nothing. */
void control_stop(struct control *c);

#endif
