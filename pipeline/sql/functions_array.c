/*
 * Arrays (manual, 9.19): making them, reaching into them, putting them together. Follows arrayfuncs.c and array_userfuncs.c.
 */
#include <inttypes.h>

#include "pipeline/event/array.h"
#include "pipeline/sql/implementation.h"

static bool give(struct value *out, const struct array *a)
{
    *out = value_of_array(a);
    return true;
}

static struct array *shaped(struct eval *ev, struct array shape)
{
    uint64_t count = shape.dimensions > 0;
    for (uint32_t d = 0; d < shape.dimensions; d++)
        count *= (uint64_t)shape.lengths[d];
    shape.count = (uint32_t)count;
    return array_like(ev->arena, &shape);
}

static void copy_items(struct value *to, const struct array *from)
{
    if (from->count)
        memcpy(to, from->items, from->count * sizeof(*to));
}

/* ---- ARRAY[…] ------------------------------------------------------------------------------------------------------ */

static bool same_lengths(const struct array *a, const struct array *b)
{
    return a->dimensions == b->dimensions && memcmp(a->lengths, b->lengths, a->dimensions * sizeof(*a->lengths)) == 0;
}

/* Arrays become one with a dimension more. NULL and empty ones count for nothing, unless some have items. */
static bool build_nested(struct eval *ev, const struct value *args, uint32_t count, struct value *out, struct error *err)
{
    const struct array *first = NULL;
    uint32_t with_items = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct array *a = value_is_null(args[i]) ? NULL : value_array(args[i]);
        if (!a || a->dimensions == 0)
            continue;
        with_items++;
        first = first ? first : a;
        if (!same_lengths(first, a))
            return function_fail(err, "2202E", "multidimensional arrays must have array expressions with matching dimensions");
    }
    if (!first)
        return give(out, array_new(ev->arena, 0));
    if (with_items < count)
        return function_fail(err, "2202E", "multidimensional arrays must have array expressions with matching dimensions");
    if (first->dimensions == ARRAY_MAX_DIMENSIONS)
        return function_fail(err, "54000", "number of array dimensions (%d) exceeds the maximum allowed (%d)",
                             ARRAY_MAX_DIMENSIONS + 1, ARRAY_MAX_DIMENSIONS);
    struct array shape = {.dimensions = first->dimensions + 1};
    shape.lengths[0] = (int32_t)count;
    shape.lower[0] = 1;
    memcpy(shape.lengths + 1, first->lengths, first->dimensions * sizeof(*shape.lengths));
    memcpy(shape.lower + 1, first->lower, first->dimensions * sizeof(*shape.lower));
    struct array *a = shaped(ev, shape);
    for (uint32_t i = 0; i < count; i++)
        copy_items(a->items + i * first->count, value_array(args[i]));
    return give(out, a);
}

/* variant: the arguments are arrays themselves. */
bool fn_array_build(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    if (e->variant)
        return build_nested(ev, args, e->count, out, err);
    struct array *a = array_new(ev->arena, e->count);
    memcpy(a->items, args, e->count * sizeof(*args));
    for (uint32_t i = 0; i < e->count; i++)
        if (!value_unescape(ev->arena, &a->items[i], err))
            return false;
    return give(out, a);
}

/* ---- subscripts ---------------------------------------------------------------------------------------------------- */

bool fn_array_element(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    (void)ev, (void)err;
    const struct array *a = value_array(args[0]);
    uint64_t at = 0;
    if (a->dimensions != e->count - 1)
        return true;
    for (uint32_t d = 0; d < a->dimensions; d++) {
        int64_t i = args[d + 1].i - a->lower[d];
        if (i < 0 || i >= a->lengths[d])
            return true;
        at = at * (uint64_t)a->lengths[d] + (uint64_t)i;
    }
    *out = a->items[at];
    return true;
}

/* The items of a box, in order. from: the first place in each dimension. */
static void copy_box(struct array *to, const struct array *a, const int32_t *from)
{
    int32_t place[ARRAY_MAX_DIMENSIONS] = {0};
    for (uint32_t i = 0; i < to->count; i++) {
        uint64_t at = 0;
        for (uint32_t d = 0; d < a->dimensions; d++)
            at = at * (uint64_t)a->lengths[d] + (uint64_t)(from[d] + place[d]);
        to->items[i] = a->items[at];
        for (uint32_t d = a->dimensions; d-- > 0 && ++place[d] == to->lengths[d];)
            place[d] = 0;
    }
}

/* variant: a bit per bound that was left out. Dimensions without a subscript are taken whole; the result counts from 1. */
bool fn_array_slice(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)err;
    const struct array *a = value_array(args[0]);
    struct array shape = {.dimensions = a->dimensions};
    int32_t from[ARRAY_MAX_DIMENSIONS];
    uint32_t given = (e->count - 1) / 2;
    if (given > a->dimensions)
        return give(out, array_new(ev->arena, 0));
    for (uint32_t d = 0; d < a->dimensions; d++) {
        int64_t first = a->lower[d], last = first + a->lengths[d] - 1, low = first, high = last;
        if (d < given && !(e->variant >> (2 * d) & 1) && args[1 + 2 * d].i > first)
            low = args[1 + 2 * d].i;
        if (d < given && !(e->variant >> (2 * d + 1) & 1) && args[2 + 2 * d].i < last)
            high = args[2 + 2 * d].i;
        if (low > high)
            return give(out, array_new(ev->arena, 0));
        from[d] = (int32_t)(low - first);
        shape.lengths[d] = (int32_t)(high - low + 1);
        shape.lower[d] = 1;
    }
    struct array *box = shaped(ev, shape);
    copy_box(box, a, from);
    return give(out, box);
}

bool fn_trim_array(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    (void)e;
    const struct array *a = value_array(args[0]);
    int32_t length = a->dimensions ? a->lengths[0] : 0;
    if (args[1].i < 0 || args[1].i > length)
        return function_fail(err, "2202E", "number of elements to trim must be between 0 and %d", length);
    struct array shape = *a;
    int32_t from[ARRAY_MAX_DIMENSIONS] = {0};
    if (args[1].i == length)
        return give(out, array_new(ev->arena, 0));
    shape.lengths[0] = length - (int32_t)args[1].i;
    for (uint32_t d = 0; d < shape.dimensions; d++)
        shape.lower[d] = 1;
    struct array *box = shaped(ev, shape);
    copy_box(box, a, from);
    return give(out, box);
}

/* ---- dimensions ---------------------------------------------------------------------------------------------------- */

bool fn_array_bound(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)ev, (void)err;
    const struct array *a = value_array(args[0]);
    int64_t d = args[1].i - 1;
    if (d < 0 || d >= a->dimensions)
        return true;
    switch ((enum array_bound)e->variant) {
    case ARRAY_LENGTH:
        *out = value_int(a->lengths[d]);
        break;
    case ARRAY_LOWER:
        *out = value_int(a->lower[d]);
        break;
    case ARRAY_UPPER:
        *out = value_int((int64_t)a->lower[d] + a->lengths[d] - 1);
        break;
    }
    return true;
}

bool fn_array_ndims(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)ev, (void)e, (void)err;
    if (value_array(args[0])->dimensions)
        *out = value_int(value_array(args[0])->dimensions);
    return true;
}

bool fn_array_dims(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    (void)e, (void)err;
    const struct array *a = value_array(args[0]);
    ev->scratch.len = 0;
    for (uint32_t d = 0; d < a->dimensions; d++)
        buffer_printf(&ev->scratch, "[%d:%" PRId64 "]", a->lower[d], (int64_t)a->lower[d] + a->lengths[d] - 1);
    if (a->dimensions)
        *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

bool fn_cardinality(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_int(value_array(args[0])->count);
    return true;
}

/* ---- putting together ---------------------------------------------------------------------------------------------- */

static bool extend(struct eval *ev, struct value array, struct value item, bool in_front, struct value *out,
                   struct error *err)
{
    const struct array *a = value_is_null(array) ? array_new(ev->arena, 0) : value_array(array);
    if (a->dimensions > 1)
        return function_fail(err, "22000", "argument must be empty or one-dimensional array");
    struct array *longer = array_new(ev->arena, a->count + 1);
    longer->lower[0] = a->dimensions ? a->lower[0] : 1;
    copy_items(longer->items + in_front, a);
    struct value *place = &longer->items[in_front ? 0 : a->count];
    *place = item;
    return value_unescape(ev->arena, place, err) && give(out, longer);
}

bool fn_array_append(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)e;
    return extend(ev, args[0], args[1], false, out, err);
}

bool fn_array_prepend(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    (void)e;
    return extend(ev, args[1], args[0], true, out, err);
}

/* The lengths and lowest subscripts of y from dimension `first` on are those of x. */
static bool matches(const struct array *x, const struct array *y, uint32_t first_x, uint32_t first_y)
{
    for (uint32_t d = 0; first_x + d < x->dimensions; d++)
        if (x->lengths[first_x + d] != y->lengths[first_y + d] || x->lower[first_x + d] != y->lower[first_y + d])
            return false;
    return true;
}

bool fn_array_cat(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    if (value_is_null(args[0]) || value_is_null(args[1])) {
        *out = args[value_is_null(args[0])];
        return true;
    }
    const struct array *x = value_array(args[0]), *y = value_array(args[1]);
    if (x->dimensions == 0 || y->dimensions == 0)
        return give(out, x->dimensions ? x : y);
    struct array shape;
    bool fits;
    if (x->dimensions == y->dimensions) {
        shape = *x;
        shape.lengths[0] += y->lengths[0];
        fits = matches(x, y, 1, 1);
    } else if (x->dimensions == y->dimensions + 1) {
        shape = *x;
        shape.lengths[0]++;
        fits = matches(y, x, 0, 1);
    } else {
        shape = *y;
        shape.lengths[0]++;
        fits = x->dimensions + 1 == y->dimensions && matches(x, y, 0, 1);
    }
    if (!fits)
        return function_fail(err, "2202E", "cannot concatenate incompatible arrays");
    struct array *a = shaped(ev, shape);
    copy_items(a->items, x);
    copy_items(a->items + x->count, y);
    return give(out, a);
}

/* ---- array_fill ---------------------------------------------------------------------------------------------------- */

static bool read_numbers(struct value v, const char *what, int32_t *out, uint32_t *count, struct error *err)
{
    if (value_is_null(v))
        return function_fail(err, "22004", "dimension array or low bound array cannot be null");
    const struct array *a = value_array(v);
    if (a->dimensions > 1)
        return function_fail(err, "2202E", "wrong number of array subscripts");
    if (a->count > ARRAY_MAX_DIMENSIONS)
        return function_fail(err, "54000", "number of array dimensions (%u) exceeds the maximum allowed (%d)", a->count,
                             ARRAY_MAX_DIMENSIONS);
    for (uint32_t i = 0; i < a->count; i++) {
        if (value_is_null(a->items[i]))
            return function_fail(err, "22004", "%s cannot be null", what);
        out[i] = (int32_t)a->items[i].i;
    }
    *count = a->count;
    return true;
}

bool fn_array_fill(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    struct array shape = {0};
    uint32_t bounds;
    uint64_t count = 1;
    if (!read_numbers(args[1], "dimension values", shape.lengths, &shape.dimensions, err))
        return false;
    for (uint32_t d = 0; d < shape.dimensions; d++)
        shape.lower[d] = 1;
    if (e->count > 2) {
        if (!read_numbers(args[2], "low bound values", shape.lower, &bounds, err))
            return false;
        if (bounds != shape.dimensions)
            return function_fail(err, "2202E", "wrong number of array subscripts");
    }
    for (uint32_t d = 0; d < shape.dimensions; d++) {
        if (shape.lengths[d] < 0)
            return function_fail(err, "54000", "array size exceeds the maximum allowed (%d)", ARRAY_MAX_ITEMS);
        count *= (uint64_t)shape.lengths[d];
        if (count > ARRAY_MAX_ITEMS)
            return function_fail(err, "54000", "array size exceeds the maximum allowed (%d)", ARRAY_MAX_ITEMS);
    }
    if (shape.dimensions == 0 || count == 0)
        return give(out, array_new(ev->arena, 0));
    for (uint32_t d = 0; d < shape.dimensions; d++)
        if (shape.lower[d] > INT32_MAX - shape.lengths[d])
            return function_fail(err, "54000", "array lower bound is too large: %d", shape.lower[d]);
    struct array *a = shaped(ev, shape);
    struct value item = args[0];
    if (!value_unescape(ev->arena, &item, err))
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        a->items[i] = item;
    return give(out, a);
}
