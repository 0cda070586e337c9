#include "pipeline/codec/avro_program.h"

/* What one datum is being read into. */
struct run {
    const struct schema *schema;
    struct avro_reader *reader;
    const struct convert_context *cx;
    struct value **columns;
    uint32_t row;
    uint32_t *column;
    struct error *err;
};

static bool run_step(const struct run *x, const struct avro_step *step);

/* As a JSON event's member would be: a number is its text, times and bytes are strings. */
static struct value as_json(struct value v, struct type type, const struct convert_context *cx)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_NULL:
    case VALUE_BOOL:
    case VALUE_TEXT:
    case VALUE_NUMBER:
    case VALUE_JSON:
        return v;
    case VALUE_INT:
    case VALUE_DOUBLE:
    case VALUE_REAL:
    case VALUE_DECIMAL:
    case VALUE_BYTES:
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
    case VALUE_INTERVAL:
    case VALUE_UUID:
    default:
        break;
    }
    struct buffer text = {0};
    value_print_json(v, type, cx->zone ? cx->zone : zone_utc, &text);
    bool string = text.len && text.data[0] == '"';
    struct str s = string ? (struct str){text.data + 1, text.len - 2} : (struct str){text.data, text.len};
    s = arena_str(cx->arena, s);
    buffer_release(&text);
    return (struct value){.kind = string ? VALUE_TEXT : VALUE_NUMBER, .flags = string ? VALUE_ESCAPED : 0, .len = (uint32_t)s.len, .ptr = s.data};
}

static bool convert_symbol(const struct run *x, const struct avro_step *step, struct value *v)
{
    for (uint32_t i = 0; i < step->reader->count; i++)
        if (str_eq(step->reader->symbols[i], value_str(*v)))
            return true;
    *v = value_text(step->reader->preset);
    return step->reader->preset.len || avro_fail(x->reader, "an enum's symbol that the reader's schema does not know");
}

static bool store(const struct run *x, const struct avro_step *step, struct value v)
{
    for (uint32_t i = 0; i < step->column_count; i++) {
        uint32_t c = step->columns[i];
        struct value *to = &x->columns[c][x->row];
        struct type type = x->schema->columns[c].type;
        *to = v;
        if (v.kind == VALUE_NULL)
            continue;
        if (type.id == TYPE_JSON) {
            *to = as_json(v, step->from, x->cx);
        } else if (step->conversion != AVRO_AS_IT_IS || type.id != step->to.id) {
            *x->column = c;
            if (!value_cast(x->cx, v, step->from, type, to, x->err))
                return false;
        }
    }
    return true;
}

static bool run_value(const struct run *x, const struct avro_step *step)
{
    struct value v;
    return avro_read_value(x->reader, step->schema, x->cx->arena, &v) &&
           (step->conversion != AVRO_SYMBOL || convert_symbol(x, step, &v)) && store(x, step, v);
}

/* Somebody wants the whole beside its parts: it is read twice. */
static bool run_whole(const struct run *x, const struct avro_step *step)
{
    if (step->column_count == 0)
        return true;
    const unsigned char *at = x->reader->at;
    bool ok = run_value(x, step);
    x->reader->at = at;
    return ok;
}

static bool run_map_item(const struct run *x, const struct avro_step *step)
{
    struct str key;
    if (!avro_read_bytes(x->reader, &key))
        return false;
    for (uint32_t i = 0; i < step->count; i++)
        if (str_eq(step->names[i], key))
            return run_step(x, &step->parts[i]);
    return avro_skip_datum(x->reader, step->schema->parts[0]);
}

static bool run_map(const struct run *x, const struct avro_step *step)
{
    int64_t items;
    do {
        if (!avro_read_block(x->reader, &items, NULL))
            return false;
        for (int64_t i = 0; i < items; i++)
            if (!run_map_item(x, step))
                return false;
    } while (items);
    return true;
}

static bool run_union(const struct run *x, const struct avro_step *step)
{
    int64_t branch;
    if (!avro_read_long(x->reader, &branch))
        return false;
    if (branch < 0 || branch >= (int64_t)step->count)
        return avro_fail(x->reader, "a union's branch that does not exist");
    return run_step(x, &step->parts[branch]);
}

static bool run_step(const struct run *x, const struct avro_step *step)
{
    switch (step->kind) {
    case AVRO_STEP_SKIP:
        return avro_skip_datum(x->reader, step->schema);
    case AVRO_STEP_VALUE:
        return run_value(x, step);
    case AVRO_STEP_RECORD:
        if (!run_whole(x, step))
            return false;
        for (uint32_t i = 0; i < step->count; i++)
            if (!run_step(x, &step->parts[i]))
                return false;
        return true;
    case AVRO_STEP_MAP:
        return run_whole(x, step) && run_map(x, step);
    case AVRO_STEP_UNION:
        return run_union(x, step);
    case AVRO_STEP_BAD:
        return avro_fail(x->reader, step->why);
    }
    return false;
}

bool avro_program_run(const struct avro_program *p, const struct schema *s, struct avro_reader *r, const struct convert_context *cx, struct value **columns, uint32_t row,
                      uint32_t *column, struct error *err)
{
    struct run x = {s, r, cx, columns, row, column, err};
    for (uint32_t c = 0; c < s->count; c++)
        if (columns[c])
            columns[c][row] = p->presets[c];
    err->text[0] = '\0';
    if (!run_step(&x, &p->root))
        return false;
    return r->at == r->end || avro_fail(r, "bytes behind the end of the record");
}
