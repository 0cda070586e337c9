/*
 * num_nulls and num_nonnulls (manual, 9.2).
 */
#include "pipeline/sql/implementation.h"

/* variant: count those that are NULL (1) or not (0) */
bool fn_num_nulls(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)err;
    int64_t count = 0;
    for (uint32_t i = 0; i < e->count; i++)
        count += value_is_null(args[i]) == (e->variant != 0);
    *out = value_int(count);
    return true;
}
