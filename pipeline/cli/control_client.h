/*
 * Asks a running pipeline through the control socket in its state_dir (pipeline/admin/control.h).
 */
#ifndef PIPE_CONTROL_CLIENT_H
#define PIPE_CONTROL_CLIENT_H

#include "pipeline/base/buffer.h"

/* One line, and the whole answer to it. false: no pipeline is running there (or it does not answer). */
bool control_ask(const char *state_dir, const char *line, struct buffer *answer);

#endif
