#include "connectors/mqtt/mqtt.h"
#include "connectors/mqtt/options.h"

static const struct option options[] = {
    MQTT_BROKER_OPTIONS(struct mqtt_sink_options, true),
    OPT(TEXT, struct mqtt_sink_options, topic, .required = true,
        .doc = "A template for the topic: {expression} or {expression:%strftime} over the event and meta. A topic that "
               "is NULL, empty or has a wildcard rejects the record.",
        .example = "\"alerts/{device}\""),
    OPT(INTEGER, struct mqtt_sink_options, qos, .preset = "1", .max = 2,
        .doc = "The quality of service: with 1 and 2 a record is delivered when the broker has acknowledged it."),
    OPT(BOOL, struct mqtt_sink_options, retain, .preset = "false",
        .doc = "Whether the broker keeps the last message of each topic for later subscribers."),
    OPT(INTEGER, struct mqtt_sink_options, inflight, .preset = "1000", .min = 1, .max = 65535,
        .doc = "How many messages may be under way before their acknowledgement; a smaller receive maximum of the "
               "broker wins."),
    OPT(TEXT, struct mqtt_sink_options, content_type, .doc = "MQTT 5: the content type of every message.",
        .example = "\"application/json\""),
    OPT(TABLE, struct mqtt_sink_options, properties,
        .doc = "MQTT 5: user properties, and a template for the value of each. One that is NULL or empty is left out.",
        .example = "{ site = \"plant7\", device = \"{device}\" }"),
    OPT(DURATION, struct mqtt_sink_options, message_expiry, .preset = "0s", .max = INT64_C(4294967295000000),
        .doc = "MQTT 5: how long the broker keeps a message for subscribers that are away. 0s: as long as it likes."),
    OPT_END,
};

static void check(const struct component *c, struct problems *p)
{
    const struct mqtt_sink_options *o = c->options;
    mqtt_check_broker(c, &o->broker, p);
    if (o->broker.version == MQTT_5)
        return;
    const char *only_5 = o->content_type       ? "content_type"
                         : o->properties.count ? "properties"
                         : o->message_expiry   ? "message_expiry"
                                               : NULL;
    if (only_5)
        problem_add(p, config_place(c, only_5), "MQTT 3.1.1 has no message properties: use version = \"5\"");
}

static const char sink_doc[] =
    "Publishes one message per event. With QoS 1 or 2 an event counts as delivered when the broker has acknowledged "
    "it (PUBACK, PUBCOMP); after a lost connection or a restart, what was not acknowledged is published again: at "
    "least once. With QoS 0 it counts when it has been handed to the connection.\n";

const struct sink_type mqtt_sink_type = {
    .base =
        {
            .name = "mqtt",
            .summary = "Publishes events to an MQTT broker.",
            .doc = sink_doc,
            .example = "url = \"mqtt://localhost:1883\"\ntopic = \"alerts/{device}\"\nformat = \"json\"\n",
            .options = options,
            .options_size = sizeof(struct mqtt_sink_options),
            .module = "mqtt_publish",
            .has_format = true,
            .check = check,
        },
};
