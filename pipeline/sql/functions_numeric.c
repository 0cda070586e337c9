/*
 * Functions of exact numbers (manual, 9.3); the work is in event/numeric_function.c.
 */
#include <math.h>

#include "pipeline/event/array.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/implementation.h"

/* variant: enum numeric_function */
bool fn_numeric(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    switch ((enum numeric_function)e->variant) {
    case NUMERIC_SQRT:
        return numeric_sqrt(ev->arena, args[0], out, err);
    case NUMERIC_EXP:
        return numeric_exp(ev->arena, args[0], out, err);
    case NUMERIC_LN:
        return numeric_ln(ev->arena, args[0], out, err);
    }
    return false;
}

/* log(x), to base 10, and log(base, x). */
bool fn_numeric_log(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    struct value base = e->count > 1 ? args[0] : value_decimal(10, 0);
    return numeric_log(ev->arena, base, args[e->count - 1], out, err);
}

bool fn_numeric_power(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    (void)e;
    return numeric_power(ev->arena, args[0], args[1], out, err);
}

bool fn_factorial(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    return numeric_factorial(ev->arena, args[0].i, out, err);
}

/* ---- divisors ------------------------------------------------------------------------------------------------------
 */

static uint64_t magnitude(int64_t i)
{
    return i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
}

static uint64_t divisor_of(uint64_t x, uint64_t y)
{
    while (y) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x;
}

static bool give_integer(const struct expr *e, uint64_t i, struct value *out, struct error *err)
{
    bool is_bigint = e->type.id == TYPE_BIGINT;
    if (i > (uint64_t)(is_bigint ? INT64_MAX : INT32_MAX))
        return function_fail(err, "22003", "%s out of range", is_bigint ? "bigint" : "integer");
    *out = value_int((int64_t)i);
    return true;
}

bool fn_gcd_int(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev;
    return give_integer(e, divisor_of(magnitude(args[0].i), magnitude(args[1].i)), out, err);
}

bool fn_lcm_int(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev;
    uint64_t x = magnitude(args[0].i), y = magnitude(args[1].i), multiple = 0;
    if (x && y && __builtin_mul_overflow(x / divisor_of(x, y), y, &multiple))
        multiple = UINT64_MAX;
    return give_integer(e, multiple, out, err);
}

bool fn_gcd(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    return numeric_gcd(ev->arena, args[0], args[1], out, err);
}

bool fn_lcm(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    return numeric_lcm(ev->arena, args[0], args[1], out, err);
}

/* ---- scale ---------------------------------------------------------------------------------------------------------
 */

bool fn_scale(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    int scale, least;
    if (numeric_scale(args[0], &scale, &least))
        *out = value_int(scale);
    return true;
}

bool fn_min_scale(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    int scale, least;
    if (numeric_scale(args[0], &scale, &least))
        *out = value_int(least);
    return true;
}

bool fn_trim_scale(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    (void)e, (void)err;
    *out = numeric_trim_scale(ev->arena, args[0]);
    return true;
}

/* ---- width_bucket --------------------------------------------------------------------------------------------------
 */

static bool check_count(int64_t count, struct error *err)
{
    return count > 0 || function_fail(err, "2201G", "count must be greater than zero");
}

/* Buckets 1 … count lie between the bounds; below is 0, above is count + 1. */
static bool give_bucket(int64_t bucket, struct value *out, struct error *err)
{
    *out = value_int(bucket);
    return bucket <= INT32_MAX || function_fail(err, "22003", "integer out of range");
}

static bool is_infinite(struct value v)
{
    return v.kind == VALUE_NUMBER && !numeric_is_nan(v) && (v.ptr[v.len - 1] == 'y' || v.ptr[v.len - 1] == 'Y');
}

bool fn_width_bucket(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)e;
    struct value x = args[0], low = args[1], high = args[2], part, width, quotient;
    int64_t count = args[3].i, bucket;
    if (!check_count(count, err))
        return false;
    if (numeric_is_nan(x) || numeric_is_nan(low) || numeric_is_nan(high))
        return function_fail(err, "2201G", "operand, lower bound, and upper bound cannot be NaN");
    if (is_infinite(low) || is_infinite(high))
        return function_fail(err, "2201G", "lower and upper bounds must be finite");
    int order = numeric_compare(low, high);
    if (order == 0)
        return function_fail(err, "2201G", "lower bound cannot equal upper bound");
    /* bounds may come the other way round */
    int from_low = numeric_compare(x, low) * -order, from_high = numeric_compare(x, high) * -order;
    if (from_low < 0)
        return give_bucket(0, out, err);
    if (from_high >= 0)
        return give_bucket(count + 1, out, err);
    if (!numeric_sub(ev->arena, x, low, &part, err) || !numeric_sub(ev->arena, high, low, &width, err) ||
        !numeric_mul(ev->arena, numeric_abs(ev->arena, part), numeric_from_int64(count), &part, err) ||
        !numeric_div(ev->arena, part, numeric_abs(ev->arena, width), &quotient, err) ||
        !numeric_to_int64(numeric_floor(ev->arena, quotient), &bucket))
        return false;
    return give_bucket(bucket + 1, out, err); /* may be the one above, where the quotient was rounded up */
}

bool fn_width_bucket_double(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                            struct error *err)
{
    (void)ev, (void)e;
    double x = args[0].d, low = args[1].d, high = args[2].d;
    int64_t count = args[3].i;
    if (!check_count(count, err))
        return false;
    if (isnan(x) || isnan(low) || isnan(high))
        return function_fail(err, "2201G", "operand, lower bound, and upper bound cannot be NaN");
    if (isinf(low) || isinf(high))
        return function_fail(err, "2201G", "lower and upper bounds must be finite");
    if (low == high)
        return function_fail(err, "2201G", "lower bound cannot equal upper bound");
    bool rising = low < high;
    if (rising ? x < low : x > low)
        return give_bucket(0, out, err);
    if (rising ? x >= high : x <= high)
        return give_bucket(count + 1, out, err);
    double quotient = (double)count * (x - low) / (high - low);
    if (isinf(high - low))
        quotient = (double)count * ((x / 2 - low / 2) / (high / 2 - low / 2));
    return give_bucket((int64_t)(quotient + 1), out, err); /* the sum is rounded, too, as Postgres has it */
}

/* The thresholds are sorted: how many of them are not greater than the operand. */
bool fn_width_bucket_array(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                           struct error *err)
{
    (void)ev, (void)e;
    const struct array *thresholds = value_array(args[1]);
    if (thresholds->dimensions > 1)
        return function_fail(err, "2202E", "thresholds must be one-dimensional array");
    for (uint32_t i = 0; i < thresholds->count; i++)
        if (value_is_null(thresholds->items[i]))
            return function_fail(err, "22004", "thresholds array must not contain NULLs");
    uint32_t low = 0, high = thresholds->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sql_compare_values(args[0], thresholds->items[middle]) < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *out = value_int(low);
    return true;
}
