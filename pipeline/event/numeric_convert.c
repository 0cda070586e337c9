/*
 * numeric to and from other types, text and Postgres's binary format.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/event/numeric_big.h"
#include "pipeline/event/numeric_wide.h"

bool numeric_to_int64(struct value x, int64_t *out)
{
    if (x.kind == VALUE_DECIMAL && x.scale == 0) {
        *out = x.i;
        return true;
    }
    struct arena scratch = ARENA_INIT; /* stays empty where the result fits */
    struct value whole = numeric_round(&scratch, x, 0);
    bool fits = whole.kind == VALUE_DECIMAL;
    if (fits)
        *out = whole.i;
    arena_release(&scratch);
    return fits;
}

/* Powers of ten that a double holds exactly. */
static const double exact_pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                     1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
static_assert(sizeof(exact_pow10) / sizeof(exact_pow10[0]) == DECIMAL_MAX_SCALE + 1, "one for every scale");

static double text_to_double(const char *text, size_t len)
{
    char few[WIDE_TEXT];
    char *copy = len < sizeof(few) ? few : mem_alloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    double d = strtod(copy, NULL);
    if (copy != few)
        free(copy);
    return d;
}

double numeric_to_double(struct value x)
{
    int64_t coefficient = x.i;
    unsigned scale = x.scale;
    if (x.kind == VALUE_DECIMAL || numeric_parse_small(x.ptr, x.len, &coefficient, &scale)) {
        /* Both operands exact, so the one rounding is the division's. */
        if (coefficient > -(INT64_C(1) << DBL_MANT_DIG) && coefficient < INT64_C(1) << DBL_MANT_DIG)
            return (double)coefficient / exact_pow10[scale];
        char text[WIDE_TEXT];
        return text_to_double(text, wide_print((struct wide){coefficient, scale}, text));
    }
    return text_to_double(x.ptr, x.len);
}

struct value numeric_from_int64(int64_t i)
{
    return value_decimal(i, 0);
}

#if LDBL_MANT_DIG >= 64
/*
 * d to `digits` significant digits without printing it. With a 64-bit mantissa the powers up to 10^27 are exact and the
 * product is off by 2^-64 of itself at most, that is by less than 2^-13 of a unit: if its fraction is no nearer to a
 * half than that, it rounds as the exact product would. False where it is too near, and for numbers that %g writes with
 * an exponent.
 */
static bool shorten(double d, int digits, struct value *out)
{
    double m = fabs(d);
    if (!(m >= 1e-4 && m < 1e15))
        return false;
    int exponent = 0; /* of the first digit */
    if (m >= 1)
        while (m >= exact_pow10[exponent + 1])
            exponent++;
    else
        while (m * exact_pow10[-exponent] < 1)
            exponent--;
    int scale = digits - 1 - exponent;
    if (scale < 0 || scale > DECIMAL_MAX_SCALE)
        return false;
    long double product = (long double)m * (long double)exact_pow10[scale];
    int64_t coefficient = (int64_t)product;
    long double fraction = product - (long double)coefficient;
    if (fabsl(fraction - 0.5L) < 0x1p-12L)
        return false;
    coefficient += fraction > 0.5L;
    for (; scale > 0 && coefficient % 10 == 0; scale--)
        coefficient /= 10;
    *out = value_decimal(d < 0 ? -coefficient : coefficient, (unsigned)scale);
    return true;
}
#else
static bool shorten(double d, int digits, struct value *out)
{
    (void)d;
    (void)digits;
    (void)out;
    return false;
}
#endif

/* float8_numeric(), float4_numeric(): what "%.*g" prints, read as numeric. */
static struct value from_float(struct arena *a, double d, int digits)
{
    struct value out;
    if (shorten(d, digits, &out))
        return out;
    if (isnan(d) || isinf(d)) {
        struct str name = isnan(d) ? STR("NaN") : d < 0 ? STR("-Infinity") : STR("Infinity");
        return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)name.len, .ptr = name.data};
    }
    char text[40];
    int len = snprintf(text, sizeof(text), "%.*g", digits, d);
    struct error err;
    bool ok = numeric_parse(a, (struct str){text, (size_t)len}, &out, &err);
    assert(ok);
    (void)ok;
    return out;
}

struct value numeric_from_double(struct arena *a, double d)
{
    return from_float(a, d, DBL_DIG);
}

struct value numeric_from_real(struct arena *a, double d)
{
    return from_float(a, d, FLT_DIG);
}

/* From the end: the last `scale` digits, the point, the rest. */
static char *put_decimal(char *end, uint64_t m, unsigned scale)
{
    char *p = end;
    for (unsigned left = scale; left > 0; left--, m /= 10)
        *--p = (char)('0' + m % 10);
    if (scale)
        *--p = '.';
    for (; m >= 100; m /= 100) {
        p -= 2;
        memcpy(p, str_digit_pairs + m % 100 * 2, 2);
    }
    if (m >= 10) {
        p -= 2;
        memcpy(p, str_digit_pairs + m * 2, 2);
    } else {
        *--p = (char)('0' + m);
    }
    return p;
}

void numeric_print(struct value x, struct buffer *out)
{
    if (x.kind == VALUE_DECIMAL) {
        char text[24];
        char *end = text + sizeof(text), *p = put_decimal(end, x.i < 0 ? -(uint64_t)x.i : (uint64_t)x.i, x.scale);
        if (x.i < 0)
            *--p = '-';
        buffer_add(out, p, (size_t)(end - p));
        return;
    }
    struct arena scratch = ARENA_INIT;
    struct value v = numeric_normalise(&scratch, x);
    if (v.kind == VALUE_DECIMAL)
        numeric_print(v, out);
    else
        buffer_add_str(out, value_str(v));
    arena_release(&scratch);
}

/* As big_print_binary. Digits of 10000 from the end: behind the point `groups` of them, the last one filled up with
 * zeros. */
static void print_binary_small(int64_t coefficient, unsigned scale, struct buffer *out)
{
    enum { MOST = 7 };
    uint16_t digits[MOST];
    uint64_t m = coefficient < 0 ? -(uint64_t)coefficient : (uint64_t)coefficient;
    unsigned groups = (scale + BIG_DIGITS - 1) / BIG_DIGITS, rest = groups * BIG_DIGITS - scale;
    int at = MOST, end = MOST;
    if (rest && m) {
        /* The last group has only 4 - rest digits of its own. */
        unsigned unit = (unsigned)numeric_pow10[BIG_DIGITS - rest];
        digits[--at] = (uint16_t)(m % unit * (unsigned)numeric_pow10[rest]);
        m /= unit;
    }
    for (; m; m /= BIG_BASE)
        digits[--at] = (uint16_t)(m % BIG_BASE);
    int weight = at < end ? end - at - 1 - (int)groups : 0;
    while (end > at && digits[end - 1] == 0)
        end--;
    for (; at < end && digits[at] == 0; at++)
        weight--;
    buffer_reserve(out, 8 + 2 * MOST);
    buffer_add_be16(out, (uint16_t)(end - at));
    buffer_add_be16(out, (uint16_t)(at < end ? weight : 0));
    buffer_add_be16(out, coefficient < 0 ? 0x4000 : 0);
    buffer_add_be16(out, (uint16_t)scale);
    for (; at < end; at++)
        buffer_add_be16(out, digits[at]);
}

bool numeric_print_binary(struct value x, struct buffer *out)
{
    int64_t coefficient = x.i;
    unsigned scale = x.scale;
    if (x.kind == VALUE_DECIMAL || numeric_parse_small(x.ptr, x.len, &coefficient, &scale)) {
        print_binary_small(coefficient, scale, out);
        return true;
    }
    struct big b;
    big_init(&b);
    big_of_value(&b, x);
    bool fits = big_fits(&b);
    if (fits)
        big_print_binary(&b, out);
    big_release(&b);
    return fits;
}
