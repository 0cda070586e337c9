/*
 * The functions that make rows (manual, 9.16, 9.19, 9.25). Each gives an array of its rows' values, which set.c writes out.
 */
#include "pipeline/event/array.h"
#include "pipeline/event/interval.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/jsonb.h"

const struct set_shape set_of_elements = {1, {NULL}, {TYPE_ANYELEMENT}};
const struct set_shape set_of_values = {1, {"value"}, {TYPE_ANYELEMENT}};
const struct set_shape set_of_members = {2, {"key", "value"}, {TYPE_TEXT, TYPE_JSONB}};
const struct set_shape set_of_text_members = {2, {"key", "value"}, {TYPE_TEXT, TYPE_TEXT}};

bool fn_unnest(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = args[0];
    return true;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static bool as_value(struct eval *ev, enum json_result how, struct str json, uint8_t flags, struct value *out,
                     struct error *err)
{
    struct value whole = {.kind = VALUE_JSON, .flags = flags, .ptr = json.data, .len = (uint32_t)json.len};
    return jsonb_part(ev, how, whole, json, out, err);
}

bool fn_json_elements(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    struct json_members m;
    struct str json = value_str(args[0]), element;
    uint32_t count = 0;
    if (!json_array_open(&m, json))
        return function_fail(err, "22023", "cannot extract elements from %s",
                             json.len && json.data[0] == '{' ? "an object" : "a scalar");
    while (json_array_next(&m, &element))
        count++;
    struct array *a = array_new(ev->arena, count);
    json_array_open(&m, json);
    for (uint32_t i = 0; json_array_next(&m, &element); i++) {
        a->items[i] = value_null();
        if (!as_value(ev, (enum json_result)e->variant, element, args[0].flags & VALUE_NORMAL, &a->items[i], err))
            return false;
    }
    *out = value_of_array(a);
    return true;
}

/* The members in jsonb's order; duplicates are gone, for the argument is in normal form. variant: enum json_members_of */
bool fn_json_members(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    struct json_members m;
    struct str json = value_str(args[0]), key, value;
    bool escaped;
    uint32_t count = 0, width = e->variant == JSON_KEYS ? 1 : 2;
    if (!json_object_open(&m, json))
        return function_fail(err, "22023", "cannot call %s on %s", e->variant == JSON_KEYS ? "jsonb_object_keys" : "jsonb_each",
                             json.data[0] == '[' ? "an array" : "a scalar");
    while (json_object_next(&m, &key, &escaped, &value))
        count++;
    struct array *a = array_new(ev->arena, count * width);
    json_object_open(&m, json);
    for (uint32_t i = 0; json_object_next(&m, &key, &escaped, &value); i += width) {
        struct str name;
        if (!jsonb_characters(ev->arena, (struct str){key.data - 1, key.len + 2}, &name, err))
            return false;
        a->items[i] = value_text(name);
        if (width == 1)
            continue;
        a->items[i + 1] = value_null();
        enum json_result how = e->variant == JSON_EACH ? JSON_AS_JSON : JSON_AS_TEXT;
        if (!as_value(ev, how, value, VALUE_NORMAL, &a->items[i + 1], err))
            return false;
    }
    *out = value_of_array(a);
    return true;
}

/* ---- series --------------------------------------------------------------------------------------------------------
 */

enum { LONGEST_SERIES = 100000 };

static bool too_long(struct error *err)
{
    return function_fail(err, "54000", "generate_series() gives at most %d rows", LONGEST_SERIES);
}

static bool no_step(struct error *err)
{
    return function_fail(err, "22023", "step size cannot equal zero");
}

bool fn_generate_series(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                        struct error *err)
{
    int64_t from = args[0].i, to = args[1].i, step = e->count > 2 ? args[2].i : 1;
    if (step == 0)
        return no_step(err);
    __int128 distance = step > 0 ? (__int128)to - from : (__int128)from - to;
    __int128 count = distance < 0 ? 0 : distance / (step > 0 ? (__int128)step : -(__int128)step) + 1;
    if (count > LONGEST_SERIES)
        return too_long(err);
    struct array *a = array_new(ev->arena, (uint32_t)count);
    for (uint32_t i = 0; i < a->count; i++)
        a->items[i] = value_int((int64_t)(from + (__int128)step * i));
    *out = value_of_array(a);
    return true;
}

/* What comes behind a value of a series that is not known by its length. */
typedef bool next_fn(struct eval *ev, struct value at, struct value step, struct value *out, struct error *err);
/* Whether x stands behind y. */
typedef bool behind_fn(struct value x, struct value y);

static bool walk(struct eval *ev, const struct value *args, struct value step, bool upwards, next_fn *next,
                 behind_fn *behind, struct value *out, struct error *err)
{
    struct value at = args[0], end = args[1], *items = NULL;
    uint32_t count = 0, capacity = 0;
    while (upwards ? !behind(at, end) : !behind(end, at)) {
        if (count == LONGEST_SERIES)
            return too_long(err);
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            struct value *grown = arena_array(ev->arena, struct value, capacity);
            if (count)
                memcpy(grown, items, count * sizeof(*items));
            items = grown;
        }
        items[count++] = at;
        if (!next(ev, at, step, &at, err))
            return false;
    }
    struct array *a = array_new(ev->arena, count);
    if (count)
        memcpy(a->items, items, count * sizeof(*items));
    *out = value_of_array(a);
    return true;
}

static bool next_numeric(struct eval *ev, struct value at, struct value step, struct value *out, struct error *err)
{
    return numeric_add(ev->arena, at, step, out, err);
}

static bool numeric_is_behind(struct value x, struct value y)
{
    return numeric_compare(x, y) > 0;
}

static bool is_finite(struct value v, const char *what, struct error *err)
{
    int scale, least;
    return numeric_scale(v, &scale, &least) ||
           function_fail(err, "22023", "%s cannot be %s", what, numeric_is_nan(v) ? "NaN" : "infinity");
}

bool fn_generate_numerics(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                          struct error *err)
{
    struct value step = e->count > 2 ? args[2] : value_decimal(1, 0);
    if (!is_finite(args[0], "start value", err) || !is_finite(args[1], "stop value", err) ||
        !is_finite(step, "step size", err))
        return false;
    int sign = numeric_sign(step);
    return sign == 0 ? no_step(err) : walk(ev, args, step, sign > 0, next_numeric, numeric_is_behind, out, err);
}

static bool next_time(struct eval *ev, struct value at, struct value step, struct value *out, struct error *err)
{
    *out = at;
    return timestamp_add_interval(at.i, interval_of(step), at.kind == VALUE_TIMESTAMPTZ ? ev->cx.zone : NULL, &out->i,
                                  err);
}

static bool time_is_behind(struct value x, struct value y)
{
    return x.i > y.i;
}

bool fn_generate_times(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    (void)e;
    int sign = interval_compare(interval_of(args[2]), (struct interval){0});
    return sign == 0 ? no_step(err) : walk(ev, args, args[2], sign > 0, next_time, time_is_behind, out, err);
}

/* array, dimension [, backwards] */
bool fn_generate_subscripts(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                            struct error *err)
{
    (void)err;
    const struct array *of = value_array(args[0]);
    int64_t d = args[1].i - 1;
    bool exists = d >= 0 && d<of->dimensions, backwards = e->count> 2 && args[2].i;
    struct array *a = array_new(ev->arena, exists ? (uint32_t)of->lengths[d] : 0);
    for (uint32_t i = 0; i < a->count; i++)
        a->items[i] = value_int((int64_t)of->lower[d] + (backwards ? a->count - 1 - i : i));
    *out = value_of_array(a);
    return true;
}
