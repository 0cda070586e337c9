/* The decoder's two entries in format_json. */
#ifndef PIPE_JSON_DECODE_H
#define PIPE_JSON_DECODE_H

#include "pipeline/codec/format.h"

bool json_bind_decoder(struct decoder *d, struct arena *plan, struct error *err);
void json_decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                 struct rejections *r);

#endif
