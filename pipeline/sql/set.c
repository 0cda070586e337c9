/*
 * Functions that make rows: unnest(items) in FROM or in the SELECT list. Each gives, for an event, an array of what its rows hold; then the
 * events are written out as often as the longest of them is, as Postgres does since version 10.
 */
#include "pipeline/event/array.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/stage.h"

enum {
    SET_CALLS = 16,
    MANY_ROWS = 4096,  /* of one slice: when there are more, the other records wait for the next */
    MOST_AT_ONCE = 16, /* events whose arrays are made together */
};

struct set_call {
    struct expr *array;
    uint32_t width; /* columns */
};

struct set_stage {
    struct stage stage;
    struct set_call calls[SET_CALLS];
    uint32_t call_count;
    bool ordinality;
    bool keeps_empty;   /* LEFT JOIN */
    uint64_t most_rows; /* of one record */
};

/* ---- binding ------------------------------------------------------------------------------------------------------- */

bool set_is_call(const struct node *n)
{
    for (uint32_t i = 0; n->kind == NODE_CALL && i < sql_function_count; i++)
        if (sql_functions[i].set && str_eq_nocase(n->name, str_of(sql_functions[i].name)))
            return true;
    return false;
}

static struct set_stage *new_stage(struct binder *b)
{
    struct set_stage *s = arena_new(b->plan, struct set_stage);
    s->stage.program = (struct program){.zone = b->program->zone, .component = b->program->component};
    s->stage.makes_rows = true;
    s->stage.run = set_run;
    stage_init(&s->stage, b->scope, b->plan);
    return s;
}

/* The arguments are bound with the columns that come into the stage, and evaluated on their own. */
static bool add_call(struct binder *b, struct set_stage *s, const struct node *call, const struct set_shape **shape,
                     struct expr **array)
{
    struct binder inner = {.text = b->text,
                           .in = s->stage.in,
                           .options = b->options,
                           .alias = b->alias,
                           .scope = b->scope,
                           .plan = b->plan,
                           .err = b->err,
                           .program = &s->stage.program};
    if (s->call_count == SET_CALLS) {
        sql_fail(b->err, "54000", call->at, call->at_length, "more than %d functions that make rows", SET_CALLS);
        return false;
    }
    *array = bind_set(&inner, call, shape);
    if (!*array)
        return false;
    s->calls[s->call_count++] = (struct set_call){*array, (*shape)->count};
    return true;
}

static struct type column_type(const struct set_shape *shape, uint32_t column, const struct expr *array)
{
    enum type_id t = shape->types[column];
    return TYPE(t == TYPE_ANYELEMENT ? array->type.id : t);
}

struct stage *stage_of_calls(struct binder *b, struct node *const *calls, uint32_t count)
{
    struct set_stage *s = new_stage(b);
    for (uint32_t i = 0; i < count; i++) {
        const struct set_shape *shape;
        struct expr *array;
        if (!add_call(b, s, calls[i], &shape, &array))
            return NULL;
        if (shape->count != 1) {
            sql_fail(b->err, "0A000", calls[i]->at, calls[i]->at_length,
                     "a function that gives several columns belongs into FROM");
            sql_hint(b->err, "Write FROM input, " STR_FMT "(…) AS t (key, value).", STR_ARG(calls[i]->name));
            return NULL;
        }
        stage_own(&s->stage, calls[i]->name, column_type(shape, 0, array), false);
    }
    s->stage.calls = calls;
    s->most_rows = b->options->most_rows;
    return &s->stage;
}

static struct str column_name(const struct from_item *item, const struct set_shape *shape, uint32_t n, uint32_t of_call)
{
    if (n < item->column_count)
        return item->columns[n];
    if (shape->names[of_call])
        return str_of(shape->names[of_call]);
    return item->alias.data ? item->alias : item->call->name;
}

/* ON true is what Postgres's grammar wants behind JOIN. */
static bool check_item(struct binder *b, const struct from_item *item)
{
    const struct node *on = item->on;
    if (!set_is_call(item->call)) {
        sql_fail(b->err, "42883", item->call->at, item->call->at_length, STR_FMT "() makes no rows",
                 STR_ARG(item->call->name));
        return sql_hint(b->err, "Only functions that do stand in FROM, as unnest(items); call this one in the SELECT list.");
    }
    if (!on || (on->kind == NODE_CONSTANT && on->type.id == TYPE_BOOLEAN && on->value.i))
        return true;
    sql_fail(b->err, "0A000", on->offset, on->length, "a function that makes rows is joined ON true");
    return sql_hint(b->err, "Put the condition into WHERE.");
}

struct stage *stage_of_function(struct binder *b, const struct from_item *item)
{
    const struct node *call = item->call;
    struct set_stage *s = new_stage(b);
    bool several = str_eq_nocase(call->name, STR("unnest")) && call->count > 1;
    uint32_t named = 0;
    if (!check_item(b, item))
        return NULL;
    for (uint32_t i = 0; i < (several ? call->count : 1); i++) {
        const struct set_shape *shape;
        struct expr *array;
        struct node one = *call;
        if (several)
            one.args = &call->args[i], one.count = 1;
        if (!add_call(b, s, &one, &shape, &array))
            return NULL;
        for (uint32_t c = 0; c < shape->count; c++)
            stage_own(&s->stage, column_name(item, shape, named++, c), column_type(shape, c, array), true);
    }
    if (item->ordinality)
        stage_own(&s->stage, named < item->column_count ? item->columns[named] : STR("ordinality"), TYPE(TYPE_BIGINT), true);
    if (item->column_count > named + item->ordinality) {
        sql_fail(b->err, "42P10", item->offset, item->length, "\"" STR_FMT "\" has %u columns, but %u names are given",
                 STR_ARG(item->alias), named + item->ordinality, item->column_count);
        return NULL;
    }
    s->stage.alias = item->alias.data ? item->alias : call->name;
    s->ordinality = item->ordinality;
    s->keeps_empty = item->join == FROM_LEFT;
    s->most_rows = b->options->most_rows;
    return &s->stage;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

struct expansion {
    const struct set_stage *s;
    const struct slice *in;
    struct eval ev;
    struct value **arrays; /* per call, by row of `in` */
    uint32_t *counts;      /* rows made, by row of `in` */
    uint64_t total;
    uint32_t largest; /* so far, of one event */
};

static uint32_t length_of(const struct set_call *c, struct value v)
{
    return value_is_null(v) ? 0 : value_array(v)->count / c->width;
}

static void too_many(struct expansion *x, uint32_t row, uint64_t count)
{
    struct error err;
    function_fail(&err, "54000", "%llu rows of one record are more than the memory allows (%llu)",
                  (unsigned long long)count, (unsigned long long)x->s->most_rows);
    eval_fail(&x->ev, x->s->calls[0].array, NULL, row, &err);
}

/* The arrays of some events, and how many rows they make. */
static void measure(struct expansion *x, const uint32_t *sel, uint32_t n)
{
    const struct set_stage *s = x->s;
    for (uint32_t c = 0; c < s->call_count; c++)
        eval_into(&x->ev, s->calls[c].array, sel, n, x->arrays[c]);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i], count = s->keeps_empty;
        for (uint32_t c = 0; c < s->call_count; c++) {
            uint32_t length = length_of(&s->calls[c], x->arrays[c][row]);
            count = length > count ? length : count;
        }
        if (s->most_rows && count > s->most_rows)
            too_many(x, row, count);
        bool dead = x->ev.dead && x->ev.dead[row];
        x->counts[row] = dead ? 0 : count;
        x->total += x->counts[row];
        x->largest = count > x->largest ? count : x->largest;
    }
}

/* Goes on until there are many rows; at the end of a record, which is never divided. Returns how many places of the selection are done. */
static uint32_t measure_all(struct expansion *x)
{
    const struct slice *in = x->in;
    uint32_t done = 0, most = 1;
    while (done < in->selected) {
        uint32_t n = in->selected - done < most ? in->selected - done : most;
        measure(x, in->sel + done, n);
        done += n;
        bool between = done == in->selected || in->record[in->sel[done]] != in->record[in->sel[done - 1]];
        if (x->total >= MANY_ROWS && between)
            break;
        most = x->largest * MOST_AT_ONCE < MANY_ROWS / 4 ? MOST_AT_ONCE : 1;
    }
    return done;
}

/* Where each new row comes from. */
static uint32_t *lay_out(const struct expansion *x, uint32_t done)
{
    uint32_t *origin = arena_array(x->in->arena, uint32_t, x->total + 1), at = 0;
    for (uint32_t i = 0; i < done; i++)
        for (uint32_t k = 0; k < x->counts[x->in->sel[i]]; k++)
            origin[at++] = x->in->sel[i];
    return origin;
}

static struct value *gather(const struct slice *in, const struct value *column, const uint32_t *origin, uint32_t rows)
{
    struct value *out = arena_array(in->arena, struct value, rows + 1);
    for (uint32_t i = 0; i < rows; i++)
        out[i] = column[origin[i]];
    return out;
}

/* The column of a call: its n-th of width; NULL where the others are longer. */
static struct value *take_items(const struct expansion *x, uint32_t call, uint32_t n, const uint32_t *origin,
                                uint32_t rows)
{
    struct value *out = arena_array(x->in->arena, struct value, rows + 1);
    uint32_t width = x->s->calls[call].width, k = 0;
    for (uint32_t i = 0; i < rows; i++, k++) {
        if (i > 0 && origin[i] != origin[i - 1])
            k = 0;
        struct value array = x->arrays[call][origin[i]];
        bool there = !value_is_null(array) && k < value_array(array)->count / width;
        out[i] = there ? value_array(array)->items[k * width + n] : value_null();
    }
    return out;
}

/* 1, 2, 3 …; NULL in the row that LEFT JOIN makes of nothing. */
static struct value *count_up(const struct expansion *x, const uint32_t *origin, uint32_t rows)
{
    struct value *out = arena_array(x->in->arena, struct value, rows + 1);
    uint32_t k = 0;
    for (uint32_t i = 0; i < rows; i++, k++) {
        if (i > 0 && origin[i] != origin[i - 1])
            k = 0;
        bool empty = x->s->keeps_empty;
        for (uint32_t c = 0; c < x->s->call_count && empty; c++)
            empty = length_of(&x->s->calls[c], x->arrays[c][origin[i]]) == 0;
        out[i] = empty ? value_null() : value_int((int64_t)k + 1);
    }
    return out;
}

static void fill_own(const struct expansion *x, struct value **columns, const uint32_t *origin, uint32_t rows)
{
    struct value **own = columns + x->s->stage.first_own;
    for (uint32_t c = 0; c < x->s->call_count; c++)
        for (uint32_t n = 0; n < x->s->calls[c].width; n++)
            *own++ = take_items(x, c, n, origin, rows);
    if (x->s->ordinality)
        *own = count_up(x, origin, rows);
}

/* The first record that has no rows yet; 0: all have. */
static uint32_t rest_from(const struct slice *in, uint32_t done)
{
    return done < in->selected ? in->record[in->sel[done]] : in->until;
}

static void write_out(const struct expansion *x, uint32_t done, struct slice *out)
{
    const struct slice *in = x->in;
    const struct stage *s = &x->s->stage;
    uint32_t rows = (uint32_t)x->total, *origin = lay_out(x, done);
    uint32_t *sel = arena_array(in->arena, uint32_t, rows + 1), *record = arena_array(in->arena, uint32_t, rows + 1);
    struct str *raw = in->raw ? arena_array(in->arena, struct str, rows + 1) : NULL;
    for (uint32_t i = 0; i < rows; i++) {
        sel[i] = i;
        record[i] = in->record[origin[i]];
        if (raw)
            raw[i] = in->raw[origin[i]];
    }
    struct value **columns = arena_array(in->arena, struct value *, s->out->count);
    for (uint32_t c = 0; c < s->out->count; c++) {
        const struct value *column = s->columns[c].from >= 0 ? in->columns[s->columns[c].from] : NULL;
        columns[c] = column ? gather(in, column, origin, rows) : NULL;
    }
    fill_own(x, columns, origin, rows);
    *out = (struct slice){.batch = in->batch,
                          .arena = in->arena,
                          .rows = rows,
                          .sel = sel,
                          .selected = rows,
                          .record = record,
                          .repeats = true,
                          .until = rest_from(in, done),
                          .columns = columns,
                          .column_count = s->out->count,
                          .raw = raw};
}

void set_run(const struct stage *stage, const struct slice *in, struct slice *out, struct rejections *r)
{
    struct expansion x = {.s = (const struct set_stage *)stage, .in = in};
    x.arrays = arena_array(in->arena, struct value *, x.s->call_count);
    for (uint32_t c = 0; c < x.s->call_count; c++)
        x.arrays[c] = arena_array(in->arena, struct value, in->rows + 1);
    x.counts = arena_array(in->arena, uint32_t, in->rows + 1);
    eval_init(&x.ev, &stage->program, in, in->sel, in->selected, r);
    uint32_t done = measure_all(&x);
    write_out(&x, done, out);
    eval_release(&x.ev);
}
