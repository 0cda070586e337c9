#include <stdlib.h>

#include "pipeline/event/numeric_big.h"

static int largest(int a, int b)
{
    return a > b ? a : b;
}

static int smallest(int a, int b)
{
    return a < b ? a : b;
}

/* The weight of the last digit. */
static int end_weight(const struct big *b)
{
    return b->weight - b->count + 1;
}

/* r += x (or -= x), digit by digit from the end; r is wide enough, and not less than x where it is subtracted. */
static void accumulate(struct big *r, const struct big *x, int sign)
{
    int carry = 0;
    int at = r->weight - end_weight(x);
    for (int i = x->count - 1; i >= 0 || carry; i--, at--) {
        int sum = r->digits[at] + sign * (i >= 0 ? x->digits[i] : 0) + carry;
        carry = sum >= BIG_BASE ? 1 : sum < 0 ? -1 : 0;
        r->digits[at] = (uint16_t)(sum - carry * BIG_BASE);
    }
}

static void add_signed(const struct big *x, const struct big *y, bool y_negative, struct big *r)
{
    int dscale = largest(x->dscale, y->dscale);
    const struct big *larger = x, *smaller = y;
    bool negative = x->negative;
    if (big_compare_magnitudes(x, y) < 0) {
        larger = y;
        smaller = x;
        negative = y_negative;
    }
    int end =
        end_weight(larger) < end_weight(smaller) || smaller->count == 0 ? end_weight(larger) : end_weight(smaller);
    big_make(r, larger->weight + 1 - end + 1);
    r->weight = larger->weight + 1;
    r->negative = negative;
    r->dscale = dscale;
    accumulate(r, larger, 1);
    accumulate(r, smaller, x->negative == y_negative ? 1 : -1);
    big_strip(r);
}

void big_add(const struct big *x, const struct big *y, struct big *r)
{
    add_signed(x, y, y->negative, r);
}

void big_sub(const struct big *x, const struct big *y, struct big *r)
{
    add_signed(x, y, !y->negative, r);
}

/* The first `count` digits of x * y, without what products of two digits behind them would carry there; unscaled. */
static void multiply(const struct big *x, const struct big *y, int count, struct big *r)
{
    big_make(r, count);
    r->weight = x->weight + y->weight + 1;
    r->negative = x->negative != y->negative;
    for (int i = smallest(x->count, count) - 1; i >= 0; i--) {
        uint32_t carry = 0, factor = x->digits[i];
        for (int j = smallest(y->count, count - 1 - i) - 1; j >= 0; j--) {
            uint32_t sum = factor * y->digits[j] + r->digits[i + j + 1] + carry;
            carry = sum / BIG_BASE;
            r->digits[i + j + 1] = (uint16_t)(sum - carry * BIG_BASE);
        }
        r->digits[i] = (uint16_t)carry;
    }
    big_strip(r);
}

void big_mul(const struct big *x, const struct big *y, struct big *r)
{
    multiply(x, y, x->count + y->count, r);
    r->dscale = x->dscale + y->dscale;
}

void big_mul_round(const struct big *x, const struct big *y, int rscale, struct big *r)
{
    enum { GUARD_DIGITS = 2 };
    int wanted = x->weight + y->weight + 2 + (rscale + BIG_DIGITS - 1) / BIG_DIGITS + GUARD_DIGITS;
    multiply(x, y, smallest(x->count + y->count, largest(wanted, 0)), r);
    big_round(r, rscale, BIG_ROUND);
}

static void divide_by_one_digit(const uint16_t *dividend, int count, unsigned divisor, uint16_t *quotient)
{
    uint32_t rest = 0;
    for (int i = 0; i < count; i++) {
        uint32_t part = rest * BIG_BASE + dividend[i];
        quotient[i] = (uint16_t)(part / divisor);
        rest = part % divisor;
    }
}

/* to = from * factor in `count` digits; what leaves them at the top is returned. */
static uint32_t multiply_by_one_digit(const uint16_t *from, int count, uint32_t factor, uint16_t *to)
{
    uint32_t carry = 0;
    for (int i = count - 1; i >= 0; i--) {
        uint32_t product = from[i] * factor + carry;
        carry = product / BIG_BASE;
        to[i] = (uint16_t)(product - carry * BIG_BASE);
    }
    return carry;
}

/* rest[0 .. n] -= divisor[0 .. n-1] * factor; returns whether that went below zero (rest is then modulo BASE^(n+1)). */
static bool subtract_multiple(uint16_t *rest, const uint16_t *divisor, int n, uint32_t factor)
{
    uint32_t carry = 0;
    int32_t borrow = 0;
    for (int i = n; i >= 0; i--) {
        uint32_t product = (i > 0 ? divisor[i - 1] * factor : 0) + carry;
        carry = product / BIG_BASE;
        int32_t difference = rest[i] - (int32_t)(product - carry * BIG_BASE) - borrow;
        borrow = difference < 0;
        rest[i] = (uint16_t)(difference + borrow * BIG_BASE);
    }
    return borrow;
}

static void add_back(uint16_t *rest, const uint16_t *divisor, int n)
{
    uint32_t carry = 0;
    for (int i = n; i >= 0; i--) {
        uint32_t sum = rest[i] + (i > 0 ? divisor[i - 1] : 0u) + carry;
        carry = sum >= BIG_BASE;
        rest[i] = (uint16_t)(sum - carry * BIG_BASE);
    }
}

/*
 * Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D. rest has count + 1 digits, the first of them 0 before
 * scaling; quotient gets count - n + 1 digits; divisor has n >= 2 of them. Both are scaled so that the divisor's first
 * digit is at least half of the base: then an estimate from its first two digits is at most one too large.
 */
static void divide_long(uint16_t *rest, int count, uint16_t *divisor, int n, uint16_t *quotient)
{
    uint32_t scale = BIG_BASE / (divisor[0] + 1u);
    multiply_by_one_digit(rest, count + 1, scale, rest);
    multiply_by_one_digit(divisor, n, scale, divisor);
    for (int j = 0; j <= count - n; j++) {
        uint32_t top = (uint32_t)rest[j] * BIG_BASE + rest[j + 1];
        uint32_t guess = top / divisor[0], remainder = top % divisor[0];
        while (guess >= BIG_BASE || guess * divisor[1] > remainder * BIG_BASE + rest[j + 2]) {
            guess--;
            remainder += divisor[0];
            if (remainder >= BIG_BASE)
                break;
        }
        if (subtract_multiple(rest + j, divisor, n, guess)) {
            guess--;
            add_back(rest + j, divisor, n);
        }
        quotient[j] = (uint16_t)guess;
    }
}

/*
 * The quotient is computed, rounded down, to one base-10000 digit more than rscale needs: rounding half away from zero
 * looks at the next decimal digit only, so nothing is lost.
 */
void big_div(const struct big *x, const struct big *y, int rscale, enum big_rounding how, struct big *r)
{
    int fraction = (rscale + BIG_DIGITS - 1) / BIG_DIGITS + 1;
    /* x / y * 10000^fraction = (x's digits, with `shift` zeros behind them) / (y's digits); a negative shift drops
     * digits. */
    int shift = end_weight(x) - end_weight(y) + fraction;
    int count = x->count + shift;
    big_make(r, count >= y->count && x->count ? count - y->count + 1 : 0);
    r->weight = r->count - 1 - fraction;
    r->negative = x->negative != y->negative;
    if (r->count) {
        uint16_t *work = mem_zalloc(sizeof(*work) * (size_t)(count + 1 + y->count));
        uint16_t *divisor = work + count + 1;
        memcpy(work + 1, x->digits, sizeof(*work) * (size_t)(shift < 0 ? count : x->count));
        memcpy(divisor, y->digits, sizeof(*work) * (size_t)y->count);
        if (y->count == 1)
            divide_by_one_digit(work + 1, count, divisor[0], r->digits);
        else
            divide_long(work, count, divisor, y->count, r->digits);
        free(work);
    }
    big_strip(r);
    big_round(r, rscale, how);
}

void big_mod(const struct big *x, const struct big *y, struct big *r)
{
    struct big quotient, product;
    big_init(&quotient);
    big_init(&product);
    big_div(x, y, 0, BIG_TRUNCATE, &quotient);
    big_mul(&quotient, y, &product);
    big_sub(x, &product, r);
    big_release(&product);
    big_release(&quotient);
}
