/*
 * The mathematical functions of numeric: special values, domains, and the scale of the result, all as PostgreSQL 15's
 * numeric.c has them.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "pipeline/event/numeric_big.h"

enum { MIN_SIGNIFICANT_DIGITS = 16, MAX_DISPLAY_SCALE = 1000, MAX_RESULT_SCALE = 2000 };

static bool fail(struct error *err, const char *sqlstate, const char *text)
{
    error_set(err, ERROR_REJECT, "%s", text);
    snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate);
    return false;
}

static bool overflow(struct error *err)
{
    return fail(err, "22003", "value overflows numeric format");
}

static int largest(int a, int b)
{
    return a > b ? a : b;
}

/* So many places that there are 16 digits beside `weight` of them, and no fewer than the arguments have. */
static int result_scale(int weight, int dscale)
{
    int scale = largest(largest(MIN_SIGNIFICANT_DIGITS - weight, dscale), 0);
    return scale < MAX_DISPLAY_SCALE ? scale : MAX_DISPLAY_SCALE;
}

static bool finish(struct arena *a, const struct big *r, struct value *out, struct error *err)
{
    if (!big_fits(r))
        return overflow(err);
    *out = big_to_value(a, r);
    return true;
}

static int sign_of(const struct big *x)
{
    return x->kind == BIG_FINITE && x->count == 0 ? 0 : x->negative ? -1 : 1;
}

static struct value infinity_with(bool negative)
{
    struct str text = negative ? STR("-Infinity") : STR("Infinity");
    return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)text.len, .ptr = text.data};
}

/* ---- functions of one number ---------------------------------------------------------------------------------------
 */

typedef bool big_function(const struct big *x, struct big *r, struct error *err);

/* NaN and Infinity give themselves; -Infinity is for the function to judge. */
static bool apply(struct arena *a, struct value v, big_function *function, struct value *out, struct error *err)
{
    struct big x, r;
    bool ok;
    if (!numeric_check(v, err))
        return false;
    big_init(&x);
    big_init(&r);
    big_of_value(&x, v);
    if (x.kind == BIG_FINITE || (x.kind == BIG_INFINITE && x.negative)) {
        ok = function(&x, &r, err) && finish(a, &r, out, err);
    } else {
        *out = v;
        ok = true;
    }
    big_release(&r);
    big_release(&x);
    return ok;
}

/* The weight is the root's, as far as the number of base-10000 digits tells. */
static bool square_root(const struct big *x, struct big *r, struct error *err)
{
    if (sign_of(x) < 0)
        return fail(err, "2201F", "cannot take square root of a negative number");
    int weight = (x->weight + 1) * BIG_DIGITS / 2 - 1;
    big_sqrt(x, result_scale(weight, x->dscale), r);
    return true;
}

bool numeric_sqrt(struct arena *a, struct value x, struct value *out, struct error *err)
{
    return apply(a, x, square_root, out, err);
}

static bool exponential(const struct big *x, struct big *r, struct error *err)
{
    if (x->kind == BIG_INFINITE) {
        big_of_value(r, value_decimal(0, 0));
        return true;
    }
    double weight = big_to_double(x) * 0.434294481903252;
    weight = weight < -MAX_RESULT_SCALE ? -MAX_RESULT_SCALE : weight > MAX_RESULT_SCALE ? MAX_RESULT_SCALE : weight;
    return big_exp(x, result_scale((int)weight, x->dscale), r) || overflow(err);
}

bool numeric_exp(struct arena *a, struct value x, struct value *out, struct error *err)
{
    return apply(a, x, exponential, out, err);
}

/* The decimal weight of ln x, from its first digits; near 1, where ln x is about x - 1, of that. */
static int ln_weight(const struct big *x)
{
    struct big one, rest, tenth;
    big_init(&one);
    big_init(&rest);
    big_init(&tenth);
    big_of_value(&one, value_decimal(1, 0));
    big_of_value(&tenth, value_decimal(1, 1));
    big_sub(x, &one, &rest);
    int weight = 0;
    if (big_compare_magnitudes(&rest, &tenth) <= 0) {
        if (rest.count)
            weight = rest.weight * BIG_DIGITS + (int)log10(rest.digits[0]);
    } else if (x->count) {
        double digits = x->digits[0];
        int power = x->weight * BIG_DIGITS;
        if (x->count > 1) {
            digits = digits * BIG_BASE + x->digits[1];
            power -= BIG_DIGITS;
        }
        weight = (int)log10(fabs(log(digits) + power * 2.302585092994046));
    }
    big_release(&tenth);
    big_release(&rest);
    big_release(&one);
    return weight;
}

static bool check_positive(const struct big *x, struct error *err)
{
    int sign = x->kind == BIG_NAN ? 1 : sign_of(x);
    if (sign > 0)
        return true;
    return fail(err, "2201E",
                sign < 0 ? "cannot take logarithm of a negative number" : "cannot take logarithm of zero");
}

static bool natural_logarithm(const struct big *x, struct big *r, struct error *err)
{
    if (!check_positive(x, err))
        return false;
    big_ln(x, result_scale(ln_weight(x), x->dscale), r);
    return true;
}

bool numeric_ln(struct arena *a, struct value x, struct value *out, struct error *err)
{
    return apply(a, x, natural_logarithm, out, err);
}

/* ---- functions of two numbers --------------------------------------------------------------------------------------
 */

/* Puts the result into r; or, where that is special or text at hand, into *out and *done. */
typedef bool big_function2(const struct big *x, const struct big *y, struct big *r, struct value *out, bool *done,
                           struct error *err);

static bool apply2(struct arena *a, struct value v, struct value w, big_function2 *function, struct value *out,
                   struct error *err)
{
    struct big x, y, r;
    bool done = false;
    if (!numeric_check(v, err) || !numeric_check(w, err))
        return false;
    big_init(&x);
    big_init(&y);
    big_init(&r);
    big_of_value(&x, v);
    big_of_value(&y, w);
    bool ok = function(&x, &y, &r, out, &done, err);
    if (ok && !done)
        ok = finish(a, &r, out, err);
    big_release(&r);
    big_release(&y);
    big_release(&x);
    return ok;
}

static bool give(struct value v, struct value *out, bool *done)
{
    *out = v;
    *done = true;
    return true;
}

static bool give_nan(struct value *out, bool *done)
{
    return give((struct value){.kind = VALUE_NUMBER, .len = 3, .ptr = "NaN"}, out, done);
}

static bool logarithm(const struct big *base, const struct big *x, struct big *r, struct value *out, bool *done,
                      struct error *err)
{
    if (base->kind == BIG_NAN || x->kind == BIG_NAN)
        return give_nan(out, done);
    if (sign_of(base) < 0 || sign_of(x) < 0)
        return fail(err, "2201E", "cannot take logarithm of a negative number");
    if (!check_positive(base, err) || !check_positive(x, err))
        return false;
    if (base->kind == BIG_INFINITE)
        return x->kind == BIG_INFINITE ? give_nan(out, done) : give(value_decimal(0, 0), out, done);
    if (x->kind == BIG_INFINITE)
        return give(infinity_with(false), out, done);

    int base_weight = ln_weight(base), x_weight = ln_weight(x), weight = x_weight - base_weight;
    int scale = result_scale(weight, largest(base->dscale, x->dscale));
    struct big ln_base, ln_x;
    big_init(&ln_base);
    big_init(&ln_x);
    big_ln(base, largest(scale + weight - base_weight + 8, 0), &ln_base);
    big_ln(x, largest(scale + weight - x_weight + 8, 0), &ln_x);
    bool ok = ln_base.count > 0 || fail(err, "22012", "division by zero");
    if (ok)
        big_div(&ln_x, &ln_base, scale, BIG_ROUND, r);
    big_release(&ln_x);
    big_release(&ln_base);
    return ok;
}

bool numeric_log(struct arena *a, struct value base, struct value x, struct value *out, struct error *err)
{
    return apply2(a, base, x, logarithm, out, err);
}

static bool is_integer(const struct big *x)
{
    return x->kind == BIG_INFINITE || (x->kind == BIG_FINITE && (x->count == 0 || x->count <= x->weight + 1));
}

static bool is_odd(const struct big *x)
{
    return x->kind == BIG_FINITE && x->count > 0 && x->count == x->weight + 1 && (x->digits[x->count - 1] & 1);
}

/* -1, 0, 1: how |x| compares with 1. */
static int compare_with_one(const struct big *x)
{
    struct big one;
    if (x->kind == BIG_INFINITE)
        return 1;
    big_init(&one);
    big_of_value(&one, value_decimal(1, 0));
    int order = big_compare_magnitudes(x, &one);
    big_release(&one);
    return order;
}

/* As POSIX has pow(): 1 to any power and anything to the power of 0 is 1. One of x and y is not finite. */
static bool special_power(const struct big *x, const struct big *y, struct value *out, bool *done)
{
    bool x_is_one = x->kind == BIG_FINITE && !x->negative && compare_with_one(x) == 0;
    if (x_is_one || (y->kind == BIG_FINITE && y->count == 0))
        return give(value_decimal(1, 0), out, done);
    if (x->kind == BIG_NAN || y->kind == BIG_NAN)
        return give_nan(out, done);
    if (y->kind == BIG_INFINITE) {
        int order = compare_with_one(x);
        if (order == 0)
            return give(value_decimal(1, 0), out, done);
        return give((order > 0) == !y->negative ? infinity_with(false) : value_decimal(0, 0), out, done);
    }
    if (y->negative)
        return give(value_decimal(0, 0), out, done);
    return give(infinity_with(x->negative && is_odd(y)), out, done);
}

/* x^y for a y that is no small integer: e^(y ln |x|). */
static bool general_power(const struct big *x, const struct big *y, struct big *r, struct error *err)
{
    struct big base, ln, product;
    big_init(&base);
    big_init(&ln);
    big_init(&product);
    big_copy(x, &base);
    base.negative = false;
    int weight = ln_weight(&base);

    /* First with about 8 digits, to know how long the result is. */
    big_ln(&base, largest(8 - weight, 0), &ln);
    big_mul(&ln, y, &product);
    big_round(&product, largest(8 - weight, 0), BIG_ROUND);
    double exponent = big_to_double(&product);
    bool ok = true;
    if (fabs(exponent) > 3.01 * MAX_RESULT_SCALE) {
        ok = exponent < 0 || overflow(err);
        big_of_value(r, value_decimal(0, 0));
        big_round(r, MAX_DISPLAY_SCALE, BIG_ROUND);
    } else {
        int digits = (int)(exponent * 0.434294481903252);
        int scale = result_scale(digits, largest(x->dscale, y->dscale));
        int places = largest(scale + digits, 0) - weight + 8;
        big_ln(&base, largest(places, 0), &ln);
        big_mul(&ln, y, &product);
        big_round(&product, largest(places, 0), BIG_ROUND);
        ok = big_exp(&product, scale, r) || overflow(err);
        r->negative = r->count > 0 && x->negative && is_odd(y);
    }
    big_release(&product);
    big_release(&ln);
    big_release(&base);
    return ok;
}

static bool power(const struct big *x, const struct big *y, struct big *r, struct value *out, bool *done,
                  struct error *err)
{
    bool nan = x->kind == BIG_NAN || y->kind == BIG_NAN;
    if (!nan && sign_of(x) == 0 && sign_of(y) < 0)
        return fail(err, "2201F", "zero raised to a negative power is undefined");
    if (!nan && sign_of(x) < 0 && !is_integer(y))
        return fail(err, "2201F", "a negative number raised to a non-integer power yields a complex result");
    if (x->kind != BIG_FINITE || y->kind != BIG_FINITE)
        return special_power(x, y, out, done);
    double exponent = big_to_double(y);
    if (is_integer(y) && exponent >= INT32_MIN && exponent <= INT32_MAX) {
        int scale = result_scale(0, x->dscale);
        return big_power_int(x, (int)exponent, scale, r) || overflow(err);
    }
    if (x->count == 0) {
        big_round(r, MIN_SIGNIFICANT_DIGITS, BIG_ROUND);
        return true;
    }
    return general_power(x, y, r, err);
}

bool numeric_power(struct arena *a, struct value x, struct value y, struct value *out, struct error *err)
{
    return apply2(a, x, y, power, out, err);
}

/* Euclid's. */
static void greatest_divisor(const struct big *x, const struct big *y, struct big *r)
{
    struct big smaller, rest;
    big_init(&smaller);
    big_init(&rest);
    big_copy(x, r);
    big_copy(y, &smaller);
    while (smaller.count) {
        big_mod(r, &smaller, &rest);
        big_copy(&smaller, r);
        big_copy(&rest, &smaller);
    }
    r->negative = false;
    r->dscale = largest(x->dscale, y->dscale);
    big_release(&rest);
    big_release(&smaller);
}

static bool common_divisor(const struct big *x, const struct big *y, struct big *r, struct value *out, bool *done,
                           struct error *err)
{
    (void)err;
    if (x->kind != BIG_FINITE || y->kind != BIG_FINITE)
        return give_nan(out, done);
    greatest_divisor(x, y, r);
    return true;
}

bool numeric_gcd(struct arena *a, struct value x, struct value y, struct value *out, struct error *err)
{
    return apply2(a, x, y, common_divisor, out, err);
}

static bool common_multiple(const struct big *x, const struct big *y, struct big *r, struct value *out, bool *done,
                            struct error *err)
{
    (void)err;
    if (x->kind != BIG_FINITE || y->kind != BIG_FINITE)
        return give_nan(out, done);
    struct big divisor, quotient;
    big_init(&divisor);
    big_init(&quotient);
    if (x->count && y->count) {
        greatest_divisor(x, y, &divisor);
        big_div(x, &divisor, 0, BIG_TRUNCATE, &quotient);
        big_mul(&quotient, y, r);
        r->negative = false;
    }
    r->dscale = largest(x->dscale, y->dscale);
    big_release(&quotient);
    big_release(&divisor);
    return true;
}

bool numeric_lcm(struct arena *a, struct value x, struct value y, struct value *out, struct error *err)
{
    return apply2(a, x, y, common_multiple, out, err);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------
 */

bool numeric_factorial(struct arena *a, int64_t n, struct value *out, struct error *err)
{
    enum { LARGEST = 32177 }; /* whose factorial fits */
    if (n < 0)
        return fail(err, "22003", "factorial of a negative number is undefined");
    if (n > LARGEST)
        return overflow(err);
    struct big r, factor, product;
    big_init(&r);
    big_init(&factor);
    big_init(&product);
    big_of_value(&r, value_decimal(1, 0));
    for (int64_t i = 2; i <= n; i++) {
        big_of_value(&factor, value_decimal(i, 0));
        big_mul(&r, &factor, &product);
        big_copy(&product, &r);
    }
    bool ok = finish(a, &r, out, err);
    big_release(&product);
    big_release(&factor);
    big_release(&r);
    return ok;
}

/* Places needed: up to the last digit that is not 0. */
static int least_scale(const struct big *x)
{
    if (x->count == 0)
        return 0;
    int scale = (x->count - 1 - x->weight) * BIG_DIGITS;
    for (unsigned last = x->digits[x->count - 1]; last % 10 == 0; last /= 10)
        scale--;
    return largest(scale, 0);
}

bool numeric_scale(struct value v, int *scale, int *least)
{
    struct big x;
    big_init(&x);
    big_of_value(&x, v);
    bool finite = x.kind == BIG_FINITE;
    *scale = x.dscale;
    *least = finite ? least_scale(&x) : 0;
    big_release(&x);
    return finite;
}

struct value numeric_trim_scale(struct arena *a, struct value v)
{
    struct big x;
    big_init(&x);
    big_of_value(&x, v);
    if (x.kind == BIG_FINITE) {
        x.dscale = least_scale(&x);
        v = big_to_value(a, &x);
    }
    big_release(&x);
    return v;
}
