/*
 * The evaluator's frame: operands, shared results, the forms that shrink the selection, rejections. What operators do
 * is in the kernels.
 */
#include "pipeline/sql/eval.h"

void eval_init(struct eval *ev, const struct program *p, const struct slice *in, const uint32_t *sel, uint32_t n,
               struct rejections *r)
{
    *ev = (struct eval){.in = in, .arena = in->arena, .program = p, .rejections = r, .root_sel = sel, .root_count = n};
    ev->cx = (struct convert_context){.arena = in->arena, .zone = p->zone, .now_us = INT64_MIN};
    if (p->slots) {
        ev->memo = arena_array(ev->arena, struct value *, p->slots);
        ev->done = arena_array(ev->arena, uint8_t *, p->slots);
    }
    eval_again(ev, sel, n);
}

void eval_again(struct eval *ev, const uint32_t *sel, uint32_t n)
{
    ev->root_sel = sel;
    ev->root_count = n;
    if (ev->program->slots) {
        memset(ev->memo, 0, ev->program->slots * sizeof(*ev->memo));
        memset(ev->done, 0, ev->program->slots * sizeof(*ev->done));
    }
}

void eval_release(struct eval *ev)
{
    buffer_release(&ev->scratch);
    buffer_release(&ev->piece);
}

static struct value *take_column(struct eval *ev)
{
    if (ev->spares)
        return ev->spare[--ev->spares];
    return arena_array(ev->arena, struct value, ev->in->rows);
}

static void give_column(struct eval *ev, struct value *column)
{
    if (ev->spares < EVAL_SPARES)
        ev->spare[ev->spares++] = column;
}

static uint32_t *take_sel(struct eval *ev)
{
    if (ev->spare_sels)
        return ev->spare_sel[--ev->spare_sels];
    return arena_array(ev->arena, uint32_t, ev->in->rows);
}

static void give_sel(struct eval *ev, uint32_t *sel)
{
    if (ev->spare_sels < EVAL_SPARES)
        ev->spare_sel[ev->spare_sels++] = sel;
}

/* An argument's column may be used again for another result once nobody can ask for it any more. */
static bool is_temporary(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_CONSTANT:
    case EXPR_COLUMN:
        return false;
    case EXPR_RELABEL:
        return e->slot < 0 && is_temporary(e->args[0]);
    case EXPR_KERNEL:
    case EXPR_SCALAR:
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_CASE:
    case EXPR_COALESCE:
        break;
    }
    return e->slot < 0;
}

static void release(struct eval *ev, const struct expr *e, struct operand o)
{
    if (is_temporary(e))
        give_column(ev, (struct value *)(uintptr_t)o.at);
}

/* ---- rejections ----------------------------------------------------------------------------------------------------
 */

static void print_operands(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row,
                           struct buffer *out)
{
    for (uint32_t i = 0; i < e->count && i < 6; i++) {
        const struct value *v = operand_at(args[i], row);
        size_t from = out->len;
        buffer_printf(out, "%s", i ? ", " : "");
        if (value_is_null(*v))
            buffer_printf(out, "NULL");
        else
            value_print(*v, e->args[i]->type, ev->cx.zone, out);
        if (out->len - from > 64) {
            out->len = from + 60;
            while (out->len > from && ((unsigned char)out->data[out->len] & 0xC0) == 0x80)
                out->len--;
            buffer_printf(out, "…");
        }
    }
}

void eval_fail(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row, const struct error *err)
{
    ev->failed = true;
    if (ev->folding) {
        *ev->folding = *err;
        return;
    }
    if (!ev->dead) {
        ev->dead = arena_array(ev->arena, uint8_t, ev->in->rows);
        memset(ev->dead, 0, ev->in->rows);
    }
    if (ev->dead[row])
        return;
    ev->dead[row] = 1;
    struct buffer values = {0};
    if (args)
        print_operands(ev, e, args, row, &values);
    int shown = e->text.len > 200 ? 200 : (int)e->text.len;
    struct rejection *j = reject_record(ev->rejections, ev->in->record[row], ev->program->component, "expression",
                                        "%.*s: %s (value: %.*s)", shown, e->text.data, err->text, (int)values.len,
                                        values.len ? values.data : "");
    memcpy(j->sqlstate, err->sqlstate, sizeof(j->sqlstate));
    buffer_release(&values);
}

uint32_t eval_survivors(const struct eval *ev, const uint32_t *sel, uint32_t n, uint32_t *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        out[kept] = row;
        kept += !(ev->dead && ev->dead[row]);
    }
    return kept;
}

/* ---- forms that shrink the selection -------------------------------------------------------------------------------
 */

static bool is_bool(const struct value *v, bool which)
{
    return v->kind == VALUE_BOOL && (v->i != 0) == which;
}

/* AND with settles = false, OR with settles = true: a row whose value settles the result sees no further arguments. */
static void eval_chain(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, struct value *out,
                       bool settles)
{
    uint32_t *open = take_sel(ev);
    const uint32_t *rows = sel;
    for (uint32_t i = 0; i < n; i++)
        out[sel[i]] = value_bool(!settles);
    for (uint32_t a = 0; a < e->count && n > 0; a++) {
        struct operand o = eval_expr(ev, e->args[a], rows, n);
        uint32_t left = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = rows[i];
            const struct value *v = operand_at(o, row);
            bool settled = is_bool(v, settles);
            if (settled || value_is_null(*v))
                out[row] = *v;
            open[left] = row;
            left += !settled;
        }
        release(ev, e->args[a], o);
        rows = open;
        n = left;
    }
    give_sel(ev, open);
}

static void eval_case(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, struct value *out)
{
    uint32_t *open = take_sel(ev), *chosen = take_sel(ev);
    const uint32_t *rows = sel;
    uint32_t a = 0;
    for (; a + 1 < e->count && n > 0; a += 2) {
        struct operand condition = eval_expr(ev, e->args[a], rows, n);
        uint32_t left = 0, taken = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = rows[i];
            bool is = is_bool(operand_at(condition, row), true);
            open[left] = row;
            left += !is;
            chosen[taken] = row;
            taken += is;
        }
        release(ev, e->args[a], condition);
        if (taken)
            eval_into(ev, e->args[a + 1], chosen, taken, out);
        rows = open;
        n = left;
    }
    if (n > 0 && e->count % 2)
        eval_into(ev, e->args[e->count - 1], rows, n, out);
    else
        for (uint32_t i = 0; i < n; i++)
            out[rows[i]] = value_null();
    give_sel(ev, chosen);
    give_sel(ev, open);
}

static void eval_coalesce(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, struct value *out)
{
    uint32_t *open = take_sel(ev);
    const uint32_t *rows = sel;
    for (uint32_t a = 0; a < e->count && n > 0; a++) {
        struct operand o = eval_expr(ev, e->args[a], rows, n);
        uint32_t left = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = rows[i];
            out[row] = *operand_at(o, row);
            open[left] = row;
            left += value_is_null(out[row]);
        }
        release(ev, e->args[a], o);
        rows = open;
        n = left;
    }
    give_sel(ev, open);
}

/* ---- calls ---------------------------------------------------------------------------------------------------------
 */

static void eval_scalar(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                        uint32_t n, struct value *out)
{
    struct value *values = arena_array(ev->arena, struct value, e->count ? e->count : 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        bool null = false;
        for (uint32_t a = 0; a < e->count; a++) {
            values[a] = *operand_at(args[a], row);
            null |= value_is_null(values[a]);
        }
        struct error err;
        out[row] = value_null();
        if (null && !e->null_call)
            continue;
        if (!e->scalar(ev, e, values, &out[row], &err)) {
            out[row] = value_null();
            eval_fail(ev, e, args, row, &err);
        }
    }
}

static void eval_call(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, struct value *out)
{
    struct operand few[4], *args = few;
    if (e->count > 4)
        args = arena_array(ev->arena, struct operand, e->count);
    for (uint32_t i = 0; i < e->count; i++)
        args[i] = eval_expr(ev, e->args[i], sel, n);
    if (e->kind == EXPR_KERNEL)
        e->kernel(ev, e, args, sel, n, out);
    else
        eval_scalar(ev, e, args, sel, n, out);
    for (uint32_t i = 0; i < e->count; i++)
        release(ev, e->args[i], args[i]);
}

static void compute(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, struct value *out)
{
    switch (e->kind) {
    case EXPR_CONSTANT:
        for (uint32_t i = 0; i < n; i++)
            out[sel[i]] = e->constant;
        return;
    case EXPR_COLUMN: {
        const struct value *column = ev->in->columns[e->column];
        for (uint32_t i = 0; i < n; i++)
            out[sel[i]] = column[sel[i]];
        return;
    }
    case EXPR_RELABEL:
        eval_into(ev, e->args[0], sel, n, out);
        return;
    case EXPR_AND:
        eval_chain(ev, e, sel, n, out, false);
        return;
    case EXPR_OR:
        eval_chain(ev, e, sel, n, out, true);
        return;
    case EXPR_CASE:
        eval_case(ev, e, sel, n, out);
        return;
    case EXPR_COALESCE:
        eval_coalesce(ev, e, sel, n, out);
        return;
    case EXPR_KERNEL:
    case EXPR_SCALAR:
        eval_call(ev, e, sel, n, out);
        return;
    }
}

/*
 * A node that several others share is computed once per row, and only for rows that somebody asks for: behind a guard
 * that is a part of them. The first asker mostly wants all.
 */
static struct value *eval_shared(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n)
{
    uint32_t slot = (uint32_t)e->slot;
    struct value *column = ev->memo[slot];
    if (column && !ev->done[slot])
        return column;
    if (!column) {
        column = ev->memo[slot] = take_column(ev);
        if (n == ev->root_count) {
            compute(ev, e, sel, n, column);
            return column;
        }
        ev->done[slot] = arena_array(ev->arena, uint8_t, ev->in->rows);
        memset(ev->done[slot], 0, ev->in->rows);
    }
    uint8_t *done = ev->done[slot];
    uint32_t *missing = take_sel(ev);
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        missing[count] = sel[i];
        count += !done[sel[i]];
        done[sel[i]] = 1;
    }
    if (count)
        compute(ev, e, missing, count, column);
    give_sel(ev, missing);
    return column;
}

struct operand eval_expr(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n)
{
    if (e->kind == EXPR_CONSTANT)
        return (struct operand){&e->constant, 0};
    if (e->kind == EXPR_COLUMN)
        return (struct operand){ev->in->columns[e->column], UINT32_MAX};
    if (e->slot >= 0)
        return (struct operand){eval_shared(ev, e, sel, n), UINT32_MAX};
    if (e->kind == EXPR_RELABEL)
        return eval_expr(ev, e->args[0], sel, n);
    struct value *out = take_column(ev);
    compute(ev, e, sel, n, out);
    return (struct operand){out, UINT32_MAX};
}

void eval_into(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, struct value *out)
{
    if (e->slot < 0) {
        compute(ev, e, sel, n, out);
        return;
    }
    const struct value *column = eval_shared(ev, e, sel, n);
    for (uint32_t i = 0; i < n; i++)
        out[sel[i]] = column[sel[i]];
}

struct value *eval_column(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n)
{
    if (e->kind == EXPR_CONSTANT) {
        struct value *column = arena_array(ev->arena, struct value, ev->in->rows);
        compute(ev, e, sel, n, column);
        return column;
    }
    return (struct value *)(uintptr_t)eval_expr(ev, e, sel, n).at;
}

uint32_t eval_filter(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, uint32_t *out)
{
    if (e->kind == EXPR_AND && e->slot < 0) {
        for (uint32_t a = 0; a < e->count; a++) {
            n = eval_filter(ev, e->args[a], sel, n, out);
            sel = out;
        }
        return n;
    }
    struct operand o = eval_expr(ev, e, sel, n);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        out[kept] = row;
        kept += is_bool(operand_at(o, row), true);
    }
    release(ev, e, o);
    return kept;
}
