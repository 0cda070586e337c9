/*
 * JSON (manual, 9.16): changed values. Each writes the new text from pieces of the old one and brings it into normal form. Follows jsonfuncs.c.
 */
#include "pipeline/event/array.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/jsonb.h"

static void add(struct eval *ev, struct str s)
{
    buffer_add_str(&ev->scratch, s);
}

/* A member or element behind others: a comma, unless it is the first since the bracket. */
static void separate(struct eval *ev)
{
    char last = ev->scratch.data[ev->scratch.len - 1];
    if (last != '[' && last != '{')
        buffer_add_byte(&ev->scratch, ',');
}

static void add_member(struct eval *ev, struct str key, struct str value)
{
    separate(ev);
    buffer_add_byte(&ev->scratch, '"');
    add(ev, key);
    buffer_add(&ev->scratch, "\":", 2);
    add(ev, value);
}

static void add_element(struct eval *ev, struct str element)
{
    separate(ev);
    add(ev, element);
}

static bool is_scalar(struct str json)
{
    return jsonb_type(json) < JSONB_ARRAY;
}

/* ---- || ------------------------------------------------------------------------------------------------------------ */

static void add_elements(struct eval *ev, struct str json)
{
    struct json_members m;
    struct str element;
    if (!json_array_open(&m, json)) {
        add_element(ev, json);
        return;
    }
    while (json_array_next(&m, &element))
        add_element(ev, element);
}

static void add_members(struct eval *ev, struct str object)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    json_object_open(&m, object);
    while (json_object_next(&m, &key, &escaped, &value))
        add_member(ev, key, value);
}

bool fn_json_concat(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)e;
    struct str x = value_str(args[0]), y = value_str(args[1]);
    bool objects = jsonb_type(x) == JSONB_OBJECT && jsonb_type(y) == JSONB_OBJECT;
    ev->scratch.len = 0;
    buffer_add_byte(&ev->scratch, objects ? '{' : '[');
    void (*add_all)(struct eval *, struct str) = objects ? add_members : add_elements;
    add_all(ev, x);
    add_all(ev, y);
    buffer_add_byte(&ev->scratch, objects ? '}' : ']');
    return jsonb_finish(ev, out, err);
}

/* ---- - ------------------------------------------------------------------------------------------------------------- */

static bool is_named(struct str quoted, const struct value *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!value_is_null(names[i]) && jsonb_string_is(quoted, value_str(names[i])))
            return true;
    return false;
}

static bool without(struct eval *ev, struct value whole, const struct value *names, uint32_t count, struct value *out,
                    struct error *err)
{
    struct json_members m;
    struct str json = value_str(whole), key, value;
    bool escaped;
    if (is_scalar(json))
        return function_fail(err, "22023", "cannot delete from scalar");
    ev->scratch.len = 0;
    buffer_add_byte(&ev->scratch, json.data[0]);
    if (json_object_open(&m, json)) {
        while (json_object_next(&m, &key, &escaped, &value))
            if (!is_named((struct str){key.data - 1, key.len + 2}, names, count))
                add_member(ev, key, value);
    } else {
        json_array_open(&m, json);
        while (json_array_next(&m, &value))
            if (jsonb_type(value) != JSONB_STRING || !is_named(value, names, count))
                add_element(ev, value);
    }
    buffer_add_byte(&ev->scratch, json.data[json.len - 1]);
    return jsonb_finish(ev, out, err);
}

bool fn_json_without(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)e;
    if (args[1].kind == VALUE_TEXT)
        return without(ev, args[0], &args[1], 1, out, err);
    const struct array *names = value_array(args[1]);
    if (names->dimensions > 1)
        return function_fail(err, "2202E", "wrong number of array subscripts");
    return without(ev, args[0], names->items, names->count, out, err);
}

static int64_t length_of(struct str array)
{
    struct json_members m;
    struct str element;
    int64_t count = 0;
    json_array_open(&m, array);
    while (json_array_next(&m, &element))
        count++;
    return count;
}

bool fn_json_without_element(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                             struct error *err)
{
    (void)e;
    struct json_members m;
    struct str json = value_str(args[0]), element;
    if (is_scalar(json))
        return function_fail(err, "22023", "cannot delete from scalar");
    if (jsonb_type(json) == JSONB_OBJECT)
        return function_fail(err, "22023", "cannot delete from object using integer index");
    int64_t index = args[1].i < 0 ? args[1].i + length_of(json) : args[1].i;
    ev->scratch.len = 0;
    buffer_add_byte(&ev->scratch, '[');
    json_array_open(&m, json);
    for (int64_t i = 0; json_array_next(&m, &element); i++)
        if (i != index)
            add_element(ev, element);
    buffer_add_byte(&ev->scratch, ']');
    return jsonb_finish(ev, out, err);
}

/* ---- jsonb_set, jsonb_insert, #- ----------------------------------------------------------------------------------- */

struct change {
    struct eval *ev;
    enum json_change how;
    const struct value *path;
    uint32_t length;
    struct str value;
    struct error *err;
};

static bool adds(const struct change *c)
{
    return c->how == JSON_CREATE || c->how == JSON_INSERT_BEFORE || c->how == JSON_INSERT_AFTER;
}

static bool change_at(struct change *c, struct str json, uint32_t level);

static void add_new_member(struct change *c, struct str name)
{
    separate(c->ev);
    buffer_add_byte(&c->ev->scratch, '"');
    json_escape(&c->ev->scratch, name);
    buffer_add(&c->ev->scratch, "\":", 2);
    add(c->ev, c->value);
}

static bool change_member(struct change *c, struct str key, struct str value, uint32_t level)
{
    if (level + 1 < c->length) {
        add_member(c->ev, key, (struct str){0});
        return change_at(c, value, level + 1);
    }
    if (c->how == JSON_INSERT_BEFORE || c->how == JSON_INSERT_AFTER)
        return function_fail(c->err, "22023", "cannot replace existing key");
    if (c->how != JSON_DELETE)
        add_member(c->ev, key, c->value);
    return true;
}

static bool change_object(struct change *c, struct str object, uint32_t level)
{
    struct json_members m;
    struct str key, value, name = value_str(c->path[level]);
    bool escaped, done = false;
    buffer_add_byte(&c->ev->scratch, '{');
    json_object_open(&m, object);
    while (json_object_next(&m, &key, &escaped, &value)) {
        if (done || !jsonb_string_is((struct str){key.data - 1, key.len + 2}, name)) {
            add_member(c->ev, key, value);
            continue;
        }
        done = true;
        if (!change_member(c, key, value, level))
            return false;
    }
    if (!done && adds(c) && level + 1 == c->length)
        add_new_member(c, name);
    buffer_add_byte(&c->ev->scratch, '}');
    return true;
}

static bool change_element(struct change *c, struct str element, uint32_t level)
{
    if (level + 1 < c->length) {
        separate(c->ev);
        return change_at(c, element, level + 1);
    }
    if (c->how == JSON_INSERT_BEFORE || c->how == JSON_CREATE)
        add_element(c->ev, c->value);
    if (c->how == JSON_INSERT_BEFORE || c->how == JSON_INSERT_AFTER)
        add_element(c->ev, element);
    if (c->how == JSON_INSERT_AFTER || c->how == JSON_REPLACE)
        add_element(c->ev, c->value);
    return true;
}

static bool change_array(struct change *c, struct str array, uint32_t level)
{
    struct json_members m;
    struct str element, name = value_str(c->path[level]);
    int64_t index, count = length_of(array);
    bool last = level + 1 == c->length, done = false;
    if (!json_path_index(name, &index))
        return function_fail(c->err, "22P02", "path element at position %u is not an integer: \"%.*s\"", level + 1,
                             (int)name.len, name.data);
    if (index < 0)
        index = -index > count ? INT64_MIN : count + index;
    if (index > count)
        index = count;
    buffer_add_byte(&c->ev->scratch, '[');
    if ((index == INT64_MIN || count == 0) && last && adds(c)) {
        add_element(c->ev, c->value);
        done = true;
    }
    json_array_open(&m, array);
    for (int64_t i = 0; json_array_next(&m, &element); i++) {
        if (i != index) {
            add_element(c->ev, element);
            continue;
        }
        done = true;
        if (!change_element(c, element, level))
            return false;
    }
    if (!done && last && adds(c))
        add_element(c->ev, c->value);
    buffer_add_byte(&c->ev->scratch, ']');
    return true;
}

static bool change_at(struct change *c, struct str json, uint32_t level)
{
    if (value_is_null(c->path[level]))
        return function_fail(c->err, "22004", "path element at position %u is null", level + 1);
    if (jsonb_type(json) == JSONB_OBJECT)
        return change_object(c, json, level);
    if (jsonb_type(json) == JSONB_ARRAY)
        return change_array(c, json, level);
    add(c->ev, json);
    return true;
}

static bool change(struct eval *ev, struct value whole, struct value path, struct str value, enum json_change how,
                   struct value *out, struct error *err)
{
    const struct array *p = value_array(path);
    struct str json = value_str(whole);
    if (p->dimensions > 1)
        return function_fail(err, "2202E", "wrong number of array subscripts");
    if (is_scalar(json))
        return function_fail(err, "22023", how == JSON_DELETE ? "cannot delete path in scalar" : "cannot set path in scalar");
    *out = whole;
    bool empty = json.len == 2;
    if (p->count == 0 || (empty && (how == JSON_REPLACE || how == JSON_DELETE)))
        return true;
    struct change c = {ev, how, p->items, p->count, value, err};
    ev->scratch.len = 0;
    return change_at(&c, json, 0) && jsonb_finish(ev, out, err);
}

bool fn_json_set(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    bool creates = e->count < 4 || args[3].i;
    return change(ev, args[0], args[1], value_str(args[2]), creates ? JSON_CREATE : JSON_REPLACE, out, err);
}

static bool bad_treatment(struct error *err)
{
    return function_fail(err, "22023",
                         "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or "
                         "\"raise_exception\"");
}

static bool set_null(struct eval *ev, const struct value *args, struct str treatment, bool creates, struct value *out,
                     struct error *err)
{
    if (str_eq(treatment, STR("raise_exception")))
        return function_fail(err, "22004", "JSON value must not be null");
    if (str_eq(treatment, STR("use_json_null")))
        return change(ev, args[0], args[1], STR("null"), creates ? JSON_CREATE : JSON_REPLACE, out, err);
    if (str_eq(treatment, STR("delete_key")))
        return change(ev, args[0], args[1], (struct str){0}, JSON_DELETE, out, err);
    *out = args[0];
    return str_eq(treatment, STR("return_target")) || bad_treatment(err);
}

/* target, path, value [, creates [, what a NULL value does]] */
bool fn_json_set_lax(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    bool creates = e->count < 4 || args[3].i;
    *out = value_null();
    if (value_is_null(args[0]) || value_is_null(args[1]) || (e->count > 3 && value_is_null(args[3])))
        return true;
    if (e->count > 4 && value_is_null(args[4]))
        return bad_treatment(err);
    struct str treatment = e->count > 4 ? value_str(args[4]) : STR("use_json_null");
    if (value_is_null(args[2]))
        return set_null(ev, args, treatment, creates, out, err);
    return change(ev, args[0], args[1], value_str(args[2]), creates ? JSON_CREATE : JSON_REPLACE, out, err);
}

bool fn_json_insert(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    bool after = e->count > 3 && args[3].i;
    return change(ev, args[0], args[1], value_str(args[2]), after ? JSON_INSERT_AFTER : JSON_INSERT_BEFORE, out, err);
}

bool fn_json_without_path(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                          struct error *err)
{
    (void)e;
    return change(ev, args[0], args[1], (struct str){0}, JSON_DELETE, out, err);
}

/* ---- whole values -------------------------------------------------------------------------------------------------- */

static void strip(struct eval *ev, struct str json)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    if (is_scalar(json)) {
        add(ev, json);
        return;
    }
    buffer_add_byte(&ev->scratch, json.data[0]);
    if (json_object_open(&m, json)) {
        while (json_object_next(&m, &key, &escaped, &value)) {
            if (jsonb_type(value) == JSONB_NULL)
                continue;
            add_member(ev, key, (struct str){0});
            strip(ev, value);
        }
    } else {
        json_array_open(&m, json);
        while (json_array_next(&m, &value)) {
            separate(ev);
            strip(ev, value);
        }
    }
    buffer_add_byte(&ev->scratch, json.data[json.len - 1]);
}

bool fn_json_strip_nulls(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                         struct error *err)
{
    (void)e;
    ev->scratch.len = 0;
    strip(ev, value_str(args[0]));
    return jsonb_finish(ev, out, err);
}

static void new_line(struct eval *ev, uint32_t level)
{
    enum { INDENT = 4 };
    char *to = buffer_reserve(&ev->scratch, 1 + INDENT * (size_t)level);
    *to = '\n';
    memset(to + 1, ' ', INDENT * (size_t)level);
    ev->scratch.len += 1 + INDENT * (size_t)level;
}

static void pretty(struct eval *ev, struct str json, uint32_t level)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    if (is_scalar(json)) {
        add(ev, json);
        return;
    }
    buffer_add_byte(&ev->scratch, json.data[0]);
    bool object = json_object_open(&m, json), first = true;
    if (!object)
        json_array_open(&m, json);
    while (object ? json_object_next(&m, &key, &escaped, &value) : json_array_next(&m, &value)) {
        if (!first)
            buffer_add_byte(&ev->scratch, ',');
        first = false;
        new_line(ev, level + 1);
        if (object) {
            add(ev, (struct str){key.data - 1, key.len + 2});
            buffer_add(&ev->scratch, ": ", 2);
        }
        pretty(ev, value, level + 1);
    }
    new_line(ev, level);
    buffer_add_byte(&ev->scratch, json.data[json.len - 1]);
}

bool fn_json_pretty(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)e, (void)err;
    ev->scratch.len = 0;
    pretty(ev, value_str(args[0]), 0);
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}
