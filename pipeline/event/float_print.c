#include "pipeline/event/convert_pieces.h"

#include <float.h>
#include <math.h>

#include "pipeline/event/float_powers.h"

/*
 * Postgres prints the shortest digits that read back as the same number, and of those the nearest ones. Below 10^15
 * (10^6 for real) and from 10^-4 on they are written out, else with an exponent.
 *
 * The digits are found as in R. Giulietti, "The Schubfach way to render doubles" (2020): with k such that the number's
 * rounding interval is between 1 and 10 units of 10^k wide, one of four multiples of 10^k or 10^(k+1) next to the
 * number is the answer. As in Postgres, the ends of the interval do not belong to it, so that no reader's way of
 * breaking ties matters.
 */

struct digits {
    uint64_t n;
    int exponent; /* the number is n * 10^exponent */
};

/* mantissa * 2^exponent. `narrow`: a power of two, whose lower neighbour is half as far away as the upper one. */
struct binary {
    uint64_t mantissa;
    int exponent;
    bool narrow;
};

static struct binary binary_of_double(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0)
        return (struct binary){fraction, -1074, false};
    return (struct binary){fraction | UINT64_C(1) << 52, exponent - 1075, fraction == 0 && exponent > 1};
}

static struct binary binary_of_real(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t fraction = bits & ((UINT32_C(1) << 23) - 1);
    int exponent = (int)(bits >> 23 & 0xff);
    if (exponent == 0)
        return (struct binary){fraction, -149, false};
    return (struct binary){fraction | UINT32_C(1) << 23, exponent - 150, fraction == 0 && exponent > 1};
}

/* floor(log10(2^e)), floor(log10(3/4 * 2^e)), floor(log2(10^e)): exact for all exponents of doubles */
static int log10_of_pow2(int e)
{
    return (int)(e * INT64_C(661971961083) >> 41);
}
static int log10_of_three_quarters_pow2(int e)
{
    return (int)((e * INT64_C(661971961083) - INT64_C(274743187321)) >> 41);
}
static int log2_of_pow10(int e)
{
    return (int)(e * INT64_C(913124641741) >> 38);
}

__extension__ typedef unsigned __int128 uint128;

/* g * n / 2^126, with the lowest bit set where it is not exact (rounded to odd). */
static uint64_t scale(struct float_power g, uint64_t n)
{
    const uint64_t low_bits = (UINT64_C(1) << 63) - 1;
    uint64_t from_low = (uint64_t)((uint128)g.low * n >> 64);
    uint128 high = (uint128)g.high * n;
    uint64_t middle = ((uint64_t)high >> 1) + from_low;
    uint64_t whole = (uint64_t)(high >> 64) + (middle >> 63);
    return whole | (((middle & low_bits) + low_bits) >> 63);
}

static struct digits shortest(struct binary b)
{
    /* in quarters: the number, and the ends of what is rounded to it */
    uint64_t here = b.mantissa << 2, upper = here + 2, lower = here - (b.narrow ? 1 : 2);
    int k = b.narrow ? log10_of_three_quarters_pow2(b.exponent) : log10_of_pow2(b.exponent);
    int shift = b.exponent + log2_of_pow10(-k) + 2;
    struct float_power g = float_powers[k - FLOAT_POWER_MIN];
    uint64_t v = scale(g, here << shift), v_lower = scale(g, lower << shift), v_upper = scale(g, upper << shift);

    uint64_t below = v >> 2, above = below + 1;
    if (below >= 10) {
        uint64_t below10 = below / 10 * 10, above10 = below10 + 10;
        bool below_fits = v_lower < below10 << 2, above_fits = above10 << 2 < v_upper;
        if (below_fits != above_fits)
            return (struct digits){below_fits ? below10 : above10, k};
    }
    bool below_fits = v_lower < below << 2, above_fits = above << 2 < v_upper;
    if (below_fits != above_fits)
        return (struct digits){below_fits ? below : above, k};
    int64_t beyond_middle = (int64_t)(v - ((below + above) << 1));
    bool down = beyond_middle < 0 || (beyond_middle == 0 && below % 2 == 0);
    return (struct digits){down ? below : above, k};
}

/* n's digits right-aligned before `end`; returns where they begin. */
static char *put_digits_before(char *end, uint64_t n)
{
    for (; n >= 100; n /= 100) {
        end -= 2;
        memcpy(end, str_digit_pairs + 2 * (n % 100), 2);
    }
    if (n >= 10) {
        end -= 2;
        memcpy(end, str_digit_pairs + 2 * n, 2);
    } else {
        *--end = (char)('0' + n);
    }
    return end;
}

size_t int_print(int64_t i, char *out)
{
    char text[20];
    char *end = text + sizeof text;
    char *p = put_digits_before(end, i < 0 ? -(uint64_t)i : (uint64_t)i);
    if (i < 0)
        *out++ = '-';
    memcpy(out, p, (size_t)(end - p));
    return (size_t)(end - p) + (i < 0);
}

static char *put_exponent(char *p, int exponent)
{
    *p++ = 'e';
    *p++ = exponent < 0 ? '-' : '+';
    unsigned e = (unsigned)(exponent < 0 ? -exponent : exponent);
    if (e >= 100)
        *p++ = (char)('0' + e / 100);
    memcpy(p, str_digit_pairs + 2 * (e % 100), 2);
    return p + 2;
}

/* `plain_below`: from 10^that on numbers have an exponent. */
static char *put_digits(char *p, struct digits d, int plain_below)
{
    while (d.n % 100000000 == 0) {
        d.n /= 100000000;
        d.exponent += 8;
    }
    while (d.n % 10 == 0) {
        d.n /= 10;
        d.exponent++;
    }
    char text[20];
    char *end = text + sizeof text;
    char *digits = put_digits_before(end, d.n);
    int count = (int)(end - digits);
    int point = count + d.exponent; /* digits before the point */
    if (point < -3 || point > plain_below) {
        *p++ = digits[0];
        if (count > 1) {
            *p++ = '.';
            memcpy(p, digits + 1, (size_t)count - 1);
            p += count - 1;
        }
        return put_exponent(p, point - 1);
    }
    if (point <= 0) {
        memcpy(p, "0.000", 5);
        p += 2 - point;
        memcpy(p, digits, (size_t)count);
        return p + count;
    }
    int whole = count < point ? count : point;
    memcpy(p, digits, (size_t)whole);
    p += whole;
    for (int i = count; i < point; i++)
        *p++ = '0';
    if (count > point) {
        *p++ = '.';
        memcpy(p, digits + point, (size_t)(count - point));
        p += count - point;
    }
    return p;
}

static size_t put_word(const char *word, char *out)
{
    size_t len = strlen(word);
    memcpy(out, word, len);
    return len;
}

/* What has no digits: NaN, infinities, zero. */
static size_t put_special(double d, char *out)
{
    if (isnan(d))
        return put_word("NaN", out);
    if (isinf(d))
        return put_word(d < 0 ? "-Infinity" : "Infinity", out);
    return put_word(signbit(d) ? "-0" : "0", out);
}

size_t float_print_double(double d, char *out)
{
    if (d == 0 || !isfinite(d))
        return put_special(d, out);
    char *p = out;
    if (d < 0)
        *p++ = '-';
    return (size_t)(put_digits(p, shortest(binary_of_double(fabs(d))), DBL_DIG) - out);
}

size_t float_print_real(double d, char *out)
{
    if (d == 0 || !isfinite(d))
        return put_special(d, out);
    char *p = out;
    if (d < 0)
        *p++ = '-';
    return (size_t)(put_digits(p, shortest(binary_of_real((float)fabs(d))), FLT_DIG) - out);
}
