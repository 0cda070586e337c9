/*
 * Lines of text: one line, one record, one member. LF ends a line and takes a CR before it along; empty lines are
 * records.
 */
#include "pipeline/codec/single.h"

static const char *column_name(const struct format_options *o)
{
    return o->text_column ? o->text_column : "line";
}

/* ---- framing ------------------------------------------------------------------------------------------------------
 */

enum { STATE_SCANNED, STATE_SKIPPING, STATE_SKIPPED_LOW, STATE_SKIPPED_HIGH };

/* `len` bytes at `at` are a line, without its end. */
static void add_line(struct framer *f, struct batch *b, size_t from, size_t at, size_t len)
{
    bool fits = len <= f->max_record;
    struct record *r = batch_add_record(b);
    r->position = f->position + (at - from);
    r->offset = (uint32_t)at;
    r->length = (uint32_t)(fits ? len : f->max_record);
    r->line = f->line;
    r->span = (uint16_t)(b->span_count - 1);
    r->fault = fits ? RECORD_OK : RECORD_TOO_LONG;
    b->spans[b->span_count - 1].count++;
    f->state[STATE_SKIPPED_LOW] = (uint32_t)r->position;
    f->state[STATE_SKIPPED_HIGH] = (uint32_t)(r->position >> 32);
}

static size_t without_cr(const char *data, size_t start, size_t end)
{
    return end > start && data[end - 1] == '\r' ? end - 1 - start : end - start;
}

/* Behind a byte order mark; SIZE_MAX: too few bytes to know. */
static size_t stream_start(const struct framer *f, const char *data, size_t len, bool last)
{
    if (f->position != 0 || memcmp(data, "\xef\xbb\xbf", len < 3 ? len : 3) != 0)
        return 0;
    if (len < 3)
        return last ? 0 : SIZE_MAX;
    return 3;
}

/* A line without an end so far. Returns how far the bytes are done with. */
static size_t unfinished(struct framer *f, struct batch *b, size_t from, size_t start, bool last)
{
    size_t len = b->len - start;
    if (f->state[STATE_SKIPPING])
        return b->len;
    if (last && len) {
        add_line(f, b, from, start, without_cr(b->bytes, start, b->len));
        return b->len;
    }
    if (len <= f->max_record + 1) { /* + 1: the last byte may be the CR of a line end */
        f->state[STATE_SCANNED] = (uint32_t)len;
        return start;
    }
    add_line(f, b, from, start, len);
    f->state[STATE_SKIPPING] = true;
    return b->len;
}

static size_t frame(struct framer *f, struct batch *b, size_t from, bool last, uint32_t most)
{
    size_t start = stream_start(f, b->bytes + from, b->len - from, last);
    if (start == SIZE_MAX)
        return 0;
    start += from;
    size_t scanned = from + f->state[STATE_SCANNED];
    f->state[STATE_SCANNED] = 0;
    while (b->record_count < most) {
        size_t at = scanned > start ? scanned : start;
        const char *end = memchr(b->bytes + at, '\n', b->len - at);
        if (!end) {
            start = unfinished(f, b, from, start, last);
            break;
        }
        at = (size_t)(end - b->bytes);
        if (!f->state[STATE_SKIPPING])
            add_line(f, b, from, start, without_cr(b->bytes, start, at));
        f->state[STATE_SKIPPING] = false;
        f->line += f->line != 0;
        start = at + 1;
    }
    f->position += start - from;
    b->spans[b->span_count - 1].next = f->state[STATE_SKIPPING]
                                           ? (uint64_t)f->state[STATE_SKIPPED_HIGH] << 32 | f->state[STATE_SKIPPED_LOW]
                                           : f->position;
    return start - from;
}

/* ---- decoding -----------------------------------------------------------------------------------------------------
 */

static bool source_schema(const struct format_options *o, struct schema *s, struct error *err)
{
    return single_source_schema(s, str_of(column_name(o)), TYPE_TEXT, "text", err);
}

static bool bind_decoder(struct decoder *d, struct arena *plan, struct error *err)
{
    (void)err;
    return single_bind_decoder(d, str_of(column_name(d->options)), plan);
}

/* ---- encoding -----------------------------------------------------------------------------------------------------
 */

static bool bind_encoder(struct encoder *e, struct arena *plan, struct error *err)
{
    return single_bind_encoder(e, "text", plan, err);
}

static bool encode_row(const struct encoder *e, struct value v, struct type type, struct buffer *out, struct error *err)
{
    size_t start = out->len;
    value_print(v, type, e->zone, out);
    if (out->len > start && memchr(out->data + start, '\n', out->len - start))
        return error_set(err, ERROR_REJECT, "the text has a line end in it, so it is no line");
    buffer_add_byte(out, '\n');
    return true;
}

static void encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                   struct buffer *out, uint32_t *row_end, struct rejections *r)
{
    single_encode(e, in, rows, count, out, row_end, r, encode_row);
}

const struct format format_text = {
    .name = "text",
    .summary = "Lines of text: each is a record with one member.",
    .extension = ".txt",
    .media_type = "text/plain",
    .frame = frame,
    .source_schema = source_schema,
    .bind_decoder = bind_decoder,
    .decode = single_decode,
    .bind_encoder = bind_encoder,
    .encode = encode,
};
