#include "pipeline/sql/time_units.h"

#include "pipeline/sql/implementation.h"

bool time_unit_find(struct str name, enum time_unit *out)
{
    enum { LOOKED_AT = 10 }; /* further letters are not, as in Postgres */
    static const struct {
        const char *name;
        enum time_unit unit;
    } units[] = {
        {"microsecon", UNIT_MICROSECONDS},
        {"us", UNIT_MICROSECONDS},
        {"usec", UNIT_MICROSECONDS},
        {"usecond", UNIT_MICROSECONDS},
        {"useconds", UNIT_MICROSECONDS},
        {"usecs", UNIT_MICROSECONDS},
        {"millisecon", UNIT_MILLISECONDS},
        {"ms", UNIT_MILLISECONDS},
        {"msec", UNIT_MILLISECONDS},
        {"msecond", UNIT_MILLISECONDS},
        {"mseconds", UNIT_MILLISECONDS},
        {"msecs", UNIT_MILLISECONDS},
        {"second", UNIT_SECOND},
        {"seconds", UNIT_SECOND},
        {"sec", UNIT_SECOND},
        {"secs", UNIT_SECOND},
        {"s", UNIT_SECOND},
        {"minute", UNIT_MINUTE},
        {"minutes", UNIT_MINUTE},
        {"min", UNIT_MINUTE},
        {"mins", UNIT_MINUTE},
        {"m", UNIT_MINUTE},
        {"hour", UNIT_HOUR},
        {"hours", UNIT_HOUR},
        {"hr", UNIT_HOUR},
        {"hrs", UNIT_HOUR},
        {"h", UNIT_HOUR},
        {"day", UNIT_DAY},
        {"days", UNIT_DAY},
        {"d", UNIT_DAY},
        {"week", UNIT_WEEK},
        {"weeks", UNIT_WEEK},
        {"w", UNIT_WEEK},
        {"month", UNIT_MONTH},
        {"months", UNIT_MONTH},
        {"mon", UNIT_MONTH},
        {"mons", UNIT_MONTH},
        {"quarter", UNIT_QUARTER},
        {"qtr", UNIT_QUARTER},
        {"year", UNIT_YEAR},
        {"years", UNIT_YEAR},
        {"y", UNIT_YEAR},
        {"yr", UNIT_YEAR},
        {"yrs", UNIT_YEAR},
        {"decade", UNIT_DECADE},
        {"decades", UNIT_DECADE},
        {"dec", UNIT_DECADE},
        {"decs", UNIT_DECADE},
        {"century", UNIT_CENTURY},
        {"centuries", UNIT_CENTURY},
        {"c", UNIT_CENTURY},
        {"cent", UNIT_CENTURY},
        {"millennium", UNIT_MILLENNIUM},
        {"millennia", UNIT_MILLENNIUM},
        {"mil", UNIT_MILLENNIUM},
        {"mils", UNIT_MILLENNIUM},
        {"dow", UNIT_DOW},
        {"isodow", UNIT_ISODOW},
        {"doy", UNIT_DOY},
        {"isoyear", UNIT_ISOYEAR},
        {"epoch", UNIT_EPOCH},
        {"julian", UNIT_JULIAN},
        {"timezone", UNIT_TIMEZONE},
        {"timezone_h", UNIT_TIMEZONE_HOUR},
        {"timezone_m", UNIT_TIMEZONE_MINUTE},
    };
    if (name.len > LOOKED_AT)
        name.len = LOOKED_AT;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (str_eq_nocase(name, str_of(units[i].name))) {
            *out = units[i].unit;
            return true;
        }
    return false;
}

bool time_midnight(struct value v, int64_t *us, struct error *err)
{
    const int64_t end = 106751983; /* 294277-01-01 */
    *us = v.i;
    if (v.kind != VALUE_DATE)
        return true;
    if (v.i >= end && v.i != INT32_MAX)
        return function_fail(err, "22008", "date out of range for timestamp");
    *us = time_of_date(v.i);
    return true;
}

int32_t time_day_of_week(int32_t days)
{
    int32_t d = (days % 7 + 6) % 7; /* 2000-01-01 was a Saturday */
    return d < 0 ? d + 7 : d;
}

int32_t time_day_of_year(int32_t days)
{
    int32_t year, month, day;
    date_to_civil(days, &year, &month, &day);
    return days - date_from_civil(year, 1, 1) + 1;
}

/* The Monday of the week with January 4th in it (ISO 8601). */
int32_t time_iso_first_day(int32_t year)
{
    int32_t fourth = date_from_civil(year, 1, 4);
    return fourth - (time_day_of_week(fourth) + 6) % 7;
}

/* A week belongs to the year that its Thursday is in. */
int32_t time_iso_week(int32_t days, int32_t *iso_year)
{
    int32_t month, day, thursday = days + 3 - (time_day_of_week(days) + 6) % 7;
    date_to_civil(thursday, iso_year, &month, &day);
    return (thursday - date_from_civil(*iso_year, 1, 1)) / 7 + 1;
}

int32_t time_iso_week_in(int32_t year, int32_t days, int32_t *iso_year)
{
    int32_t first = time_iso_first_day(year);
    if (days < first) {
        first = time_iso_first_day(--year);
    } else if (days - first >= 52 * 7) {
        int32_t next = time_iso_first_day(year + 1);
        if (days >= next) {
            first = next;
            year++;
        }
    }
    *iso_year = year;
    return (days - first) / 7 + 1;
}
