#include "pipeline/event/numeric_divide.h"

#include "pipeline/event/numeric_wide.h"

bool numeric_divisor_init(struct numeric_divisor *d, struct value y)
{
    if (y.kind != VALUE_DECIMAL || y.i == 0 || y.i == INT64_MIN)
        return false;
    int64_t size = y.i < 0 ? -y.i : y.i;
    *d = (struct numeric_divisor){.y = y, .by = divisor_of(size), .half = size / 2};
    return true;
}

/* The least coefficient that has that many digits more than `places`; beyond 64 bits: the end of them. */
static uint64_t coefficient_at(unsigned factor, int places)
{
    if (places > DECIMAL_MAX_SCALE)
        return UINT64_MAX;
    if (places < 0)
        return (factor - 1) / (uint64_t)numeric_pow10[-places] + 1;
    uint64_t c;
    return __builtin_mul_overflow(factor, (uint64_t)numeric_pow10[places], &c) ? UINT64_MAX : c;
}

static void find_dividends(const struct numeric_divisor *d, struct value x, uint64_t size,
                           struct numeric_dividends *out)
{
    struct wide dividend = {(int128)size, x.scale}, divisor = {d->y.i, d->y.scale};
    struct wide_lead lead = wide_lead(dividend), by = wide_lead(divisor);
    int scale = wide_division_scale(dividend, divisor);
    int places = scale - (int)x.scale + (int)d->y.scale;
    *out = (struct numeric_dividends){.x_scale = x.scale, .width = 1};
    if (size == 0)
        return;
    /* The lead of every one of these stands where x's does, and is on the same side of the divisor's. */
    bool less = lead.digit <= by.digit;
    uint64_t limit = coefficient_at(by.digit + 1, lead.places);
    uint64_t low = less ? coefficient_at(1, lead.places) : limit;
    uint64_t end = less ? limit : coefficient_at(1, lead.places + WIDE_BASE_DIGITS);
    if (scale <= DECIMAL_MAX_SCALE && places <= DECIMAL_MAX_SCALE) {
        uint64_t most = (uint64_t)((INT64_MAX - d->half) / numeric_pow10[places]);
        if (size <= most) {
            out->factor = numeric_pow10[places];
            out->scale = (unsigned)scale;
            end = end <= most ? end : most + 1;
        } else {
            low = low > most ? low : most + 1;
        }
    }
    out->low = low;
    out->width = end - low;
}

void numeric_divisor_fit(struct numeric_divisor *d, struct value x)
{
    uint64_t size = x.i < 0 ? -(uint64_t)x.i : (uint64_t)x.i;
    struct numeric_dividends before = d->before;
    d->before = d->present;
    if (numeric_is_one_of(&before, x.scale, size))
        d->present = before;
    else
        find_dividends(d, x, size, &d->present);
}
