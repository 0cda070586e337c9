/*
 * Comparisons. Text and bytea compare by bytes; NaN is equal to itself and greater than every other number.
 */
#include <math.h>

#include "pipeline/event/array.h"
#include "pipeline/event/interval.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/function.h"
#include "pipeline/sql/jsonb.h"

bool sql_comparison_holds(int comparison, int order)
{
    switch ((enum comparison)comparison) {
    case COMPARE_LT:
        return order < 0;
    case COMPARE_LE:
        return order <= 0;
    case COMPARE_EQ:
        return order == 0;
    case COMPARE_NE:
        return order != 0;
    case COMPARE_GE:
        return order >= 0;
    case COMPARE_GT:
        return order > 0;
    }
    return false;
}

static int order_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int order_of_doubles(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int order_of_bytes(struct value a, struct value b)
{
    uint32_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : order_of(a.len, b.len);
}

static int order_of_decimals(struct value a, struct value b)
{
    if (a.scale == b.scale)
        return order_of(a.i, b.i);
    __int128 x = a.i, y = b.i;
    if (a.scale < b.scale)
        x *= numeric_pow10[b.scale - a.scale];
    else
        y *= numeric_pow10[a.scale - b.scale];
    return (x > y) - (x < y);
}

static int order_of_numerics(struct value a, struct value b)
{
    if (a.kind == VALUE_DECIMAL && b.kind == VALUE_DECIMAL && a.scale <= 18 && b.scale <= 18)
        return order_of_decimals(a, b);
    return numeric_compare(a, b);
}

bool sql_same_kind(struct value a, struct value b)
{
    bool a_number = a.kind == VALUE_NUMBER || a.kind == VALUE_DECIMAL;
    return a.kind == b.kind || (a_number && (b.kind == VALUE_NUMBER || b.kind == VALUE_DECIMAL));
}

/* Of two items NULL is the greater, or both are equal. JSON of no known type: by its sort first. */
static int order_of_items(struct value a, struct value b)
{
    if (value_is_null(a) || value_is_null(b))
        return (int)value_is_null(a) - (int)value_is_null(b);
    return sql_same_kind(a, b) ? sql_compare_values(a, b) : order_of(a.kind, b.kind);
}

/* array_cmp: the items, then how many they are, then the dimensions. */
static int order_of_arrays(const struct array *a, const struct array *b)
{
    uint32_t both = a->count < b->count ? a->count : b->count;
    int order = 0;
    for (uint32_t i = 0; i < both && order == 0; i++)
        order = order_of_items(a->items[i], b->items[i]);
    if (order == 0)
        order = order_of(a->count, b->count);
    if (order == 0)
        order = order_of(a->dimensions, b->dimensions);
    for (uint32_t d = 0; d < a->dimensions && order == 0; d++)
        order = order_of(a->lengths[d], b->lengths[d]);
    for (uint32_t d = 0; d < a->dimensions && order == 0; d++)
        order = order_of(a->lower[d], b->lower[d]);
    return order;
}

int sql_compare_values(struct value a, struct value b)
{
    switch ((enum value_kind)a.kind) {
    case VALUE_DOUBLE:
    case VALUE_REAL:
        return order_of_doubles(a.d, b.d);
    case VALUE_DECIMAL:
    case VALUE_NUMBER:
        return order_of_numerics(a, b);
    case VALUE_TEXT:
    case VALUE_BYTES:
        return order_of_bytes(a, b);
    case VALUE_JSON:
        return jsonb_compare(value_str(a), value_str(b));
    case VALUE_UUID:
        return memcmp(a.ptr, b.ptr, 16);
    case VALUE_ARRAY:
        return order_of_arrays(value_array(a), value_array(b));
    case VALUE_NULL:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        break;
    case VALUE_INTERVAL:
        return interval_compare(interval_of(a), interval_of(b));
    }
    return order_of(a.i, b.i);
}

/* One loop per operator, so that the comparison in it is an instruction. */
#define COMPARE_ROWS(test)                                                                                             \
    for (uint32_t i = 0; i < n; i++) {                                                                                 \
        uint32_t row = sel[i];                                                                                         \
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);                               \
        bool null = (int)value_is_null(*x) | (int)value_is_null(*y);                                                   \
        out[row] = (struct value){.kind = null ? VALUE_NULL : VALUE_BOOL, .i = (test)};                                \
    }                                                                                                                  \
    break

/* Integers, booleans, dates and timestamps: everything that orders as value.i. */
void kernel_compare_int(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                        uint32_t n, struct value *out)
{
    (void)ev;
    switch ((enum comparison)e->variant) {
    case COMPARE_LT:
        COMPARE_ROWS(x->i < y->i);
    case COMPARE_LE:
        COMPARE_ROWS(x->i <= y->i);
    case COMPARE_EQ:
        COMPARE_ROWS(x->i == y->i);
    case COMPARE_NE:
        COMPARE_ROWS(x->i != y->i);
    case COMPARE_GE:
        COMPARE_ROWS(x->i >= y->i);
    case COMPARE_GT:
        COMPARE_ROWS(x->i > y->i);
    }
}

void kernel_compare_double(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                           uint32_t n, struct value *out)
{
    (void)ev;
    switch ((enum comparison)e->variant) {
    case COMPARE_LT:
        COMPARE_ROWS(x->d < y->d || (isnan(y->d) && !isnan(x->d)));
    case COMPARE_LE:
        COMPARE_ROWS(x->d <= y->d || isnan(y->d));
    case COMPARE_EQ:
        COMPARE_ROWS(x->d == y->d || (isnan(x->d) && isnan(y->d)));
    case COMPARE_NE:
        COMPARE_ROWS(!(x->d == y->d || (isnan(x->d) && isnan(y->d))));
    case COMPARE_GE:
        COMPARE_ROWS(x->d >= y->d || isnan(x->d));
    case COMPARE_GT:
        COMPARE_ROWS(x->d > y->d || (isnan(x->d) && !isnan(y->d)));
    }
}

/* ---- numeric -------------------------------------------------------------------------------------------------------
 */

/*
 * A comparison with a constant c, made ready for each scale s that the other side may have: x < c is x.i <= at_most[s]
 * there, and so are the other three with the answer turned round. Equality needs the value itself, where c has one at
 * that scale.
 */
struct threshold {
    int64_t at_most[19];
    bool possible[19]; /* for equality */
    bool inverted;
};

/* c at the scale, rounded down; saturated where it does not fit. */
static int64_t at_scale(struct value c, unsigned scale, bool *exact)
{
    *exact = true;
    if (scale < c.scale) {
        int64_t divisor = numeric_pow10[c.scale - scale], quotient = c.i / divisor;
        *exact = c.i % divisor == 0;
        return quotient - (c.i < 0 && !*exact);
    }
    int64_t product;
    if (!__builtin_mul_overflow(c.i, numeric_pow10[scale - c.scale], &product))
        return product;
    *exact = false;
    return c.i > 0 ? INT64_MAX : INT64_MIN;
}

bool prepare_compare_numeric(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx;
    (void)err;
    const struct expr *c = e->args[1];
    if (c->kind != EXPR_CONSTANT || c->constant.kind != VALUE_DECIMAL || c->constant.scale > 18)
        return true;
    struct threshold *t = arena_new(plan, struct threshold);
    bool below = e->variant == COMPARE_LT || e->variant == COMPARE_GE;
    for (unsigned s = 0; s <= 18; s++) {
        bool exact;
        int64_t floor = at_scale(c->constant, s, &exact);
        t->possible[s] = exact;
        t->at_most[s] = below && exact ? floor - (floor > INT64_MIN) : floor;
        if (e->variant == COMPARE_EQ || e->variant == COMPARE_NE)
            t->at_most[s] = floor;
    }
    t->inverted = e->variant == COMPARE_GE || e->variant == COMPARE_GT || e->variant == COMPARE_NE;
    e->data = t;
    return true;
}

static struct value compare_slowly(const struct value *x, const struct value *y, int comparison)
{
    if (value_is_null(*x) || value_is_null(*y))
        return value_null();
    return value_bool(sql_comparison_holds(comparison, order_of_numerics(*x, *y)));
}

/* Two columns: mostly of one scale. Bit 1 + order of the mask says whether the comparison holds. */
static void compare_columns(const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n, struct value *out)
{
    unsigned mask = 0;
    for (int order = -1; order <= 1; order++)
        mask |= (unsigned)sql_comparison_holds(e->variant, order) << (1 + order);
    for (uint32_t i = 0; i < n; i++) {
        const struct value *x = operand_at(args[0], sel[i]), *y = operand_at(args[1], sel[i]);
        if (__builtin_expect(x->kind == VALUE_DECIMAL && y->kind == VALUE_DECIMAL && x->scale == y->scale, 1))
            out[sel[i]] = value_bool(mask >> (1 + order_of(x->i, y->i)) & 1);
        else
            out[sel[i]] = compare_slowly(x, y, e->variant);
    }
}

#define THRESHOLD_ROWS(test)                                                                                           \
    for (uint32_t i = 0; i < n; i++) {                                                                                 \
        uint32_t row = sel[i];                                                                                         \
        const struct value *x = &column[row];                                                                          \
        if (__builtin_expect(x->kind == VALUE_DECIMAL, 1))                                                             \
            out[row] = value_bool((test) != inverted);                                                                 \
        else                                                                                                           \
            out[row] = compare_slowly(x, args[1].at, e->variant);                                                      \
    }

void kernel_compare_numeric(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                            uint32_t n, struct value *out)
{
    (void)ev;
    const struct threshold *t = e->data;
    if (!t || args[0].mask == 0) {
        compare_columns(e, args, sel, n, out);
        return;
    }
    const struct value *column = args[0].at;
    const bool inverted = t->inverted;
    if (e->variant == COMPARE_EQ || e->variant == COMPARE_NE)
        THRESHOLD_ROWS(x->i == t->at_most[x->scale] && t->possible[x->scale])
    else
        THRESHOLD_ROWS(x->i <= t->at_most[x->scale])
}

/* ---- text ----------------------------------------------------------------------------------------------------------
 */

void kernel_compare_text(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                         uint32_t n, struct value *out)
{
    (void)ev;
    bool equality = e->variant == COMPARE_EQ || e->variant == COMPARE_NE;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);
        if (value_is_null(*x) || value_is_null(*y))
            out[row] = value_null();
        else if (equality && x->kind != VALUE_UUID)
            out[row] = value_bool(str_eq(value_str(*x), value_str(*y)) == (e->variant == COMPARE_EQ));
        else
            out[row] = value_bool(sql_comparison_holds(e->variant, sql_compare_values(*x, *y)));
    }
}

void kernel_compare_array(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                          uint32_t n, struct value *out)
{
    (void)ev;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);
        bool null = value_is_null(*x) || value_is_null(*y);
        out[row] = null ? value_null() : value_bool(sql_comparison_holds(e->variant, sql_compare_values(*x, *y)));
    }
}

/* ---- json scalars --------------------------------------------------------------------------------------------------
 */

/* The constant in quotes as each JSON type would read it. */
struct json_constant {
    bool has_number, has_bool;
    struct value text, number, boolean;
};

bool prepare_compare_json(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)err;
    if (e->args[1]->kind != EXPR_CONSTANT)
        return true;
    struct json_constant *c = arena_new(plan, struct json_constant);
    struct error ignored;
    c->text = e->args[1]->constant;
    c->has_number = value_parse(cx, value_str(c->text), TYPE(TYPE_NUMERIC), &c->number, &ignored);
    c->has_bool = value_parse(cx, value_str(c->text), TYPE(TYPE_BOOLEAN), &c->boolean, &ignored);
    e->data = c;
    return true;
}

static const char *json_kind_name(struct value v)
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
        return v.len && v.ptr[0] == '[' ? "array" : "object";
    }
}

static bool is_number(struct value v)
{
    return v.kind == VALUE_NUMBER || v.kind == VALUE_DECIMAL;
}

static bool order_of_json(struct eval *ev, const struct json_constant *c, struct value x, struct value y, int *order,
                          struct error *err)
{
    if (c)
        y = is_number(x) && c->has_number ? c->number : x.kind == VALUE_BOOL && c->has_bool ? c->boolean : c->text;
    bool same = x.kind == y.kind || (is_number(x) && is_number(y));
    if (!same || x.kind == VALUE_JSON) {
        error_set(err, ERROR_REJECT, "cannot compare a JSON %s with %s%s", json_kind_name(x), c ? "text" : "a JSON ",
                  c ? "" : json_kind_name(y));
        memcpy(err->sqlstate, "22023", 6);
        return false;
    }
    if (x.kind == VALUE_TEXT && (!value_unescape(ev->arena, &x, err) || !value_unescape(ev->arena, &y, err)))
        return false;
    *order = sql_compare_values(x, y);
    return true;
}

void kernel_compare_json(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                         uint32_t n, struct value *out)
{
    const struct json_constant *c = e->data;
    bool equality = c && (e->variant == COMPARE_EQ || e->variant == COMPARE_NE);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);
        struct error err;
        int order;
        if (value_is_null(*x) || value_is_null(*y)) {
            out[row] = value_null();
        } else if (equality && x->kind == VALUE_TEXT && !(x->flags & VALUE_ESCAPED)) {
            out[row] = value_bool(str_eq(value_str(*x), value_str(c->text)) == (e->variant == COMPARE_EQ));
        } else if (order_of_json(ev, c, *x, *y, &order, &err)) {
            out[row] = value_bool(sql_comparison_holds(e->variant, order));
        } else {
            out[row] = value_null();
            eval_fail(ev, e, args, row, &err);
        }
    }
}
