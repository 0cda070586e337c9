/*
 * Any bytes as packets of either version: what is read lies inside the packet, and what is good can be written as JSON.
 * The first byte chooses the version.
 */
#include <stdlib.h>

#include "connectors/mqtt/codec/packet.h"

#define REQUIRE(what)                                                                                                  \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

static void inside(const struct mqtt_frame *f, struct str s)
{
    const char *body = (const char *)f->body;
    REQUIRE(s.len == 0 || (s.data >= body && s.data + s.len <= body + (f->size - f->head)));
}

static void read_publish(const struct mqtt_frame *f, bool v5)
{
    struct mqtt_publish p;
    if (mqtt_read_publish(f, v5, &p).why)
        return;
    inside(f, p.topic);
    inside(f, p.payload);
    inside(f, p.properties.raw);
    REQUIRE(p.qos <= 2 && (p.qos == 0) == (p.id == 0) && (p.topic.len || p.properties.topic_alias));
    REQUIRE(p.topic.len == 0 || (!memchr(p.topic.data, 0, p.topic.len) && !memchr(p.topic.data, '#', p.topic.len)));
    struct buffer json = {0};
    if (p.properties.raw.len)
        mqtt_properties_json(p.properties.raw, &json);
    buffer_release(&json);
}

static void read_connect(const struct mqtt_frame *f)
{
    struct mqtt_connect c;
    if (mqtt_read_connect(f, &c).why)
        return;
    inside(f, c.client_id);
    inside(f, c.username);
    inside(f, c.password);
    inside(f, c.will_topic);
    inside(f, c.will_payload);
    REQUIRE(c.level == 4 || c.level == 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool v5 = data[0] & 1;
    const char *at = (const char *)data + 1, *end = (const char *)data + size;
    struct mqtt_frame f;
    struct mqtt_short s;
    while (mqtt_frame(at, (size_t)(end - at), &f) == MQTT_FRAME_WHOLE) {
        REQUIRE(f.size <= (size_t)(end - at) && f.head >= 2);
        if (f.type == MQTT_CONNECT)
            read_connect(&f);
        else if (f.type == MQTT_PUBLISH)
            read_publish(&f, v5);
        else
            (void)mqtt_read_short(&f, v5, &s);
        at += f.size;
    }
    return 0;
}
