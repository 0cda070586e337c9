#include "pipeline/sql/stage.h"

#include "pipeline/base/hash.h"

/* ---- nodes ---------------------------------------------------------------------------------------------------------
 */

struct expr *bind_new(struct binder *b, enum expr_kind kind, enum type_id type, const struct node *n, uint32_t args)
{
    struct expr *e = arena_new(b->plan, struct expr);
    e->kind = kind;
    e->type = TYPE(type);
    e->slot = -1;
    e->count = args;
    e->args = args ? arena_array(b->plan, struct expr *, args) : NULL;
    if (n && n->offset + n->length <= b->text.len)
        e->text = (struct str){b->text.data + n->offset, n->length};
    return e;
}

static bool same_constant(struct value x, struct value y)
{
    if (x.kind != y.kind || x.flags != y.flags || x.scale != y.scale || x.len != y.len)
        return false;
    bool pointer = x.kind == VALUE_TEXT || x.kind == VALUE_NUMBER || x.kind == VALUE_BYTES || x.kind == VALUE_JSON ||
                   x.kind == VALUE_INTERVAL || x.kind == VALUE_UUID;
    if (pointer)
        return str_eq(value_str(x), value_str(y));
    return x.kind == VALUE_NULL || x.i == y.i;
}

static bool same_expr(const struct expr *x, const struct expr *y)
{
    if (x->kind != y->kind || x->variant != y->variant || x->kernel != y->kernel || x->scalar != y->scalar ||
        x->count != y->count || x->column != y->column || x->null_call != y->null_call || x->type.id != y->type.id ||
        x->type.precision != y->type.precision || x->type.scale != y->type.scale)
        return false;
    if (x->kernel == kernel_any && x->data != y->data)
        return false;
    if (x->kernel == kernel_member && !path_eq(x->data, y->data))
        return false;
    for (uint32_t i = 0; i < x->count; i++)
        if (x->args[i] != y->args[i])
            return false;
    return x->kind != EXPR_CONSTANT || same_constant(x->constant, y->constant);
}

static uint64_t hash_expr(const struct expr *e)
{
    uint64_t key[5] = {(uint64_t)e->kind << 32 | (uint32_t)e->variant,
                       (uint64_t)(uintptr_t)e->kernel ^ (uintptr_t)e->scalar, e->column, (uint64_t)e->type.id,
                       e->constant.kind};
    return hash64(key, sizeof(key), hash64(e->args, e->count * sizeof(*e->args), 0));
}

/* Whether the value is one a constant node can keep: everything that has no columns below it. */
static bool is_foldable(const struct expr *e)
{
    if (e->kind == EXPR_CONSTANT || e->kind == EXPR_COLUMN || e->count == 0)
        return false;
    for (uint32_t i = 0; i < e->count; i++)
        if (e->args[i]->kind != EXPR_CONSTANT)
            return false;
    return true;
}

/* A constant expression that fails stays: it fails where, and only if, it is reached. */
static void fold(struct binder *b, struct expr *e)
{
    static const uint32_t first_row[1] = {0};
    struct slice one = {.arena = b->plan, .rows = 1, .sel = first_row, .selected = 1, .record = first_row};
    struct program none = {.zone = b->program->zone};
    struct eval ev;
    struct error err;
    struct value v = value_null();
    eval_init(&ev, &none, &one, first_row, 1, NULL);
    ev.folding = &err;
    eval_into(&ev, e, first_row, 1, &v);
    if (ev.failed) {
        struct error *copy = arena_new(b->plan, struct error);
        *copy = err;
        e->failure = copy;
    } else {
        e->kind = EXPR_CONSTANT;
        e->constant = v;
        e->count = 0;
        e->kernel = NULL;
        e->scalar = NULL;
        e->variant = 0;
    }
    eval_release(&ev);
}

struct expr *bind_finish(struct binder *b, struct expr *e)
{
    if (is_foldable(e))
        fold(b, e);
    struct bound **bucket = &b->buckets[hash_expr(e) % BIND_BUCKETS];
    for (struct bound *o = *bucket; o; o = o->next) {
        if (!same_expr(o->e, e))
            continue;
        bool computes = o->e->kind != EXPR_CONSTANT && o->e->kind != EXPR_COLUMN && o->e->kind != EXPR_RELABEL;
        if (computes && o->e->slot < 0)
            o->e->slot = (int32_t)b->program->slots++;
        return o->e;
    }
    struct bound *o = arena_new(b->plan, struct bound);
    *o = (struct bound){e, *bucket};
    *bucket = o;
    return e;
}

struct expr *bind_constant(struct binder *b, struct type type, struct value v, const struct node *n)
{
    struct expr *e = bind_new(b, EXPR_CONSTANT, type.id, n, 0);
    e->type = type;
    e->constant = v;
    return bind_finish(b, e);
}

struct expr *bind_kernel1(struct binder *b, kernel_fn *kernel, int variant, struct type type, struct expr *arg,
                          const struct node *n)
{
    struct expr *e = bind_new(b, EXPR_KERNEL, type.id, n, 1);
    e->type = type;
    e->kernel = kernel;
    e->variant = variant;
    e->args[0] = arg;
    return bind_finish(b, e);
}

/* Only what every row comes to: the first part of a form that shrinks the selection, all arguments of a call. */
bool bind_can_succeed(struct binder *b, const struct expr *e)
{
    if (e->failure) {
        bool written = e->text.data >= b->text.data && e->text.data <= b->text.data + b->text.len;
        size_t offset = written ? (size_t)(e->text.data - b->text.data) : 0;
        return sql_fail(b->err, e->failure->sqlstate, offset, e->text.len, "%s", e->failure->text);
    }
    bool shrinks = e->kind == EXPR_AND || e->kind == EXPR_OR || e->kind == EXPR_CASE || e->kind == EXPR_COALESCE;
    uint32_t certain = shrinks && e->count ? 1 : e->count;
    for (uint32_t i = 0; i < certain; i++)
        if (!bind_can_succeed(b, e->args[i]))
            return false;
    return true;
}

/* ---- conditions and logic ------------------------------------------------------------------------------------------
 */

static struct expr *as_condition(struct binder *b, struct expr *e, const struct node *n, const char *where)
{
    enum type_id t = e->type.id;
    if (t != TYPE_BOOLEAN && t != TYPE_UNKNOWN && t != TYPE_JSON) {
        sql_fail(b->err, "42804", n->offset, n->length, "argument of %s must be type boolean, not type %s", where,
                 type_id_name(t));
        return NULL;
    }
    return bind_convert(b, e, TYPE_BOOLEAN, n);
}

struct expr *bind_condition(struct binder *b, const struct node *n, const char *where)
{
    struct expr *e = bind_node(b, n);
    return e ? as_condition(b, e, n, where) : NULL;
}

static bool has_failure(const struct expr *e)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (has_failure(e->args[i]))
            return true;
    return e->failure != NULL;
}

/* Like Postgres's planner: a constant that decides stands for all of it, unless a constant before it fails. */
static struct expr *deciding_constant(const struct expr *e)
{
    for (uint32_t i = 0; i < e->count && !has_failure(e->args[i]); i++) {
        struct expr *arg = e->args[i];
        if (arg->kind == EXPR_CONSTANT && !value_is_null(arg->constant) &&
            (arg->constant.i != 0) == (e->kind == EXPR_OR))
            return arg;
    }
    return NULL;
}

static struct expr *bind_logic(struct binder *b, const struct node *n, enum expr_kind kind)
{
    struct expr *e = bind_new(b, kind, TYPE_BOOLEAN, n, n->count);
    for (uint32_t i = 0; i < n->count; i++)
        if (!(e->args[i] = bind_condition(b, n->args[i], kind == EXPR_AND ? "AND" : "OR")))
            return NULL;
    struct expr *decided = deciding_constant(e);
    return decided ? decided : bind_finish(b, e);
}

static struct expr *negate(struct binder *b, struct expr *e, bool negated, const struct node *n)
{
    return e && negated ? bind_kernel1(b, kernel_not, 0, TYPE(TYPE_BOOLEAN), e, n) : e;
}

static struct expr *bind_is(struct binder *b, const struct node *n)
{
    static const char *const names[] = {"IS NULL", "IS TRUE", "IS FALSE", "IS UNKNOWN"};
    struct expr *arg = n->test == IS_NULL ? bind_node(b, n->args[0]) : bind_condition(b, n->args[0], names[n->test]);
    if (!arg)
        return NULL;
    return bind_kernel1(b, kernel_is, n->test | (n->negated ? 8 : 0), TYPE(TYPE_BOOLEAN), arg, n);
}

/* x op y for two nodes that have been bound already. */
static struct expr *compare(struct binder *b, const char *op, struct expr *x, struct expr *y, const struct node *n,
                            const struct node *x_node, const struct node *y_node)
{
    return bind_operator(b, op, x, y, n, x_node, y_node);
}

/* IS DISTINCT FROM and NULLIF: the equality, and the operands as it sees them. */
static bool bind_equality(struct binder *b, const struct node *n, struct expr **x, struct expr **y, struct expr **equal)
{
    *x = bind_node(b, n->args[0]);
    *y = *x ? bind_node(b, n->args[1]) : NULL;
    *equal = *y ? compare(b, "=", *x, *y, n, n->args[0], n->args[1]) : NULL;
    return *equal != NULL;
}

static struct expr *bind_distinct(struct binder *b, const struct node *n)
{
    struct expr *x, *y, *equal;
    if (!bind_equality(b, n, &x, &y, &equal))
        return NULL;
    struct expr *e = bind_new(b, EXPR_KERNEL, TYPE_BOOLEAN, n, 3);
    e->kernel = kernel_distinct;
    e->variant = n->negated;
    e->args[0] = x;
    e->args[1] = y;
    e->args[2] = equal;
    return bind_finish(b, e);
}

/* The value is the first operand as the equality has it: NULLIF(1, 2.2) is numeric. Dates compare with timestamps as
 * they are. */
static struct expr *bind_nullif(struct binder *b, const struct node *n)
{
    struct expr *x, *y, *equal;
    if (!bind_equality(b, n, &x, &y, &equal))
        return NULL;
    struct expr *value = bind_category(x->type.id) == 'D' ? x : b->operands[0];
    if (value->type.id == TYPE_UNKNOWN && !(value = bind_convert(b, x, TYPE_TEXT, n)))
        return NULL;
    struct expr *e = bind_new(b, EXPR_KERNEL, value->type.id, n, 2);
    e->kernel = kernel_nullif;
    e->args[0] = value;
    e->args[1] = equal;
    return bind_finish(b, e);
}

static struct expr *pair(struct binder *b, enum expr_kind kind, struct expr *x, struct expr *y, const struct node *n)
{
    if (!x || !y)
        return NULL;
    struct expr *e = bind_new(b, kind, TYPE_BOOLEAN, n, 2);
    e->args[0] = x;
    e->args[1] = y;
    return bind_finish(b, e);
}

static struct expr *within(struct binder *b, const struct node *n, struct expr *x, struct expr *low, struct expr *high,
                           const struct node *low_node, const struct node *high_node)
{
    struct expr *above = compare(b, ">=", x, low, n, n->args[0], low_node);
    struct expr *below = above ? compare(b, "<=", x, high, n, n->args[0], high_node) : NULL;
    return pair(b, EXPR_AND, above, below, n);
}

static struct expr *bind_between(struct binder *b, const struct node *n)
{
    struct expr *x = bind_node(b, n->args[0]);
    struct expr *low = x ? bind_node(b, n->args[1]) : NULL;
    struct expr *high = low ? bind_node(b, n->args[2]) : NULL;
    if (!high)
        return NULL;
    struct expr *e = within(b, n, x, low, high, n->args[1], n->args[2]);
    if (e && n->symmetric)
        e = pair(b, EXPR_OR, e, within(b, n, x, high, low, n->args[2], n->args[1]), n);
    return negate(b, e, n->negated, n);
}

static struct expr *bind_in(struct binder *b, const struct node *n)
{
    struct expr *x = bind_node(b, n->args[0]);
    if (!x)
        return NULL;
    struct expr *any = bind_new(b, EXPR_OR, TYPE_BOOLEAN, n, n->count - 1);
    for (uint32_t i = 1; i < n->count; i++) {
        struct expr *item = bind_node(b, n->args[i]);
        struct expr *equal = item ? compare(b, "=", x, item, n, n->args[0], n->args[i]) : NULL;
        if (!equal)
            return NULL;
        any->args[i - 1] = equal;
    }
    struct expr *e = any->count == 1 ? any->args[0] : bind_finish(b, any);
    return negate(b, e, n->negated, n);
}

/* ---- CASE and its like ---------------------------------------------------------------------------------------------
 */

static bool bind_arms(struct binder *b, const struct node *n, struct expr *e)
{
    uint32_t first = n->has_operand ? 1 : 0, arms = (n->count - first) / 2;
    struct expr *operand = NULL;
    if (n->has_operand && !(operand = bind_node(b, n->args[0])))
        return false;
    if (operand && operand->type.id == TYPE_UNKNOWN && !operand->is_member)
        operand = bind_convert(b, operand, TYPE_TEXT, n->args[0]);
    for (uint32_t i = 0; i < arms; i++) {
        const struct node *when = n->args[first + 2 * i];
        struct expr *condition;
        if (operand) {
            struct expr *value = bind_node(b, when);
            condition = value ? compare(b, "=", operand, value, when, n->args[0], when) : NULL;
        } else {
            condition = bind_condition(b, when, "CASE/WHEN");
        }
        if (!condition)
            return false;
        e->args[2 * i] = condition;
    }
    return true;
}

static struct expr *bind_case(struct binder *b, const struct node *n)
{
    uint32_t first = n->has_operand ? 1 : 0, arms = (n->count - first) / 2, results = arms + n->has_else;
    struct expr *e = bind_new(b, EXPR_CASE, TYPE_TEXT, n, 2 * arms + n->has_else);
    if (!bind_arms(b, n, e))
        return NULL;
    struct expr **values = arena_array(b->plan, struct expr *, results);
    const struct node **nodes = arena_array(b->plan, const struct node *, results);
    for (uint32_t i = 0; i < results; i++) {
        nodes[i] = i < arms ? n->args[first + 2 * i + 1] : n->args[n->count - 1];
        if (!(values[i] = bind_node(b, nodes[i])))
            return NULL;
    }
    enum type_id type;
    if (!bind_common_type(b, values, nodes, results, "CASE", &type))
        return NULL;
    for (uint32_t i = 0; i < results; i++)
        e->args[i < arms ? 2 * i + 1 : 2 * arms] = values[i];
    e->type = TYPE(type);
    return bind_finish(b, e);
}

static struct expr *bind_list(struct binder *b, const struct node *n, const char *what, enum expr_kind kind,
                              kernel_fn *kernel, int variant)
{
    struct expr *e = bind_new(b, kind, TYPE_TEXT, n, n->count);
    e->kernel = kernel;
    e->variant = variant;
    for (uint32_t i = 0; i < n->count; i++)
        if (!(e->args[i] = bind_node(b, n->args[i])))
            return NULL;
    enum type_id type;
    if (!bind_common_type(b, e->args, (const struct node *const *)n->args, n->count, what, &type))
        return NULL;
    if (kind == EXPR_KERNEL && type == TYPE_JSON) {
        sql_fail(b->err, "42883", n->at, n->at_length, "%s needs operands of a known type", what);
        sql_hint(b->err, "Cast them, as in greatest(a::numeric, b::numeric).");
        return NULL;
    }
    e->type = TYPE(type);
    return bind_finish(b, e);
}

/* ---- calls ---------------------------------------------------------------------------------------------------------
 */

static struct expr *bind_now(struct binder *b, const struct node *n)
{
    int column = schema_meta(b->in, META_TIMESTAMP);
    if (column < 0) {
        sql_fail(b->err, "0A000", n->at, n->at_length, "these records carry no time for now()");
        return NULL;
    }
    struct expr *e = bind_new(b, EXPR_COLUMN, TYPE_TIMESTAMPTZ, n, 0);
    e->column = (uint32_t)column;
    return bind_finish(b, e);
}

/* now() and its like; n->type may have a precision: current_timestamp(3). False: none of them. */
static bool bind_clock(struct binder *b, const struct node *n, struct expr **out)
{
    static const struct {
        const char *name;
        enum type_id type;
    } clocks[] = {
        {"now", TYPE_TIMESTAMPTZ},
        {"current_timestamp", TYPE_TIMESTAMPTZ},
        {"transaction_timestamp", TYPE_TIMESTAMPTZ},
        {"current_date", TYPE_DATE},
        {"localtimestamp", TYPE_TIMESTAMP},
    };
    for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
        if (!str_eq_nocase(n->name, str_of(clocks[i].name)))
            continue;
        struct expr *now = bind_now(b, n);
        struct type type = TYPE(clocks[i].type);
        type.precision = n->type.precision;
        *out = now ? bind_cast(b, now, type, false, n) : NULL;
        return true;
    }
    return false;
}

/* age(x) is age(current_date, x), at midnight. */
static struct expr *bind_age(struct binder *b, const struct node *n)
{
    struct expr *x = bind_node(b, n->args[0]);
    struct expr *now = x ? bind_now(b, n) : NULL;
    if (!now)
        return NULL;
    bool local = x->type.id == TYPE_TIMESTAMP;
    struct expr *today = bind_cast(b, now, TYPE(TYPE_DATE), false, n);
    struct expr *args[2] = {bind_cast(b, today, TYPE(local ? TYPE_TIMESTAMP : TYPE_TIMESTAMPTZ), false, n), x};
    const struct node *nodes[2] = {n, n->args[0]};
    return bind_call(b, sql_functions, sql_function_count, n->name, args, 2, n, nodes);
}

static struct expr *bind_row_maker(struct binder *b, const struct node *n);

static struct expr *bind_function(struct binder *b, const struct node *n)
{
    bool wants_rows = b->wants_rows;
    b->wants_rows = false;
    if (set_is_call(n) && !wants_rows)
        return bind_row_maker(b, n);
    if (n->count == 0) {
        struct expr *clock;
        if (bind_clock(b, n, &clock))
            return clock;
    }
    if (str_eq_nocase(n->name, STR("age")) && n->count == 1)
        return bind_age(b, n);
    struct node **nodes;
    uint32_t count;
    if (!bind_named_arguments(b, n, &nodes, &count))
        return NULL;
    struct expr **args = arena_array(b->plan, struct expr *, count + 1);
    for (uint32_t i = 0; i < count; i++)
        if (!(args[i] = bind_node(b, nodes[i])))
            return NULL;
    return bind_call(b, sql_functions, sql_function_count, n->name, args, count, n, (const struct node *const *)nodes);
}

struct expr *bind_set(struct binder *b, const struct node *n, const struct set_shape **shape)
{
    b->wants_rows = true;
    struct expr *e = bind_function(b, n);
    *shape = b->set;
    return e;
}

/* One of the SELECT list: the column its stage has for it. */
static struct expr *bind_row_maker(struct binder *b, const struct node *n)
{
    const struct stage *s = b->scope ? b->scope->last : NULL;
    for (uint32_t i = 0; s && s->calls && i < s->own_count; i++)
        if (s->calls[i] == n)
            return bind_plain_column(b, s->first_own + i, n);
    sql_fail(b->err, "0A000", n->at, n->at_length, "set-returning functions are not allowed here");
    sql_hint(b->err, "Put it into FROM: FROM input, " STR_FMT "(…) AS t (x).", STR_ARG(n->name));
    return NULL;
}

static struct expr *bind_operator_node(struct binder *b, const struct node *n)
{
    struct expr *left = n->count == 2 ? bind_node(b, n->args[0]) : NULL;
    if (n->count == 2 && !left)
        return NULL;
    struct expr *right = bind_node(b, n->args[n->count - 1]);
    if (!right)
        return NULL;
    const char *name = arena_str(b->plan, n->name).data;
    return bind_operator(b, name, left, right, n, n->args[0], n->args[n->count - 1]);
}

static struct expr *bind_like(struct binder *b, const struct node *n)
{
    struct expr *args[3];
    for (uint32_t i = 0; i < n->count; i++)
        if (!(args[i] = bind_node(b, n->args[i])))
            return NULL;
    struct expr *e = bind_call(b, sql_operators, sql_operator_count, n->name, args, n->count, n,
                               (const struct node *const *)n->args);
    return negate(b, e, n->negated, n);
}

struct expr *bind_node(struct binder *b, const struct node *n)
{
    switch (n->kind) {
    case NODE_CONSTANT:
        return bind_constant(b, n->type, n->value, n);
    case NODE_COLUMN:
        return bind_column(b, n);
    case NODE_CALL:
        return bind_function(b, n);
    case NODE_OPERATOR:
        return bind_operator_node(b, n);
    case NODE_AND:
        return bind_logic(b, n, EXPR_AND);
    case NODE_OR:
        return bind_logic(b, n, EXPR_OR);
    case NODE_NOT:
        return negate(b, bind_condition(b, n->args[0], "NOT"), true, n);
    case NODE_IS:
        return bind_is(b, n);
    case NODE_DISTINCT:
        return bind_distinct(b, n);
    case NODE_IN:
        return bind_in(b, n);
    case NODE_BETWEEN:
        return bind_between(b, n);
    case NODE_LIKE:
        return bind_like(b, n);
    case NODE_CASE:
        return bind_case(b, n);
    case NODE_COALESCE:
        return bind_list(b, n, "COALESCE", EXPR_COALESCE, NULL, 0);
    case NODE_NULLIF:
        return bind_nullif(b, n);
    case NODE_GREATEST:
        return bind_list(b, n, "GREATEST", EXPR_KERNEL, kernel_greatest, 1);
    case NODE_LEAST:
        return bind_list(b, n, "LEAST", EXPR_KERNEL, kernel_greatest, -1);
    case NODE_CAST: {
        bool elements = type_is_array(n->type.id) && n->args[0]->kind == NODE_ARRAY && !n->is_try;
        struct expr *e = elements ? bind_array(b, n->args[0], type_element(n->type.id)) : bind_node(b, n->args[0]);
        return e ? bind_cast(b, e, n->type, n->is_try, n) : NULL;
    }
    case NODE_ARRAY:
        return bind_array(b, n, TYPE_UNKNOWN);
    case NODE_SUBSCRIPT:
        return bind_subscript(b, n);
    case NODE_ANY:
        return bind_any(b, n);
    }
    return NULL;
}
