/* The framer's two entries in format_json. */
#ifndef PIPE_JSON_FRAME_H
#define PIPE_JSON_FRAME_H

#include "pipeline/codec/format.h"

size_t json_frame(struct framer *f, struct batch *b, size_t from, bool last, uint32_t most);
ssize_t json_prime(struct framer *f, const char *data, size_t len, bool last, struct error *err);

#endif
