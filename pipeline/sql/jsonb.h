/*
 * jsonb values at work: JSON texts, in the normal form that Postgres prints where VALUE_NORMAL says so. Nothing is built up as a tree;
 * operators walk the texts.
 */
#ifndef PIPE_SQL_JSONB_H
#define PIPE_SQL_JSONB_H

#include "pipeline/codec/json.h"
#include "pipeline/sql/eval.h"

enum jsonb_type { JSONB_NULL, JSONB_STRING, JSONB_NUMBER, JSONB_BOOLEAN, JSONB_ARRAY, JSONB_OBJECT };

/* By the first character. The text has no blanks around it. */
enum jsonb_type jsonb_type(struct str json);

/* The text in normal form (arena). False with *err where jsonb cannot hold it. */
bool jsonb_normal(struct eval *ev, struct value v, struct value *out, struct error *err);
/* A part of a value as jsonb or text; part.data NULL: NULL. variant of ->, ->> and their like: enum json_result. */
bool jsonb_part(struct eval *ev, int how, struct value whole, struct str part, struct value *out, struct error *err);
/* What is in ev->scratch, made normal. */
bool jsonb_finish(struct eval *ev, struct value *out, struct error *err);

/* Postgres's order of jsonb: -1, 0, 1. Both in normal form. */
int jsonb_compare(struct str a, struct str b);
/* a @> b */
bool jsonb_contains(struct str a, struct str b);

/* The characters of a JSON string (its text with quotes), perhaps unescaped into the arena. */
bool jsonb_characters(struct arena *a, struct str string, struct str *out, struct error *err);
/* Is this JSON string (with quotes) that text? */
bool jsonb_string_is(struct str string, struct str text);

#endif
