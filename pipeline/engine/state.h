/*
 * state_dir: what a pipeline keeps on this machine, locked by one process.
 *
 *   lock            flock'd while a process uses the directory; holds its pid
 *   id              a UUID made at the first use: the incarnation of all machine-local positions
 *   positions       the journal below
 *   dead-letters.ndjson, control.sock, parts/  by other parts of the engine
 *
 * The journal keeps the positions of sinks that can't keep their own. One line a range, each with its CRC32C; a torn or damaged line is passed over. A line
 * that is lost costs duplicates, never data: a sink's data is durable before its position is appended, and while something is lost no sink counts as new.
 */
#ifndef PIPE_STATE_H
#define PIPE_STATE_H

#include "pipeline/engine/position.h"

struct state;

/* Makes the directory where it is missing; compacts the journal. ERROR_STOP where another process has it and does not let go of it within two seconds, with its pid. */
struct state *state_open(const char *directory, struct error *err);
void state_close(struct state *s);

const char *state_directory(const struct state *s);
const char *state_id(const struct state *s); /* 36 characters */
/* Lines of the journal are lost or cannot be read: who has no position may have had one. Stays so, also for later processes, until … */
bool state_is_damaged(const struct state *s);
/* … every sink has a position again, or the mark that it was started. */
bool state_made_good(struct state *s, struct error *err);
/* A UUID in its usual form, 36 characters. */
bool state_is_id(const char *text);
/* The UUID that DIRECTORY/id holds; one is made at the first use. */
bool state_read_or_make_id(const char *directory, char id[37], struct error *err);

/* What the journal has for one sink: const for the state's owner until the first append. NULL: nothing. */
const struct positions *state_positions(const struct state *s, const char *sink);
/* Names of the sinks in the journal. */
void state_each_sink(const struct state *s, void (*each)(void *arg, const char *sink, const struct positions *p), void *arg);

/* Any thread. Appends the ranges; nothing is synced, see above. */
bool state_append(struct state *s, const char *sink, const struct position *positions, uint32_t count, struct error *err);
bool state_append_all(struct state *s, const char *sink, const struct positions *p, struct error *err);
/* What was appended survives a loss of power. */
bool state_sync(struct state *s, struct error *err);
bool state_forget(struct state *s, const char *sink, const char *source, const char *const *keys, uint32_t count,
                  struct error *err);
/* All positions of a sink ("" for all sinks) go; that it was started is still known. */
bool state_reset(struct state *s, const char *sink, struct error *err);

#endif
