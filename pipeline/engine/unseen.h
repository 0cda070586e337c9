/*
 * Members that a query names and no event had: most likely a misspelling, which is NULL without a word. Undeclared members only; declared ones are checked when the pipeline is.
 */
#ifndef PIPE_UNSEEN_H
#define PIPE_UNSEEN_H

#include "pipeline/codec/format.h"

struct unseen;

/* For a source's schema, once it is complete. Lives in the plan's arena. */
struct unseen *unseen_new(const struct schema *s, struct arena *plan);
/* Any worker, behind decoding. Costs nothing once every member has been seen. */
void unseen_look(struct unseen *u, const struct decoder *d, const struct slice *s);
/* After the run: calls `each` with every member that was never there, and the nearest name that was (NULL: none is near). */
void unseen_each(const struct unseen *u, void (*each)(void *arg, const char *member, const char *nearest), void *arg);

#endif
