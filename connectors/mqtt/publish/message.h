/*
 * Messages as they lie in a piece's bytes, one behind the other: made by workers, published by the sink's thread.
 */
#ifndef PIPE_MQTT_MESSAGE_H
#define PIPE_MQTT_MESSAGE_H

#include "connectors/mqtt/mqtt.h"
#include "pipeline/engine/output.h"

/* Followed by topic, a NUL, and payload; then per user property its length (2 bytes) and value. */
struct message_head {
    uint32_t record; /* of the batch */
    uint32_t payload;
    uint16_t topic;
    uint16_t properties; /* bytes, with their lengths */
};

struct message {
    uint32_t record;
    struct str topic; /* NUL-terminated */
    struct str payload;
    struct str properties;
};

bool mqtt_message_bind(struct sink *s, struct binding *b, struct error *err);
void mqtt_message_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                         struct tools *tools, struct output *out, struct rejections *r);
/* The message at *at, which moves behind it. false: no more. */
bool mqtt_message_next(const struct piece *p, size_t *at, struct message *out);
/* The value of the next user property, in the order of the option; "" where it is to be left out. */
struct str mqtt_message_property(struct str *properties);

#endif
