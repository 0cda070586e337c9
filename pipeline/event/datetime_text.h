/*
 * Dates and times in any form that Postgres reads (DateStyle ISO, MDY): "Mar 1 2026 3pm CET", "20260301T120000",
 * "J2451545", "yesterday". The quick reader of the common form is in datetime_parse.c; this is everything else.
 */
#ifndef PIPE_DATETIME_TEXT_H
#define PIPE_DATETIME_TEXT_H

#include "pipeline/event/datetime.h"

enum datetime_kind { DATETIME_CIVIL, DATETIME_EPOCH, DATETIME_INFINITY, DATETIME_MINUS_INFINITY };

struct datetime {
    enum datetime_kind kind;
    /* DATETIME_CIVIL. The hour may be 24, the second 60; a time written as hhmmss is not checked further, as in
     * Postgres. */
    struct civil civil;
    int32_t offset; /* seconds east of UTC: written, or `zone`'s at that time */
};

/* `type` is for messages. now_us: for "now", "today" (in `zone`); INT64_MIN refuses them. */
bool datetime_read(struct str text, const char *type, const struct zone *zone, int64_t now_us, struct datetime *out,
                   struct error *err);

/* As date_parse and so on, with a clock. */
bool date_parse_at(struct str text, const struct zone *zone, int64_t now_us, int32_t *days, struct error *err);
bool timestamp_parse_at(struct str text, const struct zone *zone, int64_t now_us, int64_t *us, struct error *err);
bool timestamptz_parse_at(struct str text, const struct zone *zone, int64_t now_us, int64_t *us, struct error *err);

/* Within what Postgres can hold, 4714-11-24 BC to 294276-12-31. */
bool timestamp_in_range(int64_t us);

#endif
