/*
 * NOT, IS, IS DISTINCT FROM, NULLIF, GREATEST and LEAST. AND, OR, CASE and COALESCE are in eval.c: they shrink the
 * selection.
 */
#include "pipeline/sql/ast.h"
#include "pipeline/sql/function.h"

void kernel_not(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                struct value *out)
{
    (void)ev;
    (void)e;
    for (uint32_t i = 0; i < n; i++) {
        struct value v = *operand_at(args[0], sel[i]);
        v.i = !v.i;
        out[sel[i]] = v;
    }
}

/* variant: enum is_test, and 8 for IS NOT. */
void kernel_is(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
               struct value *out)
{
    (void)ev;
    bool negated = e->variant & 8, wants_null = (e->variant & 7) == IS_NULL || (e->variant & 7) == IS_UNKNOWN;
    int64_t wanted = (e->variant & 7) == IS_TRUE;
    for (uint32_t i = 0; i < n; i++) {
        const struct value *v = operand_at(args[0], sel[i]);
        bool null = value_is_null(*v);
        bool is = wants_null ? null : !null && (v->i != 0) == wanted;
        out[sel[i]] = value_bool(is != negated);
    }
}

/* args: both operands, and whether they are equal. variant: IS NOT DISTINCT FROM. */
void kernel_distinct(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                     struct value *out)
{
    (void)ev;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        bool null_x = value_is_null(*operand_at(args[0], row)), null_y = value_is_null(*operand_at(args[1], row));
        bool distinct = null_x || null_y ? null_x != null_y : operand_at(args[2], row)->i == 0;
        out[row] = value_bool(distinct != (e->variant != 0));
    }
}

/* args: the value, and whether it equals the other operand. */
void kernel_nullif(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                   struct value *out)
{
    (void)ev;
    (void)e;
    for (uint32_t i = 0; i < n; i++) {
        const struct value *equal = operand_at(args[1], sel[i]);
        bool drop = equal->kind == VALUE_BOOL && equal->i;
        out[sel[i]] = drop ? value_null() : *operand_at(args[0], sel[i]);
    }
}

/* variant: 1 for GREATEST, -1 for LEAST. NULLs are passed over. */
void kernel_greatest(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                     struct value *out)
{
    (void)ev;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        struct value best = value_null();
        for (uint32_t a = 0; a < e->count; a++) {
            const struct value *v = operand_at(args[a], row);
            if (value_is_null(*v))
                continue;
            if (value_is_null(best) || sql_compare_values(*v, best) * e->variant > 0)
                best = *v;
        }
        out[row] = best;
    }
}
