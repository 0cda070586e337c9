#include "connectors/mqtt/mqtt.h"

#include "connectors/mqtt/listen/hub.h"
#include "connectors/mqtt/options.h"
#include "connectors/mqtt/topic.h"

const struct option_choice mqtt_version_choices[] = {
    {"5", MQTT_5, "MQTT 5."},
    {"3.1.1", MQTT_3_1_1, "MQTT 3.1.1."},
    {.name = NULL},
};

static const struct option options[] = {
    MQTT_BROKER_OPTIONS(struct mqtt_source_options, false),
    OPT(TEXT, struct mqtt_source_options, listen,
        .doc = "Instead of `url`: the address on which devices publish to us directly, without a broker.",
        .example = "\"0.0.0.0:1883\""),
    MQTT_LISTEN_OPTIONS(struct mqtt_source_options, listening),
    OPT(LIST, struct mqtt_source_options, topics,
        .doc = "Topic filters to subscribe to, with `+` and `#`; `$share/GROUP/FILTER` shares a subscription among the "
               "members of a group.",
        .example = "[\"plant7/+/telemetry\"]"),
    OPT(INTEGER, struct mqtt_source_options, qos, .preset = "1", .max = 2,
        .doc = "The quality of service to subscribe with: 0 or 1. 2 is for `listen` only."),
    OPT(DURATION, struct mqtt_source_options, session_expiry, .preset = "7d", .max = INT64_C(4294967294000000),
        .doc = "How long the broker keeps our subscriptions and messages while we are away. 0s: it forgets us at once, "
               "and messages are missed. With 3.1.1 the broker decides."),
    OPT(INTEGER, struct mqtt_source_options, window, .preset = "65535", .min = 1, .max = 65535,
        .doc = "How many QoS 1 messages may be under way before their acknowledgement. A broker that sends more is "
               "left alone until half of them are through."),
    OPT_END,
};

/* ---- check ---------------------------------------------------------------------------------------------------------
 */

static const char *const schemes[] = {"mqtt://", "tcp://", "mqtts://", "ssl://", "ws://", "wss://"};

static bool is_broker_url(const char *url)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(url, schemes[i], len) == 0)
            return url[len] && url[len] != ':' && url[len] != '/';
    }
    return false;
}

static bool is_encrypted(const char *url)
{
    return strncmp(url, "mqtts:", 6) == 0 || strncmp(url, "ssl:", 4) == 0 || strncmp(url, "wss:", 4) == 0;
}

void mqtt_check_broker(const struct component *c, const struct mqtt_broker_options *o, struct problems *p)
{
    bool encrypted = false;
    for (uint32_t i = 0; i < o->url.count; i++) {
        encrypted |= is_encrypted(o->url.items[i]);
        if (!is_broker_url(o->url.items[i]))
            problem_add(p, config_place(c, "url"),
                        "\"%s\" is no broker's address: it is mqtt://HOST:PORT, mqtts://, ws:// or wss://",
                        o->url.items[i]);
    }
    if (o->url.count && !encrypted && (o->tls_ca || o->tls_cert || o->tls_key || o->tls_server_name))
        problem_add(p,
                    config_place(c, o->tls_ca     ? "tls.ca"
                                    : o->tls_cert ? "tls.cert"
                                    : o->tls_key  ? "tls.key"
                                                  : "tls.server_name"),
                    "tls.* has no effect on an address that is not encrypted: use mqtts:// or wss://");
    if (!PIPE_MQTT_DEFERRED_ACK && o->tls_server_name)
        problem_add(p, config_place(c, "tls.server_name"),
                    "this build's MQTT library checks the certificate for the host in `url` only");
    if (!o->tls_cert != !o->tls_key)
        problem_add(p, config_place(c, o->tls_cert ? "tls.cert" : "tls.key"),
                    "a certificate needs its private key and the other way round: set both tls.cert and tls.key");
}

static void check_topics(const struct component *c, const struct mqtt_source_options *o, struct problems *p)
{
    if (o->topics.count == 0)
        problem_add(p, c->place, "the source needs `topics`: what to subscribe to");
    for (uint32_t i = 0; i < o->topics.count; i++) {
        const char *wrong = mqtt_filter_problem(o->topics.items[i]);
        if (wrong)
            problem_add(p, config_place(c, "topics"), "topic filter \"%s\": %s", o->topics.items[i], wrong);
    }
}

static void check_client(const struct component *c, const struct mqtt_source_options *o, struct problems *p)
{
    check_topics(c, o, p);
    mqtt_check_broker(c, &o->broker, p);
    if (o->qos == 2)
        problem_add(p, config_place(c, "qos"),
                    "a subscription with QoS 2 would lose messages: the client library completes the exchange before "
                    "they are delivered. Use qos = 1 (at least once), or `listen`");
    if (!PIPE_MQTT_DEFERRED_ACK && o->qos == 1 && c->source_common->ack != ACK_SPOOLED)
        problem_add(p, config_place(c, "ack"),
                    "this build's MQTT library acknowledges messages when they arrive: set ack = \"spooled\", which "
                    "has them on disk at once, or qos = 0");
}

static void check(const struct component *c, struct problems *p)
{
    const struct mqtt_source_options *o = c->options;
    const struct source_common *common = c->source_common;
    if (!o->listen == (o->broker.url.count == 0))
        problem_add(p, c->place,
                    o->listen ? "url and listen exclude each other: either a broker's client, or the "
                                "devices' own endpoint"
                              : "the source needs `url`, a broker to subscribe at, or `listen`, an "
                                "address that devices publish to");
    else if (!o->listen)
        check_client(c, o, p);
    else
        mqtt_listen_check(c, o, p);
    if (common->format >= 0 && formats[common->format] == &format_csv && common->formats.csv_names.count == 0)
        problem_add(p, config_place(c, "format"), "CSV in messages has no header: csv.names has to name the members");
}

static const struct source_ops *choose_ops(const struct component *c)
{
    const struct mqtt_source_options *o = c->options;
    return o->listen ? &mqtt_listen_ops : NULL;
}

static uint32_t lanes(const struct component *c)
{
    const struct mqtt_source_options *o = c->options;
    return o->listen ? mqtt_listen_lanes(c) : 1;
}

static bool is_finite(const struct component *c)
{
    (void)c;
    return false;
}

static bool redelivers(const struct component *c)
{
    const struct mqtt_source_options *o = c->options;
    return o->listen || o->qos > 0;
}

static const char source_doc[] =
    "Subscribes at a broker. A message is acknowledged when every sink has committed it, in the order of arrival; "
    "until then the broker keeps it, through crashes of the pipeline and of the broker. The broker keeps our session "
    "under `client_id`, also while the pipeline is down, for `session_expiry`.\n"
    "\n"
    "**QoS 1** is at least once: after a crash, messages that were committed and not yet acknowledged come again. "
    "After "
    "a mere reconnection they are recognised and not delivered twice. **QoS 0**: what was received and not yet "
    "delivered is lost with the process.\n"
    "\n"
    "A message is a record; a JSON array, or several lines of JSON or CSV, are several. Beside it are `meta.topic` "
    "(`split_part(meta.topic, '/', 2)` is a level of it), `meta.qos`, `meta.retain`, and with MQTT 5 "
    "`meta.properties`: "
    "`content_type`, `response_topic`, `correlation_data` (base64), `message_expiry` (seconds), and the user's own "
    "under `user`.\n"
    "\n"
    "Mosquitto drops messages for a slow subscriber after `max_queued_messages` (1000): set it to 0.\n" MQTT_LISTEN_DOC;

const struct source_type mqtt_source_type = {
    .base =
        {
            .name = "mqtt",
            .summary = "Receives messages from an MQTT broker, or from devices directly.",
            .doc = source_doc,
            .example = "url = \"mqtt://localhost:1883\"\ntopics = [\"plant7/+/telemetry\"]\nformat = \"json\"\n",
            .options = options,
            .options_size = sizeof(struct mqtt_source_options),
            .module = "mqtt",
            .has_format = true,
            .check = check,
        },
    .finite = is_finite,
    .redelivers = redelivers,
    .lanes = lanes,
    .choose_ops = choose_ops,
};
