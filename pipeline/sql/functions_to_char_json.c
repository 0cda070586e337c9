/*
 * to_char() of a member nobody has declared: a JSON number by the patterns of numbers, a string as an instant.
 */
#include "pipeline/sql/format_number.h"
#include "pipeline/sql/format_time.h"
#include "pipeline/sql/implementation.h"

/* A format that is none for numbers may still be meant for times: it is refused where a number meets it. */
struct formats {
    const struct time_format *time;
    const struct number_format *number;
};

bool prepare_json_format(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx, (void)err;
    const struct expr *format = e->args[1];
    if (format->kind != EXPR_CONSTANT || value_is_null(format->constant))
        return true;
    struct error ignored;
    struct formats *f = arena_new(plan, struct formats);
    f->time = time_format_compile(value_str(format->constant), plan);
    f->number = number_format_compile(value_str(format->constant), plan, &ignored);
    e->data = f;
    return true;
}

bool fn_to_char_json(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    const struct formats *f = e->data;
    struct value v;
    if (args[0].kind == VALUE_NUMBER || args[0].kind == VALUE_DECIMAL) {
        const struct number_format *n = f ? f->number : NULL;
        if (!n && !(n = number_format_compile(value_str(args[1]), ev->arena, err)))
            return false;
        return value_cast(&ev->cx, args[0], TYPE(TYPE_JSON), TYPE(TYPE_NUMERIC), &v, err) &&
               number_to_char(ev, n, v, TYPE_NUMERIC, out, err);
    }
    return value_cast(&ev->cx, args[0], TYPE(TYPE_JSON), TYPE(TYPE_TIMESTAMPTZ), &v, err) &&
           time_to_char(ev, f ? f->time : time_format_compile(value_str(args[1]), ev->arena), v, out, err);
}
