/*
 * LEFT JOIN lookup('devices.csv') d ON d.id = input.device: each event meets at most one row, so that the rows stay where they are and only columns are
 * added.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/file.h"
#include "pipeline/event/numeric.h"
#include "pipeline/sql/lookup_table.h"
#include "pipeline/sql/stage.h"

struct join_stage {
    struct stage stage;
    struct lookup *lookup;
    struct expr *keys[LOOKUP_KEYS];
    uint32_t columns[LOOKUP_KEYS]; /* of the file */
    struct type types[LOOKUP_KEYS];
    uint32_t key_count;
    bool keeps_unmatched; /* LEFT JOIN */
};

bool join_is_lookup(const struct node *call)
{
    return str_eq_nocase(call->name, STR("lookup"));
}

/* ---- lookup('file', column => 'type', …) --------------------------------------------------------------------------- */

static bool is_text(const struct node *n)
{
    return n->kind == NODE_CONSTANT && n->value.kind == VALUE_TEXT;
}

static bool read_types(struct binder *b, const struct node *call, struct lookup_column *declared)
{
    for (uint32_t i = 1; i < call->count; i++) {
        const struct node *arg = call->args[i];
        struct error err;
        if (!arg->label.data || !is_text(arg)) {
            sql_fail(b->err, "42601", arg->offset, arg->length, "the type of a column is given by its name");
            return sql_hint(b->err, "As in lookup('devices.csv', id => 'integer').");
        }
        declared[i - 1].name = arg->label;
        if (!type_parse(value_str(arg->value), &declared[i - 1].type, &err))
            return sql_fail(b->err, err.sqlstate, arg->offset, arg->length, "%s", err.text);
    }
    return true;
}

static struct lookup *open_file(struct binder *b, const struct node *call)
{
    if (call->count == 0 || !is_text(call->args[0])) {
        sql_fail(b->err, "42601", call->at, call->at_length, "lookup() wants the name of a file");
        sql_hint(b->err, "As in lookup('devices.csv').");
        return NULL;
    }
    struct lookup_column *declared = arena_array(b->plan, struct lookup_column, call->count);
    if (!read_types(b, call, declared))
        return NULL;
    const char *name = arena_str(b->plan, value_str(call->args[0]->value)).data;
    char *path = b->options->directory ? file_join(b->options->directory, name) : mem_strdup(name);
    struct error err;
    struct lookup_set alone = {0}, *set = b->options->lookups ? b->options->lookups : &alone;
    struct lookup *l = lookup_open(b->plan, set, path, declared, call->count - 1, b->program->zone, &err);
    if (!l)
        sql_fail(b->err, "58030", call->args[0]->offset, call->args[0]->length, "%s%s%s", strstr(err.text, path) ? "" : path,
                 strstr(err.text, path) ? "" : ": ", err.text);
    free(path);
    return l;
}

/* ---- ON ------------------------------------------------------------------------------------------------------------ */

static bool names_table(const struct node *n, struct str alias)
{
    if (n->kind == NODE_COLUMN)
        return n->path.count > 1 && str_eq(n->path.parts[0], alias);
    for (uint32_t i = 0; i < n->count; i++)
        if (names_table(n->args[i], alias))
            return true;
    return false;
}

static bool is_key_column(const struct node *n, struct str alias)
{
    return n->kind == NODE_COLUMN && n->path.count == 2 && str_eq(n->path.parts[0], alias);
}

static bool refuse_on(struct binder *b, const struct node *n, struct str alias)
{
    sql_fail(b->err, "0A000", n->offset, n->length, "a lookup is joined where its columns equal something of the event");
    return sql_hint(b->err, "As in ON " STR_FMT ".id = input.device AND " STR_FMT ".site = input.site; put other conditions into WHERE.",
                    STR_ARG(alias), STR_ARG(alias));
}

static int find_column(struct binder *b, const struct join_stage *j, const struct node *n)
{
    uint32_t count;
    const struct lookup_column *columns = lookup_columns(j->lookup, &count);
    const char **names = arena_array(b->plan, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        names[i] = columns[i].name.data;
        if (str_eq(columns[i].name, n->path.parts[1]))
            return (int)i;
    }
    char wanted[128];
    snprintf(wanted, sizeof(wanted), STR_FMT, STR_ARG(n->path.parts[1]));
    sql_fail(b->err, "42703", n->at, n->at_length, "%s has no column \"%s\"", lookup_path(j->lookup), wanted);
    const char *nearest = str_nearest(wanted, names, count);
    if (nearest)
        sql_hint(b->err, "Perhaps you meant \"%s\".", nearest);
    return -1;
}

static bool can_be_key(enum type_id t)
{
    return t != TYPE_INTERVAL && t != TYPE_JSONB && !type_is_array(t);
}

/*
 * What both sides are compared as. Nothing typed on either side: texts, but two JSON values by their sort. Else what `=` would make of them.
 */
static bool agree(struct binder *b, struct join_stage *j, uint32_t key, const struct node *n, const struct node *other)
{
    uint32_t count;
    enum type_id in_file = lookup_columns(j->lookup, &count)[j->columns[key]].type.id;
    struct expr *e = j->keys[key];
    bool file_open = in_file == TYPE_UNKNOWN || in_file == TYPE_JSON;
    bool event_open = e->type.id == TYPE_UNKNOWN || e->type.id == TYPE_JSON;
    if (in_file == TYPE_JSON && e->type.id == TYPE_JSON) {
        j->types[key] = TYPE(TYPE_JSON);
        return true;
    }
    if (file_open && event_open) {
        j->types[key] = TYPE(TYPE_TEXT);
        j->keys[key] = bind_kernel1(b, kernel_to_text, 0, TYPE(TYPE_TEXT), e, other);
        return true;
    }
    struct expr *column = bind_new(b, EXPR_COLUMN, in_file, n, 0);
    column->is_member = true;
    column->column = UINT32_MAX; /* never evaluated: only its type counts */
    if (!bind_operator(b, "=", column, e, n, n, other))
        return false;
    enum type_id x = b->operands[0]->type.id, y = b->operands[1]->type.id;
    bool same = x == y || (bind_is_integer(x) && bind_is_integer(y));
    if (!same || !can_be_key(x)) {
        sql_fail(b->err, "42883", n->offset, n->length, "a lookup cannot compare %s with %s", type_id_name(in_file),
                 type_id_name(e->type.id));
        return sql_hint(b->err, "Cast the event's side, or say what the column is: lookup('…', " STR_FMT " => 'bigint').",
                        STR_ARG(n->path.parts[1]));
    }
    j->types[key] = b->operands[0]->type;
    j->keys[key] = b->operands[1];
    return true;
}

static bool add_key(struct binder *b, struct join_stage *j, const struct node *n)
{
    struct str alias = j->stage.alias, eq = STR("=");
    if (n->kind != NODE_OPERATOR || !str_eq(n->name, eq) || n->count != 2)
        return refuse_on(b, n, alias);
    bool left = is_key_column(n->args[0], alias), right = is_key_column(n->args[1], alias);
    const struct node *column = n->args[left ? 0 : 1], *other = n->args[left ? 1 : 0];
    if (left == right || names_table(other, alias))
        return refuse_on(b, n, alias);
    if (j->key_count == LOOKUP_KEYS)
        return sql_fail(b->err, "54000", n->offset, n->length, "a lookup has at most %d key columns", LOOKUP_KEYS);
    int found = find_column(b, j, column);
    uint32_t key = j->key_count++;
    if (found < 0 || !(j->keys[key] = bind_node(b, other)))
        return false;
    j->columns[key] = (uint32_t)found;
    return agree(b, j, key, column, other);
}

static bool add_keys(struct binder *b, struct join_stage *j, const struct from_item *item)
{
    const struct node *on = item->on;
    if (!on) {
        sql_fail(b->err, "42601", item->offset, item->length, "a lookup is joined ON its key");
        return sql_hint(b->err, "As in LEFT JOIN lookup('devices.csv') d ON d.id = input.device.");
    }
    if (on->kind != NODE_AND)
        return add_key(b, j, on);
    for (uint32_t i = 0; i < on->count; i++)
        if (!add_key(b, j, on->args[i]))
            return false;
    return true;
}

/* ---- the stage ----------------------------------------------------------------------------------------------------- */

static bool is_key(const struct join_stage *j, uint32_t column)
{
    for (uint32_t k = 0; k < j->key_count; k++)
        if (j->columns[k] == column)
            return true;
    return false;
}

/* `*` shows what the event does not have: not the key, and of equal names the event's. */
static void add_columns(struct join_stage *j)
{
    uint32_t count;
    const struct lookup_column *columns = lookup_columns(j->lookup, &count);
    for (uint32_t i = 0; i < count; i++) {
        bool shown = !is_key(j, i) && schema_visible(j->stage.in, columns[i].name) < 0;
        stage_own(&j->stage, columns[i].name, columns[i].type, shown);
    }
}

static bool find_key(const struct join_stage *j, struct operand *operands, uint32_t row, struct arena *arena,
                     struct value *key)
{
    struct error ignored;
    for (uint32_t k = 0; k < j->key_count; k++) {
        key[k] = *operand_at(operands[k], row);
        if (value_is_null(key[k]) || !value_unescape(arena, &key[k], &ignored))
            return false;
        if (key[k].kind == VALUE_NUMBER)
            key[k] = numeric_normalise(arena, key[k]);
    }
    return true;
}

static void join_run(const struct stage *stage, const struct slice *in, struct slice *out, struct rejections *r)
{
    const struct join_stage *j = (const struct join_stage *)stage;
    const struct lookup_table *table = lookup_use(j->lookup, in->arena);
    struct value **columns = arena_array(in->arena, struct value *, stage->out->count);
    for (uint32_t c = 0; c < stage->out->count; c++)
        columns[c] = stage->columns[c].from >= 0 ? in->columns[stage->columns[c].from]
                                                 : arena_array(in->arena, struct value, in->rows + 1);
    struct value **own = columns + stage->first_own;
    uint32_t *sel = arena_array(in->arena, uint32_t, in->selected + 1), kept = 0;
    struct operand operands[LOOKUP_KEYS];
    struct eval ev;
    eval_init(&ev, &stage->program, in, in->sel, in->selected, r);
    for (uint32_t k = 0; k < j->key_count; k++)
        operands[k] = eval_expr(&ev, j->keys[k], in->sel, in->selected);
    for (uint32_t i = 0; i < in->selected; i++) {
        uint32_t row = in->sel[i];
        struct value key[LOOKUP_KEYS];
        const struct value *found =
            find_key(j, operands, row, in->arena, key) ? lookup_find(j->lookup, table, key) : NULL;
        for (uint32_t c = 0; c < stage->own_count; c++)
            own[c][row] = found ? found[c] : value_null();
        sel[kept] = row;
        kept += found || j->keeps_unmatched;
    }
    *out = *in;
    out->columns = columns;
    out->column_count = stage->out->count;
    out->selected = eval_survivors(&ev, sel, kept, sel);
    out->sel = sel;
    eval_release(&ev);
}

static void join_explain(const struct stage *stage, struct buffer *out)
{
    const struct join_stage *j = (const struct join_stage *)stage;
    uint32_t count;
    const struct lookup_column *columns = lookup_columns(j->lookup, &count);
    buffer_printf(out, "looks up %s (%u rows) by ", lookup_path(j->lookup), lookup_rows(j->lookup));
    for (uint32_t k = 0; k < j->key_count; k++) {
        char name[48];
        struct type t = j->types[k];
        buffer_printf(out, "%s" STR_FMT " (%s)", k ? ", " : "", STR_ARG(columns[j->columns[k]].name),
                      t.id == TYPE_JSON ? "as JSON" : type_name(t, name));
    }
    buffer_printf(out, "; read again when it changes");
}

struct stage *stage_of_lookup(struct binder *b, const struct from_item *item)
{
    struct join_stage *j = arena_new(b->plan, struct join_stage);
    j->stage.program = (struct program){.zone = b->program->zone, .component = b->program->component};
    j->stage.run = join_run;
    j->stage.explain = join_explain;
    j->stage.alias = item->alias.data ? item->alias : item->call->name;
    j->keeps_unmatched = item->join == FROM_LEFT;
    stage_init(&j->stage, b->scope, b->plan);
    if (item->ordinality || item->column_count) {
        sql_fail(b->err, "0A000", item->offset, item->length, "a lookup's columns are called as in the file");
        return NULL;
    }
    if (!(j->lookup = open_file(b, item->call)))
        return NULL;
    struct binder inner = {.text = b->text,
                           .in = j->stage.in,
                           .options = b->options,
                           .alias = b->alias,
                           .scope = b->scope,
                           .plan = b->plan,
                           .err = b->err,
                           .program = &j->stage.program};
    struct error err;
    if (!add_keys(&inner, j, item))
        return NULL;
    if (!lookup_set_key(j->lookup, j->columns, j->types, j->key_count, &err)) {
        sql_fail(b->err, "22000", item->call->args[0]->offset, item->call->args[0]->length, "%s: %s", lookup_path(j->lookup), err.text);
        return NULL;
    }
    add_columns(j);
    return &j->stage;
}
