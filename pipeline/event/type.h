/*
 * The SQL types of the engine (contract: "Types and SQL"). Names and meaning are PostgreSQL's (manual, chapter 8).
 */
#ifndef PIPE_TYPE_H
#define PIPE_TYPE_H

#include "pipeline/base/error.h"
#include "pipeline/base/str.h"

enum type_id {
    TYPE_UNKNOWN, /* an untyped literal: a quoted constant, a CSV member. Value: VALUE_TEXT */
    TYPE_JSON,    /* a member of a JSON event, undeclared: any JSON value, takes the type it is needed as */
    TYPE_BOOLEAN,
    TYPE_SMALLINT,
    TYPE_INTEGER,
    TYPE_BIGINT,
    TYPE_NUMERIC,
    TYPE_REAL,
    TYPE_DOUBLE,
    TYPE_TEXT,
    TYPE_BYTEA,
    TYPE_DATE,
    TYPE_TIMESTAMP,
    TYPE_TIMESTAMPTZ,
    TYPE_INTERVAL,
    TYPE_UUID,
    TYPE_JSONB,
    TYPE_COUNT,
};

/*
 * Arrays: the id of the element's type added to this. They are no enumerators: a switch over the scalar types goes on behind its end for them.
 * An array of TYPE_JSON is a JSON array whose elements have no types of their own yet.
 */
#define TYPE_ARRAY 64
#define TYPE_TEXT_ARRAY ((enum type_id)(TYPE_ARRAY + TYPE_TEXT))
#define TYPE_INTEGER_ARRAY ((enum type_id)(TYPE_ARRAY + TYPE_INTEGER))
#define TYPE_JSONB_ARRAY ((enum type_id)(TYPE_ARRAY + TYPE_JSONB))

static inline bool type_is_array(enum type_id id)
{
    return (unsigned)id >= TYPE_ARRAY && (unsigned)id < TYPE_ARRAY + TYPE_COUNT;
}
static inline enum type_id type_array_of(enum type_id element)
{
    return (enum type_id)(TYPE_ARRAY + (unsigned)element);
}
static inline enum type_id type_element(enum type_id array)
{
    return (enum type_id)((unsigned)array - TYPE_ARRAY);
}

struct type {
    enum type_id id;
    int32_t precision; /* numeric(precision, scale), timestamp(precision), interval(precision), varchar's n as
                          text(precision); of an array: its elements'; -1: none */
    int16_t scale;     /* of numeric; of interval its enum interval_fields; -1: none */
};

#define TYPE(id_) ((struct type){.id = (id_), .precision = -1, .scale = -1})

/* Any name Postgres accepts ("double precision", "float8", "int4", "timestamp with time zone", "varchar(20)", "int[]" …), any case.
 * ERROR_STOP names the nearest known type. */
bool type_parse(struct str name, struct type *out, struct error *err);
/* The canonical name, as format_type() prints it: "double precision", "numeric(10,2)". Static or in `out` (48 bytes).
 */
const char *type_name(struct type t, char out[48]);
/* The bare name for messages: "numeric", "timestamp with time zone", "text[]". */
const char *type_id_name(enum type_id id);

#endif
