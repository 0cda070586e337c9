/*
 * One SQL value: 16 bytes, tagged. Columns are arrays of these. Bytes behind `ptr` are borrowed: from the batch, from the
 * slice's arena or from the plan, all of which outlive the slice. Members that are missing and JSON null are both VALUE_NULL.
 *
 * Which kinds a column of a type may hold (each may also hold VALUE_NULL):
 *   smallint integer bigint   INT
 *   numeric                   DECIMAL, NUMBER
 *   real                      REAL         double precision  DOUBLE
 *   text, unknown             TEXT         bytea             BYTES
 *   boolean                   BOOL         date timestamp timestamptz  DATE TIMESTAMP TIMESTAMPTZ
 *   interval                  INTERVAL     uuid              UUID
 *   json (undeclared member)  BOOL, NUMBER, TEXT, JSON (an object or array)
 *   jsonb                     JSON: any JSON text (scalars too)
 *   arrays                    ARRAY, whose items are as a column of the element's type; texts in it have no escapes
 */
#ifndef PIPE_VALUE_H
#define PIPE_VALUE_H

#include <assert.h>

#include "pipeline/base/str.h"

enum value_kind {
    VALUE_NULL,
    VALUE_BOOL,        /* i: 0 or 1 */
    VALUE_INT,         /* i */
    VALUE_DOUBLE,      /* d */
    VALUE_REAL,        /* d, already rounded to float */
    VALUE_DECIMAL,     /* numeric fast path: i / 10^scale, 0 <= scale <= 18; scale is the printed scale */
    VALUE_NUMBER,      /* numeric as text (ptr, len): a JSON number nobody has calculated with yet, or one too large for DECIMAL, or NaN, Infinity, -Infinity */
    VALUE_TEXT,        /* ptr, len: UTF-8; with VALUE_ESCAPED the inside of a JSON string, escapes not yet resolved */
    VALUE_BYTES,       /* ptr, len */
    VALUE_JSON,        /* ptr, len: valid JSON text */
    VALUE_DATE,        /* i: days since 2000-01-01; INT32_MIN/MAX are -infinity/infinity */
    VALUE_TIMESTAMP,   /* i: microseconds since 2000-01-01 00:00, as Postgres stores it; INT64_MIN/MAX are -infinity/infinity */
    VALUE_TIMESTAMPTZ, /* same, in UTC */
    VALUE_INTERVAL,    /* ptr: struct interval */
    VALUE_UUID,        /* ptr: 16 bytes */
    VALUE_ARRAY,       /* ptr: struct array (array.h) */
};

enum value_flags {
    VALUE_ESCAPED = 1,   /* TEXT: has JSON escapes; value_unescape() before looking at the characters */
    VALUE_JSON_SAFE = 2, /* TEXT: no character needs escaping in a JSON string (known, not guessed) */
    VALUE_NORMAL = 4,    /* JSON: in jsonb's normal form (known, not guessed) */
};

struct value {
    uint8_t kind;  /* enum value_kind */
    uint8_t flags; /* enum value_flags */
    uint16_t scale;
    uint32_t len;
    union {
        int64_t i;
        double d;
        const char *ptr;
    };
};
static_assert(sizeof(struct value) == 16, "columns are dense");

struct interval {
    int64_t microseconds;
    int32_t days, months;
};

static inline bool value_is_null(struct value v)
{
    return v.kind == VALUE_NULL;
}
static inline struct value value_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}
static inline struct value value_bool(bool b)
{
    return (struct value){.kind = VALUE_BOOL, .i = b};
}
static inline struct value value_int(int64_t i)
{
    return (struct value){.kind = VALUE_INT, .i = i};
}
static inline struct value value_double(double d)
{
    return (struct value){.kind = VALUE_DOUBLE, .d = d};
}
static inline struct value value_decimal(int64_t coefficient, unsigned scale)
{
    return (struct value){.kind = VALUE_DECIMAL, .scale = (uint16_t)scale, .i = coefficient};
}
/* Characters that are no JSON escapes: borrowed from s. */
static inline struct value value_text(struct str s)
{
    return (struct value){.kind = VALUE_TEXT, .len = (uint32_t)s.len, .ptr = s.data};
}
static inline struct str value_str(struct value v)
{
    return (struct str){v.ptr, v.len};
}

#endif
