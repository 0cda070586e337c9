#include "pipeline/event/numeric_wide.h"

/* What PostgreSQL's select_div_scale() goes by. */
enum { MIN_SIGNIFICANT_DIGITS = 16, MAX_DISPLAY_SCALE = 1000 };

enum { MAX_SCALE = 80 }; /* so that WIDE_TEXT is enough */

static uint128 magnitude(int128 c)
{
    return c < 0 ? -(uint128)c : (uint128)c;
}

static int128 with_sign(uint128 m, bool negative)
{
    return negative ? -(int128)m : (int128)m;
}

/* 10^n, n <= WIDE_DIGITS */
static uint128 power_of_ten(unsigned n)
{
    if (n <= DECIMAL_MAX_SCALE)
        return (uint128)numeric_pow10[n];
    uint128 power = (uint128)numeric_pow10[DECIMAL_MAX_SCALE];
    for (n -= DECIMAL_MAX_SCALE; n > DECIMAL_MAX_SCALE; n -= DECIMAL_MAX_SCALE)
        power *= (uint128)numeric_pow10[DECIMAL_MAX_SCALE];
    return power * (uint128)numeric_pow10[n];
}

static unsigned bit_length(uint128 m)
{
    uint64_t high = (uint64_t)(m >> 64), low = (uint64_t)m;
    return high ? 128 - (unsigned)__builtin_clzll(high) : low ? 64 - (unsigned)__builtin_clzll(low) : 0;
}

/* A product of numbers of p and q bits has at most p + q of them. A little too careful, and cheap. */
static bool multiply(uint128 x, uint128 y, uint128 *product)
{
    if (bit_length(x) + bit_length(y) > 127)
        return false;
    *product = x * y;
    return true;
}

static bool scale_up(uint128 m, unsigned places, uint128 *out)
{
    if (m == 0) {
        *out = 0;
        return true;
    }
    return places <= WIDE_DIGITS && multiply(m, power_of_ten(places), out);
}

/* 128-bit division is a library call; most numbers are small. */
static uint128 divide(uint128 x, uint128 y, uint128 *rest)
{
    if ((x | y) >> 64 == 0) {
        *rest = (uint64_t)x % (uint64_t)y;
        return (uint64_t)x / (uint64_t)y;
    }
    uint128 quotient = x / y;
    *rest = x - quotient * y;
    return quotient;
}

unsigned wide_count_digits(int128 coefficient)
{
    uint128 m = magnitude(coefficient);
    unsigned bits = bit_length(m);
    unsigned guess = bits * 1233 >> 12; /* log10(2) = 0.30103; exact or one too small */
    return guess + (m >= power_of_ten(guess));
}

bool wide_of_value(struct wide *w, struct value v)
{
    if (v.kind == VALUE_DECIMAL) {
        *w = (struct wide){v.i, v.scale};
        return true;
    }
    assert(v.kind == VALUE_NUMBER);
    const char *p = v.ptr, *end = p + v.len, *point = NULL;
    bool negative = p < end && *p == '-';
    p += negative;
    if (end - p > WIDE_DIGITS + 1)
        return false;
    uint128 m = 0;
    unsigned digits = 0;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        if (digit <= 9) {
            m = m * 10 + digit;
            digits++;
        } else if (*p == '.' && !point) {
            point = p;
        } else {
            return false;
        }
    }
    if (digits == 0 || digits > WIDE_DIGITS)
        return false;
    *w = (struct wide){with_sign(m, negative), point ? (unsigned)(end - point - 1) : 0};
    return true;
}

struct value wide_to_value(struct arena *a, struct wide w)
{
    int64_t narrow = (int64_t)w.coefficient;
    if (narrow == w.coefficient && w.scale <= DECIMAL_MAX_SCALE)
        return value_decimal(narrow, w.scale);
    char text[WIDE_TEXT];
    size_t len = wide_print(w, text);
    return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)len, .ptr = memcpy(arena_alloc(a, len), text, len)};
}

bool wide_align(struct wide *x, struct wide *y)
{
    struct wide *shorter = x->scale < y->scale ? x : y;
    unsigned scale = x->scale < y->scale ? y->scale : x->scale;
    uint128 m;
    if (!scale_up(magnitude(shorter->coefficient), scale - shorter->scale, &m))
        return false;
    *shorter = (struct wide){with_sign(m, shorter->coefficient < 0), scale};
    return true;
}

bool wide_add(struct wide x, struct wide y, struct wide *out)
{
    if (!wide_align(&x, &y))
        return false;
    out->scale = x.scale;
    return !__builtin_add_overflow(x.coefficient, y.coefficient, &out->coefficient);
}

bool wide_sub(struct wide x, struct wide y, struct wide *out)
{
    y.coefficient = -y.coefficient;
    return wide_add(x, y, out);
}

bool wide_mul(struct wide x, struct wide y, struct wide *out)
{
    uint128 m;
    if (x.scale + y.scale > MAX_SCALE || !multiply(magnitude(x.coefficient), magnitude(y.coefficient), &m))
        return false;
    *out = (struct wide){with_sign(m, (x.coefficient < 0) != (y.coefficient < 0)), x.scale + y.scale};
    return true;
}

struct wide_lead wide_lead(struct wide w)
{
    struct wide_lead lead = {.places = (int)w.scale};
    if (w.coefficient == 0)
        return lead;
    uint128 m = magnitude(w.coefficient), rest;
    int top = (int)wide_count_digits(w.coefficient) - 1 - (int)w.scale;
    lead.weight = top >= 0 ? top / WIDE_BASE_DIGITS : -((-top - 1) / WIDE_BASE_DIGITS) - 1;
    lead.places += lead.weight * WIDE_BASE_DIGITS;
    lead.digit = (unsigned)(lead.places >= 0 ? divide(m, power_of_ten((unsigned)lead.places), &rest)
                                             : m * power_of_ten((unsigned)-lead.places));
    return lead;
}

static int largest(int a, int b)
{
    return a > b ? a : b;
}

/* At least 16 significant digits, and no fewer places than either operand has: manual 9.3, and select_div_scale(). */
int wide_division_scale(struct wide x, struct wide y)
{
    struct wide_lead p = wide_lead(x), q = wide_lead(y);
    int weight = p.weight - q.weight - (p.digit <= q.digit);
    int scale = MIN_SIGNIFICANT_DIGITS - weight * WIDE_BASE_DIGITS;
    scale = largest(largest(scale, 0), largest((int)x.scale, (int)y.scale));
    return scale < MAX_DISPLAY_SCALE ? scale : MAX_DISPLAY_SCALE;
}

bool wide_div(struct wide x, struct wide y, struct wide *out)
{
    unsigned scale = (unsigned)wide_division_scale(x, y);
    uint128 dividend, divisor = magnitude(y.coefficient), rest;
    if (scale > MAX_SCALE || !scale_up(magnitude(x.coefficient), scale - x.scale + y.scale, &dividend))
        return false;
    uint128 quotient = divide(dividend, divisor, &rest);
    if (rest >= divisor - rest)
        quotient++;
    *out = (struct wide){with_sign(quotient, (x.coefficient < 0) != (y.coefficient < 0)), scale};
    return true;
}

bool wide_mod(struct wide x, struct wide y, struct wide *out)
{
    if (!wide_align(&x, &y))
        return false;
    uint128 rest;
    divide(magnitude(x.coefficient), magnitude(y.coefficient), &rest);
    *out = (struct wide){with_sign(rest, x.coefficient < 0), x.scale};
    return true;
}

bool wide_round(struct wide *w, int places, bool half_up)
{
    uint128 m = magnitude(w->coefficient);
    bool negative = w->coefficient < 0;
    int cut = (int)w->scale - places;
    if (places > MAX_SCALE)
        return false;
    if (cut > WIDE_DIGITS) {
        /* Below half of a unit unless it has as many digits as are cut. */
        if (cut <= (int)wide_count_digits(w->coefficient))
            return false;
        m = 0;
    } else if (cut > 0) {
        uint128 unit = power_of_ten((unsigned)cut), rest;
        m = divide(m, unit, &rest);
        if (half_up && rest >= unit - rest)
            m++;
    } else if (!scale_up(m, (unsigned)-cut, &m)) {
        return false;
    }
    if (places < 0 && !scale_up(m, (unsigned)-places, &m))
        return false;
    *w = (struct wide){with_sign(m, negative), places > 0 ? (unsigned)places : 0};
    return true;
}

static char *put_pairs(char *end, uint64_t m, unsigned digits)
{
    for (; digits >= 2; digits -= 2, m /= 100)
        memcpy(end -= 2, str_digit_pairs + 2 * (m % 100), 2);
    if (digits)
        *--end = (char)('0' + m % 10);
    return end;
}

/* The digits of m, which has `digits` of them, ending before `end`. */
static void put_digits(char *end, uint128 m, unsigned digits)
{
    enum { CHUNK = 18 };
    while (digits > CHUNK) {
        uint128 rest;
        m = divide(m, (uint128)numeric_pow10[CHUNK], &rest);
        end = put_pairs(end, (uint64_t)rest, CHUNK);
        digits -= CHUNK;
    }
    put_pairs(end, (uint64_t)m, digits);
}

size_t wide_print(struct wide w, char out[WIDE_TEXT])
{
    assert(w.scale <= MAX_SCALE);
    char *p = out;
    if (w.coefficient < 0)
        *p++ = '-';
    unsigned digits = wide_count_digits(w.coefficient);
    if (digits <= w.scale)
        digits = w.scale + 1; /* a zero before the point */
    if (w.scale == 0) {
        put_digits(p + digits, magnitude(w.coefficient), digits);
        return (size_t)(p - out) + digits;
    }
    /* One place further to the right; then what is before the point goes back. */
    put_digits(p + digits + 1, magnitude(w.coefficient), digits);
    for (unsigned i = digits - w.scale; i > 0; i--, p++)
        *p = p[1];
    *p++ = '.';
    return (size_t)(p - out) + w.scale;
}
