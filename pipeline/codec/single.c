#include "pipeline/codec/single.h"

bool single_source_schema(struct schema *s, struct str name, enum type_id type, const char *format, struct error *err)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct column *c = &s->columns[i];
        if (!str_eq(c->name, name) || c->type.id != type || c->type.precision >= 0)
            return error_set(err, ERROR_STOP,
                             "the %s format has one member, " STR_FMT " of type %s: cast it in a query", format,
                             STR_ARG(name), type_id_name(type));
    }
    s->open = false;
    if (s->count == 0)
        schema_add(s, (struct column){
                          .name = name,
                          .type = TYPE(type),
                          .visible = true,
                          .origin = COLUMN_MEMBER,
                          .path = {&name, 1},
                      });
    source_schema_requests(s, type);
    return true;
}

/* The program is the index of the schema's column. */
bool single_bind_decoder(struct decoder *d, struct str name, struct arena *plan)
{
    uint32_t *column = arena_new(plan, uint32_t);
    int found = schema_visible(d->schema, name);
    assert(found >= 0);
    *column = (uint32_t)found;
    d->program = column;
    return true;
}

static bool text_valid(const struct decoder *d, uint32_t record, struct str text, struct rejections *r)
{
    size_t valid = utf8_valid_prefix(text);
    if (valid == text.len)
        return true;
    unsigned char bad = (unsigned char)text.data[valid];
    struct rejection *added =
        reject_record(r, record, d->component, "decode", "invalid byte sequence for encoding \"UTF8\": 0x%02x", bad);
    added->offset = (uint32_t)valid;
    memcpy(added->sqlstate, "22021", sizeof("22021"));
    return false;
}

void single_decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                   struct rejections *r)
{
    uint32_t column = *(const uint32_t *)d->program;
    bool is_text = d->schema->columns[column].type.id == TYPE_TEXT;
    struct value *values = arena_array(out->arena, struct value, count);
    uint32_t *record = arena_array(out->arena, uint32_t, count), *sel = arena_array(out->arena, uint32_t, count);
    uint32_t selected = 0;
    for (uint32_t row = 0; row < count; row++) {
        struct str bytes = batch_record_bytes(b, first + row);
        record[row] = first + row;
        if (decoder_fault(d, b, first + row, r) || (is_text && !text_valid(d, first + row, bytes, r)))
            continue;
        values[row] = value_text(bytes);
        values[row].kind = is_text ? VALUE_TEXT : VALUE_BYTES;
        sel[selected++] = row;
    }
    out->column_count = d->schema->count;
    out->columns = arena_array(out->arena, struct value *, d->schema->count);
    memset(out->columns, 0, d->schema->count * sizeof(out->columns[0]));
    out->columns[column] = values;
    out->rows = count;
    out->record = record;
    out->sel = sel;
    out->selected = selected;
    out->raw = NULL;
}

bool single_bind_encoder(struct encoder *e, const char *format, struct arena *plan, struct error *err)
{
    uint32_t *column = arena_new(plan, uint32_t), visible = 0;
    for (uint32_t i = 0; i < e->schema->count; i++)
        if (e->schema->columns[i].visible) {
            *column = i;
            visible++;
        }
    if (e->schema->open || visible != 1)
        return error_set(err, ERROR_STOP,
                         "the %s format writes one column and nothing else: make the input a query with exactly one, "
                         "such as SELECT a || ' ' || b AS line",
                         format);
    e->program = column;
    return true;
}

void single_encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                   struct buffer *out, uint32_t *row_end, struct rejections *r, single_encode_row *encode_row)
{
    uint32_t column = *(const uint32_t *)e->program;
    struct type type = e->schema->columns[column].type;
    for (uint32_t i = 0; i < count; i++) {
        struct value v = in->columns[column][rows[i]];
        size_t start = out->len;
        struct error err = {0};
        if (!value_unescape(in->arena, &v, &err) || !encode_row(e, v, type, out, &err)) {
            out->len = start;
            struct rejection *bad = reject_record(r, in->record[rows[i]], e->component, "encode", "%s", err.text);
            memcpy(bad->sqlstate, err.sqlstate, sizeof(bad->sqlstate));
        }
        if (row_end)
            row_end[i] = (uint32_t)out->len;
    }
}
