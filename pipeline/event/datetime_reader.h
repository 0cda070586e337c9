/*
 * What the parts of the date reader share; only for datetime_*.c.
 *
 * Reading goes in two steps, and what is ambiguous is decided exactly as Postgres does ("Date/Time Input
 * Interpretation", appendix B.1 of its manual): the text is cut into fields by their characters alone, then the fields
 * are given meaning from left to right, each by what the ones before have already settled.
 */
#ifndef PIPE_DATETIME_READER_H
#define PIPE_DATETIME_READER_H

#include "pipeline/event/datetime_text.h"
#include "pipeline/event/datetime_words.h"

enum field_kind {
    FIELD_NUMBER, /* digits, perhaps with a point */
    FIELD_DATE,   /* 2026-03-01, 3/1/2026, 1.mar.2026; also names of zones and times run together with an offset */
    FIELD_TIME,   /* 12:00, 12:00:00.5 */
    FIELD_OFFSET, /* +01:00 */
    FIELD_WORD,
};

enum { MAX_FIELDS = 25, MAX_TEXT = 256 };

struct field {
    enum field_kind kind;
    char *text; /* lower case, NUL-terminated */
};

/* What is settled, as bits. A date is a year, a month and a day. */
enum {
    HAS_YEAR = 1 << 0,
    HAS_MONTH = 1 << 1,
    HAS_DAY = 1 << 2,
    HAS_DAY_OF_YEAR = 1 << 3,
    HAS_HOUR = 1 << 4,
    HAS_MINUTE = 1 << 11,
    HAS_SECOND = 1 << 12,
    HAS_SPECIAL = 1 << 13, /* "epoch", "infinity": whatever else is written is ignored */
    HAS_ZONE = 1 << 5,
    HAS_DAYLIGHT = 1 << 6, /* "dst" */
    HAS_DAYLIGHT_ZONE = 1 << 7,
    HAS_HALF_DAY = 1 << 8,
    HAS_ERA = 1 << 9,
    HAS_WEEKDAY = 1 << 10,
    HAS_DATE = HAS_YEAR | HAS_MONTH | HAS_DAY,
    HAS_TIME = HAS_HOUR | HAS_MINUTE | HAS_SECOND,
};

enum fault { GOOD, BAD_FORMAT, FIELD_OVERFLOW, OFFSET_OVERFLOW, UNKNOWN_ZONE, NO_CLOCK };

struct reader {
    const struct zone *zone;
    int64_t now_us;
    struct field fields[MAX_FIELDS];
    int field_count;
    char work[MAX_TEXT];

    struct civil civil;
    int32_t day_of_year;
    unsigned has;
    enum label label;
    enum half_day half_day;
    enum datetime_kind kind;
    bool text_month, julian, short_year, before_christ;
    int32_t offset;
    const struct zone *named_zone;
    const struct zone_abbreviation *moving_abbreviation;
    const char *culprit;       /* for UNKNOWN_ZONE */
    const char *without_clock; /* "now", "today" … where there is none */
};

/* datetime_cut.c: fills fields; false where the text cannot be one of a date. At most `room` bytes of fields. */
bool datetime_cut(struct reader *r, struct str text, size_t room);

/* datetime_number.c. *found gets the bits that were settled; `settled` are those from before. */
/* A whole number; false where it is beyond 32 bits. *end is where it stops: at `text` if there is none. */
bool read_int(const char *text, const char **end, int32_t *out);
/* ".123" as microseconds; digits only. */
enum fault read_fraction(const char *point, int32_t *micro);
/* "+05:30", "-0330", "+1:2:3" */
enum fault read_offset(const char *text, int32_t *offset);
/* Digits run together: yymmdd, yyyymmdd, then hhmmss or hhmm, perhaps with a fraction. */
enum fault read_run_together(struct reader *r, const char *text, unsigned settled, unsigned *found);
/* A number of a date, whose meaning follows from what is settled. text_month: the month was written as a word. */
enum fault read_date_number(struct reader *r, const char *text, bool text_month, unsigned settled, unsigned *found);

/* datetime_field.c: the field of that index. */
enum fault read_field(struct reader *r, int index, unsigned *found);

static inline void set_date(struct reader *r, int32_t days)
{
    date_to_civil(days, &r->civil.year, &r->civil.month, &r->civil.day);
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool is_letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}
static inline bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#endif
