/*
 * JSON (RFC 8259) beyond the format table: what other floors need of it.
 */
#ifndef PIPE_JSON_H
#define PIPE_JSON_H

#include "pipeline/event/convert.h"
#include "pipeline/event/json_walk.h"

/* Strict: one JSON value, white space around it, valid UTF-8, at most max_depth deep. On failure *offset is where. */
bool json_validate(struct str text, uint32_t max_depth, size_t *offset, const char **why);

/* jsonb's normal form, as Postgres prints it: keys sorted by length then bytes, last duplicate kept, ", " and ": ", numbers without exponent. */
void json_print_jsonb(struct str text, struct buffer *out);
/* The same, with room for what it needs in the arena. False with *err where jsonb cannot hold it: "\u0000", a number beyond numeric. */
bool json_print_normal(struct str text, struct arena *arena, struct buffer *out, struct error *err);

#endif
