/*
 * Avro as a format, shared by the files avro*.c and their tests.
 *
 * Reading: with avro.schema (the reader's schema) the columns have its types, and what was written with another schema is resolved against it. Without, members are as JSON has
 * them, and take the type that a query needs.
 */
#ifndef PIPE_AVRO_H
#define PIPE_AVRO_H

#include "pipeline/codec/avro_program.h"
#include "pipeline/codec/avro_registry.h"
#include "pipeline/codec/format.h"

enum avro_framing {
    AVRO_CONFLUENT, /* 0, the schema's id (4 bytes, big endian), the datum */
    AVRO_SINGLE,    /* C3 01, the schema's fingerprint (8 bytes, little endian), the datum (specification: "Single-object encoding") */
    AVRO_BARE,      /* the datum alone, of avro.schema */
};

/* The file's schema in the arena. ERROR_STOP names the file. */
const struct avro_schema *avro_schema_load(const char *path, struct arena *arena, struct str *text, struct error *err);

bool avro_bind_decoder(struct decoder *d, struct arena *plan, struct error *err);
bool avro_prepare(const struct decoder *d, struct batch *b, struct error *err);
void avro_decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out, struct rejections *r);

bool avro_bind_encoder(struct encoder *e, struct arena *plan, struct error *err);
void avro_encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count, struct buffer *out, uint32_t *row_end,
                 struct rejections *r);

#endif
