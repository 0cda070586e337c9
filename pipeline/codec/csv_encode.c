#include "pipeline/codec/csv.h"

struct csv_writer {
    struct csv_dialect dialect;
    bool header;
    uint32_t *columns; /* the visible ones */
    uint32_t count;
    bool needs_quotes[256]; /* bytes that may only stand inside quotes */
};

bool csv_bind_encoder(struct encoder *e, struct arena *plan, struct error *err)
{
    if (e->schema->open)
        return error_set(err, ERROR_STOP,
                         "the csv format needs a fixed list of columns: name them in a SELECT, or declare them in "
                         "[sources.X.columns]");
    struct csv_writer *w = arena_new(plan, struct csv_writer);
    if (!csv_dialect_of(e->options, &w->dialect, err))
        return false;
    w->header = e->options->csv_header != CSV_HEADER_NO;
    w->columns = arena_array(plan, uint32_t, e->schema->count);
    for (uint32_t i = 0; i < e->schema->count; i++)
        if (e->schema->columns[i].visible)
            w->columns[w->count++] = i;
    if (w->count == 0)
        return error_set(err, ERROR_STOP, "the csv format needs at least one column");
    w->needs_quotes[(unsigned char)w->dialect.delimiter] = true;
    w->needs_quotes[(unsigned char)w->dialect.quote] = true;
    w->needs_quotes['\n'] = w->needs_quotes['\r'] = true;
    e->program = w;
    return true;
}

/* What was appended since `start` gets quotes around it, and its quotes are doubled. */
static void quote_tail(const struct csv_writer *w, struct buffer *out, size_t start)
{
    const char quote = w->dialect.quote;
    size_t quotes = 2;
    for (size_t i = start; i < out->len; i++)
        quotes += out->data[i] == quote;
    buffer_reserve(out, quotes);
    char *from = out->data + out->len, *to = from + quotes;
    out->len += quotes;
    *--to = quote;
    while (from > out->data + start) {
        *--to = *--from;
        if (*from == quote)
            *--to = quote;
    }
    *--to = quote;
}

/* A field was appended since `start`: empty, or what would be read as something else, is quoted. */
static void end_field(const struct csv_writer *w, struct buffer *out, size_t start)
{
    bool quoted = out->len == start;
    for (size_t i = start; i < out->len && !quoted; i++)
        quoted = w->needs_quotes[(unsigned char)out->data[i]];
    if (!quoted && w->dialect.has_null)
        quoted = str_eq((struct str){out->data + start, out->len - start}, w->dialect.null);
    if (quoted)
        quote_tail(w, out, start);
}

void csv_encode_header(const struct encoder *e, struct buffer *out)
{
    const struct csv_writer *w = e->program;
    if (!w->header)
        return;
    for (uint32_t i = 0; i < w->count; i++) {
        if (i)
            buffer_add_byte(out, w->dialect.delimiter);
        size_t start = out->len;
        buffer_add_str(out, e->schema->columns[w->columns[i]].name);
        end_field(w, out, start);
    }
    buffer_add_byte(out, '\n');
}

static bool encode_field(const struct encoder *e, struct arena *arena, struct value v, struct type type,
                         struct buffer *out, struct error *err)
{
    const struct csv_writer *w = e->program;
    if (value_is_null(v)) {
        if (w->dialect.has_null)
            buffer_add_str(out, w->dialect.null);
        return true;
    }
    if (!value_unescape(arena, &v, err))
        return false;
    size_t start = out->len;
    if (v.kind == VALUE_TEXT)
        buffer_add_str(out, value_str(v));
    else
        value_print(v, type, e->zone, out);
    end_field(w, out, start);
    return true;
}

static bool encode_row(const struct encoder *e, const struct slice *in, uint32_t row, struct buffer *out,
                       struct rejections *r)
{
    const struct csv_writer *w = e->program;
    size_t start = out->len;
    for (uint32_t i = 0; i < w->count; i++) {
        const struct column *c = &e->schema->columns[w->columns[i]];
        struct error err;
        if (i)
            buffer_add_byte(out, w->dialect.delimiter);
        if (encode_field(e, in->arena, in->columns[w->columns[i]][row], c->type, out, &err))
            continue;
        out->len = start;
        struct rejection *bad = reject_record(r, in->record[row], e->component, "encode", "column " STR_FMT ": %s",
                                              STR_ARG(c->name), err.text);
        memcpy(bad->sqlstate, err.sqlstate, sizeof(bad->sqlstate));
        return false;
    }
    buffer_add_byte(out, '\n');
    return true;
}

void csv_encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                struct buffer *out, uint32_t *row_end, struct rejections *r)
{
    for (uint32_t i = 0; i < count; i++) {
        encode_row(e, in, rows[i], out, r);
        if (row_end)
            row_end[i] = (uint32_t)out->len;
    }
}
