/*
 * Rows as the sink's thread binds them (sq_tag), made by the workers. What the column cannot hold is found here.
 */
#include <math.h>
#include <string.h>

#include "connectors/sqlite/sqlite.h"
#include "pipeline/event/datetime.h"
#include "pipeline/event/numeric.h"

static void put_integer(struct buffer *out, int64_t v)
{
    char *to = buffer_reserve(out, 9);
    to[0] = SQ_INTEGER;
    memcpy(to + 1, &v, 8);
    out->len += 9;
}

static void put_bytes(struct buffer *out, enum sq_tag tag, const char *data, size_t len)
{
    uint32_t len32 = (uint32_t)len;
    char *to = buffer_reserve(out, 5 + len);
    to[0] = (char)tag;
    memcpy(to + 1, &len32, 4);
    if (len)
        memcpy(to + 5, data, len);
    out->len += 5 + len;
}

/* SQLite stores NaN as NULL; the word is what is left of it in a text. */
static void put_real(struct buffer *out, double v)
{
    if (isnan(v)) {
        put_bytes(out, SQ_TEXT, "NaN", 3);
        return;
    }
    char *to = buffer_reserve(out, 9);
    to[0] = SQ_REAL;
    memcpy(to + 1, &v, 8);
    out->len += 9;
}

/* Behind its tag: a text that was appended since `start`. */
static void end_text(struct buffer *out, size_t start)
{
    uint32_t len = (uint32_t)(out->len - start - 5);
    memcpy(out->data + start + 1, &len, 4);
}

static size_t begin_text(struct buffer *out)
{
    size_t start = out->len;
    *buffer_reserve(out, 5) = SQ_TEXT;
    out->len += 5;
    return start;
}

static void put_printed(struct buffer *out, struct value v, struct type type, const struct convert_context *cx)
{
    size_t start = begin_text(out);
    value_print(v, type, cx->zone, out);
    end_text(out, start);
}

/* Arrays are JSON, for SQLite's json functions to read. */
static void put_array(struct buffer *out, struct value v, struct type type, const struct convert_context *cx)
{
    size_t start = begin_text(out);
    value_print_json(v, type, cx->zone, out);
    end_text(out, start);
}

/* ---- numeric
 * -------------------------------------------------------------------------------------------------------------- */

/*
 * SQLite has no decimal numbers. Up to 15 significant digits survive as a double, and integers of 64 bits as they are:
 * everything else would be changed by a NUMERIC column, even when it is sent as text (datatype3.html, 3). 10^0 … 10^22
 * and coefficients below 2^53 are exact as doubles, so their quotient is the correctly rounded value (Clinger 1990).
 */
static bool put_decimal(struct buffer *out, int64_t coefficient, unsigned scale)
{
    while (scale > 0 && coefficient % 10 == 0) {
        coefficient /= 10;
        scale--;
    }
    if (scale == 0)
        put_integer(out, coefficient);
    else if (coefficient < INT64_C(1000000000000000) && coefficient > -INT64_C(1000000000000000))
        put_real(out, (double)coefficient / (double)numeric_pow10[scale]);
    else
        return false;
    return true;
}

/* Canonical text: digits, or NaN, Infinity, -Infinity. */
static bool is_word(struct value n)
{
    return n.kind == VALUE_NUMBER && (n.ptr[n.len - 1] == 'N' || n.ptr[n.len - 1] == 'y');
}

/* A number beyond 64 bits with few digits (1e30): as a double it is the same number. */
static bool is_exact_double(struct value v, struct arena *arena, double *d)
{
    *d = numeric_to_double(v);
    struct value back = numeric_from_double(arena, *d);
    return isfinite(*d) && numeric_compare(v, back) == 0;
}

static bool put_numeric(const struct sq_field *f, struct buffer *out, struct value v, const struct convert_context *cx,
                        struct error *err)
{
    struct value n = numeric_normalise(cx->arena, v);
    double d;
    if (n.kind == VALUE_DECIMAL ? put_decimal(out, n.i, n.scale) : is_exact_double(n, cx->arena, &d)) {
        if (n.kind != VALUE_DECIMAL)
            put_real(out, d);
        return true;
    }
    if (f->column->type.id == TYPE_UNKNOWN || is_word(n)) {
        put_printed(out, n, TYPE(TYPE_NUMERIC), cx);
        return true;
    }
    error_set(err, ERROR_REJECT,
              "a number of more than 15 digits would be rounded: declare the column TEXT to keep it, or cast to double "
              "precision");
    memcpy(err->sqlstate, "22003", 6);
    return false;
}

/* ---- a value
 * -------------------------------------------------------------------------------------------------------------- */

static void put_time(struct buffer *out, struct value v)
{
    char text[64];
    size_t len = v.kind == VALUE_DATE ? date_print((int32_t)v.i, text)
                                      : timestamp_print(v.i, ' ', text); /* in UTC, without an offset */
    put_bytes(out, SQ_TEXT, text, len);
}

/* The conversion that comes once per event: a JSON number into a REAL or INTEGER column. */
static bool convert_fast(const struct sq_field *f, struct value *v)
{
    int64_t coefficient = v->i;
    unsigned scale = v->scale;
    if (v->kind == VALUE_NUMBER ? !numeric_parse_small(v->ptr, v->len, &coefficient, &scale) : v->kind != VALUE_DECIMAL)
        return false;
    if (f->column->type.id == TYPE_BIGINT && scale == 0)
        *v = value_int(coefficient);
    else if (f->column->type.id == TYPE_DOUBLE && coefficient <= INT64_C(1) << 53 && coefficient >= -(INT64_C(1) << 53))
        *v = value_double((double)coefficient / (double)numeric_pow10[scale]);
    else
        return false;
    return true;
}

static inline bool is_ready(const struct sq_field *f, struct value v)
{
    return f->ready >> v.kind & 1 && !(v.flags & VALUE_ESCAPED);
}

static bool make_ready(const struct sq_field *f, struct value *v, const struct convert_context *cx, struct error *err)
{
    if (convert_fast(f, v))
        return true;
    if (v->flags & VALUE_ESCAPED && !value_unescape(cx->arena, v, err))
        return false;
    if (is_ready(f, *v))
        return true;
    struct value to;
    if (f->from.id == TYPE_UNKNOWN ? !value_parse(cx, value_str(*v), f->column->type, &to, err)
                                   : !value_cast(cx, *v, f->from, f->column->type, &to, err))
        return false;
    *v = to;
    return true;
}

static bool put_null(const struct sq_field *f, struct buffer *out, struct error *err)
{
    if (f->required) {
        error_set(err, ERROR_REJECT, "null value violates the not-null constraint");
        memcpy(err->sqlstate, "23502", 6);
        return false;
    }
    buffer_add_byte(out, SQ_NULL);
    return true;
}

static inline bool put_value(const struct sq_field *f, struct value v, const struct convert_context *cx,
                             struct buffer *out, struct error *err)
{
    if (v.kind == VALUE_NULL)
        return put_null(f, out, err);
    if (!is_ready(f, v) && !make_ready(f, &v, cx, err))
        return false;
    switch ((enum value_kind)v.kind) {
    case VALUE_NULL:
        return put_null(f, out, err);
    case VALUE_BOOL:
    case VALUE_INT:
        put_integer(out, v.i);
        return true;
    case VALUE_DOUBLE:
    case VALUE_REAL:
        put_real(out, v.d);
        return true;
    case VALUE_DECIMAL:
    case VALUE_NUMBER:
        return put_numeric(f, out, v, cx, err);
    case VALUE_TEXT:
    case VALUE_JSON:
        put_bytes(out, SQ_TEXT, v.ptr, v.len);
        return true;
    case VALUE_BYTES:
        put_bytes(out, SQ_BLOB, v.ptr, v.len);
        return true;
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        put_time(out, v);
        return true;
    case VALUE_INTERVAL:
        put_printed(out, v, TYPE(TYPE_INTERVAL), cx);
        return true;
    case VALUE_UUID:
        put_printed(out, v, TYPE(TYPE_UUID), cx);
        return true;
    case VALUE_ARRAY:
        put_array(out, v, f->from, cx);
        return true;
    }
    return false;
}

/* ---- rows
 * ----------------------------------------------------------------------------------------------------------------- */

struct row_run {
    const struct binding *binding;
    const struct sq_program *program;
    const struct slice *in;
    struct convert_context cx;
    struct rejections *rejections;
};

static bool reject(struct row_run *run, uint32_t row, const char *column, const struct error *err)
{
    struct rejection *r = reject_record(run->rejections, run->in->record[row], run->binding->component_index, "encode",
                                        "column \"%s\": %s", column, err->text);
    memcpy(r->sqlstate, err->sqlstate, sizeof(r->sqlstate));
    return false;
}

static bool has_stray(struct row_run *run, uint32_t row)
{
    struct str member;
    if (!table_stray(&run->program->match, run->in, row, run->cx.arena, &member))
        return false;
    struct rejection *r =
        reject_record(run->rejections, run->in->record[row], run->binding->component_index, "encode",
                      "the table has no column for the member \"" STR_FMT "\": unknown = \"ignore\" would leave it out",
                      STR_ARG(member));
    memcpy(r->sqlstate, "42703", 6);
    return true;
}

static bool encode_row(struct row_run *run, uint32_t row, struct buffer *out)
{
    const struct sq_program *p = run->program;
    size_t start = out->len;
    struct error err;
    if (p->match.refuses && has_stray(run, row))
        return false;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct sq_field *f = &p->fields[i];
        struct value v =
            f->source >= 0 ? run->in->columns[f->source][row] : table_collect(&p->match, run->in, row, &run->cx);
        if (put_value(f, v, &run->cx, out, &err))
            continue;
        out->len = start;
        return reject(run, row, f->column->name, &err);
    }
    return true;
}

void sq_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
               struct tools *tools, struct output *out, struct rejections *r)
{
    const struct sq_program *p = b->program;
    struct row_run run = {b, p, in, {tools->arena, b->zone, INT64_MIN}, r};
    char target = (char)('0' + p->layout);
    struct piece *piece = output_piece(out, (struct str){&target, 1});
    piece_reserve_rows(piece, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!encode_row(&run, rows[i], &piece->bytes))
            continue;
        piece->row_end[piece->rows] = (uint32_t)piece->bytes.len;
        piece->row_record[piece->rows++] = in->record[rows[i]];
    }
}
