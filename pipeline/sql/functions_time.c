/*
 * Dates and times (manual, 9.9). A timestamp with time zone is looked at in the pipeline's zone.
 */
#include <math.h>
#include <stdio.h>

#include "pipeline/event/datetime_text.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/time_units.h"

bool time_unit_unknown(struct value name, enum type_id type, struct error *err)
{
    return function_fail(err, "22023", "unit \"%.*s\" not recognized for type %s", (int)name.len, name.ptr,
                         type_id_name(type));
}

/* What is written in the query: a unit, and for date_trunc() a zone. */
struct written {
    bool has_unit;
    enum time_unit unit;
    bool has_zone;
    struct zone_choice zone;
};

static bool is_written(const struct expr *e)
{
    return e->kind == EXPR_CONSTANT && !value_is_null(e->constant);
}

/* Looked up once; a mistake in it is found when the query is read. */
bool prepare_unit(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx;
    struct written *w = arena_new(plan, struct written);
    *w = (struct written){.has_unit = is_written(e->args[0]), .has_zone = e->count == 3 && is_written(e->args[2])};
    e->data = w;
    if (w->has_unit && !time_unit_find(value_str(e->args[0]->constant), &w->unit))
        return time_unit_unknown(e->args[0]->constant, e->args[1]->type.id, err);
    return !w->has_zone || zone_choose_written(e->args[2]->constant, &w->zone, err);
}

bool time_unit_of(const struct expr *e, struct value name, enum type_id type, enum time_unit *unit, struct error *err)
{
    const struct written *w = e->data;
    if (w && w->has_unit) {
        *unit = w->unit;
        return true;
    }
    return time_unit_find(value_str(name), unit) || time_unit_unknown(name, type, err);
}

bool time_unit_unsupported(struct value name, enum type_id type, struct error *err)
{
    return function_fail(err, "0A000", "unit \"%.*s\" not supported for type %s", (int)name.len, name.ptr,
                         type_id_name(type));
}

/* ---- date_trunc ----------------------------------------------------------------------------------------------------
 */

static int32_t first_year_of(int32_t year, int32_t years)
{
    /* Centuries and millennia start with year 1: 2001, 1901; before our era with the year 1 BC's mirror image. */
    return year > 0 ? ((year + years - 1) / years) * years - (years - 1)
                    : -((years - 1 - (year - 1)) / years) * years + 1;
}

static bool truncate_days(int32_t *days, enum time_unit unit)
{
    int32_t year, month, day;
    date_to_civil(*days, &year, &month, &day);
    switch (unit) {
    case UNIT_DAY:
        return true;
    case UNIT_WEEK:
        *days -= (time_day_of_week(*days) + 6) % 7;
        return true;
    case UNIT_MONTH:
        *days -= day - 1;
        return true;
    case UNIT_QUARTER:
        *days = date_from_civil(year, (month - 1) / 3 * 3 + 1, 1);
        return true;
    case UNIT_YEAR:
        *days = date_from_civil(year, 1, 1);
        return true;
    case UNIT_DECADE:
        *days = date_from_civil(year > 0 ? year / 10 * 10 : -((8 - (year - 1)) / 10) * 10, 1, 1);
        return true;
    case UNIT_CENTURY:
        *days = date_from_civil(first_year_of(year, 100), 1, 1);
        return true;
    case UNIT_MILLENNIUM:
        *days = date_from_civil(first_year_of(year, 1000), 1, 1);
        return true;
    default:
        return false;
    }
}

/* An abbreviation that has changed over time stands for its zone here. */
static bool trunc_zone(const struct expr *e, struct value name, struct zone_choice *zone, struct error *err)
{
    const struct written *w = e->data;
    if (w->has_zone)
        *zone = w->zone;
    else if (!zone_choose(name, zone, err))
        return false;
    zone->abbreviation = NULL;
    return true;
}

bool fn_date_trunc(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    static const int64_t below_day[] = {1, 1000, USECS_PER_SEC, 60 * USECS_PER_SEC, 3600 * USECS_PER_SEC};
    enum type_id type = e->type.id;
    enum time_unit unit;
    *out = args[1];
    if (time_is_infinite(args[1].i))
        return true;
    if (!time_unit_of(e, args[0], type, &unit, err))
        return false;
    if (unit >= UNIT_DOW && unit <= UNIT_JULIAN)
        return time_unit_unknown(args[0], type, err);
    struct zone_choice zone = {.zone = type == TYPE_TIMESTAMPTZ ? ev->cx.zone : NULL};
    if (e->count == 3 && !trunc_zone(e, args[2], &zone, err))
        return false;
    int64_t local = zone_choice_wall(&zone, args[1].i), offset = local - args[1].i;
    if (unit <= UNIT_HOUR) {
        out->i = time_floor(local, below_day[unit]) - offset;
    } else {
        int32_t days = time_days(local);
        if (!truncate_days(&days, unit))
            return time_unit_unsupported(args[0], type, err);
        if (__builtin_mul_overflow(days, USECS_PER_DAY, &local))
            return function_fail(err, "22008", "timestamp out of range");
        out->i = zone_choice_instant(&zone, local);
    }
    return timestamp_in_range(out->i) || function_fail(err, "22008", "timestamp out of range");
}

/* ---- extract and date_part -----------------------------------------------------------------------------------------
 */

struct moment {
    int64_t us, local; /* µs since 2000-01-01 UTC, and on the wall */
    int32_t days, offset_seconds;
    enum type_id type;
};

static bool extract_date_field(const struct moment *m, enum time_unit unit, int64_t *out)
{
    int32_t year, month, day;
    date_to_civil(m->days, &year, &month, &day);
    switch (unit) {
    case UNIT_DAY:
        *out = day;
        return true;
    case UNIT_MONTH:
        *out = month;
        return true;
    case UNIT_QUARTER:
        *out = (month - 1) / 3 + 1;
        return true;
    case UNIT_WEEK:
        *out = time_iso_week(m->days, &year);
        return true;
    case UNIT_YEAR:
        *out = year > 0 ? year : year - 1;
        return true;
    case UNIT_DECADE:
        *out = year >= 0 ? year / 10 : -((8 - (year - 1)) / 10);
        return true;
    case UNIT_CENTURY:
        *out = year > 0 ? (year + 99) / 100 : -((99 - (year - 1)) / 100);
        return true;
    case UNIT_MILLENNIUM:
        *out = year > 0 ? (year + 999) / 1000 : -((999 - (year - 1)) / 1000);
        return true;
    case UNIT_DOW:
        *out = time_day_of_week(m->days);
        return true;
    case UNIT_ISODOW:
        *out = (time_day_of_week(m->days) + 6) % 7 + 1;
        return true;
    case UNIT_DOY:
        *out = time_day_of_year(m->days);
        return true;
    case UNIT_ISOYEAR:
        time_iso_week(m->days, &year);
        *out = year > 0 ? year : year - 1;
        return true;
    default:
        return false;
    }
}

/* Fields of the clock and the zone: the coefficient and how many of its digits stand behind the point. */
static bool extract_time_field(const struct moment *m, enum time_unit unit, int64_t *out, unsigned *scale)
{
    int64_t of_day = m->local - m->days * USECS_PER_DAY, of_minute = of_day % (60 * USECS_PER_SEC);
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
        *out = of_day / (60 * USECS_PER_SEC) % 60;
        return true;
    case UNIT_HOUR:
        *out = of_day / (3600 * USECS_PER_SEC);
        return true;
    case UNIT_TIMEZONE:
    case UNIT_TIMEZONE_HOUR:
    case UNIT_TIMEZONE_MINUTE:
        if (m->type != TYPE_TIMESTAMPTZ)
            return false;
        *out = unit == UNIT_TIMEZONE        ? m->offset_seconds
               : unit == UNIT_TIMEZONE_HOUR ? m->offset_seconds / 3600
                                            : m->offset_seconds % 3600 / 60;
        return true;
    default:
        return false;
    }
}

/* The Julian day; with a clock, the day's fraction as numeric divides it. */
static bool extract_julian(struct eval *ev, const struct moment *m, struct value *out, struct error *err)
{
    struct value day = value_decimal((int64_t)m->days + JULIAN_OF_2000, 0), fraction;
    *out = day;
    if (m->type == TYPE_DATE)
        return true;
    return numeric_div(ev->arena, value_decimal(m->local - m->days * USECS_PER_DAY, 0), value_decimal(USECS_PER_DAY, 0),
                       &fraction, err) &&
           numeric_add(ev->arena, day, fraction, out, err);
}

static bool is_date_unit(enum time_unit unit)
{
    return unit >= UNIT_DAY && unit <= UNIT_JULIAN;
}

/* What only grows is infinite too; what goes round is unknown. */
static struct value extract_of_infinity(int64_t us, enum time_unit unit)
{
    switch (unit) {
    case UNIT_YEAR:
    case UNIT_DECADE:
    case UNIT_CENTURY:
    case UNIT_MILLENNIUM:
    case UNIT_JULIAN:
    case UNIT_ISOYEAR:
    case UNIT_EPOCH: {
        struct value v = value_text(us > 0 ? STR("Infinity") : STR("-Infinity"));
        v.kind = VALUE_NUMBER;
        return v;
    }
    default:
        return value_null();
    }
}

static bool extract_epoch(struct eval *ev, const struct moment *m, enum extract_result result, struct value *out,
                          struct error *err)
{
    const int64_t before_2000 = PG_EPOCH_SECS * USECS_PER_SEC;
    int64_t us;
    if (m->type == TYPE_DATE)
        *out = value_decimal(m->days * INT64_C(86400) + PG_EPOCH_SECS, 0);
    else if (!__builtin_add_overflow(m->us, before_2000, &us))
        *out = value_decimal(us, 6);
    else if (result == EXTRACT_DOUBLE)
        *out = value_double(((double)m->us + (double)before_2000) / (double)USECS_PER_SEC);
    else { /* the quotient's digits are what numeric gives a number of this size */
        if (!numeric_add(ev->arena, value_decimal(m->us, 0), value_decimal(before_2000, 0), out, err) ||
            !numeric_div(ev->arena, *out, value_decimal(USECS_PER_SEC, 0), out, err))
            return false;
        *out = numeric_round(ev->arena, *out, 6);
    }
    return true;
}

struct value extract_as_double(int64_t us, enum time_unit unit)
{
    double seconds = (double)(us / USECS_PER_SEC), micros = (double)(us % USECS_PER_SEC);
    return value_double(unit == UNIT_SECOND ? seconds + micros / 1e6 : seconds * 1e3 + micros / 1e3);
}

static bool extract(struct eval *ev, const struct expr *e, struct value name, struct moment *m, struct value *out,
                    struct error *err)
{
    enum time_unit unit;
    int64_t i;
    unsigned scale = 0;
    if (!time_unit_of(e, name, m->type, &unit, err))
        return false;
    if (time_is_infinite(m->us)) {
        if (m->type == TYPE_DATE && !is_date_unit(unit))
            return time_unit_unsupported(name, m->type, err);
        *out = extract_of_infinity(m->us, unit);
        return true;
    }
    if (unit == UNIT_JULIAN)
        return extract_julian(ev, m, out, err);
    if (unit == UNIT_EPOCH)
        return extract_epoch(ev, m, (enum extract_result)e->variant, out, err);
    if (!extract_date_field(m, unit, &i) && (m->type == TYPE_DATE || !extract_time_field(m, unit, &i, &scale)))
        return time_unit_unsupported(name, m->type, err);
    *out = value_decimal(i, scale);
    if (e->variant == EXTRACT_DOUBLE && scale)
        *out = extract_as_double(i, unit);
    return true;
}

/* variant: enum extract_result. date_part() of a date looks at its midnight, so that it has an hour. */
bool fn_extract(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    enum type_id type = e->args[1]->type.id;
    struct moment m = {.type = type};
    if (type == TYPE_DATE && e->variant == EXTRACT_NUMERIC) {
        m.days = (int32_t)args[1].i;
        m.us = m.local = time_of_date(m.days);
    } else {
        m.type = type == TYPE_DATE ? TYPE_TIMESTAMP : type;
        if (!time_midnight(args[1], &m.us, err))
            return false;
        m.local = m.us;
        if (type == TYPE_TIMESTAMPTZ && !time_is_infinite(m.us)) {
            m.offset_seconds = zone_offset_at(ev->cx.zone, m.us, NULL);
            m.local += m.offset_seconds * USECS_PER_SEC;
        }
        m.days = time_is_infinite(m.us) ? 0 : time_days(m.local);
    }
    if (!extract(ev, e, args[0], &m, out, err))
        return false;
    if (e->variant == EXTRACT_DOUBLE && !value_is_null(*out) && out->kind != VALUE_DOUBLE)
        *out = value_double(numeric_to_double(*out));
    return true;
}

/*
 * In Postgres date_part() of a date is a query that casts it to a timestamp. So the date has to be in range even where
 * the unit is NULL, except where it is written NULL.
 */
bool prepare_date_part(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    const struct expr *unit = e->args[0];
    e->null_call = unit->kind != EXPR_CONSTANT || !value_is_null(unit->constant);
    return prepare_unit(plan, cx, e, err);
}

bool fn_date_part_of_date(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                          struct error *err)
{
    if (!value_is_null(args[0]) && !value_is_null(args[1]))
        return fn_extract(ev, e, args, out, err);
    int64_t midnight;
    *out = value_null();
    return value_is_null(args[1]) || time_midnight(args[1], &midnight, err);
}

/* ---- making them ---------------------------------------------------------------------------------------------------
 */

/* 4713-11-24 BC and 294276-12-31 AD, the limits of timestamps */
#define TIMESTAMP_FIRST INT64_C(-211813488000000000)
#define TIMESTAMP_END INT64_C(9223371331200000000)

bool fn_to_timestamp(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)ev, (void)e;
    double seconds = args[0].d;
    *out = (struct value){.kind = VALUE_TIMESTAMPTZ};
    if (isnan(seconds))
        return function_fail(err, "22008", "timestamp cannot be NaN");
    if (isinf(seconds)) {
        out->i = seconds > 0 ? INT64_MAX : INT64_MIN;
        return true;
    }
    double us = rint((seconds - (double)PG_EPOCH_SECS) * 1e6);
    if (us < (double)TIMESTAMP_FIRST || us >= (double)TIMESTAMP_END)
        return function_fail(err, "22008", "timestamp out of range: \"%g\"", seconds);
    out->i = (int64_t)us;
    return true;
}

static bool is_date(int64_t year, int64_t month, int64_t day)
{
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < -4713 || year > 5874897 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= lengths[month - 1] + (month == 2 && leap);
}

static bool make_days(const struct value *args, int64_t *days, struct error *err)
{
    int64_t year = args[0].i < 0 ? args[0].i + 1 : args[0].i;
    if (args[0].i == 0 || !is_date(year, args[1].i, args[2].i))
        return function_fail(err, "22008", "date field value out of range: %lld-%02lld-%02lld", (long long)args[0].i,
                             (long long)args[1].i, (long long)args[2].i);
    *days = date_from_civil((int32_t)year, (int32_t)args[1].i, (int32_t)args[2].i);
    return *days >= -JULIAN_OF_2000 || function_fail(err, "22008", "date out of range: %lld-%02lld-%02lld",
                                                     (long long)args[0].i, (long long)args[1].i, (long long)args[2].i);
}

bool fn_make_date(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e;
    *out = (struct value){.kind = VALUE_DATE};
    return make_days(args, &out->i, err);
}

bool fn_make_timestamp(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    (void)ev, (void)e;
    int64_t days = 0, hour = args[3].i, minute = args[4].i;
    double second = args[5].d;
    if (!make_days(args, &days, err))
        return false;
    double micros = rint(second * 1e6); /* what is less than half a microsecond below zero is zero */
    bool midnight = hour == 24 && minute == 0 && micros == 0;
    if (hour < 0 || minute < 0 || minute > 59 || !(micros >= 0 && micros <= 60e6) || (hour > 23 && !midnight))
        return function_fail(err, "22008", "time field value out of range: %lld:%02lld:%02g", (long long)hour,
                             (long long)minute, second);
    *out = (struct value){.kind = VALUE_TIMESTAMP};
    int64_t of_day = (hour * 3600 + minute * 60) * USECS_PER_SEC + (int64_t)micros;
    if (__builtin_mul_overflow(days, USECS_PER_DAY, &out->i) || __builtin_add_overflow(out->i, of_day, &out->i) ||
        !timestamp_in_range(out->i))
        return function_fail(err, "22008", "timestamp out of range: %lld-%02lld-%02lld %lld:%02lld:%02g",
                             (long long)args[0].i, (long long)args[1].i, (long long)args[2].i, (long long)hour,
                             (long long)minute, second);
    return true;
}
