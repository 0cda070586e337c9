/*
 * What a time zone is made of; only for zone*.c. Times are seconds since 1970-01-01 UTC, offsets seconds east of UTC.
 */
#ifndef PIPE_ZONE_DATA_H
#define PIPE_ZONE_DATA_H

#include <stdbool.h>

#include "pipeline/event/zone.h"

enum { ZONE_ABBREVIATION_MAX = 255 };

/* When in a year a rule changes the clock: POSIX TZ, "Jn", "n" and "Mm.w.d", each with "/time" (RFC 8536, 3.3.1: -167
 * to 167 hours). */
enum zone_rule_day { RULE_JULIAN_WITHOUT_LEAP, RULE_DAY_OF_YEAR, RULE_MONTH_WEEK_DAY };

struct zone_rule_date {
    enum zone_rule_day kind;
    int day, week, month;
    int32_t time; /* seconds on the clock in force before */
};

struct zone_rule {
    int32_t offset, daylight_offset;
    bool has_daylight;
    struct zone_rule_date start, end; /* of daylight time */
    char name[ZONE_ABBREVIATION_MAX + 1], daylight_name[ZONE_ABBREVIATION_MAX + 1];
};

/* "CET-1CEST,M3.5.0,M10.5.0/3"; a daylight name without dates takes those of the USA, as tzcode does. */
bool zone_rule_parse(struct str text, struct zone_rule *out);
/* The offset and name at that instant. */
int32_t zone_rule_offset(const struct zone_rule *r, int64_t at, const char **name);
/* The first change later than `at`, INT64_MAX where the rule has none. */
int64_t zone_rule_next(const struct zone_rule *r, int64_t at);

struct zone_kind {
    int32_t offset;
    const char *name;
};

struct zone {
    const char *name;
    int64_t *changes; /* ascending */
    uint8_t *change_kind;
    uint32_t change_count;
    struct zone_kind *kinds; /* kinds[0] holds before the first change */
    uint32_t kind_count;
    char *names;   /* of the kinds */
    bool has_rule; /* after the last change; else the last kind stays */
    struct zone_rule rule;
    struct zone *next; /* in the cache */
};

/* RFC 8536, version 2 and later (version 1 has no times beyond 2038). All of it is copied out of data. False: not such
 * a file. */
bool zone_file_parse(struct str data, struct zone *out, const char **why);

#endif
