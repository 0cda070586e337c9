#include "pipeline/codec/json.h"

#include "pipeline/codec/json_decode.h"
#include "pipeline/codec/json_encode.h"
#include "pipeline/codec/json_frame.h"

/* Without declared columns any member may be asked for, and has the type that its value has. */
static bool json_source_schema(const struct format_options *o, struct schema *s, struct error *err)
{
    (void)o;
    (void)err;
    source_schema_requests(s, TYPE_JSON);
    return true;
}

const struct format format_json = {
    .name = "json",
    .summary = "JSON: one object per line (NDJSON), an array of objects, or one document",
    .extension = ".ndjson",
    .media_type = "application/x-ndjson",
    .frame = json_frame,
    .prime = json_prime,
    .source_schema = json_source_schema,
    .bind_decoder = json_bind_decoder,
    .decode = json_decode,
    .bind_encoder = json_bind_encoder,
    .encode = json_encode,
};
