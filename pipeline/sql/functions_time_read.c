/*
 * to_timestamp() and to_date() with a format.
 */
#include "pipeline/event/convert_pieces.h"
#include "pipeline/event/datetime_text.h"
#include "pipeline/sql/format_time_read.h"
#include "pipeline/sql/implementation.h"

/* The text with a NUL behind it, until the next one is read. */
static const char *terminated(struct eval *ev, struct value text)
{
    buffer_clear(&ev->scratch);
    buffer_add(&ev->scratch, text.ptr, text.len);
    return buffer_cstr(&ev->scratch);
}

static bool read_text(struct eval *ev, const struct expr *e, const struct value *args, const char **text,
                      struct time_read *out, struct error *err)
{
    struct time_parts parts;
    *text = terminated(ev, args[0]);
    return time_parts_read(time_format_of(ev, e, args[1]), *text, &parts, err) &&
           time_parts_settle(&parts, *text, out, err);
}

/* Days since 2000-01-01; the day may be beyond its month, which then flows into the next. */
static int64_t day_of(const struct civil *c)
{
    return (int64_t)date_from_civil(c->year, c->month, 1) + c->day - 1;
}

static bool is_countable(const struct civil *c)
{
    return c->year > -4713 || (c->year == -4713 && c->month >= 11);
}

bool fn_read_date(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    const int64_t end = 2145031949; /* 5874898-01-01 */
    struct time_read r;
    const char *text;
    if (!read_text(ev, e, args, &text, &r, err))
        return false;
    *out = (struct value){.kind = VALUE_DATE};
    int64_t days = is_countable(&r.civil) ? day_of(&r.civil) : INT64_MAX;
    if (days < -JULIAN_OF_2000 || days >= end)
        return function_fail(err, "22008", "date out of range: \"%s\"", text);
    out->i = days;
    return true;
}

bool fn_read_timestamp(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    struct time_read r;
    const char *text;
    int64_t local;
    if (!read_text(ev, e, args, &text, &r, err))
        return false;
    const struct civil *c = &r.civil;
    int64_t of_day = ((c->hour * INT64_C(60) + c->minute) * 60 + c->second) * USECS_PER_SEC + c->microsecond;
    if (!is_countable(c) || __builtin_mul_overflow(day_of(c), USECS_PER_DAY, &local) ||
        __builtin_add_overflow(local, of_day, &local))
        return function_fail(err, "22008", "timestamp out of range");
    *out = (struct value){.kind = VALUE_TIMESTAMPTZ};
    out->i = r.has_offset ? local - r.offset * USECS_PER_SEC : zone_local_to_utc(ev->cx.zone, local);
    if (!timestamp_in_range(out->i))
        return function_fail(err, "22008", "timestamp out of range");
    if (r.precision)
        out->i = timestamp_round(out->i, r.precision);
    return true;
}
