#include "pipeline/event/convert_pieces.h"

#include <math.h>

#include "pipeline/event/array.h"
#include "pipeline/event/datetime.h"
#include "pipeline/event/numeric.h"

static size_t uuid_print(const char *bytes, char *out)
{
    static const char hex[] = "0123456789abcdef";
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[(uint8_t)bytes[i] >> 4];
        *p++ = hex[bytes[i] & 15];
    }
    return (size_t)(p - out);
}

static void print_bytes(struct str bytes, struct buffer *out)
{
    static const char hex[] = "0123456789abcdef";
    char *p = buffer_reserve(out, 2 + 2 * bytes.len);
    *p++ = '\\';
    *p++ = 'x';
    for (size_t i = 0; i < bytes.len; i++) {
        *p++ = hex[(uint8_t)bytes.data[i] >> 4];
        *p++ = hex[bytes.data[i] & 15];
    }
    out->len += 2 + 2 * bytes.len;
}

size_t convert_print_short(struct value v, const struct zone *zone, char out[SHORT_TEXT])
{
    switch ((enum value_kind)v.kind) {
    case VALUE_BOOL:
        *out = v.i ? 't' : 'f';
        return 1;
    case VALUE_INT:
        return int_print(v.i, out);
    case VALUE_DOUBLE:
        return float_print_double(v.d, out);
    case VALUE_REAL:
        return float_print_real(v.d, out);
    case VALUE_DECIMAL: {
        struct buffer b = {.data = out, .capacity = SHORT_TEXT}; /* never grows: 20 digits, sign and point */
        numeric_print(v, &b);
        return b.len;
    }
    case VALUE_DATE:
        return date_print((int32_t)v.i, out);
    case VALUE_TIMESTAMP:
        return timestamp_print(v.i, ' ', out);
    case VALUE_TIMESTAMPTZ:
        return timestamptz_print(v.i, zone, ' ', false, out);
    case VALUE_UUID:
        return uuid_print(v.ptr, out);
    case VALUE_NULL:
    case VALUE_NUMBER:
    case VALUE_TEXT:
    case VALUE_BYTES:
    case VALUE_JSON:
    case VALUE_INTERVAL:
    case VALUE_ARRAY:
        break;
    }
    return 0;
}

/* Characters of an escaped string; the escapes themselves where they have no text form, which value_unescape would have
 * refused. */
static void print_unescaped(struct str s, struct buffer *out)
{
    struct error ignored;
    size_t len;
    char *p = buffer_reserve(out, s.len + 1);
    if (json_unescape(s, p, &len, &ignored))
        out->len += len;
    else
        buffer_add_str(out, s);
}

static void print_interval(struct value v, struct buffer *out)
{
    struct interval i;
    memcpy(&i, v.ptr, sizeof i);
    out->len += interval_print(&i, buffer_reserve(out, INTERVAL_TEXT));
}

void value_print(struct value v, struct type type, const struct zone *zone, struct buffer *out)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_NULL:
        return;
    case VALUE_TEXT:
        if (v.flags & VALUE_ESCAPED)
            print_unescaped(value_str(v), out);
        else
            buffer_add_str(out, value_str(v));
        return;
    case VALUE_JSON:
        buffer_add_str(out, value_str(v));
        return;
    case VALUE_NUMBER:
        if (type.id == TYPE_JSON)
            buffer_add_str(out, value_str(v));
        else
            numeric_print(v, out);
        return;
    case VALUE_BYTES:
        print_bytes(value_str(v), out);
        return;
    case VALUE_INTERVAL:
        print_interval(v, out);
        return;
    case VALUE_ARRAY:
        array_print(v, type, zone, out);
        return;
    case VALUE_BOOL:
        if (type.id == TYPE_JSON) {
            buffer_add_str(out, v.i ? STR("true") : STR("false"));
            return;
        }
        break;
    case VALUE_INT:
    case VALUE_DOUBLE:
    case VALUE_REAL:
    case VALUE_DECIMAL:
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
    case VALUE_UUID:
        break;
    }
    out->len += convert_print_short(v, zone, buffer_reserve(out, SHORT_TEXT));
}

static void print_json_string(struct value v, struct buffer *out)
{
    buffer_add_byte(out, '"');
    if (v.flags & (VALUE_ESCAPED | VALUE_JSON_SAFE))
        buffer_add_str(out, value_str(v));
    else
        json_escape(out, value_str(v));
    buffer_add_byte(out, '"');
}

/* JSON has no words for NaN and infinities: strings, as in Postgres. */
static void print_json_number(struct value v, struct buffer *out)
{
    bool finite = true;
    if (v.kind == VALUE_DOUBLE || v.kind == VALUE_REAL)
        finite = isfinite(v.d);
    else if (v.kind == VALUE_NUMBER)
        finite = v.ptr[v.len - 1] >= '0' && v.ptr[v.len - 1] <= '9';
    if (!finite)
        buffer_add_byte(out, '"');
    if (v.kind == VALUE_NUMBER)
        buffer_add_str(out, value_str(v));
    else
        out->len += convert_print_short(v, zone_utc, buffer_reserve(out, SHORT_TEXT));
    if (!finite)
        buffer_add_byte(out, '"');
}

/* ISO 8601, as to_json() has it. */
static size_t print_json_time(struct value v, const struct zone *zone, char *p)
{
    if (v.kind == VALUE_DATE)
        return date_print((int32_t)v.i, p);
    if (v.kind == VALUE_TIMESTAMP)
        return timestamp_print(v.i, 'T', p);
    return timestamptz_print(v.i, zone, 'T', true, p);
}

void value_print_json(struct value v, struct type type, const struct zone *zone, struct buffer *out)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_NULL:
        buffer_add(out, "null", 4);
        return;
    case VALUE_BOOL:
        buffer_add_str(out, v.i ? STR("true") : STR("false"));
        return;
    case VALUE_INT:
    case VALUE_DOUBLE:
    case VALUE_REAL:
    case VALUE_DECIMAL:
    case VALUE_NUMBER:
        print_json_number(v, out);
        return;
    case VALUE_TEXT:
        print_json_string(v, out);
        return;
    case VALUE_JSON:
        buffer_add_str(out, value_str(v));
        return;
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ: {
        char *p = buffer_reserve(out, SHORT_TEXT);
        size_t len = print_json_time(v, zone, p + 1);
        p[0] = p[len + 1] = '"';
        out->len += len + 2;
        return;
    }
    case VALUE_BYTES: /* "\\x…": the backslash is escaped */
        buffer_add(out, "\"\\", 2);
        print_bytes(value_str(v), out);
        buffer_add_byte(out, '"');
        return;
    case VALUE_ARRAY:
        array_print_json(v, type, zone, out);
        return;
    case VALUE_INTERVAL:
    case VALUE_UUID:
        buffer_add_byte(out, '"');
        value_print(v, type, zone, out);
        buffer_add_byte(out, '"');
        return;
    }
}
