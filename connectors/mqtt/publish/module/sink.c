/*
 * The sink `mqtt`: publishes, and waits for the acknowledgements before anything counts as delivered. Each message
 * under way has a slot; Paho's threads mark it as answered, the sink's thread takes the answers up.
 *
 * A broken connection fails all that is held, and the engine writes it once more. What had been acknowledged, in the
 * order of sending, is left out then: or a connection that never lives for as long as all of it takes would never get
 * on. How far that went each piece keeps itself.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "connectors/mqtt/client/client.h"
#include "connectors/mqtt/publish/message.h"
#include "pipeline/engine/config.h"

enum { GLANCE_MS = 100, LAST_WORDS_MS = 1000 };

struct slot {
    struct mqtt_sink *sink;
    struct output *output;
    uint32_t record, next;  /* next: in the list of answered ones */
    uint32_t *acknowledged; /* the piece's */
    uint32_t number;        /* in the piece, from 1 */
    bool answered;          /* the sink's thread */
    int refused;            /* MQTT 5 reason code; 0: accepted */
};
enum { NO_SLOT = UINT32_MAX };

struct mqtt_sink {
    struct mqtt_connector connector;
    struct slot *slots; /* a ring, in the order of sending: [first, last) are under way */
    uint32_t slot_count, first, last;
    uint32_t most; /* that may be under way */
    uint32_t maximum_packet;
    bool was_up;     /* configuration and credentials were good: from now on everything is tried again */
    bool has_gap;    /* a message was rejected: those behind it do not count as acknowledged in order */
    bool has_failed; /* outputs may be gone by now */

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t changed;
    uint32_t answered; /* first of those that the sink's thread has not seen */
    int gone;          /* the reason of the broker's DISCONNECT */
    int put_off;       /* the reason why it did not take a message just now */
    bool lost;
};

static const struct mqtt_sink_options *options_of(const struct sink *s)
{
    return s->component->options;
}

/* ---- Paho's threads ------------------------------------------------------------------------------------------------
 */

static void answer(struct slot *slot, int refused)
{
    struct mqtt_sink *m = slot->sink;
    pthread_mutex_lock(&m->lock);
    slot->refused = refused;
    slot->next = m->answered;
    m->answered = (uint32_t)(slot - m->slots);
    pthread_cond_signal(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static void on_accepted(void *context, MQTTAsync_successData *data)
{
    (void)data;
    answer(context, 0);
}

static void on_accepted5(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    answer(context, 0);
}

/* The connection, not the message: `lost` says so. */
static void mark_lost(struct mqtt_sink *m, int reason)
{
    pthread_mutex_lock(&m->lock);
    m->lost = true;
    if (reason)
        m->gone = reason;
    pthread_cond_signal(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static void on_refused(void *context, MQTTAsync_failureData *data)
{
    struct slot *slot = context;
    (void)data;
    mark_lost(slot->sink, 0);
}

/* Nothing is wrong with the message: it is to be sent again. (MQTT 5, 3.4.2.1, 3.7.2.1) */
static bool passes(enum MQTTReasonCodes reason)
{
    return reason == MQTTREASONCODE_QUOTA_EXCEEDED || reason == MQTTREASONCODE_PACKET_IDENTIFIER_IN_USE ||
           reason == MQTTREASONCODE_PACKET_IDENTIFIER_NOT_FOUND;
}

static void on_refused5(void *context, MQTTAsync_failureData5 *data)
{
    struct slot *slot = context;
    struct mqtt_sink *m = slot->sink;
    if (data->reasonCode >= 0x80 && !passes(data->reasonCode)) {
        answer(slot, (int)data->reasonCode);
        return;
    }
    pthread_mutex_lock(&m->lock);
    if (data->reasonCode >= 0x80)
        m->put_off = (int)data->reasonCode;
    pthread_mutex_unlock(&m->lock);
    mark_lost(m, 0);
}

static void on_lost(void *context, char *cause)
{
    (void)cause;
    mark_lost(context, 0);
}

static void on_disconnect(void *context, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
    (void)properties;
    mark_lost(context, (int)reason);
}

/* ---- opening -------------------------------------------------------------------------------------------------------
 */

static void make_slots(struct mqtt_sink *m, uint32_t count)
{
    m->slots = mem_zalloc(count * sizeof *m->slots);
    m->slot_count = count;
    for (uint32_t i = 0; i < count; i++)
        m->slots[i].sink = m;
    m->answered = NO_SLOT;
}

static uint32_t under_way(const struct mqtt_sink *m)
{
    return m->last - m->first;
}

/* What Paho holds back because the broker takes no more waits there for up to a second: it must not come to that. Paho
 * keeps one less under way than it may. */
static void set_most(struct mqtt_sink *m, int inflight, int receive_maximum)
{
    int most = receive_maximum - 1 < inflight ? receive_maximum - 1 : inflight;
    m->most = most > 1 ? (uint32_t)most : 1;
}

/* What the broker would disconnect us for, every time. */
static bool check_terms(const struct mqtt_sink_options *o, const struct mqtt_terms *t, struct error *err)
{
    if (o->qos > t->maximum_qos)
        return error_set(err, ERROR_STOP, "mqtt broker %s: it takes messages with QoS %d at most: set qos = %d",
                         o->broker.url.items[0], t->maximum_qos, t->maximum_qos);
    if (o->retain && !t->retains)
        return error_set(err, ERROR_STOP, "mqtt broker %s: it retains no messages: set retain = false",
                         o->broker.url.items[0]);
    return true;
}

static bool connect(struct sink *s, struct error *err)
{
    struct mqtt_sink *m = s->state;
    const struct mqtt_sink_options *o = options_of(s);
    struct mqtt_terms terms;
    m->connector.options.maxInflight = (int)o->inflight + 1;
    if (!mqtt_connector_open(&m->connector, s, &terms, err) || !check_terms(o, &terms, err))
        return false;
    set_most(m, (int)o->inflight, terms.receive_maximum);
    m->maximum_packet = terms.maximum_packet;
    return true;
}

static bool sink_open(struct sink *s, struct error *err)
{
    struct mqtt_sink *m = s->state;
    const struct mqtt_sink_options *o = options_of(s);
    char suffix[16] = "";
    if (s->connection)
        snprintf(suffix, sizeof suffix, "-%u", s->connection);
    *m = (struct mqtt_sink){.lock = PTHREAD_MUTEX_INITIALIZER, .was_up = m->was_up};
    if (!mqtt_connector_init(&m->connector, s->component, &o->broker, suffix, err))
        return false;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &attr);
    pthread_condattr_destroy(&attr);
    make_slots(m, (uint32_t)o->inflight);
    MQTTAsync_setConnectionLostCallback(m->connector.client, m, on_lost);
    MQTTAsync_setDisconnected(m->connector.client, m, on_disconnect);
    if (connect(s, err)) {
        m->was_up = true;
        return true;
    }
    mqtt_connector_release(&m->connector, 0);
    pthread_cond_destroy(&m->changed);
    free(m->slots);
    m->slots = NULL;
    if (m->was_up)
        err->kind = ERROR_RETRY;
    return false;
}

static void sink_close(struct sink *s)
{
    struct mqtt_sink *m = s->state;
    /* Calls back for what is under way: the slots are still there. */
    mqtt_connector_release(&m->connector, sink_stopping(s) ? 0 : LAST_WORDS_MS);
    pthread_cond_destroy(&m->changed);
    free(m->slots);
    m->slots = NULL;
}

/* ---- answers -------------------------------------------------------------------------------------------------------
 */

static void take_answer(struct sink *s, const struct slot *slot)
{
    struct mqtt_sink *m = s->state;
    if (!slot->refused) {
        if (!m->has_gap && options_of(s)->qos > 0) /* with QoS 0 nobody knows what has arrived */
            *slot->acknowledged = slot->number;
        return;
    }
    struct error why;
    error_set(&why, ERROR_REJECT, "the broker refused the message: %s", mqtt_reason(slot->refused));
    output_reject_by(slot->output, s->connection, slot->record, &why);
    m->has_gap = true;
}

static void take_answers(struct sink *s)
{
    struct mqtt_sink *m = s->state;
    pthread_mutex_lock(&m->lock);
    uint32_t at = m->answered;
    m->answered = NO_SLOT;
    pthread_mutex_unlock(&m->lock);
    for (; at != NO_SLOT; at = m->slots[at].next)
        m->slots[at].answered = true;
    for (; m->first != m->last; m->first++) {
        const struct slot *slot = &m->slots[m->first % m->slot_count];
        if (!slot->answered)
            return;
        take_answer(s, slot);
    }
}

static bool is_lost(struct mqtt_sink *m, struct error *err)
{
    pthread_mutex_lock(&m->lock);
    bool lost = m->lost;
    int gone = m->gone, put_off = m->put_off;
    pthread_mutex_unlock(&m->lock);
    const char *broker = m->connector.broker->url.items[0];
    if (lost && gone == MQTTREASONCODE_SESSION_TAKEN_OVER)
        error_set(err, ERROR_RETRY,
                  "mqtt broker %s: another client has taken over the session \"%s\": give each its own "
                  "client_id or instance",
                  broker, m->connector.client_id);
    else if (lost && put_off)
        error_set(err, ERROR_RETRY, "mqtt broker %s did not take a message: %s", broker, mqtt_reason(put_off));
    else if (lost && gone)
        error_set(err, ERROR_RETRY, "mqtt broker %s has closed the connection: %s", broker, mqtt_reason(gone));
    else if (lost)
        error_set(err, ERROR_RETRY, "mqtt broker %s: the connection was lost", broker);
    return lost;
}

/* Until no more than `most` messages are under way. */
static bool await_answers(struct sink *s, uint32_t most, struct error *err)
{
    struct mqtt_sink *m = s->state;
    for (;;) {
        if (!m->has_failed)
            take_answers(s);
        if (is_lost(m, err)) {
            m->has_failed = true;
            return false;
        }
        if (under_way(m) <= most)
            return true;
        if (sink_stopping(s))
            return error_set(err, ERROR_STOP, "stopped before the broker had acknowledged everything");
        struct timespec until = mqtt_from_now(GLANCE_MS);
        pthread_mutex_lock(&m->lock);
        while (m->answered == NO_SLOT && !m->lost && pthread_cond_timedwait(&m->changed, &m->lock, &until) != ETIMEDOUT)
            ;
        pthread_mutex_unlock(&m->lock);
    }
}

/* ---- publishing ----------------------------------------------------------------------------------------------------
 */

static MQTTLenString len_string(struct str s)
{
    return (MQTTLenString){.len = (int)s.len, .data = (char *)s.data};
}

/* Paho copies what it is given. */
static void set_properties(const struct mqtt_sink_options *o, struct str values, MQTTProperties *out)
{
    if (o->content_type) {
        MQTTProperty p = {.identifier = MQTTPROPERTY_CODE_CONTENT_TYPE};
        p.value.data = len_string(str_of(o->content_type));
        MQTTProperties_add(out, &p);
    }
    if (o->message_expiry) {
        MQTTProperty p = {.identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL};
        p.value.integer4 = (unsigned int)((o->message_expiry + 999999) / 1000000);
        MQTTProperties_add(out, &p);
    }
    for (uint32_t i = 0; i < o->properties.count; i++) {
        struct str value = mqtt_message_property(&values);
        if (value.len == 0)
            continue;
        MQTTProperty p = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
        p.value.data = len_string(str_of(o->properties.items[i].key));
        p.value.value = len_string(value);
        MQTTProperties_add(out, &p);
    }
}

static size_t varint_size(size_t n)
{
    return n < 128 ? 1 : n < 16384 ? 2 : n < 2097152 ? 3 : 4;
}

/* The broker would close the connection (MQTT 5, 3.2.2.3.6), and every one that the message is sent over again. */
static bool is_too_large(const struct mqtt_sink *m, const struct message *from, int qos, MQTTProperties *properties)
{
    size_t len = 2 + from->topic.len + (qos ? 2 : 0) + (size_t)MQTTProperties_len(properties) + from->payload.len;
    return 1 + varint_size(len) + len > m->maximum_packet;
}

static void reject_as_too_large(struct sink *s, struct output *out, const struct message *from)
{
    struct mqtt_sink *m = s->state;
    struct error why;
    error_set(&why, ERROR_REJECT, "the broker takes no message as large as this: its packets may have %u bytes",
              m->maximum_packet);
    m->has_gap = true;
    output_reject_by(out, s->connection, from->record, &why);
}

static bool send(struct sink *s, const struct slot *what, const char *topic, const MQTTAsync_message *message,
                 struct error *err)
{
    struct mqtt_sink *m = s->state;
    struct slot *slot = &m->slots[m->last % m->slot_count];
    *slot = *what;
    m->last++;
    MQTTAsync_responseOptions how = MQTTAsync_responseOptions_initializer;
    how.context = slot;
    if (options_of(s)->broker.version == MQTT_5) {
        how.onSuccess5 = on_accepted5;
        how.onFailure5 = on_refused5;
    } else {
        how.onSuccess = on_accepted;
        how.onFailure = on_refused;
    }
    int rc = MQTTAsync_sendMessage(m->connector.client, topic, message, &how);
    if (rc == MQTTASYNC_SUCCESS)
        return true;
    m->last--;
    mark_lost(m, 0);
    return await_answers(s, 0, err);
}

static bool publish(struct sink *s, const struct slot *slot, const struct message *from, struct error *err)
{
    struct mqtt_sink *m = s->state;
    const struct mqtt_sink_options *o = options_of(s);
    MQTTAsync_message message = MQTTAsync_message_initializer;
    message.payload = (void *)from->payload.data;
    message.payloadlen = (int)from->payload.len;
    message.qos = (int)o->qos;
    message.retained = o->retain;
    bool v5 = o->broker.version == MQTT_5, ok = true;
    if (v5)
        set_properties(o, from->properties, &message.properties);
    if (v5 && is_too_large(m, from, message.qos, &message.properties))
        reject_as_too_large(s, slot->output, from);
    else
        ok = send(s, slot, from->topic.data, &message, err);
    MQTTProperties_free(&message.properties);
    return ok;
}

static bool write_piece(struct sink *s, struct output *out, struct piece *p, struct error *err)
{
    struct mqtt_sink *m = s->state;
    if (!p->extra)
        p->extra = mem_zalloc(sizeof(uint32_t));
    struct slot slot = {.sink = m, .output = out, .acknowledged = p->extra};
    uint32_t done = *slot.acknowledged;
    struct message message;
    for (size_t at = 0; mqtt_message_next(p, &at, &message);) {
        if (++slot.number <= done)
            continue;
        slot.record = message.record;
        if (!await_answers(s, m->most - 1, err) || !publish(s, &slot, &message, err))
            return false;
    }
    return true;
}

static bool sink_write(struct sink *s, struct output *out, struct error *err)
{
    for (uint32_t i = 0; i < out->piece_count; i++)
        if (!write_piece(s, out, &out->pieces[i], err))
            return false;
    return true;
}

static bool sink_prepare(struct sink *s, struct error *err)
{
    struct mqtt_sink *m = s->state;
    if (!await_answers(s, 0, err))
        return false;
    m->has_gap = false;
    return true;
}

static bool sink_probe(struct sink *s, struct binding *const *bindings, uint32_t count, struct buffer *ddl,
                       struct error *err)
{
    (void)ddl;
    if (!mqtt_probe(s->component, &options_of(s)->broker, err))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!mqtt_message_bind(s, bindings[i], err))
            return false;
    return true;
}

extern const struct sink_ops mqtt_sink_ops;
const struct sink_ops mqtt_sink_ops = {
    .state_size = sizeof(struct mqtt_sink),
    .open = sink_open,
    .close = sink_close,
    .bind = mqtt_message_bind,
    .encode = mqtt_message_encode,
    .write = sink_write,
    .prepare = sink_prepare,
    .probe = sink_probe,
};
