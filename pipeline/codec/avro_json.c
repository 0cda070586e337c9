/*
 * JSON → a datum: defaults of fields, and jsonb values on their way into records, arrays and maps.
 */
#include <stdlib.h>

#include "pipeline/codec/avro_program.h"
#include "pipeline/codec/json.h"
#include "pipeline/event/numeric.h"

static bool text_of(struct str json, struct arena *a, struct str *out)
{
    struct error err;
    struct value v = json_to_value(json);
    if (v.kind != VALUE_TEXT || !value_unescape(a, &v, &err))
        return false;
    *out = value_str(v);
    return true;
}

static bool is_null(struct str json)
{
    return str_eq(json, STR("null"));
}

/* Does the JSON value look like one of this branch? */
static bool suits(const struct avro_schema *s, struct str json)
{
    struct value v = json_to_value(json);
    switch (s->kind) {
    case AVRO_KIND_NULL:
        return v.kind == VALUE_NULL;
    case AVRO_KIND_BOOLEAN:
        return v.kind == VALUE_BOOL;
    case AVRO_KIND_INT:
    case AVRO_KIND_LONG:
    case AVRO_KIND_FLOAT:
    case AVRO_KIND_DOUBLE:
        return v.kind == VALUE_NUMBER || (v.kind == VALUE_TEXT && s->logical != AVRO_PLAIN);
    case AVRO_KIND_BYTES:
    case AVRO_KIND_FIXED:
        return v.kind == VALUE_TEXT || (v.kind == VALUE_NUMBER && s->logical == AVRO_DECIMAL);
    case AVRO_KIND_STRING:
    case AVRO_KIND_ENUM:
        return v.kind == VALUE_TEXT;
    case AVRO_KIND_ARRAY:
        return v.kind == VALUE_JSON && v.ptr[0] == '[';
    case AVRO_KIND_RECORD:
    case AVRO_KIND_MAP:
        return v.kind == VALUE_JSON && v.ptr[0] == '{';
    case AVRO_KIND_UNION:
        break;
    }
    return false;
}

static bool write_union(const struct avro_schema *s, struct str json, struct buffer *out)
{
    for (uint32_t i = 0; i < s->count; i++) {
        size_t before = out->len;
        if (!suits(s->parts[i], json))
            continue;
        avro_write_long(out, i);
        if (avro_write_json(s->parts[i], json, out))
            return true;
        out->len = before;
    }
    return false;
}

/* Default bytes are written as code points up to 255 (specification); other JSON has Postgres's hex form, \x…. */
static bool bytes_of(struct str json, struct arena *a, struct str *out)
{
    struct str text;
    if (!text_of(json, a, &text))
        return false;
    char *bytes = arena_alloc(a, text.len + 1);
    size_t n = 0;
    if (text.len >= 2 && text.data[0] == '\\' && text.data[1] == 'x' && text.len % 2 == 0) {
        for (size_t i = 2; i < text.len; i += 2) {
            char digits[3] = {text.data[i], text.data[i + 1], 0}, *end;
            bytes[n++] = (char)strtoul(digits, &end, 16);
            if (*end)
                return false;
        }
    } else {
        for (size_t i = 0; i < text.len; i++) {
            unsigned char c = (unsigned char)text.data[i];
            if (c < 0x80) {
                bytes[n++] = (char)c;
            } else if ((c == 0xc2 || c == 0xc3) && i + 1 < text.len) {
                bytes[n++] = (char)((c & 3) << 6 | ((unsigned char)text.data[++i] & 0x3f));
            } else {
                return false;
            }
        }
    }
    *out = (struct str){bytes, n};
    return true;
}

/* A scalar whose logical type has a text form: as SQL reads it. */
static bool write_logical(const struct avro_schema *s, struct str json, struct arena *a, struct buffer *out)
{
    struct error err;
    struct convert_context cx = {.arena = a, .zone = zone_utc, .now_us = INT64_MIN};
    struct type type = avro_schema_type(s);
    struct value v = json_to_value(json);
    if (v.kind == VALUE_NUMBER && s->logical == AVRO_DECIMAL)
        return value_cast(&cx, v, TYPE(TYPE_NUMERIC), type, &v, &err) && avro_write_value(s, v, out);
    if (v.kind != VALUE_TEXT || type.id == TYPE_TEXT || !value_unescape(a, &v, &err))
        return false;
    return value_parse(&cx, value_str(v), type, &v, &err) && avro_write_value(s, v, out);
}

static bool write_number(const struct avro_schema *s, struct str json, struct arena *a, struct buffer *out)
{
    struct value v = json_to_value(json);
    struct str text = v.kind == VALUE_TEXT ? STR("") : json;
    int64_t i;
    if (v.kind == VALUE_TEXT && !text_of(json, a, &text))
        return false;
    if (s->kind == AVRO_KIND_FLOAT || s->kind == AVRO_KIND_DOUBLE) {
        struct error err;
        struct convert_context cx = {.arena = a};
        return value_parse(&cx, text, TYPE(s->kind == AVRO_KIND_FLOAT ? TYPE_REAL : TYPE_DOUBLE), &v, &err) && avro_write_value(s, v, out);
    }
    if (v.kind != VALUE_NUMBER || !numeric_to_int64(v, &i))
        return false;
    if (s->kind == AVRO_KIND_INT && (i < INT32_MIN || i > INT32_MAX))
        return false;
    avro_write_long(out, i);
    return true;
}

static bool write_record(const struct avro_schema *s, struct str json, struct buffer *out)
{
    for (uint32_t i = 0; i < s->count; i++) {
        struct json_members m;
        struct str key, value, found = s->fields[i].preset;
        bool escaped, given = false;
        if (!json_object_open(&m, json))
            return false;
        while (json_object_next(&m, &key, &escaped, &value))
            if (!escaped && str_eq(key, s->fields[i].name)) {
                found = value;
                given = true;
            }
        if (!given && found.len == 0)
            found = STR("null");
        if (!avro_write_json(s->fields[i].schema, found, out))
            return false;
    }
    return true;
}

static bool write_items(const struct avro_schema *s, struct str json, struct arena *a, struct buffer *out)
{
    struct json_members m;
    struct str key, value, name;
    bool map = s->kind == AVRO_KIND_MAP, escaped;
    if (!(map ? json_object_open(&m, json) : json_array_open(&m, json)))
        return false;
    while (map ? json_object_next(&m, &key, &escaped, &value) : json_array_next(&m, &value)) {
        avro_write_long(out, 1);
        if (map) {
            /* The key's quotes stand around it in the text. */
            if (!text_of((struct str){key.data - 1, key.len + 2}, a, &name))
                return false;
            avro_write_bytes(out, name);
        }
        if (!avro_write_json(s->parts[0], value, out))
            return false;
    }
    avro_write_long(out, 0);
    return true;
}

static bool write_json(const struct avro_schema *s, struct str json, struct arena *a, struct buffer *out)
{
    struct str text;
    struct value v = json_to_value(json);
    switch (s->kind) {
    case AVRO_KIND_NULL:
        return is_null(json);
    case AVRO_KIND_BOOLEAN:
        return v.kind == VALUE_BOOL && avro_write_value(s, v, out);
    case AVRO_KIND_INT:
    case AVRO_KIND_LONG:
        if (v.kind == VALUE_TEXT && s->logical != AVRO_PLAIN)
            return write_logical(s, json, a, out);
        return write_number(s, json, a, out);
    case AVRO_KIND_FLOAT:
    case AVRO_KIND_DOUBLE:
        return write_number(s, json, a, out);
    case AVRO_KIND_STRING:
        if (!text_of(json, a, &text))
            return false;
        avro_write_bytes(out, text);
        return true;
    case AVRO_KIND_ENUM:
        return text_of(json, a, &text) && avro_write_value(s, value_text(text), out);
    case AVRO_KIND_BYTES:
    case AVRO_KIND_FIXED:
        if (s->logical == AVRO_DECIMAL && v.kind == VALUE_NUMBER)
            return write_logical(s, json, a, out);
        if (!bytes_of(json, a, &text))
            return false;
        if (s->kind == AVRO_KIND_BYTES)
            avro_write_bytes(out, text);
        else
            buffer_add_str(out, text);
        return s->kind == AVRO_KIND_BYTES || text.len == s->size;
    case AVRO_KIND_RECORD:
        return v.kind == VALUE_JSON && write_record(s, json, out);
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
        return v.kind == VALUE_JSON && write_items(s, json, a, out);
    case AVRO_KIND_UNION:
        return write_union(s, json, out);
    }
    return false;
}

bool avro_write_json(const struct avro_schema *s, struct str json, struct buffer *out)
{
    struct arena arena = ARENA_INIT;
    size_t before = out->len;
    bool ok = write_json(s, json, &arena, out);
    if (!ok)
        out->len = before;
    arena_release(&arena);
    return ok;
}
