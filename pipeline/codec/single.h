/*
 * What the formats text and raw share: events with exactly one member, whose value is the record's bytes.
 */
#ifndef PIPE_SINGLE_H
#define PIPE_SINGLE_H

#include "pipeline/codec/format.h"

/* Closes the schema over the one column; ERROR_STOP where others, or the same with another type, were declared. */
bool single_source_schema(struct schema *s, struct str name, enum type_id type, const char *format, struct error *err);
bool single_bind_decoder(struct decoder *d, struct str name, struct arena *plan);
/* Text columns: valid UTF-8 without NUL, or the record is rejected. */
void single_decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                   struct rejections *r);

/* ERROR_STOP unless exactly one column is visible. */
bool single_bind_encoder(struct encoder *e, const char *format, struct arena *plan, struct error *err);
/* Appends one row; v is no NULL and has no escapes. What a refused row has appended is taken back. */
typedef bool single_encode_row(const struct encoder *e, struct value v, struct type type, struct buffer *out,
                               struct error *err);
void single_encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                   struct buffer *out, uint32_t *row_end, struct rejections *r, single_encode_row *row);

#endif
