/*
 * Texts read by a format: what to_timestamp() and to_date() share (manual, 9.8; formatting.c for what it leaves open).
 */
#ifndef PIPE_SQL_FORMAT_TIME_READ_H
#define PIPE_SQL_FORMAT_TIME_READ_H

#include "pipeline/base/error.h"
#include "pipeline/event/datetime.h"
#include "pipeline/sql/format_time.h"

/* What the patterns found. 0: nothing, as in Postgres, which cannot tell it from a written zero. */
struct time_parts {
    enum calendar calendar;
    int year, year_digits, century, month, day, day_of_year, weekday, week, week_of_month, julian;
    int hour, minute, second, millisecond, microsecond, second_of_day;
    int fraction_digits; /* of FF1 … FF6 */
    int zone_sign, zone_hour, zone_minute;
    int after_noon, before_christ;
    bool clock12;
};

/* `text` ends with a NUL. ERROR_REJECT 22007, 22008 or 0A000. */
bool time_parts_read(const struct time_format *f, const char *text, struct time_parts *out, struct error *err);

struct time_read {
    struct civil civil; /* not counted yet: the day may be beyond the month where no month was read */
    bool has_offset;
    int32_t offset; /* seconds east of UTC */
    int precision;  /* of seconds, 0: as they are */
};

/* The parts put together, and their ranges. */
bool time_parts_settle(struct time_parts *p, const char *text, struct time_read *out, struct error *err);

#endif
