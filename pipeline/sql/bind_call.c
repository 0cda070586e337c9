/*
 * Calls: the row of the table for these arguments, their conversions, or an error as psql shows it.
 */
#include <stdio.h>
#include <strings.h>

#include "pipeline/sql/bind.h"

static void print_types(struct expr **args, uint32_t count, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < count && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "", type_id_name(args[i]->type.id));
}

static bool has_row(const struct function *table, uint32_t rows, struct str name)
{
    for (uint32_t i = 0; i < rows; i++)
        if (str_eq_nocase(name, str_of(table[i].name)))
            return true;
    return false;
}

/* What Postgres has and a stream must not have. */
static bool refuse_known(struct binder *b, struct str name, const struct node *n)
{
    static const char *const aggregates[] = {
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "array_agg",
        "string_agg",
        "json_agg",
        "jsonb_agg",
        "bool_and",
        "bool_or",
        "every",
        "stddev",
        "variance",
        "var_pop",
        "var_samp",
        "stddev_pop",
        "stddev_samp",
        "row_number",
        "rank",
        "lag",
        "lead",
        "corr",
        "first_value",
        "last_value",
        "dense_rank",
        "ntile",
        "percentile_cont",
        "percentile_disc",
        "mode",
    };
    static const char *const volatile_functions[] = {
        "random", "clock_timestamp", "statement_timestamp", "timeofday", "gen_random_uuid", "nextval",
        "setval", "currval",         "uuid_generate_v4",    "pg_sleep",
    };
    for (size_t i = 0; i < sizeof(aggregates) / sizeof(*aggregates); i++)
        if (str_eq_nocase(name, str_of(aggregates[i]))) {
            sql_fail(b->err, "0A000", n->at, n->at_length, "aggregate and window functions are not supported: %s",
                     aggregates[i]);
            sql_hint(b->err, "A query over a stream keeps no state: do it in the database the events go to.");
            return true;
        }
    for (size_t i = 0; i < sizeof(volatile_functions) / sizeof(*volatile_functions); i++)
        if (str_eq_nocase(name, str_of(volatile_functions[i]))) {
            sql_fail(b->err, "0A000", n->at, n->at_length, "%s() is not supported", volatile_functions[i]);
            sql_hint(b->err, "A replay would give another result. now() is meta.timestamp, the same on every replay.");
            return true;
        }
    return false;
}

static void hint_nearest(struct binder *b, const struct function *table, uint32_t rows, struct str name)
{
    const char *names[512];
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows && count < 512; i++)
        names[count++] = table[i].name;
    char wanted[64];
    snprintf(wanted, sizeof(wanted), STR_FMT, STR_ARG(name));
    for (char *c = wanted; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    const char *nearest = str_nearest(wanted, names, count);
    if (nearest)
        sql_hint(b->err, "Perhaps you meant %s().", nearest);
    else
        sql_hint(b->err, "`pipe list functions` shows them all.");
}

static struct expr *no_function(struct binder *b, struct str name, struct expr **args, uint32_t count,
                                const struct node *n, bool ambiguous)
{
    char types[256];
    print_types(args, count, types, sizeof(types));
    if (!has_row(sql_functions, sql_function_count, name) && refuse_known(b, name, n))
        return NULL;
    char shown[64];
    snprintf(shown, sizeof(shown), STR_FMT, STR_ARG(name));
    sql_fail(b->err, ambiguous ? "42725" : "42883", n->at, n->at_length, "function %s(%s) %s", shown, types,
             ambiguous ? "is not unique" : "does not exist");
    if (has_row(sql_functions, sql_function_count, name))
        sql_hint(b->err, "No function of that name takes these arguments. You might need to add explicit type casts.");
    else
        hint_nearest(b, sql_functions, sql_function_count, name);
    return NULL;
}

static struct expr *no_operator(struct binder *b, struct str name, struct expr **args, uint32_t count,
                                const struct node *n, bool ambiguous)
{
    const char *right = type_id_name(args[count - 1]->type.id);
    const char *what = ambiguous ? "operator is not unique" : "operator does not exist";
    const char *state = ambiguous ? "42725" : "42883";
    if (count == 1)
        sql_fail(b->err, state, n->at, n->at_length, "%s: " STR_FMT " %s", what, STR_ARG(name), right);
    else
        sql_fail(b->err, state, n->at, n->at_length, "%s: %s " STR_FMT " %s", what, type_id_name(args[0]->type.id),
                 STR_ARG(name), right);
    sql_hint(b->err, "You might need to add explicit type casts, as in temp::numeric.");
    return NULL;
}

static bool convert_args(struct binder *b, const struct function *f, struct expr **args, uint32_t count,
                         enum type_id element, const struct node *const *nodes)
{
    for (uint32_t i = 0; i < count; i++) {
        enum type_id to = bind_concrete(f->args[i < f->count ? i : f->count - 1], element);
        bool as_written = f->as_written && to == TYPE_JSONB;
        args[i] = as_written ? bind_as_written(b, args[i], nodes[i]) : bind_convert(b, args[i], to, nodes[i]);
        if (!args[i])
            return false;
    }
    return true;
}

struct expr *bind_call(struct binder *b, const struct function *table, uint32_t rows, struct str name,
                       struct expr **args, uint32_t count, const struct node *n, const struct node *const *nodes)
{
    enum type_id *types = arena_array(b->plan, enum type_id, count + 1);
    bool *is_member = arena_array(b->plan, bool, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        types[i] = args[i]->type.id;
        is_member[i] = args[i]->is_member;
    }
    bool is_operator = table == sql_operators, ambiguous;
    const struct function *f = bind_resolve(table, rows, name, types, is_member, count, is_operator, &ambiguous);
    if (!f)
        return is_operator ? no_operator(b, name, args, count, n, ambiguous)
                           : no_function(b, name, args, count, n, ambiguous);
    enum type_id element;
    if (bind_polymorph(f, types, is_member, count, &element) == POLYMORPH_OPEN) {
        sql_fail(b->err, "42804", n->at, n->at_length, "the type of the elements is not known");
        sql_hint(b->err, "Cast the array, as in '{1,2}'::integer[].");
        return NULL;
    }
    if (!convert_args(b, f, args, count, element, nodes))
        return NULL;
    if (is_operator)
        memcpy(b->operands, args, (count < 2 ? count : 2) * sizeof(*args));
    struct expr *e = bind_new(b, f->kernel ? EXPR_KERNEL : EXPR_SCALAR, bind_concrete(f->result, element), n, count);
    b->set = f->set;
    e->kernel = f->kernel;
    e->scalar = f->scalar;
    e->variant = f->variant;
    e->null_call = f->null_call;
    if (count)
        memcpy(e->args, args, count * sizeof(*args));
    struct convert_context cx = {.arena = b->plan, .zone = b->program->zone, .now_us = INT64_MIN};
    struct error err;
    if (f->prepare && !f->prepare(b->plan, &cx, e, &err)) {
        sql_fail(b->err, err.sqlstate, n->offset, n->length, "%s", err.text);
        return NULL;
    }
    return bind_finish(b, e);
}

/* ---- operators -----------------------------------------------------------------------------------------------------
 */

static int comparison_of(const char *name)
{
    static const char *const names[] = {"<", "<=", "=", "<>", ">=", ">"};
    for (int i = 0; i < 6; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

static bool is_text_constant(const struct expr *e)
{
    return e->kind == EXPR_CONSTANT && e->type.id == TYPE_UNKNOWN && !value_is_null(e->constant);
}

/* json beside json, or beside a constant in quotes: what is compared depends on the value's JSON type. */
static struct expr *compare_json(struct binder *b, int comparison, struct expr *left, struct expr *right,
                                 const struct node *n)
{
    static const int mirrored[] = {COMPARE_GT, COMPARE_GE, COMPARE_EQ, COMPARE_NE, COMPARE_LE, COMPARE_LT};
    struct expr *e = bind_new(b, EXPR_KERNEL, TYPE_BOOLEAN, n, 2);
    bool swap = left->type.id != TYPE_JSON;
    b->operands[0] = left;
    b->operands[1] = right;
    e->kernel = kernel_compare_json;
    e->variant = swap ? mirrored[comparison] : comparison;
    e->args[0] = swap ? right : left;
    e->args[1] = swap ? left : right;
    struct convert_context cx = {.arena = b->plan, .zone = b->program->zone, .now_us = INT64_MIN};
    struct error err;
    if (!prepare_compare_json(b->plan, &cx, e, &err))
        return NULL;
    return bind_finish(b, e);
}

/* Beside an array or jsonb it is one too, else || joins texts. */
static struct expr *text_of_json(struct binder *b, struct expr *e, const struct expr *other, const struct node *n)
{
    bool is_text = e->type.id == TYPE_JSON && other->type.id != TYPE_JSONB && !type_is_array(other->type.id);
    return is_text ? bind_kernel1(b, kernel_to_text, 0, TYPE(TYPE_TEXT), e, n) : e;
}

struct expr *bind_operator(struct binder *b, const char *name, struct expr *left, struct expr *right,
                           const struct node *n, const struct node *left_node, const struct node *right_node)
{
    struct expr *args[2] = {left, right};
    const struct node *nodes[2] = {left_node, right_node};
    uint32_t count = 2;
    if (!left) {
        args[0] = right;
        nodes[0] = right_node;
        count = 1;
    } else {
        int comparison = comparison_of(name);
        bool json_left = left->type.id == TYPE_JSON, json_right = right->type.id == TYPE_JSON;
        bool by_value = (json_left && json_right) || (json_left && is_text_constant(right)) ||
                        (json_right && is_text_constant(left));
        if (comparison >= 0 && by_value)
            return compare_json(b, comparison, left, right, n);
        if (strcmp(name, "||") == 0) {
            args[0] = text_of_json(b, left, right, left_node);
            args[1] = text_of_json(b, right, left, right_node);
        }
    }
    return bind_call(b, sql_operators, sql_operator_count, str_of(name), args, count, n, nodes);
}
