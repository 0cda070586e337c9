#include "pipeline/event/datetime.h"

/* ---- the calendar ---------------------------------------------------------------------------------------------------
 */

/*
 * Years are counted from March, so that the leap day is a year's last, and from -4800, so that every number is positive
 * for all dates Postgres has (from 4714 BC).
 */
enum { DAYS_PER_400_YEARS = 146097, MARCH_4801_BC = 2483589 /* days before 2000-01-01 */ };

int32_t date_from_civil(int32_t year, int32_t month, int32_t day)
{
    int64_t y = (int64_t)year + 4800 - (month <= 2);
    int64_t month_from_march = month + (month <= 2 ? 9 : -3);
    int64_t century = y / 100;
    int64_t days = y * 365 + y / 4 - century + century / 4 + (month_from_march * 153 + 2) / 5 + day - 1;
    return (int32_t)(days - MARCH_4801_BC);
}

void date_to_civil(int32_t days, int32_t *year, int32_t *month, int32_t *day)
{
    uint64_t n = (uint64_t)((int64_t)days + MARCH_4801_BC);
    uint64_t era = n / DAYS_PER_400_YEARS;
    uint32_t of_era = (uint32_t)(n % DAYS_PER_400_YEARS);
    uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t from_march = (5 * of_year + 2) / 153;
    *day = (int32_t)(of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int32_t)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = (int32_t)((int64_t)(era * 400 + year_of_era) - 4800 + (*month <= 2));
}

void timestamp_to_civil(int64_t us, struct civil *out)
{
    int64_t days = us / USECS_PER_DAY;
    int64_t rest = us % USECS_PER_DAY;
    if (rest < 0) {
        rest += USECS_PER_DAY;
        days--;
    }
    date_to_civil((int32_t)days, &out->year, &out->month, &out->day);
    uint32_t seconds = (uint32_t)(rest / USECS_PER_SEC);
    out->microsecond = (int32_t)(rest % USECS_PER_SEC);
    out->hour = (int32_t)(seconds / 3600);
    out->minute = (int32_t)(seconds / 60 % 60);
    out->second = (int32_t)(seconds % 60);
}

/* ---- printing -------------------------------------------------------------------------------------------------------
 */

static char *put2(char *p, int32_t n)
{
    memcpy(p, str_digit_pairs + 2 * n, 2);
    return p + 2;
}

/* At least four digits. */
static char *put_year(char *p, int32_t year)
{
    if (year <= 0)
        year = 1 - year;
    if (year > 9999) {
        char digits[10];
        int n = 0;
        for (; year > 0; year /= 10)
            digits[n++] = (char)('0' + year % 10);
        while (n > 0)
            *p++ = digits[--n];
        return p;
    }
    return put2(put2(p, year / 100), year % 100);
}

static char *put_date(char *p, int32_t year, int32_t month, int32_t day)
{
    p = put_year(p, year);
    *p++ = '-';
    p = put2(p, month);
    *p++ = '-';
    return put2(p, day);
}

static char *put_time(char *p, const struct civil *c)
{
    p = put2(p, c->hour);
    *p++ = ':';
    p = put2(p, c->minute);
    *p++ = ':';
    p = put2(p, c->second);
    if (c->microsecond == 0)
        return p;
    *p++ = '.';
    put2(put2(put2(p, c->microsecond / 10000), c->microsecond / 100 % 100), c->microsecond % 100);
    p += 6;
    while (p[-1] == '0')
        p--;
    return p;
}

static char *put_offset(char *p, int32_t offset, bool always_minutes)
{
    *p++ = offset < 0 ? '-' : '+';
    uint32_t seconds = (uint32_t)(offset < 0 ? -offset : offset);
    p = put2(p, (int32_t)(seconds / 3600));
    if (seconds % 3600 != 0 || always_minutes) {
        *p++ = ':';
        p = put2(p, (int32_t)(seconds / 60 % 60));
    }
    if (seconds % 60 != 0) {
        *p++ = ':';
        p = put2(p, (int32_t)(seconds % 60));
    }
    return p;
}

static size_t put_infinity(bool negative, char *out)
{
    const char *text = negative ? "-infinity" : "infinity";
    size_t len = strlen(text);
    memcpy(out, text, len);
    return len;
}

static char *put_era(char *p, int32_t year)
{
    if (year > 0)
        return p;
    memcpy(p, " BC", 3);
    return p + 3;
}

size_t date_print(int32_t days, char *out)
{
    if (days == INT32_MIN || days == INT32_MAX)
        return put_infinity(days < 0, out);
    int32_t year, month, day;
    date_to_civil(days, &year, &month, &day);
    return (size_t)(put_era(put_date(out, year, month, day), year) - out);
}

size_t timestamp_print(int64_t us, char separator, char *out)
{
    if (us == INT64_MIN || us == INT64_MAX)
        return put_infinity(us < 0, out);
    struct civil c;
    timestamp_to_civil(us, &c);
    char *p = put_date(out, c.year, c.month, c.day);
    *p++ = separator;
    return (size_t)(put_era(put_time(p, &c), c.year) - out);
}

size_t timestamptz_print(int64_t us, const struct zone *zone, char separator, bool iso_offset, char *out)
{
    if (us == INT64_MIN || us == INT64_MAX)
        return put_infinity(us < 0, out);
    int32_t offset = zone_offset_at(zone, us, NULL);
    struct civil c;
    timestamp_to_civil(us + offset * USECS_PER_SEC, &c);
    char *p = put_date(out, c.year, c.month, c.day);
    *p++ = separator;
    p = put_offset(put_time(p, &c), offset, iso_offset);
    return (size_t)(put_era(p, c.year) - out);
}

/* ---- strftime -------------------------------------------------------------------------------------------------------
 */

static char *put_padded(char *p, int32_t n, int width)
{
    for (int i = width; i-- > 0; n /= 10)
        p[i] = (char)('0' + n % 10);
    return p + width;
}

/* "+0100" */
static char *put_plain_offset(char *p, int32_t offset)
{
    *p++ = offset < 0 ? '-' : '+';
    uint32_t minutes = (uint32_t)(offset < 0 ? -offset : offset) / 60;
    return put2(put2(p, (int32_t)(minutes / 60)), (int32_t)(minutes % 60));
}

/* What one conversion gives, at most 24 bytes; NULL: there is no such conversion. */
static char *put_conversion(char *p, char conversion, int64_t us, int32_t offset, const struct civil *c)
{
    switch (conversion) {
    case 'Y':
        if (c->year < 0)
            *p++ = '-';
        return c->year < 0 ? put_year(p, c->year + 1) : c->year == 0 ? put_padded(p, 0, 4) : put_year(p, c->year);
    case 'y':
        return put2(p, (c->year % 100 + 100) % 100);
    case 'm':
        return put2(p, c->month);
    case 'd':
        return put2(p, c->day);
    case 'e':
        put2(p, c->day);
        if (*p == '0')
            *p = ' ';
        return p + 2;
    case 'j':
        return put_padded(p, date_from_civil(c->year, c->month, c->day) - date_from_civil(c->year, 1, 1) + 1, 3);
    case 'H':
        return put2(p, c->hour);
    case 'M':
        return put2(p, c->minute);
    case 'S':
        return put2(p, c->second);
    case 'f':
        return put_padded(p, c->microsecond, 6);
    case 'z':
        return put_plain_offset(p, offset);
    case 's': {
        int64_t seconds = us / USECS_PER_SEC - (us % USECS_PER_SEC < 0) + PG_EPOCH_SECS;
        char digits[20];
        int n = 0;
        if (seconds < 0)
            *p++ = '-';
        uint64_t rest = (uint64_t)(seconds < 0 ? -seconds : seconds);
        do
            digits[n++] = (char)('0' + rest % 10);
        while ((rest /= 10) > 0);
        while (n > 0)
            *p++ = digits[--n];
        return p;
    }
    case '%':
        *p++ = '%';
        return p;
    default:
        return NULL;
    }
}

bool timestamp_strftime(int64_t us, const struct zone *zone, struct str format, struct buffer *out, struct error *err)
{
    bool finite = us != INT64_MIN && us != INT64_MAX;
    int32_t offset = finite ? zone_offset_at(zone, us, NULL) : 0;
    struct civil c;
    timestamp_to_civil(finite ? us + offset * USECS_PER_SEC : 0, &c);
    size_t start = out->len;
    for (size_t i = 0; i < format.len; i++) {
        if (format.data[i] != '%') {
            buffer_add_byte(out, format.data[i]);
            continue;
        }
        char *p = buffer_reserve(out, 24);
        char *end = ++i < format.len ? put_conversion(p, format.data[i], us, offset, &c) : NULL;
        if (!end)
            return error_set(err, ERROR_STOP,
                             "\"" STR_FMT
                             "\": unknown conversion; there are %%Y %%y %%m %%d %%e %%j %%H %%M %%S %%f %%s %%z %%%%",
                             STR_ARG(format));
        out->len += (size_t)(end - p);
    }
    if (!finite) { /* the format was good, but no field of it has a value */
        out->len = start;
        buffer_reserve(out, 9);
        out->len += put_infinity(us < 0, out->data + out->len);
    }
    return true;
}
