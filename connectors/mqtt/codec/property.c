#include "connectors/mqtt/codec/property.h"

#include "pipeline/event/convert.h"

static struct mqtt_fault malformed(const char *why)
{
    return (struct mqtt_fault){MQTT_MALFORMED, why};
}

static struct mqtt_fault broken(const char *why)
{
    return (struct mqtt_fault){MQTT_PROTOCOL_ERROR, why};
}

uint32_t mqtt_take_varint(struct mqtt_cursor *c)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = mqtt_take8(c);
        v |= (uint32_t)(byte & 127) << 7 * i;
        if (!(byte & 128))
            return v;
    }
    c->missing = true;
    return 0;
}

bool mqtt_text_is_good(struct str s)
{
    return s.len == 0 || (!memchr(s.data, 0, s.len) && utf8_valid_prefix(s) == s.len);
}

/* ---- what there is
 * --------------------------------------------------------------------------------------------------------- */

enum {
    PAYLOAD_FORMAT = 0x01,
    MESSAGE_EXPIRY = 0x02,
    CONTENT_TYPE = 0x03,
    RESPONSE_TOPIC = 0x08,
    CORRELATION_DATA = 0x09,
    SUBSCRIPTION_ID = 0x0b,
    SESSION_EXPIRY = 0x11,
    AUTH_METHOD = 0x15,
    AUTH_DATA = 0x16,
    REQUEST_PROBLEM = 0x17,
    WILL_DELAY = 0x18,
    REQUEST_RESPONSE = 0x19,
    REASON_STRING = 0x1f,
    RECEIVE_MAXIMUM = 0x21,
    TOPIC_ALIAS_MAXIMUM = 0x22,
    TOPIC_ALIAS = 0x23,
    USER_PROPERTY = 0x26,
    MAXIMUM_PACKET_SIZE = 0x27,
    PROPERTY_IDS
};

enum property_type { NO_PROPERTY, ONE_BYTE, TWO_BYTES, FOUR_BYTES, VARINT, TEXT, BINARY, TEXT_PAIR };

enum { EVERYWHERE = 127 };

static const struct {
    uint8_t type, places;
} properties[PROPERTY_IDS] = {
    [PAYLOAD_FORMAT] = {ONE_BYTE, PLACE_PUBLISH | PLACE_WILL},
    [MESSAGE_EXPIRY] = {FOUR_BYTES, PLACE_PUBLISH | PLACE_WILL},
    [CONTENT_TYPE] = {TEXT, PLACE_PUBLISH | PLACE_WILL},
    [RESPONSE_TOPIC] = {TEXT, PLACE_PUBLISH | PLACE_WILL},
    [CORRELATION_DATA] = {BINARY, PLACE_PUBLISH | PLACE_WILL},
    [SUBSCRIPTION_ID] = {VARINT, PLACE_SUBSCRIBE},
    [SESSION_EXPIRY] = {FOUR_BYTES, PLACE_CONNECT | PLACE_DISCONNECT},
    [AUTH_METHOD] = {TEXT, PLACE_CONNECT},
    [AUTH_DATA] = {BINARY, PLACE_CONNECT},
    [REQUEST_PROBLEM] = {ONE_BYTE, PLACE_CONNECT},
    [WILL_DELAY] = {FOUR_BYTES, PLACE_WILL},
    [REQUEST_RESPONSE] = {ONE_BYTE, PLACE_CONNECT},
    [REASON_STRING] = {TEXT, PLACE_ACK | PLACE_DISCONNECT},
    [RECEIVE_MAXIMUM] = {TWO_BYTES, PLACE_CONNECT},
    [TOPIC_ALIAS_MAXIMUM] = {TWO_BYTES, PLACE_CONNECT},
    [TOPIC_ALIAS] = {TWO_BYTES, PLACE_PUBLISH},
    [USER_PROPERTY] = {TEXT_PAIR, EVERYWHERE},
    [MAXIMUM_PACKET_SIZE] = {FOUR_BYTES, PLACE_CONNECT},
};

struct property {
    uint8_t id;
    uint32_t number;
    struct str name, text; /* name: of a user property */
    bool text_is_bad;
};

static uint32_t take32(struct mqtt_cursor *c)
{
    uint32_t high = mqtt_take16(c);
    return high << 16 | mqtt_take16(c);
}

static void take_value(struct mqtt_cursor *c, struct property *p)
{
    switch ((enum property_type)properties[p->id].type) {
    case ONE_BYTE:
        p->number = mqtt_take8(c);
        return;
    case TWO_BYTES:
        p->number = mqtt_take16(c);
        return;
    case FOUR_BYTES:
        p->number = take32(c);
        return;
    case VARINT:
        p->number = mqtt_take_varint(c);
        return;
    case TEXT_PAIR:
        p->name = mqtt_take_string(c);
        p->text_is_bad = !mqtt_text_is_good(p->name);
        p->text = mqtt_take_string(c);
        p->text_is_bad |= !mqtt_text_is_good(p->text);
        return;
    case TEXT:
        p->text = mqtt_take_string(c);
        p->text_is_bad = !mqtt_text_is_good(p->text);
        return;
    case BINARY:
        p->text = mqtt_take_string(c);
        return;
    case NO_PROPERTY:
        break;
    }
    c->missing = true;
}

/* False where the identifier means nothing here. */
static bool take_property(struct mqtt_cursor *c, enum mqtt_property_place place, struct property *p)
{
    *p = (struct property){.id = mqtt_take8(c)}; /* a varint, but all identifiers are below 128 */
    if (p->id >= PROPERTY_IDS || !(properties[p->id].places & place))
        return false;
    take_value(c, p);
    return true;
}

/* ---- checking
 * -------------------------------------------------------------------------------------------------------------- */

static struct mqtt_fault note(const struct property *p, struct mqtt_properties *out)
{
    switch (p->id) {
    case SESSION_EXPIRY:
        out->session_expiry = p->number;
        out->has_session_expiry = true;
        break;
    case RECEIVE_MAXIMUM:
        out->receive_maximum = (uint16_t)p->number;
        return p->number ? (struct mqtt_fault){0} : broken("the receive maximum is 0");
    case MAXIMUM_PACKET_SIZE:
        out->maximum_packet_size = p->number;
        return p->number ? (struct mqtt_fault){0} : broken("the maximum packet size is 0");
    case TOPIC_ALIAS:
        out->topic_alias = (uint16_t)p->number;
        out->has_topic_alias = true;
        break;
    case AUTH_METHOD:
        out->has_auth_method = true;
        break;
    case PAYLOAD_FORMAT:
        out->has_shown = true;
        return p->number <= 1 ? (struct mqtt_fault){0} : broken("the payload format indicator is neither 0 nor 1");
    case REQUEST_PROBLEM:
    case REQUEST_RESPONSE:
        return p->number <= 1 ? (struct mqtt_fault){0} : broken("a request for information is neither 0 nor 1");
    case RESPONSE_TOPIC:
        if (mqtt_topic_fault(p->text))
            return broken("the response topic is no topic");
        out->has_shown = true;
        break;
    case CONTENT_TYPE:
    case CORRELATION_DATA:
    case MESSAGE_EXPIRY:
    case USER_PROPERTY:
        out->has_shown = true;
        break;
    case SUBSCRIPTION_ID:
        return p->number ? (struct mqtt_fault){0} : broken("the subscription identifier is 0");
    default:
        break;
    }
    return (struct mqtt_fault){0};
}

struct mqtt_fault mqtt_take_properties(struct mqtt_cursor *c, enum mqtt_property_place place,
                                       struct mqtt_properties *out)
{
    *out = (struct mqtt_properties){.receive_maximum = UINT16_MAX, .maximum_packet_size = UINT32_MAX};
    uint32_t len = mqtt_take_varint(c);
    out->raw = mqtt_take_bytes(c, len);
    if (c->missing)
        return malformed("the properties are longer than the packet");
    struct mqtt_cursor in = {(const uint8_t *)out->raw.data, (const uint8_t *)out->raw.data + len, false};
    uint64_t seen = 0;
    while (in.at < in.end) {
        struct property p;
        if (!take_property(&in, place, &p))
            return malformed("a property does not belong into this packet");
        if (in.missing)
            return malformed("a property is longer than the properties");
        if (p.text_is_bad)
            return malformed("a property's text is not UTF-8");
        if (seen >> p.id & 1 && p.id != USER_PROPERTY)
            return broken("a property is there twice");
        seen |= UINT64_C(1) << p.id;
        struct mqtt_fault fault = note(&p, out);
        if (fault.why)
            return fault;
    }
    if (seen >> AUTH_DATA & 1 && !(seen >> AUTH_METHOD & 1))
        return broken("authentication data without a method");
    return (struct mqtt_fault){0};
}

/* ---- as JSON
 * --------------------------------------------------------------------------------------------------------------- */

static void add_json_text(struct buffer *out, struct str s)
{
    static const char hex[] = "0123456789abcdef";
    buffer_add_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.data[i];
        if (ch == '"' || ch == '\\') {
            buffer_add_byte(out, '\\');
            buffer_add_byte(out, (char)ch);
        } else if (ch < 0x20) {
            const char escape[6] = {'\\', 'u', '0', '0', hex[ch >> 4], hex[ch & 15]};
            buffer_add(out, escape, sizeof(escape));
        } else {
            buffer_add_byte(out, (char)ch);
        }
    }
    buffer_add_byte(out, '"');
}

static void add_base64(struct buffer *out, struct str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buffer_add_byte(out, '"');
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < n ? (unsigned char)s.data[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buffer_add_byte(out, k <= n ? digits[v >> (18 - 6 * k) & 63] : '=');
    }
    buffer_add_byte(out, '"');
}

static void add_member(struct buffer *out, bool *first, struct str name)
{
    if (!*first)
        buffer_add_byte(out, ',');
    *first = false;
    add_json_text(out, name);
    buffer_add_byte(out, ':');
}

static void add_user_properties(struct mqtt_cursor in, struct buffer *out, bool *first)
{
    bool none = true;
    struct property p;
    while (in.at < in.end && take_property(&in, PLACE_PUBLISH | PLACE_WILL, &p)) {
        if (p.id != USER_PROPERTY)
            continue;
        if (none) {
            add_member(out, first, STR("user"));
            buffer_add_byte(out, '{');
        } else {
            buffer_add_byte(out, ',');
        }
        none = false;
        add_json_text(out, p.name);
        buffer_add_byte(out, ':');
        add_json_text(out, p.text);
    }
    if (!none)
        buffer_add_byte(out, '}');
}

void mqtt_properties_json(struct str raw, struct buffer *out)
{
    struct mqtt_cursor in = {(const uint8_t *)raw.data, (const uint8_t *)raw.data + raw.len, false};
    bool first = true;
    struct property p;
    buffer_add_byte(out, '{');
    for (struct mqtt_cursor c = in; c.at < c.end && take_property(&c, PLACE_PUBLISH | PLACE_WILL, &p);) {
        if (p.id == CONTENT_TYPE || p.id == RESPONSE_TOPIC) {
            add_member(out, &first, p.id == CONTENT_TYPE ? STR("content_type") : STR("response_topic"));
            add_json_text(out, p.text);
        } else if (p.id == CORRELATION_DATA) {
            add_member(out, &first, STR("correlation_data"));
            add_base64(out, p.text);
        } else if (p.id == MESSAGE_EXPIRY) {
            add_member(out, &first, STR("message_expiry"));
            buffer_printf(out, "%u", p.number);
        } else if (p.id == PAYLOAD_FORMAT) {
            add_member(out, &first, STR("payload_format"));
            buffer_printf(out, "%u", p.number);
        }
    }
    add_user_properties(in, out, &first);
    buffer_add_byte(out, '}');
}
