/*
 * Dead letters: records that can never be delivered, in a store of their own: an NDJSON file in state_dir, or any sink ([dead_letter]). A sink
 * commits a range of a source only after the dead letters in that range are durable (dead_wait), so that no crash loses one; a replay may write one again,
 * with the same id. What a sink rejects goes to the sink that reads NAME.rejected instead, where there is one; it counts as dead for the sink, but not for the limits and the
 * exit code.
 */
#ifndef PIPE_DEAD_H
#define PIPE_DEAD_H

#include "pipeline/engine/plan.h"

struct dead_letters;
struct engine;

/* Opens the store where [dead_letter] is written in the config, else with the first letter. */
struct dead_letters *dead_new(struct engine *e, struct error *err);
/* Writes what is left and ends. */
void dead_free(struct dead_letters *d);

/* Any thread; waits only while several megabytes of letters are unwritten. Returns the ticket to wait for. */
uint64_t dead_put_rejection(struct dead_letters *d, const struct batch *b, const struct rejection *r);
uint64_t dead_put_record(struct dead_letters *d, const struct batch *b, uint32_t record, const struct component *c,
                         const char *sqlstate, const char *reason);
/* Until all letters up to the ticket are durable. false: they can't be written, and the run has failed. */
bool dead_wait(struct dead_letters *d, uint64_t ticket);

/* The same rows for NAME.rejected: a slice of dead_schema(), in the arena. */
void dead_slice(struct dead_letters *d, const struct batch *b, const struct rejection *items, uint32_t count,
                struct arena *arena, struct slice *out);

/* For the summary: how many letters a component caused, and the reason of its first. "" if none. */
uint64_t dead_count(struct dead_letters *d, uint32_t component, char first_reason[256]);

#endif
