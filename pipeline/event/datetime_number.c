#include "pipeline/event/datetime_reader.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

bool read_int(const char *text, const char **end, int32_t *out)
{
    char *stop;
    errno = 0;
    long n = strtol(text, &stop, 10);
    *end = stop;
    *out = (int32_t)n;
    return errno == 0 && n >= INT32_MIN && n <= INT32_MAX;
}

enum fault read_fraction(const char *point, int32_t *micro)
{
    size_t digits = strspn(point + 1, "0123456789");
    if (point[1 + digits] != '\0')
        return BAD_FORMAT;
    *micro = 0;
    if (digits > 0)
        *micro = (int32_t)rint(strtod(point, NULL) * 1000000);
    return GOOD;
}

enum fault read_offset(const char *text, int32_t *offset)
{
    if (*text != '+' && *text != '-')
        return BAD_FORMAT;
    const char *p;
    int32_t hours, minutes = 0, seconds = 0;
    if (!read_int(text + 1, &p, &hours))
        return OFFSET_OVERFLOW;
    if (*p == ':') {
        if (!read_int(p + 1, &p, &minutes))
            return OFFSET_OVERFLOW;
        if (*p == ':' && !read_int(p + 1, &p, &seconds))
            return OFFSET_OVERFLOW;
    } else if (*p == '\0' && strlen(text) > 3) {
        minutes = hours % 100;
        hours /= 100;
    }
    if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59)
        return OFFSET_OVERFLOW;
    int32_t total = (hours * 60 + minutes) * 60 + seconds;
    *offset = *text == '-' ? -total : total;
    return *p == '\0' ? GOOD : BAD_FORMAT;
}

static int32_t two_digits_at(const char *text)
{
    return (text[0] - '0') * 10 + (text[1] - '0');
}

enum fault read_run_together(struct reader *r, const char *text, unsigned settled, unsigned *found)
{
    struct civil *c = &r->civil;
    const char *point = strchr(text, '.');
    size_t len = point ? (size_t)(point - text) : strlen(text);
    if (point) {
        c->microsecond = point[1] ? (int32_t)rint(strtod(point, NULL) * 1000000) : 0;
    } else if ((settled & HAS_DATE) != HAS_DATE && len >= 6) {
        char year[MAX_TEXT];
        memcpy(year, text, len - 4);
        year[len - 4] = '\0';
        c->year = atoi(year);
        c->month = two_digits_at(text + len - 4);
        c->day = two_digits_at(text + len - 2);
        if (len == 6)
            r->short_year = true;
        *found = HAS_DATE;
        return GOOD;
    }
    if ((settled & HAS_TIME) == HAS_TIME || (len != 6 && len != 4))
        return BAD_FORMAT;
    c->hour = two_digits_at(text);
    c->minute = two_digits_at(text + 2);
    c->second = len == 6 ? two_digits_at(text + 4) : 0;
    *found = HAS_TIME;
    return GOOD;
}

enum fault read_date_number(struct reader *r, const char *text, bool text_month, unsigned settled, unsigned *found)
{
    struct civil *c = &r->civil;
    size_t len = strlen(text);
    const char *p;
    int32_t n;
    *found = 0;
    if (!read_int(text, &p, &n))
        return FIELD_OVERFLOW;
    if (p == text)
        return BAD_FORMAT;
    if (*p == '.') {
        if (p - text > 2)
            return read_run_together(r, text, settled | HAS_DATE, found);
        enum fault fault = read_fraction(p, &c->microsecond);
        if (fault)
            return fault;
    } else if (*p != '\0') {
        return BAD_FORMAT;
    }

    if (len == 3 && (settled & HAS_DATE) == HAS_YEAR && n >= 1 && n <= 366) {
        *found = HAS_DAY_OF_YEAR | HAS_MONTH | HAS_DAY;
        r->day_of_year = n;
        return GOOD;
    }

    switch (settled & HAS_DATE) {
    case 0:
        *found = len >= 3 ? HAS_YEAR : HAS_MONTH;
        break;
    case HAS_YEAR:
    case HAS_DAY:
        *found = HAS_MONTH;
        break;
    case HAS_MONTH:
        *found = text_month && len >= 3 ? HAS_YEAR : HAS_DAY;
        break;
    case HAS_YEAR | HAS_MONTH:
        if (text_month && len >= 3 && r->short_year) { /* "01 mar 2026": what was taken for the year is the day */
            c->day = c->year;
            c->year = n;
            r->short_year = false;
            *found = HAS_DAY;
            return GOOD;
        }
        *found = HAS_DAY;
        break;
    case HAS_MONTH | HAS_DAY:
        *found = HAS_YEAR;
        break;
    case HAS_DATE:
        return read_run_together(r, text, settled, found);
    default:
        return BAD_FORMAT;
    }
    if (*found == HAS_YEAR) {
        c->year = n;
        r->short_year = len <= 2;
    } else if (*found == HAS_MONTH) {
        c->month = n;
    } else {
        c->day = n;
    }
    return GOOD;
}
