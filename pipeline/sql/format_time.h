/*
 * Patterns for dates and times as to_char(), to_timestamp() and to_date() take them (manual, table 9.27), read once
 * into nodes.
 */
#ifndef PIPE_SQL_FORMAT_TIME_H
#define PIPE_SQL_FORMAT_TIME_H

#include "pipeline/base/arena.h"
#include "pipeline/base/str.h"

enum pattern {
    PATTERN_YEAR,
    PATTERN_YEAR_COMMA,
    PATTERN_ISO_YEAR,
    PATTERN_MONTH_NAME,
    PATTERN_MON_NAME,
    PATTERN_MONTH,
    PATTERN_DAY_NAME,
    PATTERN_DY_NAME,
    PATTERN_DAY_OF_YEAR,
    PATTERN_DAY,
    PATTERN_DAY_OF_WEEK,
    PATTERN_ISO_DAY_OF_YEAR,
    PATTERN_ISO_DAY_OF_WEEK,
    PATTERN_HOUR24,
    PATTERN_HOUR12,
    PATTERN_MINUTE,
    PATTERN_SECOND,
    PATTERN_MILLISECOND,
    PATTERN_MICROSECOND,
    PATTERN_FRACTION,
    PATTERN_OF_DAY,
    PATTERN_AM,
    PATTERN_AM_DOTS,
    PATTERN_ERA,
    PATTERN_ERA_DOTS,
    PATTERN_CENTURY,
    PATTERN_QUARTER,
    PATTERN_WEEK,
    PATTERN_ISO_WEEK,
    PATTERN_WEEK_OF_MONTH,
    PATTERN_JULIAN,
    PATTERN_ROMAN,
    PATTERN_ZONE,
    PATTERN_ZONE_HOUR,
    PATTERN_ZONE_MINUTE,
    PATTERN_OFFSET,
    PATTERN_FIXED, /* FX */
};

/* Which calendar a pattern belongs to; a text is read by one of them. */
enum calendar { CALENDAR_ANY, CALENDAR_GREGORIAN, CALENDAR_ISO_WEEK };

struct time_keyword {
    const char *name;
    enum pattern pattern;
    uint8_t width; /* digits that are written; of names, to what they are padded */
    bool any_case; /* numbers: all capitals or none; names: as it is written here */
    bool digits;   /* reading stops at its width where it follows another number */
    uint8_t calendar;
};

enum time_node_kind { TIME_PATTERN, TIME_CHARACTER, TIME_SEPARATOR, TIME_SPACE };
enum time_suffix { SUFFIX_FM = 1, SUFFIX_TM = 2, SUFFIX_TH_UPPER = 4, SUFFIX_TH_LOWER = 8 };

struct time_node {
    uint8_t kind;   /* enum time_node_kind */
    uint8_t suffix; /* enum time_suffix, bits */
    bool lower;     /* the pattern is in small letters */
    uint8_t len;    /* of text */
    char text[4];   /* one character */
    const struct time_keyword *keyword;
};

struct time_format {
    struct time_node *nodes;
    uint32_t count;
    bool empty; /* an empty text, which shows nothing: NULL */
};

/* Every text is a format: what is no pattern stands for itself. */
struct time_format *time_format_compile(struct str format, struct arena *arena);

extern const char *const time_month_names[12], *const time_day_names[7], *const time_month_romans[12];

#endif
