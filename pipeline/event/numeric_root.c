/*
 * Square root, exponential function, logarithm and integer powers of numbers of any length.
 *
 * All is done with a fixed number of places, a few more than the result has. Estimates start from double precision.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/event/numeric_big.h"

/* Places beyond those of the result; a double's digits that are good to start from; a larger exponent overflows. */
enum { GUARD = 10, DOUBLE_DIGITS = 14, MOST_EXPONENT = 6000 };

void big_copy(const struct big *x, struct big *r)
{
    big_make(r, x->count);
    if (x->count)
        memcpy(r->digits, x->digits, (size_t)x->count * sizeof(*x->digits));
    r->kind = x->kind;
    r->negative = x->negative;
    r->weight = x->weight;
    r->dscale = x->dscale;
}

double big_to_double(const struct big *x)
{
    struct buffer text = {0};
    big_print(x, &text);
    double d = strtod(buffer_cstr(&text), NULL);
    buffer_release(&text);
    return d;
}

static void set_int(struct big *b, int64_t i)
{
    big_of_value(b, value_decimal(i, 0));
}

/* |d| < 1000, with the places that a double surely has. */
static void set_double(struct big *b, double d)
{
    big_of_value(b, value_decimal((int64_t)(d * 1e15), 15));
}

static int at_least(int x, int least)
{
    return x > least ? x : least;
}

/* Moves the point; the places printed are those there are. */
static void shift(struct big *b, int weight)
{
    b->weight += weight;
    b->dscale = b->count ? at_least((b->count - 1 - b->weight) * BIG_DIGITS, 0) : 0;
}

/* The same with a number of places. */
static void mul(const struct big *x, const struct big *y, int places, struct big *r)
{
    big_mul(x, y, r);
    big_round(r, places, BIG_TRUNCATE);
}

static void div_by(const struct big *x, const struct big *y, int places, struct big *r)
{
    big_div(x, y, at_least(places, 0), BIG_TRUNCATE, r);
}

/* ---- square root ---------------------------------------------------------------------------------------------------
 */

/* r is the root, or a hair less; the last place is decided by squaring what lies half a unit off. */
static void round_root(const struct big *x, int rscale, struct big *r)
{
    struct big half_unit, bound, square, unit;
    struct big *all[] = {&half_unit, &bound, &square, &unit};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        big_init(all[i]);
    char text[24];
    snprintf(text, sizeof(text), "1e-%d", rscale);
    big_parse(&unit, str_of(text));
    snprintf(text, sizeof(text), "5e-%d", rscale + 1);
    big_parse(&half_unit, str_of(text));
    big_round(r, rscale, BIG_TRUNCATE);
    for (int i = 0; i < 2; i++) {
        big_add(r, &half_unit, &bound);
        big_mul(&bound, &bound, &square);
        if (big_compare(&square, x) > 0)
            break;
        big_add(r, &unit, &bound);
        big_copy(&bound, r);
    }
    big_round(r, rscale, BIG_TRUNCATE);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        big_release(all[i]);
}

/* By Newton: each step doubles the digits that are right, and computes with little more than those. */
void big_sqrt(const struct big *x, int rscale, struct big *r)
{
    if (x->count == 0) {
        big_copy(x, r);
        big_round(r, rscale, BIG_ROUND);
        return;
    }
    /* x = f * 10000^(2 * half), f in [1, 10000^2) */
    struct big f, y, quotient, sum, half_of;
    struct big *all[] = {&f, &y, &quotient, &sum, &half_of};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        big_init(all[i]);
    int half = (x->weight - (x->weight & 1)) / 2;
    big_copy(x, &f);
    shift(&f, -2 * half);
    int places = at_least(rscale + BIG_DIGITS * half, 0) + GUARD;
    double estimate = sqrt(big_to_double(&f));
    big_of_value(&y, value_decimal((int64_t)(estimate * 1e12), 12));
    big_of_value(&half_of, value_decimal(5, 1));
    for (int good = 11;; good *= 2) {
        int enough = 2 * good + GUARD < places ? 2 * good + GUARD : places;
        div_by(&f, &y, enough, &quotient);
        big_add(&y, &quotient, &sum);
        mul(&sum, &half_of, enough, &y);
        if (good > places)
            break;
    }
    big_copy(&y, r);
    shift(r, half);
    round_root(x, rscale, r);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        big_release(all[i]);
}

/* ---- e^x -----------------------------------------------------------------------------------------------------------
 */

/* 1 + x + x^2/2! + … for small x */
static void exp_series(const struct big *x, int places, struct big *r)
{
    struct big term, product, n;
    big_init(&term);
    big_init(&product);
    big_init(&n);
    struct big sum;
    big_init(&sum);
    set_int(r, 1);
    set_int(&term, 1);
    for (int i = 1; term.count; i++) {
        mul(&term, x, places, &product);
        set_int(&n, i);
        div_by(&product, &n, places, &term);
        big_add(r, &term, &sum);
        big_copy(&sum, r);
    }
    big_release(&sum);
    big_release(&n);
    big_release(&product);
    big_release(&term);
}

/* e^|x|, good to so many digits: of x / 2^n, squared n times. */
static void exp_of_magnitude(const struct big *x, double magnitude, int digits, struct big *r)
{
    int halvings = 0;
    for (double d = magnitude; d > 0.01; d /= 2)
        halvings++;
    struct big small, power, square;
    big_init(&small);
    big_init(&power);
    big_init(&square);
    set_int(&power, INT64_C(1) << halvings);
    int places = digits + halvings / 3 + GUARD;
    big_copy(x, &small);
    small.negative = false;
    div_by(&small, &power, places, &square);
    exp_series(&square, places, r);
    for (int i = 0; i < halvings; i++) {
        int whole = big_integer_digits(r);
        mul(r, r, places - (whole > 0 ? 2 * whole - 1 : 0), &square);
        big_copy(&square, r);
    }
    big_release(&square);
    big_release(&power);
    big_release(&small);
}

bool big_exp(const struct big *x, int rscale, struct big *r)
{
    double d = big_to_double(x);
    if (fabs(d) >= MOST_EXPONENT) {
        set_int(r, 0);
        big_round(r, rscale, BIG_ROUND);
        return d < 0;
    }
    int whole = (int)(fabs(d) * M_LOG10E) + 1;
    if (d >= 0) {
        exp_of_magnitude(x, d, rscale + whole, r);
    } else {
        struct big one, inverse;
        big_init(&one);
        big_init(&inverse);
        set_int(&one, 1);
        exp_of_magnitude(x, -d, at_least(rscale - whole, 0) + 4, &inverse);
        div_by(&one, &inverse, rscale + GUARD, r);
        big_release(&inverse);
        big_release(&one);
    }
    big_round(r, rscale, BIG_ROUND);
    return true;
}

/* ---- logarithm -----------------------------------------------------------------------------------------------------
 */

/*
 * ln f for f in [1, 10000): Halley's y + 2 (f - e^y) / (f + e^y), which triples the digits that are right.
 */
static void ln_of_fraction(const struct big *f, int places, struct big *y)
{
    struct big power, difference, sum, quotient, next, two;
    struct big *all[] = {&power, &difference, &sum, &quotient, &next, &two};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        big_init(all[i]);
    set_int(&two, 2);
    set_double(y, log(big_to_double(f)));
    for (int good = DOUBLE_DIGITS; good < places; good *= 3) {
        int step = 3 * good < places ? 3 * good : places;
        double d = big_to_double(y);
        exp_of_magnitude(y, fabs(d), step + 5, &power); /* y is never below 0 by more than the estimate's error */
        if (y->negative) {
            set_int(&next, 1);
            div_by(&next, &power, step + 5, &sum);
            big_copy(&sum, &power);
        }
        big_sub(f, &power, &difference);
        big_add(f, &power, &sum);
        big_mul(&difference, &two, &next);
        div_by(&next, &sum, step, &quotient);
        big_add(y, &quotient, &next);
        big_copy(&next, y);
    }
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        big_release(all[i]);
}

static void ln_of_base(int places, struct big *r)
{
    /* of 10000 */
    static const char known[] =
        "9.210340371976182736071965818737456830404405954515091904133311603870290438709409920943988820";
    if (places < (int)sizeof(known) - 4) {
        big_parse(r, str_of(known));
        return;
    }
    struct big ten, ln, four;
    big_init(&ten);
    big_init(&ln);
    big_init(&four);
    set_int(&ten, 10);
    set_int(&four, 4);
    ln_of_fraction(&ten, places + 1, &ln);
    big_mul(&ln, &four, r);
    big_release(&four);
    big_release(&ln);
    big_release(&ten);
}

void big_ln(const struct big *x, int rscale, struct big *r)
{
    /* x = f * 10000^weight */
    struct big f, ln, base, weight, product;
    struct big *all[] = {&f, &ln, &base, &weight, &product};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        big_init(all[i]);
    int places = at_least(rscale, 0) + GUARD;
    big_copy(x, &f);
    shift(&f, -x->weight);
    ln_of_fraction(&f, places, &ln);
    set_int(&weight, x->weight);
    ln_of_base(places + BIG_DIGITS + 2, &base);
    big_mul(&base, &weight, &product);
    big_add(&ln, &product, r);
    big_round(r, rscale, BIG_ROUND);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        big_release(all[i]);
}

/* ---- integer powers ------------------------------------------------------------------------------------------------
 *
 * A power of millions has tens of thousands of digits, and no way to get them is exact and quick. So that all of them
 * are Postgres's, each product is cut where its power_var_int() cuts it.
 */

/* log10 of |x|, from its first digits. */
static double magnitude(const struct big *x)
{
    double first = x->digits[0];
    int i = 1;
    for (; i < x->count && i < 4; i++)
        first = first * BIG_BASE + x->digits[i];
    return log10(first) + BIG_DIGITS * (x->weight + 1 - i);
}

static int at_most(int x, int most)
{
    return x < most ? x : most;
}

/* r *= by, with as many places as make `digits` digits, and never more than an exact product has. */
static void multiply(struct big *r, const struct big *by, int digits)
{
    struct big product;
    big_init(&product);
    int places = at_most(digits - BIG_DIGITS * (r->weight + by->weight), r->dscale + by->dscale);
    big_mul_round(r, by, at_least(places, 0), &product);
    big_copy(&product, r);
    big_release(&product);
}

/* False: it does not fit. */
static bool power_by_squaring(const struct big *x, unsigned exponent, int digits, struct big *r)
{
    struct big square, factor;
    big_init(&square);
    big_init(&factor);
    big_copy(x, &square);
    if (exponent & 1)
        big_copy(x, r);
    else
        set_int(r, 1);
    bool fits = true;
    while (fits && (exponent >>= 1)) {
        big_copy(&square, &factor);
        multiply(&square, &factor, digits);
        if (exponent & 1)
            multiply(r, &square, digits);
        fits = square.weight <= NUMERIC_MAX_WEIGHT && r->weight <= NUMERIC_MAX_WEIGHT;
    }
    big_release(&factor);
    big_release(&square);
    return fits;
}

static void zero_with(int rscale, struct big *r)
{
    set_int(r, 0);
    big_round(r, rscale, BIG_ROUND);
}

static void reciprocal(const struct big *x, int rscale, struct big *r)
{
    struct big one;
    big_init(&one);
    set_int(&one, 1);
    big_div(&one, x, rscale, BIG_ROUND, r);
    big_release(&one);
}

bool big_power_int(const struct big *x, int exponent, int rscale, struct big *r)
{
    if (exponent == 0) {
        set_int(r, 1);
        big_round(r, rscale, BIG_ROUND);
        return true;
    }
    if (x->count == 0) {
        zero_with(rscale, r);
        return true;
    }
    if (exponent == -1) {
        reciprocal(x, rscale, r);
        return true;
    }
    if (exponent == 2) {
        big_mul_round(x, x, rscale, r);
        return true;
    }
    unsigned times = exponent < 0 ? 0u - (unsigned)exponent : (unsigned)exponent;
    double log_result = exponent * magnitude(x);
    if (log_result >
        (NUMERIC_MAX_WEIGHT + 2.0) * BIG_DIGITS) /* seen early: a product of so many digits takes seconds */
        return false;
    if (log_result + 1 < -rscale || log_result + 1 < -1000) {
        zero_with(rscale, r);
        return true;
    }
    int digits = 1 + rscale + (int)log_result + (int)log(times) + 8;
    if (exponent > 0) {
        bool fits = power_by_squaring(x, times, digits, r);
        big_round(r, rscale, BIG_ROUND);
        return fits;
    }
    struct big power;
    big_init(&power);
    if (power_by_squaring(x, times, digits, &power))
        reciprocal(&power, rscale, r);
    else
        zero_with(rscale, r);
    big_release(&power);
    return true;
}
