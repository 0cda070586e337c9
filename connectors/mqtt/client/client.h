/*
 * What source and sink need of Paho alike: a client, how it connects, and what a refusal means.
 *
 * Paho calls back from its own threads; `connected` below comes from one of them.
 */
#ifndef PIPE_MQTT_CLIENT_H
#define PIPE_MQTT_CLIENT_H

#include <MQTTAsync.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "connectors/mqtt/mqtt.h"

/* What the broker takes of us, as it says in CONNACK (MQTT 5, 3.2.2.3). */
struct mqtt_terms {
    int receive_maximum; /* how many messages before their acknowledgement */
    int maximum_qos;
    bool retains;
    uint32_t maximum_packet; /* bytes */
};

struct mqtt_outcome {
    bool ok;
    bool session_present; /* the broker had kept our session */
    struct mqtt_terms terms;
    struct error error; /* ERROR_STOP where trying again is pointless: credentials, certificates, version */
};

/* How a client connects; lives until the client is destroyed. */
struct mqtt_connector {
    MQTTAsync client;
    const char *client_id; /* owned */
    const struct mqtt_broker_options *broker;
    void (*connected)(void *arg, const struct mqtt_outcome *outcome); /* NULL: mqtt_connector_open waits for it */
    void *arg;

    /* private */
    MQTTAsync_connectOptions options;
    MQTTAsync_SSLOptions tls;
    MQTTProperties properties;
    char **urls; /* as Paho writes them */
    char tls_error[256];
    atomic_bool connecting;
    bool tls_is_hopeless;   /* the same will happen again: a certificate is not accepted, say */
    bool tls_name_is_wrong; /* the broker's certificate is for another name */
    pthread_mutex_t lock;   /* what follows: mqtt_connector_open's */
    pthread_cond_t changed;
    bool answered;
    struct mqtt_outcome outcome;
};

/*
 * Makes the client; nothing is opened yet. The caller may change `options` before the first mqtt_connector_start.
 * client_id NULL: the configured one, or one made of pipeline, instance and component, with `suffix` behind it.
 * false: nothing is left to release.
 */
bool mqtt_connector_init(struct mqtt_connector *c, const struct component *component,
                         const struct mqtt_broker_options *broker, const char *suffix, struct error *err);
/* Starts connecting; `connected` tells the outcome. */
bool mqtt_connector_start(struct mqtt_connector *c, struct error *err);
/* Connects and waits for the outcome, or until the sink (may be NULL) has to stop: ERROR_RETRY. terms may be NULL. */
bool mqtt_connector_open(struct mqtt_connector *c, const struct sink *s, struct mqtt_terms *terms, struct error *err);
/* Disconnects in an orderly manner where connected, having waited for at most timeout_ms; destroys the client. */
void mqtt_connector_release(struct mqtt_connector *c, int timeout_ms);

/* Connects under a name of its own, which leaves the real session alone, and goes again. */
bool mqtt_probe(const struct component *component, const struct mqtt_broker_options *broker, struct error *err);

/* For waiting until then, on CLOCK_MONOTONIC. */
struct timespec mqtt_from_now(int ms);

/* "not authorized": a reason code of MQTT 5 as words. */
const char *mqtt_reason(int code);

#endif
