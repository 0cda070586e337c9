/*
 * Avro schemas (Apache Avro 1.11, "Schema Declaration"): JSON text → a tree, in an arena, const from then on. Names are full names; a use of a named type is a pointer to its
 * declaration, so that recursive types are cyclic graphs.
 */
#ifndef PIPE_AVRO_SCHEMA_H
#define PIPE_AVRO_SCHEMA_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"
#include "pipeline/event/type.h"

enum avro_kind {
    AVRO_KIND_NULL, AVRO_KIND_BOOLEAN, AVRO_KIND_INT, AVRO_KIND_LONG, AVRO_KIND_FLOAT, AVRO_KIND_DOUBLE, AVRO_KIND_BYTES, AVRO_KIND_STRING,
    AVRO_KIND_RECORD, AVRO_KIND_ENUM, AVRO_KIND_ARRAY, AVRO_KIND_MAP, AVRO_KIND_UNION, AVRO_KIND_FIXED,
};

/* One that does not fit its type counts as none, as the specification has it. */
enum avro_logical {
    AVRO_PLAIN, AVRO_DECIMAL, AVRO_UUID, AVRO_DATE, AVRO_TIME_MILLIS, AVRO_TIME_MICROS,
    AVRO_TIMESTAMP_MILLIS, AVRO_TIMESTAMP_MICROS, AVRO_LOCAL_MILLIS, AVRO_LOCAL_MICROS,
};

struct avro_schema;

struct avro_field {
    struct str name;
    const struct avro_schema *schema;
    struct str *aliases;
    uint32_t alias_count;
    struct str preset; /* the default as JSON text; "" where there is none */
};

struct avro_schema {
    enum avro_kind kind;
    enum avro_logical logical;
    struct str name; /* full name of a record, enum or fixed */
    struct str *aliases; /* full names */
    uint32_t alias_count;
    uint32_t size;                     /* fixed: bytes */
    int32_t precision, scale;          /* decimal */
    struct avro_field *fields;         /* record */
    struct str *symbols;               /* enum */
    struct str preset;                 /* enum: the default symbol; "" */
    const struct avro_schema **parts;  /* union: branches; array, map: [0] the items */
    uint32_t count;                    /* of fields, symbols, parts */
};

/* What the schema itself is called: "record com.example.Reading", "long (timestamp-millis)". For messages. */
const char *avro_schema_title(const struct avro_schema *s, char out[128]);

/* Everything is copied into the arena. ERROR_STOP says where in the schema: 'field "loc": unknown type "flaot"'. */
const struct avro_schema *avro_schema_parse(struct str json, struct arena *arena, struct error *err);

/* The SQL type that a column of it has: unions with null are their other branch; what SQL has no scalar for is jsonb. */
struct type avro_schema_type(const struct avro_schema *s);
/* The branch of a union of null and one other; otherwise the schema itself. *nullable, where asked for: may it be null? */
const struct avro_schema *avro_schema_unwrap(const struct avro_schema *s, bool *nullable);
const struct avro_field *avro_field_named(const struct avro_schema *record, struct str name);

/* The parsing canonical form (specification: "Transforming into Parsing Canonical Form"), appended. */
void avro_schema_canonical(const struct avro_schema *s, struct buffer *out);
/* CRC-64-AVRO of the canonical form (specification: "Schema Fingerprints"). */
uint64_t avro_schema_fingerprint(const struct avro_schema *s);

#endif
