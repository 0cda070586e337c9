#include "pipeline/codec/avro_data.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/datetime.h"
#include "pipeline/event/numeric.h"

void avro_write_long(struct buffer *out, int64_t v)
{
    uint64_t u = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    buffer_reserve(out, 10);
    char *to = out->data + out->len;
    while (u >= 0x80) {
        *to++ = (char)(u | 0x80);
        u >>= 7;
    }
    *to++ = (char)u;
    out->len = (size_t)(to - out->data);
}

/* Since 2000 → since 1970, in whole units (rounded down). Infinity has no form in Avro. */
static bool write_timestamp(struct value v, int64_t unit, struct buffer *out)
{
    int64_t us;
    if (v.i == INT64_MIN || v.i == INT64_MAX || __builtin_add_overflow(v.i, PG_EPOCH_SECS * USECS_PER_SEC, &us))
        return false;
    int64_t whole = us / unit - (us % unit < 0);
    avro_write_long(out, whole);
    return true;
}

static bool write_integer(const struct avro_schema *s, struct value v, struct buffer *out)
{
    switch (s->logical) {
    case AVRO_DATE:
        if (v.kind != VALUE_DATE || v.i == INT32_MIN || v.i == INT32_MAX)
            return false;
        avro_write_long(out, v.i + PG_EPOCH_SECS / 86400);
        return true;
    case AVRO_TIMESTAMP_MILLIS:
        return v.kind == VALUE_TIMESTAMPTZ && write_timestamp(v, 1000, out);
    case AVRO_TIMESTAMP_MICROS:
        return v.kind == VALUE_TIMESTAMPTZ && write_timestamp(v, 1, out);
    case AVRO_LOCAL_MILLIS:
        return v.kind == VALUE_TIMESTAMP && write_timestamp(v, 1000, out);
    case AVRO_LOCAL_MICROS:
        return v.kind == VALUE_TIMESTAMP && write_timestamp(v, 1, out);
    case AVRO_TIME_MILLIS:
    case AVRO_TIME_MICROS: {
        /* There is no type time: its text is read as a timestamp's end. */
        int64_t us;
        char text[64] = "2000-01-01 ";
        if (v.kind != VALUE_TEXT || v.len > 32)
            return false;
        memcpy(text + 11, v.ptr, v.len);
        if (!timestamp_parse_common((struct str){text, 11 + v.len}, false, zone_utc, &us) || us < 0 || us >= USECS_PER_DAY)
            return false;
        avro_write_long(out, s->logical == AVRO_TIME_MILLIS ? us / 1000 : us);
        return true;
    }
    case AVRO_PLAIN:
    case AVRO_DECIMAL:
    case AVRO_UUID:
        break;
    }
    if (v.kind != VALUE_INT || (s->kind == AVRO_KIND_INT && (v.i < INT32_MIN || v.i > INT32_MAX)))
        return false;
    avro_write_long(out, v.i);
    return true;
}

static bool write_decimal(const struct avro_schema *s, struct value v, struct buffer *out)
{
    unsigned char bytes[512];
    if (v.kind != VALUE_DECIMAL && v.kind != VALUE_NUMBER)
        return false;
    size_t n = avro_decimal_bytes(v, s->scale, s->kind == AVRO_KIND_FIXED ? s->size : 0, bytes, sizeof(bytes));
    if (n == 0)
        return false;
    if (s->kind == AVRO_KIND_BYTES)
        avro_write_long(out, (int64_t)n);
    buffer_add(out, bytes, n);
    return true;
}

static bool write_uuid(struct value v, struct buffer *out)
{
    struct buffer text = {0};
    if (v.kind != VALUE_UUID)
        return false;
    value_print(v, TYPE(TYPE_UUID), zone_utc, &text);
    avro_write_bytes(out, (struct str){text.data, text.len});
    buffer_release(&text);
    return true;
}

static bool write_symbol(const struct avro_schema *s, struct value v, struct buffer *out)
{
    for (uint32_t i = 0; v.kind == VALUE_TEXT && i < s->count; i++)
        if (str_eq(s->symbols[i], value_str(v))) {
            avro_write_long(out, i);
            return true;
        }
    return false;
}

static bool write_union(const struct avro_schema *s, struct value v, struct buffer *out)
{
    for (uint32_t i = 0; i < s->count; i++) {
        size_t before = out->len;
        if ((s->parts[i]->kind == AVRO_KIND_NULL) != (v.kind == VALUE_NULL))
            continue;
        avro_write_long(out, i);
        if (avro_write_value(s->parts[i], v, out))
            return true;
        out->len = before;
    }
    return false;
}

bool avro_write_value(const struct avro_schema *s, struct value v, struct buffer *out)
{
    float f;
    switch (s->kind) {
    case AVRO_KIND_UNION:
        return v.kind == VALUE_JSON ? avro_write_json(s, value_str(v), out) : write_union(s, v, out);
    case AVRO_KIND_NULL:
        return v.kind == VALUE_NULL;
    case AVRO_KIND_BOOLEAN:
        if (v.kind == VALUE_BOOL)
            buffer_add_byte(out, (char)v.i);
        return v.kind == VALUE_BOOL;
    case AVRO_KIND_INT:
    case AVRO_KIND_LONG:
        return write_integer(s, v, out);
    case AVRO_KIND_FLOAT:
        f = (float)v.d;
        if (v.kind == VALUE_REAL)
            buffer_add(out, &f, sizeof(f));
        return v.kind == VALUE_REAL;
    case AVRO_KIND_DOUBLE:
        if (v.kind == VALUE_DOUBLE || v.kind == VALUE_REAL)
            buffer_add(out, &v.d, sizeof(v.d));
        return v.kind == VALUE_DOUBLE || v.kind == VALUE_REAL;
    case AVRO_KIND_STRING:
        if (s->logical == AVRO_UUID)
            return write_uuid(v, out);
        if (v.kind != VALUE_TEXT)
            return false;
        avro_write_bytes(out, value_str(v));
        return true;
    case AVRO_KIND_BYTES:
        if (s->logical == AVRO_DECIMAL)
            return write_decimal(s, v, out);
        if (v.kind != VALUE_BYTES)
            return false;
        avro_write_bytes(out, value_str(v));
        return true;
    case AVRO_KIND_FIXED:
        if (s->logical == AVRO_DECIMAL)
            return write_decimal(s, v, out);
        if (v.kind != VALUE_BYTES || v.len != s->size)
            return false;
        buffer_add_str(out, value_str(v));
        return true;
    case AVRO_KIND_ENUM:
        return write_symbol(s, v, out);
    case AVRO_KIND_RECORD:
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
        return v.kind == VALUE_JSON && avro_write_json(s, value_str(v), out);
    }
    return false;
}
