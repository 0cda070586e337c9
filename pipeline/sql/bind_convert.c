/*
 * Conversions the binder puts in: implicit ones for signatures and other operands, casts, the common type of CASE and
 * its like.
 */
#include "pipeline/sql/bind.h"

static bool conversion_failed(struct binder *b, const struct error *cause, const struct node *n)
{
    return sql_fail(b->err, cause->sqlstate, n->offset, n->length, "%s", cause->text);
}

/* jsonb as Postgres stores it, and arrays of it. */
static struct expr *normal(struct binder *b, struct expr *e, bool is_try, const struct node *n)
{
    bool is_json = e->type.id == TYPE_JSONB || e->type.id == TYPE_JSONB_ARRAY;
    return is_json ? bind_kernel1(b, kernel_json_normal, is_try, e->type, e, n) : e;
}

static struct expr *convert_constant(struct binder *b, struct expr *e, struct type to, bool is_try,
                                     const struct node *n)
{
    if (value_is_null(e->constant))
        return bind_constant(b, to, value_null(), n);
    if (to.id == TYPE_TEXT) {
        struct expr *text = bind_constant(b, TYPE(TYPE_TEXT), e->constant, n);
        return to.precision < 0 ? text : bind_kernel1(b, kernel_cast, 0, to, text, n);
    }
    struct convert_context cx = {.arena = b->plan, .zone = b->program->zone, .now_us = INT64_MIN};
    struct value v;
    struct error err;
    if (value_parse(&cx, value_str(e->constant), to, &v, &err))
        return normal(b, bind_constant(b, to, v, n), is_try, n);
    if (is_try)
        return bind_constant(b, to, value_null(), n);
    conversion_failed(b, &err, n);
    return NULL;
}

static struct expr *relabel(struct binder *b, struct expr *e, struct type to, const struct node *n)
{
    if (e->kind == EXPR_CONSTANT)
        return bind_constant(b, to, e->constant, n);
    struct expr *r = bind_new(b, EXPR_RELABEL, to.id, n, 1);
    r->type = to;
    r->args[0] = e;
    return bind_finish(b, r);
}

/* A column of numeric may hold text nobody has parsed, one of text may hold JSON escapes: what computes with them wants
 * neither. */
static struct expr *load(struct binder *b, struct expr *e, const struct node *n)
{
    if (e->kind != EXPR_COLUMN)
        return e;
    if (e->type.id == TYPE_NUMERIC)
        return bind_kernel1(b, kernel_load_numeric, 0, e->type, e, n);
    if (e->type.id == TYPE_TEXT)
        return bind_kernel1(b, kernel_load_text, 0, e->type, e, n);
    return normal(b, e, false, n);
}

static struct expr *convert_open(struct binder *b, struct expr *e, struct type to, const struct node *n)
{
    if (e->type.id == TYPE_JSON)
        return normal(b, bind_kernel1(b, kernel_json_to, 0, to, e, n), false, n);
    if (e->kind == EXPR_CONSTANT)
        return convert_constant(b, e, to, false, n);
    if (to.id == TYPE_TEXT)
        return relabel(b, e, to, n);
    return normal(b, bind_kernel1(b, kernel_parse_text, 0, to, e, n), false, n);
}

struct expr *bind_as_written(struct binder *b, struct expr *e, const struct node *n)
{
    if (e->type.id == TYPE_JSONB)
        return e;
    if (e->type.id == TYPE_JSON)
        return bind_kernel1(b, kernel_json_to, 0, TYPE(TYPE_JSONB), e, n);
    return bind_convert(b, e, TYPE_JSONB, n);
}

struct expr *bind_convert(struct binder *b, struct expr *e, enum type_id to, const struct node *n)
{
    enum type_id from = e->type.id;
    if (from == to || to == TYPE_ANY)
        return load(b, e, n);
    if (from == TYPE_UNKNOWN || from == TYPE_JSON)
        return convert_open(b, e, TYPE(to), n);
    if (bind_is_integer(from) && bind_is_integer(to))
        return relabel(b, e, TYPE(to), n);
    if (bind_is_integer(from) && to == TYPE_NUMERIC)
        return bind_kernel1(b, kernel_int_to_numeric, 0, TYPE(to), e, n);
    if (bind_category(from) == 'N' && to == TYPE_DOUBLE)
        return bind_kernel1(b, kernel_to_double, 0, TYPE(to), e, n);
    return bind_kernel1(b, kernel_cast, (int)from, TYPE(to), load(b, e, n), n);
}

static bool has_modifier(struct type t)
{
    return t.precision >= 0 || t.scale >= 0;
}

struct expr *bind_cast(struct binder *b, struct expr *e, struct type to, bool is_try, const struct node *n)
{
    enum type_id from = e->type.id;
    if (to.id == TYPE_UNKNOWN || to.id == TYPE_JSON)
        to = TYPE(TYPE_JSONB);
    if (from == TYPE_UNKNOWN && e->kind == EXPR_CONSTANT)
        return convert_constant(b, e, to, is_try, n);
    if (!bind_casts_explicitly(from, to.id)) {
        sql_fail(b->err, "42846", n->at, n->at_length, "cannot cast type %s to %s", type_id_name(from),
                 type_id_name(to.id));
        return NULL;
    }
    if (from == to.id && !has_modifier(to))
        return load(b, e, n);
    bool plain = !is_try && !has_modifier(to);
    if (plain && from == TYPE_UNKNOWN)
        return convert_open(b, e, to, n);
    if (from == TYPE_UNKNOWN)
        e = convert_open(b, e, TYPE(TYPE_TEXT), n); /* varchar(3) cuts what is text */
    if (plain && bind_category(from) == 'N' && bind_casts_implicitly(from, to.id))
        return bind_convert(b, e, to.id, n);
    return normal(b, bind_kernel1(b, is_try ? kernel_try_cast : kernel_cast, (int)from, to, load(b, e, n), n), is_try, n);
}

/* ---- one type for several operands ---------------------------------------------------------------------------------
 */

static bool is_null_constant(const struct expr *e)
{
    return e->kind == EXPR_CONSTANT && value_is_null(e->constant);
}

/* Nothing but members and untyped constants: a json scalar stays one where nobody asks for more. */
static enum type_id common_of_open(struct expr **exprs, uint32_t count)
{
    bool all_json = true, any_json = false;
    for (uint32_t i = 0; i < count; i++) {
        bool json = exprs[i]->type.id == TYPE_JSON;
        any_json |= json;
        all_json &= json || is_null_constant(exprs[i]);
    }
    return any_json && all_json ? TYPE_JSON : TYPE_TEXT;
}

static bool common_of_known(struct binder *b, struct expr **exprs, const struct node *const *nodes, uint32_t count,
                            const char *what, enum type_id *out)
{
    enum type_id common = TYPE_UNKNOWN;
    bool has_member = false;
    for (uint32_t i = 0; i < count; i++) {
        enum type_id t = exprs[i]->type.id;
        if (t == TYPE_JSON || t == TYPE_UNKNOWN) {
            has_member |= t == TYPE_JSON || exprs[i]->is_member;
        } else if (common == TYPE_UNKNOWN) {
            common = t;
        } else if (bind_category(t) != bind_category(common)) {
            return sql_fail(b->err, "42804", nodes[i]->offset, nodes[i]->length, "%s types %s and %s cannot be matched",
                            what, type_id_name(common), type_id_name(t));
        } else if (!bind_is_preferred(common) && bind_casts_implicitly(common, t)) {
            common = t;
        }
    }
    *out = has_member && bind_is_integer(common) ? TYPE_NUMERIC : common;
    return true;
}

bool bind_common_type(struct binder *b, struct expr **exprs, const struct node *const *nodes, uint32_t count,
                      const char *what, enum type_id *out)
{
    if (!common_of_known(b, exprs, nodes, count, what, out))
        return false;
    if (*out == TYPE_UNKNOWN)
        *out = common_of_open(exprs, count);
    for (uint32_t i = 0; i < count; i++) {
        enum type_id t = exprs[i]->type.id;
        if (t != TYPE_JSON && t != TYPE_UNKNOWN && !bind_casts_implicitly(t, *out))
            return sql_fail(b->err, "42846", nodes[i]->offset, nodes[i]->length, "%s could not convert type %s to %s",
                            what, type_id_name(t), type_id_name(*out));
        if (*out == TYPE_JSON && is_null_constant(exprs[i]))
            exprs[i] = bind_constant(b, TYPE(TYPE_JSON), value_null(), nodes[i]);
        else
            exprs[i] = bind_convert(b, exprs[i], *out, nodes[i]);
        if (!exprs[i])
            return false;
    }
    return true;
}
