#include "pipeline/event/datetime_text.h"

/* ---- the common form: YYYY-MM-DD[T ]HH:MM[:SS[.ffffff]][Z|±HH[[:]MM]]
 * ---------------------------------------------------------- */

static uint64_t load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/*
 * Eight characters against a pattern of digits and separators at once. `pattern` has '0' where a digit must be: after
 * the exclusive or such a byte must be at most 9 and every other 0. `bound` (0x76 and 0x7f) carries into the top bit
 * where it is more.
 */
static bool match8(uint64_t text, uint64_t pattern, uint64_t bound, uint64_t *digits)
{
    uint64_t x = text ^ pattern;
    *digits = x;
    return (((x + bound) | x) & UINT64_C(0x8080808080808080)) == 0;
}

#define BYTES8(a, b, c, d, e, f, g, h)                                                                                 \
    ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24 | (uint64_t)(e) << 32 |            \
     (uint64_t)(f) << 40 | (uint64_t)(g) << 48 | (uint64_t)(h) << 56)

/* Byte i becomes the number that the digits i and i + 1 write. */
static uint64_t pairs(uint64_t digits)
{
    return digits * 10 + (digits >> 8);
}

static uint32_t byte(uint64_t v, int i)
{
    return (uint32_t)(v >> (8 * i)) & 0xff;
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* From the first of March of the year 0, less one day, to 2000-01-01. */
enum { DAYS_BEFORE_2000 = 730426 };

static inline __attribute__((always_inline)) bool quick_date(const char *p, uint64_t day_part, int32_t *days)
{
    static const uint8_t longest[16] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t x;
    if (!match8(load8(p), BYTES8('0', '0', '0', '0', '-', '0', '0', '-'),
                BYTES8(0x76, 0x76, 0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f), &x))
        return false;
    uint64_t two = pairs(x);
    uint32_t year = byte(two, 0) * 100 + byte(two, 2), month = byte(two, 5), day = byte(day_part, 0);
    if (year == 0 || month - 1 > 11 || day - 1 >= longest[month])
        return false;
    if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0)))
        return false;
    /* as date_from_civil, whose range is not needed here */
    static const uint16_t before[16] = {0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275};
    uint32_t y = year - (month <= 2), century = y / 100;
    *days = (int32_t)(y * 365 + y / 4 - century + century / 4 + before[month] + day) - DAYS_BEFORE_2000;
    return true;
}

struct quick_time {
    int64_t us;     /* local */
    int32_t offset; /* seconds east of UTC */
    bool has_offset;
};

/* Z, ±HH, ±HHMM, ±HH:MM up to the end */
static bool quick_offset(const char *p, const char *end, struct quick_time *out)
{
    out->has_offset = p < end;
    if (p == end)
        return true;
    if (end - p == 1)
        return *p == 'Z';
    char sign = *p++;
    size_t len = (size_t)(end - p);
    if ((sign != '+' && sign != '-') || (len != 2 && len != 4 && len != 5) || !is_digit(p[0]) || !is_digit(p[1]))
        return false;
    int32_t minutes = ((p[0] - '0') * 10 + (p[1] - '0')) * 60;
    if (len > 2) {
        const char *m = end - 2;
        if ((len == 5 && p[2] != ':') || !is_digit(m[0]) || !is_digit(m[1]) || m[0] > '5')
            return false;
        minutes += (m[0] - '0') * 10 + (m[1] - '0');
    }
    out->offset = (sign == '-' ? -minutes : minutes) * 60;
    return minutes < 16 * 60;
}

static uint32_t digit(char c)
{
    return (unsigned char)(c - '0');
}

/* Behind the point: one to six digits as microseconds; false: none, or more. */
static bool quick_fraction(const char **at, const char *end, uint32_t *micro)
{
    static const uint32_t units[] = {0, 100000, 10000, 1000, 100, 10, 1};
    const char *p = *at;
    while (p < end && is_digit(*p) && p - *at < 6)
        *micro = *micro * 10 + digit(*p++);
    if (p == *at)
        return false;
    *micro *= units[p - *at];
    *at = p;
    return true;
}

/* Behind the third digit: up to three more. */
static void more_digits(const char **at, const char *end, uint32_t *micro)
{
    uint32_t unit = 100;
    for (; *at < end && is_digit(**at) && unit; ++*at, unit /= 10)
        *micro += digit(**at) * unit;
}

/* False: not in the common form (or not a valid time); the general reader has the last word. */
static inline __attribute__((always_inline)) bool quick_timestamp(struct str text, struct quick_time *out)
{
    if (text.len < 16)
        return false;
    const char *p = text.data, *end = p + text.len;
    uint64_t x;
    uint64_t rest = load8(p + 8);
    char separator = p[10];
    if ((separator != 'T' && separator != ' ') ||
        !match8(rest & ~BYTES8(0, 0, 0xff, 0, 0, 0, 0, 0), BYTES8('0', '0', 0, '0', '0', ':', '0', '0'),
                BYTES8(0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76), &x))
        return false;
    uint64_t two = pairs(x);
    int32_t days;
    if (!quick_date(p, two, &days))
        return false;
    uint32_t hour = byte(two, 3), minute = byte(two, 6), second = 0, micro = 0;
    p += 16;
    if (end - p >= 8 && match8(load8(p) & ~BYTES8(0, 0, 0, 0, 0, 0, 0, 0xff), BYTES8(':', '0', '0', '.', '0', '0', '0', 0),
                               BYTES8(0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76, 0x76, 0x7f), &x)) {
        second = byte(pairs(x), 1);
        micro = (byte(pairs(x), 4) * 10 + byte(x, 6)) * 1000;
        p += 7;
        if (is_digit(*p))
            more_digits(&p, end, &micro);
    } else if (p < end && *p == ':') {
        if (end - p < 3 || !is_digit(p[1]) || !is_digit(p[2]))
            return false;
        second = digit(p[1]) * 10 + digit(p[2]);
        p += 3;
        if (p < end && *p == '.' && (p++, !quick_fraction(&p, end, &micro)))
            return false;
    }
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    out->us = days * USECS_PER_DAY + (int64_t)((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + micro;
    out->offset = 0;
    return quick_offset(p, end, out);
}

/* ---- from the general reader
 * ------------------------------------------------------------------------------------------- */

enum { DAYS_MIN = -2451545, DATE_DAYS_END = 2145031949, TIMESTAMP_DAYS_END = 106751992 };

bool timestamp_in_range(int64_t us)
{
    return us >= DAYS_MIN * USECS_PER_DAY && us < INT64_C(9223371331200000000);
}

static bool out_of_range(struct error *err, const char *what, struct str text)
{
    error_set(err, ERROR_REJECT, "%s out of range: \"" STR_FMT "\"", what, STR_ARG(text));
    strcpy(err->sqlstate, "22008");
    return false;
}

/* Whether date_from_civil can take it. */
static bool date_is_countable(const struct civil *c)
{
    if (c->year < -4713 || (c->year == -4713 && c->month < 11))
        return false;
    return c->year < 5874898 || (c->year == 5874898 && c->month < 6);
}

bool date_parse_at(struct str text, const struct zone *zone, int64_t now_us, int32_t *days, struct error *err)
{
    struct datetime d;
    if (!datetime_read(text, "date", zone, now_us, &d, err))
        return false;
    switch (d.kind) {
    case DATETIME_EPOCH:
        *days = (int32_t)(-PG_EPOCH_SECS / 86400);
        return true;
    case DATETIME_INFINITY:
        *days = INT32_MAX;
        return true;
    case DATETIME_MINUS_INFINITY:
        *days = INT32_MIN;
        return true;
    case DATETIME_CIVIL:
        break;
    }
    if (!date_is_countable(&d.civil))
        return out_of_range(err, "date", text);
    *days = date_from_civil(d.civil.year, d.civil.month, d.civil.day);
    if (*days < DAYS_MIN || *days >= DATE_DAYS_END)
        return out_of_range(err, "date", text);
    return true;
}

static bool timestamp_from_text(struct str text, const char *type, const struct zone *zone, int64_t now_us,
                                bool with_zone, int64_t *us, struct error *err)
{
    struct datetime d;
    if (!datetime_read(text, type, zone, now_us, &d, err))
        return false;
    switch (d.kind) {
    case DATETIME_EPOCH:
        *us = -PG_EPOCH_SECS * USECS_PER_SEC;
        return true;
    case DATETIME_INFINITY:
        *us = INT64_MAX;
        return true;
    case DATETIME_MINUS_INFINITY:
        *us = INT64_MIN;
        return true;
    case DATETIME_CIVIL:
        break;
    }
    const struct civil *c = &d.civil;
    if (!date_is_countable(c))
        return out_of_range(err, "timestamp", text);
    int64_t seconds = ((int64_t)c->hour * 60 + c->minute) * 60 + c->second;
    int64_t of_day = seconds * USECS_PER_SEC + c->microsecond;
    int64_t total;
    if (__builtin_mul_overflow(date_from_civil(c->year, c->month, c->day), USECS_PER_DAY, &total) ||
        __builtin_add_overflow(total, of_day, &total) ||
        (with_zone && __builtin_sub_overflow(total, d.offset * USECS_PER_SEC, &total)) || !timestamp_in_range(total))
        return out_of_range(err, "timestamp", text);
    *us = total;
    return true;
}

/* ---- the public functions
 * ---------------------------------------------------------------------------------------------- */

bool timestamp_parse_common(struct str text, bool with_zone, const struct zone *zone, int64_t *us)
{
    struct quick_time quick;
    if (!quick_timestamp(text, &quick))
        return false;
    *us = !with_zone ? quick.us : quick.has_offset ? quick.us - quick.offset * USECS_PER_SEC : zone_local_to_utc(zone, quick.us);
    return true;
}

bool timestamp_parse_at(struct str text, const struct zone *zone, int64_t now_us, int64_t *us, struct error *err)
{
    return timestamp_parse_common(text, false, zone, us) || timestamp_from_text(text, "timestamp", zone, now_us, false, us, err);
}

bool timestamptz_parse_at(struct str text, const struct zone *zone, int64_t now_us, int64_t *us, struct error *err)
{
    return timestamp_parse_common(text, true, zone, us) ||
           timestamp_from_text(text, "timestamp with time zone", zone, now_us, true, us, err);
}

bool date_parse(struct str text, int32_t *days, struct error *err)
{
    if (text.len == 10 && is_digit(text.data[8]) && is_digit(text.data[9])) {
        uint32_t day = (uint32_t)((text.data[8] - '0') * 10 + (text.data[9] - '0'));
        if (quick_date(text.data, day, days))
            return true;
    }
    return date_parse_at(text, zone_utc, INT64_MIN, days, err);
}

bool timestamp_parse(struct str text, int64_t *us, struct error *err)
{
    return timestamp_parse_at(text, zone_utc, INT64_MIN, us, err);
}

bool timestamptz_parse(struct str text, const struct zone *zone, int64_t *us, struct error *err)
{
    return timestamptz_parse_at(text, zone, INT64_MIN, us, err);
}
