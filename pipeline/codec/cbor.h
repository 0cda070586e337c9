/*
 * CBOR (RFC 8949), one data item at a time, by hand: no tree is built, every length is checked against what is there.
 *
 * Reading makes JSON of it: byte strings are Postgres's hex text ("\x…"), integers and bignums (tags 2, 3) and decimal fractions (tag 4) are numbers with all their
 * digits, times (tags 0, 1) ISO 8601 text, undefined is null, NaN and infinities are text; other tags are passed over. Members' names must be text.
 */
#ifndef PIPE_CBOR_H
#define PIPE_CBOR_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"
#include "pipeline/event/convert.h"

enum cbor_major { CBOR_UNSIGNED, CBOR_NEGATIVE, CBOR_BYTES, CBOR_TEXT, CBOR_ARRAY, CBOR_MAP, CBOR_TAG, CBOR_SIMPLE };
enum { CBOR_TAG_TEXT_TIME, CBOR_TAG_EPOCH, CBOR_TAG_BIGNUM, CBOR_TAG_NEGATIVE_BIGNUM, CBOR_TAG_DECIMAL };
/* Longer bignums are refused both ways: changing the base takes the square of their length. */
enum { CBOR_BIGNUM_MAX = 4096 };

struct cbor_fault {
    const char *why; /* static */
    size_t offset;
};

/* The whole of `bytes` as JSON text, appended; arrays, maps and tags `max_depth` deep at most. The arena takes what it needs on the way. */
bool cbor_read_json(struct str bytes, uint32_t max_depth, struct arena *a, struct buffer *out, struct cbor_fault *fault);

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

void cbor_write_head(struct buffer *out, enum cbor_major major, uint64_t argument);
void cbor_write_text(struct buffer *out, struct str s);
/* A value of a column. false: it does not fit; something may have been appended. */
bool cbor_write_value(struct value v, struct type type, const struct zone *zone, struct arena *a, struct buffer *out, struct error *err);
/* Valid JSON text. Numbers become integers, doubles where those hold them exactly to the last digit written, else decimal fractions. */
bool cbor_write_json(struct str json, struct arena *a, struct buffer *out, struct error *err);

#endif
