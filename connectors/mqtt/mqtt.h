/*
 * The MQTT source's and sink's options, shared by the built-in part (options, documentation, check) and the modules
 * (everything that needs Paho or OpenSSL).
 *
 * Source and sink are two modules, each with a Paho of its own: Paho serves all clients of one copy with a single
 * receiving thread, and a source that waits for room must not keep the sink from hearing its acknowledgements.
 */
#ifndef PIPE_MQTT_H
#define PIPE_MQTT_H

#include "connectors/mqtt/listen/options.h"
#include "pipeline/engine/component.h"

enum mqtt_version { MQTT_5 = 5, MQTT_3_1_1 = 4 };

/* Where brokers are and who we are to them: the same for source and sink. */
struct mqtt_broker_options {
    struct text_list url;  /* tried in order until one answers */
    int version;           /* enum mqtt_version */
    const char *client_id; /* NULL: derived from pipeline, instance and component */
    int64_t keepalive;     /* µs */
    const char *username, *password;
    const char *tls_ca, *tls_cert, *tls_key;
    const char *tls_server_name; /* NULL: the address's host */
    bool tls_verify;
};

struct mqtt_source_options {
    struct mqtt_broker_options broker; /* url empty: listen is set */
    const char *listen;                /* "0.0.0.0:1883"; NULL: a client of the brokers */
    struct mqtt_listen_options listening;
    struct text_list topics;
    int64_t qos;
    int64_t session_expiry; /* µs */
    int64_t window;         /* QoS 1 messages that may be unacknowledged */
};

struct mqtt_sink_options {
    struct mqtt_broker_options broker;
    const char *topic; /* a template */
    int64_t qos;
    bool retain;
    int64_t inflight;
    const char *content_type;
    struct text_table properties; /* name → template */
    int64_t message_expiry;       /* µs; 0: none */
};

extern const struct source_type mqtt_source_type;
extern const struct sink_type mqtt_sink_type;

/* Reports what is wrong with brokers' addresses and how to log in to them. */
void mqtt_check_broker(const struct component *c, const struct mqtt_broker_options *o, struct problems *p);

#endif
