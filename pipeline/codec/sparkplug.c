#include "pipeline/codec/sparkplug.h"

#include <inttypes.h>
#include <stdio.h>

#include "pipeline/codec/sparkplug_value.h"

/* ---- topics and messages ------------------------------------------------------------------------------------------------- */

static bool level(struct str *rest, struct str *out)
{
    if (!rest->data)
        return false;
    const char *slash = rest->len ? memchr(rest->data, '/', rest->len) : NULL;
    size_t len = slash ? (size_t)(slash - rest->data) : rest->len;
    *out = (struct str){rest->data, len};
    *rest = slash ? (struct str){slash + 1, rest->len - len - 1} : (struct str){NULL, 0};
    return true;
}

bool sparkplug_topic_parse(struct str topic, struct sparkplug_topic *out)
{
    struct str rest = topic;
    *out = (struct sparkplug_topic){0};
    if (!level(&rest, &out->space) || !level(&rest, &out->group) || !level(&rest, &out->type) || !rest.data)
        return false;
    out->owner = rest;
    level(&rest, &out->node);
    level(&rest, &out->device);
    return !rest.data;
}

struct str sparkplug_topic_of(const struct batch *b, uint32_t record)
{
    if (b->meta.topic && b->meta.topic[record].kind == VALUE_TEXT)
        return value_str(b->meta.topic[record]);
    const char *topic = batch_record_partition(b, record)->topic;
    return topic ? str_of(topic) : STR("");
}

static void *allocate(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void leave(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

Sparkplug__Payload *sparkplug_unpack(struct str bytes, struct arena *a)
{
    ProtobufCAllocator allocator = {allocate, leave, a};
    return sparkplug__payload__unpack(&allocator, bytes.len, (const uint8_t *)bytes.data);
}

Sparkplug__Template *sparkplug_unpack_template(ProtobufCBinaryData bytes, struct arena *a)
{
    ProtobufCAllocator allocator = {allocate, leave, a};
    return sparkplug__template__unpack(&allocator, bytes.len, bytes.data);
}

/* ---- events -------------------------------------------------------------------------------------------------------------- */

struct printer {
    struct sparkplug_printer to;
    struct arena *arena;
    const struct sparkplug_birth *birth;
    uint32_t depth;
};

static bool put_element(struct printer *p, const Sparkplug__DataSetValue *e, uint32_t datatype)
{
    switch (e->value_case) {
    case SPARKPLUG__DATA_SET_VALUE__VALUE_INT_VALUE:
        return sparkplug_put_integer(&p->to, e->int_value, false, datatype);
    case SPARKPLUG__DATA_SET_VALUE__VALUE_LONG_VALUE:
        return sparkplug_put_integer(&p->to, e->long_value, true, datatype);
    case SPARKPLUG__DATA_SET_VALUE__VALUE_FLOAT_VALUE:
        return sparkplug_put_float(&p->to, e->float_value);
    case SPARKPLUG__DATA_SET_VALUE__VALUE_DOUBLE_VALUE:
        return sparkplug_put_double(&p->to, e->double_value);
    case SPARKPLUG__DATA_SET_VALUE__VALUE_BOOLEAN_VALUE:
        return sparkplug_put_boolean(&p->to, e->boolean_value);
    case SPARKPLUG__DATA_SET_VALUE__VALUE_STRING_VALUE:
        return sparkplug_put_text(&p->to, str_of(e->string_value));
    default:
        return sparkplug_put_null(&p->to);
    }
}

/* A list of objects, one per row. */
static bool put_data_set(struct printer *p, const Sparkplug__DataSet *s)
{
    buffer_add_byte(p->to.out, '[');
    for (size_t r = 0; r < s->n_rows; r++) {
        const Sparkplug__Row *row = s->rows[r];
        if (row->n_elements != s->n_columns || s->n_types != s->n_columns)
            return sparkplug_fail(&p->to, "a row of a data set has not as many elements as there are columns and types");
        buffer_add_str(p->to.out, r ? STR(",{") : STR("{"));
        for (size_t c = 0; c < s->n_columns; c++) {
            if (c)
                buffer_add_byte(p->to.out, ',');
            if (!sparkplug_put_text(&p->to, str_of(s->columns[c])))
                return false;
            buffer_add_byte(p->to.out, ':');
            if (!put_element(p, row->elements[c], s->types[c]))
                return false;
        }
        buffer_add_byte(p->to.out, '}');
    }
    buffer_add_byte(p->to.out, ']');
    return true;
}

static bool put_metrics(struct printer *p, Sparkplug__Metric **metrics, size_t count);

static bool put_template(struct printer *p, ProtobufCBinaryData bytes)
{
    if (p->depth == 0)
        return sparkplug_fail(&p->to, "nested too deeply (json.max_depth)");
    const Sparkplug__Template *t = sparkplug_unpack_template(bytes, p->arena);
    if (!t)
        return sparkplug_fail(&p->to, "a template that is none");
    p->depth--;
    bool good = put_metrics(p, t->metrics, t->n_metrics);
    p->depth++;
    return good;
}

/* An integer may be signed, bytes may be an array. */
static bool needs_datatype(const Sparkplug__Metric *m)
{
    return m->value_case == SPARKPLUG__METRIC__VALUE_INT_VALUE || m->value_case == SPARKPLUG__METRIC__VALUE_LONG_VALUE ||
           m->value_case == SPARKPLUG__METRIC__VALUE_BYTES_VALUE;
}

static bool put_metric_value(struct printer *p, const Sparkplug__Metric *m, uint32_t datatype)
{
    if (m->has_is_null && m->is_null)
        return sparkplug_put_null(&p->to);
    switch (m->value_case) {
    case SPARKPLUG__METRIC__VALUE_INT_VALUE:
        return sparkplug_put_integer(&p->to, m->int_value, false, datatype);
    case SPARKPLUG__METRIC__VALUE_LONG_VALUE:
        return sparkplug_put_integer(&p->to, m->long_value, true, datatype);
    case SPARKPLUG__METRIC__VALUE_FLOAT_VALUE:
        return sparkplug_put_float(&p->to, m->float_value);
    case SPARKPLUG__METRIC__VALUE_DOUBLE_VALUE:
        return sparkplug_put_double(&p->to, m->double_value);
    case SPARKPLUG__METRIC__VALUE_BOOLEAN_VALUE:
        return sparkplug_put_boolean(&p->to, m->boolean_value);
    case SPARKPLUG__METRIC__VALUE_STRING_VALUE:
        return sparkplug_put_text(&p->to, str_of(m->string_value));
    case SPARKPLUG__METRIC__VALUE_BYTES_VALUE:
        return sparkplug_put_bytes(&p->to, (struct str){(const char *)m->bytes_value.data, m->bytes_value.len}, datatype);
    case SPARKPLUG__METRIC__VALUE_DATASET_VALUE:
        return put_data_set(p, m->dataset_value);
    case SPARKPLUG__METRIC__VALUE_TEMPLATE_VALUE:
        return put_template(p, m->template_value);
    default:
        return sparkplug_put_null(&p->to);
    }
}

static bool put_metric(struct printer *p, const Sparkplug__Metric *m)
{
    struct str name = m->name ? str_of(m->name) : STR("");
    const struct sparkplug_defined *d = m->name ? sparkplug_find_name(p->birth, name) : m->has_alias ? sparkplug_find_alias(p->birth, m->alias) : NULL;
    uint32_t datatype = m->has_datatype ? m->datatype : d ? d->datatype : 0;
    if (!m->name && !m->has_alias)
        return sparkplug_fail(&p->to, "a metric without name and alias");
    if (!m->name && !d) {
        snprintf(p->to.fault->text, sizeof(p->to.fault->text),
                 "alias %" PRIu64 " is in no birth certificate seen since the start: the edge node must be told to send it again (Node Control/Rebirth)", m->alias);
        return false;
    }
    if (datatype == 0 && needs_datatype(m)) {
        snprintf(p->to.fault->text, sizeof(p->to.fault->text),
                 "metric \"%.100s\" has no data type, and no birth certificate seen since the start gives it one: the edge node must be told to send it again (Node Control/Rebirth)",
                 m->name ? m->name : "");
        return false;
    }
    if (!sparkplug_put_text(&p->to, m->name ? name : d->name))
        return false;
    buffer_add_byte(p->to.out, ':');
    return put_metric_value(p, m, datatype);
}

static bool put_metrics(struct printer *p, Sparkplug__Metric **metrics, size_t count)
{
    buffer_add_byte(p->to.out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_add_byte(p->to.out, ',');
        if (!put_metric(p, metrics[i]))
            return false;
    }
    buffer_add_byte(p->to.out, '}');
    return true;
}

static bool put_level(struct printer *p, const char *label, struct str s)
{
    buffer_add_str(p->to.out, str_of(label));
    return s.data ? sparkplug_put_text(&p->to, s) : sparkplug_put_null(&p->to);
}

static bool put_topic(struct printer *p, struct str topic)
{
    struct sparkplug_topic t;
    if (topic.len == 0)
        return true;
    if (!sparkplug_topic_parse(topic, &t)) {
        snprintf(p->to.fault->text, sizeof(p->to.fault->text),
                 "\"" STR_FMT "\" is no topic of an edge node or device, NAMESPACE/GROUP/TYPE/NODE[/DEVICE]: subscribe to those only, such as spBv1.0/+/NDATA/#",
                 (int)(topic.len < 100 ? topic.len : 100), topic.data);
        return false;
    }
    return put_level(p, "\"namespace\":", t.space) && put_level(p, ",\"group_id\":", t.group) && put_level(p, ",\"message_type\":", t.type) &&
           put_level(p, ",\"edge_node_id\":", t.node) && put_level(p, ",\"device_id\":", t.device) && (buffer_add_byte(p->to.out, ','), true);
}

static bool print(const struct decoder *d, const struct batch *b, uint32_t record, uint32_t depth, struct arena *a, struct buffer *out, struct via_json_fault *fault)
{
    (void)d;
    struct printer p = {.to = {out, fault}, .arena = a, .birth = sparkplug_birth_of(b, record), .depth = depth > 2 ? depth - 2 : 0};
    buffer_add_byte(out, '{');
    if (!put_topic(&p, sparkplug_topic_of(b, record)))
        return false;
    const Sparkplug__Payload *payload = sparkplug_unpack(batch_record_bytes(b, record), a);
    if (!payload)
        return sparkplug_fail(&p.to, "it is no protobuf message of Sparkplug B");
    buffer_add_str(out, STR("\"timestamp\":"));
    if (!payload->has_timestamp)
        buffer_add_str(out, STR("null"));
    else if (!sparkplug_put_time(&p.to, payload->timestamp))
        return false;
    if (payload->has_seq)
        buffer_printf(out, ",\"seq\":%" PRIu64 ",\"metrics\":", payload->seq);
    else
        buffer_add_str(out, STR(",\"seq\":null,\"metrics\":"));
    if (!put_metrics(&p, payload->metrics, payload->n_metrics))
        return false;
    buffer_add_byte(out, '}');
    return true;
}

/* ---- the format ---------------------------------------------------------------------------------------------------------- */

struct program {
    const void *json;
    struct sparkplug_births *births;
};

static bool bind_decoder(struct decoder *d, struct arena *plan, struct error *err)
{
    struct program *x = arena_new(plan, struct program);
    x->json = via_json_bind(d, plan, err);
    x->births = sparkplug_births_new(plan);
    d->program = x;
    return x->json != NULL;
}

static bool prepare(const struct decoder *d, struct batch *b, struct error *err)
{
    (void)err;
    const struct program *x = d->program;
    sparkplug_births_learn(x->births, b);
    return true;
}

static void decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out, struct rejections *r)
{
    const struct program *x = d->program;
    via_json_decode(d, x->json, print, b, first, count, out, r);
}

static bool bind_encoder(struct encoder *e, struct arena *plan, struct error *err)
{
    (void)e;
    (void)plan;
    return error_set(err, ERROR_STOP, "format sparkplug can only be read: write json or cbor");
}

const struct format format_sparkplug = {
    .name = "sparkplug",
    .summary = "Sparkplug B (Eclipse Sparkplug 3.0), read from MQTT: timestamp, seq, metrics.\"NAME\", and namespace, group_id, message_type, edge_node_id, device_id of the topic. "
               "Aliases and data types are those of the last birth certificate seen since the start; a message that needs one that is not there is rejected. DateTime is ISO "
               "8601 text, bytes are hex text, an array is a list, a data set a list of objects, a template an object of its metrics; of several values of one metric in a message the last counts.",
    .extension = ".spb",
    .media_type = "application/x-protobuf",
    .source_schema = via_json_source_schema,
    .bind_decoder = bind_decoder,
    .prepare = prepare,
    .decode = decode,
    .bind_encoder = bind_encoder,
};
