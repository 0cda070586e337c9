/*
 * Division of DECIMALs by one divisor, down a column. PostgreSQL chooses a quotient's scale by where the first digits
 * of both operands stand, so dividends of one size share everything but the division itself: it is worked out once for
 * them, and then each costs a multiplication (base/divisor.h). Quotients beyond 64 bits are numeric_div's.
 */
#ifndef PIPE_NUMERIC_DIVIDE_H
#define PIPE_NUMERIC_DIVIDE_H

#include "pipeline/base/divisor.h"
#include "pipeline/event/numeric.h"

/* Dividends of scale x_scale with low <= |x.i| < low + width. */
struct numeric_dividends {
    unsigned x_scale;
    uint64_t low, width;
    int64_t factor; /* what x.i is multiplied by first; 0: too much for 64 bits */
    unsigned scale; /* the quotients' */
};

struct numeric_divisor {
    struct value y;
    struct divisor by;                        /* |y.i| */
    int64_t half;                             /* of |y.i|: added to a dividend, it rounds the quotient */
    struct numeric_dividends present, before; /* two, for values on both sides of a limit */
};

/* False where y does not allow it: not DECIMAL, zero, or too large. */
bool numeric_divisor_init(struct numeric_divisor *d, struct value y);
/* Makes `present` what x is one of. */
void numeric_divisor_fit(struct numeric_divisor *d, struct value x);

static inline bool numeric_is_one_of(const struct numeric_dividends *which, unsigned scale, uint64_t size)
{
    return scale == which->x_scale && size - which->low < which->width;
}

/* As the other fast paths of numeric.h. */
static inline bool numeric_div_fast(struct numeric_divisor *d, struct value x, struct value *out)
{
    if (x.kind != VALUE_DECIMAL)
        return false;
    int64_t x_sign = x.i >> 63, sign = x_sign ^ (d->y.i >> 63);
    uint64_t size = ((uint64_t)x.i ^ (uint64_t)x_sign) - (uint64_t)x_sign;
    if (__builtin_expect(!numeric_is_one_of(&d->present, x.scale, size), 0))
        numeric_divisor_fit(d, x);
    if (d->present.factor == 0)
        return false;
    int64_t quotient = divide_by(d->by, (int64_t)size * d->present.factor + d->half);
    *out = value_decimal((quotient ^ sign) - sign, d->present.scale);
    return true;
}

#endif
