/*
 * Time zones named in a query or in data: AT TIME ZONE, and what else takes one. A name that is written in the query is
 * looked up once.
 */
#include <math.h>

#include "pipeline/event/datetime_text.h"
#include "pipeline/event/interval.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/time_units.h"

/* ---- finding one ---------------------------------------------------------------------------------------------------
 */

static bool find(struct value name, struct zone_choice *out)
{
    char lower[64];
    *out = (struct zone_choice){0};
    if (name.len < sizeof(lower)) {
        for (uint32_t i = 0; i < name.len; i++)
            lower[i] = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
        lower[name.len] = '\0';
        const struct zone_abbreviation *a = strlen(lower) == name.len ? zone_abbreviation_find(lower) : NULL;
        if (a && !a->zone) {
            out->offset = a->offset;
            return true;
        }
        if (a) {
            out->abbreviation = a->name;
            out->zone = zone_lookup(str_of(a->zone));
            return out->zone != NULL;
        }
    }
    out->zone = zone_lookup(value_str(name));
    return out->zone != NULL;
}

bool zone_choose(struct value name, struct zone_choice *out, struct error *err)
{
    return find(name, out) || function_fail(err, "22023", "time zone \"%.*s\" not recognized", (int)name.len, name.ptr);
}

bool zone_choose_written(struct value name, struct zone_choice *out, struct error *err)
{
    if (find(name, out))
        return true;
    zone_find(value_str(name), err); /* says what is near */
    err->kind = ERROR_REJECT;
    memcpy(err->sqlstate, "22023", 6);
    return false;
}

int64_t zone_choice_wall(const struct zone_choice *c, int64_t us)
{
    int32_t offset = c->offset;
    if (c->zone)
        offset = zone_offset_at(c->zone, us, NULL);
    if (c->abbreviation)
        offset = zone_abbreviation_offset(c->zone, c->abbreviation, us + offset * USECS_PER_SEC);
    return us + offset * USECS_PER_SEC;
}

int64_t zone_choice_instant(const struct zone_choice *c, int64_t local)
{
    if (c->abbreviation)
        return local - zone_abbreviation_offset(c->zone, c->abbreviation, local) * USECS_PER_SEC;
    return c->zone ? zone_local_to_utc(c->zone, local) : local - c->offset * USECS_PER_SEC;
}

bool prepare_zone(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx;
    if (e->args[0]->kind != EXPR_CONSTANT || value_is_null(e->args[0]->constant))
        return true;
    struct zone_choice *choice = arena_new(plan, struct zone_choice);
    e->data = choice;
    return zone_choose_written(e->args[0]->constant, choice, err);
}

/* ---- AT TIME ZONE --------------------------------------------------------------------------------------------------
 */

static bool move(const struct zone_choice *c, struct value time, struct value *out, struct error *err)
{
    bool to_instant = time.kind == VALUE_TIMESTAMP;
    *out = (struct value){.kind = to_instant ? VALUE_TIMESTAMPTZ : VALUE_TIMESTAMP, .i = time.i};
    if (time_is_infinite(time.i))
        return true;
    out->i = to_instant ? zone_choice_instant(c, time.i) : zone_choice_wall(c, time.i);
    return timestamp_in_range(out->i) || function_fail(err, "22008", "timestamp out of range");
}

bool fn_timezone(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev;
    struct zone_choice choice = {0};
    if (time_is_infinite(args[1].i))
        return move(&choice, args[1], out, err);
    if (e->data)
        return move(e->data, args[1], out, err);
    if (time_is_infinite(args[1].i)) /* in any zone, whatever it is called */
        return move(&(struct zone_choice){0}, args[1], out, err);
    return zone_choose(args[0], &choice, err) && move(&choice, args[1], out, err);
}

/* The zone is an interval: its offset, positive to the east. */
bool fn_timezone_interval(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                          struct error *err)
{
    (void)e;
    struct interval i = interval_of(args[0]);
    if ((i.months || i.days) && !time_is_infinite(args[1].i)) {
        struct buffer text = {0};
        value_print(args[0], TYPE(TYPE_INTERVAL), ev->cx.zone, &text);
        function_fail(err, "22023", "interval time zone \"%s\" must not include months or days", buffer_cstr(&text));
        buffer_release(&text);
        return false;
    }
    struct zone_choice choice = {.offset = (int32_t)(i.microseconds / USECS_PER_SEC)};
    return move(&choice, args[1], out, err);
}

/* ---- make_timestamptz ----------------------------------------------------------------------------------------------
 */

/* "+5", "-03:30", "+1:2:3", "+0530": hours up to 15. NULL text behind it means well-formed. */
static bool numeric_offset(struct value name, int32_t *offset, bool *in_range)
{
    int64_t parts[3] = {0};
    int count = 0, digits = 0;
    for (uint32_t i = 1; i < name.len; i++) {
        char c = name.ptr[i];
        if (c >= '0' && c <= '9' && digits < 9) {
            parts[count] = parts[count] * 10 + (c - '0');
            digits++;
        } else if (c == ':' && count < 2 && digits) {
            count++;
            digits = 0;
        } else {
            return false;
        }
    }
    if (digits == 0 && count != 1 && name.len > 1)
        return false;
    if (count == 0 && digits > 2) {
        parts[1] = parts[0] % 100;
        parts[0] /= 100;
    }
    *in_range = parts[0] <= 15 && parts[1] < 60 && parts[2] < 60;
    int64_t seconds = (parts[0] * 60 + parts[1]) * 60 + parts[2];
    *offset = (int32_t)(name.ptr[0] == '-' ? -seconds : seconds);
    return true;
}

/* A name, or an offset as it is written behind a time: positive to the east. */
static bool choose_sane(struct value name, struct zone_choice *out, struct error *err)
{
    bool in_range;
    *out = (struct zone_choice){0};
    if (name.len && name.ptr[0] >= '0' && name.ptr[0] <= '9')
        return function_fail(err, "22023", "invalid input syntax for type numeric time zone: \"%.*s\"", (int)name.len,
                             name.ptr);
    bool is_signed = name.len && (name.ptr[0] == '+' || name.ptr[0] == '-');
    if (is_signed && numeric_offset(name, &out->offset, &in_range))
        return in_range ||
               function_fail(err, "22023", "numeric time zone \"%.*s\" out of range", (int)name.len, name.ptr);
    return zone_choose(name, out, err);
}

/* year, month, day, hour, minute, second [, zone] */
bool fn_make_timestamptz(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                         struct error *err)
{
    struct zone_choice choice = {.zone = ev->cx.zone};
    if (!fn_make_timestamp(ev, e, args, out, err) || (e->count == 7 && !choose_sane(args[6], &choice, err)))
        return false;
    *out = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = zone_choice_instant(&choice, out->i)};
    return timestamp_in_range(out->i) || function_fail(err, "22008", "timestamp out of range");
}
