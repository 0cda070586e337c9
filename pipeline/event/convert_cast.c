#include "pipeline/event/convert_pieces.h"

#include <float.h>
#include <math.h>

#include "pipeline/event/array.h"
#include "pipeline/event/datetime_text.h"
#include "pipeline/event/interval.h"
#include "pipeline/event/numeric.h"

/* ---- errors
 * ---------------------------------------------------------------------------------------------------------- */

static bool no_cast(struct error *err, enum type_id from, enum type_id to)
{
    error_set(err, ERROR_STOP, "cannot cast type %s to %s", type_id_name(from), type_id_name(to));
    memcpy(err->sqlstate, "42846", 6);
    return false;
}

static bool number_out_of_range(struct error *err, enum type_id to)
{
    return convert_reject(err, "22003", "%s out of range", type_id_name(to));
}

/* ---- to integers, floats, numeric
 * -------------------------------------------------------------------------------------- */

static bool int_in_range(int64_t i, enum type_id to)
{
    if (to == TYPE_SMALLINT)
        return i >= INT16_MIN && i <= INT16_MAX;
    return to == TYPE_BIGINT || (i >= INT32_MIN && i <= INT32_MAX);
}

static bool int_from_int64(int64_t i, enum type_id to, struct value *out, struct error *err)
{
    *out = value_int(i);
    return int_in_range(i, to) || number_out_of_range(err, to);
}

/* Rounded half to even; NaN is out of range. */
static bool int_from_double(double d, enum type_id to, struct value *out, struct error *err)
{
    double whole = rint(d);
    if (!(whole >= -0x1p63 && whole < 0x1p63))
        return number_out_of_range(err, to);
    return int_from_int64((int64_t)whole, to, out, err);
}

/* Rounded half away from zero. */
static bool int_from_numeric(struct value v, enum type_id to, struct value *out, struct error *err)
{
    int64_t i;
    if (numeric_to_int64(v, &i))
        return int_from_int64(i, to, out, err);
    if (numeric_is_nan(v))
        return convert_reject(err, "0A000", "cannot convert NaN to %s", type_id_name(to));
    if (v.kind == VALUE_NUMBER && (v.ptr[v.len - 1] == 'y' || v.ptr[v.len - 1] == 'Y'))
        return convert_reject(err, "0A000", "cannot convert infinity to %s", type_id_name(to));
    return number_out_of_range(err, to);
}

static bool real_from_double(double d, struct value *out, struct error *err)
{
    float f = (float)d;
    *out = (struct value){.kind = VALUE_REAL, .d = f};
    if (isinf(f) && !isinf(d))
        return convert_reject(err, "22003", "value out of range: overflow");
    if (f == 0 && d != 0)
        return convert_reject(err, "22003", "value out of range: underflow");
    return true;
}

/* By way of the text, as in Postgres: rounded once. */
static bool float_from_numeric(struct value v, enum type_id to, struct value *out, struct error *err)
{
    if (v.kind == VALUE_DECIMAL && to == TYPE_DOUBLE) {
        *out = value_double(numeric_to_double(v));
        return true;
    }
    char text[SHORT_TEXT];
    struct str s = value_str(v);
    if (v.kind == VALUE_DECIMAL)
        s = (struct str){text, convert_print_short(v, zone_utc, text)};
    *out = (struct value){.kind = to == TYPE_REAL ? VALUE_REAL : VALUE_DOUBLE};
    if (float_parse(s, to, &out->d, err))
        return true;
    struct buffer plain = {0};
    numeric_print(v, &plain);
    convert_reject(err, "22003", "\"" STR_FMT "\" is out of range for type %s", (int)plain.len, plain.data,
                   type_id_name(to));
    buffer_release(&plain);
    return false;
}

static bool numeric_typmod(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                           struct error *err)
{
    *out = v;
    return to.precision < 0 || numeric_apply_typmod(cx->arena, v, to.precision, to.scale, out, err);
}

static bool is_integer(enum type_id id)
{
    return id == TYPE_SMALLINT || id == TYPE_INTEGER || id == TYPE_BIGINT;
}

static bool cast_int(const struct convert_context *cx, struct value v, enum type_id from, struct type to,
                     struct value *out, struct error *err)
{
    if (is_integer(to.id))
        return int_from_int64(v.i, to.id, out, err);
    if (to.id == TYPE_NUMERIC)
        return numeric_typmod(cx, numeric_from_int64(v.i), to, out, err);
    if (to.id == TYPE_BOOLEAN && from == TYPE_INTEGER) {
        *out = value_bool(v.i != 0);
        return true;
    }
    if (to.id != TYPE_REAL && to.id != TYPE_DOUBLE)
        return no_cast(err, from, to.id);
    *out = to.id == TYPE_REAL ? (struct value){.kind = VALUE_REAL, .d = (float)v.i} : value_double((double)v.i);
    return true;
}

static bool cast_float(const struct convert_context *cx, struct value v, enum type_id from, struct type to,
                       struct value *out, struct error *err)
{
    if (is_integer(to.id))
        return int_from_double(v.d, to.id, out, err);
    if (to.id == TYPE_REAL)
        return real_from_double(v.d, out, err);
    if (to.id == TYPE_DOUBLE) {
        *out = value_double(v.d);
        return true;
    }
    if (to.id != TYPE_NUMERIC)
        return no_cast(err, from, to.id);
    struct value n = from == TYPE_REAL ? numeric_from_real(cx->arena, v.d) : numeric_from_double(cx->arena, v.d);
    return numeric_typmod(cx, n, to, out, err);
}

static bool cast_numeric(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                         struct error *err)
{
    if (is_integer(to.id))
        return int_from_numeric(v, to.id, out, err);
    if (to.id == TYPE_REAL || to.id == TYPE_DOUBLE)
        return float_from_numeric(v, to.id, out, err);
    if (to.id == TYPE_NUMERIC)
        return numeric_typmod(cx, v, to, out, err);
    return no_cast(err, TYPE_NUMERIC, to.id);
}

static bool cast_boolean(struct value v, struct type to, struct value *out, struct error *err)
{
    *out = v;
    if (to.id == TYPE_INTEGER)
        *out = value_int(v.i);
    return to.id == TYPE_INTEGER || to.id == TYPE_BOOLEAN || no_cast(err, TYPE_BOOLEAN, to.id);
}

/* ---- dates and times
 * --------------------------------------------------------------------------------------------------- */

static bool is_infinite(int64_t us)
{
    return us == INT64_MIN || us == INT64_MAX;
}

/* The day of a local time. */
static struct value date_of(int64_t local)
{
    int64_t days = local / USECS_PER_DAY - (local % USECS_PER_DAY < 0);
    return (struct value){.kind = VALUE_DATE, .i = days};
}

static struct value infinite_date(int64_t us)
{
    return (struct value){.kind = VALUE_DATE, .i = us < 0 ? INT32_MIN : INT32_MAX};
}

static bool date_out_of_range(struct error *err)
{
    return convert_reject(err, "22008", "date out of range for timestamp");
}

/* Midnight as a local time. */
static bool midnight(struct value date, int64_t *local, struct error *err)
{
    const int64_t end = 106751983; /* 294277-01-01 */
    if (date.i == INT32_MIN || date.i == INT32_MAX) {
        *local = date.i < 0 ? INT64_MIN : INT64_MAX;
        return true;
    }
    if (date.i >= end)
        return date_out_of_range(err);
    *local = date.i * USECS_PER_DAY;
    return true;
}

static bool instant_of_local(const struct zone *zone, int64_t local, struct type to, struct value *out,
                             struct error *err)
{
    *out = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = is_infinite(local) ? local : zone_local_to_utc(zone, local)};
    if (!is_infinite(out->i) && !timestamp_in_range(out->i))
        return convert_reject(err, "22008", "timestamp out of range");
    out->i = timestamp_round(out->i, to.precision);
    return true;
}

static bool local_value(int64_t local, struct type to, struct value *out, struct error *err)
{
    *out = (struct value){.kind = VALUE_TIMESTAMP, .i = timestamp_round(local, to.precision)};
    if (!is_infinite(local) && !timestamp_in_range(local))
        return convert_reject(err, "22008", "timestamp out of range");
    return true;
}

static bool cast_date(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                      struct error *err)
{
    int64_t local = 0;
    if (to.id != TYPE_TIMESTAMP && to.id != TYPE_TIMESTAMPTZ)
        return no_cast(err, TYPE_DATE, to.id);
    if (!midnight(v, &local, err))
        return false;
    if (to.id == TYPE_TIMESTAMP)
        return local_value(local, to, out, err);
    return instant_of_local(cx->zone, local, to, out, err) || date_out_of_range(err);
}

static bool cast_timestamp(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                           struct error *err)
{
    if (to.id == TYPE_TIMESTAMP)
        return local_value(v.i, to, out, err);
    if (to.id == TYPE_TIMESTAMPTZ)
        return instant_of_local(cx->zone, v.i, to, out, err);
    if (to.id != TYPE_DATE)
        return no_cast(err, TYPE_TIMESTAMP, to.id);
    *out = is_infinite(v.i) ? infinite_date(v.i) : date_of(v.i);
    return true;
}

static bool cast_timestamptz(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                             struct error *err)
{
    if (to.id == TYPE_TIMESTAMPTZ) {
        *out = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = timestamp_round(v.i, to.precision)};
        return true;
    }
    if (to.id != TYPE_TIMESTAMP && to.id != TYPE_DATE)
        return no_cast(err, TYPE_TIMESTAMPTZ, to.id);
    int64_t local = is_infinite(v.i) ? v.i : v.i + zone_offset_at(cx->zone, v.i, NULL) * USECS_PER_SEC;
    if (to.id == TYPE_TIMESTAMP)
        return local_value(local, to, out, err);
    *out = is_infinite(v.i) ? infinite_date(v.i) : date_of(local);
    return true;
}

/* ---- text
 * ---------------------------------------------------------------------------------------------------------------- */

static bool cast_text(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                      struct error *err)
{
    bool same_text = to.id == TYPE_TEXT || to.id == TYPE_UNKNOWN;
    if (same_text && to.precision < 0) {
        *out = v;
        return true;
    }
    if (!value_unescape(cx->arena, &v, err))
        return false;
    if (!same_text)
        return value_parse(cx, value_str(v), to, out, err);
    bool ignored; /* a cast cuts silently */
    struct str cut = text_apply_typmod(value_str(v), to.precision, &ignored);
    *out = v;
    out->len = (uint32_t)cut.len;
    return true;
}

static struct value text_in_arena(struct arena *a, struct value v, struct type from, const struct zone *zone)
{
    char small[SHORT_TEXT];
    size_t len = from.id == TYPE_JSON ? 0 : convert_print_short(v, zone, small);
    if (len > 0) {
        struct value text = value_text(arena_str(a, (struct str){small, len}));
        text.flags = VALUE_JSON_SAFE;
        return text;
    }
    struct buffer b = {0};
    value_print(v, from, zone, &b);
    struct value text = value_text(arena_str(a, (struct str){b.data, b.len}));
    buffer_release(&b);
    return text;
}

/* Of any type but text itself. */
static bool text_from(const struct convert_context *cx, struct value v, struct type from, struct type to,
                      struct value *out, struct error *err)
{
    if (v.kind == VALUE_BOOL) { /* the cast says more than the type's output */
        *out = value_text(v.i ? STR("true") : STR("false"));
        out->flags = VALUE_JSON_SAFE;
    } else if (v.kind == VALUE_JSON || (v.kind == VALUE_NUMBER && from.id == TYPE_JSON)) {
        *out = value_text(value_str(v));
        out->flags = v.kind == VALUE_NUMBER ? VALUE_JSON_SAFE : 0;
    } else {
        *out = text_in_arena(cx->arena, v, from, cx->zone);
    }
    return cast_text(cx, *out, to, out, err);
}

/* ---- JSON
 * ---------------------------------------------------------------------------------------------------------------- */

enum { SHOWN = 60 };

/* The beginning of a value, for messages. */
static struct str shown(struct str s, const char **more)
{
    *more = "";
    if (s.len <= SHOWN)
        return s;
    *more = "…";
    s.len = SHOWN;
    while (s.len > 0 && ((uint8_t)s.data[s.len] & 0xc0) == 0x80)
        s.len--;
    return s;
}

static const char *json_kind(struct value v)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_BOOL:
        return "boolean";
    case VALUE_NUMBER:
    case VALUE_DECIMAL:
        return "number";
    case VALUE_TEXT:
        return "string";
    default:
        return *v.ptr == '{' ? "object" : "array";
    }
}

static bool wrong_json(struct value v, enum type_id to, struct error *err)
{
    struct buffer b = {0};
    const char *more;
    value_print(v, TYPE(TYPE_JSON), zone_utc, &b);
    struct str s = shown((struct str){b.data, b.len}, &more);
    convert_reject(err, "22023", "cannot cast JSON %s %.*s%s to type %s", json_kind(v), (int)s.len, s.data, more,
                   type_id_name(to));
    buffer_release(&b);
    return false;
}

static bool is_number(enum type_id id)
{
    return is_integer(id) || id == TYPE_NUMERIC || id == TYPE_REAL || id == TYPE_DOUBLE;
}

static bool json_number_to(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                           struct error *err)
{
    int64_t i;
    unsigned scale;
    if (v.kind == VALUE_NUMBER && is_integer(to.id) && numeric_parse_small(v.ptr, v.len, &i, &scale) && scale == 0)
        return int_from_int64(i, to.id, out, err);
    /* one that numeric cannot hold has an exponent or is very long */
    const size_t plain = 1000;
    bool doubtful = v.kind == VALUE_NUMBER && (v.len > plain || memchr(v.ptr, 'e', v.len) || memchr(v.ptr, 'E', v.len));
    if (doubtful && to.id != TYPE_DOUBLE && to.id != TYPE_REAL && !numeric_check(v, err))
        return false;
    return cast_numeric(cx, v, to, out, err);
}

/* A JSON text of one member's value, in the arena. */
static struct value json_text_of(struct arena *a, struct value v)
{
    if (v.kind == VALUE_JSON)
        return v;
    struct value out = {.kind = VALUE_JSON};
    if (v.kind == VALUE_NUMBER) {
        out.ptr = v.ptr;
        out.len = v.len;
        return out;
    }
    struct buffer b = {0};
    value_print_json(v, TYPE(TYPE_JSON), zone_utc, &b);
    struct str copy = arena_str(a, (struct str){b.data, b.len});
    buffer_release(&b);
    out.ptr = copy.data;
    out.len = (uint32_t)copy.len;
    return out;
}

/* An undeclared member. A string is text and is read as one; any other sort of JSON goes only to its own types. */
static bool cast_json(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                      struct error *err)
{
    if (to.id == TYPE_JSON) {
        *out = v;
        return true;
    }
    if (to.id == TYPE_JSONB) {
        *out = json_text_of(cx->arena, v);
        return true;
    }
    if (v.kind == VALUE_TEXT)
        return cast_text(cx, v, to, out, err);
    if (v.kind == VALUE_JSON && type_is_array(to.id))
        return array_from_json(cx, value_str(v), to, ARRAY_ITEMS_CAST, out, err);
    if (to.id == TYPE_TEXT || to.id == TYPE_UNKNOWN)
        return text_from(cx, v, TYPE(TYPE_JSON), to, out, err);
    if (v.kind == VALUE_BOOL && to.id == TYPE_BOOLEAN) {
        *out = v;
        return true;
    }
    if ((v.kind == VALUE_NUMBER || v.kind == VALUE_DECIMAL) && is_number(to.id))
        return json_number_to(cx, v, to, out, err);
    return wrong_json(v, to.id, err);
}

static bool cast_jsonb(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                       struct error *err)
{
    if (to.id == TYPE_JSONB) {
        *out = v;
        return true;
    }
    if (!is_number(to.id) && to.id != TYPE_BOOLEAN)
        return no_cast(err, TYPE_JSONB, to.id);
    struct str s = str_trim(value_str(v));
    char first = s.data[0];
    if ((first == 't' || first == 'f') && to.id == TYPE_BOOLEAN) {
        *out = value_bool(first == 't');
        return true;
    }
    struct value number = {.kind = VALUE_NUMBER, .ptr = s.data, .len = (uint32_t)s.len};
    if ((first == '-' || (first >= '0' && first <= '9')) && to.id != TYPE_BOOLEAN)
        return json_number_to(cx, number, to, out, err);
    const char *kind = first == 'n'                   ? "null"
                       : first == '"'                 ? "string"
                       : first == 't' || first == 'f' ? "boolean"
                       : first == '{'                 ? "object"
                       : first == '['                 ? "array"
                                                      : "numeric";
    return convert_reject(err, "22023", "cannot cast jsonb %s to type %s", kind, type_id_name(to.id));
}

/* ---- every type
 * ------------------------------------------------------------------------------------------------------------ */

static bool cast_to_itself(struct value v, enum type_id from, struct type to, struct value *out, struct error *err)
{
    *out = v;
    return from == to.id || no_cast(err, from, to.id);
}

static bool cast_interval(const struct convert_context *cx, struct value v, struct type to, struct value *out,
                          struct error *err)
{
    if (!cast_to_itself(v, TYPE_INTERVAL, to, out, err))
        return false;
    if (to.precision >= 0 || to.scale >= 0)
        *out = value_interval(cx->arena, interval_apply_typmod(interval_of(v), to.precision, to.scale));
    return true;
}

bool value_cast(const struct convert_context *cx, struct value v, struct type from, struct type to, struct value *out,
                struct error *err)
{
    if (value_is_null(v)) {
        *out = v;
        return true;
    }
    bool from_text = from.id == TYPE_TEXT || from.id == TYPE_UNKNOWN;
    if (!from_text && from.id != TYPE_JSON && (to.id == TYPE_TEXT || to.id == TYPE_UNKNOWN))
        return text_from(cx, v, from, to, out, err);
    if (type_is_array(from.id) && type_is_array(to.id))
        return array_cast(cx, v, from, to, out, err);
    switch (from.id) {
    case TYPE_UNKNOWN:
    case TYPE_TEXT:
        return cast_text(cx, v, to, out, err);
    case TYPE_JSON:
        return cast_json(cx, v, to, out, err);
    case TYPE_JSONB:
        return cast_jsonb(cx, v, to, out, err);
    case TYPE_BOOLEAN:
        return cast_boolean(v, to, out, err);
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_BIGINT:
        return cast_int(cx, v, from.id, to, out, err);
    case TYPE_NUMERIC:
        return cast_numeric(cx, v, to, out, err);
    case TYPE_REAL:
    case TYPE_DOUBLE:
        return cast_float(cx, v, from.id, to, out, err);
    case TYPE_DATE:
        return to.id == TYPE_DATE ? cast_to_itself(v, from.id, to, out, err) : cast_date(cx, v, to, out, err);
    case TYPE_TIMESTAMP:
        return cast_timestamp(cx, v, to, out, err);
    case TYPE_TIMESTAMPTZ:
        return cast_timestamptz(cx, v, to, out, err);
    case TYPE_INTERVAL:
        return cast_interval(cx, v, to, out, err);
    case TYPE_BYTEA:
    case TYPE_UUID:
        return cast_to_itself(v, from.id, to, out, err);
    case TYPE_COUNT:
        break;
    }
    return no_cast(err, from.id, to.id);
}
