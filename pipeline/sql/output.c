/*
 * SELECT as a whole: the list against the schema, the schema of the output, and the run over a slice.
 *
 * A target is one column of the output: an expression, or a column of the input passed on by pointer. Consumers further
 * down may ask for more after the query was compiled (members behind `SELECT *`, meta): such targets are added behind,
 * as long as the plan is being bound.
 */
#include "pipeline/sql/stage.h"

struct target {
    struct expr *e; /* NULL: passed on */
    uint32_t column;
};

struct sql_query {
    struct schema *in, *out;
    struct binder binder; /* kept for members asked for later */
    struct program program;
    struct scope scope;       /* FROM's stages, then one for functions of the SELECT list that make rows */
    const struct stage *rows; /* that one; NULL: there is none */
    struct program filter;    /* WHERE's, where it is evaluated before that one */
    struct expr *where;       /* NULL: all rows */
    struct target *targets; /* one per column of out */
    uint32_t capacity;
};

/* ---- the output's schema -------------------------------------------------------------------------------------------
 */

static uint32_t add_target(struct sql_query *q, struct column c, struct target t)
{
    uint32_t index = schema_add(q->out, c);
    if (index >= q->capacity) {
        uint32_t capacity = q->capacity ? q->capacity * 2 : 16;
        struct target *grown = arena_array(q->binder.plan, struct target, capacity);
        if (q->capacity)
            memcpy(grown, q->targets, q->capacity * sizeof(*grown));
        q->targets = grown;
        q->capacity = capacity;
    }
    q->targets[index] = t;
    return index;
}

static int pass_on(struct sql_query *q, const struct path *path, uint32_t column)
{
    struct column c = {
        .name = path->parts[path->count - 1], .type = q->in->columns[column].type, .origin = COLUMN_DERIVED};
    c.path = *path;
    return (int)add_target(q, c, (struct target){.column = column});
}

/* A member inside a visible column: of the input's member it is, or of the value computed here. */
static int request_inside(struct sql_query *q, uint32_t visible, const struct path *path)
{
    struct target t = q->targets[visible];
    struct path rest = {path->parts + 1, path->count - 1};
    enum type_id type = q->out->columns[visible].type.id;
    if (type != TYPE_JSON && type != TYPE_JSONB)
        return -1;
    if (!t.e) {
        const struct column *c = &q->in->columns[t.column];
        struct str name = c->name;
        struct path from = c->visible ? (struct path){&name, 1} : c->path;
        struct path whole = {arena_array(q->binder.plan, struct str, from.count + rest.count), from.count + rest.count};
        if (from.count)
            memcpy(whole.parts, from.parts, from.count * sizeof(struct str));
        memcpy(whole.parts + from.count, rest.parts, rest.count * sizeof(struct str));
        int column = from.count ? schema_find(q->in, &whole) : -1;
        if (column >= 0)
            return pass_on(q, path, (uint32_t)column);
    }
    struct expr *value = t.e;
    if (!value) {
        value = bind_new(&q->binder, EXPR_COLUMN, type, NULL, 0);
        value->column = t.column;
    }
    struct column c = {
        .name = path->parts[path->count - 1], .type = TYPE(TYPE_JSON), .origin = COLUMN_DERIVED, .path = *path};
    return (int)add_target(q, c, (struct target){.e = bind_member(&q->binder, value, &rest)});
}

static int request_member(struct schema *out, const struct path *path)
{
    struct sql_query *q = out->owner;
    int visible = schema_visible(out, path->parts[0]);
    if (visible >= 0)
        return path->count == 1 ? visible : request_inside(q, (uint32_t)visible, path);
    if (!out->open)
        return -1;
    int column = schema_find(q->in, path);
    return column < 0 ? -1 : pass_on(q, path, (uint32_t)column);
}

static int request_meta(struct schema *out, enum meta_field field)
{
    struct sql_query *q = out->owner;
    int column = schema_meta(q->in, field);
    if (column < 0)
        return -1;
    struct column c = {
        .name = str_of(meta_field_name(field)), .type = meta_field_type(field), .origin = COLUMN_META, .meta = field};
    return (int)add_target(q, c, (struct target){.column = (uint32_t)column});
}

static void request_raw(struct schema *out)
{
    struct sql_query *q = out->owner;
    schema_want_raw(q->in);
}

/* ---- the SELECT list -----------------------------------------------------------------------------------------------
 */

/* How Postgres names a column that has no alias (FigureColname in parse_target.c). *strong: from a name, not from a
 * type or form. */
static struct str name_of(const struct node *n, bool *strong)
{
    static const char *const type_names[TYPE_COUNT] = {
        [TYPE_UNKNOWN] = "text",        [TYPE_JSON] = "jsonb",
        [TYPE_BOOLEAN] = "bool",        [TYPE_SMALLINT] = "int2",
        [TYPE_INTEGER] = "int4",        [TYPE_BIGINT] = "int8",
        [TYPE_NUMERIC] = "numeric",     [TYPE_REAL] = "float4",
        [TYPE_DOUBLE] = "float8",       [TYPE_TEXT] = "text",
        [TYPE_BYTEA] = "bytea",         [TYPE_DATE] = "date",
        [TYPE_TIMESTAMP] = "timestamp", [TYPE_TIMESTAMPTZ] = "timestamptz",
        [TYPE_INTERVAL] = "interval",   [TYPE_UUID] = "uuid",
        [TYPE_JSONB] = "jsonb",
    };
    struct str name;
    *strong = true;
    switch (n->kind) {
    case NODE_COLUMN:
        return n->path.parts[n->path.count - 1];
    case NODE_CALL:
        return n->name;
    case NODE_COALESCE:
        return STR("coalesce");
    case NODE_NULLIF:
        return STR("nullif");
    case NODE_GREATEST:
        return STR("greatest");
    case NODE_LEAST:
        return STR("least");
    case NODE_CAST:
        name = name_of(n->args[0], strong);
        if (*strong)
            return name;
        return str_of(type_names[type_is_array(n->type.id) ? type_element(n->type.id) : n->type.id]);
    case NODE_SUBSCRIPT:
        return name_of(n->args[0], strong);
    case NODE_ARRAY:
        return STR("array");
    case NODE_CASE:
        if (n->has_else) {
            name = name_of(n->args[n->count - 1], strong);
            if (*strong)
                return name;
        }
        *strong = false;
        return STR("case");
    case NODE_CONSTANT:
        *strong = false;
        return n->type.id == TYPE_BOOLEAN ? STR("bool") : STR("?column?");
    case NODE_OPERATOR:
    case NODE_AND:
    case NODE_OR:
    case NODE_NOT:
    case NODE_IS:
    case NODE_DISTINCT:
    case NODE_IN:
    case NODE_BETWEEN:
    case NODE_LIKE:
    case NODE_ANY:
        break;
    }
    *strong = false;
    return STR("?column?");
}

/* Names of functions ignore case, those of members do not. */
static struct str output_name(struct binder *b, const struct select_item *item)
{
    bool strong;
    if (item->alias.data)
        return item->alias;
    struct str name = arena_str(b->plan, name_of(item->expression, &strong));
    if (item->expression->kind == NODE_CALL)
        for (char *c = (char *)(uintptr_t)name.data; *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    return name;
}

static bool add_item(struct sql_query *q, const struct select_item *item, uint32_t *starred)
{
    struct binder *b = &q->binder;
    struct expr *e = bind_node(b, item->expression);
    if (!e)
        return false;
    if (e->type.id == TYPE_UNKNOWN && !e->is_member && !(e = bind_convert(b, e, TYPE_TEXT, item->expression)))
        return false;
    struct column c = {.name = output_name(b, item), .type = e->type, .visible = true, .origin = COLUMN_DERIVED};
    struct target t = {.e = e};
    if (e->kind == EXPR_COLUMN)
        t = (struct target){.column = e->column};
    int same = schema_visible(q->out, c.name);
    if (same < 0) {
        add_target(q, c, t);
        return true;
    }
    /* A name of `*` is replaced in place, once. */
    if (*starred <= (uint32_t)same) {
        sql_fail(b->err, "42701", item->offset, item->length, "column \"" STR_FMT "\" specified more than once",
                 STR_ARG(c.name));
        return sql_hint(b->err, "Give one of them another name with AS.");
    }
    c.name = q->out->columns[same].name;
    q->out->columns[same] = c;
    q->targets[same] = t;
    return true;
}

static bool is_excluded(const struct select_item *star, struct str name)
{
    for (uint32_t i = 0; i < star->exclude_count; i++)
        if (str_eq(star->exclude[i], name))
            return true;
    return false;
}

static bool check_excluded(struct sql_query *q, const struct select_item *star)
{
    for (uint32_t i = 0; i < star->exclude_count && !q->in->open; i++)
        if (schema_visible(q->in, star->exclude[i]) < 0)
            return sql_fail(q->binder.err, "42703", star->exclude_at[i], star->exclude[i].len,
                            "column \"" STR_FMT "\" does not exist", STR_ARG(star->exclude[i]));
    return true;
}

static void hide(struct sql_query *q, const struct select_item *star)
{
    uint32_t before = q->in->hidden_count;
    struct str *hidden = arena_array(q->binder.plan, struct str, before + star->exclude_count + 1);
    if (before)
        memcpy(hidden, q->in->hidden, before * sizeof(*hidden));
    if (star->exclude_count)
        memcpy(hidden + before, star->exclude, star->exclude_count * sizeof(*hidden));
    q->out->hidden = hidden;
    q->out->hidden_count = before + star->exclude_count;
    q->out->open = true;
}

/* d.*: all columns of what FROM calls d, the key's too. */
static bool add_star_of(struct sql_query *q, const struct select_item *star)
{
    const struct stage *s = q->scope.first;
    while (s && !(s->alias.data && str_eq(s->alias, star->star_of)))
        s = s->next;
    if (!s)
        return sql_fail(q->binder.err, "42P01", star->offset, star->star_of.len, "\"" STR_FMT "\" is not in FROM",
                        STR_ARG(star->star_of));
    for (uint32_t i = 0; i < s->own_count; i++) {
        struct column c = s->out->columns[s->first_own + i];
        if (is_excluded(star, c.name))
            continue;
        if (schema_visible(q->out, c.name) >= 0) {
            sql_fail(q->binder.err, "42701", star->offset, star->length, "column \"" STR_FMT "\" specified more than once",
                     STR_ARG(c.name));
            return sql_hint(q->binder.err, "Leave it out: " STR_FMT ".* EXCLUDE (" STR_FMT ").", STR_ARG(star->star_of),
                            STR_ARG(c.name));
        }
        c.visible = true;
        add_target(q, c, (struct target){.column = (uint32_t)stage_carry(&q->scope, s, (int)(s->first_own + i))});
    }
    return true;
}

/* Everything of the input, but what EXCLUDE names and what the list has already. */
static bool add_star(struct sql_query *q, const struct select_item *star, uint32_t *starred)
{
    if (!check_excluded(q, star))
        return false;
    for (uint32_t i = 0; i < q->in->count; i++) {
        struct column c = q->in->columns[i];
        bool elsewhere = star->star_of.data && stage_owner(&q->scope, (int)i);
        if (!c.visible || elsewhere || schema_visible(q->in, c.name) != (int)i || is_excluded(star, c.name))
            continue;
        if (schema_visible(q->out, c.name) >= 0) {
            sql_fail(q->binder.err, "42701", star->offset, star->length,
                     "column \"" STR_FMT "\" specified more than once", STR_ARG(c.name));
            return sql_hint(q->binder.err, "Write it behind the *, where it replaces the input's.");
        }
        c.origin = COLUMN_DERIVED;
        c.declared = false;
        c.path = (struct path){0};
        add_target(q, c, (struct target){.column = i});
    }
    if (q->in->open)
        hide(q, star);
    *starred = q->out->count;
    return true;
}

static bool add_items(struct sql_query *q, const struct select *s)
{
    uint32_t starred = 0;
    bool has_star = false;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct select_item *item = &s->items[i];
        bool of_other = item->star && item->star_of.data && !bind_is_input(&q->binder, item->star_of);
        if (of_other) {
            if (!add_star_of(q, item))
                return false;
            continue;
        }
        if (item->star && has_star)
            return sql_fail(q->binder.err, "42701", item->offset, item->length, "* is there already");
        has_star |= item->star;
        if (item->star ? !add_star(q, item, &starred) : !add_item(q, item, &starred))
            return false;
    }
    return true;
}

/* Behind a WHERE, or where there may be no rows, nothing is certain to be evaluated. */
static bool items_can_succeed(struct sql_query *q)
{
    bool certain = !q->where && !sql_makes_rows(q);
    for (uint32_t c = 0; certain && c < q->out->count; c++)
        if (q->targets[c].e && !bind_can_succeed(&q->binder, q->targets[c].e))
            return false;
    return true;
}

static void init_binder(struct binder *b, struct str text, struct schema *in, const struct sql_options *o,
                        struct arena *plan, struct program *program, struct sql_error *err)
{
    struct sql_options *options = arena_new(plan, struct sql_options);
    *options = *o;
    *program = (struct program){.zone = o->zone ? o->zone : zone_utc, .component = o->component};
    *b = (struct binder){.text = text, .in = in, .options = options, .plan = plan, .err = err, .program = program};
}

/* ---- FROM, and functions that make rows ---------------------------------------------------------------------------- */

static void append_stage(struct sql_query *q, struct stage *s)
{
    struct scope *scope = &q->scope;
    if (scope->last)
        scope->last->next = s;
    else
        scope->first = s;
    scope->last = s;
    q->in = q->binder.in = s->out;
    q->binder.scope = scope;
}

static bool add_from(struct sql_query *q, const struct select *s)
{
    q->scope.input = q->in;
    for (uint32_t i = 0; i < s->from_count; i++) {
        const struct from_item *item = &s->from[i];
        q->binder.scope = &q->scope;
        struct stage *stage =
            join_is_lookup(item->call) ? stage_of_lookup(&q->binder, item) : stage_of_function(&q->binder, item);
        if (!stage)
            return false;
        append_stage(q, stage);
    }
    if (s->from_count == 0)
        q->binder.scope = NULL;
    return true;
}

struct found_calls {
    struct node **items;
    uint32_t count, capacity;
};

/* Postgres allows them everywhere but in what is evaluated for some rows only. */
static void find_calls(struct node *n, struct arena *a, struct found_calls *f)
{
    if (n->kind == NODE_CASE || n->kind == NODE_COALESCE)
        return;
    if (!set_is_call(n)) {
        for (uint32_t i = 0; i < n->count; i++)
            find_calls(n->args[i], a, f);
        return;
    }
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 4;
        struct node **grown = arena_array(a, struct node *, f->capacity);
        if (f->count)
            memcpy(grown, f->items, f->count * sizeof(*grown));
        f->items = grown;
    }
    f->items[f->count++] = n;
}

/* WHERE sees the events before they are written out, so from here on everything is bound anew. */
static bool add_row_makers(struct sql_query *q, const struct select *s)
{
    struct binder *b = &q->binder;
    struct found_calls found = {0};
    for (uint32_t i = 0; i < s->count; i++)
        if (s->items[i].expression)
            find_calls(s->items[i].expression, b->plan, &found);
    if (found.count == 0)
        return true;
    b->scope = &q->scope;
    struct stage *stage = stage_of_calls(b, found.items, found.count);
    if (!stage)
        return false;
    q->filter = q->program;
    q->program.slots = 0;
    memset(b->buckets, 0, sizeof(b->buckets));
    append_stage(q, stage);
    q->rows = stage;
    return true;
}

struct sql_query *sql_compile(struct str text, struct schema *in, const struct sql_options *o, struct arena *plan,
                              struct schema **out, struct sql_error *err)
{
    struct select s;
    text = arena_str(plan, text);
    if (!parse_select(text, o->input, plan, &s, err))
        return NULL;
    struct sql_query *q = arena_new(plan, struct sql_query);
    init_binder(&q->binder, text, in, o, plan, &q->program, err);
    q->binder.alias = s.alias;
    q->in = in;
    q->out = arena_new(plan, struct schema);
    *q->out = (struct schema){
        .arena = plan, .request = request_member, .request_meta = request_meta, .request_raw = request_raw, .owner = q};
    if (!add_from(q, &s))
        return NULL;
    if (s.where && (!(q->where = bind_condition(&q->binder, s.where, "WHERE")) || !bind_can_succeed(&q->binder, q->where)))
        return NULL;
    if (!add_row_makers(q, &s) || !add_items(q, &s) || !items_can_succeed(q))
        return NULL;
    q->binder.err = NULL;
    *out = q->out;
    return q;
}

void sql_explain(const struct sql_query *q, const char *before, struct buffer *out)
{
    for (const struct stage *s = q->scope.first; s; s = s->next)
        if (s->explain) {
            buffer_printf(out, "%s", before);
            s->explain(s, out);
            buffer_add_byte(out, '\n');
        }
}

bool sql_makes_rows(const struct sql_query *q)
{
    bool makes = false;
    for (const struct stage *s = q->scope.first; s; s = s->next)
        makes |= s->makes_rows;
    return makes;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

/* The rows that pass WHERE, of those that are alive. */
static void filter(struct eval *ev, const struct expr *where, struct slice *s)
{
    uint32_t *kept = arena_array(s->arena, uint32_t, s->selected ? s->selected : 1);
    s->selected = eval_filter(ev, where, s->sel, s->selected, kept);
    s->sel = kept;
}

static void drop_rejected(struct eval *ev, struct slice *s)
{
    if (!ev->dead)
        return;
    uint32_t *alive = arena_array(s->arena, uint32_t, s->selected ? s->selected : 1);
    s->selected = eval_survivors(ev, s->sel, s->selected, alive);
    s->sel = alive;
}

/* Everything before the SELECT list, where that is made in steps. */
static struct slice run_stages(const struct sql_query *q, const struct slice *in, struct rejections *r)
{
    struct slice now = *in, next;
    for (const struct stage *s = q->scope.first; s; s = s->next) {
        if (s == q->rows && q->where) {
            struct eval ev;
            eval_init(&ev, &q->filter, &now, now.sel, now.selected, r);
            filter(&ev, q->where, &now);
            drop_rejected(&ev, &now);
            eval_release(&ev);
        }
        s->run(s, &now, &next, r);
        now = next;
    }
    return now;
}

void sql_run(const struct sql_query *q, const struct slice *in, struct slice *out, struct rejections *r)
{
    struct eval ev;
    *out = q->scope.first ? run_stages(q, in, r) : *in;
    struct slice from = *out;
    eval_init(&ev, &q->program, &from, from.sel, from.selected, r);
    if (q->where && !q->rows) {
        filter(&ev, q->where, out);
        ev.root_sel = out->sel;
        ev.root_count = out->selected;
    }
    out->column_count = q->out->count;
    out->columns = arena_array(in->arena, struct value *, q->out->count ? q->out->count : 1);
    for (uint32_t c = 0; c < q->out->count; c++) {
        const struct target *t = &q->targets[c];
        out->columns[c] = t->e ? eval_column(&ev, t->e, out->sel, out->selected) : from.columns[t->column];
    }
    drop_rejected(&ev, out);
    eval_release(&ev);
}

/* ---- one expression ------------------------------------------------------------------------------------------------
 */

struct sql_expr {
    struct program program;
    struct expr *e;
};

static struct expr *convert_wanted(struct binder *b, struct expr *e, struct type want, const struct node *n)
{
    if (want.id == TYPE_BOOLEAN && e->type.id != TYPE_BOOLEAN && e->type.id != TYPE_JSON &&
        e->type.id != TYPE_UNKNOWN) {
        sql_fail(b->err, "42804", n->offset, n->length, "the condition must be type boolean, not type %s",
                 type_id_name(e->type.id));
        return NULL;
    }
    if (want.id == TYPE_UNKNOWN && e->type.id == TYPE_JSON)
        return bind_kernel1(b, kernel_to_text, 0, TYPE(TYPE_TEXT), e, n);
    if (want.id == TYPE_UNKNOWN)
        return bind_convert(b, e, e->type.id == TYPE_UNKNOWN ? TYPE_TEXT : e->type.id, n);
    if (e->type.id == TYPE_JSON || e->type.id == TYPE_UNKNOWN || bind_casts_implicitly(e->type.id, want.id))
        return bind_convert(b, e, want.id, n);
    return bind_cast(b, e, want, false, n);
}

struct sql_expr *sql_compile_expr(struct str text, struct schema *in, const struct sql_options *o, struct type want,
                                  struct arena *plan, struct type *out_type, struct sql_error *err)
{
    text = arena_str(plan, text);
    struct node *n = parse_expression(text, plan, err);
    if (!n)
        return NULL;
    struct sql_expr *x = arena_new(plan, struct sql_expr);
    struct binder *b = arena_new(plan, struct binder);
    init_binder(b, text, in, o, plan, &x->program, err);
    struct expr *e = bind_node(b, n);
    x->e = e ? convert_wanted(b, e, want, n) : NULL;
    if (!x->e || !bind_can_succeed(b, x->e))
        return NULL;
    if (out_type)
        *out_type = x->e->type;
    return x;
}

void sql_eval(const struct sql_expr *x, const struct slice *in, const uint32_t *sel, uint32_t n, struct value *out,
              struct rejections *r)
{
    struct eval ev;
    eval_init(&ev, &x->program, in, sel, n, r);
    eval_into(&ev, x->e, sel, n, out);
    if (ev.dead)
        for (uint32_t i = 0; i < n; i++)
            if (ev.dead[sel[i]])
                out[sel[i]] = value_null();
    eval_release(&ev);
}
