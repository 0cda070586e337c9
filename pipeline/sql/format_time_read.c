#include "pipeline/sql/format_time_read.h"

#include <limits.h>
#include <stdio.h>

#include "pipeline/sql/implementation.h"
#include "pipeline/sql/text.h"

/*
 * Reading goes from pattern to pattern. Blanks before one are passed over; `skipped` counts the characters passed over
 * that the format does not ask for, because a sign of TZH may be among them, and a literal of the format may stand for
 * one. FX reads character by character instead.
 */
struct reader {
    const struct time_format *format;
    uint32_t at;
    const char *s;
    int skipped;
    bool fixed;
    struct time_parts *out;
    struct error *err;
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_separator(char c)
{
    bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
    return c > ' ' && c < 0x7f && !letter && !is_digit(c);
}

static const struct time_node *node(const struct reader *r)
{
    return &r->format->nodes[r->at];
}

/* The pattern as it is written. */
static const char *pattern_name(const struct reader *r, char out[8])
{
    const struct time_keyword *k = node(r)->keyword;
    size_t len = strlen(k->name);
    for (size_t i = 0; i <= len; i++) {
        bool lower = k->any_case && node(r)->lower && k->name[i] >= 'A' && k->name[i] <= 'Z';
        out[i] = lower ? (char)(k->name[i] + 32) : k->name[i];
    }
    return out;
}

/* One character, none at the end. */
static void pass_character(struct reader *r)
{
    for (size_t n = *r->s ? text_char_bytes(*r->s) : 0; n > 0 && *r->s; n--)
        r->s++;
}

static void pass_blanks(struct reader *r)
{
    for (; is_blank(*r->s); r->s++)
        r->skipped++;
}

static bool set(struct reader *r, int *to, int value)
{
    char name[8];
    if (*to != 0 && *to != value)
        return function_fail(r->err, "22007", "conflicting values for \"%s\" field in formatting string",
                             pattern_name(r, name));
    *to = value;
    return true;
}

/* ---- numbers -------------------------------------------------------------------------------------------------------
 */

/* Whether what follows in the format ends a number, so that it may have any length. */
static bool separator_follows(const struct reader *r)
{
    if (node(r)->suffix & (SUFFIX_TH_UPPER | SUFFIX_TH_LOWER))
        return true;
    if (r->at + 1 == r->format->count)
        return true;
    const struct time_node *next = node(r) + 1;
    if (next->kind == TIME_PATTERN)
        return !next->keyword->digits;
    return !(next->len == 1 && is_digit(next->text[0]));
}

/* Blanks, a sign and digits within `room` bytes; *end is where they stop, at `text` if there is no digit. The number
 * stays within a long: false where it went beyond an int. */
static bool number_at(const char *text, size_t room, const char **end, long *out)
{
    const char *p = text;
#define IN_ROOM() ((size_t)(p - text) < room)
    while (IN_ROOM() && is_blank(*p))
        p++;
    bool negative = IN_ROOM() && *p == '-';
    p += IN_ROOM() && (*p == '-' || *p == '+');
    const char *digits = p;
    bool fits = true;
    long n = 0;
    for (; IN_ROOM() && is_digit(*p); p++) {
        fits = fits && n <= INT_MAX;
        n = fits ? n * 10 + (*p - '0') : n;
    }
#undef IN_ROOM
    n = negative ? -n : n;
    *end = p == digits ? text : p;
    *out = n;
    return fits && n >= INT_MIN && n <= INT_MAX;
}

static bool not_a_number(struct reader *r, const char *at, int width)
{
    char name[8];
    return function_fail(r->err, "22007", "invalid value \"%.*s\" for \"%s\"", width, at, pattern_name(r, name));
}

/* *used: bytes of the text, leading blanks included. NULL `to`: read, not kept. */
static bool read_number(struct reader *r, int *to, int width, int *used)
{
    const char *start = r->s, *end;
    char name[8];
    long n = 0;
    bool fits;
    while (is_blank(*r->s))
        r->s++;
    if (node(r)->suffix & SUFFIX_FM || separator_follows(r)) {
        const char *number = r->s;
        fits = number_at(start, SIZE_MAX, &end, &n);
        r->s = end;
        if (end == start)
            return not_a_number(r, number, width);
    } else {
        if (strnlen(r->s, (size_t)width) < (size_t)width)
            return function_fail(r->err, "22007", "source string too short for \"%s\" formatting field",
                                 pattern_name(r, name));
        fits = number_at(r->s, (size_t)width, &end, &n);
        int digits = (int)(end - r->s);
        if ((digits > 0 && digits < width) || end == start)
            return not_a_number(r, r->s, width);
        r->s = end;
    }
    if (!fits)
        return function_fail(r->err, "22008", "value for \"%s\" in source string is out of range",
                             pattern_name(r, name));
    if (used)
        *used = (int)(r->s - start);
    const long most = 20000000; /* beyond every range but that of days; what is reckoned with it stays an int */
    if (node(r)->keyword->pattern != PATTERN_JULIAN)
        n = n < -most ? -most : n > most ? most : n;
    return !to || set(r, to, (int)n);
}

/* The two characters of an ordinal's ending, whatever they are. */
static bool pass_ordinal(struct reader *r)
{
    if (node(r)->suffix & (SUFFIX_TH_UPPER | SUFFIX_TH_LOWER)) {
        pass_character(r);
        pass_character(r);
    }
    return true;
}

static bool read_plain(struct reader *r, int *to)
{
    const struct time_keyword *k = node(r)->keyword;
    return read_number(r, to, (int)strlen(k->name), NULL) && pass_ordinal(r);
}

static bool read_width(struct reader *r, int *to, int width)
{
    return read_number(r, to, width, NULL) && pass_ordinal(r);
}

/* Digits behind a decimal point: "5" is 500 of 1000. */
static bool read_fraction(struct reader *r, int *to, int width, int full)
{
    int used;
    if (!read_number(r, to, width, &used))
        return false;
    for (; used < full; used++)
        *to *= 10;
    return pass_ordinal(r);
}

/* Years of fewer digits than four are those nearest to 2020. */
static int nearest_year(int year)
{
    if (year < 70)
        return year + 2000;
    if (year < 100)
        return year + 1900;
    if (year < 520)
        return year + 2000;
    return year < 1000 ? year + 1000 : year;
}

static bool read_year(struct reader *r)
{
    const struct time_keyword *k = node(r)->keyword;
    int used;
    if (!read_number(r, &r->out->year, k->width, &used))
        return false;
    if (k->width < 4 && used < 4)
        r->out->year = nearest_year(r->out->year);
    r->out->year_digits = k->width;
    return pass_ordinal(r);
}

/* "2,026" */
static bool read_year_with_comma(struct reader *r)
{
    const char *p;
    long thousands, rest;
    char three[4] = "";
    if (!number_at(r->s, SIZE_MAX, &p, &thousands) || p == r->s || *p != ',' || thousands < -99999 || thousands > 99999)
        return function_fail(r->err, "22007", "invalid input string for \"Y,YYY\"");
    p++;
    while (is_blank(*p))
        p++;
    snprintf(three, sizeof(three), "%s", p);
    const char *end;
    number_at(three, sizeof(three), &end, &rest);
    if (end == three)
        return function_fail(r->err, "22007", "invalid input string for \"Y,YYY\"");
    r->s = p + (end - three);
    r->out->year_digits = 4;
    return set(r, &r->out->year, (int)(thousands * 1000 + rest)) && pass_ordinal(r);
}

/* ---- words ---------------------------------------------------------------------------------------------------------
 */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* How long the word's beginning `name` is, 0: another word stands there. At most `most` letters of the name count. */
static size_t match_word(const char *text, const char *name, size_t most)
{
    size_t i = 0;
    for (; name[i] && i < most; i++)
        if (lower(text[i]) != lower(name[i]))
            return 0;
    return i;
}

/* Which of the names stands there; `step` walks backwards through Roman numbers, so that XII is found before X. */
static bool read_word(struct reader *r, const char *const *names, int count, size_t most, bool backwards, int *which)
{
    for (int i = 0; i < count; i++) {
        int k = backwards ? count - 1 - i : i;
        size_t len = match_word(r->s, names[k], most);
        if (len) {
            r->s += len;
            *which = k;
            return true;
        }
    }
    char name[8];
    int shown = 0;
    while (r->s[shown] && !is_blank(r->s[shown]) && shown < 60)
        shown++;
    return function_fail(r->err, "22007", "invalid value \"%.*s\" for \"%s\"", shown, r->s, pattern_name(r, name));
}

static bool read_one_of_two(struct reader *r, const char *first, const char *second, int *to)
{
    const char *const names[] = {first, second};
    int which = 0;
    return read_word(r, names, 2, 4, false, &which) && set(r, to, which);
}

static bool read_name(struct reader *r, const char *const *names, int count, size_t most, int *to, bool weekday)
{
    int which = 0;
    if (!read_word(r, names, count, most, false, &which))
        return false;
    if (!weekday)
        return set(r, to, which + 1);
    if (!set(r, to, which)) /* as in Postgres: a conflict is seen before Sunday becomes 1 */
        return false;
    ++*to;
    return true;
}

static bool read_zone_hour(struct reader *r)
{
    char c = *r->s;
    if (c == '+' || c == '-' || c == ' ') {
        r->out->zone_sign = c == '-' ? -1 : 1;
        r->s++;
    } else {
        r->out->zone_sign = r->skipped > 0 && r->s[-1] == '-' ? -1 : 1;
    }
    return read_number(r, &r->out->zone_hour, 2, NULL);
}

/* ---- one pattern after another -------------------------------------------------------------------------------------
 */

static bool read_pattern(struct reader *r)
{
    struct time_parts *p = r->out;
    const struct time_keyword *k = node(r)->keyword;
    char name[8];
    int month = 0;
    switch (k->pattern) {
    case PATTERN_FIXED:
        r->fixed = true;
        return true;
    case PATTERN_AM:
        p->clock12 = true;
        return read_one_of_two(r, "am", "pm", &p->after_noon);
    case PATTERN_AM_DOTS:
        p->clock12 = true;
        return read_one_of_two(r, "a.m.", "p.m.", &p->after_noon);
    case PATTERN_ERA:
        return read_one_of_two(r, "ad", "bc", &p->before_christ);
    case PATTERN_ERA_DOTS:
        return read_one_of_two(r, "a.d.", "b.c.", &p->before_christ);
    case PATTERN_HOUR12:
        p->clock12 = true;
        return read_width(r, &p->hour, 2);
    case PATTERN_HOUR24:
        return read_width(r, &p->hour, 2);
    case PATTERN_MINUTE:
        return read_plain(r, &p->minute);
    case PATTERN_SECOND:
        return read_plain(r, &p->second);
    case PATTERN_MILLISECOND:
        return read_fraction(r, &p->millisecond, 3, 3);
    case PATTERN_FRACTION:
        p->fraction_digits = k->width;
        return read_fraction(r, &p->microsecond, k->width, 6);
    case PATTERN_MICROSECOND:
        return read_fraction(r, &p->microsecond, 6, 6);
    case PATTERN_OF_DAY:
        return read_plain(r, &p->second_of_day);
    case PATTERN_ZONE:
    case PATTERN_OFFSET:
        return function_fail(r->err, "0A000", "formatting field \"%s\" is only supported in to_char",
                             pattern_name(r, name));
    case PATTERN_ZONE_HOUR:
        return read_zone_hour(r);
    case PATTERN_ZONE_MINUTE:
        p->zone_sign = p->zone_sign ? p->zone_sign : 1;
        return read_number(r, &p->zone_minute, 2, NULL);
    case PATTERN_MONTH_NAME:
        return read_name(r, time_month_names, 12, 9, &p->month, false);
    case PATTERN_MON_NAME:
        return read_name(r, time_month_names, 12, 3, &p->month, false);
    case PATTERN_DAY_NAME:
        return read_name(r, time_day_names, 7, 9, &p->weekday, true);
    case PATTERN_DY_NAME:
        return read_name(r, time_day_names, 7, 3, &p->weekday, true);
    case PATTERN_MONTH:
        return read_plain(r, &p->month);
    case PATTERN_ROMAN:
        return read_word(r, time_month_romans, 12, 4, true, &month) && set(r, &p->month, month + 1);
    case PATTERN_DAY_OF_YEAR:
    case PATTERN_ISO_DAY_OF_YEAR:
        return read_width(r, &p->day_of_year, 3);
    case PATTERN_DAY:
        return read_plain(r, &p->day);
    case PATTERN_DAY_OF_WEEK:
        return read_plain(r, &p->weekday);
    case PATTERN_ISO_DAY_OF_WEEK:
        if (!read_number(r, &p->weekday, 1, NULL))
            return false;
        if (++p->weekday > 7) /* Sunday is 1 from here on */
            p->weekday = 1;
        return pass_ordinal(r);
    case PATTERN_WEEK:
    case PATTERN_ISO_WEEK:
        return read_plain(r, &p->week);
    case PATTERN_WEEK_OF_MONTH:
        return read_plain(r, &p->week_of_month);
    case PATTERN_QUARTER: /* read, and not used: it says no month */
        return read_plain(r, NULL);
    case PATTERN_CENTURY:
        return read_plain(r, &p->century);
    case PATTERN_YEAR_COMMA:
        return read_year_with_comma(r);
    case PATTERN_YEAR:
    case PATTERN_ISO_YEAR:
        return read_year(r);
    case PATTERN_JULIAN:
        return read_plain(r, &p->julian);
    }
    return true;
}

static bool choose_calendar(struct reader *r)
{
    enum calendar c = (enum calendar)node(r)->keyword->calendar;
    if (c == CALENDAR_ANY)
        return true;
    if (r->out->calendar != CALENDAR_ANY && r->out->calendar != c)
        return function_fail(r->err, "22007", "invalid combination of date conventions");
    r->out->calendar = c;
    return true;
}

/* A separator of the format stands for one of the text, or for none. */
static void pass_separator(struct reader *r)
{
    if (r->fixed) {
        pass_character(r);
        return;
    }
    r->skipped--;
    if (is_blank(*r->s) || is_separator(*r->s)) {
        r->s++;
        r->skipped++;
    }
}

static void pass_literal(struct reader *r)
{
    if (!r->fixed && r->skipped > 0)
        r->skipped--; /* it has been passed over among the blanks */
    else
        pass_character(r);
}

bool time_parts_read(const struct time_format *f, const char *text, struct time_parts *out, struct error *err)
{
    struct reader r = {.format = f, .s = text, .out = out, .err = err};
    *out = (struct time_parts){0};
    for (; r.at < f->count && *r.s; r.at++) {
        const struct time_node *n = node(&r);
        bool is_pattern = n->kind == TIME_PATTERN;
        if (!r.fixed && (is_pattern ? n->keyword->pattern != PATTERN_FIXED : r.at == 0))
            pass_blanks(&r);
        if (n->kind == TIME_SEPARATOR || n->kind == TIME_SPACE) {
            pass_separator(&r);
            continue;
        }
        if (!is_pattern) {
            pass_literal(&r);
            continue;
        }
        if (!choose_calendar(&r) || !read_pattern(&r))
            return false;
        if (!r.fixed) {
            r.skipped = 0;
            pass_blanks(&r);
        }
    }
    return true;
}

/* ---- putting them together -----------------------------------------------------------------------------------------
 */

static bool settle_clock(const struct time_parts *p, struct civil *c, struct error *err)
{
    c->hour = p->second_of_day / 3600;
    c->minute = p->second_of_day % 3600 / 60;
    c->second = p->second_of_day % 60;
    c->second = p->second ? p->second : c->second;
    c->minute = p->minute ? p->minute : c->minute;
    c->hour = p->hour ? p->hour : c->hour;
    if (!p->clock12)
        return true;
    if (c->hour < 1 || c->hour > 12)
        return function_fail(err, "22007", "hour \"%d\" is invalid for the 12-hour clock", c->hour);
    if (p->after_noon && c->hour < 12)
        c->hour += 12;
    else if (!p->after_noon && c->hour == 12)
        c->hour = 0;
    return true;
}

/* Centuries end with the year 00: 2000 is of the 20th, 600 BC of the sixth before our era. */
static int year_of_century(int century, int digits)
{
    if (digits == 0)
        return century >= 0 ? century * 100 : century * 100 + 1;
    return century >= 0 ? (century - 1) * 100 + digits : (century + 1) * 100 - digits + 1;
}

static bool settle_year(const struct time_parts *p, struct civil *c)
{
    int century = p->before_christ ? -p->century : p->century;
    if (p->year && p->century && p->year_digits <= 2) {
        c->year = year_of_century(century, p->year % 100);
    } else if (p->year) {
        c->year = p->before_christ ? -p->year : p->year;
        c->year += c->year < 0;
    } else if (p->century) {
        c->year = century >= 0 ? (century - 1) * 100 + 1 : century * 100 + 1;
    } else {
        return false;
    }
    return true;
}

static void set_day(struct civil *c, int64_t days)
{
    const int64_t before_all = -2451600, behind_all = 2145032000; /* no date is there */
    days = days < before_all ? before_all : days > behind_all ? behind_all : days;
    date_to_civil((int32_t)days, &c->year, &c->month, &c->day);
}

static bool is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_length(int32_t year, int32_t month)
{
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return lengths[month - 1] + (month == 2 && is_leap(year));
}

static bool year_is_countable(const struct civil *c)
{
    return c->year >= -4714 && c->year <= 5874898;
}

/* The day of the year fills what of month and day was not read. */
static void settle_day_of_year(int day_of_year, struct civil *c)
{
    int month = 1, before = 0;
    while (month <= 12 && day_of_year > before + month_length(c->year, month))
        before += month_length(c->year, month++);
    if (c->month <= 1)
        c->month = month;
    if (c->day <= 1)
        c->day = day_of_year - before;
}

static bool out_of_range(const char *text, struct error *err)
{
    return function_fail(err, "22008", "date/time field value out of range: \"%s\"", text);
}

static bool date_is_good(const struct civil *c, bool has_year, bool has_month, bool has_day)
{
    if (has_month && (c->month < 1 || c->month > 12))
        return false;
    if (has_day && (c->day < 1 || c->day > 31))
        return false;
    return !(has_year && has_month && has_day) || c->day <= month_length(c->year, c->month);
}

bool time_parts_settle(struct time_parts *p, const char *text, struct time_read *out, struct error *err)
{
    struct civil *c = &out->civil;
    *out = (struct time_read){.civil = {.month = 1, .day = 1}, .precision = p->fraction_digits};
    if (!settle_clock(p, c, err))
        return false;
    bool has_year = settle_year(p, c), has_month = false, has_day = false;
    bool iso = p->calendar == CALENDAR_ISO_WEEK;
    if (!p->julian && !year_is_countable(c)) /* a Julian day says the year itself */
        return out_of_range(text, err);
    if (p->julian) {
        set_day(c, (int64_t)p->julian - JULIAN_OF_2000);
        has_year = has_month = has_day = true;
    }
    if (p->week && iso) {
        int weekday = p->weekday ? (p->weekday + 5) % 7 : 0;
        set_day(c, time_iso_first_day(c->year) + ((int64_t)p->week - 1) * 7 + weekday);
        has_year = has_month = has_day = true;
    } else if (p->week) {
        p->day_of_year = (p->week - 1) * 7 + 1;
    }
    if (p->week_of_month)
        p->day = (p->week_of_month - 1) * 7 + 1;
    if (p->day) {
        c->day = p->day;
        has_day = true;
    }
    if (p->month) {
        c->month = p->month;
        has_month = true;
    }
    if (p->day_of_year && (c->month <= 1 || c->day <= 1)) {
        if (c->year == 0 && !p->before_christ)
            return function_fail(err, "22007", "cannot calculate day of year without year information");
        if (iso) {
            set_day(c, (int64_t)time_iso_first_day(c->year) - 1 + p->day_of_year);
            has_year = true;
        } else {
            settle_day_of_year(p->day_of_year, c);
        }
        has_month = has_day = true;
    }
    int64_t micro = (int64_t)p->millisecond * 1000 + p->microsecond;
    bool clock_is_good = c->hour >= 0 && c->hour < 24 && c->minute >= 0 && c->minute < 60 && c->second >= 0 &&
                         c->second < 60 && micro >= 0 && micro < USECS_PER_SEC;
    if (!date_is_good(c, has_year, has_month, has_day) || !clock_is_good)
        return out_of_range(text, err);
    c->microsecond = (int32_t)micro;
    out->has_offset = p->zone_sign != 0;
    if (out->has_offset && (p->zone_hour < 0 || p->zone_hour > 15 || p->zone_minute < 0 || p->zone_minute > 59))
        return function_fail(err, "22009", "time zone displacement out of range: \"%s\"", text);
    out->offset = p->zone_sign * (p->zone_hour * 3600 + p->zone_minute * 60);
    return true;
}
