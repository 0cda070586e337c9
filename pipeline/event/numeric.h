/*
 * numeric: exact decimal numbers as PostgreSQL 15 has them (manual 8.1.2; result scales as its numeric.c chooses them).
 * Two representations, see value.h: VALUE_DECIMAL where coefficient (any int64) and scale fit, VALUE_NUMBER (text) for
 * everything else. Results of arithmetic are DECIMAL wherever they fit, otherwise NUMBER in canonical text (as Postgres
 * prints it). All functions take either form, and NUMBERs in any spelling that JSON or Postgres accepts.
 *
 * A NUMBER that nobody has calculated with may be a JSON number that Postgres's numeric cannot hold (1e999999: more
 * than 131072 digits before the point or 16383 after it). Such a one compares rightly, prints as it was written, and is
 * refused with 22003 by whatever has a struct error.
 *
 * Errors are ERROR_REJECT with Postgres's sqlstate and message: 22003 out of range, 22012 division by zero, 22P02
 * syntax.
 */
#ifndef PIPE_NUMERIC_H
#define PIPE_NUMERIC_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"
#include "pipeline/event/value.h"

enum { DECIMAL_MAX_SCALE = 18 };

/* 10^0 … 10^18 */
extern const int64_t numeric_pow10[DECIMAL_MAX_SCALE + 1];

/*
 * Fast paths, for loops over columns: true if both are DECIMAL and so is the result. Otherwise nothing is written, and
 * the function without _fast does the work (and tries this first).
 */
static inline bool numeric_rescale(struct value x, unsigned scale, int64_t *coefficient)
{
    return !__builtin_mul_overflow(x.i, numeric_pow10[scale - x.scale], coefficient);
}

/* Both at the greater scale. Only one of them needs it. */
static inline bool numeric_align(struct value x, struct value y, int64_t *p, int64_t *q, unsigned *scale)
{
    *p = x.i;
    *q = y.i;
    *scale = x.scale;
    if (x.scale == y.scale)
        return true;
    if (x.scale > y.scale)
        return numeric_rescale(y, x.scale, q);
    *scale = y.scale;
    return numeric_rescale(x, y.scale, p);
}

static inline bool numeric_add_fast(struct value x, struct value y, struct value *out)
{
    int64_t p, q, sum;
    unsigned scale;
    if (x.kind != VALUE_DECIMAL || y.kind != VALUE_DECIMAL || !numeric_align(x, y, &p, &q, &scale) ||
        __builtin_add_overflow(p, q, &sum))
        return false;
    *out = value_decimal(sum, scale);
    return true;
}

static inline bool numeric_sub_fast(struct value x, struct value y, struct value *out)
{
    int64_t p, q, difference;
    unsigned scale;
    if (x.kind != VALUE_DECIMAL || y.kind != VALUE_DECIMAL || !numeric_align(x, y, &p, &q, &scale) ||
        __builtin_sub_overflow(p, q, &difference))
        return false;
    *out = value_decimal(difference, scale);
    return true;
}

static inline bool numeric_mul_fast(struct value x, struct value y, struct value *out)
{
    int64_t product;
    if (x.kind != VALUE_DECIMAL || y.kind != VALUE_DECIMAL || x.scale + y.scale > DECIMAL_MAX_SCALE ||
        __builtin_mul_overflow(x.i, y.i, &product))
        return false;
    *out = value_decimal(product, x.scale + y.scale);
    return true;
}

static inline bool numeric_compare_fast(struct value x, struct value y, int *order)
{
    int64_t p, q;
    unsigned scale;
    if (x.kind != VALUE_DECIMAL || y.kind != VALUE_DECIMAL || !numeric_align(x, y, &p, &q, &scale))
        return false;
    *order = (p > q) - (p < q);
    return true;
}

/* Digits with at most one point among or around them, at most 18 of them, perhaps behind a '-'. False for anything
 * else. */
static inline bool numeric_parse_small(const char *text, size_t len, int64_t *coefficient, unsigned *scale)
{
    const char *p = text, *end = text + len, *point = NULL;
    bool negative = len > 0 && *p == '-';
    p += negative;
    size_t digits = (size_t)(end - p);
    if (digits > DECIMAL_MAX_SCALE + 1)
        return false;
    uint64_t c = 0;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        if (digit <= 9)
            c = c * 10 + digit;
        else if (*p == '.' && !point)
            point = p;
        else
            return false;
    }
    digits -= point != NULL;
    if (digits == 0 || digits > DECIMAL_MAX_SCALE)
        return false;
    *coefficient = negative ? -(int64_t)c : (int64_t)c;
    *scale = point ? (unsigned)(end - point - 1) : 0;
    return true;
}

/* NUMBER → DECIMAL where it fits (exponent resolved: "1e2" is 100), else canonical NUMBER. */
struct value numeric_normalise_slow(struct arena *a, struct value v);

static inline struct value numeric_normalise(struct arena *a, struct value v)
{
    int64_t coefficient;
    unsigned scale;
    if (v.kind == VALUE_DECIMAL)
        return v;
    if (numeric_parse_small(v.ptr, v.len, &coefficient, &scale))
        return value_decimal(coefficient, scale);
    return numeric_normalise_slow(a, v);
}

/* 'text'::numeric: blanks around it, a sign, an exponent, NaN, Infinity, inf in any case. */
bool numeric_parse(struct arena *a, struct str text, struct value *out, struct error *err);
/* False with 22003 where Postgres's numeric cannot hold x (see above). */
bool numeric_check(struct value x, struct error *err);

bool numeric_add(struct arena *a, struct value x, struct value y, struct value *out, struct error *err);
bool numeric_sub(struct arena *a, struct value x, struct value y, struct value *out, struct error *err);
bool numeric_mul(struct arena *a, struct value x, struct value y, struct value *out, struct error *err);
bool numeric_div(struct arena *a, struct value x, struct value y, struct value *out, struct error *err);
bool numeric_mod(struct arena *a, struct value x, struct value y, struct value *out, struct error *err);
struct value numeric_neg(struct arena *a, struct value x);
struct value numeric_abs(struct arena *a, struct value x);
/* Half away from zero; negative places round left of the point. `places` beyond 16383 and -131072 count as those. */
struct value numeric_round(struct arena *a, struct value x, int places);
struct value numeric_trunc(struct arena *a, struct value x, int places);
struct value numeric_ceil(struct arena *a, struct value x);
struct value numeric_floor(struct arena *a, struct value x);
/* numeric_function.c; domain errors are 2201E, 2201F and 2201G. */
bool numeric_sqrt(struct arena *a, struct value x, struct value *out, struct error *err);
bool numeric_exp(struct arena *a, struct value x, struct value *out, struct error *err);
bool numeric_ln(struct arena *a, struct value x, struct value *out, struct error *err);
bool numeric_log(struct arena *a, struct value base, struct value x, struct value *out, struct error *err);
bool numeric_power(struct arena *a, struct value x, struct value y, struct value *out, struct error *err);
bool numeric_factorial(struct arena *a, int64_t n, struct value *out, struct error *err);
bool numeric_gcd(struct arena *a, struct value x, struct value y, struct value *out, struct error *err);
bool numeric_lcm(struct arena *a, struct value x, struct value y, struct value *out, struct error *err);
/* The places behind the point: as printed, and without the zeros at the end. False for NaN and infinities. */
bool numeric_scale(struct value x, int *scale, int *least);
struct value numeric_trim_scale(struct arena *a, struct value x);

/* -1, 0, 1; 0 for NaN */
int numeric_sign(struct value x);
bool numeric_is_nan(struct value x);

/* -1, 0, 1. NaN is equal to itself and greater than everything else, as in Postgres. */
int numeric_compare(struct value x, struct value y);

/* Rounded half away from zero; false where it does not fit (22003 is the caller's to say). */
bool numeric_to_int64(struct value x, int64_t *out);
/* The nearest double; infinite for a finite x that is too large, which Postgres's cast refuses. */
double numeric_to_double(struct value x);
struct value numeric_from_int64(int64_t i);
/* The shortest decimal that reads back as d is not what Postgres gives: float8 → numeric keeps 15 significant digits
 * (DBL_DIG). */
struct value numeric_from_double(struct arena *a, double d);
struct value numeric_from_real(struct arena *a, double d); /* 6 digits (FLT_DIG) */
/* Applies numeric(precision, scale): rounds, then false with 22003 where it overflows. */
bool numeric_apply_typmod(struct arena *a, struct value x, int precision, int scale, struct value *out,
                          struct error *err);

void numeric_print(struct value x, struct buffer *out);
/* Postgres's binary format (numeric_send: ndigits, weight, sign, dscale, base-10000 digits), without the length word.
 * False, with nothing printed, where numeric_check would refuse x. */
bool numeric_print_binary(struct value x, struct buffer *out);

#endif
