#include "pipeline/codec/json_encode.h"

#include "pipeline/codec/json_check.h"
#include "pipeline/codec/json_program.h"
#include "pipeline/event/numeric.h"

/* ---- binding ---------------------------------------------------------------------------------------------------- */

/* `,"name":` with a block of readable bytes behind it. */
static struct str make_label(struct str name, struct arena *plan)
{
    struct buffer text = {0};
    buffer_add(&text, ",\"", 2);
    json_escape(&text, name);
    buffer_add(&text, "\":", 2);
    char *copy = arena_array(plan, char, text.len + JSON_BLOCK);
    memset(copy, 0, text.len + JSON_BLOCK);
    memcpy(copy, text.data, text.len);
    struct str label = {copy, text.len};
    buffer_release(&text);
    return label;
}

static struct json_output *output_named(struct json_encoder *program, struct str name)
{
    for (uint32_t i = 0; i < program->output_count; i++)
        if (str_eq(program->outputs[i].name, name))
            return &program->outputs[i];
    return NULL;
}

/* Of two visible columns with one name the last wins, at the first one's place. */
static void add_outputs(struct json_encoder *program, const struct schema *s, struct arena *plan)
{
    program->outputs = arena_array(plan, struct json_output, s->count);
    for (uint32_t c = 0; c < s->count; c++) {
        const struct column *column = &s->columns[c];
        if (!column->visible)
            continue;
        struct json_output *o = output_named(program, column->name);
        if (!o) {
            o = &program->outputs[program->output_count++];
            o->name = column->name;
            o->label = make_label(column->name, plan);
        }
        o->type = column->type;
        o->column = c;
    }
    enum { ANY_NUMBER = 48, BRACES = 8 };
    program->fixed_bytes = BRACES + JSON_BLOCK;
    for (uint32_t i = 0; i < program->output_count; i++)
        program->fixed_bytes += program->outputs[i].label.len + JSON_BLOCK + ANY_NUMBER;
}

bool json_bind_encoder(struct encoder *e, struct arena *plan, struct error *err)
{
    (void)err;
    const struct schema *s = e->schema;
    struct json_encoder *program = arena_new(plan, struct json_encoder);
    add_outputs(program, s, plan);
    if (s->open) {
        struct json_level *touched = arena_new(plan, struct json_level);
        touched->members = arena_array(plan, struct json_member, program->output_count + s->hidden_count);
        for (uint32_t i = 0; i < program->output_count; i++)
            touched->members[touched->count++] = (struct json_member){.name = program->outputs[i].name, .slot = i};
        for (uint32_t i = 0; i < s->hidden_count; i++)
            if (!output_named(program, s->hidden[i]))
                touched->members[touched->count++] = (struct json_member){.name = s->hidden[i], .slot = JSON_NONE};
        json_level_sort(touched);
        program->touched = touched;
    }
    e->program = program;
    return true;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

enum { MOST_DIGITS = 20 };

/* The digits of u, at least `least` of them, at the end of digits[]; returns the first one. */
static char *print_digits(uint64_t u, unsigned least, char digits[MOST_DIGITS])
{
    char *end = digits + MOST_DIGITS, *p = end;
    while (u >= 100) {
        p -= 2;
        memcpy(p, str_digit_pairs + 2 * (u % 100), 2);
        u /= 100;
    }
    if (u >= 10) {
        p -= 2;
        memcpy(p, str_digit_pairs + 2 * u, 2);
    } else {
        *--p = (char)('0' + u);
    }
    while ((unsigned)(end - p) < least)
        *--p = '0';
    return p;
}

static char *put_decimal(char *to, int64_t coefficient, unsigned scale)
{
    char digits[MOST_DIGITS];
    uint64_t u = (uint64_t)coefficient;
    if (coefficient < 0) {
        *to++ = '-';
        u = -u;
    }
    const char *first = print_digits(u, scale + 1, digits);
    size_t whole = (size_t)(digits + MOST_DIGITS - first) - scale;
    to = json_copy(to, first, whole);
    if (scale > 0) {
        *to++ = '.';
        to = json_copy(to, first + whole, scale);
    }
    return to;
}

/* NaN and the infinities are numbers in Postgres, but not in JSON. Every other number ends with a digit. */
static char *put_number(char *to, struct value v)
{
    bool bare = (unsigned char)(v.ptr[v.len - 1] - '0') <= 9;
    if (!bare)
        *to++ = '"';
    to = json_copy(to, v.ptr, v.len);
    if (!bare)
        *to++ = '"';
    return to;
}

static bool breaks_line(struct str json)
{
    return memchr(json.data, '\n', json.len) != NULL;
}

void json_put_line(struct buffer *out, struct str json)
{
    if (!breaks_line(json)) {
        buffer_add_str(out, json);
        return;
    }
    char *to = buffer_reserve(out, json.len);
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.data[i];
        if (!in_string && json_is_space(c))
            continue;
        *to++ = c;
        if (c == '"')
            in_string = !in_string;
        else if (c == '\\' && i + 1 < json.len)
            *to++ = json.data[++i];
    }
    out->len = (size_t)(to - out->data);
}

/* What has no fast way. */
static void put_any(struct buffer *out, const struct encoder *e, const struct json_output *o, struct value v)
{
    if (v.kind == VALUE_JSON) {
        json_put_line(out, value_str(v));
    } else if (v.kind == VALUE_TEXT) {
        buffer_add_byte(out, '"');
        json_escape(out, value_str(v));
        buffer_add_byte(out, '"');
    } else {
        value_print_json(v, o->type, e->zone, out);
    }
}

/* Whether the value is one of those written here; they take ANY_NUMBER bytes or two more than their text has. */
static inline bool put_fast(char **at, struct value v)
{
    char *to = *at;
    switch ((enum value_kind)v.kind) {
    case VALUE_NULL:
        memcpy(to, "null", 4);
        to += 4;
        break;
    case VALUE_BOOL:
        memcpy(to, v.i ? "true" : "false", 5);
        to += v.i ? 4 : 5;
        break;
    case VALUE_INT:
        to = put_decimal(to, v.i, 0);
        break;
    case VALUE_DECIMAL:
        to = put_decimal(to, v.i, v.scale);
        break;
    case VALUE_NUMBER:
        to = put_number(to, v);
        break;
    case VALUE_TEXT:
        if (!(v.flags & (VALUE_JSON_SAFE | VALUE_ESCAPED)))
            return false;
        *to++ = '"';
        to = json_copy(to, v.ptr, v.len);
        *to++ = '"';
        break;
    case VALUE_JSON:
        if (breaks_line(value_str(v)))
            return false;
        to = json_copy(to, v.ptr, v.len);
        break;
    case VALUE_DOUBLE:
    case VALUE_REAL:
    case VALUE_BYTES:
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
    case VALUE_INTERVAL:
    case VALUE_UUID:
    case VALUE_ARRAY:
        return false;
    }
    *at = to;
    return true;
}

static size_t text_bytes(struct value v)
{
    return v.kind == VALUE_TEXT || v.kind == VALUE_NUMBER || v.kind == VALUE_JSON ? v.len : 0;
}

void json_put_value(struct buffer *out, const struct encoder *e, const struct json_output *o, struct value v)
{
    enum { ANY_FAST = 48 };
    char *to = buffer_reserve(out, ANY_FAST + text_bytes(v));
    if (put_fast(&to, v))
        out->len = (size_t)(to - out->data);
    else
        put_any(out, e, o, v);
}

/* ---- closed events ---------------------------------------------------------------------------------------------- */

static void encode_row(const struct encoder *e, const struct slice *in, uint32_t row, struct buffer *out)
{
    const struct json_encoder *program = e->program;
    size_t start = out->len, size = program->fixed_bytes;
    for (uint32_t i = 0; i < program->output_count; i++)
        size += text_bytes(in->columns[program->outputs[i].column][row]);
    char *to = buffer_reserve(out, size);
    for (uint32_t i = 0; i < program->output_count; i++) {
        const struct json_output *o = &program->outputs[i];
        struct value v = in->columns[o->column][row];
        to = json_copy_label(to, o->label);
        if (put_fast(&to, v))
            continue;
        out->len = (size_t)(to - out->data);
        put_any(out, e, o, v);
        to = buffer_reserve(out, size);
    }
    if (program->output_count == 0)
        *to++ = '{';
    out->data[start] = '{'; /* in place of the first label's comma */
    memcpy(to, "}\n", 2);
    out->len = (size_t)(to + 2 - out->data);
}

void json_encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                 struct buffer *out, uint32_t *row_end, struct rejections *r)
{
    (void)r;
    if (e->schema->open && in->raw) {
        json_merge_rows(e, in, rows, count, out, row_end);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        encode_row(e, in, rows[i], out);
        if (row_end)
            row_end[i] = (uint32_t)out->len;
    }
}
