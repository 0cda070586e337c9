/*
 * Rows in the format of binary COPY (PostgreSQL manual, "COPY": number of fields, then length and value of each; values
 * as the types' receive functions read them), made by the workers. What the column cannot hold is found here.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"
#include "pipeline/event/array.h"
#include "pipeline/event/datetime.h"
#include "pipeline/event/numeric.h"

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static inline char *put16(char *at, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(at, &v, 2);
    return at + 2;
}

static inline char *put32(char *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(at, &v, 4);
    return at + 4;
}

static inline char *put64(char *at, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(at, &v, 8);
    return at + 8;
}

static inline char *room(struct buffer *out, char *at, size_t need)
{
    out->len = (size_t)(at - out->data);
    return buffer_reserve(out, need);
}

static inline char *put_bytes(struct buffer *out, char *at, struct str s, size_t behind)
{
    at = room(out, at, 4 + s.len + behind);
    at = put32(at, (uint32_t)s.len);
    memcpy(at, s.data, s.len);
    return at + s.len;
}

/* For what prints itself into the buffer: the length is filled in afterwards. */
static char *begin_print(struct buffer *out, char *at)
{
    room(out, at, 4);
    out->len += 4;
    return out->data;
}

static char *end_print(struct buffer *out, size_t start, size_t behind)
{
    put32(out->data + start, (uint32_t)(out->len - start - 4));
    return buffer_reserve(out, behind);
}

/* ---- converting ------------------------------------------------------------------------------------------------- */

/* 10^0 … 10^22 are exact as doubles, and so is a coefficient below 2^53: their quotient is the correctly rounded value
 * (Clinger 1990). */
static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                      1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

static bool small_decimal(struct value v, int64_t *coefficient, unsigned *scale)
{
    if (v.kind == VALUE_NUMBER)
        return numeric_parse_small(v.ptr, v.len, coefficient, scale);
    *coefficient = v.i;
    *scale = v.scale;
    return v.kind == VALUE_DECIMAL;
}

/* The conversions that come once per event; false: the general way has to be taken. */
static inline bool convert_fast(const struct pg_field *f, struct value *v, const struct convert_context *cx)
{
    int64_t coefficient;
    unsigned scale;
    switch (f->column->form) {
    case PG_FLOAT8:
        if (!small_decimal(*v, &coefficient, &scale) || scale >= sizeof(exact_powers) / sizeof(*exact_powers) ||
            coefficient > INT64_C(1) << 53 || coefficient < -(INT64_C(1) << 53))
            return false;
        *v = value_double((double)coefficient / exact_powers[scale]);
        return true;
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
        if (!small_decimal(*v, &coefficient, &scale) || scale != 0)
            return false;
        *v = value_int(coefficient);
        return true;
    case PG_TIMESTAMPTZ:
        if (v->kind != VALUE_TEXT || v->flags & VALUE_ESCAPED || f->column->type.precision >= 0)
            return false;
        struct error ignored;
        int64_t instant;
        if (!timestamptz_parse(value_str(*v), cx->zone, &instant, &ignored))
            return false;
        *v = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = instant};
        return true;
    default:
        return false;
    }
}

static bool convert(const struct pg_field *f, struct value *v, const struct convert_context *cx, struct error *err)
{
    struct value to;
    if (f->from.id == TYPE_UNKNOWN ? !value_parse(cx, value_str(*v), f->column->type, &to, err)
                                   : !value_cast(cx, *v, f->from, f->column->type, &to, err))
        return false;
    *v = to;
    return true;
}

static bool fail(struct error *err, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
static bool fail(struct error *err, const char *sqlstate, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(err, ERROR_REJECT, "%s", text);
    memcpy(err->sqlstate, sqlstate, 6);
    return false;
}

/* varchar(n), char(n): too long is an error unless only blanks are (which go). */
static bool fit_characters(const struct pg_column *c, struct str *s, struct error *err)
{
    int32_t characters = 0;
    size_t end = 0;
    while (end < s->len && (characters += (s->data[end] & 0xc0) != 0x80) <= c->most)
        end++;
    for (size_t i = end; i < s->len; i++)
        if (s->data[i] != ' ')
            return fail(err, "22001", "value too long for type %s", c->type_name);
    s->len = end;
    return true;
}

static bool in_range(const struct pg_column *c, int64_t v, int64_t most, struct error *err)
{
    return (v >= -most - 1 && v <= most) ||
           fail(err, "22003", "%" PRId64 " is out of range for type %s", v, c->type_name);
}

/* ---- a value ---------------------------------------------------------------------------------------------------- */

static char *put_numeric(struct buffer *out, char *at, struct value v, size_t behind)
{
    begin_print(out, at);
    size_t start = out->len - 4;
    numeric_print_binary(v, out);
    return end_print(out, start, behind);
}

static char *put_json(const struct pg_field *f, struct buffer *out, char *at, struct value v,
                      const struct convert_context *cx, size_t behind)
{
    begin_print(out, at);
    size_t start = out->len - 4;
    if (f->column->form == PG_JSONB)
        buffer_add_byte(out, 1); /* jsonb's version */
    if (v.kind == VALUE_JSON)
        buffer_add_str(out, value_str(v));
    else
        value_print_json(v, f->from, cx->zone, out);
    return end_print(out, start, behind);
}

static char *put_value(const struct pg_field *f, struct value v, const struct convert_context *cx, struct buffer *out,
                       char *at, size_t behind, struct error *err);

/* array_send: dimensions, whether there are NULLs, the elements' type, length and lower bound of each dimension; then the elements like
 * fields of a row. */
static char *put_array(const struct pg_field *f, struct buffer *out, char *at, struct value v,
                       const struct convert_context *cx, size_t behind, struct error *err)
{
    enum { LENGTH = 4, ANY_FIXED = 24 };
    const struct array *a = value_array(v);
    bool has_nulls = false;
    for (uint32_t i = 0; i < a->count; i++)
        has_nulls |= value_is_null(a->items[i]);
    begin_print(out, at);
    size_t start = out->len - LENGTH;
    buffer_add_be32(out, a->dimensions);
    buffer_add_be32(out, has_nulls);
    buffer_add_be32(out, f->item->column->element);
    for (uint32_t d = 0; d < a->dimensions; d++) {
        buffer_add_be32(out, (uint32_t)a->lengths[d]);
        buffer_add_be32(out, (uint32_t)a->lower[d]);
    }
    at = buffer_reserve(out, ANY_FIXED);
    for (uint32_t i = 0; i < a->count && at; i++)
        at = value_is_null(a->items[i]) ? put32(room(out, at, ANY_FIXED), UINT32_MAX)
                                        : put_value(f->item, a->items[i], cx, out, room(out, at, ANY_FIXED), ANY_FIXED, err);
    if (!at)
        return NULL;
    out->len = (size_t)(at - out->data);
    return end_print(out, start, behind);
}

/* Arrays for the server to cast. */
static char *put_array_text(const struct pg_field *f, struct buffer *out, char *at, struct value v,
                            const struct convert_context *cx, size_t behind)
{
    begin_print(out, at);
    size_t start = out->len - 4;
    array_print(v, f->column->type, cx->zone, out);
    return end_print(out, start, behind);
}

static inline bool is_ready(const struct pg_field *f, struct value v)
{
    return f->ready >> v.kind & 1 && !(v.flags & VALUE_ESCAPED);
}

/* Text with escapes is ready once they are resolved; everything that goes into JSON is printed as JSON. */
static bool make_ready(const struct pg_field *f, struct value *v, const struct convert_context *cx, struct error *err)
{
    if (f->column->form == PG_JSON || f->column->form == PG_JSONB)
        return true;
    if (convert_fast(f, v, cx))
        return true;
    if (v->flags & VALUE_ESCAPED && !value_unescape(cx->arena, v, err))
        return false;
    return is_ready(f, *v) || convert(f, v, cx, err);
}

/* `behind`: how much room the caller wants to find behind what is written. Returns NULL with *err set where the column
 * can't hold the value. */
static char *put_value(const struct pg_field *f, struct value v, const struct convert_context *cx, struct buffer *out,
                       char *at, size_t behind, struct error *err)
{
    const struct pg_column *c = f->column;
    if (!is_ready(f, v) && !make_ready(f, &v, cx, err))
        return NULL;
    struct str text;
    uint32_t bits;
    float real;
    switch (c->form) {
    case PG_BOOL:
        at = put32(at, 1);
        *at = (char)v.i;
        return at + 1;
    case PG_INT2:
        return in_range(c, v.i, INT16_MAX, err) ? put16(put32(at, 2), (uint16_t)v.i) : NULL;
    case PG_INT4:
        return in_range(c, v.i, INT32_MAX, err) ? put32(put32(at, 4), (uint32_t)v.i) : NULL;
    case PG_DATE:
        return put32(put32(at, 4), (uint32_t)v.i);
    case PG_FLOAT4:
        real = (float)v.d;
        memcpy(&bits, &real, 4);
        return put32(put32(at, 4), bits);
    case PG_INT8:
    case PG_FLOAT8: /* the same 64 bits of the union */
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
        return put64(put32(at, 8), (uint64_t)v.i);
    case PG_INTERVAL: {
        struct interval iv;
        memcpy(&iv, v.ptr, sizeof(iv));
        return put32(put32(put64(put32(at, 16), (uint64_t)iv.microseconds), (uint32_t)iv.days), (uint32_t)iv.months);
    }
    case PG_UUID:
        memcpy(put32(at, 16), v.ptr, 16);
        return at + 20;
    case PG_CAST:
        if (v.kind == VALUE_ARRAY)
            return put_array_text(f, out, at, v, cx, behind);
        return put_bytes(out, at, value_str(v), behind);
    case PG_TEXT:
        text = value_str(v);
        if (c->most && text.len > (size_t)c->most && !fit_characters(c, &text, err))
            return NULL;
        return put_bytes(out, at, text, behind);
    case PG_BYTEA:
        return put_bytes(out, at, value_str(v), behind);
    case PG_NUMERIC:
        return put_numeric(out, at, v, behind);
    case PG_JSON:
    case PG_JSONB:
        return put_json(f, out, at, v, cx, behind);
    case PG_ARRAY:
        return put_array(f, out, at, v, cx, behind, err);
    }
    return NULL;
}

static inline bool put_null(const struct pg_field *f, struct error *err)
{
    if (f->column->required || f->key)
        return fail(err, "23502", "null value violates the not-null constraint");
    return true;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

bool pg_encode_row(const struct pg_program *p, const struct slice *in, const struct schema *schema, uint32_t row,
                   const struct convert_context *cx, struct buffer *out, const struct pg_field **failed,
                   struct error *err)
{
    size_t start = out->len;
    char *at = put16(buffer_reserve(out, p->fixed), (uint16_t)p->count);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct pg_field *f = &p->fields[i];
        struct value v = f->source >= 0 ? in->columns[f->source][row] : pg_unknown_members(p, in, schema, row, cx);
        if (v.kind == VALUE_NULL)
            at = put_null(f, err) ? put32(at, UINT32_MAX) : NULL;
        else
            at = put_value(f, v, cx, out, at, p->fixed, err);
        if (!at) {
            out->len = start;
            *failed = f;
            return false;
        }
    }
    out->len = (size_t)(at - out->data);
    return true;
}
