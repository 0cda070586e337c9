/*
 * JSON (manual, 9.16): what reaches into a value, asks about it, or makes one. Functions that reach into a value take it as it is written;
 * what they give is in normal form.
 */
#include "pipeline/event/array.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/jsonb.h"

/* ---- normal form --------------------------------------------------------------------------------------------------- */

static struct value normal_text(struct eval *ev)
{
    struct value v = eval_text(ev, ev->scratch.data, ev->scratch.len);
    v.kind = VALUE_JSON;
    v.flags = VALUE_NORMAL;
    return v;
}

bool jsonb_normal(struct eval *ev, struct value v, struct value *out, struct error *err)
{
    *out = v;
    if (v.kind != VALUE_JSON || v.flags & VALUE_NORMAL)
        return true;
    ev->scratch.len = 0;
    if (!json_print_normal(value_str(v), ev->arena, &ev->scratch, err))
        return false;
    *out = normal_text(ev);
    return true;
}

bool jsonb_finish(struct eval *ev, struct value *out, struct error *err)
{
    struct value raw = eval_text(ev, ev->scratch.data, ev->scratch.len);
    raw.kind = VALUE_JSON;
    return jsonb_normal(ev, raw, out, err);
}

static bool normal_items(struct eval *ev, struct value v, struct value *out, struct error *err)
{
    const struct array *in = value_array(v);
    struct array *a = array_like(ev->arena, in);
    *out = value_of_array(a);
    for (uint32_t i = 0; i < in->count; i++)
        if (!jsonb_normal(ev, in->items[i], &a->items[i], err))
            return false;
    return true;
}

/* variant: NULL for what jsonb cannot hold, as try_cast has it. */
void kernel_json_normal(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                        uint32_t n, struct value *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *v = operand_at(args[0], row);
        struct error err;
        if (v->kind == VALUE_ARRAY ? normal_items(ev, *v, &out[row], &err) : jsonb_normal(ev, *v, &out[row], &err))
            continue;
        out[row] = value_null();
        if (!e->variant)
            eval_fail(ev, e, args, row, &err);
    }
}

bool jsonb_part(struct eval *ev, int how, struct value whole, struct str part, struct value *out, struct error *err)
{
    if (!part.data)
        return true;
    struct value json = {.kind = VALUE_JSON, .flags = whole.flags & VALUE_NORMAL, .ptr = part.data, .len = (uint32_t)part.len};
    if (how == JSON_AS_JSON)
        return jsonb_normal(ev, json, out, err);
    struct value v = json_to_value(part);
    if (v.kind == VALUE_NULL)
        return true;
    if (v.kind == VALUE_TEXT) {
        *out = v;
        return value_unescape(ev->arena, out, err);
    }
    if (!jsonb_normal(ev, json, out, err))
        return false;
    *out = value_text(value_str(*out));
    return true;
}

/* ---- reaching in --------------------------------------------------------------------------------------------------- */

static struct str trimmed(struct value v)
{
    struct str s = value_str(v);
    while (s.len && (s.data[0] == ' ' || (s.data[0] >= '\t' && s.data[0] <= '\r')))
        s.data++, s.len--;
    return s;
}

static struct str element_at(struct str array, int64_t index)
{
    struct json_members m;
    struct str element;
    int64_t count = 0;
    if (jsonb_type(array) < JSONB_ARRAY) /* a scalar is an array of one element here */
        return index == 0 || index == -1 ? array : (struct str){0};
    if (!json_array_open(&m, array))
        return (struct str){0};
    if (index < 0) {
        while (json_array_next(&m, &element))
            count++;
        index += count;
        json_array_open(&m, array);
    }
    for (int64_t i = 0; index >= 0 && json_array_next(&m, &element); i++)
        if (i == index)
            return element;
    return (struct str){0};
}

static bool key_is(struct str key, bool escaped, struct str name)
{
    struct str quoted = {key.data - 1, key.len + 2};
    return escaped ? jsonb_string_is(quoted, name) : str_eq(key, name);
}

/* The last of equal keys. */
static struct str member_of(struct str object, struct str name)
{
    struct json_members m;
    struct str key, value, found = {0};
    bool escaped;
    if (json_object_open(&m, object))
        while (json_object_next(&m, &key, &escaped, &value))
            if (key_is(key, escaped, name))
                found = value;
    return found;
}

/* json -> 'name', json -> 0; variant: enum json_result */
bool fn_json_get(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    struct str json = trimmed(args[0]);
    struct str part = args[1].kind == VALUE_INT ? element_at(json, args[1].i) : member_of(json, value_str(args[1]));
    return jsonb_part(ev, (enum json_result)e->variant, args[0], part, out, err);
}

/* An element's number as a path has it: an integer, perhaps with blanks in front, as strtoint() reads it. */
bool json_path_index(struct str text, int64_t *out)
{
    struct error ignored;
    struct value v;
    struct convert_context cx = {.zone = zone_utc, .now_us = INT64_MIN};
    bool blank_behind = text.len && text.data[text.len - 1] == ' ';
    if (blank_behind || !value_parse(&cx, text, TYPE(TYPE_INTEGER), &v, &ignored))
        return false;
    *out = v.i;
    return true;
}

static struct str step(struct str json, struct str name)
{
    int64_t index;
    if (jsonb_type(json) == JSONB_OBJECT)
        return member_of(json, name);
    if (jsonb_type(json) == JSONB_ARRAY && json_path_index(name, &index))
        return element_at(json, index);
    return (struct str){0};
}

/* json #> path, with the path's parts as values. */
static bool walk(struct eval *ev, enum json_result how, struct value whole, const struct value *parts, uint32_t count,
                 struct value *out, struct error *err)
{
    struct str json = trimmed(whole);
    for (uint32_t i = 0; i < count && json.data; i++) {
        if (value_is_null(parts[i]))
            return true;
        json = step(json, value_str(parts[i]));
    }
    return jsonb_part(ev, how, whole, json, out, err);
}

bool fn_json_path(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    const struct array *path = value_array(args[1]);
    return walk(ev, (enum json_result)e->variant, args[0], path->items, path->count, out, err);
}

/* jsonb_extract_path(json, 'a', 'b') */
bool fn_json_extract_path(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                          struct error *err)
{
    return walk(ev, (enum json_result)e->variant, args[0], args + 1, e->count - 1, out, err);
}

/* ---- asking -------------------------------------------------------------------------------------------------------- */

bool fn_json_typeof(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    static const char *const names[] = {"null", "string", "number", "boolean", "array", "object"};
    (void)ev, (void)e, (void)err;
    *out = value_text(str_of(names[jsonb_type(trimmed(args[0]))]));
    return true;
}

bool fn_json_array_length(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                          struct error *err)
{
    (void)ev, (void)e;
    struct json_members m;
    struct str element;
    int64_t count = 0;
    if (!json_array_open(&m, value_str(args[0])))
        return function_fail(err, "22023", "cannot get array length of a %s",
                             jsonb_type(trimmed(args[0])) == JSONB_OBJECT ? "non-array" : "scalar");
    while (json_array_next(&m, &element))
        count++;
    *out = value_int(count);
    return true;
}

static bool exists(struct str json, struct str name)
{
    struct json_members m;
    struct str element;
    if (jsonb_type(json) == JSONB_OBJECT)
        return member_of(json, name).data != NULL;
    if (jsonb_type(json) == JSONB_STRING)
        return jsonb_string_is(json, name);
    if (json_array_open(&m, json))
        while (json_array_next(&m, &element))
            if (jsonb_type(element) == JSONB_STRING && jsonb_string_is(element, name))
                return true;
    return false;
}

bool fn_json_exists(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_bool(exists(trimmed(args[0]), value_str(args[1])));
    return true;
}

/* variant: all of them (?&) or one (?|). NULLs among the names count for nothing. */
bool fn_json_exists_some(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                         struct error *err)
{
    (void)ev, (void)err;
    const struct array *names = value_array(args[1]);
    struct str json = trimmed(args[0]);
    bool all = e->variant == JSON_ALL, result = all;
    for (uint32_t i = 0; i < names->count && result == all; i++)
        if (!value_is_null(names->items[i]))
            result = exists(json, value_str(names->items[i]));
    *out = value_bool(result);
    return true;
}

bool fn_json_contains(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    (void)ev, (void)err;
    bool turned = e->variant == JSON_IS_CONTAINED;
    *out = value_bool(jsonb_contains(value_str(args[turned]), value_str(args[!turned])));
    return true;
}

bool jsonb_characters(struct arena *a, struct str string, struct str *out, struct error *err)
{
    struct value v = json_to_value(string);
    bool good = value_unescape(a, &v, err);
    *out = value_str(v);
    return good;
}

bool jsonb_string_is(struct str string, struct str text)
{
    struct str s = {string.data + 1, string.len - 2};
    if (!memchr(s.data, '\\', s.len))
        return str_eq(s, text);
    if (s.len < text.len)
        return false;
    struct arena arena = ARENA_INIT;
    struct error err;
    struct str characters;
    bool same = jsonb_characters(&arena, string, &characters, &err) && str_eq(characters, text);
    arena_release(&arena);
    return same;
}

/* ---- making -------------------------------------------------------------------------------------------------------- */

static void add_value(struct eval *ev, const struct expr *arg, struct value v)
{
    value_print_json(v, arg->type, ev->cx.zone, &ev->scratch);
}

bool fn_to_jsonb(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    ev->scratch.len = 0;
    add_value(ev, e->args[0], args[0]);
    return jsonb_finish(ev, out, err);
}

bool fn_json_build_array(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                         struct error *err)
{
    ev->scratch.len = 0;
    buffer_add_byte(&ev->scratch, '[');
    for (uint32_t i = 0; i < e->count; i++) {
        if (i)
            buffer_add_byte(&ev->scratch, ',');
        add_value(ev, e->args[i], args[i]);
    }
    buffer_add_byte(&ev->scratch, ']');
    return jsonb_finish(ev, out, err);
}

static void add_string(struct eval *ev, struct str s)
{
    buffer_add_byte(&ev->scratch, '"');
    json_escape(&ev->scratch, s);
    buffer_add_byte(&ev->scratch, '"');
}

/* A key is the text that the value would be in JSON. */
static bool add_key(struct eval *ev, const struct expr *arg, struct value v, uint32_t number, struct error *err)
{
    if (value_is_null(v))
        return function_fail(err, "22023", "argument %u: key must not be null", number);
    if (v.kind == VALUE_ARRAY || v.kind == VALUE_JSON)
        return function_fail(err, "22023", "key value must be scalar, not array, composite, or json");
    size_t start = ev->scratch.len;
    add_value(ev, arg, v);
    if (ev->scratch.data[start] == '"')
        return true;
    struct str bare = arena_str(ev->arena, (struct str){ev->scratch.data + start, ev->scratch.len - start});
    ev->scratch.len = start;
    add_string(ev, bare);
    return true;
}

bool fn_json_build_object(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                          struct error *err)
{
    if (e->count % 2)
        return function_fail(err, "22023", "argument list must have even number of elements");
    ev->scratch.len = 0;
    buffer_add_byte(&ev->scratch, '{');
    for (uint32_t i = 0; i < e->count; i += 2) {
        if (i)
            buffer_add_byte(&ev->scratch, ',');
        if (!add_key(ev, e->args[i], args[i], i + 1, err))
            return false;
        buffer_add_byte(&ev->scratch, ':');
        add_value(ev, e->args[i + 1], args[i + 1]);
    }
    buffer_add_byte(&ev->scratch, '}');
    return jsonb_finish(ev, out, err);
}

static bool add_pair(struct eval *ev, struct value key, struct value value, bool first, struct error *err)
{
    if (value_is_null(key))
        return function_fail(err, "22004", "null value not allowed for object key");
    if (!first)
        buffer_add_byte(&ev->scratch, ',');
    add_string(ev, value_str(key));
    buffer_add_byte(&ev->scratch, ':');
    value_print_json(value, TYPE(TYPE_TEXT), ev->cx.zone, &ev->scratch);
    return true;
}

/* jsonb_object(keys, values); or keys and values in turn, or as pairs. */
bool fn_json_object(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    const struct array *keys = value_array(args[0]), *values = e->count > 1 ? value_array(args[1]) : NULL;
    if (keys->dimensions > (values ? 1 : 2) || (values && values->dimensions > 1))
        return function_fail(err, "2202E", "wrong number of array subscripts");
    if (keys->dimensions == 2 && keys->lengths[1] != 2)
        return function_fail(err, "2202E", "array must have two columns");
    if (!values && keys->count % 2)
        return function_fail(err, "2202E", "array must have even number of elements");
    if (values && values->count != keys->count)
        return function_fail(err, "2202E", "mismatched array dimensions");
    ev->scratch.len = 0;
    buffer_add_byte(&ev->scratch, '{');
    for (uint32_t i = 0; i < keys->count; i += values ? 1 : 2)
        if (!add_pair(ev, keys->items[i], values ? values->items[i] : keys->items[i + 1], i == 0, err))
            return false;
    buffer_add_byte(&ev->scratch, '}');
    return jsonb_finish(ev, out, err);
}
