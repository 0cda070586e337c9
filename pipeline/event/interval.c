#include "pipeline/event/interval.h"

#include <math.h>
#include <string.h>

#include "pipeline/event/convert_pieces.h"
#include "pipeline/event/datetime.h"

#define USECS_PER_MINUTE (60 * USECS_PER_SEC)
#define USECS_PER_HOUR (3600 * USECS_PER_SEC)

static bool out_of_range(struct error *err)
{
    return convert_reject(err, "22008", "interval out of range");
}

/* ---- fields and precision ------------------------------------------------------------------------------------------
 */

const char *interval_fields_name(enum interval_fields f)
{
    static const char *const names[INTERVAL_FIELDS] = {
        [INTERVAL_YEAR] = "year",
        [INTERVAL_MONTH] = "month",
        [INTERVAL_DAY] = "day",
        [INTERVAL_HOUR] = "hour",
        [INTERVAL_MINUTE] = "minute",
        [INTERVAL_SECOND] = "second",
        [INTERVAL_YEAR_TO_MONTH] = "year to month",
        [INTERVAL_DAY_TO_HOUR] = "day to hour",
        [INTERVAL_DAY_TO_MINUTE] = "day to minute",
        [INTERVAL_DAY_TO_SECOND] = "day to second",
        [INTERVAL_HOUR_TO_MINUTE] = "hour to minute",
        [INTERVAL_HOUR_TO_SECOND] = "hour to second",
        [INTERVAL_MINUTE_TO_SECOND] = "minute to second",
    };
    return names[f];
}

static int64_t cut(int64_t us, int64_t unit)
{
    return us - us % unit;
}

static int64_t round_to(int64_t us, int precision)
{
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    if (precision < 0 || precision >= 6)
        return us;
    int64_t unit = units[precision], rest = us % unit;
    int64_t whole = us - rest, up = us < 0 ? -unit : unit;
    bool away = (rest < 0 ? -rest : rest) >= unit / 2;
    return away && !__builtin_add_overflow(whole, up, &us) ? us : whole;
}

struct interval interval_apply_typmod(struct interval x, int precision, int fields)
{
    if (fields >= 0)
        switch ((enum interval_fields)fields) {
        case INTERVAL_YEAR:
            x.months -= x.months % MONTHS_PER_YEAR;
            x.days = 0;
            x.microseconds = 0;
            break;
        case INTERVAL_MONTH:
        case INTERVAL_YEAR_TO_MONTH:
            x.days = 0;
            x.microseconds = 0;
            break;
        case INTERVAL_DAY:
            x.microseconds = 0;
            break;
        case INTERVAL_HOUR:
        case INTERVAL_DAY_TO_HOUR:
            x.microseconds = cut(x.microseconds, USECS_PER_HOUR);
            break;
        case INTERVAL_MINUTE:
        case INTERVAL_DAY_TO_MINUTE:
        case INTERVAL_HOUR_TO_MINUTE:
            x.microseconds = cut(x.microseconds, USECS_PER_MINUTE);
            break;
        case INTERVAL_SECOND:
        case INTERVAL_DAY_TO_SECOND:
        case INTERVAL_HOUR_TO_SECOND:
        case INTERVAL_MINUTE_TO_SECOND:
        case INTERVAL_FIELDS:
            break;
        }
    x.microseconds = round_to(x.microseconds, precision);
    return x;
}

/* ---- order, sums, multiples ----------------------------------------------------------------------------------------
 */

static __int128 length_of(struct interval x)
{
    return (__int128)((int64_t)x.months * DAYS_PER_MONTH + x.days) * USECS_PER_DAY + x.microseconds;
}

int interval_compare(struct interval x, struct interval y)
{
    __int128 p = length_of(x), q = length_of(y);
    return (p > q) - (p < q);
}

bool interval_add(struct interval x, struct interval y, struct interval *out, struct error *err)
{
    bool over = __builtin_add_overflow(x.months, y.months, &out->months);
    over |= __builtin_add_overflow(x.days, y.days, &out->days);
    over |= __builtin_add_overflow(x.microseconds, y.microseconds, &out->microseconds);
    return !over || out_of_range(err);
}

bool interval_sub(struct interval x, struct interval y, struct interval *out, struct error *err)
{
    bool over = __builtin_sub_overflow(x.months, y.months, &out->months);
    over |= __builtin_sub_overflow(x.days, y.days, &out->days);
    over |= __builtin_sub_overflow(x.microseconds, y.microseconds, &out->microseconds);
    return !over || out_of_range(err);
}

bool interval_neg(struct interval x, struct interval *out, struct error *err)
{
    return interval_sub((struct interval){0}, x, out, err);
}

/* To whole microseconds of a second, where the noise of the multiplication ends. */
static double settle(double d)
{
    return rint(d * 1e6) / 1e6;
}

static bool fits_int32(double d)
{
    return d >= INT32_MIN && d <= INT32_MAX;
}

/*
 * From the three parts multiplied: what months leave behind their whole number flows into days of which they have 30,
 * what days leave flows into the time.
 */
static bool from_parts(double months, double days, double microseconds, struct interval *out, struct error *err)
{
    if (!fits_int32(months) || !fits_int32(days))
        return out_of_range(err);
    int32_t whole_months = (int32_t)months, whole_days = (int32_t)days;
    double more_days = settle((months - whole_months) * DAYS_PER_MONTH);
    double seconds = settle((days - whole_days + more_days - (int)more_days) * 86400);
    int64_t sum = (int64_t)whole_days + (int)more_days;
    if (fabs(seconds) >= 86400) {
        sum += (int)(seconds / 86400);
        seconds -= (int)(seconds / 86400) * 86400;
    }
    double us = rint(microseconds + seconds * (double)USECS_PER_SEC);
    if (!(us >= -0x1p63 && us < 0x1p63) || sum < INT32_MIN || sum > INT32_MAX)
        return out_of_range(err);
    *out = (struct interval){.microseconds = (int64_t)us, .days = (int32_t)sum, .months = whole_months};
    return true;
}

bool interval_mul(struct interval x, double factor, struct interval *out, struct error *err)
{
    return from_parts(x.months * factor, x.days * factor, (double)x.microseconds * factor, out, err);
}

bool interval_div(struct interval x, double divisor, struct interval *out, struct error *err)
{
    if (divisor == 0)
        return convert_reject(err, "22012", "division by zero");
    return from_parts(x.months / divisor, x.days / divisor, (double)x.microseconds / divisor, out, err);
}

/* ---- justify -------------------------------------------------------------------------------------------------------
 */

static bool carry_days(struct interval *x)
{
    int32_t months = x->days / DAYS_PER_MONTH;
    x->days -= months * DAYS_PER_MONTH;
    return !__builtin_add_overflow(x->months, months, &x->months);
}

static bool carry_time(struct interval *x)
{
    int64_t days = x->microseconds / USECS_PER_DAY;
    x->microseconds -= days * USECS_PER_DAY;
    return !__builtin_add_overflow(x->days, (int32_t)days, &x->days);
}

static void one_sign_for_time(struct interval *x)
{
    if (x->days > 0 && x->microseconds < 0) {
        x->microseconds += USECS_PER_DAY;
        x->days--;
    } else if (x->days < 0 && x->microseconds > 0) {
        x->microseconds -= USECS_PER_DAY;
        x->days++;
    }
}

bool interval_justify_hours(struct interval x, struct interval *out, struct error *err)
{
    if (!carry_time(&x))
        return out_of_range(err);
    one_sign_for_time(&x);
    *out = x;
    return true;
}

bool interval_justify_days(struct interval x, struct interval *out, struct error *err)
{
    if (!carry_days(&x))
        return out_of_range(err);
    if (x.months > 0 && x.days < 0) {
        x.days += DAYS_PER_MONTH;
        x.months--;
    } else if (x.months < 0 && x.days > 0) {
        x.days -= DAYS_PER_MONTH;
        x.months++;
    }
    *out = x;
    return true;
}

bool interval_justify(struct interval x, struct interval *out, struct error *err)
{
    bool one_sign = (x.days > 0 && x.microseconds > 0) || (x.days < 0 && x.microseconds < 0);
    if ((one_sign && !carry_days(&x)) || !carry_time(&x) || !carry_days(&x))
        return out_of_range(err);
    if (x.months > 0 && (x.days < 0 || (x.days == 0 && x.microseconds < 0))) {
        x.days += DAYS_PER_MONTH;
        x.months--;
    } else if (x.months < 0 && (x.days > 0 || (x.days == 0 && x.microseconds > 0))) {
        x.days -= DAYS_PER_MONTH;
        x.months++;
    }
    one_sign_for_time(&x);
    *out = x;
    return true;
}
