/*
 * Options that source and sink share; struct_ has a member `broker`.
 */
#ifndef PIPE_MQTT_OPTIONS_H
#define PIPE_MQTT_OPTIONS_H

#include "connectors/mqtt/mqtt.h"
#include "pipeline/engine/config.h"

extern const struct option_choice mqtt_version_choices[];

#define MQTT_BROKER_OPTIONS(struct_, url_required_)                                                                    \
    OPT_AS("url", LIST, struct_, broker.url, .required = url_required_,                                                \
           .doc = "The broker: mqtt://HOST:1883, mqtts://HOST:8883, ws:// or wss:// with a path. Several are tried "   \
                  "in order until one answers; they have to be one broker to their clients (a cluster).",              \
           .example = "\"mqtts://broker.plant7:8883\""),                                                               \
        OPT_AS("version", CHOICE, struct_, broker.version, .preset = "5", .choices = mqtt_version_choices,             \
               .doc = "The protocol. With 3.1.1 there are neither properties nor a receive maximum."),                 \
        OPT_AS("client_id", TEXT, struct_, broker.client_id,                                                           \
               .doc = "Under which name the broker keeps our session. Without it: pipe-PIPELINE-INSTANCE-NAME.",       \
               .example = "\"gateway-7\""),                                                                            \
        OPT_AS("keepalive", DURATION, struct_, broker.keepalive, .preset = "60s", .min = 5000000,                      \
               .max = INT64_C(65535000000),                                                                            \
               .doc = "How long nothing may be heard before either side takes the connection for lost."),              \
        OPT_AS("username", TEXT, struct_, broker.username, .doc = "The user to log in as."),                           \
        OPT_AS("password", SECRET, struct_, broker.password, .doc = "Its password.", .example = "\"${secret:mqtt}\""), \
        OPT_AS("tls.ca", PATH, struct_, broker.tls_ca,                                                                 \
               .doc = "PEM file with the certificates that are trusted. Without it the system's are."),                \
        OPT_AS("tls.cert", PATH, struct_, broker.tls_cert, .doc = "PEM file with our own certificate (chain)."),       \
        OPT_AS("tls.key", PATH, struct_, broker.tls_key, .doc = "PEM file with its private key."),                     \
        OPT_AS("tls.server_name", TEXT, struct_, broker.tls_server_name,                                               \
               .doc = "The name that the broker's certificate has to be for, and that is asked for (SNI), where it "   \
                      "is not the host in `url`.",                                                                     \
               .example = "\"broker.plant7\""),                                                                        \
        OPT_AS("tls.verify", BOOL, struct_, broker.tls_verify, .preset = "true",                                       \
               .doc = "Whether the broker's certificate and the name in it are checked. false only for tests.")

#endif
