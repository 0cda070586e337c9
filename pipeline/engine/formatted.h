/*
 * What sinks with a `format` share: one encoder per binding, whose bytes go into one piece (or into the piece of a target).
 */
#ifndef PIPE_FORMATTED_H
#define PIPE_FORMATTED_H

#include "pipeline/engine/config.h"
#include "pipeline/engine/output.h"

/* sink_ops.bind: an encoder for the binding's schema; whole events are asked for where it is open. The encoder is binding->program. */
bool formatted_bind(struct sink *s, struct binding *b, struct error *err);
struct encoder *formatted_encoder(struct sink *s, struct binding *b, struct error *err);

/* sink_ops.bind and .release of sinks that write one stream: s->shared is a struct buffer with what the format puts first (CSV's header), made when the first edge
 * is bound. */
bool formatted_bind_with_header(struct sink *s, struct binding *b, struct error *err);
void formatted_release_header(struct sink *s);

/* sink_ops.encode: everything into the one piece "". */
void formatted_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count, struct tools *tools,
                      struct output *out, struct rejections *r);

/* Replaces each piece's bytes by one compressed frame. For sink_ops.finish. */
void formatted_compress(struct tools *tools, struct output *out, enum compression how);

#endif
