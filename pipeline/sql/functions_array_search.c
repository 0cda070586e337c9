/*
 * Arrays (manual, 9.19): what is in them. Where an element is looked for, NULL is equal to NULL; @>, <@ and && never find one.
 */
#include "pipeline/event/array.h"
#include "pipeline/sql/implementation.h"

static bool same(struct value a, struct value b)
{
    if (value_is_null(a) || value_is_null(b))
        return value_is_null(a) && value_is_null(b);
    return sql_same_kind(a, b) && sql_compare_values(a, b) == 0;
}

static bool has(const struct array *a, struct value item)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (!value_is_null(a->items[i]) && same(a->items[i], item))
            return true;
    return false;
}

bool fn_array_contains(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    (void)ev, (void)err;
    bool turned = e->variant == ARRAY_IS_CONTAINED;
    const struct array *all = value_array(args[turned]), *wanted = value_array(args[!turned]);
    bool contains = true;
    for (uint32_t i = 0; i < wanted->count && contains; i++)
        contains = !value_is_null(wanted->items[i]) && has(all, wanted->items[i]);
    *out = value_bool(contains);
    return true;
}

bool fn_array_overlaps(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    (void)ev, (void)e, (void)err;
    const struct array *x = value_array(args[0]), *y = value_array(args[1]);
    bool overlaps = false;
    for (uint32_t i = 0; i < x->count && !overlaps; i++)
        overlaps = !value_is_null(x->items[i]) && has(y, x->items[i]);
    *out = value_bool(overlaps);
    return true;
}

static bool one_dimension(const struct array *a, const char *what, struct error *err)
{
    return a->dimensions <= 1 ||
           function_fail(err, "0A000", "%s multidimensional arrays is not supported", what);
}

static bool has_null(const struct array *a)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (value_is_null(a->items[i]))
            return true;
    return false;
}

bool fn_array_position(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    (void)ev;
    if (value_is_null(args[0]))
        return true;
    const struct array *a = value_array(args[0]);
    int64_t from = a->lower[0];
    if (!one_dimension(a, "searching for elements in", err))
        return false;
    if (a->count == 0 || (value_is_null(args[1]) && !has_null(a)))
        return true;
    if (e->count > 2 && value_is_null(args[2]))
        return function_fail(err, "22004", "initial position must not be null");
    if (e->count > 2)
        from = args[2].i;
    for (uint32_t i = 0; i < a->count; i++) {
        int64_t subscript = (int64_t)a->lower[0] + i;
        if (subscript < from || !same(a->items[i], args[1]))
            continue;
        *out = value_int(subscript);
        return true;
    }
    return true;
}

bool fn_array_positions(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                        struct error *err)
{
    (void)e;
    if (value_is_null(args[0]))
        return true;
    const struct array *a = value_array(args[0]);
    if (!one_dimension(a, "searching for elements in", err))
        return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < a->count; i++)
        count += same(a->items[i], args[1]);
    struct array *found = array_new(ev->arena, count);
    count = 0;
    for (uint32_t i = 0; i < a->count; i++)
        if (same(a->items[i], args[1]))
            found->items[count++] = value_int((int64_t)a->lower[0] + i);
    *out = value_of_array(found);
    return true;
}

bool fn_array_remove(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)e;
    *out = args[0];
    if (value_is_null(args[0]))
        return true;
    const struct array *a = value_array(args[0]);
    if (!one_dimension(a, "removing elements from", err))
        return false;
    uint32_t left = 0;
    for (uint32_t i = 0; i < a->count; i++)
        left += !same(a->items[i], args[1]);
    if (left == a->count)
        return true;
    struct array *shorter = array_new(ev->arena, left);
    shorter->lower[0] = a->lower[0];
    left = 0;
    for (uint32_t i = 0; i < a->count; i++)
        if (!same(a->items[i], args[1]))
            shorter->items[left++] = a->items[i];
    *out = value_of_array(shorter);
    return true;
}

bool fn_array_replace(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    (void)e, (void)err;
    *out = args[0];
    if (value_is_null(args[0]))
        return true;
    const struct array *a = value_array(args[0]);
    struct array *changed = array_like(ev->arena, a);
    for (uint32_t i = 0; i < a->count; i++)
        changed->items[i] = same(a->items[i], args[1]) ? args[2] : a->items[i];
    *out = value_of_array(changed);
    return true;
}

/* ---- text and arrays ----------------------------------------------------------------------------------------------- */

bool fn_array_to_string(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                        struct error *err)
{
    (void)err;
    if (value_is_null(args[0]) || value_is_null(args[1]))
        return true;
    const struct array *a = value_array(args[0]);
    struct type element = array_element_type(e->args[0]->type);
    bool shows_nulls = e->count > 2 && !value_is_null(args[2]), any = false;
    ev->scratch.len = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        bool null = value_is_null(a->items[i]);
        if (null && !shows_nulls)
            continue;
        if (any)
            buffer_add_str(&ev->scratch, value_str(args[1]));
        any = true;
        if (null)
            buffer_add_str(&ev->scratch, value_str(args[2]));
        else
            value_print(a->items[i], element, ev->cx.zone, &ev->scratch);
    }
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

struct splitter {
    struct str rest, delimiter, null;
    bool by_character, has_null, at_end;
};

static size_t character_bytes(struct str s)
{
    size_t n = 1;
    while (n < s.len && ((unsigned char)s.data[n] & 0xC0) == 0x80)
        n++;
    return n;
}

static bool next_part(struct splitter *s, struct str *part)
{
    if (s->at_end)
        return false;
    size_t len = s->rest.len, skip = 0;
    if (s->by_character) {
        len = character_bytes(s->rest);
    } else if (s->delimiter.len) {
        const char *found = memmem(s->rest.data, s->rest.len, s->delimiter.data, s->delimiter.len);
        len = found ? (size_t)(found - s->rest.data) : s->rest.len;
        skip = found ? s->delimiter.len : 0;
    }
    *part = (struct str){s->rest.data, len};
    s->at_end = s->by_character ? len == s->rest.len : skip == 0;
    s->rest = (struct str){s->rest.data + len + skip, s->rest.len - len - skip};
    return true;
}

bool fn_string_to_array(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                        struct error *err)
{
    (void)err;
    if (value_is_null(args[0]))
        return true;
    struct splitter s = {.rest = value_str(args[0]), .by_character = value_is_null(args[1])};
    s.delimiter = s.by_character ? STR("") : value_str(args[1]);
    s.has_null = e->count > 2 && !value_is_null(args[2]);
    s.null = s.has_null ? value_str(args[2]) : STR("");
    s.at_end = s.rest.len == 0;
    struct splitter again = s;
    struct str part;
    uint32_t count = 0;
    while (next_part(&s, &part))
        count++;
    struct array *a = array_new(ev->arena, count);
    for (uint32_t i = 0; next_part(&again, &part); i++)
        a->items[i] = s.has_null && str_eq(part, s.null) ? value_null() : value_text(part);
    *out = value_of_array(a);
    return true;
}
