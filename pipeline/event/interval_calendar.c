/*
 * Intervals on the calendar: timestamps moved by them, and what lies between two timestamps.
 */
#include "pipeline/event/interval.h"

#include "pipeline/event/convert_pieces.h"
#include "pipeline/event/datetime_text.h"

static bool is_infinite(int64_t us)
{
    return us == INT64_MIN || us == INT64_MAX;
}

static bool out_of_range(struct error *err)
{
    return convert_reject(err, "22008", "timestamp out of range");
}

static int month_length(int32_t year, int32_t month)
{
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return lengths[month - 1] + (month == 2 && leap);
}

static int64_t floor_day(int64_t local)
{
    int64_t rest = local % USECS_PER_DAY;
    return (local - (rest < 0 ? rest + USECS_PER_DAY : rest)) / USECS_PER_DAY;
}

static int64_t wall_of(int64_t us, const struct zone *zone)
{
    return zone ? us + zone_offset_at(zone, us, NULL) * USECS_PER_SEC : us;
}

/* The timestamp of that day on the wall with this time of day. */
static bool of_wall(int64_t day, int64_t of_day, const struct zone *zone, int64_t *us)
{
    int64_t local;
    if (__builtin_mul_overflow(day, USECS_PER_DAY, &local) || __builtin_add_overflow(local, of_day, &local))
        return false;
    /* a day's slack: the offset is applied after this */
    if (local < INT64_C(-211813574400000000) || local >= INT64_C(9223371417600000000))
        return false;
    *us = zone ? zone_local_to_utc(zone, local) : local;
    return timestamp_in_range(*us);
}

static bool add_months(int64_t *us, int32_t months, const struct zone *zone)
{
    int64_t local = wall_of(*us, zone), day = floor_day(local);
    int32_t year, month, of_month;
    date_to_civil((int32_t)day, &year, &month, &of_month);
    int64_t count = (int64_t)year * MONTHS_PER_YEAR + month - 1 + months;
    int64_t to_year = count >= 0 ? count / MONTHS_PER_YEAR : -((MONTHS_PER_YEAR - 1 - count) / MONTHS_PER_YEAR);
    if (to_year < -4714 || to_year > 294278)
        return false;
    int32_t to_month = (int32_t)(count - to_year * MONTHS_PER_YEAR) + 1,
            longest = month_length((int32_t)to_year, to_month);
    int32_t to_day = date_from_civil((int32_t)to_year, to_month, of_month < longest ? of_month : longest);
    return of_wall(to_day, local - day * USECS_PER_DAY, zone, us);
}

static bool add_days(int64_t *us, int64_t days, const struct zone *zone)
{
    int64_t local = wall_of(*us, zone), day = floor_day(local);
    return of_wall(day + days, local - day * USECS_PER_DAY, zone, us);
}

bool timestamp_add_interval(int64_t us, struct interval i, const struct zone *zone, int64_t *out, struct error *err)
{
    *out = us;
    if (is_infinite(us))
        return true;
    bool good = (i.months == 0 || add_months(out, i.months, zone)) && (i.days == 0 || add_days(out, i.days, zone));
    if (!good || __builtin_add_overflow(*out, i.microseconds, out) || !timestamp_in_range(*out))
        return out_of_range(err);
    return true;
}

bool timestamp_sub_interval(int64_t us, struct interval i, const struct zone *zone, int64_t *out, struct error *err)
{
    struct interval negative;
    *out = us;
    if (is_infinite(us))
        return true;
    return interval_neg(i, &negative, err) ? timestamp_add_interval(us, negative, zone, out, err) : out_of_range(err);
}

bool timestamp_difference(int64_t x, int64_t y, struct interval *out, struct error *err)
{
    struct interval i = {0};
    if (is_infinite(x) || is_infinite(y))
        return convert_reject(err, "22008", "cannot subtract infinite timestamps");
    if (__builtin_sub_overflow(x, y, &i.microseconds))
        return convert_reject(err, "22008", "interval out of range");
    return interval_justify_hours(i, out, err);
}

/* Field by field from the later to the earlier one; what is negative borrows from the next. */
bool timestamp_age(int64_t x, int64_t y, const struct zone *zone, struct interval *out, struct error *err)
{
    if (is_infinite(x) || is_infinite(y))
        return out_of_range(err);
    bool negative = x < y;
    struct civil later, earlier;
    timestamp_to_civil(wall_of(negative ? y : x, zone), &later);
    timestamp_to_civil(wall_of(negative ? x : y, zone), &earlier);
    int64_t us = (((int64_t)later.hour - earlier.hour) * 60 + later.minute - earlier.minute) * 60 + later.second -
                 earlier.second;
    us = us * USECS_PER_SEC + later.microsecond - earlier.microsecond;
    int32_t days = later.day - earlier.day;
    int32_t months = (later.year - earlier.year) * MONTHS_PER_YEAR + later.month - earlier.month;
    for (; us < 0; us += USECS_PER_DAY)
        days--;
    for (; days < 0; days += month_length(earlier.year, earlier.month))
        months--;
    struct interval i = {.microseconds = us, .days = days, .months = months};
    *out = i;
    return !negative || interval_neg(i, out, err);
}
