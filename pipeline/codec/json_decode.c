#include "pipeline/codec/json_decode.h"

#include <assert.h>
#include <string.h>

#include "pipeline/codec/json_parse.h"

bool json_bind_decoder(struct decoder *d, struct arena *plan, struct error *err)
{
    int64_t max_depth = d->options->json_max_depth ? d->options->json_max_depth : 128;
    if (max_depth < 1 || max_depth > JSON_MAX_DEPTH)
        return error_set(err, ERROR_STOP, "json.max_depth must be between 1 and %d", JSON_MAX_DEPTH);
    struct json_program *program = json_program_new(d->schema, (uint32_t)max_depth, plan);
    program->parse = json_parse_choose();
    d->program = program;
    return true;
}

/* What a decode call has in hand. */
struct decoding {
    const struct decoder *d;
    const struct json_program *program;
    const struct batch *batch;
    struct slice *out;
    struct rejections *rejections;
    struct json_parser parser;
    uint32_t *record; /* out->record, while it is written */
    struct str *raw;  /* the same; NULL where nobody wants it */
};

static struct str trim(struct str s)
{
    while (s.len > 0 && json_is_space(s.data[s.len - 1]))
        s.len--;
    while (s.len > 0 && json_is_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    return s;
}

/* The slow way round: what is wrong with a record that the parser refused, and where. */
static void reject_bad(const struct decoding *x, uint32_t record, struct str bytes)
{
    size_t offset;
    enum json_fault fault = json_check_text(bytes, x->program->max_depth, &offset);
    struct rejection *rejection;
    if (fault == JSON_VALID) {
        struct str event = trim(bytes);
        assert(event.data[0] != '{');
        offset = (size_t)(event.data - bytes.data);
        rejection = reject_record(x->rejections, record, x->d->component, "decode",
                                  "not an event: a JSON object is expected, not %s",
                                  event.data[0] == '['   ? "an array"
                                  : event.data[0] == '"' ? "a string"
                                                         : "a bare value");
    } else if (fault == JSON_TOO_DEEP) {
        rejection = reject_record(x->rejections, record, x->d->component, "decode",
                                  "malformed JSON at byte %zu: nested deeper than %u levels (json.max_depth)", offset,
                                  x->program->max_depth);
    } else {
        rejection = reject_record(x->rejections, record, x->d->component, "decode", "malformed JSON at byte %zu: %s",
                                  offset, json_fault_text(fault));
    }
    rejection->offset = (uint32_t)offset;
    memcpy(rejection->sqlstate, "22P02", 6);
}

/* Missing members are NULL. Slots without a bit were set to NULL in advance. */
static void fill_missing(struct json_parser *parser, uint64_t missing)
{
    for (; missing; missing &= missing - 1)
        parser->slots[__builtin_ctzll(missing)][parser->row] = value_null();
}

/* A refused record may have left values in slots without a bit; the next one gets this row. */
static void clear_far_slots(struct json_parser *parser)
{
    for (uint32_t slot = JSON_MASKED_SLOTS; slot < parser->program->slot_count; slot++)
        parser->slots[slot][parser->row] = value_null();
}

static void decode_record(struct decoding *x, uint32_t record, struct str bytes, uint64_t wanted)
{
    struct json_parser *parser = &x->parser;
    struct str event = trim(bytes);
    if (!x->program->parse(parser, event.data, event.len)) {
        clear_far_slots(parser);
        reject_bad(x, record, bytes);
        return;
    }
    if (parser->filled != wanted)
        fill_missing(parser, wanted & ~parser->filled);
    x->record[parser->row] = record;
    if (x->raw)
        x->raw[parser->row] = event;
    parser->row++;
}

static void allocate(struct decoding *x, uint32_t count)
{
    const struct json_program *program = x->program;
    struct slice *out = x->out;
    struct arena *arena = out->arena;
    const struct schema *s = x->d->schema;
    if (!out->columns) {
        out->columns = arena_array(arena, struct value *, s->count);
        memset(out->columns, 0, s->count * sizeof(*out->columns));
        out->column_count = s->count;
    }
    struct value **slots = arena_array(arena, struct value *, program->slot_count);
    for (uint32_t slot = 0; slot < program->slot_count; slot++) {
        slots[slot] = arena_array(arena, struct value, count);
        out->columns[program->slot_column[slot]] = slots[slot];
        if (slot >= JSON_MASKED_SLOTS)
            memset(slots[slot], 0, count * sizeof(struct value));
    }
    x->parser.slots = slots;
    x->parser.shapes = arena_array(arena, struct json_shape, program->level_count);
    memset(x->parser.shapes, 0, program->level_count * sizeof(struct json_shape));
    x->record = arena_array(arena, uint32_t, count);
    x->raw = s->wants_raw ? arena_array(arena, struct str, count) : NULL;
}

/* Columns that want the same member share the values, unless one of them is converted. */
static void copy_columns(const struct decoding *x)
{
    struct slice *out = x->out;
    for (uint32_t i = 0; i < x->program->copy_count; i++) {
        struct json_copy copy = x->program->copies[i];
        const struct column *columns = x->d->schema->columns;
        out->columns[copy.to] = out->columns[copy.from];
        if (!columns[copy.from].declared && !columns[copy.to].declared)
            continue;
        out->columns[copy.to] = arena_array(out->arena, struct value, out->rows);
        memcpy(out->columns[copy.to], out->columns[copy.from], out->rows * sizeof(struct value));
    }
}

/* A member's text for jsonb: a string's quotes stand around it in the record. */
static struct value as_jsonb(struct value v)
{
    static const char *const booleans[] = {"false", "true"};
    if (v.kind == VALUE_TEXT)
        v = (struct value){.len = v.len + 2, .ptr = v.ptr - 1};
    else if (v.kind == VALUE_BOOL)
        v = (struct value){.len = v.i ? 4 : 5, .ptr = booleans[v.i]};
    v.kind = VALUE_JSON;
    v.flags = 0;
    return v;
}

static bool convert(const struct convert_context *cx, struct type type, struct value *v, struct error *err)
{
    if (v->kind == VALUE_NULL || type.id == TYPE_JSON)
        return true;
    if (type.id == TYPE_JSONB) {
        *v = as_jsonb(*v);
        return true;
    }
    if (v->kind == VALUE_NUMBER && type.id == TYPE_NUMERIC && type.precision < 0)
        return true;
    if (v->kind != VALUE_TEXT)
        return value_cast(cx, *v, TYPE(TYPE_JSON), type, v, err);
    if (type.id == TYPE_TEXT && type.precision < 0)
        return true;
    return value_unescape(cx->arena, v, err) && value_parse(cx, value_str(*v), type, v, err);
}

/* The first bytes of what did not fit, for the message; "" where the error names it. */
static const char *shown_value(struct value v, const struct zone *zone, const struct error *err, struct buffer *text)
{
    enum { MOST = 200 };
    value_print(v, TYPE(TYPE_JSON), zone, text);
    if (text->len > MOST) {
        text->len = utf8_valid_prefix((struct str){text->data, MOST});
        buffer_add_str(text, STR("…"));
    }
    const char *shown = buffer_cstr(text);
    return strstr(err->text, shown) ? "" : shown;
}

static void reject_value(const struct decoding *x, uint32_t row, const struct column *c, struct value v,
                         const struct error *err)
{
    uint32_t record = x->record[row];
    struct buffer name = {0}, text = {0};
    for (uint32_t i = 0; i < c->path.count; i++)
        buffer_printf(&name, "%s" STR_FMT, i ? "." : "", STR_ARG(c->path.parts[i]));
    const char *shown = shown_value(v, x->d->convert.zone, err, &text);
    struct rejection *rejection =
        reject_record(x->rejections, record, x->d->component, "decode", "member \"%s\": %s%s%s", buffer_cstr(&name),
                      err->text, *shown ? ": " : "", shown);
    if (v.kind == VALUE_TEXT || v.kind == VALUE_NUMBER || v.kind == VALUE_JSON)
        rejection->offset = (uint32_t)(v.ptr - batch_record_bytes(x->batch, record).data);
    memcpy(rejection->sqlstate, err->sqlstate, sizeof(rejection->sqlstate));
    buffer_release(&name);
    buffer_release(&text);
}

/* Declared columns, one after the other. A record leaves the selection with the first value that does not fit. */
static void convert_columns(const struct decoding *x)
{
    struct slice *out = x->out;
    struct convert_context cx = x->d->convert;
    cx.arena = out->arena;
    for (uint32_t i = 0; i < x->program->conversion_count; i++) {
        const struct column *c = &x->d->schema->columns[x->program->conversions[i]];
        struct value *values = out->columns[x->program->conversions[i]];
        uint32_t *kept = NULL, kept_count = 0;
        for (uint32_t k = 0; k < out->selected; k++) {
            uint32_t row = out->sel[k];
            struct value original = values[row];
            struct error err = {.kind = ERROR_REJECT};
            bool good = convert(&cx, c->type, &values[row], &err);
            if (!good) {
                if (!kept) {
                    kept = arena_array(out->arena, uint32_t, out->selected);
                    memcpy(kept, out->sel, k * sizeof(*kept));
                    kept_count = k;
                }
                reject_value(x, row, c, original, &err);
            } else if (kept) {
                kept[kept_count++] = row;
            }
        }
        if (kept) {
            out->sel = kept;
            out->selected = kept_count;
        }
    }
}

void json_decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                 struct rejections *r)
{
    assert(count <= SLICE_ROWS);
    const struct json_program *program = d->program;
    struct decoding x = {.d = d, .program = program, .batch = b, .out = out, .rejections = r};
    allocate(&x, count);
    x.parser.program = program;
    x.parser.arena = out->arena;
    uint64_t wanted = json_slot_bits(0, program->slot_count);
    for (uint32_t i = first; i < first + count; i++)
        if (b->records[i].fault == RECORD_OK || !decoder_fault(d, b, i, r))
            decode_record(&x, i, batch_record_bytes(b, i), wanted);
    out->rows = x.parser.row;
    out->record = x.record;
    out->raw = x.raw;
    out->sel = slice_all_rows;
    out->selected = out->rows;
    copy_columns(&x);
    if (program->conversion_count)
        convert_columns(&x);
}
