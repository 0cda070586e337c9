/*
 * One place for dead letters: a sink with a thread of its own, outside of the plan. Letters are gathered, written together and then durable.
 */
#ifndef PIPE_DEAD_STORE_H
#define PIPE_DEAD_STORE_H

#include <stdatomic.h>

#include "pipeline/engine/dead_row.h"

struct dead_store;

/* c: a sink. tickets: numbers shared by all stores of the run. now: open it at once, instead of with its first letter. */
struct dead_store *dead_store_new(struct engine *e, const struct component *c, atomic_uint_fast64_t *tickets, bool now, struct error *err);
/* Writes what is left and ends. */
void dead_store_free(struct dead_store *d);

/* Any thread; waits only while several megabytes of letters are unwritten. Returns the letter's ticket. */
uint64_t dead_store_put(struct dead_store *d, const struct batch *b, const struct dead_record *r);
/* Until all letters here up to the ticket are durable. false: they cannot be written, and the run has failed. */
bool dead_store_wait(struct dead_store *d, uint64_t ticket);

/* Rows [first, first + count) as columns, in the arena. */
void dead_rows_to_slice(struct value (*rows)[DEAD_COLUMNS], uint32_t first, uint32_t count, struct arena *arena, struct slice *out);

#endif
