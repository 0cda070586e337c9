/*
 * Dates and timestamps on the proleptic Gregorian calendar, counted from 2000-01-01 as Postgres does (datetime.c).
 */
#ifndef PIPE_DATETIME_H
#define PIPE_DATETIME_H

#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"
#include "pipeline/base/str.h"
#include "pipeline/event/zone.h"

#define USECS_PER_SEC INT64_C(1000000)
#define USECS_PER_DAY INT64_C(86400000000)
/* seconds from 1970-01-01 to 2000-01-01 */
#define PG_EPOCH_SECS INT64_C(946684800)

struct civil {
    int32_t year; /* astronomical: 0 is 1 BC */
    int32_t month, day, hour, minute, second, microsecond;
};

int32_t date_from_civil(int32_t year, int32_t month, int32_t day);
void date_to_civil(int32_t days, int32_t *year, int32_t *month, int32_t *day);
void timestamp_to_civil(int64_t us, struct civil *out);

/*
 * ISO 8601 and the other forms Postgres reads with DateStyle ISO, MDY. `zone` reads a timestamptz without an offset. The common
 * form YYYY-MM-DD[T ]HH:MM[:SS[.ffffff]][Z|±HH[:MM]] has a fast path. ERROR_REJECT 22007 / 22008 otherwise.
 */
bool date_parse(struct str text, int32_t *days, struct error *err);
bool timestamp_parse(struct str text, int64_t *us, struct error *err);
bool timestamptz_parse(struct str text, const struct zone *zone, int64_t *us, struct error *err);

/* Only the common form: false for anything else, good or bad. */
bool timestamp_parse_common(struct str text, bool with_zone, const struct zone *zone, int64_t *us);

/* As Postgres prints them: 2026-03-01, 2026-03-01 12:00:00.123, 2026-03-01 12:00:00.123+00. At most 40 bytes; returns the length. */
size_t date_print(int32_t days, char *out);
size_t timestamp_print(int64_t us, char separator, char *out);
/* `iso_offset`: "+00:00" as in JSON, else "+00" */
size_t timestamptz_print(int64_t us, const struct zone *zone, char separator, bool iso_offset, char *out);

/* strftime over an instant in a zone, for templates: %Y %m %d %H %M %S %f (microseconds) %j %y %e %s %z %%. False for an unknown conversion. */
bool timestamp_strftime(int64_t us, const struct zone *zone, struct str format, struct buffer *out, struct error *err);

#endif
