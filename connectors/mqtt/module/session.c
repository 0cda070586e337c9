#include "connectors/mqtt/module/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

#define FIRST_BACKOFF_US INT64_C(100000)
#define MOST_BACKOFF_US INT64_C(10000000)
#define MOST_AFTER_LOSS_US INT64_C(2000000)
#define TAKEN_OVER_US                                                                                                  \
    INT64_C(2000000) /* two that take over each other's session shall not do it a hundred times a second */

#define SHORT_LIFE_US INT64_C(10000000)
#define PROOF_US                                                                                                       \
    INT64_C(1000000) /* a connection that holds for so long works; one that is lost sooner is one more failure */

enum { NEW_SUBSCRIPTIONS_ONLY = 1, MANY_SHORT_LIVES = 3 };

static const char *name_of(const struct session *s)
{
    return lane_component(s->lane)->name;
}

static int64_t now_us(const struct session *s)
{
    return clock_now_us(lane_clock(s->lane));
}

/* ---- what Paho says: its threads, its lock held --------------------------------------------------------------------
 */

#define LEAVE_WORD(s, ...)                                                                                             \
    do {                                                                                                               \
        pthread_mutex_lock(&(s)->lock);                                                                                \
        __VA_ARGS__;                                                                                                   \
        pthread_mutex_unlock(&(s)->lock);                                                                              \
        intake_wake((s)->intake);                                                                                      \
    } while (0)

static void on_lost(void *context, char *cause)
{
    struct session *s = context;
    (void)cause;
    acks_disconnected(s->acks);
    LEAVE_WORD(s, s->news.lost = true);
}

/* The broker's DISCONNECT: Paho closes the connection, and does not call it lost. */
static void on_disconnect(void *context, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
    struct session *s = context;
    (void)properties;
    acks_disconnected(s->acks);
    LEAVE_WORD(s, s->news.gone = (int)reason, s->news.lost = true);
}

static void granted(struct session *s, int count, int one, const int *many)
{
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->options->topics.count; i++)
        s->granted[i] = count > 1 && many && i < (uint32_t)count ? many[i] : one;
    s->news.subscribed = true;
    pthread_mutex_unlock(&s->lock);
    intake_wake(s->intake);
}

static void on_subscribed(void *context, MQTTAsync_successData *data)
{
    struct session *s = context;
    int count = (int)s->options->topics.count;
    granted(s, count, count == 1 ? data->alt.qos : 0, count > 1 ? data->alt.qosList : NULL);
}

static void on_subscribed5(void *context, MQTTAsync_successData5 *data)
{
    granted(context, data->alt.sub.reasonCodeCount, (int)data->reasonCode, (const int *)data->alt.sub.reasonCodes);
}

static void on_not_subscribed(void *context, MQTTAsync_failureData *data)
{
    if (data && data->code < 0) /* the connection broke: `lost` comes, too */
        return;
    granted(context, 1, 0x80, NULL);
}

static void on_not_subscribed5(void *context, MQTTAsync_failureData5 *data)
{
    if (data->reasonCode < 0x80)
        return;
    granted(context, 1, (int)data->reasonCode, NULL);
}

/* From here, because the lane would have to wait for Paho's lock, which is held while messages wait for the lane. Made
 * anew at every connection, since the broker may have forgotten subscriptions, or they have changed. */
static bool subscribe(struct session *s)
{
    const struct text_list *topics = &s->options->topics;
    bool v5 = s->options->broker.version == MQTT_5;
    MQTTAsync_responseOptions how = MQTTAsync_responseOptions_initializer;
    MQTTSubscribe_options *each = mem_alloc(topics->count * sizeof *each);
    int *qos = mem_alloc(topics->count * sizeof *qos);
    for (uint32_t i = 0; i < topics->count; i++) {
        qos[i] = (int)s->options->qos;
        each[i] = (MQTTSubscribe_options)MQTTSubscribe_options_initializer;
        each[i].retainHandling = NEW_SUBSCRIPTIONS_ONLY;
    }
    how.context = s;
    if (v5) {
        how.onSuccess5 = on_subscribed5;
        how.onFailure5 = on_not_subscribed5;
        how.subscribeOptions = each[0];
        how.subscribeOptionsList = each;
        how.subscribeOptionsCount = (int)topics->count;
    } else {
        how.onSuccess = on_subscribed;
        how.onFailure = on_not_subscribed;
    }
    int rc = MQTTAsync_subscribeMany(s->connector.client, (int)topics->count, (char *const *)topics->items, qos, &how);
    free(each);
    free(qos);
    return rc == MQTTASYNC_SUCCESS;
}

static void on_connected(void *arg, const struct mqtt_outcome *outcome)
{
    struct session *s = arg;
    if (!outcome->ok) {
        LEAVE_WORD(s, s->news.failed = true, s->news.error = outcome->error);
        return;
    }
    acks_connected(s->acks, outcome->session_present, readahead_begin(s->receiver));
    intake_close(s->intake, false);
    bool subscribing = subscribe(s);
    LEAVE_WORD(s, s->news.connected = true, s->news.session_present = outcome->session_present,
               s->news.lost = !subscribing);
}

static void on_left(void *context, MQTTAsync_successData *data)
{
    struct session *s = context;
    (void)data;
    LEAVE_WORD(s, s->news.left = true);
}

static void on_left5(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    on_left(context, NULL);
}

static void on_not_left(void *context, MQTTAsync_failureData *data)
{
    (void)data;
    on_left(context, NULL);
}

static void on_not_left5(void *context, MQTTAsync_failureData5 *data)
{
    (void)data;
    on_left(context, NULL);
}

static struct session_news take_news(struct session *s)
{
    pthread_mutex_lock(&s->lock);
    struct session_news news = s->news;
    s->news = (struct session_news){0};
    pthread_mutex_unlock(&s->lock);
    return news;
}

/* ---- opening -------------------------------------------------------------------------------------------------------
 */

static bool persistent(const struct session *s)
{
    return s->options->session_expiry > 0;
}

static void set_options(struct session *s)
{
    struct mqtt_connector *c = &s->connector;
    if (s->options->broker.version != MQTT_5) {
        c->options.cleansession = !persistent(s);
        return;
    }
    c->options.cleanstart = !persistent(s);
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = (unsigned int)(s->options->session_expiry / 1000000);
    MQTTProperties_add(&c->properties, &expiry);
    MQTTProperty maximum = {.identifier = MQTTPROPERTY_CODE_RECEIVE_MAXIMUM};
    maximum.value.integer2 = (unsigned short)s->options->window;
    MQTTProperties_add(&c->properties, &maximum);
}

bool session_init(struct session *s, struct lane *lane, struct intake *intake, struct acks *acks,
                  const struct receiver *receiver, MQTTAsync_messageArrived *arrived, struct error *err)
{
    const struct component *component = lane_component(lane);
    const struct mqtt_source_options *o = component->options;
    *s = (struct session){
        .lane = lane,
        .options = o,
        .intake = intake,
        .acks = acks,
        .receiver = receiver,
        .backoff_us = FIRST_BACKOFF_US,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    if (!mqtt_connector_init(&s->connector, component, &o->broker, "", err))
        return false;
    s->connector.connected = on_connected;
    s->connector.arg = s;
    s->granted = mem_zalloc(o->topics.count * sizeof *s->granted);
    set_options(s);
    MQTTAsync_setConnectionLostCallback(s->connector.client, s, on_lost);
    MQTTAsync_setMessageArrivedCallback(s->connector.client, receiver->arg, arrived);
    MQTTAsync_setDisconnected(s->connector.client, s, on_disconnect);
    return true;
}

void session_release(struct session *s)
{
    mqtt_connector_release(&s->connector, 0);
    free(s->granted);
}

/* ---- steps ---------------------------------------------------------------------------------------------------------
 */

/* The same trouble is told once, not at every attempt. */
static void complain(struct session *s, const char *text)
{
    if (strcmp(s->last_complaint.text, text) != 0)
        log_warn(name_of(s), "%s; trying again", text);
    error_set(&s->last_complaint, ERROR_RETRY, "%s", text);
    s->complained = true;
}

static void wait_to_connect(struct session *s, int64_t at_least_us)
{
    s->phase = SESSION_WAITING;
    s->until_us = now_us(s) + (s->backoff_us > at_least_us ? s->backoff_us : at_least_us);
    s->backoff_us = s->backoff_us * 2 < MOST_BACKOFF_US ? s->backoff_us * 2 : MOST_BACKOFF_US;
}

static bool connect_again(struct session *s, struct error *err)
{
    paho_lock();
    acks_disconnected(s->acks);
    paho_unlock();
    take_news(s);
    s->gone = 0;
    if (!mqtt_connector_start(&s->connector, err)) {
        complain(s, err->text);
        wait_to_connect(s, 0);
        return true;
    }
    s->phase = SESSION_CONNECTING;
    return true;
}

/* Before it was up once, what is refused will be refused again. */
static bool not_connected(struct session *s, const struct session_news *news, struct error *err)
{
    if (!s->was_up && news->error.kind == ERROR_STOP) {
        *err = news->error;
        return false;
    }
    complain(s, news->error.text);
    wait_to_connect(s, 0);
    return true;
}

static bool lost(struct session *s)
{
    char text[256];
    s->short_lives = now_us(s) - s->up_since_us < SHORT_LIFE_US ? s->short_lives + 1 : 0;
    if (s->gone == MQTTREASONCODE_SESSION_TAKEN_OVER) {
        snprintf(text, sizeof text,
                 "another client has taken over the session \"%s\": give each its own client_id or instance",
                 s->connector.client_id);
    } else if (s->gone) {
        snprintf(text, sizeof text, "the broker has closed the connection: %s", mqtt_reason(s->gone));
    } else if (s->short_lives >= MANY_SHORT_LIVES) {
        snprintf(text, sizeof text,
                 "the connection to the broker is lost again and again: is another client using the client_id \"%s\"?",
                 s->connector.client_id);
    } else {
        snprintf(text, sizeof text, "the connection to the broker was lost");
    }
    complain(s, text);
    if (s->was_up && s->backoff_us > MOST_AFTER_LOSS_US) /* the broker is there */
        s->backoff_us = MOST_AFTER_LOSS_US;
    wait_to_connect(s, s->gone == MQTTREASONCODE_SESSION_TAKEN_OVER ? TAKEN_OVER_US : 0);
    return true;
}

static void connected(struct session *s, const struct session_news *news)
{
    log_info(name_of(s), "connected as \"%s\", %s", s->connector.client_id,
             news->session_present ? "session resumed" : "new session");
    s->phase = SESSION_SUBSCRIBING;
}

static bool check_granted(struct session *s, struct error *err)
{
    for (uint32_t i = 0; i < s->options->topics.count; i++) {
        const char *topic = s->options->topics.items[i];
        if (s->granted[i] >= 0x80) {
            bool v5 = s->options->broker.version == MQTT_5;
            return error_set(err, ERROR_STOP, "the broker refuses the subscription to \"%s\"%s%s", topic,
                             v5 ? ": " : "", v5 ? mqtt_reason(s->granted[i]) : "");
        }
        if (s->granted[i] < s->options->qos)
            return error_set(err, ERROR_STOP,
                             "the broker grants QoS %d for \"%s\", not %d: messages would be lost with the process. "
                             "Set qos = %d to accept that",
                             s->granted[i], topic, (int)s->options->qos, s->granted[i]);
    }
    return true;
}

static bool subscribed(struct session *s, struct error *err)
{
    if (!check_granted(s, err)) {
        if (!s->was_up)
            return false;
        complain(s, err->text);
        session_leave(s);
        return true;
    }
    s->was_up = true;
    s->up_since_us = now_us(s);
    s->phase = SESSION_UP;
    return true;
}

/* Not at once: a broker may take us in and throw us out again for ever. Returns how long that is still to be seen. */
static int64_t prove(struct session *s)
{
    int64_t left = s->up_since_us + PROOF_US - now_us(s);
    if (s->backoff_us == FIRST_BACKOFF_US && !s->complained)
        return -1;
    if (left > 0)
        return left;
    if (s->complained)
        log_info(name_of(s), "works again");
    s->complained = false;
    *s->last_complaint.text = '\0';
    s->backoff_us = FIRST_BACKOFF_US;
    return -1;
}

static bool still_connecting(const struct session *s, const struct session_news *news)
{
    return s->phase == SESSION_CONNECTING && !news->failed && !news->connected && !news->lost;
}

static bool heed(struct session *s, const struct session_news *news, struct error *err)
{
    switch (s->phase) {
    case SESSION_CONNECTING:
        if (still_connecting(s, news))
            return true;
        if (news->failed)
            return not_connected(s, news, err);
        if (!news->connected)
            return news->lost ? lost(s) : true;
        connected(s, news);
        /* fall through */
    case SESSION_SUBSCRIBING:
        if (news->subscribed && !subscribed(s, err))
            return false;
        return news->lost ? lost(s) : true;
    case SESSION_UP:
        return news->lost ? lost(s) : true;
    case SESSION_LEAVING:
        if (news->left || news->lost)
            s->phase = SESSION_RESTING;
        return true;
    case SESSION_WAITING:
    case SESSION_RESTING:
        break;
    }
    return true;
}

bool session_step(struct session *s, int64_t *wait_us, struct error *err)
{
    struct session_news news = take_news(s);
    if (news.gone)
        s->gone = news.gone;
    if (!heed(s, &news, err))
        return false;
    *wait_us = s->phase == SESSION_UP ? prove(s) : -1;
    if (s->phase != SESSION_WAITING)
        return true;
    int64_t left = s->until_us - now_us(s);
    if (left > 0) {
        *wait_us = left;
        return true;
    }
    return connect_again(s, err);
}

void session_leave(struct session *s)
{
    bool v5 = s->options->broker.version == MQTT_5;
    MQTTAsync_disconnectOptions how = v5 ? (MQTTAsync_disconnectOptions)MQTTAsync_disconnectOptions_initializer5
                                         : (MQTTAsync_disconnectOptions)MQTTAsync_disconnectOptions_initializer;
    how.context = s;
    if (v5) {
        how.onSuccess5 = on_left5;
        how.onFailure5 = on_not_left5;
    } else {
        how.onSuccess = on_left;
        how.onFailure = on_not_left;
    }
    paho_lock();
    acks_disconnected(s->acks);
    paho_unlock();
    s->phase = MQTTAsync_disconnect(s->connector.client, &how) == MQTTASYNC_SUCCESS ? SESSION_LEAVING : SESSION_RESTING;
}

void session_rested(struct session *s)
{
    if (s->phase == SESSION_RESTING)
        wait_to_connect(s, 0);
}
