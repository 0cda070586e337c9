#include "connectors/mqtt/codec/packet.h"

#include "connectors/mqtt/codec/property.h"

static struct mqtt_fault malformed(const char *why)
{
    return (struct mqtt_fault){MQTT_MALFORMED, why};
}

static struct mqtt_fault broken(const char *why)
{
    return (struct mqtt_fault){MQTT_PROTOCOL_ERROR, why};
}

static const struct mqtt_fault no_fault = {0};

static struct mqtt_cursor body_of(const struct mqtt_frame *f)
{
    return (struct mqtt_cursor){f->body, f->body + (f->size - f->head), false};
}

/* ---- topics
 * ---------------------------------------------------------------------------------------------------------------- */

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Is one of the eight bytes 0? (May also say so of a byte with its high bit set: the caller looks closer.) */
static inline uint64_t has_zero(uint64_t v)
{
    return (v - ONES) & HIGHS;
}

/* Eight bytes of nothing but harmless ASCII: no NUL, no wildcard. */
static inline bool is_plain(uint64_t v)
{
    return ((v | has_zero(v) | has_zero(v ^ ONES * '+') | has_zero(v ^ ONES * '#')) & HIGHS) == 0;
}

const char *mqtt_topic_fault(struct str topic)
{
    size_t i = 0;
    for (uint64_t v; i + 8 <= topic.len; i += 8) {
        memcpy(&v, topic.data + i, 8);
        if (!is_plain(v))
            break;
    }
    if (topic.len >= 8 && topic.len - i < 8) { /* the last ones, some of them once more */
        uint64_t v;
        memcpy(&v, topic.data + topic.len - 8, 8);
        if (is_plain(v))
            return NULL;
    }
    struct str rest = {topic.data + i, topic.len - i};
    if (rest.len && (memchr(rest.data, '+', rest.len) || memchr(rest.data, '#', rest.len)))
        return "the topic has a wildcard";
    if (topic.len == 0)
        return "the topic is empty";
    return mqtt_text_is_good(rest) ? NULL : "the topic is not UTF-8";
}

/* ---- CONNECT (3.1)
 * --------------------------------------------------------------------------------------------------------- */

enum {
    FLAG_RESERVED = 1,
    FLAG_CLEAN = 2,
    FLAG_WILL = 4,
    FLAG_WILL_RETAIN = 32,
    FLAG_PASSWORD = 64,
    FLAG_USERNAME = 128
};

static struct mqtt_fault check_connect_flags(uint8_t flags, bool v5)
{
    uint8_t will_qos = flags >> 3 & 3;
    if (flags & FLAG_RESERVED)
        return malformed("a reserved flag of CONNECT is set");
    if (will_qos == 3)
        return malformed("the will's QoS is 3");
    if (!(flags & FLAG_WILL) && (will_qos || flags & FLAG_WILL_RETAIN))
        return malformed("flags of a will without a will");
    if (!v5 && flags & FLAG_PASSWORD && !(flags & FLAG_USERNAME))
        return malformed("a password without a user");
    return no_fault;
}

static struct mqtt_fault read_will(struct mqtt_cursor *c, uint8_t flags, struct mqtt_connect *out)
{
    out->has_will = true;
    out->will_qos = flags >> 3 & 3;
    out->will_retain = flags & FLAG_WILL_RETAIN;
    if (out->v5) {
        struct mqtt_fault fault = mqtt_take_properties(c, PLACE_WILL, &out->will_properties);
        if (fault.why)
            return fault;
    }
    out->will_topic = mqtt_take_string(c);
    out->will_payload = mqtt_take_string(c);
    if (!c->missing && mqtt_topic_fault(out->will_topic))
        return malformed("the will's topic is no topic");
    return no_fault;
}

struct mqtt_fault mqtt_read_connect(const struct mqtt_frame *f, struct mqtt_connect *out)
{
    *out = (struct mqtt_connect){0};
    struct mqtt_cursor c = body_of(f);
    struct str protocol = mqtt_take_string(&c);
    out->level = mqtt_take8(&c);
    if (f->flags)
        return malformed("reserved flags of CONNECT are set");
    bool old = str_eq(protocol, STR("MQIsdp"));
    if (c.missing || (!old && !str_eq(protocol, STR("MQTT"))))
        return (struct mqtt_fault){MQTT_UNSUPPORTED_VERSION, "this is not MQTT"};
    if (old || (out->level != 4 && out->level != 5))
        return (struct mqtt_fault){MQTT_UNSUPPORTED_VERSION, "the protocol is neither MQTT 3.1.1 nor 5"};
    out->v5 = out->level == 5;
    uint8_t flags = mqtt_take8(&c);
    out->keepalive = mqtt_take16(&c);
    struct mqtt_fault fault = check_connect_flags(flags, out->v5);
    if (!fault.why && out->v5)
        fault = mqtt_take_properties(&c, PLACE_CONNECT, &out->properties);
    if (fault.why)
        return fault;
    out->clean_start = flags & FLAG_CLEAN;
    out->client_id = mqtt_take_string(&c);
    if (flags & FLAG_WILL)
        fault = read_will(&c, flags, out);
    if (fault.why)
        return fault;
    out->has_username = flags & FLAG_USERNAME;
    if (out->has_username)
        out->username = mqtt_take_string(&c);
    out->has_password = flags & FLAG_PASSWORD;
    if (out->has_password)
        out->password = mqtt_take_string(&c);
    if (c.missing || c.at != c.end)
        return malformed("the length of CONNECT is not that of its parts");
    if (!mqtt_text_is_good(out->client_id) || !mqtt_text_is_good(out->username))
        return malformed("the client id or the user is not UTF-8");
    return no_fault;
}

/* ---- PUBLISH (3.3)
 * --------------------------------------------------------------------------------------------------------- */

struct mqtt_fault mqtt_read_publish(const struct mqtt_frame *f, bool v5, struct mqtt_publish *out)
{
    struct mqtt_cursor c = body_of(f);
    *out = (struct mqtt_publish){.qos = f->flags >> 1 & 3, .retain = f->flags & 1, .dup = f->flags & 8};
    out->topic = mqtt_take_string(&c);
    if (out->qos == 3)
        return malformed("the QoS is 3");
    if (out->qos == 0 && out->dup)
        return malformed("DUP with QoS 0");
    if (out->qos) {
        out->id = mqtt_take16(&c);
        if (out->id == 0)
            return c.missing ? malformed("PUBLISH ends in its middle") : broken("the packet identifier is 0");
    }
    if (v5 && c.at < c.end && *c.at == 0) {
        c.at++; /* the usual case: no properties */
    } else if (v5) {
        struct mqtt_fault fault = mqtt_take_properties(&c, PLACE_PUBLISH, &out->properties);
        if (fault.why)
            return fault;
    }
    if (c.missing)
        return malformed("PUBLISH ends in its middle");
    out->payload = (struct str){(const char *)c.at, mqtt_left(&c)};
    if (out->topic.len || !out->properties.has_topic_alias) {
        const char *problem = mqtt_topic_fault(out->topic);
        if (problem)
            return out->topic.len == 0 && v5 ? broken(problem) : malformed(problem);
    }
    if (out->properties.has_topic_alias && out->properties.topic_alias == 0)
        return (struct mqtt_fault){MQTT_BAD_TOPIC_ALIAS, "the topic alias is 0"};
    return no_fault;
}

/* ---- the short ones (3.4 … 3.15)
 * ------------------------------------------------------------------------------------------- */

/* An identifier, then in version 5, if anything follows, a reason and properties. */
static struct mqtt_fault read_ack(struct mqtt_cursor *c, bool v5, struct mqtt_short *out)
{
    struct mqtt_properties ignored;
    out->id = mqtt_take16(c);
    if (v5 && c->at < c->end)
        out->reason = mqtt_take8(c);
    if (v5 && c->at < c->end)
        return mqtt_take_properties(c, PLACE_ACK, &ignored);
    return no_fault;
}

static bool filter_is_good(struct str filter)
{
    for (size_t i = 0; i < filter.len; i++) {
        bool starts_level = i == 0 || filter.data[i - 1] == '/',
             ends_level = i + 1 == filter.len || filter.data[i + 1] == '/';
        if ((filter.data[i] == '+' && !(starts_level && ends_level)) ||
            (filter.data[i] == '#' && !(starts_level && i + 1 == filter.len)))
            return false;
    }
    return filter.len > 0 && mqtt_text_is_good(filter);
}

static struct mqtt_fault read_filters(struct mqtt_cursor *c, bool v5, bool with_options, struct mqtt_short *out)
{
    out->id = mqtt_take16(c);
    if (v5) {
        struct mqtt_properties ignored;
        struct mqtt_fault fault = mqtt_take_properties(c, with_options ? PLACE_SUBSCRIBE : PLACE_UNSUBSCRIBE, &ignored);
        if (fault.why)
            return fault;
    }
    for (; c->at < c->end; out->filters++) {
        struct str filter = mqtt_take_string(c);
        uint8_t options = with_options ? mqtt_take8(c) : 0;
        if (c->missing || !filter_is_good(filter))
            return malformed("a topic filter is none");
        if ((options & 3) == 3 || options & (v5 ? 0xc0 : 0xfc) || (options >> 4 & 3) == 3)
            return malformed("subscription options are out of their range");
    }
    return out->filters ? no_fault : broken("there is no topic filter");
}

static struct mqtt_fault read_disconnect(struct mqtt_cursor *c, bool v5, struct mqtt_short *out)
{
    struct mqtt_properties p;
    if (!v5 || c->at == c->end)
        return no_fault;
    out->reason = mqtt_take8(c);
    if (c->at == c->end)
        return no_fault;
    struct mqtt_fault fault = mqtt_take_properties(c, PLACE_DISCONNECT, &p);
    out->has_session_expiry = p.has_session_expiry;
    out->session_expiry = p.session_expiry;
    return fault;
}

struct mqtt_fault mqtt_read_short(const struct mqtt_frame *f, bool v5, struct mqtt_short *out)
{
    struct mqtt_cursor c = body_of(f);
    struct mqtt_fault fault = no_fault;
    *out = (struct mqtt_short){0};
    bool wants_two = f->type == MQTT_PUBREL || f->type == MQTT_SUBSCRIBE || f->type == MQTT_UNSUBSCRIBE;
    if (f->flags != (wants_two ? 2 : 0))
        return malformed("reserved flags are set");
    bool has_id = true;
    switch (f->type) {
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        fault = read_ack(&c, v5, out);
        break;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        fault = read_filters(&c, v5, f->type == MQTT_SUBSCRIBE, out);
        break;
    case MQTT_DISCONNECT:
        fault = read_disconnect(&c, v5, out);
        has_id = false;
        break;
    case MQTT_PINGREQ:
        has_id = false;
        break;
    default:
        return broken("a packet that only servers send");
    }
    if (fault.why)
        return fault;
    if (c.missing || c.at != c.end)
        return malformed("the packet's length is not that of its parts");
    return has_id && out->id == 0 ? broken("the packet identifier is 0") : no_fault;
}

/* ---- answers
 * --------------------------------------------------------------------------------------------------------------- */

static void add_varint(struct buffer *out, uint32_t v)
{
    do {
        buffer_add_byte(out, (char)((v & 127) | (v > 127 ? 128 : 0)));
        v >>= 7;
    } while (v);
}

/* Version 3.1.1's return codes are fewer. (MQTT 3.1.1, 3.2.2.3) */
static uint8_t old_return_code(enum mqtt_reason reason)
{
    switch ((int)reason) {
    case MQTT_SUCCESS:
        return 0;
    case MQTT_UNSUPPORTED_VERSION:
        return 1;
    case MQTT_BAD_CLIENT_ID:
        return 2;
    case MQTT_BAD_PASSWORD:
        return 4;
    case MQTT_NOT_AUTHORIZED:
        return 5;
    default:
        return 3; /* unavailable */
    }
}

enum {
    P_SESSION_EXPIRY = 0x11,
    P_ASSIGNED_ID = 0x12,
    P_RECEIVE_MAXIMUM = 0x21,
    P_ALIAS_MAXIMUM = 0x22,
    P_RETAIN = 0x25,
    P_PACKET_SIZE = 0x27,
    P_WILDCARD = 0x28,
    P_SUBSCRIPTION_IDS = 0x29,
    P_SHARED = 0x2a
};

static void add_limits(struct buffer *out, const struct mqtt_limits *l)
{
    struct buffer p = {0};
    buffer_add_byte(&p, P_RECEIVE_MAXIMUM);
    buffer_add_be16(&p, l->receive_maximum);
    buffer_add_byte(&p, P_ALIAS_MAXIMUM);
    buffer_add_be16(&p, l->topic_alias_maximum);
    buffer_add_byte(&p, P_PACKET_SIZE);
    buffer_add_be32(&p, l->maximum_packet_size);
    /* Nobody can subscribe here. */
    static const char none[] = {P_WILDCARD, 0, P_SUBSCRIPTION_IDS, 0, P_SHARED, 0};
    buffer_add(&p, none, sizeof(none));
    if (l->assigned_client_id.len) {
        buffer_add_byte(&p, P_ASSIGNED_ID);
        buffer_add_be16(&p, (uint16_t)l->assigned_client_id.len);
        buffer_add_str(&p, l->assigned_client_id);
    }
    if (l->cut_session_expiry) {
        buffer_add_byte(&p, P_SESSION_EXPIRY);
        buffer_add_be32(&p, l->session_expiry);
    }
    add_varint(out, (uint32_t)p.len);
    buffer_add(out, p.data, p.len);
    buffer_release(&p);
}

void mqtt_write_connack(struct buffer *out, bool v5, bool session_present, enum mqtt_reason reason,
                        const struct mqtt_limits *limits)
{
    struct buffer body = {0};
    buffer_add_byte(&body, session_present && reason == MQTT_SUCCESS);
    buffer_add_byte(&body, (char)(v5 ? reason : old_return_code(reason)));
    if (v5 && reason == MQTT_SUCCESS)
        add_limits(&body, limits);
    else if (v5)
        buffer_add_byte(&body, 0);
    buffer_add_byte(out, (char)(MQTT_CONNACK << 4));
    add_varint(out, (uint32_t)body.len);
    buffer_add(out, body.data, body.len);
    buffer_release(&body);
}

void mqtt_write_ack_reason(struct buffer *out, bool v5, enum mqtt_packet_type type, uint16_t id,
                           enum mqtt_reason reason)
{
    if (!v5 || reason == MQTT_SUCCESS) {
        mqtt_write_ack(out, type, id);
        return;
    }
    char bytes[5] = {(char)(type << 4), 3, (char)(id >> 8), (char)id, (char)reason};
    buffer_add(out, bytes, sizeof(bytes));
}

static void write_per_filter(struct buffer *out, enum mqtt_packet_type type, bool v5, uint16_t id, uint32_t filters,
                             uint8_t code)
{
    buffer_add_byte(out, (char)(type << 4));
    add_varint(out, 2 + v5 + filters);
    buffer_add_be16(out, id);
    if (v5)
        buffer_add_byte(out, 0);
    memset(buffer_reserve(out, filters), code, filters);
    out->len += filters;
}

void mqtt_write_suback_refused(struct buffer *out, bool v5, uint16_t id, uint32_t filters)
{
    write_per_filter(out, MQTT_SUBACK, v5, id, filters, v5 ? MQTT_NOT_AUTHORIZED : 0x80);
}

void mqtt_write_unsuback(struct buffer *out, bool v5, uint16_t id, uint32_t filters)
{
    write_per_filter(out, MQTT_UNSUBACK, v5, id, v5 ? filters : 0, MQTT_NO_SUBSCRIPTION);
}

void mqtt_write_pingresp(struct buffer *out)
{
    static const char bytes[] = {(char)(MQTT_PINGRESP << 4), 0};
    buffer_add(out, bytes, sizeof(bytes));
}

void mqtt_write_disconnect(struct buffer *out, enum mqtt_reason reason)
{
    char bytes[] = {(char)(MQTT_DISCONNECT << 4), 1, (char)reason};
    buffer_add(out, bytes, sizeof(bytes));
}
