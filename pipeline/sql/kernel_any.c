/*
 * x op ANY (array), x op ALL (array): the i-th elements of all rows at a time, so that the comparison is a loop over columns like any other.
 * A row whose answer is settled sees no further elements, as in Postgres.
 */
#include "pipeline/event/array.h"
#include "pipeline/sql/function.h"

static struct value *spread(struct eval *ev, struct operand o, const uint32_t *sel, uint32_t n)
{
    if (o.mask)
        return (struct value *)(uintptr_t)o.at;
    struct value *column = arena_array(ev->arena, struct value, ev->in->rows);
    for (uint32_t i = 0; i < n; i++)
        column[sel[i]] = *o.at;
    return column;
}

/* The rows that have an i-th element, which goes into the column. */
static uint32_t take_elements(struct operand arrays, uint32_t i, uint32_t *open, uint32_t n, struct value *column)
{
    uint32_t left = 0;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t row = open[k];
        const struct array *a = value_array(*operand_at(arrays, row));
        if (i >= a->count)
            continue;
        column[row] = a->items[i];
        open[left++] = row;
    }
    return left;
}

static uint32_t settle(const struct value *answers, bool all, uint32_t *open, uint32_t n, struct value *out)
{
    uint32_t left = 0;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t row = open[k];
        struct value answer = answers[row];
        bool settled = answer.kind == VALUE_BOOL && (answer.i != 0) != all;
        if (settled || value_is_null(answer))
            out[row] = answer;
        open[left] = row;
        left += !settled;
    }
    return left;
}

void kernel_any(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                struct value *out)
{
    const struct any_call *call = e->data;
    struct value *columns[2] = {spread(ev, args[0], sel, n), arena_array(ev->arena, struct value, ev->in->rows)};
    struct value *answers = arena_array(ev->arena, struct value, ev->in->rows);
    uint32_t *open = arena_array(ev->arena, uint32_t, n ? n : 1), left = 0;
    for (uint32_t k = 0; k < n; k++) {
        bool null = value_is_null(*operand_at(args[1], sel[k]));
        out[sel[k]] = null ? value_null() : value_bool(call->all);
        open[left] = sel[k];
        left += !null;
    }
    struct slice pairs = *ev->in;
    pairs.columns = columns;
    pairs.column_count = 2;
    struct eval inner;
    eval_init(&inner, &call->program, &pairs, open, left, ev->rejections);
    inner.folding = ev->folding;
    inner.dead = ev->dead;
    for (uint32_t i = 0; (left = take_elements(args[1], i, open, left, columns[1])) > 0; i++) {
        eval_again(&inner, open, left);
        eval_into(&inner, call->test, open, left, answers);
        left = settle(answers, call->all, open, left, out);
    }
    ev->dead = inner.dead;
    ev->failed |= inner.failed;
    eval_release(&inner);
}
