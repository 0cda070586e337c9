/*
 * Compression: zstd (RFC 8878) and gzip (RFC 1952). Inputs are recognised by their first bytes. Outputs are whole frames/members; several
 * one behind the other are again a valid file.
 */
#ifndef PIPE_COMPRESS_H
#define PIPE_COMPRESS_H

#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"
#include "pipeline/base/option.h"

enum compression { COMPRESSION_NONE, COMPRESSION_ZSTD, COMPRESSION_GZIP, COMPRESSION_AUTO /* sources: by content */ };

extern const struct option_choice compression_choices[];        /* none zstd gzip */
extern const struct option_choice source_compression_choices[]; /* auto none zstd gzip */

enum compression compression_detect(const void *data, size_t len); /* wants 4 bytes; fewer: NONE */
const char *compression_extension(enum compression c);              /* "", ".zst", ".gz" */

/* One compressed stream being read, on the source's thread. */
struct decompressor;
struct decompressor *decompressor_new(enum compression c); /* not AUTO: detect first */
void decompressor_free(struct decompressor *d);
void decompressor_reset(struct decompressor *d); /* for the next file: contexts are kept */
/*
 * Takes from in[0, *in_len) and writes to out[0, *out_len); both are set to what was taken and written. Concatenated frames are read as one stream.
 * *at_end: the input so far ends at a frame's end. ERROR_REJECT for corrupt data: what was written before is good,
 * and nothing more comes until a reset. No input: what is left inside is written.
 */
bool decompressor_run(struct decompressor *d, const void *in, size_t *in_len, void *out, size_t *out_len, bool *at_end,
                      struct error *err);

/* A compression context, one per worker (1.3 MiB for zstd level 1), made on first use. */
struct compressor;
struct compressor *compressor_new(void);
void compressor_free(struct compressor *c);
/* Appends one whole frame with data. level 0: the default (zstd 1, gzip 6). */
void compressor_run(struct compressor *c, enum compression how, int level, struct str data, struct buffer *out);

#endif
