/*
 * MQTT control packets as bytes: what a publishing client sends is read, what it is answered is written; a PUBLISH is the same from a broker. Pure functions,
 * any thread; what is read borrows from the bytes. Versions 3.1.1 (OASIS 2014) and 5.0 (OASIS 2019); sections are cited of 5.0.
 *
 * Reading is strict: a packet that breaks the specification is a fault, with the reason code that a version 5 client is told before it is disconnected.
 */
#ifndef PIPE_MQTT_PACKET_H
#define PIPE_MQTT_PACKET_H

#include "pipeline/base/buffer.h"

/* 2.1.2 */
enum mqtt_packet_type {
    MQTT_CONNECT = 1, MQTT_CONNACK, MQTT_PUBLISH, MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL, MQTT_PUBCOMP, MQTT_SUBSCRIBE, MQTT_SUBACK,
    MQTT_UNSUBSCRIBE, MQTT_UNSUBACK, MQTT_PINGREQ, MQTT_PINGRESP, MQTT_DISCONNECT, MQTT_AUTH,
};

/* 2.4 */
enum mqtt_reason {
    MQTT_SUCCESS = 0x00,
    MQTT_WITH_WILL = 0x04,
    MQTT_NO_SUBSCRIPTION = 0x11,
    MQTT_MALFORMED = 0x81,
    MQTT_PROTOCOL_ERROR = 0x82,
    MQTT_UNSUPPORTED_VERSION = 0x84,
    MQTT_BAD_CLIENT_ID = 0x85,
    MQTT_BAD_PASSWORD = 0x86,
    MQTT_NOT_AUTHORIZED = 0x87,
    MQTT_SERVER_BUSY = 0x89,
    MQTT_SHUTTING_DOWN = 0x8b,
    MQTT_BAD_AUTH_METHOD = 0x8c,
    MQTT_KEEPALIVE_OVER = 0x8d,
    MQTT_TAKEN_OVER = 0x8e,
    MQTT_UNKNOWN_ID = 0x92,
    MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    MQTT_BAD_TOPIC_ALIAS = 0x94,
    MQTT_TOO_LARGE = 0x95,
    MQTT_QUOTA_EXCEEDED = 0x97,
};

/* What is wrong with a packet; why == NULL: nothing. */
struct mqtt_fault {
    enum mqtt_reason reason;
    const char *why; /* static, "the topic has a wildcard" */
};

enum mqtt_frame_status { MQTT_FRAME_MORE, MQTT_FRAME_HEAD, MQTT_FRAME_WHOLE, MQTT_FRAME_BAD };

struct mqtt_frame {
    uint8_t type, flags;  /* enum mqtt_packet_type */
    uint32_t head, size;  /* bytes of the fixed header; of the whole packet */
    const uint8_t *body;  /* size - head bytes */
};

/* Five bytes of fixed header, and what the remaining length may say. */
enum { MQTT_HEAD_MAX = 5, MQTT_PACKET_MAX = 268435455 + MQTT_HEAD_MAX };

/*
 * The packet that begins at data. MORE: not even its size is known; HEAD: type and size are known, bytes are missing. BAD: the remaining length is
 * longer than four bytes.
 */
static inline enum mqtt_frame_status mqtt_frame(const char *data, size_t len, struct mqtt_frame *f)
{
    const uint8_t *p = (const uint8_t *)data;
    uint32_t remaining = 0;
    for (uint32_t i = 1; i < MQTT_HEAD_MAX; i++) {
        if (i >= len)
            return MQTT_FRAME_MORE;
        remaining |= (uint32_t)(p[i] & 127) << 7 * (i - 1);
        if (p[i] & 128)
            continue;
        *f = (struct mqtt_frame){
            .type = p[0] >> 4, .flags = p[0] & 15, .head = i + 1, .size = i + 1 + remaining, .body = p + i + 1};
        return f->size <= len ? MQTT_FRAME_WHOLE : MQTT_FRAME_HEAD;
    }
    return MQTT_FRAME_BAD;
}

/* Properties of version 5 (2.2.2) that matter to a server; raw is all of them, checked. */
struct mqtt_properties {
    struct str raw;
    uint32_t session_expiry; /* seconds; UINT32_MAX: never */
    uint16_t receive_maximum, topic_alias;
    uint32_t maximum_packet_size;
    bool has_session_expiry, has_topic_alias, has_auth_method, has_shown; /* has_shown: some that mqtt_properties_json writes */
};

struct mqtt_connect {
    bool v5, clean_start;
    uint8_t level; /* of the protocol, as sent */
    uint16_t keepalive; /* seconds; 0: none */
    struct str client_id;
    bool has_username, has_password;
    struct str username, password;
    bool has_will, will_retain;
    uint8_t will_qos;
    struct str will_topic, will_payload;
    struct mqtt_properties properties, will_properties;
};

struct mqtt_publish {
    uint8_t qos;
    bool retain, dup;
    uint16_t id; /* 0 with QoS 0 */
    struct str topic; /* may be empty with a topic alias */
    struct str payload;
    struct mqtt_properties properties;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT: what a server needs of them. */
struct mqtt_short {
    uint16_t id;
    uint8_t reason;
    uint32_t filters; /* topic filters in a SUBSCRIBE or UNSUBSCRIBE */
    bool has_session_expiry;
    uint32_t session_expiry;
};

/* All take a whole frame of their type. */
struct mqtt_fault mqtt_read_connect(const struct mqtt_frame *f, struct mqtt_connect *out);
struct mqtt_fault mqtt_read_publish(const struct mqtt_frame *f, bool v5, struct mqtt_publish *out);
struct mqtt_fault mqtt_read_short(const struct mqtt_frame *f, bool v5, struct mqtt_short *out);

/* What a topic to publish to may not be; NULL: it is good. (4.7) */
const char *mqtt_topic_fault(struct str topic);

/* Appends content_type, response_topic, correlation_data (base64), message_expiry, payload_format and user (an object; names may repeat, and readers of JSON take the last) as one JSON object. */
void mqtt_properties_json(struct str raw, struct buffer *out);

/* ---- answers: appended to out ---------------------------------------------------------------------------------------------- */

struct mqtt_limits {
    uint16_t receive_maximum, topic_alias_maximum;
    uint32_t maximum_packet_size;
    struct str assigned_client_id; /* empty: none */
    bool cut_session_expiry; /* tell session_expiry */
    uint32_t session_expiry;
};
/* limits: told to a version 5 client with MQTT_SUCCESS. */
void mqtt_write_connack(struct buffer *out, bool v5, bool session_present, enum mqtt_reason reason, const struct mqtt_limits *limits);
/* PUBACK, PUBREC, PUBCOMP with success: four bytes in both versions. */
static inline void mqtt_write_ack(struct buffer *out, enum mqtt_packet_type type, uint16_t id)
{
    char bytes[4] = {(char)(type << 4), 2, (char)(id >> 8), (char)id};
    buffer_add(out, bytes, 4);
}
void mqtt_write_ack_reason(struct buffer *out, bool v5, enum mqtt_packet_type type, uint16_t id, enum mqtt_reason reason);
/* SUBACK that refuses `filters` filters; UNSUBACK that has removed none. */
void mqtt_write_suback_refused(struct buffer *out, bool v5, uint16_t id, uint32_t filters);
void mqtt_write_unsuback(struct buffer *out, bool v5, uint16_t id, uint32_t filters);
void mqtt_write_pingresp(struct buffer *out);
/* Version 5 only. */
void mqtt_write_disconnect(struct buffer *out, enum mqtt_reason reason);

#endif
