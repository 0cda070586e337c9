/*
 * The tables as data for others: the machine-readable list, and the tests that take each row in turn.
 */
#include "pipeline/sql/function.h"

static_assert((int)FUNCTION_MAX_ARGS <= (int)SQL_SIGNATURE_ARGS, "a signature holds all arguments");

static const char *type_text(enum type_id t)
{
    static const struct {
        enum type_id id;
        const char *name;
    } pseudo[] = {
        {TYPE_ANY, "any"},
        {TYPE_ANYELEMENT, "anyelement"},
        {TYPE_ANYARRAY, "anyarray"},
        {TYPE_ANYNONARRAY, "anynonarray"},
        {TYPE_COMPATIBLE, "anycompatible"},
        {TYPE_COMPATIBLE_ARRAY, "anycompatiblearray"},
    };
    for (size_t i = 0; i < sizeof(pseudo) / sizeof(*pseudo); i++)
        if (pseudo[i].id == t)
            return pseudo[i].name;
    return type_id_name(t);
}

bool sql_signature(uint32_t i, struct sql_signature *out)
{
    if (i >= sql_function_count + sql_operator_count)
        return false;
    bool is_operator = i >= sql_function_count;
    const struct function *f = is_operator ? &sql_operators[i - sql_function_count] : &sql_functions[i];
    *out = (struct sql_signature){.name = f->name,
                                  .result = type_text(f->result),
                                  .count = f->count,
                                  .is_operator = is_operator,
                                  .variadic = f->variadic};
    for (uint32_t a = 0; a < f->count; a++)
        out->args[a] = type_text(f->args[a]);
    return true;
}
