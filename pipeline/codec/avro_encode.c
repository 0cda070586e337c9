#include <stdio.h>
#include <stdlib.h>

#include "pipeline/codec/avro.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/numeric.h"

/* How a field of the datum comes about. */
struct avro_output {
    struct str name;
    const struct avro_schema *schema;
    struct type from, to;
    uint32_t column; /* UINT32_MAX: `preset` for every row */
    struct str preset;
    bool cast;
};

struct avro_encoder {
    struct avro_output *outputs;
    uint32_t count;
    struct str header; /* before every datum */
};

/* ---- a schema from columns ----------------------------------------------------------------------------------------------- */

static bool print_type(const struct column *c, struct buffer *out, struct error *err)
{
    char name[48];
    switch (c->type.id) {
    case TYPE_BOOLEAN:
        buffer_add_str(out, STR("\"boolean\""));
        return true;
    case TYPE_SMALLINT:
    case TYPE_INTEGER:
        buffer_add_str(out, STR("\"int\""));
        return true;
    case TYPE_BIGINT:
        buffer_add_str(out, STR("\"long\""));
        return true;
    case TYPE_REAL:
        buffer_add_str(out, STR("\"float\""));
        return true;
    case TYPE_DOUBLE:
        buffer_add_str(out, STR("\"double\""));
        return true;
    case TYPE_UNKNOWN:
    case TYPE_TEXT:
    case TYPE_INTERVAL:
    case TYPE_JSONB:
    case TYPE_JSON:
        buffer_add_str(out, STR("\"string\""));
        return true;
    case TYPE_BYTEA:
        buffer_add_str(out, STR("\"bytes\""));
        return true;
    case TYPE_DATE:
        buffer_add_str(out, STR("{\"type\":\"int\",\"logicalType\":\"date\"}"));
        return true;
    case TYPE_TIMESTAMP:
        buffer_add_str(out, STR("{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}"));
        return true;
    case TYPE_TIMESTAMPTZ:
        buffer_add_str(out, STR("{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}"));
        return true;
    case TYPE_UUID:
        buffer_add_str(out, STR("{\"type\":\"string\",\"logicalType\":\"uuid\"}"));
        return true;
    case TYPE_NUMERIC:
        if (c->type.precision > 0 && c->type.scale >= 0) {
            buffer_printf(out, "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":%d,\"scale\":%d}", c->type.precision, c->type.scale);
            return true;
        }
        return error_set(err, ERROR_STOP,
                         "column \"" STR_FMT "\" is numeric without a precision, which Avro's decimal needs: cast it (::numeric(12,2), ::double precision), or "
                         "give avro.schema", STR_ARG(c->name));
    case TYPE_COUNT:
        break;
    }
    return error_set(err, ERROR_STOP, "column \"" STR_FMT "\" of type %s has no Avro type of its own: give avro.schema", STR_ARG(c->name), type_name(c->type, name));
}

static bool avro_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!((c | 32) >= 'a' && (c | 32) <= 'z') && c != '_' && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return s.len > 0;
}

/* Every field may be null. */
static bool print_schema(const struct schema *s, struct buffer *out, struct error *err)
{
    const char *comma = "";
    buffer_add_str(out, STR("{\"type\":\"record\",\"name\":\"event\",\"fields\":["));
    for (uint32_t c = 0; c < s->count; c++) {
        const struct column *column = &s->columns[c];
        if (!column->visible || schema_visible(s, column->name) != (int)c)
            continue;
        if (!avro_name(column->name))
            return error_set(err, ERROR_STOP, "\"" STR_FMT "\" cannot be the name of an Avro field: letters, digits and _ can; rename it with AS", STR_ARG(column->name));
        buffer_printf(out, "%s{\"name\":\"" STR_FMT "\",\"type\":[\"null\",", comma, STR_ARG(column->name));
        if (!print_type(column, out, err))
            return false;
        buffer_add_str(out, STR("],\"default\":null}"));
        comma = ",";
    }
    buffer_add_str(out, STR("]}"));
    return true;
}

/* ---- binding ------------------------------------------------------------------------------------------------------------- */

static bool bind_field(struct avro_output *o, const struct avro_field *f, const struct schema *s, struct arena *plan, struct error *err)
{
    int c = schema_visible(s, f->name);
    *o = (struct avro_output){.name = f->name, .schema = f->schema, .to = avro_schema_type(f->schema), .column = UINT32_MAX};
    if (c >= 0) {
        o->column = (uint32_t)c;
        o->from = s->columns[c].type;
        o->cast = o->from.id != o->to.id || o->to.id == TYPE_NUMERIC;
        return true;
    }
    struct buffer datum = {0};
    bool nullable;
    avro_schema_unwrap(f->schema, &nullable);
    struct str json = f->preset.len ? f->preset : STR("null");
    bool good = (f->preset.len || nullable) && avro_write_json(f->schema, json, &datum);
    o->preset = arena_str(plan, (struct str){datum.data, datum.len});
    buffer_release(&datum);
    return good || error_set(err, ERROR_STOP, "avro.schema has a field \"" STR_FMT "\" that the events have not: give it a default there, or select it", STR_ARG(f->name));
}

static bool bind_fields(struct avro_encoder *x, const struct avro_schema *record, const struct schema *s, struct arena *plan, struct error *err)
{
    if (record->kind != AVRO_KIND_RECORD)
        return error_set(err, ERROR_STOP, "avro.schema: an event is a record");
    for (uint32_t c = 0; c < s->count; c++)
        if (s->columns[c].visible && !avro_field_named(record, s->columns[c].name))
            return error_set(err, ERROR_STOP, "avro.schema has no field \"" STR_FMT "\"", STR_ARG(s->columns[c].name));
    x->outputs = arena_array(plan, struct avro_output, record->count);
    for (; x->count < record->count; x->count++)
        if (!bind_field(&x->outputs[x->count], &record->fields[x->count], s, plan, err))
            return false;
    return true;
}

static bool enrol(const struct encoder *e, struct str schema, uint32_t *id, struct error *err)
{
    const char *subject = e->options->avro_subject;
    if (!e->registry)
        return error_set(err, ERROR_STOP, "avro.framing = \"confluent\" needs avro.registry.url");
    if (!subject)
        return error_set(err, ERROR_STOP, "avro.registry.url needs avro.subject: the name to register the schema under, usually TOPIC-value");
    struct avro_registry *r = e->registry->open(e->options, err);
    bool ok = r && e->registry->enrol(r, subject, schema, id, err);
    if (r)
        e->registry->close(r);
    return ok;
}

static bool make_header(const struct encoder *e, struct avro_encoder *x, const struct avro_schema *schema, struct str text, struct arena *plan, struct error *err)
{
    struct buffer header = {0};
    uint32_t id;
    uint64_t fingerprint;
    bool ok = true;
    switch ((enum avro_framing)e->options->avro_framing) {
    case AVRO_CONFLUENT:
        ok = enrol(e, text, &id, err);
        if (ok) {
            buffer_add_byte(&header, 0);
            buffer_add_be32(&header, id);
        }
        break;
    case AVRO_SINGLE:
        fingerprint = avro_schema_fingerprint(schema);
        buffer_add_str(&header, STR("\xc3\x01"));
        buffer_add(&header, &fingerprint, sizeof(fingerprint));
        break;
    case AVRO_BARE:
        break;
    }
    x->header = arena_str(plan, (struct str){header.data, header.len});
    buffer_release(&header);
    return ok;
}

bool avro_bind_encoder(struct encoder *e, struct arena *plan, struct error *err)
{
    struct avro_encoder *x = arena_new(plan, struct avro_encoder);
    const struct avro_schema *schema;
    struct str text;
    if (e->schema->open)
        return error_set(err, ERROR_STOP, "format avro needs to know the members: list them in SELECT, or declare the source's columns");
    if (e->options->avro_schema) {
        schema = avro_schema_load(e->options->avro_schema, plan, &text, err);
    } else {
        struct buffer printed = {0};
        bool good = print_schema(e->schema, &printed, err);
        text = arena_str(plan, (struct str){printed.data, printed.len});
        buffer_release(&printed);
        schema = good ? avro_schema_parse(text, plan, err) : NULL;
    }
    e->program = x;
    return schema && bind_fields(x, schema, e->schema, plan, err) && make_header(e, x, schema, text, plan, err);
}

/* ---- encoding ------------------------------------------------------------------------------------------------------------ */

/* To the type of the field: what is text there is the value's text. */
static bool convert(const struct convert_context *cx, const struct avro_output *o, struct value *v, struct error *err)
{
    if (v->kind == VALUE_TEXT && (v->flags & VALUE_ESCAPED) && !value_unescape(cx->arena, v, err))
        return false;
    if (!o->cast)
        return true;
    if (o->to.id != TYPE_TEXT || v->kind == VALUE_TEXT)
        return value_cast(cx, *v, o->from, o->to, v, err);
    struct buffer text = {0};
    value_print(*v, o->from, cx->zone, &text);
    *v = value_text(arena_str(cx->arena, (struct str){text.data, text.len}));
    buffer_release(&text);
    return true;
}

static bool encode_field(const struct convert_context *cx, const struct avro_output *o, struct value v, struct buffer *out, struct error *err)
{
    if (o->column == UINT32_MAX) {
        buffer_add_str(out, o->preset);
        return true;
    }
    if (v.kind != VALUE_NULL && !convert(cx, o, &v, err))
        return false;
    char title[128];
    return avro_write_value(o->schema, v, out) ||
           error_set(err, ERROR_REJECT, v.kind == VALUE_NULL ? "%s cannot be null" : "the value does not fit %s", avro_schema_title(avro_schema_unwrap(o->schema, NULL), title));
}

static bool encode_row(const struct avro_encoder *x, const struct convert_context *cx, const struct slice *in, uint32_t row, struct buffer *out, const struct avro_output **field,
                       struct error *err)
{
    buffer_add_str(out, x->header);
    for (uint32_t i = 0; i < x->count; i++) {
        const struct avro_output *o = *field = &x->outputs[i];
        struct value v = o->column == UINT32_MAX || !in->columns[o->column] ? value_null() : in->columns[o->column][row];
        if (!encode_field(cx, o, v, out, err))
            return false;
    }
    return true;
}

void avro_encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count, struct buffer *out, uint32_t *row_end,
                 struct rejections *r)
{
    const struct avro_encoder *x = e->program;
    struct convert_context cx = {.arena = in->arena, .zone = e->zone, .now_us = INT64_MIN};
    for (uint32_t i = 0; i < count; i++) {
        struct error err = {.kind = ERROR_REJECT, .sqlstate = "22000"};
        const struct avro_output *field = NULL;
        size_t before = out->len;
        if (!encode_row(x, &cx, in, rows[i], out, &field, &err)) {
            out->len = before;
            struct rejection *rejection =
                reject_record(r, in->record[rows[i]], e->component, "encode", "field \"" STR_FMT "\": %s", STR_ARG(field->name), err.text);
            memcpy(rejection->sqlstate, *err.sqlstate ? err.sqlstate : "22000", sizeof(rejection->sqlstate));
        }
        if (row_end)
            row_end[i] = (uint32_t)out->len;
    }
}
