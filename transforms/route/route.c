/*
 * An output per condition, in the order of the file, then `else`. Conditions in `first` are exclusive: they are asked
 * in that order, each only about the rows that none before it has taken. A record that a condition rejects goes to no
 * output at all.
 */
#include "transforms/route/route.h"

#include "pipeline/engine/config.h"
#include "pipeline/engine/sql_option.h"

struct route_transform {
    struct text_table when;
    struct text_list first;
};

static const struct option route_transform_options[] = {
    OPT(TABLE, struct route_transform, when, .required = true,
        .example = "{ hot = \"temp > 80\", cold = \"temp < 0\" }",
        .doc = "when.NAME is the SQL condition of the output NAME. An event goes to every output whose condition is "
               "true, and to `else` "
               "where none is."),
    OPT(LIST, struct route_transform, first, .example = "[\"hot\", \"cold\"]",
        .doc = "These outputs exclude one another: an event goes to the first of them whose condition is true."),
    OPT_END,
};

/* ---- the configuration ------------------------------------------------------------------------------------------- */

static int output_named(const struct route_transform *o, const char *name)
{
    for (uint32_t i = 0; i < o->when.count; i++)
        if (strcmp(o->when.items[i].key, name) == 0)
            return (int)i;
    return -1;
}

static uint32_t route_outputs(const struct component *c, const char **names)
{
    const struct route_transform *o = c->options;
    uint32_t count = 0;
    for (; count < o->when.count && count < TRANSFORM_MAX_OUTPUTS - 1; count++)
        names[count] = o->when.items[count].key;
    names[count++] = "else";
    return count;
}

static bool is_output_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || (c > name && (*c == '_' || *c == '-'))))
            return false;
    return *name && strcmp(name, "else") != 0 && strcmp(name, "rejected") != 0;
}

static void check_first(const struct component *c, struct problems *p)
{
    const struct route_transform *o = c->options;
    const char *names[TRANSFORM_MAX_OUTPUTS];
    uint32_t count = route_outputs(c, names) - 1;
    for (uint32_t i = 0; i < o->first.count; i++) {
        const char *name = o->first.items[i];
        if (output_named(o, name) < 0) {
            struct problem *problem =
                problem_add(p, config_place(c, "first"), "first names \"%s\", which when has not", name);
            problem_nearest(p, problem, name, names, count);
        }
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(o->first.items[k], name) == 0)
                problem_add(p, config_place(c, "first"), "first names \"%s\" twice", name);
    }
}

static void route_check(const struct component *c, struct problems *p)
{
    const struct route_transform *o = c->options;
    if (o->when.count == 0)
        problem_add(p, config_place(c, "when"), "a route needs a condition: when.NAME = \"…\"");
    if (o->when.count > TRANSFORM_MAX_OUTPUTS - 1)
        problem_add(p, config_place(c, "when"), "%u conditions are more than %d", o->when.count,
                    TRANSFORM_MAX_OUTPUTS - 1);
    for (uint32_t i = 0; i < o->when.count; i++) {
        const struct text_entry *e = &o->when.items[i];
        if (is_output_name(e->key))
            continue;
        struct problem *problem = problem_add(p, e->key_place, "\"%s\" cannot name an output", e->key);
        problem->length = (uint32_t)strlen(e->key);
        problem->hint = "lower-case letters, digits, '_' and '-'; `else` and `rejected` are there by themselves";
    }
    check_first(c, p);
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

struct route_program {
    uint32_t count; /* of conditions; `else` is the output behind them */
    struct condition {
        const struct sql_expr *expr;
        uint32_t output;
        bool exclusive;
    } conditions[];
};

static bool add_condition(struct step *step, struct route_program *program, uint32_t output, bool exclusive,
                          struct arena *plan, struct problems *p)
{
    const struct route_transform *o = step->component->options;
    const struct text_entry *e = &o->when.items[output];
    struct sql_options how = sql_options_of(step);
    struct sql_error err = {0};
    struct type type;
    struct sql_expr *expr = sql_compile_expr(str_of(e->value), step->in, &how, TYPE(TYPE_BOOLEAN), plan, &type, &err);
    if (!expr) {
        report_sql_error(step, arena_printf(plan, "when.%s", e->key), str_of(e->value), &err, p);
        return false;
    }
    program->conditions[program->count++] = (struct condition){expr, output, exclusive};
    return true;
}

static bool is_exclusive(const struct route_transform *o, uint32_t output)
{
    for (uint32_t i = 0; i < o->first.count; i++)
        if (strcmp(o->first.items[i], o->when.items[output].key) == 0)
            return true;
    return false;
}

static bool route_bind(struct step *step, struct arena *plan, struct problems *p)
{
    const struct route_transform *o = step->component->options;
    struct route_program *program = arena_alloc(plan, sizeof *program + o->when.count * sizeof program->conditions[0]);
    program->count = 0;
    bool good = true;
    for (uint32_t i = 0; i < o->first.count; i++)
        good &= add_condition(step, program, (uint32_t)output_named(o, o->first.items[i]), true, plan, p);
    for (uint32_t i = 0; i < o->when.count; i++)
        if (!is_exclusive(o, i))
            good &= add_condition(step, program, i, false, plan, p);

    /* Events pass unchanged: every output has the input's schema. */
    for (uint32_t i = 0; i <= o->when.count; i++)
        step->outs[i] = step->in;
    step->program = program;
    return good;
}

/* ---- a slice ----------------------------------------------------------------------------------------------------- */

enum row_state { ROW_FREE, ROW_TAKEN = 1, ROW_TAKEN_EXCLUSIVELY = 2, ROW_DEAD = 4 };

/* Rows without any of the states in `mask`. */
static uint32_t select_rows(const struct slice *in, const uint8_t *states, uint8_t mask, uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->selected; i++)
        if (!(states[in->sel[i]] & mask))
            out[n++] = in->sel[i];
    return n;
}

/* The rows of rejected records, from the rejections gathered since `from`. Rows ascend by record. */
static void mark_dead(const struct slice *in, const struct rejections *r, uint32_t from, uint8_t *states)
{
    for (uint32_t k = from; k < r->count; k++) {
        uint32_t low = 0, high = in->selected;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (in->record[in->sel[middle]] < r->items[k].record)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < in->selected && in->record[in->sel[low]] == r->items[k].record; low++)
            states[in->sel[low]] |= ROW_DEAD;
    }
}

static void take(const struct condition *condition, const struct value *truth, const uint32_t *rows, uint32_t count,
                 uint8_t *states, struct slice *out)
{
    uint32_t *sel = arena_array(out->arena, uint32_t, count ? count : 1), n = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct value *v = &truth[rows[i]];
        if (v->kind != VALUE_BOOL || !v->i)
            continue;
        sel[n++] = rows[i];
        states[rows[i]] |= condition->exclusive ? ROW_TAKEN | ROW_TAKEN_EXCLUSIVELY : ROW_TAKEN;
    }
    out->sel = sel;
    out->selected = n;
}

/* Takes out of an output the rows that a later condition rejected. */
static void drop_dead(struct slice *out, const uint8_t *states)
{
    uint32_t *sel = arena_array(out->arena, uint32_t, out->selected ? out->selected : 1), n = 0;
    for (uint32_t i = 0; i < out->selected; i++)
        if (!(states[out->sel[i]] & ROW_DEAD))
            sel[n++] = out->sel[i];
    out->sel = sel;
    out->selected = n;
}

static void route_run(const struct step *step, const struct slice *in, struct slice *outs, struct rejections *r)
{
    const struct route_program *program = step->program;
    uint8_t *states = memset(arena_alloc(in->arena, in->rows + 1), ROW_FREE, in->rows + 1);
    struct value *truth = arena_array(in->arena, struct value, in->rows + 1);
    uint32_t *rows = arena_array(in->arena, uint32_t, in->selected + 1);
    uint32_t rejected_before = r->count;

    for (uint32_t i = 0; i < program->count; i++) {
        const struct condition *condition = &program->conditions[i];
        uint8_t others = condition->exclusive ? ROW_DEAD | ROW_TAKEN_EXCLUSIVELY : ROW_DEAD;
        uint32_t count = select_rows(in, states, others, rows), before = r->count;
        sql_eval(condition->expr, in, rows, count, truth, r);
        mark_dead(in, r, before, states);
        outs[condition->output] = *in;
        take(condition, truth, rows, count, states, &outs[condition->output]);
    }

    struct slice *rest = &outs[program->count];
    *rest = *in;
    uint32_t *sel = arena_array(in->arena, uint32_t, in->selected + 1);
    rest->selected = select_rows(in, states, ROW_DEAD | ROW_TAKEN, sel);
    rest->sel = sel;
    for (uint32_t i = 0; r->count > rejected_before && i < program->count; i++)
        drop_dead(&outs[i], states);
}

const struct transform_type route_transform_type = {
    .base =
        {
            .name = "route",
            .summary = "Sends events to one output or another by conditions.",
            .doc = "Each output is read as ROUTE.OUTPUT: `inputs = [\"level.hot\"]`. Events pass unchanged.",
            .example = "when.hot = \"temp > 80\"\n"
                       "when.cold = \"temp < 0\"\n"
                       "first = [\"hot\", \"cold\"]\n",
            .options = route_transform_options,
            .options_size = sizeof(struct route_transform),
            .check = route_check,
        },
    .outputs = route_outputs,
    .bind = route_bind,
    .run = route_run,
};
