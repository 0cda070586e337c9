#include "connectors/mqtt/publish/message.h"

#include "connectors/mqtt/topic.h"
#include "pipeline/engine/formatted.h"
#include "pipeline/sql/sql.h"

enum { LONGEST_TEXT = 65535, LONGEST_PAYLOAD = 268435455 - 3 * 65536 /* what a packet holds, less all the rest */ };

/* What a binding compiles to. */
struct program {
    struct encoder *encoder;
    struct sql_template *topic;
    struct sql_template **properties;
    uint32_t property_count;
};

static struct sql_template *compile(struct binding *b, const char *text, enum template_use use, struct error *err)
{
    struct sql_options options = {.source_name = b->source_name, .zone = b->zone, .component = b->component_index};
    struct sql_error problem;
    struct sql_template *t = sql_compile_template(str_of(text), use, b->schema, &options, b->arena, &problem);
    if (t)
        return t;
    *err = problem.error;
    error_wrap(err, "template \"%s\"", text);
    return NULL;
}

bool mqtt_message_bind(struct sink *s, struct binding *b, struct error *err)
{
    const struct mqtt_sink_options *o = s->component->options;
    struct program *p = arena_new(b->arena, struct program);
    *p = (struct program){
        .encoder = formatted_encoder(s, b, err),
        .properties = arena_array(b->arena, struct sql_template *, o->properties.count + 1),
        .property_count = o->properties.count,
    };
    if (!p->encoder || !(p->topic = compile(b, o->topic, TEMPLATE_TOPIC, err)))
        return false;
    for (uint32_t i = 0; i < p->property_count; i++)
        if (!(p->properties[i] = compile(b, o->properties.items[i].value, TEMPLATE_TEXT, err)))
            return false;
    b->program = p;
    return true;
}

/* ---- workers -------------------------------------------------------------------------------------------------------
 */

static struct str *evaluate(const struct sql_template *t, const struct slice *in, const uint32_t *rows, uint32_t count,
                            struct tools *tools, struct rejections *r)
{
    struct str *out = arena_array(tools->arena, struct str, in->rows);
    memset(out, 0, in->rows * sizeof *out);
    sql_eval_template(t, in, rows, count, out, r);
    return out;
}

static bool refuse(const struct binding *b, uint32_t record, struct rejections *r, const char *what, const char *why)
{
    memcpy(reject_record(r, record, b->component_index, "encode", "%s: %s", what, why)->sqlstate, "22023", 6);
    return false;
}

/* The line's end that formats put behind a record is no part of a message. */
static void strip_line_end(const struct format *format, struct buffer *out, size_t from)
{
    if (!format->frame) /* raw bytes and binary formats put none there */
        return;
    if (out->len > from && out->data[out->len - 1] == '\n')
        out->len--;
    if (out->len > from && out->data[out->len - 1] == '\r')
        out->len--;
}

static bool add_properties(const struct binding *b, const struct program *p, struct str *const *properties,
                           uint32_t row, uint32_t record, struct buffer *out, struct rejections *r)
{
    size_t start = out->len;
    for (uint32_t i = 0; i < p->property_count; i++) {
        struct str value = properties[i][row];
        if (!value.data)
            return false; /* rejected by the template */
        if (value.len > LONGEST_TEXT || memchr(value.data, '\0', value.len))
            return refuse(b, record, r, "a user property", "it is longer than 65535 bytes, or has a NUL in it");
        buffer_add_be16(out, (uint16_t)value.len);
        buffer_add_str(out, value);
    }
    return out->len - start <= LONGEST_TEXT ||
           refuse(b, record, r, "user properties", "they are longer than 65535 bytes");
}

/* false: the row is rejected; what was added is taken back by the caller. */
static bool add_message(const struct binding *b, const struct slice *in, uint32_t row, struct str topic,
                        struct str *const *properties, struct buffer *out, struct rejections *r)
{
    const struct program *p = b->program;
    uint32_t record = in->record[row], rejected = r->count;
    if (!topic.data)
        return false; /* rejected by the template */
    const char *wrong = mqtt_topic_problem(topic);
    if (wrong)
        return refuse(b, record, r, "the topic", wrong);
    size_t head = out->len;
    buffer_reserve(out, sizeof(struct message_head));
    out->len += sizeof(struct message_head);
    buffer_add_str(out, topic);
    buffer_add_byte(out, '\0');
    size_t payload = out->len;
    p->encoder->format->encode(p->encoder, in, &row, 1, out, NULL, r);
    if (r->count > rejected)
        return false;
    strip_line_end(p->encoder->format, out, payload);
    if (out->len - payload > LONGEST_PAYLOAD)
        return refuse(b, record, r, "the message", "it is longer than MQTT allows (256 MiB)");
    size_t values = out->len;
    if (!add_properties(b, p, properties, row, record, out, r))
        return false;
    struct message_head h = {
        .record = record,
        .payload = (uint32_t)(values - payload),
        .topic = (uint16_t)topic.len,
        .properties = (uint16_t)(out->len - values),
    };
    memcpy(out->data + head, &h, sizeof h);
    return true;
}

void mqtt_message_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                         struct tools *tools, struct output *out, struct rejections *r)
{
    const struct program *p = b->program;
    struct str *topics = evaluate(p->topic, in, rows, count, tools, r);
    struct str **properties = arena_array(tools->arena, struct str *, p->property_count + 1);
    for (uint32_t i = 0; i < p->property_count; i++)
        properties[i] = evaluate(p->properties[i], in, rows, count, tools, r);
    struct piece *piece = output_piece(out, STR(""));
    for (uint32_t i = 0; i < count; i++) {
        size_t start = piece->bytes.len;
        if (add_message(b, in, rows[i], topics[rows[i]], properties, &piece->bytes, r))
            piece->rows++;
        else
            piece->bytes.len = start;
    }
}

/* ---- the sink's thread ---------------------------------------------------------------------------------------------
 */

bool mqtt_message_next(const struct piece *p, size_t *at, struct message *out)
{
    if (*at == p->bytes.len)
        return false;
    struct message_head h;
    const char *from = p->bytes.data + *at;
    memcpy(&h, from, sizeof h);
    out->record = h.record;
    out->topic = (struct str){from + sizeof h, h.topic};
    out->payload = (struct str){out->topic.data + h.topic + 1, h.payload};
    out->properties = (struct str){out->payload.data + h.payload, h.properties};
    *at += sizeof h + h.topic + 1 + h.payload + h.properties;
    return true;
}

struct str mqtt_message_property(struct str *properties)
{
    size_t len = (size_t)(unsigned char)properties->data[0] << 8 | (unsigned char)properties->data[1];
    struct str value = {properties->data + 2, len};
    properties->data += 2 + len;
    properties->len -= 2 + len;
    return value;
}
