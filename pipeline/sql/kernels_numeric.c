/*
 * Arithmetic. Errors are PostgreSQL's: 22003 out of range, 22012 division by zero.
 */
#include <math.h>

#include "pipeline/base/divisor.h"
#include "pipeline/event/numeric_divide.h"
#include "pipeline/sql/function.h"

static struct value fail(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row,
                         const char *sqlstate, const char *text)
{
    struct error err;
    error_set(&err, ERROR_REJECT, "%s", text);
    memcpy(err.sqlstate, sqlstate, 6);
    eval_fail(ev, e, args, row, &err);
    return value_null();
}

static struct value divided_by_zero(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row)
{
    return fail(ev, e, args, row, "22012", "division by zero");
}

/* ---- integers ------------------------------------------------------------------------------------------------------
 */

static bool in_range(enum type_id t, int64_t i)
{
    if (t == TYPE_SMALLINT)
        return i >= INT16_MIN && i <= INT16_MAX;
    return t == TYPE_BIGINT || (i >= INT32_MIN && i <= INT32_MAX);
}

static struct value out_of_range(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row)
{
    static const char *const texts[] = {"smallint out of range", "integer out of range", "bigint out of range"};
    return fail(ev, e, args, row, "22003", texts[e->type.id - TYPE_SMALLINT]);
}

static int64_t shift_left(enum type_id t, int64_t x, int64_t by)
{
    if (t == TYPE_SMALLINT)
        return (int16_t)((uint32_t)x << (by & 31));
    return t == TYPE_INTEGER ? (int32_t)((uint32_t)x << (by & 31)) : (int64_t)((uint64_t)x << (by & 63));
}

/* Unary operators take their operand as y. False: overflow, or division by zero where y is 0. */
static bool int_result(const struct expr *e, int64_t x, int64_t y, int64_t *r)
{
    switch ((enum arithmetic)e->variant) {
    case ARITH_ADD:
        return !__builtin_add_overflow(x, y, r);
    case ARITH_SUB:
        return !__builtin_sub_overflow(x, y, r);
    case ARITH_MUL:
        return !__builtin_mul_overflow(x, y, r);
    case ARITH_DIV:
        if (y == 0 || (y == -1 && x == INT64_MIN))
            return false;
        *r = x / y;
        return true;
    case ARITH_MOD:
        if (y == 0)
            return false;
        *r = y == -1 ? 0 : x % y;
        return true;
    case ARITH_NEG:
        return !__builtin_sub_overflow(INT64_C(0), y, r);
    case ARITH_PLUS:
        *r = y;
        return true;
    case ARITH_ABS:
        if (y == INT64_MIN)
            return false;
        *r = y < 0 ? -y : y;
        return true;
    case ARITH_AND:
        *r = x & y;
        return true;
    case ARITH_OR:
        *r = x | y;
        return true;
    case ARITH_XOR:
        *r = x ^ y;
        return true;
    case ARITH_NOT:
        *r = ~y;
        return true;
    case ARITH_LEFT:
        *r = shift_left(e->type.id, x, y);
        return true;
    case ARITH_RIGHT:
        *r = x >> (y & (e->type.id == TYPE_BIGINT ? 63 : 31));
        return true;
    }
    return false;
}

static void int_row(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row, struct value *out)
{
    const struct value *x = operand_at(args[0], row), *y = operand_at(args[e->count - 1], row);
    int64_t r = 0;
    if (value_is_null(*x) || value_is_null(*y)) {
        out[row] = value_null();
        return;
    }
    if (int_result(e, x->i, y->i, &r) && in_range(e->type.id, r)) {
        out[row] = value_int(r);
        return;
    }
    bool by_zero = (e->variant == ARITH_DIV || e->variant == ARITH_MOD) && y->i == 0;
    out[row] = by_zero ? divided_by_zero(ev, e, args, row) : out_of_range(ev, e, args, row);
}

#define INT_ROWS(overflows)                                                                                            \
    for (uint32_t i = 0; i < n; i++) {                                                                                 \
        uint32_t row = sel[i];                                                                                         \
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);                               \
        int64_t r;                                                                                                     \
        bool plain = x->kind == VALUE_INT && y->kind == VALUE_INT;                                                     \
        if (__builtin_expect(plain && !overflows(x->i, y->i, &r) && r >= lowest && r <= highest, 1))                   \
            out[row] = value_int(r);                                                                                   \
        else                                                                                                           \
            int_row(ev, e, args, row, out);                                                                            \
    }                                                                                                                  \
    return

/* Not by 0 nor by -1, which may fail. A quotient by anything else is in range. */
static void divide_by_constant(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                               uint32_t n, struct value *out)
{
    const int64_t by = args[1].at->i;
    const struct divisor d = divisor_of(by);
    const bool rest = e->variant == ARITH_MOD;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row);
        int64_t quotient = divide_by(d, x->i);
        if (__builtin_expect(x->kind == VALUE_INT, 1))
            out[row] = value_int(rest ? x->i - quotient * by : quotient);
        else
            int_row(ev, e, args, row, out);
    }
}

static bool is_constant_divisor(struct operand o)
{
    return o.mask == 0 && o.at->kind == VALUE_INT && o.at->i != 0 && o.at->i != -1;
}

void kernel_int_arith(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                      uint32_t n, struct value *out)
{
    enum type_id t = e->type.id;
    const int64_t lowest = t == TYPE_BIGINT ? INT64_MIN : t == TYPE_INTEGER ? INT32_MIN : INT16_MIN;
    const int64_t highest = t == TYPE_BIGINT ? INT64_MAX : t == TYPE_INTEGER ? INT32_MAX : INT16_MAX;
    switch (e->variant) {
    case ARITH_ADD:
        INT_ROWS(__builtin_add_overflow);
    case ARITH_SUB:
        INT_ROWS(__builtin_sub_overflow);
    case ARITH_MUL:
        INT_ROWS(__builtin_mul_overflow);
    case ARITH_DIV:
    case ARITH_MOD:
        if (is_constant_divisor(args[1])) {
            divide_by_constant(ev, e, args, sel, n, out);
            return;
        }
        /* fall through */
    default:
        for (uint32_t i = 0; i < n; i++)
            int_row(ev, e, args, sel[i], out);
    }
}

/* ---- floating point ------------------------------------------------------------------------------------------------
 */

static double double_result(int variant, double x, double y)
{
    switch (variant) {
    case ARITH_ADD:
        return x + y;
    case ARITH_SUB:
        return x - y;
    case ARITH_MUL:
        return x * y;
    case ARITH_DIV:
        return x / y;
    case ARITH_NEG:
        return -y;
    case ARITH_ABS:
        return fabs(y);
    default:
        return y;
    }
}

static struct value checked_double(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row,
                                   double x, double y)
{
    if (e->variant == ARITH_DIV && y == 0 && !isnan(x))
        return divided_by_zero(ev, e, args, row);
    double r = double_result(e->variant, x, y);
    if (e->type.id == TYPE_REAL)
        r = (float)r;
    if (isinf(r) && !isinf(x) && !isinf(y))
        return fail(ev, e, args, row, "22003", "value out of range: overflow");
    bool scales = e->variant == ARITH_MUL || e->variant == ARITH_DIV;
    if (scales && r == 0 && x != 0 && !(e->variant == ARITH_MUL ? y == 0 : isinf(y)))
        return fail(ev, e, args, row, "22003", "value out of range: underflow");
    return (struct value){.kind = e->type.id == TYPE_REAL ? VALUE_REAL : VALUE_DOUBLE, .d = r};
}

#define DOUBLE_ROWS(op)                                                                                                \
    for (uint32_t i = 0; i < n; i++) {                                                                                 \
        uint32_t row = sel[i];                                                                                         \
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);                               \
        double r = x->d op y->d;                                                                                       \
        if (x->kind == VALUE_DOUBLE && y->kind == VALUE_DOUBLE && fabs(r) <= 1e300 && fabs(r) >= 1e-300)               \
            out[row] = value_double(r);                                                                                \
        else if (value_is_null(*x) || value_is_null(*y))                                                               \
            out[row] = value_null();                                                                                   \
        else                                                                                                           \
            out[row] = checked_double(ev, e, args, row, x->d, y->d);                                                   \
    }                                                                                                                  \
    return

/* real and double precision; the operands may be either. */
void kernel_double_arith(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                         uint32_t n, struct value *out)
{
    if (e->type.id == TYPE_DOUBLE) {
        switch (e->variant) {
        case ARITH_ADD:
            DOUBLE_ROWS(+);
        case ARITH_SUB:
            DOUBLE_ROWS(-);
        case ARITH_MUL:
            DOUBLE_ROWS(*);
        case ARITH_DIV: /* by zero gives no such quotient */
            DOUBLE_ROWS(/);
        default:
            break;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[e->count - 1], row);
        if (value_is_null(*x) || value_is_null(*y))
            out[row] = value_null();
        else
            out[row] = checked_double(ev, e, args, row, x->d, y->d);
    }
}

/* ---- numeric -------------------------------------------------------------------------------------------------------
 */

static void numeric_row(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row,
                        struct value *out)
{
    const struct value *x = operand_at(args[0], row), *y = operand_at(args[e->count - 1], row);
    struct error err;
    bool ok = true;
    if (value_is_null(*x) || value_is_null(*y)) {
        out[row] = value_null();
        return;
    }
    switch (e->variant) {
    case ARITH_ADD:
        ok = numeric_add(ev->arena, *x, *y, &out[row], &err);
        break;
    case ARITH_SUB:
        ok = numeric_sub(ev->arena, *x, *y, &out[row], &err);
        break;
    case ARITH_MUL:
        ok = numeric_mul(ev->arena, *x, *y, &out[row], &err);
        break;
    case ARITH_DIV:
        ok = numeric_div(ev->arena, *x, *y, &out[row], &err);
        break;
    case ARITH_MOD:
        ok = numeric_mod(ev->arena, *x, *y, &out[row], &err);
        break;
    case ARITH_NEG:
        out[row] = numeric_neg(ev->arena, *y);
        break;
    case ARITH_ABS:
        out[row] = numeric_abs(ev->arena, *y);
        break;
    default:
        out[row] = *y;
        break;
    }
    if (!ok) {
        out[row] = value_null();
        eval_fail(ev, e, args, row, &err);
    }
}

/* With a constant on the right, as mostly, what depends on it alone stays in registers. */
#define NUMERIC_ROWS(fast)                                                                                             \
    if (args[1].mask == 0) {                                                                                           \
        const struct value y = *args[1].at;                                                                            \
        for (uint32_t i = 0; i < n; i++)                                                                               \
            if (__builtin_expect(!fast(*operand_at(args[0], sel[i]), y, &out[sel[i]]), 0))                             \
                numeric_row(ev, e, args, sel[i], out);                                                                 \
        return;                                                                                                        \
    }                                                                                                                  \
    for (uint32_t i = 0; i < n; i++)                                                                                   \
        if (__builtin_expect(!fast(*operand_at(args[0], sel[i]), *operand_at(args[1], sel[i]), &out[sel[i]]), 0))      \
            numeric_row(ev, e, args, sel[i], out);                                                                     \
    return

static void numeric_quotients(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                              uint32_t n, struct value *out)
{
    struct numeric_divisor d;
    bool fast = args[1].mask == 0 && numeric_divisor_init(&d, *args[1].at);
    for (uint32_t i = 0; i < n; i++)
        if (!fast || !numeric_div_fast(&d, *operand_at(args[0], sel[i]), &out[sel[i]]))
            numeric_row(ev, e, args, sel[i], out);
}

void kernel_numeric_arith(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                          uint32_t n, struct value *out)
{
    switch (e->variant) {
    case ARITH_ADD:
        NUMERIC_ROWS(numeric_add_fast);
    case ARITH_SUB:
        NUMERIC_ROWS(numeric_sub_fast);
    case ARITH_MUL:
        NUMERIC_ROWS(numeric_mul_fast);
    case ARITH_DIV:
        numeric_quotients(ev, e, args, sel, n, out);
        return;
    default:
        for (uint32_t i = 0; i < n; i++)
            numeric_row(ev, e, args, sel[i], out);
    }
}

/* ---- dates ---------------------------------------------------------------------------------------------------------
 */

/* date ± integer, integer + date, date - date. */
void kernel_date_arith(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                       uint32_t n, struct value *out)
{
    /* 4713-11-24 BC and 5874897-12-31, as Postgres has it */
    const int64_t first_day = -2451545, last_day = 2145031948;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);
        if (value_is_null(*x) || value_is_null(*y)) {
            out[row] = value_null();
            continue;
        }
        bool x_infinite = x->kind == VALUE_DATE && (x->i == INT32_MIN || x->i == INT32_MAX);
        bool y_infinite = y->kind == VALUE_DATE && (y->i == INT32_MIN || y->i == INT32_MAX);
        int64_t r = e->variant == ARITH_ADD ? x->i + y->i : x->i - y->i;
        if (e->type.id == TYPE_INTEGER)
            out[row] = x_infinite || y_infinite ? fail(ev, e, args, row, "22008", "cannot subtract infinite dates")
                                                : value_int(r);
        else if (x_infinite || y_infinite)
            out[row] = x_infinite ? *x : *y;
        else if (r < first_day || r > last_day)
            out[row] = fail(ev, e, args, row, "22008", "date out of range");
        else
            out[row] = (struct value){.kind = VALUE_DATE, .i = r};
    }
}
