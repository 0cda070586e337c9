#include <math.h>

#include "pipeline/codec/avro_data.h"
#include "pipeline/codec/cbor.h"
#include "pipeline/codec/json.h"
#include "pipeline/event/numeric.h"

void cbor_write_head(struct buffer *out, enum cbor_major major, uint64_t argument)
{
    unsigned size = argument < 24 ? 0 : argument <= UINT8_MAX ? 1 : argument <= UINT16_MAX ? 2 : argument <= UINT32_MAX ? 4 : 8;
    unsigned info = size == 0 ? (unsigned)argument : 24 + (unsigned)__builtin_ctz(size);
    buffer_add_byte(out, (char)((unsigned)major << 5 | info));
    for (unsigned i = size; i > 0; i--)
        buffer_add_byte(out, (char)(argument >> (8 * (i - 1))));
}

void cbor_write_text(struct buffer *out, struct str s)
{
    cbor_write_head(out, CBOR_TEXT, s.len);
    buffer_add_str(out, s);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

static void write_int(struct buffer *out, int64_t i)
{
    if (i < 0)
        cbor_write_head(out, CBOR_NEGATIVE, (uint64_t)(-1 - i));
    else
        cbor_write_head(out, CBOR_UNSIGNED, (uint64_t)i);
}

static void write_double(struct buffer *out, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    buffer_add_byte(out, (char)0xfb);
    buffer_add_be64(out, bits);
}

static void write_real(struct buffer *out, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    buffer_add_byte(out, (char)0xfa);
    buffer_add_be32(out, bits);
}

/* Two's complement of any length: an integer where 64 bits hold the magnitude, else a bignum. */
static void write_integer(struct buffer *out, unsigned char *bytes, size_t len)
{
    bool negative = bytes[0] & 0x80;
    for (size_t i = 0; i < len && negative; i++)
        bytes[i] = (unsigned char)~bytes[i];
    for (; len > 0 && bytes[0] == 0; len--)
        bytes++;
    if (len <= 8) {
        uint64_t u = 0;
        for (size_t i = 0; i < len; i++)
            u = u << 8 | bytes[i];
        cbor_write_head(out, negative ? CBOR_NEGATIVE : CBOR_UNSIGNED, u);
        return;
    }
    cbor_write_head(out, CBOR_TAG, negative ? CBOR_TAG_NEGATIVE_BIGNUM : CBOR_TAG_BIGNUM);
    cbor_write_head(out, CBOR_BYTES, len);
    buffer_add(out, bytes, len);
}

/* v: DECIMAL, or a normalised NUMBER. All digits are kept, those behind the point that are 0 too. */
static bool write_numeric(struct value v, struct buffer *out, struct error *err)
{
    int scale = v.scale, least;
    if (v.kind == VALUE_NUMBER && !numeric_scale(v, &scale, &least)) {
        write_double(out, numeric_to_double(v)); /* NaN and the infinities */
        return true;
    }
    if (scale > 0) {
        cbor_write_head(out, CBOR_TAG, CBOR_TAG_DECIMAL);
        cbor_write_head(out, CBOR_ARRAY, 2);
        write_int(out, -scale);
    }
    if (v.kind == VALUE_DECIMAL) {
        write_int(out, v.i);
        return true;
    }
    unsigned char bytes[CBOR_BIGNUM_MAX];
    size_t len = v.len > 3 * CBOR_BIGNUM_MAX ? 0 : avro_decimal_bytes(v, scale, 0, bytes, sizeof(bytes));
    if (len == 0)
        return error_set(err, ERROR_REJECT, "a number too long for a CBOR bignum of %d bytes", CBOR_BIGNUM_MAX);
    write_integer(out, bytes, len);
    return true;
}

/* A JSON number: most readers of 21.5 want a double. */
static bool write_number(struct value v, struct arena *a, struct buffer *out, struct error *err)
{
    struct value n = numeric_normalise(a, v);
    if (n.kind == VALUE_DECIMAL && n.scale == 0) {
        write_int(out, n.i);
        return true;
    }
    bool whole = !memchr(v.ptr, '.', v.len) && !memchr(v.ptr, 'e', v.len) && !memchr(v.ptr, 'E', v.len);
    double d = whole ? 0 : numeric_to_double(n);
    if (!whole && isfinite(d) && numeric_compare(n, numeric_from_double(a, d)) == 0)
        write_double(out, d);
    else if (!numeric_check(n, err))
        return false;
    else
        return write_numeric(n, out, err);
    return true;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------- */

/* One byte was left for the head of what stands behind it. */
static void close_items(struct buffer *out, size_t at, enum cbor_major major, uint64_t count)
{
    struct buffer head = {0};
    cbor_write_head(&head, major, count);
    buffer_reserve(out, head.len);
    memmove(out->data + at + head.len, out->data + at + 1, out->len - at - 1);
    memcpy(out->data + at, head.data, head.len);
    out->len += head.len - 1;
    buffer_release(&head);
}

static bool write_string(struct value v, struct arena *a, struct buffer *out, struct error *err)
{
    if (!value_unescape(a, &v, err))
        return false;
    cbor_write_text(out, value_str(v));
    return true;
}

static bool write_items(struct str json, struct arena *a, struct buffer *out, struct error *err)
{
    bool map = json.data[0] == '{', escaped;
    size_t at = out->len;
    uint64_t count = 0;
    struct json_members m;
    struct str key, value;
    buffer_add_byte(out, 0);
    if (!(map ? json_object_open(&m, json) : json_array_open(&m, json)))
        return error_set(err, ERROR_REJECT, "not JSON");
    for (; map ? json_object_next(&m, &key, &escaped, &value) : json_array_next(&m, &value); count++) {
        struct value name = value_text(map ? key : STR(""));
        name.flags = map && escaped ? VALUE_ESCAPED : 0;
        if ((map && !write_string(name, a, out, err)) || !cbor_write_json(value, a, out, err))
            return false;
    }
    close_items(out, at, map ? CBOR_MAP : CBOR_ARRAY, count);
    return true;
}

static bool write_scalar(struct value v, struct arena *a, struct buffer *out, struct error *err)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_NULL:
        buffer_add_byte(out, (char)0xf6);
        return true;
    case VALUE_BOOL:
        buffer_add_byte(out, (char)(v.i ? 0xf5 : 0xf4));
        return true;
    case VALUE_TEXT:
        return write_string(v, a, out, err);
    default:
        return write_number(v, a, out, err);
    }
}

bool cbor_write_json(struct str json, struct arena *a, struct buffer *out, struct error *err)
{
    struct value v = json_to_value(json);
    return v.kind == VALUE_JSON ? write_items(value_str(v), a, out, err) : write_scalar(v, a, out, err);
}

/* ---- values -------------------------------------------------------------------------------------------------------------- */

/* What has only a text form, or a JSON one. */
static bool write_printed(struct value v, struct type type, const struct zone *zone, struct arena *a, struct buffer *out, struct error *err)
{
    struct buffer json = {0};
    value_print_json(v, type, zone, &json);
    struct str text = arena_str(a, (struct str){json.data, json.len});
    buffer_release(&json);
    return cbor_write_json(text, a, out, err);
}

bool cbor_write_value(struct value v, struct type type, const struct zone *zone, struct arena *a, struct buffer *out, struct error *err)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_NULL:
    case VALUE_BOOL:
    case VALUE_TEXT:
        return write_scalar(v, a, out, err);
    case VALUE_INT:
        write_int(out, v.i);
        return true;
    case VALUE_DOUBLE:
        write_double(out, v.d);
        return true;
    case VALUE_REAL:
        write_real(out, (float)v.d);
        return true;
    case VALUE_DECIMAL:
    case VALUE_NUMBER:
        return type.id == TYPE_NUMERIC ? write_numeric(numeric_normalise(a, v), out, err) : write_number(v, a, out, err);
    case VALUE_BYTES:
        cbor_write_head(out, CBOR_BYTES, v.len);
        buffer_add_str(out, value_str(v));
        return true;
    case VALUE_JSON:
        return cbor_write_json(value_str(v), a, out, err);
    case VALUE_TIMESTAMPTZ:
        if (v.i != INT64_MIN && v.i != INT64_MAX)
            cbor_write_head(out, CBOR_TAG, CBOR_TAG_TEXT_TIME);
        return write_printed(v, type, zone, a, out, err);
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_INTERVAL:
    case VALUE_UUID:
    case VALUE_ARRAY:
        return write_printed(v, type, zone, a, out, err);
    }
    return false;
}
