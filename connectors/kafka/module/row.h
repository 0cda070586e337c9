/*
 * A message as encoders hand it to the sink's thread: this struct, then key, value, headers (name and value in turn,
 * each behind its length as uint32_t), padded to a multiple of 8. A piece is a sequence of them; its target is the
 * topic. Messages are produced from where they lie, and a row's address comes back with its delivery report.
 */
#ifndef PIPE_KAFKA_ROW_H
#define PIPE_KAFKA_ROW_H

#include "pipeline/engine/output.h"

#define KAFKA_NO_KEY UINT32_MAX

struct kafka_row {
    struct output *output; /* set when it is produced */
    uint32_t record;
    uint32_t key_len; /* KAFKA_NO_KEY: none */
    uint32_t value_len, headers_len;
    /* What earlier attempts of a transaction have found out. */
    uint32_t refused;  /* the broker's reason; 0: none */
    uint32_t accepted; /* 1: by a broker */
};
static_assert(sizeof(struct kafka_row) % 8 == 0, "rows follow each other");

static inline size_t kafka_row_size(const struct kafka_row *row)
{
    size_t key = row->key_len == KAFKA_NO_KEY ? 0 : row->key_len;
    return (sizeof(*row) + key + row->value_len + row->headers_len + 7) & ~(size_t)7;
}

/* encode.c: binding->program, and the workers' part. */
bool kafka_bind(struct sink *s, struct binding *b, struct error *err);
void kafka_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                  struct tools *tools, struct output *out, struct rejections *r);

#endif
