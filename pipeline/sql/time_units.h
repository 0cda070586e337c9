/*
 * Fields of dates and timestamps, by the names PostgreSQL takes (datetime.c), and what they hold.
 */
#ifndef PIPE_SQL_TIME_UNITS_H
#define PIPE_SQL_TIME_UNITS_H

#include "pipeline/event/datetime.h"
#include "pipeline/event/value.h"

enum time_unit {
    UNIT_MICROSECONDS,
    UNIT_MILLISECONDS,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_QUARTER,
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
    UNIT_DOW,
    UNIT_ISODOW,
    UNIT_DOY,
    UNIT_ISOYEAR,
    UNIT_EPOCH,
    UNIT_JULIAN,
    UNIT_TIMEZONE,
    UNIT_TIMEZONE_HOUR,
    UNIT_TIMEZONE_MINUTE,
};

/* Any case, singular or plural. False: no such unit. */
bool time_unit_find(struct str name, enum time_unit *out);

/* days since 2000-01-01 */
int32_t time_iso_week(int32_t days, int32_t *iso_year);
/* The same for a day at or near that year, which the days of an interval may overshoot: then the weeks go on. */
int32_t time_iso_week_in(int32_t year, int32_t days, int32_t *iso_year);
int32_t time_iso_first_day(int32_t year);
int32_t time_day_of_year(int32_t days);
/* 0 is Sunday */
int32_t time_day_of_week(int32_t days);

static inline bool time_is_infinite(int64_t us)
{
    return us == INT64_MIN || us == INT64_MAX;
}
/* Rounds down, also before 2000. -infinity wraps around: it has no days, but may be asked for them beside times that do. */
static inline int64_t time_floor(int64_t us, int64_t unit)
{
    int64_t rest = us % unit;
    return (int64_t)((uint64_t)us - (uint64_t)(rest < 0 ? rest + unit : rest));
}
static inline int32_t time_days(int64_t us)
{
    return (int32_t)(time_floor(us, USECS_PER_DAY) / USECS_PER_DAY);
}

/* A date's midnight; infinite dates are infinite times. Beyond what a timestamp holds it means nothing. */
static inline int64_t time_of_date(int64_t days)
{
    const int64_t last = INT64_MAX / USECS_PER_DAY;
    return days == INT32_MIN ? INT64_MIN : days == INT32_MAX ? INT64_MAX : (days < last ? days : last) * USECS_PER_DAY;
}
/* The µs of a date's midnight, of a timestamp itself. ERROR_REJECT 22008 for a date after the last timestamp. */
bool time_midnight(struct value v, int64_t *us, struct error *err);

enum { JULIAN_OF_2000 = 2451545 };

#endif
