/*
 * Reckoning with intervals as PostgreSQL 15 does (manual, 8.5.4 and 9.9; timestamp.c). Months, days and microseconds
 * are kept apart; where they have to be compared a month has 30 days and a day 24 hours.
 *
 * Errors are ERROR_REJECT with Postgres's sqlstate and message: 22008 out of range, 22012 division by zero. Where
 * Postgres 15 lets an integer wrap silently, "interval out of range" is said instead.
 */
#ifndef PIPE_INTERVAL_H
#define PIPE_INTERVAL_H

#include "pipeline/base/arena.h"
#include "pipeline/base/error.h"
#include "pipeline/event/value.h"
#include "pipeline/event/zone.h"

enum { DAYS_PER_MONTH = 30, MONTHS_PER_YEAR = 12 };

/* Which fields `interval day to second` and its like keep (struct type's scale); -1: all. */
enum interval_fields {
    INTERVAL_YEAR,
    INTERVAL_MONTH,
    INTERVAL_DAY,
    INTERVAL_HOUR,
    INTERVAL_MINUTE,
    INTERVAL_SECOND,
    INTERVAL_YEAR_TO_MONTH,
    INTERVAL_DAY_TO_HOUR,
    INTERVAL_DAY_TO_MINUTE,
    INTERVAL_DAY_TO_SECOND,
    INTERVAL_HOUR_TO_MINUTE,
    INTERVAL_HOUR_TO_SECOND,
    INTERVAL_MINUTE_TO_SECOND,
    INTERVAL_FIELDS,
};

/* Postgres's words: "day to second". */
const char *interval_fields_name(enum interval_fields f);
/* Cuts off the fields below, rounds seconds to `precision` digits (-1: not), half away from zero. */
struct interval interval_apply_typmod(struct interval x, int precision, int fields);

/* -1, 0, 1 */
int interval_compare(struct interval x, struct interval y);
bool interval_add(struct interval x, struct interval y, struct interval *out, struct error *err);
bool interval_sub(struct interval x, struct interval y, struct interval *out, struct error *err);
bool interval_neg(struct interval x, struct interval *out, struct error *err);
bool interval_mul(struct interval x, double factor, struct interval *out, struct error *err);
bool interval_div(struct interval x, double divisor, struct interval *out, struct error *err);

/* Hours beyond 24 become days, days beyond 30 months, both, with one sign for all. */
bool interval_justify_hours(struct interval x, struct interval *out, struct error *err);
bool interval_justify_days(struct interval x, struct interval *out, struct error *err);
bool interval_justify(struct interval x, struct interval *out, struct error *err);

/*
 * A timestamp moved by an interval: first by its months (the day cut to the month's length), then by its days, then by
 * its time. With a zone `us` is an instant, and months and days move its wall clock there; NULL: a timestamp without
 * time zone. Infinity stays what it is.
 */
bool timestamp_add_interval(int64_t us, struct interval i, const struct zone *zone, int64_t *out, struct error *err);
bool timestamp_sub_interval(int64_t us, struct interval i, const struct zone *zone, int64_t *out, struct error *err);
/* x - y, in days and time. */
bool timestamp_difference(int64_t x, int64_t y, struct interval *out, struct error *err);
/* age(x, y): in years, months, days and time, as one counts on a calendar. zone as above. */
bool timestamp_age(int64_t x, int64_t y, const struct zone *zone, struct interval *out, struct error *err);

/* A VALUE_INTERVAL in the arena. */
static inline struct value value_interval(struct arena *a, struct interval i)
{
    struct interval *kept = arena_new(a, struct interval);
    *kept = i;
    return (struct value){.kind = VALUE_INTERVAL, .len = sizeof(i), .ptr = (const char *)kept};
}
/* The interval behind one. */
static inline struct interval interval_of(struct value v)
{
    struct interval i;
    __builtin_memcpy(&i, v.ptr, sizeof(i));
    return i;
}

#endif
