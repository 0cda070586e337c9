/*
 * Binary formats whose records are self-describing, as JSON's are: a record is written as the text of a JSON object, and from there on everything is as with format json:
 * members by path, declared columns, the raw event. Shared by cbor and sparkplug.
 */
#ifndef PIPE_VIA_JSON_H
#define PIPE_VIA_JSON_H

#include "pipeline/codec/format.h"

struct via_json_fault {
    char text[320]; /* what is wrong, with the place where there is one */
    uint32_t offset; /* UINT32_MAX: none */
};

/* Appends the record as one JSON object, `depth` levels at most. false: *fault says why; what was appended is taken back. */
typedef bool via_json_print(const struct decoder *d, const struct batch *b, uint32_t record, uint32_t depth, struct arena *a, struct buffer *out, struct via_json_fault *fault);

bool via_json_source_schema(const struct format_options *o, struct schema *s, struct error *err);
/* What via_json_decode wants for `json`; NULL with *err. */
const void *via_json_bind(const struct decoder *d, struct arena *plan, struct error *err);
void via_json_decode(const struct decoder *d, const void *json, via_json_print *print, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                     struct rejections *r);

#endif
