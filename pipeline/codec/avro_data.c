#include "pipeline/codec/avro_data.h"

#include <math.h>
#include <stdlib.h>

#include "pipeline/event/convert.h"
#include "pipeline/event/datetime.h"

enum { MOST_DEPTH = 128 };

/* What Postgres can hold: from 4714-11-24 BC; timestamps to the end of 294276, dates to the end of 5874897. Of 2000-01-01. */
#define TIMESTAMP_MIN INT64_C(-211813488000000000)
#define TIMESTAMP_END INT64_C(9223371331200000000)
enum { DATE_MIN = -2451545, DATE_END = 2145031949 };

bool avro_fail(struct avro_reader *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return false;
}

bool avro_read_long_slow(struct avro_reader *r, int64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->at == r->end)
            return avro_fail(r, "the record ends inside a number");
        unsigned char byte = *r->at++;
        if (shift == 63 && byte > 1)
            return avro_fail(r, "a number of more than 64 bits");
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return true;
        }
    }
    return avro_fail(r, "a number of more than 64 bits");
}

static bool take(struct avro_reader *r, int64_t len, struct str *out)
{
    if (len < 0 || len > r->end - r->at)
        return avro_fail(r, len < 0 ? "a negative length" : "a length beyond the end of the record");
    *out = (struct str){(const char *)r->at, (size_t)len};
    r->at += len;
    return true;
}

bool avro_read_bytes(struct avro_reader *r, struct str *out)
{
    int64_t len;
    return avro_read_long(r, &len) && take(r, len, out);
}

const struct avro_schema *avro_read_branch(struct avro_reader *r, const struct avro_schema *u)
{
    int64_t branch;
    if (!avro_read_long(r, &branch))
        return NULL;
    if (branch < 0 || branch >= (int64_t)u->count) {
        avro_fail(r, "a union's branch that does not exist");
        return NULL;
    }
    return u->parts[branch];
}

/* An item may take no bytes at all (null): a count alone must not make us loop for ever. */
enum { MOST_EMPTY_ITEMS = 1 << 20 };

bool avro_read_block(struct avro_reader *r, int64_t *items, int64_t *bytes)
{
    int64_t size = -1;
    if (!avro_read_long(r, items))
        return false;
    if (*items < 0) {
        if (*items == INT64_MIN || !avro_read_long(r, &size))
            return avro_fail(r, "a block's count out of range");
        *items = -*items;
        if (size < 0 || size > r->end - r->at)
            return avro_fail(r, "a block's size beyond the end of the record");
    }
    if (*items > r->end - r->at && *items > MOST_EMPTY_ITEMS)
        return avro_fail(r, "more items than the record has bytes");
    if (bytes)
        *bytes = size;
    return true;
}

/* ---- skipping ------------------------------------------------------------------------------------------------------------ */

static bool skip_items(struct avro_reader *r, const struct avro_schema *s)
{
    int64_t items, bytes;
    struct str ignored;
    for (;;) {
        if (!avro_read_block(r, &items, &bytes))
            return false;
        if (items == 0)
            return true;
        if (bytes >= 0) {
            r->at += bytes;
            continue;
        }
        for (; items > 0; items--)
            if ((s->kind == AVRO_KIND_MAP && !avro_read_bytes(r, &ignored)) || !avro_skip_datum(r, s->parts[0]))
                return false;
    }
}

static bool skip(struct avro_reader *r, const struct avro_schema *s)
{
    int64_t number;
    struct str ignored;
    switch (s->kind) {
    case AVRO_KIND_NULL:
        return true;
    case AVRO_KIND_BOOLEAN:
        return take(r, 1, &ignored);
    case AVRO_KIND_INT:
    case AVRO_KIND_LONG:
    case AVRO_KIND_ENUM:
        return avro_read_long(r, &number);
    case AVRO_KIND_FLOAT:
        return take(r, 4, &ignored);
    case AVRO_KIND_DOUBLE:
        return take(r, 8, &ignored);
    case AVRO_KIND_BYTES:
    case AVRO_KIND_STRING:
        return avro_read_bytes(r, &ignored);
    case AVRO_KIND_FIXED:
        return take(r, s->size, &ignored);
    case AVRO_KIND_RECORD:
        for (uint32_t i = 0; i < s->count; i++)
            if (!avro_skip_datum(r, s->fields[i].schema))
                return false;
        return true;
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
        return skip_items(r, s);
    case AVRO_KIND_UNION: {
        const struct avro_schema *branch = avro_read_branch(r, s);
        return branch && avro_skip_datum(r, branch);
    }
    }
    return false;
}

bool avro_skip_datum(struct avro_reader *r, const struct avro_schema *s)
{
    if (r->depth >= MOST_DEPTH)
        return avro_fail(r, "nested deeper than 128 levels");
    r->depth++;
    bool ok = skip(r, s);
    r->depth--;
    return ok;
}

/* ---- values -------------------------------------------------------------------------------------------------------------- */

static bool read_text(struct avro_reader *r, struct value *out)
{
    struct str text;
    if (!avro_read_bytes(r, &text))
        return false;
    if (utf8_valid_prefix(text) != text.len)
        return avro_fail(r, "a string that is not valid UTF-8, or has a NUL character");
    *out = value_text(text);
    return true;
}

static bool read_uuid(struct avro_reader *r, struct arena *a, struct value *out)
{
    struct error err;
    struct convert_context cx = {.arena = a};
    return read_text(r, out) && (value_parse(&cx, value_str(*out), TYPE(TYPE_UUID), out, &err) || avro_fail(r, "a string that is no uuid"));
}

/* Microseconds of the day → '12:34:56.789'. */
static size_t print_time(int64_t us, char out[24])
{
    char text[48];
    size_t n = timestamp_print(us, ' ', text);
    size_t date = sizeof("2000-01-01 ") - 1;
    memcpy(out, text + date, n - date);
    return n - date;
}

static bool read_time(struct avro_reader *r, int64_t us, struct arena *a, struct value *out)
{
    char text[24];
    if (us < 0 || us >= 86400 * (int64_t)1000000)
        return avro_fail(r, "a time of day out of range");
    *out = value_text(arena_str(a, (struct str){text, print_time(us, text)}));
    return true;
}

/* Microseconds, or milliseconds to be multiplied, since 1970 → since 2000. */
static bool read_timestamp(struct avro_reader *r, int64_t v, int64_t unit, enum value_kind kind, struct value *out)
{
    int64_t us;
    if (__builtin_mul_overflow(v, unit, &us) || __builtin_sub_overflow(us, PG_EPOCH_SECS * USECS_PER_SEC, &us) || us < TIMESTAMP_MIN || us >= TIMESTAMP_END)
        return avro_fail(r, "a timestamp out of range");
    *out = (struct value){.kind = kind, .i = us};
    return true;
}

static bool read_integer(struct avro_reader *r, const struct avro_schema *s, struct arena *a, struct value *out)
{
    int64_t v;
    if (!avro_read_long(r, &v))
        return false;
    if (s->kind == AVRO_KIND_INT && (v < INT32_MIN || v > INT32_MAX))
        return avro_fail(r, "an int of more than 32 bits");
    switch (s->logical) {
    case AVRO_DATE:
        if (v - PG_EPOCH_SECS / 86400 < DATE_MIN || v - PG_EPOCH_SECS / 86400 >= DATE_END)
            return avro_fail(r, "a date out of range");
        *out = (struct value){.kind = VALUE_DATE, .i = v - PG_EPOCH_SECS / 86400};
        return true;
    case AVRO_TIME_MILLIS:
        return read_time(r, v * 1000, a, out);
    case AVRO_TIME_MICROS:
        return read_time(r, v, a, out);
    case AVRO_TIMESTAMP_MILLIS:
        return read_timestamp(r, v, 1000, VALUE_TIMESTAMPTZ, out);
    case AVRO_TIMESTAMP_MICROS:
        return read_timestamp(r, v, 1, VALUE_TIMESTAMPTZ, out);
    case AVRO_LOCAL_MILLIS:
        return read_timestamp(r, v, 1000, VALUE_TIMESTAMP, out);
    case AVRO_LOCAL_MICROS:
        return read_timestamp(r, v, 1, VALUE_TIMESTAMP, out);
    case AVRO_PLAIN:
    case AVRO_DECIMAL:
    case AVRO_UUID:
        break;
    }
    *out = value_int(v);
    return true;
}

static bool read_floating(struct avro_reader *r, enum avro_kind kind, struct value *out)
{
    struct str bytes = STR("");
    float f;
    double d;
    if (!take(r, kind == AVRO_KIND_FLOAT ? 4 : 8, &bytes))
        return false;
    if (kind == AVRO_KIND_FLOAT) { /* little endian, as every machine this runs on */
        memcpy(&f, bytes.data, sizeof(f));
        *out = (struct value){.kind = VALUE_REAL, .d = f};
    } else {
        memcpy(&d, bytes.data, sizeof(d));
        *out = value_double(d);
    }
    return true;
}

static bool read_complex(struct avro_reader *r, const struct avro_schema *s, struct arena *a, struct value *out)
{
    struct buffer json = {0};
    bool ok = avro_read_json(r, s, &json);
    if (ok) {
        struct str copy = arena_str(a, (struct str){json.data, json.len});
        *out = (struct value){.kind = VALUE_JSON, .len = (uint32_t)copy.len, .ptr = copy.data};
    }
    buffer_release(&json);
    return ok;
}

bool avro_read_value(struct avro_reader *r, const struct avro_schema *s, struct arena *a, struct value *out)
{
    struct str bytes = STR("");
    int64_t v;
    switch (s->kind) {
    case AVRO_KIND_NULL:
        *out = value_null();
        return true;
    case AVRO_KIND_BOOLEAN:
        if (!take(r, 1, &bytes))
            return false;
        *out = value_bool(bytes.data[0] != 0);
        return true;
    case AVRO_KIND_INT:
    case AVRO_KIND_LONG:
        return read_integer(r, s, a, out);
    case AVRO_KIND_FLOAT:
    case AVRO_KIND_DOUBLE:
        return read_floating(r, s->kind, out);
    case AVRO_KIND_STRING:
        return s->logical == AVRO_UUID ? read_uuid(r, a, out) : read_text(r, out);
    case AVRO_KIND_BYTES:
    case AVRO_KIND_FIXED:
        if (!(s->kind == AVRO_KIND_BYTES ? avro_read_bytes(r, &bytes) : take(r, s->size, &bytes)))
            return false;
        *out = s->logical == AVRO_DECIMAL ? avro_decimal_value(bytes, s->scale, a)
                                          : (struct value){.kind = VALUE_BYTES, .len = (uint32_t)bytes.len, .ptr = bytes.data};
        return true;
    case AVRO_KIND_ENUM:
        if (!avro_read_long(r, &v))
            return false;
        if (v < 0 || v >= (int64_t)s->count)
            return avro_fail(r, "an enum's symbol that does not exist");
        *out = value_text(s->symbols[v]);
        return true;
    case AVRO_KIND_UNION: {
        const struct avro_schema *only = avro_schema_unwrap(s, NULL);
        if (only == s)
            return read_complex(r, s, a, out);
        const struct avro_schema *branch = avro_read_branch(r, s);
        return branch && avro_read_value(r, branch, a, out);
    }
    case AVRO_KIND_RECORD:
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
        return read_complex(r, s, a, out);
    }
    return false;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------- */

static void print_string(struct str s, struct buffer *out)
{
    buffer_add_byte(out, '"');
    json_escape(out, s);
    buffer_add_byte(out, '"');
}

static bool print_record(struct avro_reader *r, const struct avro_schema *s, struct buffer *out)
{
    for (uint32_t i = 0; i < s->count; i++) {
        buffer_add_byte(out, i ? ',' : '{');
        print_string(s->fields[i].name, out);
        buffer_add_byte(out, ':');
        if (!avro_read_json(r, s->fields[i].schema, out))
            return false;
    }
    buffer_add_str(out, s->count ? STR("}") : STR("{}"));
    return true;
}

static bool print_items(struct avro_reader *r, const struct avro_schema *s, struct buffer *out)
{
    bool map = s->kind == AVRO_KIND_MAP;
    int64_t items;
    uint64_t n = 0;
    buffer_add_byte(out, map ? '{' : '[');
    for (;;) {
        if (!avro_read_block(r, &items, NULL))
            return false;
        if (items == 0)
            break;
        for (; items > 0; items--) {
            struct value key = value_null();
            if (n++)
                buffer_add_byte(out, ',');
            if (map) {
                if (!read_text(r, &key))
                    return false;
                print_string(value_str(key), out);
                buffer_add_byte(out, ':');
            }
            if (!avro_read_json(r, s->parts[0], out))
                return false;
        }
    }
    buffer_add_byte(out, map ? '}' : ']');
    return true;
}

static bool print_scalar(struct avro_reader *r, const struct avro_schema *s, struct buffer *out)
{
    struct arena arena = ARENA_INIT;
    struct value v;
    bool ok = avro_read_value(r, s, &arena, &v);
    if (ok)
        value_print_json(v, avro_schema_type(s), zone_utc, out);
    arena_release(&arena);
    return ok;
}

static bool print_json(struct avro_reader *r, const struct avro_schema *s, struct buffer *out)
{
    switch (s->kind) {
    case AVRO_KIND_RECORD:
        return print_record(r, s, out);
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
        return print_items(r, s, out);
    case AVRO_KIND_UNION: {
        const struct avro_schema *branch = avro_read_branch(r, s);
        return branch && avro_read_json(r, branch, out);
    }
    case AVRO_KIND_NULL:
    case AVRO_KIND_BOOLEAN:
    case AVRO_KIND_INT:
    case AVRO_KIND_LONG:
    case AVRO_KIND_FLOAT:
    case AVRO_KIND_DOUBLE:
    case AVRO_KIND_BYTES:
    case AVRO_KIND_STRING:
    case AVRO_KIND_ENUM:
    case AVRO_KIND_FIXED:
        break;
    }
    return print_scalar(r, s, out);
}

bool avro_read_json(struct avro_reader *r, const struct avro_schema *s, struct buffer *out)
{
    if (r->depth >= MOST_DEPTH)
        return avro_fail(r, "nested deeper than 128 levels");
    r->depth++;
    bool ok = print_json(r, s, out);
    r->depth--;
    return ok;
}
