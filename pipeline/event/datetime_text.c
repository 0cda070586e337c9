#include "pipeline/event/datetime_reader.h"

static enum fault settle_year(struct reader *r)
{
    struct civil *c = &r->civil;
    if (!(r->has & HAS_YEAR) || r->julian)
        return GOOD;
    if (r->short_year && !r->before_christ) {
        c->year += c->year < 70 ? 2000 : c->year < 100 ? 1900 : 0;
        return GOOD;
    }
    if (c->year <= 0)
        return FIELD_OVERFLOW;
    if (r->before_christ)
        c->year = 1 - c->year;
    return GOOD;
}

static enum fault settle_date(struct reader *r)
{
    static const int32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct civil *c = &r->civil;
    enum fault fault = settle_year(r);
    if (fault)
        return fault;
    if (r->has & HAS_DAY_OF_YEAR)
        set_date(r, date_from_civil(c->year, 1, 1) + r->day_of_year - 1);
    if ((r->has & HAS_MONTH) && (c->month < 1 || c->month > 12))
        return FIELD_OVERFLOW;
    if ((r->has & HAS_DAY) && (c->day < 1 || c->day > 31))
        return FIELD_OVERFLOW;
    if ((r->has & HAS_DATE) == HAS_DATE) {
        bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
        if (c->day > days[c->month - 1] + (leap && c->month == 2))
            return FIELD_OVERFLOW;
    }
    return GOOD;
}

static enum fault settle_hour(struct reader *r)
{
    struct civil *c = &r->civil;
    if (r->half_day == DAY_WHOLE)
        return GOOD;
    if (c->hour > 12)
        return FIELD_OVERFLOW;
    if (r->half_day == DAY_AM && c->hour == 12)
        c->hour = 0;
    else if (r->half_day == DAY_PM && c->hour != 12)
        c->hour += 12;
    return GOOD;
}

static int64_t local_time(const struct civil *c)
{
    int64_t days = date_from_civil(c->year, c->month, c->day);
    return (days * 86400 + ((int64_t)c->hour * 60 + c->minute) * 60 + c->second) * USECS_PER_SEC;
}

static enum fault settle_offset(struct reader *r)
{
    bool whole = !(r->has & HAS_ZONE) || r->named_zone || r->moving_abbreviation;
    if (!whole)
        return GOOD;
    if (r->has & HAS_DAYLIGHT)
        return BAD_FORMAT;
    const struct civil *c = &r->civil;
    /* out of range in every zone */
    if (c->year < -4713 || c->year > 294277 || (c->year == 294277 && (c->month > 1 || c->day > 3)))
        return GOOD;
    int64_t local = local_time(c);
    const struct zone_abbreviation *a = r->moving_abbreviation;
    const struct zone *zone = a ? zone_lookup(str_of(a->zone)) : r->named_zone ? r->named_zone : r->zone;
    if (!zone) {
        r->culprit = a->zone;
        return UNKNOWN_ZONE;
    }
    if (a)
        r->offset = zone_abbreviation_offset(zone, a->name, local);
    else
        r->offset = (int32_t)((local - zone_local_to_utc(zone, local)) / USECS_PER_SEC);
    return GOOD;
}

static enum fault settle(struct reader *r)
{
    enum fault fault = settle_date(r);
    if (!fault)
        fault = settle_hour(r);
    if (fault || r->kind != DATETIME_CIVIL) /* what is written beside "infinity" is ignored, but has to be in range */
        return fault;
    if ((r->has & HAS_DATE) != HAS_DATE)
        return BAD_FORMAT;
    if (r->without_clock)
        return NO_CLOCK;
    return settle_offset(r);
}

static enum fault read_all(struct reader *r)
{
    for (int i = 0; i < r->field_count; i++) {
        unsigned found = 0;
        enum fault fault = read_field(r, i, &found);
        if (fault)
            return fault;
        if (r->has & found)
            return BAD_FORMAT;
        r->has |= found;
    }
    return settle(r);
}

static bool report(enum fault fault, struct str text, const char *type, const char *culprit, struct error *err)
{
    switch (fault) {
    case GOOD:
        return true;
    case BAD_FORMAT:
        error_set(err, ERROR_REJECT, "invalid input syntax for type %s: \"" STR_FMT "\"", type, STR_ARG(text));
        strcpy(err->sqlstate, "22007");
        return false;
    case FIELD_OVERFLOW:
        error_set(err, ERROR_REJECT, "date/time field value out of range: \"" STR_FMT "\"", STR_ARG(text));
        strcpy(err->sqlstate, "22008");
        return false;
    case OFFSET_OVERFLOW:
        error_set(err, ERROR_REJECT, "time zone displacement out of range: \"" STR_FMT "\"", STR_ARG(text));
        strcpy(err->sqlstate, "22009");
        return false;
    case UNKNOWN_ZONE:
        error_set(err, ERROR_REJECT, "time zone \"%s\" not recognized", culprit);
        strcpy(err->sqlstate, "22023");
        return false;
    case NO_CLOCK:
        error_set(err, ERROR_REJECT, "\"%s\" as a %s depends on when it is read: use now()", culprit, type);
        strcpy(err->sqlstate, "22007");
        return false;
    }
    return false;
}

bool datetime_read(struct str text, const char *type, const struct zone *zone, int64_t now_us, struct datetime *out,
                   struct error *err)
{
    struct reader r;
    memset(&r, 0, offsetof(struct reader, fields));
    memset(&r.civil, 0, sizeof r - offsetof(struct reader, civil));
    r.field_count = 0;
    r.zone = zone;
    r.now_us = now_us;
    /* Postgres's limits on the length of what it reads */
    size_t room = strcmp(type, "date") == 0 ? 129 : 153;
    enum fault fault = datetime_cut(&r, text, room) ? read_all(&r) : BAD_FORMAT;
    *out = (struct datetime){.kind = r.kind, .civil = r.civil, .offset = r.offset};
    return report(fault, text, type, fault == NO_CLOCK ? r.without_clock : r.culprit, err);
}
