/*
 * ARRAY[…], subscripts, and comparisons with ANY or ALL of an array's elements.
 */
#include "pipeline/event/array.h"
#include "pipeline/sql/bind.h"
#include "pipeline/sql/implementation.h"

static struct expr *scalar(struct binder *b, scalar_fn *fn, int variant, enum type_id type, struct expr **args,
                           uint32_t count, const struct node *n)
{
    struct expr *e = bind_new(b, EXPR_SCALAR, type, n, count);
    e->scalar = fn;
    e->variant = variant;
    if (count)
        memcpy(e->args, args, count * sizeof(*args));
    return bind_finish(b, e);
}

/* ---- ARRAY[…] ------------------------------------------------------------------------------------------------------ */

static bool bind_items(struct binder *b, const struct node *n, enum type_id element, struct expr **items)
{
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *item = n->args[i];
        items[i] = item->kind == NODE_ARRAY ? bind_array(b, item, element) : bind_node(b, item);
        if (!items[i])
            return false;
        if (element != TYPE_UNKNOWN && item->kind != NODE_ARRAY && !type_is_array(items[i]->type.id) &&
            !(items[i] = bind_cast(b, items[i], TYPE(element), false, item)))
            return false;
    }
    return true;
}

/* element: what a cast around it wants; TYPE_UNKNOWN: whatever the items have in common. */
struct expr *bind_array(struct binder *b, const struct node *n, enum type_id element)
{
    if (n->count == 0 && element == TYPE_UNKNOWN) {
        sql_fail(b->err, "42P18", n->at, n->at_length, "cannot determine type of empty array");
        sql_hint(b->err, "Cast it to the type you want, as in ARRAY[]::integer[].");
        return NULL;
    }
    struct expr **items = arena_array(b->plan, struct expr *, n->count + 1);
    enum type_id type = element;
    if (!bind_items(b, n, element, items))
        return NULL;
    if (n->count && !bind_common_type(b, items, (const struct node *const *)n->args, n->count, "ARRAY", &type))
        return NULL;
    bool nested = type_is_array(type);
    struct expr *e = bind_new(b, EXPR_SCALAR, nested ? type : type_array_of(type), n, n->count);
    e->scalar = fn_array_build;
    e->variant = nested;
    e->null_call = true;
    if (n->count)
        memcpy(e->args, items, n->count * sizeof(*items));
    else
        return bind_constant(b, e->type, value_of_array(array_new(b->plan, 0)), n);
    return bind_finish(b, e);
}

/* ---- subscripts ---------------------------------------------------------------------------------------------------- */

/* jsonb['member'][0]: what is at that path. */
static struct expr *subscript_json(struct binder *b, const struct node *n, struct expr *e)
{
    struct expr *args[1 + ARRAY_MAX_DIMENSIONS] = {e};
    const struct node *nodes[1 + ARRAY_MAX_DIMENSIONS] = {n->args[0]};
    uint32_t count = 1;
    if (n->is_slice) {
        sql_fail(b->err, "0A000", n->at, n->at_length, "jsonb subscript does not support slices");
        return NULL;
    }
    for (uint32_t i = 2; i < n->count; i += 2) {
        struct expr *key = bind_node(b, n->args[i]);
        if (!key || !(key = bind_cast(b, key, TYPE(TYPE_TEXT), false, n->args[i])))
            return NULL;
        nodes[count] = n->args[i];
        args[count++] = key;
    }
    return bind_call(b, sql_functions, sql_function_count, STR("jsonb_extract_path"), args, count, n, nodes);
}

static struct expr *subscript_value(struct binder *b, const struct node *n)
{
    struct expr *e = bind_node(b, n);
    if (!e)
        return NULL;
    enum type_id t = e->type.id;
    if (t == TYPE_UNKNOWN || t == TYPE_JSON || bind_casts_implicitly(t, TYPE_INTEGER))
        return bind_convert(b, e, TYPE_INTEGER, n);
    if (bind_category(t) == 'N')
        return bind_cast(b, e, TYPE(TYPE_INTEGER), false, n);
    sql_fail(b->err, "42804", n->offset, n->length, "array subscript must have type integer");
    return NULL;
}

struct expr *bind_subscript(struct binder *b, const struct node *n)
{
    struct expr *args[1 + 2 * ARRAY_MAX_DIMENSIONS];
    uint32_t count = 0;
    args[count] = bind_node(b, n->args[0]);
    if (!args[count])
        return NULL;
    enum type_id type = args[count++]->type.id;
    if (type == TYPE_JSON || type == TYPE_JSONB)
        return subscript_json(b, n, args[0]);
    if (!type_is_array(type)) {
        sql_fail(b->err, "42804", n->offset, n->length, "cannot subscript type %s because it does not support subscripting",
                 type_id_name(type));
        return NULL;
    }
    for (uint32_t i = 1; i < n->count; i++) {
        bool is_lower = i % 2 == 1;
        if (is_lower && !n->is_slice)
            continue;
        if (!(args[count++] = subscript_value(b, n->args[i])))
            return NULL;
    }
    if (n->is_slice)
        return scalar(b, fn_array_slice, n->omitted, type, args, count, n);
    return scalar(b, fn_array_element, 0, type_element(type), args, count, n);
}

/* ---- ANY and ALL --------------------------------------------------------------------------------------------------- */

/* What the array's elements are taken for. */
static enum type_id element_type(const struct expr *left, const struct expr *array)
{
    enum type_id t = left->type.id;
    if (type_is_array(array->type.id))
        return type_element(array->type.id);
    if (array->type.id == TYPE_JSON && bind_is_integer(t))
        return TYPE_NUMERIC;
    return t == TYPE_UNKNOWN ? TYPE_TEXT : t;
}

/* The comparison with each element in turn, when they are known: the first that settles the matter is the last. */
static struct expr *with_constants(struct binder *b, const struct node *n, struct expr *left, const struct array *items,
                                   enum type_id element)
{
    if (items->count == 0)
        return bind_constant(b, TYPE(TYPE_BOOLEAN), value_bool(n->is_all), n);
    const char *name = arena_str(b->plan, n->name).data;
    struct expr *e = bind_new(b, n->is_all ? EXPR_AND : EXPR_OR, TYPE_BOOLEAN, n, items->count);
    for (uint32_t i = 0; i < items->count; i++) {
        struct expr *item = bind_constant(b, TYPE(element), items->items[i], n->args[1]);
        e->args[i] = bind_operator(b, name, left, item, n, n->args[0], n->args[1]);
        if (!e->args[i])
            return NULL;
    }
    return items->count == 1 ? e->args[0] : bind_finish(b, e);
}

static struct expr *placeholder(struct binder *b, uint32_t column, struct type type, const struct node *n)
{
    struct expr *e = bind_new(b, EXPR_COLUMN, type.id, n, 0);
    e->type = type;
    e->column = column;
    return bind_finish(b, e);
}

/* The comparison of one element, as an expression of its own over two columns. */
static const struct any_call *make_test(struct binder *b, const struct node *n, const struct expr *left,
                                        struct type element)
{
    struct any_call *call = arena_new(b->plan, struct any_call);
    struct binder *inner = arena_new(b->plan, struct binder);
    *inner = (struct binder){
        .text = b->text, .in = b->in, .options = b->options, .plan = b->plan, .err = b->err, .program = &call->program};
    call->program = (struct program){.zone = b->program->zone, .component = b->program->component};
    call->all = n->is_all;
    struct expr *x = left->kind == EXPR_CONSTANT ? bind_constant(inner, left->type, left->constant, n->args[0])
                                                 : placeholder(inner, 0, left->type, n->args[0]);
    x->is_member = left->is_member;
    struct expr *y = placeholder(inner, 1, element, n->args[1]);
    call->test = bind_operator(inner, arena_str(b->plan, n->name).data, x, y, n, n->args[0], n->args[1]);
    return call->test ? call : NULL;
}

static bool is_boolean(struct binder *b, const struct expr *test, const struct node *n)
{
    return test->type.id == TYPE_BOOLEAN ||
           sql_fail(b->err, "42809", n->at, n->at_length, "op ANY/ALL (array) requires operator to yield boolean");
}

struct expr *bind_any(struct binder *b, const struct node *n)
{
    struct expr *left = bind_node(b, n->args[0]);
    struct expr *array = left ? bind_node(b, n->args[1]) : NULL;
    if (!array)
        return NULL;
    enum type_id element = element_type(left, array), from = array->type.id;
    if (!type_is_array(from) && from != TYPE_UNKNOWN && from != TYPE_JSON) {
        sql_fail(b->err, "42809", n->at, n->at_length, "op ANY/ALL (array) requires array on right side");
        return NULL;
    }
    if (!(array = bind_convert(b, array, type_array_of(element), n->args[1])))
        return NULL;
    const struct any_call *call = make_test(b, n, left, TYPE(element));
    if (!call || !is_boolean(b, call->test, n))
        return NULL;
    if (array->kind == EXPR_CONSTANT && array->constant.kind == VALUE_ARRAY)
        return with_constants(b, n, left, value_array(array->constant), element);
    struct expr *e = bind_new(b, EXPR_KERNEL, TYPE_BOOLEAN, n, 2);
    e->kernel = kernel_any;
    e->data = call;
    e->args[0] = left;
    e->args[1] = array;
    return bind_finish(b, e);
}
