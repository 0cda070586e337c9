/*
 * Mathematical functions (manual, 9.3).
 */
#include <math.h>

#include "pipeline/event/numeric.h"
#include "pipeline/sql/implementation.h"

bool fn_ceil(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e, (void)err;
    *out = numeric_ceil(ev->arena, args[0]);
    return true;
}

bool fn_floor(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e, (void)err;
    *out = numeric_floor(ev->arena, args[0]);
    return true;
}

/* numeric's own limit; more places change nothing. */
static int places_of(const struct expr *e, const struct value *args)
{
    int64_t places = e->count > 1 ? args[1].i : 0;
    return places > INT32_MAX ? INT32_MAX : places < INT32_MIN ? INT32_MIN : (int)places;
}

bool fn_round(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)err;
    *out = numeric_round(ev->arena, args[0], places_of(e, args));
    return true;
}

bool fn_trunc(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)err;
    *out = numeric_trunc(ev->arena, args[0], places_of(e, args));
    return true;
}

bool fn_sign(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = numeric_is_nan(args[0]) ? args[0] : value_decimal(numeric_sign(args[0]), 0);
    return true;
}

bool fn_div(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    struct value rest, whole;
    bool infinite = args[0].kind == VALUE_NUMBER && (args[0].ptr[args[0].len - 1] | 32) == 'y';
    if (infinite)
        return numeric_div(ev->arena, args[0], args[1], out, err);
    if (!numeric_mod(ev->arena, args[0], args[1], &rest, err) || !numeric_sub(ev->arena, args[0], rest, &whole, err) ||
        !numeric_div(ev->arena, whole, args[1], &whole, err))
        return false;
    *out = numeric_trunc(ev->arena, whole, 0);
    return true;
}

static bool fail_domain(struct error *err)
{
    return function_fail(err, "22003", "input is out of range");
}

static bool check_log(double x, struct error *err)
{
    if (x == 0)
        return function_fail(err, "2201E", "cannot take logarithm of zero");
    return !(x < 0) || function_fail(err, "2201E", "cannot take logarithm of a negative number");
}

static bool finish_double(double r, double x, struct value *out, struct error *err)
{
    if (isinf(r) && !isinf(x))
        return function_fail(err, "22003", "value out of range: overflow");
    *out = value_double(r);
    return true;
}

/* variant: enum double_function */
bool fn_double(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev;
    double x = args[0].d;
    switch ((enum double_function)e->variant) {
    case DOUBLE_CEIL:
        return finish_double(ceil(x), x, out, err);
    case DOUBLE_FLOOR:
        return finish_double(floor(x), x, out, err);
    case DOUBLE_ROUND:
        return finish_double(rint(x), x, out, err);
    case DOUBLE_TRUNC:
        return finish_double(trunc(x), x, out, err);
    case DOUBLE_SIGN:
        return finish_double(x > 0 ? 1 : x < 0 ? -1 : 0, x, out, err);
    case DOUBLE_SQRT:
        if (x < 0)
            return function_fail(err, "2201F", "cannot take square root of a negative number");
        return finish_double(sqrt(x), x, out, err);
    case DOUBLE_CBRT:
        return finish_double(cbrt(x), x, out, err);
    case DOUBLE_EXP: {
        double r = exp(x);
        if (r == 0 && !isinf(x))
            return function_fail(err, "22003", "value out of range: underflow");
        return finish_double(r, x, out, err);
    }
    case DOUBLE_LN:
        return check_log(x, err) && finish_double(log(x), x, out, err);
    case DOUBLE_LOG10:
        return check_log(x, err) && finish_double(log10(x), x, out, err);
    case DOUBLE_SIN:
    case DOUBLE_COS:
    case DOUBLE_TAN:
        if (isinf(x))
            return fail_domain(err);
        return finish_double(e->variant == DOUBLE_SIN   ? sin(x)
                             : e->variant == DOUBLE_COS ? cos(x)
                                                        : tan(x),
                             x, out, err);
    case DOUBLE_ASIN:
    case DOUBLE_ACOS:
        if (x < -1 || x > 1)
            return fail_domain(err);
        return finish_double(e->variant == DOUBLE_ASIN ? asin(x) : acos(x), x, out, err);
    case DOUBLE_ATAN:
        return finish_double(atan(x), x, out, err);
    case DOUBLE_DEGREES:
        return finish_double(x / (M_PI / 180), x, out, err);
    case DOUBLE_RADIANS:
        if (x != 0 && x * (M_PI / 180) == 0)
            return function_fail(err, "22003", "value out of range: underflow");
        return finish_double(x * (M_PI / 180), x, out, err);
    }
    return false;
}

bool fn_power(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e;
    double x = args[0].d, y = args[1].d;
    if (x == 0 && y < 0)
        return function_fail(err, "2201F", "zero raised to a negative power is undefined");
    if (x < 0 && isfinite(y) && floor(y) != y)
        return function_fail(err, "2201F", "a negative number raised to a non-integer power yields a complex result");
    double r = pow(x, y);
    if (isinf(r) && !isinf(x) && !isinf(y))
        return function_fail(err, "22003", "value out of range: overflow");
    if (r == 0 && x != 0 && !isinf(x) && !isinf(y))
        return function_fail(err, "22003", "value out of range: underflow");
    *out = value_double(r);
    return true;
}

bool fn_atan2(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_double(atan2(args[0].d, args[1].d));
    return true;
}

bool fn_pi(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)args, (void)err;
    *out = value_double(M_PI);
    return true;
}
