#include "pipeline/codec/via_json.h"

#include <stdio.h>

#include "pipeline/codec/json_decode.h"
#include "pipeline/codec/json_program.h"

bool via_json_source_schema(const struct format_options *o, struct schema *s, struct error *err)
{
    (void)o;
    (void)err;
    source_schema_requests(s, TYPE_JSON);
    return true;
}

const void *via_json_bind(const struct decoder *d, struct arena *plan, struct error *err)
{
    struct decoder json = *d;
    return json_bind_decoder(&json, plan, err) ? json.program : NULL;
}

static void reject(const struct decoder *d, uint32_t record, const struct via_json_fault *fault, struct rejections *r)
{
    struct rejection *added = reject_record(r, record, d->component, "decode", "%s", fault->text);
    added->offset = fault->offset;
    memcpy(added->sqlstate, "22P03", sizeof(added->sqlstate)); /* invalid_binary_representation */
}

/*
 * The good records as a batch of JSON texts, which ends with the arena. origin[i]: the record that text i was. Offsets of records are 32 bits wide.
 */
static void print_all(const struct decoder *d, uint32_t depth, via_json_print *print, const struct batch *b, uint32_t first, uint32_t count, struct arena *a,
                      struct batch *texts, uint32_t *origin, struct rejections *r)
{
    struct buffer out = {0};
    for (uint32_t i = first; i < first + count; i++) {
        struct via_json_fault fault = {.offset = UINT32_MAX};
        size_t before = out.len;
        if (b->records[i].fault != RECORD_OK && decoder_fault(d, b, i, r))
            continue;
        bool good = print(d, b, i, depth, a, &out, &fault);
        if (good && out.len > UINT32_MAX - BATCH_PADDING) {
            good = false;
            snprintf(fault.text, sizeof(fault.text), "too large: as JSON, the records that came with it and it have more than 4 GiB");
        }
        if (!good) {
            out.len = before;
            reject(d, i, &fault, r);
            continue;
        }
        texts->records[texts->record_count] = (struct record){.offset = (uint32_t)before, .length = (uint32_t)(out.len - before)};
        origin[texts->record_count++] = i;
    }
    texts->bytes = arena_array(a, char, out.len + BATCH_PADDING);
    texts->len = texts->capacity = out.len;
    if (out.len)
        memcpy(texts->bytes, out.data, out.len);
    memset(texts->bytes + out.len, 0, BATCH_PADDING);
    buffer_release(&out);
}

void via_json_decode(const struct decoder *d, const void *json, via_json_print *print, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                     struct rejections *r)
{
    struct decoder inner = *d;
    inner.program = json;
    uint32_t depth = ((const struct json_program *)json)->max_depth;
    struct batch texts = {.records = arena_array(out->arena, struct record, count)};
    uint32_t *origin = arena_array(out->arena, uint32_t, count);
    print_all(d, depth, print, b, first, count, out->arena, &texts, origin, r);
    uint32_t rejected = r->count;
    json_decode(&inner, &texts, 0, texts.record_count, out, r);
    for (; rejected < r->count; rejected++) {
        r->items[rejected].record = origin[r->items[rejected].record];
        r->items[rejected].offset = UINT32_MAX; /* it is one of the JSON text */
    }
    uint32_t *record = arena_array(out->arena, uint32_t, count);
    for (uint32_t row = 0; row < out->rows; row++)
        record[row] = origin[out->record[row]];
    out->record = record;
}
