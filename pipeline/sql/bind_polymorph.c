/*
 * Polymorphic signatures (PostgreSQL's manual, 38.2.5; parse_coerce.c). A json scalar takes the element type that the others have; where there
 * are only json scalars it stays one.
 */
#include "pipeline/sql/bind.h"

static bool is_polymorphic(enum type_id t)
{
    return t > TYPE_COUNT && !type_is_array(t);
}

static bool is_array(enum type_id parameter)
{
    return parameter == TYPE_ANYARRAY || parameter == TYPE_COMPATIBLE_ARRAY;
}

bool bind_polymorph_takes(enum type_id parameter, enum type_id argument)
{
    return is_array(parameter) ? type_is_array(argument) : parameter != TYPE_ANYNONARRAY || !type_is_array(argument);
}

/* common: what it was before, TYPE_UNKNOWN at first. */
static bool agree(enum type_id parameter, enum type_id given, enum type_id *common)
{
    if (*common == TYPE_UNKNOWN || *common == given)
        *common = given;
    else if (parameter != TYPE_COMPATIBLE && parameter != TYPE_COMPATIBLE_ARRAY)
        return false;
    else if (bind_casts_implicitly(*common, given))
        *common = given;
    else
        return bind_casts_implicitly(given, *common);
    return true;
}

enum polymorph bind_polymorph(const struct function *f, const enum type_id *types, const bool *is_member,
                              uint32_t count, enum type_id *element)
{
    bool any = false, has_json = false, has_text = false;
    *element = TYPE_UNKNOWN;
    for (uint32_t i = 0; i < count; i++) {
        enum type_id parameter = f->args[i < f->count ? i : f->count - 1], t = types[i];
        if (!is_polymorphic(parameter))
            continue;
        any = true;
        has_json |= t == TYPE_JSON;
        has_text |= t == TYPE_UNKNOWN && !is_array(parameter);
        if (t == TYPE_JSON || t == TYPE_UNKNOWN)
            continue;
        if (!bind_polymorph_takes(parameter, t) || !agree(parameter, is_array(parameter) ? type_element(t) : t, element))
            return POLYMORPH_CLASHES;
    }
    if (!any)
        return POLYMORPH_NONE;
    bool has_member = has_json;
    for (uint32_t i = 0; i < count && is_member; i++)
        has_member |= types[i] == TYPE_UNKNOWN && is_member[i];
    if (*element != TYPE_UNKNOWN) {
        if (has_member && bind_is_integer(*element))
            *element = TYPE_NUMERIC;
        return POLYMORPH_KNOWN;
    }
    *element = has_text ? TYPE_TEXT : has_json ? TYPE_JSON : TYPE_UNKNOWN;
    return *element == TYPE_UNKNOWN ? POLYMORPH_OPEN : POLYMORPH_KNOWN;
}

enum type_id bind_concrete(enum type_id t, enum type_id element)
{
    if (!is_polymorphic(t))
        return t;
    return is_array(t) ? type_array_of(element) : element;
}
