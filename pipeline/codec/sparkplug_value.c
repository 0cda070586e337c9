#include "pipeline/codec/sparkplug_value.h"

#include <inttypes.h>
#include <stdio.h>

#include "pipeline/event/convert.h"

/* 6.4.16. An array's type is its elements' and ARRAY_OF. */
enum {
    DATA_INT8 = 1, DATA_INT16, DATA_INT32, DATA_INT64, DATA_UINT8, DATA_UINT16, DATA_UINT32, DATA_UINT64, DATA_FLOAT, DATA_DOUBLE, DATA_BOOLEAN, DATA_STRING,
    DATA_DATETIME,
    ARRAY_OF = 21,
};

bool sparkplug_fail(struct sparkplug_printer *p, const char *why)
{
    snprintf(p->fault->text, sizeof(p->fault->text), "malformed Sparkplug payload: %s", why);
    return false;
}

bool sparkplug_put_text(struct sparkplug_printer *p, struct str s)
{
    if (utf8_valid_prefix(s) != s.len)
        return sparkplug_fail(p, "invalid UTF-8");
    buffer_add_byte(p->out, '"');
    json_escape(p->out, s);
    buffer_add_byte(p->out, '"');
    return true;
}

static bool put_value(struct sparkplug_printer *p, struct value v, enum type_id type)
{
    value_print_json(v, TYPE(type), zone_utc, p->out);
    return true;
}

bool sparkplug_put_time(struct sparkplug_printer *p, uint64_t ms)
{
    static const uint64_t end = 9224318016000000; /* what timestamptz can hold */
    if (ms >= end)
        return sparkplug_fail(p, "a time that no timestamp can hold");
    return put_value(p, (struct value){.kind = VALUE_TIMESTAMPTZ, .i = ((int64_t)ms - 946684800000) * 1000}, TYPE_TIMESTAMPTZ);
}

bool sparkplug_put_integer(struct sparkplug_printer *p, uint64_t bits, bool wide, uint32_t datatype)
{
    switch (datatype) {
    case DATA_INT8:
        buffer_printf(p->out, "%d", (int8_t)bits);
        return true;
    case DATA_INT16:
        buffer_printf(p->out, "%d", (int16_t)bits);
        return true;
    case DATA_INT32:
        buffer_printf(p->out, "%" PRId32, (int32_t)bits);
        return true;
    case DATA_INT64:
        buffer_printf(p->out, "%" PRId64, wide ? (int64_t)bits : (int64_t)(int32_t)bits);
        return true;
    case DATA_DATETIME:
        return sparkplug_put_time(p, bits);
    default:
        buffer_printf(p->out, "%" PRIu64, bits);
        return true;
    }
}

bool sparkplug_put_float(struct sparkplug_printer *p, float f)
{
    return put_value(p, (struct value){.kind = VALUE_REAL, .d = f}, TYPE_REAL);
}

bool sparkplug_put_double(struct sparkplug_printer *p, double d)
{
    return put_value(p, value_double(d), TYPE_DOUBLE);
}

bool sparkplug_put_boolean(struct sparkplug_printer *p, bool b)
{
    buffer_add_str(p->out, b ? STR("true") : STR("false"));
    return true;
}

bool sparkplug_put_null(struct sparkplug_printer *p)
{
    buffer_add_str(p->out, STR("null"));
    return true;
}

/* ---- arrays: packed, little-endian (6.4.17) ------------------------------------------------------------------------------ */

static uint64_t little_endian(const char *at, size_t size)
{
    uint64_t bits = 0;
    for (size_t i = size; i-- > 0;)
        bits = bits << 8 | (uint8_t)at[i];
    return bits;
}

static bool put_number(struct sparkplug_printer *p, uint64_t bits, uint32_t datatype)
{
    union {
        uint32_t bits;
        float value;
    } f = {.bits = (uint32_t)bits};
    union {
        uint64_t bits;
        double value;
    } d = {.bits = bits};
    return datatype == DATA_FLOAT    ? sparkplug_put_float(p, f.value)
           : datatype == DATA_DOUBLE ? sparkplug_put_double(p, d.value)
                                     : sparkplug_put_integer(p, bits, true, datatype);
}

static void put_comma(struct sparkplug_printer *p, bool is_first)
{
    if (!is_first)
        buffer_add_byte(p->out, ',');
}

static bool put_numbers(struct sparkplug_printer *p, struct str bytes, uint32_t datatype, size_t size)
{
    if (bytes.len % size)
        return sparkplug_fail(p, "an array that ends within an element");
    for (size_t at = 0; at < bytes.len; at += size) {
        put_comma(p, at == 0);
        if (!put_number(p, little_endian(bytes.data + at, size), datatype))
            return false;
    }
    return true;
}

/* Their number, then bits, the first in the highest place. */
static bool put_booleans(struct sparkplug_printer *p, struct str bytes)
{
    enum { COUNT = 4 };
    uint64_t count = bytes.len < COUNT ? 0 : little_endian(bytes.data, COUNT);
    if (bytes.len < COUNT || bytes.len - COUNT != (count + 7) / 8)
        return sparkplug_fail(p, "an array of booleans whose length is not the number it begins with");
    for (size_t i = 0; i < count; i++) {
        put_comma(p, i == 0);
        sparkplug_put_boolean(p, (uint8_t)bytes.data[COUNT + i / 8] >> (7 - i % 8) & 1);
    }
    return true;
}

/* Each ends with NUL. */
static bool put_texts(struct sparkplug_printer *p, struct str bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        const char *text = bytes.data + at, *end = memchr(text, '\0', bytes.len - at);
        if (!end)
            return sparkplug_fail(p, "an array of strings whose last has no end");
        put_comma(p, at == 0);
        if (!sparkplug_put_text(p, (struct str){text, (size_t)(end - text)}))
            return false;
        at += (size_t)(end - text) + 1;
    }
    return true;
}

static bool put_elements(struct sparkplug_printer *p, struct str bytes, uint32_t datatype)
{
    static const uint8_t sizes[] = {
        [DATA_INT8] = 1,   [DATA_INT16] = 2,  [DATA_INT32] = 4, [DATA_INT64] = 8,  [DATA_UINT8] = 1,    [DATA_UINT16] = 2,
        [DATA_UINT32] = 4, [DATA_UINT64] = 8, [DATA_FLOAT] = 4, [DATA_DOUBLE] = 8, [DATA_DATETIME] = 8,
    };
    return datatype == DATA_BOOLEAN  ? put_booleans(p, bytes)
           : datatype == DATA_STRING ? put_texts(p, bytes)
                                     : put_numbers(p, bytes, datatype, sizes[datatype]);
}

bool sparkplug_put_bytes(struct sparkplug_printer *p, struct str bytes, uint32_t datatype)
{
    if (datatype < ARRAY_OF + DATA_INT8 || datatype > ARRAY_OF + DATA_DATETIME)
        return put_value(p, (struct value){.kind = VALUE_BYTES, .len = (uint32_t)bytes.len, .ptr = bytes.data}, TYPE_BYTEA);
    buffer_add_byte(p->out, '[');
    if (!put_elements(p, bytes, datatype - ARRAY_OF))
        return false;
    buffer_add_byte(p->out, ']');
    return true;
}
