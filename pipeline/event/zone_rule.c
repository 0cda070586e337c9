#include "pipeline/event/zone_data.h"

#include "pipeline/event/datetime.h"

enum { SECS_PER_HOUR = 3600, SECS_PER_DAY = 86400 };

struct cursor {
    const char *at, *end;
};

static bool at_digit(const struct cursor *c)
{
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool take(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool parse_number(struct cursor *c, int low, int high, int *out)
{
    if (!at_digit(c))
        return false;
    int n = 0;
    while (at_digit(c)) {
        n = n * 10 + (*c->at++ - '0');
        if (n > high)
            return false;
    }
    *out = n;
    return n >= low;
}

/* Anything up to ">" behind a "<", else anything up to a number or a comma, perhaps nothing: as loosely as Postgres.
 */
static bool parse_name(struct cursor *c, char out[ZONE_ABBREVIATION_MAX + 1])
{
    bool quoted = take(c, '<');
    const char *start = c->at;
    while (c->at < c->end) {
        char ch = *c->at;
        if (quoted ? ch == '>' : at_digit(c) || ch == ',' || ch == '-' || ch == '+')
            break;
        c->at++;
    }
    size_t len = (size_t)(c->at - start);
    if (quoted && !take(c, '>'))
        return false;
    if (len > ZONE_ABBREVIATION_MAX)
        return false;
    memcpy(out, start, len);
    out[len] = '\0';
    return true;
}

/* [+-]hh[:mm[:ss]], with a leap second */
static bool parse_time(struct cursor *c, int max_hours, int32_t *out)
{
    bool negative = take(c, '-');
    if (!negative)
        take(c, '+');
    int hours, minutes = 0, seconds = 0;
    if (!parse_number(c, 0, max_hours, &hours))
        return false;
    if (take(c, ':')) {
        if (!parse_number(c, 0, 59, &minutes))
            return false;
        if (take(c, ':') && !parse_number(c, 0, 60, &seconds))
            return false;
    }
    int32_t total = hours * SECS_PER_HOUR + minutes * 60 + seconds;
    *out = negative ? -total : total;
    return true;
}

static bool parse_date(struct cursor *c, struct zone_rule_date *out)
{
    *out = (struct zone_rule_date){.time = 2 * SECS_PER_HOUR};
    if (take(c, 'J')) {
        out->kind = RULE_JULIAN_WITHOUT_LEAP;
        if (!parse_number(c, 1, 365, &out->day))
            return false;
    } else if (take(c, 'M')) {
        out->kind = RULE_MONTH_WEEK_DAY;
        if (!parse_number(c, 1, 12, &out->month) || !take(c, '.') || !parse_number(c, 1, 5, &out->week) ||
            !take(c, '.') || !parse_number(c, 0, 6, &out->day))
            return false;
    } else {
        out->kind = RULE_DAY_OF_YEAR;
        if (!parse_number(c, 0, 365, &out->day))
            return false;
    }
    return !take(c, '/') || parse_time(c, 167, &out->time);
}

bool zone_rule_parse(struct str text, struct zone_rule *out)
{
    struct cursor c = {text.data, text.data + text.len};
    int32_t west;
    *out = (struct zone_rule){0};
    if (!parse_name(&c, out->name) || !parse_time(&c, 167, &west))
        return false;
    out->offset = -west; /* POSIX counts westwards */
    if (c.at == c.end)
        return true;

    out->has_daylight = true;
    out->daylight_offset = out->offset + SECS_PER_HOUR;
    if (!parse_name(&c, out->daylight_name) || !out->daylight_name[0])
        return false;
    if (c.at < c.end && *c.at != ',') {
        if (!parse_time(&c, 167, &west))
            return false;
        out->daylight_offset = -west;
    }
    if (c.at == c.end) {
        struct cursor usa = {",M3.2.0,M11.1.0", NULL};
        usa.end = usa.at + 15;
        c = usa;
    }
    return (take(&c, ',') || take(&c, ';')) && parse_date(&c, &out->start) && take(&c, ',') &&
           parse_date(&c, &out->end) && c.at == c.end;
}

static bool is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970-01-01. */
static int64_t unix_day(int32_t year, int32_t month, int32_t day)
{
    return date_from_civil(year, month, day) + PG_EPOCH_SECS / SECS_PER_DAY;
}

static int64_t rule_day(const struct zone_rule_date *d, int32_t year)
{
    switch (d->kind) {
    case RULE_JULIAN_WITHOUT_LEAP: /* 60 is the first of March in every year */
        return unix_day(year, 1, 1) + d->day - 1 + (d->day >= 60 && is_leap(year));
    case RULE_DAY_OF_YEAR:
        return unix_day(year, 1, 1) + d->day;
    case RULE_MONTH_WEEK_DAY:
        break;
    }
    int64_t first = unix_day(year, d->month, 1);
    int64_t after = d->month == 12 ? unix_day(year + 1, 1, 1) : unix_day(year, d->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = first + (d->day - weekday + 7) % 7 + 7 * (d->week - 1);
    return day < after ? day : day - 7;
}

struct rule_year {
    int64_t start, end; /* daylight time begins and ends */
};

static struct rule_year rule_year(const struct zone_rule *r, int32_t year)
{
    return (struct rule_year){
        .start = rule_day(&r->start, year) * SECS_PER_DAY + r->start.time - r->offset,
        .end = rule_day(&r->end, year) * SECS_PER_DAY + r->end.time - r->daylight_offset,
    };
}

static int32_t year_at(int64_t at, int32_t offset)
{
    int64_t local = at + offset - PG_EPOCH_SECS;
    int32_t year, month, day;
    date_to_civil((int32_t)(local / SECS_PER_DAY - (local % SECS_PER_DAY < 0)), &year, &month, &day);
    return year;
}

int32_t zone_rule_offset(const struct zone_rule *r, int64_t at, const char **name)
{
    bool daylight = false;
    if (r->has_daylight) {
        struct rule_year y = rule_year(r, year_at(at, r->offset));
        if (y.start < y.end)
            daylight = at >= y.start && at < y.end;
        else /* the southern summer spans the new year */
            daylight = at >= y.start || at < y.end;
    }
    if (name)
        *name = daylight ? r->daylight_name : r->name;
    return daylight ? r->daylight_offset : r->offset;
}

int64_t zone_rule_next(const struct zone_rule *r, int64_t at)
{
    if (!r->has_daylight)
        return INT64_MAX;
    int64_t next = INT64_MAX;
    int32_t year = year_at(at, r->offset);
    for (int32_t y = year - 1; y <= year + 1; y++) {
        struct rule_year changes = rule_year(r, y);
        if (changes.start > at && changes.start < next)
            next = changes.start;
        if (changes.end > at && changes.end < next)
            next = changes.end;
    }
    return next;
}
