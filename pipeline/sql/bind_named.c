/*
 * Arguments by name, make_interval(days => 10), put in the order of the function's parameters; those left out of a
 * function whose parameters all have defaults are 0.
 */
#include <stdio.h>

#include "pipeline/sql/bind.h"

enum { NO_PARAMETER = -1 };

/* The parameter's place in "years months weeks", or NO_PARAMETER. */
static int parameter_place(const char *parameters, struct str name)
{
    int place = 0;
    for (const char *p = parameters; *p; place++) {
        size_t len = strcspn(p, " ");
        if (str_eq_nocase((struct str){p, len}, name))
            return place;
        p += len + (p[len] == ' ');
    }
    return NO_PARAMETER;
}

static bool takes(const struct function *f, const struct node *n)
{
    if (!f->parameters || !str_eq_nocase(n->name, str_of(f->name)) || n->count > f->count ||
        (n->count < f->count && !f->defaults))
        return false;
    for (uint32_t i = 0; i < n->count; i++)
        if (n->args[i]->label.data && parameter_place(f->parameters, n->args[i]->label) == NO_PARAMETER)
            return false;
    return true;
}

static const struct function *find(const struct node *n)
{
    for (uint32_t i = 0; i < sql_function_count; i++)
        if (takes(&sql_functions[i], n))
            return &sql_functions[i];
    return NULL;
}

static bool no_such(struct binder *b, const struct node *n)
{
    const char *parameters = NULL;
    for (uint32_t i = 0; i < sql_function_count; i++)
        if (sql_functions[i].parameters && str_eq_nocase(n->name, str_of(sql_functions[i].name)))
            parameters = sql_functions[i].parameters;
    sql_fail(b->err, "42883", n->at, n->at_length, "function " STR_FMT " does not take these arguments by name",
             STR_ARG(n->name));
    if (parameters)
        sql_hint(b->err, "Its parameters are: %s.", parameters);
    else
        sql_hint(b->err, "Give them by position.");
    return false;
}

static struct node *zero(struct binder *b, const struct node *n)
{
    struct node *z = arena_new(b->plan, struct node);
    *z = (struct node){.kind = NODE_CONSTANT,
                       .offset = n->offset,
                       .length = n->length,
                       .at = n->at,
                       .at_length = n->at_length,
                       .type = TYPE(TYPE_INTEGER),
                       .value = value_int(0)};
    return z;
}

bool bind_named_arguments(struct binder *b, const struct node *n, struct node ***args, uint32_t *count)
{
    bool named = false;
    *args = n->args;
    *count = n->count;
    for (uint32_t i = 0; i < n->count; i++) {
        if (named && !n->args[i]->label.data)
            return sql_fail(b->err, "42601", n->args[i]->offset, n->args[i]->length,
                            "positional argument cannot follow named argument");
        named |= n->args[i]->label.data != NULL;
    }
    const struct function *f = find(n);
    if (!f)
        return !named || no_such(b, n);
    struct node **ordered = arena_array(b->plan, struct node *, f->count);
    memset(ordered, 0, f->count * sizeof(*ordered));
    for (uint32_t i = 0; i < n->count; i++) {
        struct str label = n->args[i]->label;
        int place = label.data ? parameter_place(f->parameters, label) : (int)i;
        if (ordered[place])
            return sql_fail(b->err, "42601", n->args[i]->offset, n->args[i]->length,
                            "argument name \"" STR_FMT "\" used more than once", STR_ARG(label));
        ordered[place] = n->args[i];
    }
    for (uint32_t i = 0; i < f->count; i++)
        if (!ordered[i])
            ordered[i] = zero(b, n);
    *args = ordered;
    *count = f->count;
    return true;
}
