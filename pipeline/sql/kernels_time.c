/*
 * Operators on dates, timestamps and intervals (manual, table 9.32), and comparisons between them.
 */
#include "pipeline/event/datetime.h"
#include "pipeline/event/interval.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/time_units.h"

static void reject(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row,
                   const struct error *err, struct value *out)
{
    *out = value_null();
    eval_fail(ev, e, args, row, err);
}

/* Room for n intervals: one allocation for the column. */
static struct interval *cells(struct eval *ev, uint32_t n)
{
    return arena_array(ev->arena, struct interval, n ? n : 1);
}

static struct value in_cell(struct interval *cell)
{
    return (struct value){.kind = VALUE_INTERVAL, .len = sizeof(*cell), .ptr = (const char *)cell};
}

/* ---- intervals -----------------------------------------------------------------------------------------------------
 */

/* variant: ARITH_ADD, ARITH_SUB, ARITH_NEG */
void kernel_interval_arith(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                           uint32_t n, struct value *out)
{
    struct interval *cell = cells(ev, n);
    for (uint32_t i = 0; i < n; i++, cell++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = e->count == 2 ? operand_at(args[1], row) : x;
        struct error err;
        bool good;
        if (value_is_null(*x) || value_is_null(*y)) {
            out[row] = value_null();
            continue;
        }
        if (e->variant == ARITH_ADD)
            good = interval_add(interval_of(*x), interval_of(*y), cell, &err);
        else if (e->variant == ARITH_SUB)
            good = interval_sub(interval_of(*x), interval_of(*y), cell, &err);
        else
            good = interval_neg(interval_of(*x), cell, &err);
        out[row] = in_cell(cell);
        if (!good)
            reject(ev, e, args, row, &err, &out[row]);
    }
}

/* variant: ARITH_MUL, ARITH_DIV; the number may be on either side. */
void kernel_interval_scale(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                           uint32_t n, struct value *out)
{
    struct interval *cell = cells(ev, n);
    int of_interval = e->args[0]->type.id == TYPE_INTERVAL ? 0 : 1;
    for (uint32_t i = 0; i < n; i++, cell++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[of_interval], row), *y = operand_at(args[1 - of_interval], row);
        struct error err;
        if (value_is_null(*x) || value_is_null(*y)) {
            out[row] = value_null();
            continue;
        }
        bool good = e->variant == ARITH_MUL ? interval_mul(interval_of(*x), y->d, cell, &err)
                                            : interval_div(interval_of(*x), y->d, cell, &err);
        out[row] = in_cell(cell);
        if (!good)
            reject(ev, e, args, row, &err, &out[row]);
    }
}

/* ---- times and intervals -------------------------------------------------------------------------------------------
 */

/* variant: ARITH_ADD, ARITH_SUB; the interval may be on either side of an addition. */
void kernel_time_shift(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                       uint32_t n, struct value *out)
{
    int of_interval = e->args[0]->type.id == TYPE_INTERVAL ? 0 : 1;
    bool zoned = e->type.id == TYPE_TIMESTAMPTZ;
    const struct zone *zone = zoned ? ev->cx.zone : NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *time = operand_at(args[1 - of_interval], row), *span = operand_at(args[of_interval], row);
        struct error err;
        int64_t us;
        if (value_is_null(*time) || value_is_null(*span)) {
            out[row] = value_null();
            continue;
        }
        out[row] = (struct value){.kind = zoned ? VALUE_TIMESTAMPTZ : VALUE_TIMESTAMP};
        bool good = time_midnight(*time, &us, &err) &&
                    (e->variant == ARITH_ADD ? timestamp_add_interval(us, interval_of(*span), zone, &out[row].i, &err)
                                             : timestamp_sub_interval(us, interval_of(*span), zone, &out[row].i, &err));
        if (!good)
            reject(ev, e, args, row, &err, &out[row]);
    }
}

void kernel_time_difference(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                            uint32_t n, struct value *out)
{
    struct interval *cell = cells(ev, n);
    for (uint32_t i = 0; i < n; i++, cell++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);
        struct error err;
        if (value_is_null(*x) || value_is_null(*y)) {
            out[row] = value_null();
            continue;
        }
        out[row] = in_cell(cell);
        if (!timestamp_difference(x->i, y->i, cell, &err))
            reject(ev, e, args, row, &err, &out[row]);
    }
}

/* ---- comparisons ---------------------------------------------------------------------------------------------------
 */

/* As an instant, or as a wall time where neither side has a zone. A date beyond the timestamps is beyond them all. */
static int64_t comparable(struct value v, const struct zone *zone)
{
    int64_t local = v.i;
    if (v.kind == VALUE_DATE) {
        struct error err;
        if (!time_midnight(v, &local, &err))
            return INT64_MAX - 1;
    }
    return v.kind == VALUE_TIMESTAMPTZ || !zone || time_is_infinite(local) ? local : zone_local_to_utc(zone, local);
}

void kernel_compare_time(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                         uint32_t n, struct value *out)
{
    bool zoned = e->args[0]->type.id == TYPE_TIMESTAMPTZ || e->args[1]->type.id == TYPE_TIMESTAMPTZ;
    const struct zone *zone = zoned ? ev->cx.zone : NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);
        out[row] = value_null();
        if (value_is_null(*x) || value_is_null(*y))
            continue;
        int64_t p = comparable(*x, zone), q = comparable(*y, zone);
        out[row] = value_bool(sql_comparison_holds(e->variant, (p > q) - (p < q)));
    }
}

void kernel_compare_interval(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                             uint32_t n, struct value *out)
{
    (void)ev;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *x = operand_at(args[0], row), *y = operand_at(args[1], row);
        out[row] = value_null();
        if (!value_is_null(*x) && !value_is_null(*y))
            out[row] = value_bool(sql_comparison_holds(e->variant, interval_compare(interval_of(*x), interval_of(*y))));
    }
}
