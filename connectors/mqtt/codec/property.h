/*
 * The reading cursor and the properties (2.2.2) behind packet.h.
 */
#ifndef PIPE_MQTT_PROPERTY_H
#define PIPE_MQTT_PROPERTY_H

#include "connectors/mqtt/codec/packet.h"

/* Reads run into `missing` instead of past the end. */
struct mqtt_cursor {
    const uint8_t *at, *end;
    bool missing;
};

static inline size_t mqtt_left(const struct mqtt_cursor *c)
{
    return (size_t)(c->end - c->at);
}
static inline uint8_t mqtt_take8(struct mqtt_cursor *c)
{
    if (c->at == c->end) {
        c->missing = true;
        return 0;
    }
    return *c->at++;
}
static inline uint16_t mqtt_take16(struct mqtt_cursor *c)
{
    if (mqtt_left(c) < 2) {
        c->missing = true;
        c->at = c->end;
        return 0;
    }
    uint16_t v = (uint16_t)(c->at[0] << 8 | c->at[1]);
    c->at += 2;
    return v;
}
static inline struct str mqtt_take_bytes(struct mqtt_cursor *c, size_t len)
{
    if (mqtt_left(c) < len) {
        c->missing = true;
        c->at = c->end;
        return (struct str){"", 0};
    }
    struct str s = {(const char *)c->at, len};
    c->at += len;
    return s;
}
/* Two bytes of length, then as many bytes. */
static inline struct str mqtt_take_string(struct mqtt_cursor *c)
{
    return mqtt_take_bytes(c, mqtt_take16(c));
}
uint32_t mqtt_take_varint(struct mqtt_cursor *c);

/* A UTF-8 string as 1.5.4 wants it. */
bool mqtt_text_is_good(struct str s);

enum mqtt_property_place { PLACE_CONNECT = 1, PLACE_WILL = 2, PLACE_PUBLISH = 4, PLACE_ACK = 8, PLACE_SUBSCRIBE = 16, PLACE_UNSUBSCRIBE = 32, PLACE_DISCONNECT = 64 };

/* The length and the properties behind it. The defaults of what is not there are in *out. */
struct mqtt_fault mqtt_take_properties(struct mqtt_cursor *c, enum mqtt_property_place place, struct mqtt_properties *out);

#endif
