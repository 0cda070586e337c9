/*
 * Functions of intervals (manual, 9.9).
 */
#include <math.h>

#include "pipeline/event/datetime_text.h"
#include "pipeline/event/interval.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/time_units.h"

#define USECS_PER_MINUTE (60 * USECS_PER_SEC)
#define USECS_PER_HOUR (3600 * USECS_PER_SEC)

static bool keep(struct eval *ev, bool good, struct interval i, struct value *out)
{
    if (good)
        *out = value_interval(ev->arena, i);
    return good;
}

/* variant: enum justify */
bool fn_justify(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    struct interval i = interval_of(args[0]);
    switch ((enum justify)e->variant) {
    case JUSTIFY_DAYS:
        return keep(ev, interval_justify_days(i, &i, err), i, out);
    case JUSTIFY_HOURS:
        return keep(ev, interval_justify_hours(i, &i, err), i, out);
    case JUSTIFY_BOTH:
        break;
    }
    return keep(ev, interval_justify(i, &i, err), i, out);
}

/* years, months, weeks, days, hours, minutes, seconds */
bool fn_make_interval(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    (void)e;
    int64_t months = args[0].i * MONTHS_PER_YEAR + args[1].i, days = args[2].i * 7 + args[3].i;
    double seconds = rint(args[6].d * (double)USECS_PER_SEC);
    struct interval i = {.microseconds = args[4].i * USECS_PER_HOUR + args[5].i * USECS_PER_MINUTE};
    if (!(seconds >= -0x1p63 && seconds < 0x1p63) || months != (int32_t)months || days != (int32_t)days ||
        __builtin_add_overflow(i.microseconds, (int64_t)seconds, &i.microseconds))
        return function_fail(err, "22008", "interval out of range");
    i.months = (int32_t)months;
    i.days = (int32_t)days;
    return keep(ev, true, i, out);
}

bool fn_age(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    const struct zone *zone = e->args[0]->type.id == TYPE_TIMESTAMPTZ ? ev->cx.zone : NULL;
    struct interval i = {0};
    return keep(ev, timestamp_age(args[0].i, args[1].i, zone, &i, err), i, out);
}

bool fn_isfinite(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    struct value v = args[0];
    bool infinite =
        v.kind == VALUE_DATE ? v.i == INT32_MIN || v.i == INT32_MAX : v.kind != VALUE_INTERVAL && time_is_infinite(v.i);
    *out = value_bool(!infinite);
    return true;
}

/* stride, timestamp, origin */
bool fn_date_bin(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e;
    struct interval stride = interval_of(args[0]);
    int64_t us = args[1].i, origin = args[2].i, step, distance;
    *out = args[1];
    if (time_is_infinite(us))
        return true;
    if (time_is_infinite(origin))
        return function_fail(err, "22008", "origin out of range");
    if (stride.months)
        return function_fail(err, "0A000", "timestamps cannot be binned into intervals containing months or years");
    if (__builtin_mul_overflow(stride.days, USECS_PER_DAY, &step) ||
        __builtin_add_overflow(step, stride.microseconds, &step) || __builtin_sub_overflow(us, origin, &distance))
        return function_fail(err, "22008", "interval out of range");
    if (step <= 0)
        return function_fail(err, "22008", "stride must be greater than zero");
    int64_t rest = distance % step;
    if (__builtin_sub_overflow(us, rest < 0 ? rest + step : rest, &out->i) || !timestamp_in_range(out->i))
        return function_fail(err, "22008", "timestamp out of range");
    return true;
}

/* ---- date_trunc and extract ----------------------------------------------------------------------------------------
 */

bool fn_trunc_interval(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    static const int64_t below_day[] = {1, 1000, USECS_PER_SEC, USECS_PER_MINUTE, USECS_PER_HOUR};
    static const int32_t months[] = {[UNIT_MONTH] = 1,    [UNIT_QUARTER] = 3,    [UNIT_YEAR] = 12,
                                     [UNIT_DECADE] = 120, [UNIT_CENTURY] = 1200, [UNIT_MILLENNIUM] = 12000};
    struct interval i = interval_of(args[1]);
    enum time_unit unit;
    if (!time_unit_of(e, args[0], TYPE_INTERVAL, &unit, err))
        return false;
    if (unit >= UNIT_DOW && unit <= UNIT_JULIAN)
        return time_unit_unknown(args[0], TYPE_INTERVAL, err);
    if (unit <= UNIT_HOUR) {
        i.microseconds -= i.microseconds % below_day[unit];
    } else if (unit == UNIT_DAY) {
        i.microseconds = 0;
    } else if (unit >= UNIT_MONTH && unit <= UNIT_MILLENNIUM) {
        i.microseconds = 0;
        i.days = 0;
        i.months -= i.months % months[unit];
    } else {
        return time_unit_unsupported(args[0], TYPE_INTERVAL, err);
    }
    return keep(ev, true, i, out);
}

/* Seconds; a year has 365.25 days. */
static bool interval_epoch(struct eval *ev, struct interval i, enum extract_result result, struct value *out,
                           struct error *err)
{
    int32_t years = i.months / MONTHS_PER_YEAR, months = i.months % MONTHS_PER_YEAR;
    if (result == EXTRACT_DOUBLE) {
        double seconds = (double)i.microseconds / (double)USECS_PER_SEC;
        seconds += 365.25 * 86400 * years;
        seconds += (double)DAYS_PER_MONTH * 86400 * months;
        seconds += 86400.0 * i.days;
        *out = value_double(seconds);
        return true;
    }
    int64_t whole = (INT64_C(1461) * years + INT64_C(120) * months + INT64_C(4) * i.days) * (86400 / 4), us;
    if (!__builtin_mul_overflow(whole, USECS_PER_SEC, &us) && !__builtin_add_overflow(us, i.microseconds, &us)) {
        *out = value_decimal(us, 6);
        return true;
    }
    return numeric_add(ev->arena, value_decimal(whole, 0), value_decimal(i.microseconds, 6), out, err);
}

static bool interval_field(struct interval i, enum time_unit unit, int64_t *out, unsigned *scale)
{
    int32_t years = i.months / MONTHS_PER_YEAR, months = i.months % MONTHS_PER_YEAR;
    int64_t of_minute = i.microseconds % USECS_PER_MINUTE;
    *scale = 0;
    switch (unit) {
    case UNIT_MICROSECONDS:
        *out = of_minute;
        return true;
    case UNIT_MILLISECONDS:
        *out = of_minute;
        *scale = 3;
        return true;
    case UNIT_SECOND:
        *out = of_minute;
        *scale = 6;
        return true;
    case UNIT_MINUTE:
        *out = i.microseconds / USECS_PER_MINUTE % 60;
        return true;
    case UNIT_HOUR:
        *out = i.microseconds / USECS_PER_HOUR;
        return true;
    case UNIT_DAY:
        *out = i.days;
        return true;
    case UNIT_MONTH:
        *out = months;
        return true;
    case UNIT_QUARTER:
        *out = months / 3 + 1;
        return true;
    case UNIT_YEAR:
        *out = years;
        return true;
    case UNIT_DECADE:
        *out = years / 10;
        return true;
    case UNIT_CENTURY:
        *out = years / 100;
        return true;
    case UNIT_MILLENNIUM:
        *out = years / 1000;
        return true;
    default:
        return false;
    }
}

/* variant: enum extract_result */
bool fn_extract_interval(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                         struct error *err)
{
    struct interval i = interval_of(args[1]);
    enum time_unit unit;
    int64_t field;
    unsigned scale;
    if (!time_unit_of(e, args[0], TYPE_INTERVAL, &unit, err))
        return false;
    if (unit == UNIT_EPOCH)
        return interval_epoch(ev, i, (enum extract_result)e->variant, out, err);
    if (!interval_field(i, unit, &field, &scale))
        return time_unit_unsupported(args[0], TYPE_INTERVAL, err);
    *out = value_decimal(field, scale);
    if (e->variant == EXTRACT_DOUBLE)
        *out = scale ? extract_as_double(field, unit) : value_double(numeric_to_double(*out));
    return true;
}

/* ---- OVERLAPS ------------------------------------------------------------------------------------------------------
 */

/* A period as OVERLAPS sees it: the lesser end first, a single known end first. */
struct period {
    struct value start, end;
};

static bool period_of(struct eval *ev, struct value start, struct value end, const struct zone *zone,
                      struct period *out, struct error *err)
{
    if (end.kind == VALUE_INTERVAL) {
        struct interval length = interval_of(end);
        end = start;
        if (!value_is_null(start) && !timestamp_add_interval(start.i, length, zone, &end.i, err))
            return false;
    }
    (void)ev;
    bool swap = value_is_null(start) || (!value_is_null(end) && start.i > end.i);
    *out = swap ? (struct period){end, start} : (struct period){start, end};
    return true;
}

/* (start, end) OVERLAPS (start, end); each end may be an interval. NULL is unknown, so the answer may be too. */
bool fn_overlaps(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    const struct zone *zone = e->args[0]->type.id == TYPE_TIMESTAMPTZ ? ev->cx.zone : NULL;
    struct period p, q;
    *out = value_null();
    if (!period_of(ev, args[0], args[1], zone, &p, err) || !period_of(ev, args[2], args[3], zone, &q, err))
        return false;
    if (value_is_null(p.start) || value_is_null(q.start))
        return true;
    if (p.start.i < q.start.i) {
        struct period later = q;
        q = p;
        p = later;
    }
    bool same_start = p.start.i == q.start.i;
    if (value_is_null(q.end) || (same_start && value_is_null(p.end)))
        return true;
    if (same_start || p.start.i < q.end.i)
        *out = value_bool(true);
    else if (!value_is_null(p.end))
        *out = value_bool(false);
    return true;
}
