/*
 * The options of `listen`, beside those that the source has for brokers too: username, password, tls.*, session_expiry, window.
 */
#ifndef PIPE_MQTT_LISTEN_OPTIONS_H
#define PIPE_MQTT_LISTEN_OPTIONS_H

#include "pipeline/engine/config.h"

struct mqtt_listen_options {
    struct text_table users; /* name → password */
    const char *users_file;  /* name → its hash */
    int64_t max_connections;
    int64_t connect_timeout; /* µs */
};

#define MQTT_LISTEN_DOC                                                                                                \
    "\n"                                                                                                               \
    "With `listen` devices connect to us, and publish; there is no broker, and SUBSCRIBE is refused. PUBACK and PUBREC go out when every sink has "      \
    "committed the message, or with `ack = \"spooled\"` when it is on disk. QoS 2 is exactly once, over crashes too, for devices that keep their "         \
    "session. `meta.key` is the client id. `username` and `password` are what devices log in with (further ones: `users`, `users_file`), `tls.cert` and "                \
    "`tls.key` are the listener's, `tls.ca` demands certificates of the devices, `session_expiry` bounds how long their sessions are kept, `window` is "   \
    "the receive maximum. docs/mqtt-listen.md says more.\n"

#define MQTT_LISTEN_OPTIONS(struct_, member_)                                                                          \
    OPT_AS("users", TABLE, struct_, member_.users,                                                                     \
           .doc = "With `listen`: who may publish, names and passwords. With neither this nor `username` nor "          \
                  "`users_file`, anybody may.",                                                                        \
           .example = "{ line3 = \"${secret:line3}\" }"),                                                              \
        OPT_AS("users_file", PATH, struct_, member_.users_file,                                                        \
           .doc = "With `listen`: who may publish, as mosquitto_passwd writes it: names and hashes of passwords. "      \
                  "It is read at the start.",                                                                          \
           .example = "\"passwords\""),                                                                                \
        OPT_AS("max_connections", INTEGER, struct_, member_.max_connections, .preset = "10000", .min = 1,              \
               .max = 1000000, .doc = "With `listen`: how many devices may be connected at a time."),                  \
        OPT_AS("connect_timeout", DURATION, struct_, member_.connect_timeout, .preset = "10s", .min = 100000,          \
               .max = INT64_C(3600000000),                                                                             \
               .doc = "With `listen`: how long a device may take for its CONNECT, or halt in the middle of a packet.")

#endif
