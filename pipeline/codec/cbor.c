/*
 * CBOR as a format: a message, or a file, is one map. Written to a file, items stand one behind the other (a CBOR sequence, RFC 8742).
 */
#include "pipeline/codec/cbor.h"

#include <stdio.h>

#include "pipeline/codec/json_encode.h"
#include "pipeline/codec/via_json.h"

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static bool bind_decoder(struct decoder *d, struct arena *plan, struct error *err)
{
    d->program = via_json_bind(d, plan, err);
    return d->program != NULL;
}

static bool print(const struct decoder *d, const struct batch *b, uint32_t record, uint32_t depth, struct arena *a, struct buffer *out, struct via_json_fault *fault)
{
    struct cbor_fault bad;
    size_t before = out->len;
    (void)d;
    if (!cbor_read_json(batch_record_bytes(b, record), depth, a, out, &bad)) {
        fault->offset = (uint32_t)bad.offset;
        snprintf(fault->text, sizeof(fault->text), "malformed CBOR at byte %zu: %s", bad.offset, bad.why);
        return false;
    }
    if (out->data[before] == '{')
        return true;
    fault->offset = 0;
    snprintf(fault->text, sizeof(fault->text), "not an event: a CBOR map is expected");
    return false;
}

static void decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out, struct rejections *r)
{
    via_json_decode(d, d->program, print, b, first, count, out, r);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

/* A map of the visible columns. What an open event has beside them is merged by the JSON encoder. */
struct program {
    struct encoder json;
    uint32_t *columns, count;
};

static bool bind_encoder(struct encoder *e, struct arena *plan, struct error *err)
{
    struct program *x = arena_new(plan, struct program);
    const struct schema *s = e->schema;
    x->json = *e;
    if (!json_bind_encoder(&x->json, plan, err))
        return false;
    x->columns = arena_array(plan, uint32_t, s->count);
    for (uint32_t c = 0; c < s->count; c++)
        if (s->columns[c].visible && schema_visible(s, s->columns[c].name) == (int)c)
            x->columns[x->count++] = c;
    e->program = x;
    return true;
}

static bool encode_open(const struct program *x, const struct slice *in, uint32_t row, struct buffer *out, struct error *err)
{
    struct buffer json = {0};
    struct rejections none = {.arena = in->arena};
    json_encode(&x->json, in, &row, 1, &json, NULL, &none);
    bool good = cbor_write_json((struct str){json.data, json.len}, in->arena, out, err);
    buffer_release(&json);
    return good;
}

static bool encode_row(const struct encoder *e, const struct slice *in, uint32_t row, struct buffer *out, struct error *err)
{
    const struct program *x = e->program;
    if (e->schema->open && in->raw)
        return encode_open(x, in, row, out, err);
    cbor_write_head(out, CBOR_MAP, x->count);
    for (uint32_t i = 0; i < x->count; i++) {
        const struct column *c = &e->schema->columns[x->columns[i]];
        struct value v = in->columns[x->columns[i]] ? in->columns[x->columns[i]][row] : value_null();
        cbor_write_text(out, c->name);
        if (!cbor_write_value(v, c->type, e->zone, in->arena, out, err))
            return error_wrap(err, "column \"" STR_FMT "\"", STR_ARG(c->name));
    }
    return true;
}

static void encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count, struct buffer *out, uint32_t *row_end, struct rejections *r)
{
    for (uint32_t i = 0; i < count; i++) {
        struct error err = {.kind = ERROR_REJECT};
        size_t before = out->len;
        if (!encode_row(e, in, rows[i], out, &err)) {
            out->len = before;
            struct rejection *bad = reject_record(r, in->record[rows[i]], e->component, "encode", "%s", err.text);
            memcpy(bad->sqlstate, *err.sqlstate ? err.sqlstate : "22000", sizeof(bad->sqlstate));
        }
        if (row_end)
            row_end[i] = (uint32_t)out->len;
    }
}

const struct format format_cbor = {
    .name = "cbor",
    .summary = "CBOR (RFC 8949): a map per message or file. Read, byte strings are hex text, integers of any size and decimal fractions (tags 2 to 4) numbers, times (tags 0 "
               "and 1) ISO 8601 text; written, timestamptz is tag 0, numeric with digits behind the point a decimal fraction (tag 4), jsonb nested items.",
    .extension = ".cbor",
    .media_type = "application/cbor",
    .source_schema = via_json_source_schema,
    .bind_decoder = bind_decoder,
    .decode = decode,
    .bind_encoder = bind_encoder,
    .encode = encode,
};
