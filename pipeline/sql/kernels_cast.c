/*
 * Conversions that the binder puts in. The common ones have a loop of their own; the rest is value_parse() and
 * value_cast().
 */
#include <stdio.h>

#include "pipeline/codec/json.h"
#include "pipeline/event/array.h"
#include "pipeline/event/datetime.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/function.h"

/* Coefficients and powers of ten that a double holds exactly: one division rounds as the decimal text would. */
enum { EXACT_SCALE = 22 };
#define EXACT_COEFFICIENT (INT64_C(1) << 53)

bool sql_decimal_of(const struct value *v, struct value *out)
{
    int64_t coefficient;
    unsigned scale;
    if (v->kind == VALUE_NUMBER && numeric_parse_small(v->ptr, v->len, &coefficient, &scale)) {
        *out = value_decimal(coefficient, scale);
        return true;
    }
    return false;
}

static struct value load_number(struct eval *ev, const struct value *v)
{
    struct value out;
    return sql_decimal_of(v, &out) ? out : numeric_normalise_slow(ev->arena, *v);
}

void kernel_load_numeric(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                         uint32_t n, struct value *out)
{
    (void)e;
    for (uint32_t i = 0; i < n; i++) {
        const struct value *v = operand_at(args[0], sel[i]);
        out[sel[i]] = v->kind == VALUE_NUMBER ? load_number(ev, v) : *v;
    }
}

void kernel_load_text(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                      uint32_t n, struct value *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        struct error err;
        out[row] = *operand_at(args[0], row);
        if ((out[row].flags & VALUE_ESCAPED) && !value_unescape(ev->arena, &out[row], &err)) {
            out[row] = value_null();
            eval_fail(ev, e, args, row, &err);
        }
    }
}

/* ---- json scalars --------------------------------------------------------------------------------------------------
 */

/* A text in the common form of a timestamp, as that. */
static inline bool quick_time(const struct eval *ev, const struct value *v, struct type to, struct value *out)
{
    bool with_zone = to.id == TYPE_TIMESTAMPTZ;
    int64_t us;
    if (v->kind != VALUE_TEXT || v->flags & VALUE_ESCAPED ||
        !timestamp_parse_common(value_str(*v), with_zone, ev->cx.zone, &us))
        return false;
    *out = (struct value){.kind = with_zone ? VALUE_TIMESTAMPTZ : VALUE_TIMESTAMP, .i = us};
    return true;
}

static bool is_time(struct type t)
{
    return (t.id == TYPE_TIMESTAMPTZ || t.id == TYPE_TIMESTAMP) && t.precision < 0;
}

static const char *json_type_name(const struct value *v)
{
    switch ((enum value_kind)v->kind) {
    case VALUE_BOOL:
        return "boolean";
    case VALUE_NUMBER:
    case VALUE_DECIMAL:
        return "numeric";
    case VALUE_TEXT:
        return "string";
    case VALUE_JSON:
        return v->len && v->ptr[0] == '[' ? "array" : "object";
    default:
        return "value";
    }
}

static bool wrong_json(const struct value *v, enum type_id to, struct error *err)
{
    error_set(err, ERROR_REJECT, "cannot cast jsonb %s to type %s", json_type_name(v), type_id_name(to));
    memcpy(err->sqlstate, "22023", 6);
    return false;
}

static bool json_as_jsonb(struct eval *ev, const struct value *v, struct value *out)
{
    *out = *v;
    if (v->kind == VALUE_JSON)
        return true;
    ev->scratch.len = 0;
    value_print_json(*v, TYPE(TYPE_JSON), ev->cx.zone, &ev->scratch);
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    out->kind = VALUE_JSON;
    return true;
}

static bool json_as(struct eval *ev, const struct expr *e, const struct value *v, struct value *out, struct error *err)
{
    bool number = v->kind == VALUE_NUMBER || v->kind == VALUE_DECIMAL;
    enum type_id to = e->type.id;
    switch (to) {
    case TYPE_BOOLEAN:
        *out = *v;
        return v->kind == VALUE_BOOL || wrong_json(v, to, err);
    case TYPE_NUMERIC:
        if (!number)
            return wrong_json(v, to, err);
        *out = v->kind == VALUE_NUMBER ? load_number(ev, v) : *v;
        return true;
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
    case TYPE_BIGINT:
    case TYPE_REAL:
    case TYPE_DOUBLE: {
        if (!number)
            return wrong_json(v, to, err);
        struct value numeric = v->kind == VALUE_NUMBER ? load_number(ev, v) : *v;
        return value_cast(&ev->cx, numeric, TYPE(TYPE_NUMERIC), e->type, out, err);
    }
    case TYPE_JSONB:
    case TYPE_JSON:
        return json_as_jsonb(ev, v, out);
    case TYPE_TEXT:
    case TYPE_UNKNOWN:
    case TYPE_BYTEA:
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
    case TYPE_INTERVAL:
    case TYPE_UUID:
    case TYPE_COUNT:
        break;
    }
    if (v->kind == VALUE_JSON && type_is_array(to))
        return array_from_json(&ev->cx, value_str(*v), e->type, ARRAY_ITEMS_DEMANDED, out, err);
    if (v->kind != VALUE_TEXT)
        return wrong_json(v, to, err);
    *out = *v;
    if ((v->flags & VALUE_ESCAPED) && !value_unescape(ev->arena, out, err))
        return false;
    return to == TYPE_TEXT || value_parse(&ev->cx, value_str(*out), e->type, out, err);
}

/* The type that a signature or the other operand demands; another JSON type rejects the record. */
/* `ts + interval '1 hour'` of an untyped ts is a sum of intervals, as in Postgres; who writes it means a time. */
static void explain_interval(struct eval *ev, const struct expr *e, struct str text, struct error *err)
{
    struct value ignored;
    struct error other;
    if (e->type.id != TYPE_INTERVAL || !value_parse(&ev->cx, text, TYPE(TYPE_TIMESTAMPTZ), &ignored, &other))
        return;
    char said[sizeof(err->text)], sqlstate[sizeof(err->sqlstate)];
    snprintf(said, sizeof(said), "%s", err->text);
    memcpy(sqlstate, err->sqlstate, sizeof(sqlstate));
    error_set(err, ERROR_REJECT, "%s; it is a time: write " STR_FMT "::timestamptz", said, STR_ARG(e->text));
    memcpy(err->sqlstate, sqlstate, sizeof(sqlstate));
}

void kernel_json_to(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                    struct value *out)
{
    bool numeric = e->type.id == TYPE_NUMERIC, time = is_time(e->type);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *v = operand_at(args[0], row);
        struct error err;
        if ((numeric && sql_decimal_of(v, &out[row])) || (time && quick_time(ev, v, e->type, &out[row])))
            continue;
        out[row] = value_null();
        if (!value_is_null(*v) && !json_as(ev, e, v, &out[row], &err)) {
            if (v->kind == VALUE_TEXT)
                explain_interval(ev, e, value_str(*v), &err);
            out[row] = value_null();
            eval_fail(ev, e, args, row, &err);
        }
    }
}

/* args[0].path: e->data is the struct path. */
void kernel_member(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                   struct value *out)
{
    (void)ev;
    const struct path *path = e->data;
    for (uint32_t i = 0; i < n; i++) {
        const struct value *v = operand_at(args[0], sel[i]);
        out[sel[i]] = v->kind == VALUE_JSON ? json_at(value_str(*v), path->parts, path->count) : value_null();
    }
}

/* ---- text in, text out ---------------------------------------------------------------------------------------------
 */

/* An untyped literal of a record as the type it is needed as. */
void kernel_parse_text(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                       uint32_t n, struct value *out)
{
    bool numeric = e->type.id == TYPE_NUMERIC, time = is_time(e->type);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *v = operand_at(args[0], row);
        int64_t coefficient;
        unsigned scale;
        struct error err;
        if (value_is_null(*v)) {
            out[row] = value_null();
        } else if (time && quick_time(ev, v, e->type, &out[row])) {
            continue;
        } else if (numeric && numeric_parse_small(v->ptr, v->len, &coefficient, &scale)) {
            out[row] = value_decimal(coefficient, scale);
        } else if (!value_parse(&ev->cx, value_str(*v), e->type, &out[row], &err)) {
            explain_interval(ev, e, value_str(*v), &err);
            out[row] = value_null();
            eval_fail(ev, e, args, row, &err);
        }
    }
}

void kernel_to_text(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                    struct value *out)
{
    struct type type = e->args[0]->type;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *v = operand_at(args[0], row);
        if (value_is_null(*v) || (v->kind == VALUE_TEXT && !(v->flags & VALUE_ESCAPED))) {
            out[row] = *v;
            continue;
        }
        ev->scratch.len = 0;
        value_print(*v, type, ev->cx.zone, &ev->scratch);
        out[row] = eval_text(ev, ev->scratch.data, ev->scratch.len);
    }
}

/* ---- numbers -------------------------------------------------------------------------------------------------------
 */

void kernel_int_to_numeric(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                           uint32_t n, struct value *out)
{
    (void)ev;
    (void)e;
    for (uint32_t i = 0; i < n; i++) {
        const struct value *v = operand_at(args[0], sel[i]);
        out[sel[i]] = value_is_null(*v) ? *v : numeric_from_int64(v->i);
    }
}

static bool double_of_decimal(const struct value *v, double *out)
{
    static const double powers[EXACT_SCALE + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (v->kind != VALUE_DECIMAL || v->scale > EXACT_SCALE || v->i > EXACT_COEFFICIENT || v->i < -EXACT_COEFFICIENT)
        return false;
    *out = (double)v->i / powers[v->scale];
    return true;
}

/* Every number as double precision. */
void kernel_to_double(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                      uint32_t n, struct value *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *v = operand_at(args[0], row);
        struct value number = *v;
        struct error err;
        double d;
        if (v->kind == VALUE_NUMBER)
            sql_decimal_of(v, &number);
        if (value_is_null(*v))
            out[row] = *v;
        else if (v->kind == VALUE_INT)
            out[row] = value_double((double)v->i);
        else if (v->kind == VALUE_REAL || v->kind == VALUE_DOUBLE)
            out[row] = value_double(v->d);
        else if (double_of_decimal(&number, &d))
            out[row] = value_double(d);
        else if (!value_cast(&ev->cx, *v, TYPE(TYPE_NUMERIC), TYPE(TYPE_DOUBLE), &out[row], &err)) {
            out[row] = value_null();
            eval_fail(ev, e, args, row, &err);
        }
    }
}

/* ---- everything else -----------------------------------------------------------------------------------------------
 */

static bool cast_row(struct eval *ev, const struct expr *e, const struct value *v, struct value *out, struct error *err)
{
    bool plain = e->type.precision < 0 && e->type.scale < 0;
    struct value number;
    if (plain && sql_decimal_of(v, &number)) {
        double d;
        *out = number;
        if (e->type.id == TYPE_NUMERIC)
            return true;
        if (e->type.id == TYPE_DOUBLE && double_of_decimal(&number, &d)) {
            *out = value_double(d);
            return true;
        }
    }
    return value_cast(&ev->cx, *v, e->args[0]->type, e->type, out, err);
}

void kernel_cast(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                 struct value *out)
{
    bool time = is_time(e->type);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *v = operand_at(args[0], row);
        struct error err;
        if (time && quick_time(ev, v, e->type, &out[row]))
            continue;
        out[row] = value_null();
        if (!value_is_null(*v) && !cast_row(ev, e, v, &out[row], &err)) {
            out[row] = value_null();
            eval_fail(ev, e, args, row, &err);
        }
    }
}

/* NULL instead of a rejection. */
void kernel_try_cast(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                     struct value *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *v = operand_at(args[0], row);
        struct error err;
        out[row] = value_null();
        if (!value_is_null(*v) && !cast_row(ev, e, v, &out[row], &err))
            out[row] = value_null();
    }
}
