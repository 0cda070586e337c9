/*
 * Whatever a file, object or message holds, as it is: one record with one member.
 */
#include "pipeline/codec/single.h"

static bool source_schema(const struct format_options *o, struct schema *s, struct error *err)
{
    (void)o;
    return single_source_schema(s, STR("payload"), TYPE_BYTEA, "raw", err);
}

static bool bind_decoder(struct decoder *d, struct arena *plan, struct error *err)
{
    (void)err;
    return single_bind_decoder(d, STR("payload"), plan);
}

static bool bind_encoder(struct encoder *e, struct arena *plan, struct error *err)
{
    return single_bind_encoder(e, "raw", plan, err);
}

static bool encode_row(const struct encoder *e, struct value v, struct type type, struct buffer *out, struct error *err)
{
    (void)err;
    if (v.kind == VALUE_BYTES)
        buffer_add_str(out, value_str(v));
    else
        value_print(v, type, e->zone, out);
    return true;
}

static void encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                   struct buffer *out, uint32_t *row_end, struct rejections *r)
{
    single_encode(e, in, rows, count, out, row_end, r, encode_row);
}

const struct format format_raw = {
    .name = "raw",
    .summary = "A whole file, object or message as one record: `payload`, of type bytea.",
    .extension = ".bin",
    .media_type = "application/octet-stream",
    .source_schema = source_schema,
    .bind_decoder = bind_decoder,
    .decode = single_decode,
    .bind_encoder = bind_encoder,
    .encode = encode,
};
