/*
 * Values to and from text, and from type to type: one implementation for CSV members, casts, JSON strings, CSV and Postgres output.
 * Input and output are those of PostgreSQL 15 with DateStyle ISO, IntervalStyle postgres, extra_float_digits 1, bytea_output hex.
 */
#ifndef PIPE_CONVERT_H
#define PIPE_CONVERT_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/event/type.h"
#include "pipeline/event/value.h"
#include "pipeline/event/zone.h"

/* What a conversion may depend on. `now_us` (µs since 2000-01-01 UTC) is for 'now', 'today'; INT64_MIN refuses them. */
struct convert_context {
    struct arena *arena; /* for results that need memory */
    const struct zone *zone;
    int64_t now_us;
};

/*
 * Text input: what `'text'::type` does in Postgres (surrounding blanks, "infinity", typmod rounding and length checks included).
 * ERROR_REJECT with Postgres's sqlstate and message ('invalid input syntax for type integer: "x"') otherwise.
 */
bool value_parse(const struct convert_context *cx, struct str text, struct type type, struct value *out, struct error *err);

/* A cast of a value of type `from` to type `to` (explicit cast rules). NULL stays NULL. TYPE_JSON and TYPE_JSONB scalars as the contract's typing rules say. */
bool value_cast(const struct convert_context *cx, struct value v, struct type from, struct type to, struct value *out, struct error *err);

/* Text output as Postgres prints a value of that type (no quoting). NULL prints nothing. For TYPE_JSON: ->> (strings bare, the rest as JSON). */
void value_print(struct value v, struct type type, const struct zone *zone, struct buffer *out);

/* As a JSON value: numbers bare (NaN and infinities quoted), strings escaped, timestamps in ISO 8601 as Postgres's to_json prints them
 * ("2026-03-01T12:00:00.123+00:00"), bytea as hex string, JSON as it is, NULL as null. */
void value_print_json(struct value v, struct type type, const struct zone *zone, struct buffer *out);

/* TEXT with VALUE_ESCAPED: the characters, in the arena. Others unchanged. The escapes were validated by the decoder, except that "\u0000" has no
 * text form: then false with ERROR_REJECT 22P05, as jsonb's ->> has it. */
bool value_unescape(struct arena *a, struct value *v, struct error *err);

/* s as the inside of a JSON string (no quotes), appended. Valid UTF-8 is expected. */
void json_escape(struct buffer *out, struct str s);
/* The length of the longest prefix that is valid UTF-8 without NUL bytes: == s.len where all is well. SIMD. */
size_t utf8_valid_prefix(struct str s);

#endif
