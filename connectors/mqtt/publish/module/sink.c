/*
 * The sink `mqtt`: publishes, and waits for the acknowledgements before anything counts as delivered. Each message
 * under way has a slot; Paho's threads mark it as answered, the sink's thread takes the answers up.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "connectors/mqtt/client/client.h"
#include "connectors/mqtt/publish/message.h"
#include "pipeline/engine/config.h"

enum { GLANCE_NS = 100000000, LAST_WORDS_MS = 1000 };

struct slot {
    struct mqtt_sink *sink;
    struct output *output;
    uint32_t record, next; /* next: in the list of free ones, or of answered ones */
    int refused;           /* MQTT 5 reason code; 0: accepted */
};
enum { NO_SLOT = UINT32_MAX };

struct mqtt_sink {
    struct mqtt_connector connector;
    struct slot *slots;
    uint32_t most;      /* that may be under way */
    uint32_t free;      /* first free slot; the sink's thread */
    uint32_t under_way; /* the sink's thread */

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t changed;
    uint32_t answered; /* first of those that the sink's thread has not seen */
    int gone;          /* the reason of the broker's DISCONNECT */
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

static void on_refused5(void *context, MQTTAsync_failureData5 *data)
{
    struct slot *slot = context;
    if (data->reasonCode >= 0x80)
        answer(slot, (int)data->reasonCode);
    else
        mark_lost(slot->sink, 0);
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
    for (uint32_t i = 0; i < count; i++)
        m->slots[i] = (struct slot){.sink = m, .next = i + 1 < count ? i + 1 : NO_SLOT};
    m->free = 0;
    m->under_way = 0;
    m->answered = NO_SLOT;
}

/* What Paho holds back because the broker takes no more waits there for up to a second: it must not come to that. Paho keeps
 * one less under way than it may. */
static void set_most(struct mqtt_sink *m, int inflight, int receive_maximum)
{
    int most = receive_maximum - 1 < inflight ? receive_maximum - 1 : inflight;
    m->most = most > 1 ? (uint32_t)most : 1;
}

static bool sink_open(struct sink *s, struct error *err)
{
    struct mqtt_sink *m = s->state;
    const struct mqtt_sink_options *o = options_of(s);
    char suffix[16] = "";
    if (s->connection)
        snprintf(suffix, sizeof suffix, "-%u", s->connection);
    *m = (struct mqtt_sink){.lock = PTHREAD_MUTEX_INITIALIZER};
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
    m->connector.options.maxInflight = (int)o->inflight + 1;
    int receive_maximum;
    if (mqtt_connector_open(&m->connector, &receive_maximum, err)) {
        set_most(m, (int)o->inflight, receive_maximum);
        return true;
    }
    mqtt_connector_release(&m->connector, 0);
    free(m->slots);
    m->slots = NULL;
    return false;
}

static void sink_close(struct sink *s)
{
    struct mqtt_sink *m = s->state;
    mqtt_connector_release(&m->connector,
                           LAST_WORDS_MS); /* calls back for what is under way: the slots are still there */
    pthread_cond_destroy(&m->changed);
    free(m->slots);
    m->slots = NULL;
}

/* ---- answers -------------------------------------------------------------------------------------------------------
 */

static void take_answer(struct sink *s, struct slot *slot)
{
    if (!slot->refused)
        return;
    struct error why;
    error_set(&why, ERROR_REJECT, "the broker refused the message: %s", mqtt_reason(slot->refused));
    output_reject_by(slot->output, s->connection, slot->record, &why);
}

static void take_answers(struct sink *s)
{
    struct mqtt_sink *m = s->state;
    pthread_mutex_lock(&m->lock);
    uint32_t at = m->answered;
    m->answered = NO_SLOT;
    pthread_mutex_unlock(&m->lock);
    while (at != NO_SLOT) {
        struct slot *slot = &m->slots[at];
        uint32_t next = slot->next;
        take_answer(s, slot);
        slot->next = m->free;
        m->free = at;
        m->under_way--;
        at = next;
    }
}

static bool is_lost(struct mqtt_sink *m, struct error *err)
{
    pthread_mutex_lock(&m->lock);
    bool lost = m->lost;
    int gone = m->gone;
    pthread_mutex_unlock(&m->lock);
    const char *broker = m->connector.broker->url.items[0];
    if (lost && gone == MQTTREASONCODE_SESSION_TAKEN_OVER)
        error_set(err, ERROR_RETRY,
                  "mqtt broker %s: another client has taken over the session \"%s\": give each its own "
                  "client_id or instance",
                  broker, m->connector.client_id);
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
    for (take_answers(s); m->under_way > most; take_answers(s)) {
        if (is_lost(m, err))
            return false;
        if (sink_stopping(s))
            return error_set(err, ERROR_STOP, "stopped before the broker had acknowledged everything");
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += GLANCE_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_mutex_lock(&m->lock);
        while (m->answered == NO_SLOT && !m->lost && pthread_cond_timedwait(&m->changed, &m->lock, &until) != ETIMEDOUT)
            ;
        pthread_mutex_unlock(&m->lock);
    }
    return !is_lost(m, err);
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

static struct slot *take_slot(struct mqtt_sink *m)
{
    struct slot *slot = &m->slots[m->free];
    m->free = slot->next;
    m->under_way++;
    return slot;
}

static void give_slot_back(struct mqtt_sink *m, struct slot *slot)
{
    slot->next = m->free;
    m->free = (uint32_t)(slot - m->slots);
    m->under_way--;
}

static bool publish(struct sink *s, struct output *out, const struct message *from, struct error *err)
{
    struct mqtt_sink *m = s->state;
    const struct mqtt_sink_options *o = options_of(s);
    bool v5 = o->broker.version == MQTT_5;
    struct slot *slot = take_slot(m);
    slot->output = out;
    slot->record = from->record;
    MQTTAsync_message message = MQTTAsync_message_initializer;
    message.payload = (void *)from->payload.data;
    message.payloadlen = (int)from->payload.len;
    message.qos = (int)o->qos;
    message.retained = o->retain;
    if (v5)
        set_properties(o, from->properties, &message.properties);
    MQTTAsync_responseOptions how = MQTTAsync_responseOptions_initializer;
    how.context = slot;
    if (v5) {
        how.onSuccess5 = on_accepted5;
        how.onFailure5 = on_refused5;
    } else {
        how.onSuccess = on_accepted;
        how.onFailure = on_refused;
    }
    int rc = MQTTAsync_sendMessage(m->connector.client, from->topic.data, &message, &how);
    MQTTProperties_free(&message.properties);
    if (rc == MQTTASYNC_SUCCESS)
        return true;
    give_slot_back(m, slot);
    return error_set(err, ERROR_RETRY, "mqtt broker %s: %s", m->connector.broker->url.items[0], MQTTAsync_strerror(rc));
}

static bool sink_write(struct sink *s, struct output *out, struct error *err)
{
    const struct mqtt_sink *m = s->state;
    for (uint32_t i = 0; i < out->piece_count; i++) {
        struct message message;
        for (size_t at = 0; mqtt_message_next(&out->pieces[i], &at, &message);)
            if (!await_answers(s, m->most - 1, err) || !publish(s, out, &message, err))
                return false;
    }
    return true;
}

static bool sink_prepare(struct sink *s, struct error *err)
{
    return await_answers(s, 0, err);
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
