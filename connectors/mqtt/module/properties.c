#include "connectors/mqtt/module/properties.h"

#include "pipeline/base/base64.h"
#include "pipeline/event/convert.h"

/* A broker has checked that texts are UTF-8 (MQTT 5, 1.5.4); one that has not must not make us write invalid JSON. */
static void add_string(struct buffer *out, MQTTLenString s)
{
    struct str text = {s.data, (size_t)s.len};
    text.len = utf8_valid_prefix(text);
    buffer_add_byte(out, '"');
    json_escape(out, text);
    buffer_add_byte(out, '"');
}

static void add_name(struct buffer *out, const char *name)
{
    buffer_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", name);
}

static void add_property(struct buffer *out, const MQTTProperty *p, struct arena *scratch)
{
    switch (p->identifier) {
    case MQTTPROPERTY_CODE_CONTENT_TYPE:
        add_name(out, "content_type");
        add_string(out, p->value.data);
        break;
    case MQTTPROPERTY_CODE_RESPONSE_TOPIC:
        add_name(out, "response_topic");
        add_string(out, p->value.data);
        break;
    case MQTTPROPERTY_CODE_CORRELATION_DATA:
        add_name(out, "correlation_data");
        buffer_add_byte(out, '"');
        buffer_add_str(out, base64_encode((struct str){p->value.data.data, (size_t)p->value.data.len}, scratch));
        buffer_add_byte(out, '"');
        break;
    case MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL:
        add_name(out, "message_expiry");
        buffer_printf(out, "%u", p->value.integer4);
        break;
    case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
        add_name(out, "payload_format");
        buffer_printf(out, "%d", p->value.byte);
        break;
    default: /* the connection's business */
        break;
    }
}

void properties_to_json(const MQTTProperties *properties, struct buffer *out, struct arena *scratch)
{
    bool user = false;
    buffer_add_byte(out, '{');
    for (int i = 0; i < properties->count; i++)
        add_property(out, &properties->array[i], scratch);
    for (int i = 0; i < properties->count; i++) {
        const MQTTProperty *p = &properties->array[i];
        if (p->identifier != MQTTPROPERTY_CODE_USER_PROPERTY)
            continue;
        if (!user) {
            add_name(out, "user");
            buffer_add_byte(out, '{');
        } else {
            buffer_add_byte(out, ',');
        }
        user = true;
        add_string(out, p->value.data);
        buffer_add_byte(out, ':');
        add_string(out, p->value.value);
    }
    buffer_add(out, "}}", user ? 2 : 1);
}
