/*
 * The connection to the broker and the subscriptions, as steps that the lane takes; Paho's callbacks only leave word of
 * what happened. Reconnects by itself, soon at first, then every few seconds: Paho's own way is slower and cannot be
 * held back.
 */
#ifndef PIPE_MQTT_SESSION_H
#define PIPE_MQTT_SESSION_H

#include "connectors/mqtt/client/client.h"
#include "connectors/mqtt/module/acks.h"
#include "connectors/mqtt/module/intake.h"
#include "connectors/mqtt/module/readahead.h"

enum session_phase {
    SESSION_WAITING, /* to connect, until `until_us` */
    SESSION_CONNECTING,
    SESSION_SUBSCRIBING,
    SESSION_UP,
    SESSION_LEAVING, /* because more came than there is room for */
    SESSION_RESTING, /* disconnected, until session_rested */
};

/* What Paho said since the lane looked last. */
struct session_news {
    bool connected, failed, lost, left;
    bool subscribed; /* `granted` is filled in */
    bool session_present;
    int gone;           /* MQTT 5: reason of the broker's DISCONNECT; 0: none */
    struct error error; /* of `failed` */
};

struct session {
    struct lane *lane;
    const struct mqtt_source_options *options;
    struct intake *intake;
    struct acks *acks;
    const struct receiver *receiver;
    struct mqtt_connector connector;
    enum session_phase phase;
    int64_t until_us, backoff_us;
    bool was_up; /* credentials and subscriptions were good: from now on everything is tried again */
    int gone;    /* why the broker closed the connection; 0: not known */
    int64_t up_since_us;
    uint32_t short_lives; /* connections in a row that were lost soon */
    bool complained;
    struct error last_complaint;

    pthread_mutex_t lock;
    struct session_news news;
    int *granted; /* per topic: QoS, or a reason code from 0x80 on */
};

/* Where messages go; `arrived` is called for those that come by Paho, with the receiver's arg. */
bool session_init(struct session *s, struct lane *lane, struct intake *intake, struct acks *acks,
                  const struct receiver *receiver, MQTTAsync_messageArrived *arrived, struct error *err);
void session_release(struct session *s);

/* Goes on as far as possible; *wait_us: until it wants to be called again, without news. false: for good. */
bool session_step(struct session *s, int64_t *wait_us, struct error *err);
static inline bool session_is_open(const struct session *s)
{
    return s->phase == SESSION_SUBSCRIBING || s->phase == SESSION_UP;
}
/* More has come than there is room for: disconnects; the broker keeps the rest. */
void session_leave(struct session *s);
/* There is room again. */
void session_rested(struct session *s);

#endif
