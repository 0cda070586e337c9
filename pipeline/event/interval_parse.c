#include "pipeline/event/convert_pieces.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "pipeline/event/datetime_reader.h"
#include "pipeline/event/interval.h"

/*
 * Intervals as Postgres reads them: "1 year 2 mons -3 days 04:05:06.7 ago", "1-2 3 04:05", and what is not of that sort
 * as ISO 8601, "P1Y2M3DT4H5M6.7S". A fraction of a unit flows down: of a month into days of which it has 30, of a day
 * into 24 hours.
 */
enum unit {
    UNIT_NONE,
    UNIT_MICROSECOND,
    UNIT_MILLISECOND,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
    UNIT_QUARTER, /* known, and not of intervals */
    UNIT_AGO,
};

enum { WORD_LENGTH = 10 /* further letters are not looked at */ };

#define USECS_PER_MINUTE (60 * USECS_PER_SEC)
#define USECS_PER_HOUR (3600 * USECS_PER_SEC)

struct sum {
    int64_t microseconds;
    int32_t days, months, years;
};

/* A number as its whole part and the rest, both with its sign. */
struct amount {
    int64_t whole;
    double fraction;
};

static enum unit unit_find(const char *text)
{
    static const struct {
        const char *text;
        enum unit unit;
    } units[] = {
        {"ago", UNIT_AGO},
        {"c", UNIT_CENTURY},
        {"cent", UNIT_CENTURY},
        {"centuries", UNIT_CENTURY},
        {"century", UNIT_CENTURY},
        {"d", UNIT_DAY},
        {"day", UNIT_DAY},
        {"days", UNIT_DAY},
        {"dec", UNIT_DECADE},
        {"decade", UNIT_DECADE},
        {"decades", UNIT_DECADE},
        {"decs", UNIT_DECADE},
        {"h", UNIT_HOUR},
        {"hour", UNIT_HOUR},
        {"hours", UNIT_HOUR},
        {"hr", UNIT_HOUR},
        {"hrs", UNIT_HOUR},
        {"m", UNIT_MINUTE},
        {"microsecon", UNIT_MICROSECOND},
        {"mil", UNIT_MILLENNIUM},
        {"millennia", UNIT_MILLENNIUM},
        {"millennium", UNIT_MILLENNIUM},
        {"millisecon", UNIT_MILLISECOND},
        {"mils", UNIT_MILLENNIUM},
        {"min", UNIT_MINUTE},
        {"mins", UNIT_MINUTE},
        {"minute", UNIT_MINUTE},
        {"minutes", UNIT_MINUTE},
        {"mon", UNIT_MONTH},
        {"mons", UNIT_MONTH},
        {"month", UNIT_MONTH},
        {"months", UNIT_MONTH},
        {"ms", UNIT_MILLISECOND},
        {"msec", UNIT_MILLISECOND},
        {"msecond", UNIT_MILLISECOND},
        {"mseconds", UNIT_MILLISECOND},
        {"msecs", UNIT_MILLISECOND},
        {"qtr", UNIT_QUARTER},
        {"quarter", UNIT_QUARTER},
        {"s", UNIT_SECOND},
        {"sec", UNIT_SECOND},
        {"second", UNIT_SECOND},
        {"seconds", UNIT_SECOND},
        {"secs", UNIT_SECOND},
        {"us", UNIT_MICROSECOND},
        {"usec", UNIT_MICROSECOND},
        {"usecond", UNIT_MICROSECOND},
        {"useconds", UNIT_MICROSECOND},
        {"usecs", UNIT_MICROSECOND},
        {"w", UNIT_WEEK},
        {"week", UNIT_WEEK},
        {"weeks", UNIT_WEEK},
        {"y", UNIT_YEAR},
        {"year", UNIT_YEAR},
        {"years", UNIT_YEAR},
        {"yr", UNIT_YEAR},
        {"yrs", UNIT_YEAR},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strncmp(units[i].text, text, WORD_LENGTH) == 0)
            return units[i].unit;
    }
    return UNIT_NONE;
}

/* ---- adding up; false: out of range
 * ------------------------------------------------------------------------------------ */

static bool add_int(int32_t *to, int64_t n, int32_t factor)
{
    int32_t product;
    return n >= INT32_MIN && n <= INT32_MAX && !__builtin_mul_overflow((int32_t)n, factor, &product) &&
           !__builtin_add_overflow(*to, product, to);
}

static bool add_part_of_time(struct sum *s, double fraction, int64_t unit)
{
    double us = fraction * (double)unit;
    int64_t whole = (int64_t)us;
    us -= (double)whole;
    whole += (us > 0.5) - (us < -0.5);
    return !__builtin_add_overflow(s->microseconds, whole, &s->microseconds);
}

static bool add_time(struct sum *s, struct amount a, int64_t unit)
{
    int64_t product;
    return !__builtin_mul_overflow(a.whole, unit, &product) &&
           !__builtin_add_overflow(s->microseconds, product, &s->microseconds) && add_part_of_time(s, a.fraction, unit);
}

static bool add_part_of_days(struct sum *s, double fraction, int32_t unit)
{
    double days = fraction * unit;
    int32_t whole = (int32_t)days;
    return add_int(&s->days, whole, 1) && add_part_of_time(s, days - whole, USECS_PER_DAY);
}

static bool add_years(struct sum *s, struct amount a, int32_t unit)
{
    return add_int(&s->years, a.whole, unit) && add_int(&s->months, (int64_t)rint(a.fraction * unit * 12), 1);
}

static bool add(struct sum *s, struct amount a, enum unit unit)
{
    switch (unit) {
    case UNIT_MICROSECOND:
        return add_time(s, a, 1);
    case UNIT_MILLISECOND:
        return add_time(s, a, 1000);
    case UNIT_SECOND:
        return add_time(s, a, USECS_PER_SEC);
    case UNIT_MINUTE:
        return add_time(s, a, USECS_PER_MINUTE);
    case UNIT_HOUR:
        return add_time(s, a, USECS_PER_HOUR);
    case UNIT_DAY:
        return add_int(&s->days, a.whole, 1) && add_part_of_time(s, a.fraction, USECS_PER_DAY);
    case UNIT_WEEK:
        return add_int(&s->days, a.whole, 7) && add_part_of_days(s, a.fraction, 7);
    case UNIT_MONTH:
        return add_int(&s->months, a.whole, 1) && add_part_of_days(s, a.fraction, 30);
    case UNIT_YEAR:
        return add_years(s, a, 1);
    case UNIT_DECADE:
        return add_years(s, a, 10);
    case UNIT_CENTURY:
        return add_years(s, a, 100);
    case UNIT_MILLENNIUM:
        return add_years(s, a, 1000);
    case UNIT_NONE:
    case UNIT_QUARTER:
    case UNIT_AGO:
        break;
    }
    return false;
}

/* ---- the form of Postgres and of the SQL standard
 * ------------------------------------------------------------------------ */

/* A whole number; false where it is beyond 64 bits. */
static bool read_int64(const char *text, char **end, int64_t *out)
{
    errno = 0;
    *out = strtoll(text, end, 10);
    return errno == 0;
}

/* hh:mm, hh:mm:ss.fff, mm:ss.fff, with any number of hours; it replaces what there was of time. mm:ss where the type
 * is `minute to second`. */
static enum fault read_clock(struct sum *s, const char *text, int fields)
{
    int64_t hours;
    int32_t minutes, seconds = 0, micro = 0;
    char *stop;
    if (!read_int64(text, &stop, &hours))
        return FIELD_OVERFLOW;
    if (*stop != ':')
        return BAD_FORMAT;
    const char *p;
    if (!read_int(stop + 1, &p, &minutes))
        return FIELD_OVERFLOW;
    enum fault fault = GOOD;
    if (*p == '.') {
        fault = read_fraction(p, &micro);
        if (hours > INT32_MAX)
            return FIELD_OVERFLOW;
        seconds = minutes;
        minutes = (int32_t)hours;
        hours = 0;
    } else if (*p == ':') {
        if (!read_int(p + 1, &p, &seconds))
            return FIELD_OVERFLOW;
        if (*p == '.')
            fault = read_fraction(p, &micro);
        else if (*p != '\0')
            return BAD_FORMAT;
    } else if (*p != '\0') {
        return BAD_FORMAT;
    } else if (fields == INTERVAL_MINUTE_TO_SECOND) {
        if (hours > INT32_MAX)
            return FIELD_OVERFLOW;
        seconds = minutes;
        minutes = (int32_t)hours;
        hours = 0;
    }
    if (fault)
        return fault;
    if (hours < 0 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60)
        return FIELD_OVERFLOW;
    s->microseconds = micro;
    bool good = add_time(s, (struct amount){.whole = hours}, USECS_PER_HOUR) &&
                add_time(s, (struct amount){.whole = minutes}, USECS_PER_MINUTE) &&
                add_time(s, (struct amount){.whole = seconds}, USECS_PER_SEC);
    return good ? GOOD : FIELD_OVERFLOW;
}

/* A number, perhaps with a fraction; or years-months, which sets *unit. */
static enum fault read_amount(const char *text, struct amount *out, enum unit *unit)
{
    char *stop;
    *out = (struct amount){0};
    if (!read_int64(text, &stop, &out->whole))
        return FIELD_OVERFLOW;
    if (*stop == '-') {
        const char *p;
        int32_t months;
        if (!read_int(stop + 1, &p, &months) || months < 0 || months >= 12)
            return FIELD_OVERFLOW;
        if (*p != '\0')
            return BAD_FORMAT;
        *unit = UNIT_MONTH;
        if (__builtin_mul_overflow(out->whole, 12, &out->whole) ||
            __builtin_add_overflow(out->whole, *text == '-' ? -months : months, &out->whole))
            return FIELD_OVERFLOW;
        return GOOD;
    }
    if (*stop == '\0')
        return GOOD;
    if (*stop != '.' || stop[1 + strspn(stop + 1, "0123456789")] != '\0')
        return BAD_FORMAT;
    out->fraction = stop[1] ? strtod(stop, NULL) : 0;
    if (*text == '-')
        out->fraction = -out->fraction;
    return GOOD;
}

struct interval_reader {
    struct sum sum;
    enum unit unit; /* that the next number to the left has */
    int fields;     /* of the type, enum interval_fields or -1 */
    unsigned has;   /* bits of units */
    bool ago;
};

enum { FRACTION_BITS = 1 << UNIT_MILLISECOND | 1 << UNIT_MICROSECOND };
enum { CLOCK_BITS = 1 << UNIT_HOUR | 1 << UNIT_MINUTE | 1 << UNIT_SECOND | FRACTION_BITS };

/* A number at the end without a unit counts what the type ends with. */
static enum unit last_unit(int fields)
{
    switch (fields) {
    case INTERVAL_YEAR:
        return UNIT_YEAR;
    case INTERVAL_MONTH:
    case INTERVAL_YEAR_TO_MONTH:
        return UNIT_MONTH;
    case INTERVAL_DAY:
        return UNIT_DAY;
    case INTERVAL_HOUR:
    case INTERVAL_DAY_TO_HOUR:
        return UNIT_HOUR;
    case INTERVAL_MINUTE:
    case INTERVAL_DAY_TO_MINUTE:
    case INTERVAL_HOUR_TO_MINUTE:
        return UNIT_MINUTE;
    default:
        return UNIT_SECOND;
    }
}

static enum fault read_number(struct interval_reader *r, const char *text, unsigned *found)
{
    struct amount a;
    if (r->unit == UNIT_NONE)
        r->unit = last_unit(r->fields);
    enum fault fault = read_amount(text, &a, &r->unit);
    if (fault)
        return fault;
    if (r->unit == UNIT_QUARTER || r->unit == UNIT_AGO)
        return BAD_FORMAT;
    if (!add(&r->sum, a, r->unit))
        return FIELD_OVERFLOW;
    *found = 1u << r->unit;
    if (r->unit == UNIT_SECOND && a.fraction != 0)
        *found |= FRACTION_BITS;
    if (r->unit == UNIT_HOUR)
        r->unit = UNIT_DAY;
    return GOOD;
}

static enum fault read_time_or_number(struct interval_reader *r, const struct field *f, unsigned *found)
{
    bool is_signed = f->kind == FIELD_OFFSET;
    if (f->kind != FIELD_TIME && !(is_signed && strchr(f->text, ':')))
        return read_number(r, f->text, found);
    enum fault fault = read_clock(&r->sum, f->text + is_signed, r->fields);
    if (fault)
        return is_signed ? read_number(r, f->text, found) : fault;
    if (*f->text == '-')
        r->sum.microseconds = -r->sum.microseconds;
    r->unit = UNIT_DAY;
    *found = CLOCK_BITS;
    return GOOD;
}

static enum fault read_unit(struct interval_reader *r, const char *text)
{
    enum unit unit = unit_find(text);
    if (unit == UNIT_NONE)
        return BAD_FORMAT;
    r->ago = r->ago || unit == UNIT_AGO;
    r->unit = unit;
    return GOOD;
}

static bool negate(struct sum *s)
{
    return !__builtin_sub_overflow(0, s->microseconds, &s->microseconds) &&
           !__builtin_sub_overflow(0, s->days, &s->days) && !__builtin_sub_overflow(0, s->months, &s->months) &&
           !__builtin_sub_overflow(0, s->years, &s->years);
}

/* From right to left, so that the unit comes before its number. */
static enum fault read_words(struct str text, int fields, struct sum *out)
{
    struct reader cutter;
    struct interval_reader r = {.unit = UNIT_NONE, .fields = fields};
    cutter.field_count = 0;
    if (!datetime_cut(&cutter, text, sizeof cutter.work))
        return BAD_FORMAT;
    for (int i = cutter.field_count - 1; i >= 0; i--) {
        const struct field *f = &cutter.fields[i];
        unsigned found = 0;
        enum fault fault = f->kind == FIELD_WORD ? read_unit(&r, f->text) : read_time_or_number(&r, f, &found);
        if (fault)
            return fault;
        if (r.has & found)
            return BAD_FORMAT;
        r.has |= found;
    }
    if (r.has == 0)
        return BAD_FORMAT;
    *out = r.sum;
    return !r.ago || negate(out) ? GOOD : FIELD_OVERFLOW;
}

/* ---- ISO 8601
 * -------------------------------------------------------------------------------------------------------------- */

/* Anything that strtod takes, as in Postgres. */
static enum fault iso_number(const char **at, struct amount *out)
{
    const char *p = *at;
    if (!((*p >= '0' && *p <= '9') || *p == '-' || *p == '.'))
        return BAD_FORMAT;
    char *end;
    errno = 0;
    double d = strtod(p, &end);
    if (end == p || errno != 0)
        return BAD_FORMAT;
    if (!(d >= -1e15 && d <= 1e15))
        return FIELD_OVERFLOW;
    *at = end;
    out->whole = (int64_t)d;
    out->fraction = d - (double)out->whole;
    return GOOD;
}

static enum fault iso_add(struct sum *s, struct amount a, enum unit unit)
{
    return add(s, a, unit) ? GOOD : FIELD_OVERFLOW;
}

static enum fault iso_add_next(struct sum *s, const char **at, enum unit unit)
{
    struct amount a;
    enum fault fault = iso_number(at, &a);
    return fault ? fault : iso_add(s, a, unit);
}

static size_t digits_at(const char *p)
{
    p += *p == '-';
    return strspn(p, "0123456789");
}

static struct amount whole(int64_t n)
{
    return (struct amount){.whole = n};
}

/* yyyymmdd, and the fraction of a day */
static enum fault iso_basic_date(struct sum *s, struct amount a)
{
    bool good = add(s, whole(a.whole / 10000), UNIT_YEAR) && add(s, whole(a.whole / 100 % 100), UNIT_MONTH) &&
                add(s, (struct amount){a.whole % 100, a.fraction}, UNIT_DAY);
    return good ? GOOD : FIELD_OVERFLOW;
}

/* hhmmss; its fraction counts microseconds, in Postgres */
static enum fault iso_basic_time(struct sum *s, struct amount a)
{
    bool good = add(s, whole(a.whole / 10000), UNIT_HOUR) && add(s, whole(a.whole / 100 % 100), UNIT_MINUTE) &&
                add(s, whole(a.whole % 100), UNIT_SECOND) && add_part_of_time(s, a.fraction, 1);
    return good ? GOOD : FIELD_OVERFLOW;
}

/* yyyy-mm-dd from behind its years; *at is left on the 'T' or at the end */
static enum fault iso_extended_date(struct sum *s, struct amount years, const char **at)
{
    enum fault fault = iso_add(s, years, UNIT_YEAR);
    for (enum unit unit = UNIT_MONTH; !fault && unit >= UNIT_DAY && **at == '-';
         unit = unit == UNIT_MONTH ? UNIT_DAY : UNIT_NONE) {
        ++*at;
        fault = iso_add_next(s, at, unit);
    }
    if (fault)
        return fault;
    return **at == 'T' || **at == '\0' ? GOOD : BAD_FORMAT;
}

/* hh:mm:ss from behind its hours */
static enum fault iso_extended_time(struct sum *s, struct amount hours, const char **at)
{
    enum fault fault = iso_add(s, hours, UNIT_HOUR);
    for (enum unit unit = UNIT_MINUTE; !fault && unit >= UNIT_SECOND && **at == ':'; unit--) {
        ++*at;
        fault = iso_add_next(s, at, unit);
    }
    if (fault)
        return fault;
    return **at == '\0' ? GOOD : BAD_FORMAT;
}

static enum unit iso_unit(char letter, bool of_date)
{
    switch (letter) {
    case 'Y':
        return of_date ? UNIT_YEAR : UNIT_NONE;
    case 'M':
        return of_date ? UNIT_MONTH : UNIT_MINUTE;
    case 'W':
        return of_date ? UNIT_WEEK : UNIT_NONE;
    case 'D':
        return of_date ? UNIT_DAY : UNIT_NONE;
    case 'H':
        return of_date ? UNIT_NONE : UNIT_HOUR;
    case 'S':
        return of_date ? UNIT_NONE : UNIT_SECOND;
    default:
        return UNIT_NONE;
    }
}

static enum fault read_iso(const char *text, struct sum *s)
{
    bool of_date = true, has_field = false;
    *s = (struct sum){0};
    if (strlen(text) < 2 || *text != 'P')
        return BAD_FORMAT;
    for (const char *p = text + 1; *p != '\0';) {
        if (*p == 'T') {
            of_date = has_field = false;
            p++;
            continue;
        }
        size_t width = digits_at(p);
        struct amount a;
        enum fault fault = iso_number(&p, &a);
        if (fault)
            return fault;
        enum unit unit = iso_unit(*p, of_date);
        if (unit != UNIT_NONE) {
            fault = iso_add(s, a, unit);
            has_field = true;
            p++;
        } else if (has_field || !(*p == '\0' || (of_date ? *p == 'T' || *p == '-' : *p == ':'))) {
            return BAD_FORMAT;
        } else if (of_date) {
            fault = width == 8 && *p != '-' ? iso_basic_date(s, a) : iso_extended_date(s, a, &p);
        } else {
            fault = width == 6 && *p != ':' ? iso_basic_time(s, a) : iso_extended_time(s, a, &p);
        }
        if (fault)
            return fault;
    }
    return GOOD;
}

/* ---- both
 * --------------------------------------------------------------------------------------------------------------------
 */

static enum fault read_interval(struct str text, int fields, struct sum *s)
{
    enum fault fault = read_words(text, fields, s);
    if (fault != BAD_FORMAT)
        return fault;
    char copy[256]; /* longer ones have no meaning in ISO 8601 either */
    if (text.len >= sizeof copy || memchr(text.data, '\0', text.len))
        return BAD_FORMAT;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return read_iso(copy, s);
}

bool interval_parse(const struct convert_context *cx, struct str text, struct type type, struct value *out,
                    struct error *err)
{
    struct sum s;
    enum fault fault = read_interval(text, type.scale, &s);
    if (fault == BAD_FORMAT)
        return convert_reject(err, "22007", "invalid input syntax for type interval: \"" STR_FMT "\"", STR_ARG(text));
    if (fault)
        return convert_reject(err, "22015", "interval field value out of range: \"" STR_FMT "\"", STR_ARG(text));
    int64_t months = (int64_t)s.years * 12 + s.months;
    if (months < INT32_MIN || months > INT32_MAX)
        return convert_reject(err, "22008", "interval out of range");
    struct interval i = {.microseconds = s.microseconds, .days = s.days, .months = (int32_t)months};
    *out = value_interval(cx->arena, interval_apply_typmod(i, type.precision, type.scale));
    return true;
}
