/*
 * From a writer's schema to a slice's columns: which parts of a datum are skipped, and which become which column's value (schema resolution, Apache Avro 1.11). Made once per writer's schema,
 * then const.
 */
#ifndef PIPE_AVRO_PROGRAM_H
#define PIPE_AVRO_PROGRAM_H

#include "pipeline/codec/avro_data.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/schema.h"

/* The paths that the plan wants, as a tree. */
struct avro_want {
    struct str name;
    const uint32_t *columns; /* that take the whole value */
    uint32_t column_count;
    struct avro_want *children, *next;
};

enum avro_step_kind {
    AVRO_STEP_SKIP,
    AVRO_STEP_VALUE,
    AVRO_STEP_RECORD, /* parts: one per field */
    AVRO_STEP_MAP,    /* parts: one per name */
    AVRO_STEP_UNION,  /* parts: one per branch */
    AVRO_STEP_BAD,    /* a branch that the reader's schema does not allow; `why` */
};

enum avro_conversion { AVRO_AS_IT_IS, AVRO_CAST, AVRO_AS_JSON, AVRO_SYMBOL };

struct avro_step {
    enum avro_step_kind kind;
    const struct avro_schema *schema; /* the writer's; of a value: as it is to be read */
    const uint32_t *columns;          /* whole value */
    uint32_t column_count;
    enum avro_conversion conversion;
    struct type from, to;
    const struct avro_schema *reader; /* AVRO_SYMBOL: whose symbols count */
    struct avro_step *parts;
    struct str *names;                /* of a map's parts */
    uint32_t count;
    const char *why;
};

struct avro_program {
    const struct avro_schema *writer;
    struct avro_step root;
    const struct value *presets; /* per column of the schema: what it is where the datum says nothing */
    const char *error;           /* why data of this writer cannot be read; NULL: they can */
};

/* The tree of what `s` wants, in the arena. */
struct avro_want *avro_wants(const struct schema *s, struct arena *arena);
/* reader: NULL: members are what they are, as JSON has them. *out->error is set where the schemas do not fit. */
void avro_program_new(const struct avro_schema *writer, const struct avro_schema *reader, const struct schema *s, const struct avro_want *wants,
                      struct arena *arena, struct avro_program *out);

/* Fills columns[c][row]. cx->arena takes what is made. false: r->why, or *err where a value did not fit its column (then *column is which). */
bool avro_program_run(const struct avro_program *p, const struct schema *s, struct avro_reader *r, const struct convert_context *cx, struct value **columns, uint32_t row,
                      uint32_t *column, struct error *err);

#endif
