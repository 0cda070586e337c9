#include "connectors/mqtt/client/client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "connectors/mqtt/client/poll.h"
#include "pipeline/base/arena.h"
#include "pipeline/engine/config.h"

enum { CONNECT_TIMEOUT_S = 10, DISCONNECT_WAIT_MS = 2000, GLANCE_MS = 100 };

/* ---- what a refusal means ------------------------------------------------------------------------------------------
 */

static const struct {
    int v3, v5; /* CONNACK return code (3.1.1, 3.2.2.3), 0: none; reason code (5, 2.4) */
    enum error_kind kind;
    const char *text;
} refusals[] = {
    {1, MQTTREASONCODE_UNSUPPORTED_PROTOCOL_VERSION, ERROR_STOP,
     "the broker does not speak this protocol version: set version = \"3.1.1\" or \"5\""},
    {2, MQTTREASONCODE_CLIENT_IDENTIFIER_NOT_VALID, ERROR_STOP, "the broker does not accept this client_id"},
    {3, MQTTREASONCODE_SERVER_UNAVAILABLE, ERROR_RETRY, "the broker is unavailable"},
    {4, MQTTREASONCODE_BAD_USER_NAME_OR_PASSWORD, ERROR_STOP, "wrong username or password"},
    {5, MQTTREASONCODE_NOT_AUTHORIZED, ERROR_STOP, "not authorized: check username and password"},
    {0, MQTTREASONCODE_BANNED, ERROR_STOP, "the broker has banned us"},
    {0, MQTTREASONCODE_BAD_AUTHENTICATION_METHOD, ERROR_STOP, "the broker wants another authentication method"},
    {0, MQTTREASONCODE_SERVER_BUSY, ERROR_RETRY, "the broker is busy"},
    {0, MQTTREASONCODE_QUOTA_EXCEEDED, ERROR_RETRY, "the broker's quota is exceeded"},
    {0, MQTTREASONCODE_USE_ANOTHER_SERVER, ERROR_RETRY, "the broker asks to use another server"},
    {0, MQTTREASONCODE_SERVER_MOVED, ERROR_STOP, "the broker has moved to another address"},
    {0, MQTTREASONCODE_CONNECTION_RATE_EXCEEDED, ERROR_RETRY, "the broker's connection rate is exceeded"},
};

const char *mqtt_reason(int code)
{
    const char *text = MQTTReasonCode_toString((enum MQTTReasonCodes)code);
    return text ? text : "unknown reason";
}

static void refused(const struct mqtt_connector *c, int code, const char *message, struct error *err)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (code == (c->broker->version == MQTT_5 ? refusals[i].v5 : refusals[i].v3) && code > 0) {
            error_set(err, refusals[i].kind, "%s", refusals[i].text);
            return;
        }
    if (c->tls_name_is_wrong)
        error_set(err, ERROR_STOP, "TLS: the broker's certificate is for another name: is tls.server_name to be set?");
    else if (*c->tls_error)
        error_set(err, c->tls_is_hopeless ? ERROR_STOP : ERROR_RETRY, "TLS: %s", c->tls_error);
    else if (code >= 0x80)
        error_set(err, ERROR_RETRY, "the broker refused the connection: %s", mqtt_reason(code));
    else if (code > 0)
        error_set(err, ERROR_RETRY, "the broker refused the connection: return code %d", code);
    else
        error_set(err, ERROR_RETRY, "%s", message ? message : "no connection");
}

static void begins_to_connect(struct mqtt_connector *c)
{
    if (!atomic_exchange(&c->connecting, true))
        mqtt_poll_often(true);
}

static void has_connected(struct mqtt_connector *c)
{
    if (atomic_exchange(&c->connecting, false))
        mqtt_poll_often(false);
}

static void report(struct mqtt_connector *c, struct mqtt_outcome *outcome)
{
    has_connected(c);
    if (!outcome->ok)
        error_wrap(&outcome->error, "mqtt broker %s", c->broker->url.items[0]);
    if (c->connected) {
        c->connected(c->arg, outcome);
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->outcome = *outcome;
    c->answered = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void fail(struct mqtt_connector *c, int code, const char *message)
{
    struct mqtt_outcome outcome = {0};
    refused(c, code, message, &outcome.error);
    report(c, &outcome);
}

static void on_failure(void *context, MQTTAsync_failureData *data)
{
    fail(context, data ? data->code : 0, data ? data->message : NULL);
}

static void on_failure5(void *context, MQTTAsync_failureData5 *data)
{
    int code = data->reasonCode >= 0x80 ? (int)data->reasonCode : data->code;
    fail(context, code, data->message);
}

static const struct mqtt_terms no_terms = {
    .receive_maximum = 65535, .maximum_qos = 2, .retains = true, .maximum_packet = UINT32_MAX};

static void on_success(void *context, MQTTAsync_successData *data)
{
    report(context,
           &(struct mqtt_outcome){.ok = true, .session_present = data->alt.connect.sessionPresent, .terms = no_terms});
}

static int64_t property(MQTTProperties *all, enum MQTTPropertyCodes code, int64_t otherwise)
{
    return MQTTProperties_hasProperty(all, code) ? MQTTProperties_getNumericValue(all, code) : otherwise;
}

static void on_success5(void *context, MQTTAsync_successData5 *data)
{
    MQTTProperties *p = &data->properties;
    struct mqtt_outcome outcome = {.ok = true, .session_present = data->alt.connect.sessionPresent};
    outcome.terms = (struct mqtt_terms){
        .receive_maximum = (int)property(p, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, no_terms.receive_maximum),
        .maximum_qos = (int)property(p, MQTTPROPERTY_CODE_MAXIMUM_QOS, no_terms.maximum_qos),
        .retains = property(p, MQTTPROPERTY_CODE_RETAIN_AVAILABLE, no_terms.retains) != 0,
        .maximum_packet = (uint32_t)property(p, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, no_terms.maximum_packet),
    };
    report(context, &outcome);
}

/* ---- options -------------------------------------------------------------------------------------------------------
 */

/* Paho's names for the schemes, and the port where none is given. */
static char *paho_url(const char *url)
{
    static const struct {
        const char *scheme, *paho;
        int port;
    } schemes[] = {
        {"mqtt://", "tcp://", 1883}, {"tcp://", "tcp://", 1883}, {"mqtts://", "ssl://", 8883},
        {"ssl://", "ssl://", 8883},  {"ws://", "ws://", 80},     {"wss://", "wss://", 443},
    };
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i].scheme);
        if (strncmp(url, schemes[i].scheme, len) != 0)
            continue;
        const char *host = url + len, *path = host + strcspn(host, "/");
        const char *bracket = memchr(host, ']', (size_t)(path - host)); /* [::1] */
        const char *from = bracket ? bracket : host;
        bool has_port = memchr(from, ':', (size_t)(path - from));
        if (strcmp(schemes[i].paho, "tcp://") == 0 || strcmp(schemes[i].paho, "ssl://") == 0)
            path = ""; /* "mqtt://host/" */
        char port[16] = "", *out = NULL;
        if (!has_port)
            snprintf(port, sizeof port, ":%d", schemes[i].port);
        size_t host_len = strcspn(host, "/");
        if (asprintf(&out, "%s%.*s%s%s", schemes[i].paho, (int)host_len, host, port, path) < 0)
            abort();
        return out;
    }
    return mem_strdup(url);
}

/* Not the peer's or the network's passing trouble: a broker that ends in the middle of a handshake comes back. */
static bool is_hopeless(unsigned long code)
{
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return !ERR_SYSTEM_ERROR(code); /* files and certificates that cannot be used */
    switch (ERR_GET_REASON(code)) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
    case SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY:
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_SSLV3_ALERT_BAD_RECORD_MAC:
    case SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE:
    case SSL_R_TLSV1_ALERT_INTERNAL_ERROR:
    case SSL_R_TLSV1_ALERT_USER_CANCELLED:
        return false;
    default:
        return true;
    }
}

/* What is before the next colon; *rest goes on behind it. */
static struct str next_part(struct str *rest)
{
    const char *colon = rest->len ? memchr(rest->data, ':', rest->len) : NULL;
    size_t len = colon ? (size_t)(colon - rest->data) : rest->len, taken = len + (colon != NULL);
    struct str part = {rest->data, len};
    *rest = (struct str){rest->data + taken, rest->len - taken};
    return part;
}

/* OpenSSL's words in "THREAD:error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:MORE" (ERR_error_string(3)). */
static int on_tls_error(const char *text, size_t len, void *context)
{
    enum { CODE = 2, REASON = 5 };
    struct mqtt_connector *c = context;
    struct str rest = {text, len}, part = {0};
    char code[32] = "";
    for (int i = 0; i <= REASON; i++) {
        part = next_part(&rest);
        if (i == CODE)
            snprintf(code, sizeof code, STR_FMT, STR_ARG(part));
    }
    if (c->tls_is_hopeless)
        return 1; /* that came first */
    c->tls_is_hopeless = is_hopeless(strtoul(code, NULL, 16));
    snprintf(c->tls_error, sizeof c->tls_error, STR_FMT, STR_ARG(part));
    return 1;
}

static bool use_tls(struct mqtt_connector *c, struct error *err)
{
    const struct mqtt_broker_options *o = c->broker;
    const char *const files[] = {o->tls_ca, o->tls_cert, o->tls_key};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] && access(files[i], R_OK) != 0)
            return error_errno(err, errno, "cannot read %s", files[i]);
    c->tls = (MQTTAsync_SSLOptions)MQTTAsync_SSLOptions_initializer;
    c->tls.trustStore = o->tls_ca;
    c->tls.keyStore = o->tls_cert;
    c->tls.privateKey = o->tls_key;
    c->tls.enableServerCertAuth = o->tls_verify;
    c->tls.verify = o->tls_verify;
    c->tls.ssl_error_cb = on_tls_error;
    c->tls.ssl_error_context = c; /* also says whose connection it is: tls_name.c */
    c->options.ssl = &c->tls;
    return true;
}

static void set_options(struct mqtt_connector *c)
{
    const struct mqtt_broker_options *o = c->broker;
    bool v5 = o->version == MQTT_5;
    c->options = v5 ? (MQTTAsync_connectOptions)MQTTAsync_connectOptions_initializer5
                    : (MQTTAsync_connectOptions)MQTTAsync_connectOptions_initializer;
    c->options.keepAliveInterval = (int)(o->keepalive / 1000000);
    c->options.connectTimeout = CONNECT_TIMEOUT_S;
    c->options.maxInflight = 65535;
    c->options.username = o->username;
    if (o->password) {
        c->options.binarypwd.data = o->password;
        c->options.binarypwd.len = (int)strlen(o->password);
    }
    c->options.serverURIs = c->urls;
    c->options.serverURIcount = (int)o->url.count;
    c->options.context = c;
    if (v5) {
        c->options.onSuccess5 = on_success5;
        c->options.onFailure5 = on_failure5;
        c->options.connectProperties = &c->properties;
    } else {
        c->options.MQTTVersion = MQTTVERSION_3_1_1;
        c->options.onSuccess = on_success;
        c->options.onFailure = on_failure;
    }
}

static const char *default_client_id(const struct component *c, const char *suffix)
{
    const struct pipeline_options *p = &c->config->pipeline;
    bool has_instance = p->instance && *p->instance;
    char *out = NULL;
    if (asprintf(&out, "pipe-%s%s%s-%s%s", p->name, has_instance ? "-" : "", has_instance ? p->instance : "", c->name,
                 suffix) < 0)
        abort();
    return out;
}

static const char *configured_client_id(const char *id, const char *suffix)
{
    char *out = NULL;
    if (asprintf(&out, "%s%s", id, suffix) < 0)
        abort();
    return out;
}

static void free_all(struct mqtt_connector *c)
{
    for (uint32_t i = 0; i < c->broker->url.count; i++)
        free(c->urls[i]);
    free(c->urls);
    free((char *)c->client_id);
    MQTTProperties_free(&c->properties);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
}

/*
 * Paho's initialisation makes its locks anew each time, whoever holds them. And what all clients share it frees
 * together with the last client, without a lock, while another may be in the making.
 */
static pthread_once_t initialised = PTHREAD_ONCE_INIT;
static pthread_mutex_t lifetimes = PTHREAD_MUTEX_INITIALIZER;

static void initialise(void)
{
    MQTTAsync_init_options init = MQTTAsync_init_options_initializer;
    init.do_openssl_init = 1;
    MQTTAsync_global_init(&init);
}

static void destroy_client(struct mqtt_connector *c)
{
    mqtt_poll_often(true); /* the last client waits for the receiving thread's end */
    pthread_mutex_lock(&lifetimes);
    MQTTAsync_destroy(&c->client); /* the last that may call back */
    pthread_mutex_unlock(&lifetimes);
    mqtt_poll_often(false);
    has_connected(c);
}

static bool create_client(struct mqtt_connector *c, struct error *err)
{
    pthread_once(&initialised, initialise);
    MQTTAsync_createOptions how = MQTTAsync_createOptions_initializer;
    how.MQTTVersion = c->broker->version == MQTT_5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    how.maxBufferedMessages = INT32_MAX;
    pthread_mutex_lock(&lifetimes);
    int rc = MQTTAsync_createWithOptions(&c->client, c->urls[0], c->client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &how);
    pthread_mutex_unlock(&lifetimes);
    if (rc == MQTTASYNC_SSL_NOT_SUPPORTED || rc == MQTTASYNC_BAD_PROTOCOL)
        return error_set(err, ERROR_STOP, "%s: this build of the MQTT library has no such transport",
                         c->broker->url.items[0]);
    if (rc != MQTTASYNC_SUCCESS)
        return error_set(err, ERROR_STOP, "cannot make an MQTT client: %s", MQTTAsync_strerror(rc));
    return true;
}

bool mqtt_connector_init(struct mqtt_connector *c, const struct component *component,
                         const struct mqtt_broker_options *broker, const char *suffix, struct error *err)
{
    *c = (struct mqtt_connector){
        .broker = broker, .properties = MQTTProperties_initializer, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    c->urls = mem_zalloc(broker->url.count * sizeof(*c->urls));
    for (uint32_t i = 0; i < broker->url.count; i++)
        c->urls[i] = paho_url(broker->url.items[i]);
    c->client_id =
        broker->client_id ? configured_client_id(broker->client_id, suffix) : default_client_id(component, suffix);
    set_options(c);
    if (use_tls(c, err) && create_client(c, err))
        return true;
    free_all(c);
    return false;
}

bool mqtt_connector_start(struct mqtt_connector *c, struct error *err)
{
    *c->tls_error = '\0';
    c->tls_is_hopeless = c->tls_name_is_wrong = c->answered = false;
    begins_to_connect(c);
    int rc = MQTTAsync_connect(c->client, &c->options);
    if (rc == MQTTASYNC_SUCCESS)
        return true;
    has_connected(c);
    return error_set(err, ERROR_RETRY, "mqtt broker %s: %s", c->broker->url.items[0], MQTTAsync_strerror(rc));
}

/* ---- waiting for it ------------------------------------------------------------------------------------------------
 */

struct timespec mqtt_from_now(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

bool mqtt_connector_open(struct mqtt_connector *c, const struct sink *s, struct mqtt_terms *terms, struct error *err)
{
    if (!mqtt_connector_start(c, err))
        return false;
    bool stopping = false;
    pthread_mutex_lock(&c->lock);
    while (!c->answered && !stopping) { /* Paho always answers: connectTimeout per address */
        struct timespec until = mqtt_from_now(GLANCE_MS);
        pthread_cond_timedwait(&c->changed, &c->lock, &until);
        stopping = s && sink_stopping(s);
    }
    bool answered = c->answered;
    pthread_mutex_unlock(&c->lock);
    if (!answered)
        return error_set(err, ERROR_RETRY, "mqtt broker %s: stopped while connecting", c->broker->url.items[0]);
    if (!c->outcome.ok)
        *err = c->outcome.error;
    else if (terms)
        *terms = c->outcome.terms;
    return c->outcome.ok;
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void wake(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void disconnected(void *context, MQTTAsync_successData *data)
{
    (void)data;
    wake(context);
}

static void disconnected5(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    wake(context);
}

static void not_disconnected(void *context, MQTTAsync_failureData *data)
{
    (void)data;
    wake(context);
}

static void not_disconnected5(void *context, MQTTAsync_failureData5 *data)
{
    (void)data;
    wake(context);
}

static void disconnect(struct mqtt_connector *c, struct waiter *w, int timeout_ms)
{
    bool v5 = c->broker->version == MQTT_5;
    MQTTAsync_disconnectOptions how = v5 ? (MQTTAsync_disconnectOptions)MQTTAsync_disconnectOptions_initializer5
                                         : (MQTTAsync_disconnectOptions)MQTTAsync_disconnectOptions_initializer;
    how.timeout = timeout_ms;
    how.context = w;
    if (v5) {
        how.onSuccess5 = disconnected5;
        how.onFailure5 = not_disconnected5;
    } else {
        how.onSuccess = disconnected;
        how.onFailure = not_disconnected;
    }
    if (MQTTAsync_disconnect(c->client, &how) != MQTTASYNC_SUCCESS)
        return;
    pthread_mutex_lock(&w->lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (timeout_ms + DISCONNECT_WAIT_MS) / 1000;
    while (!w->done && pthread_cond_timedwait(&w->changed, &w->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&w->lock);
}

void mqtt_connector_release(struct mqtt_connector *c, int timeout_ms)
{
    if (!c->client)
        return;
    struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    if (MQTTAsync_isConnected(c->client))
        disconnect(c, &w, timeout_ms);
    destroy_client(c);
    free_all(c);
    c->client = NULL;
}

bool mqtt_probe(const struct component *component, const struct mqtt_broker_options *broker, struct error *err)
{
    struct mqtt_connector c;
    if (!mqtt_connector_init(&c, component, broker, "-probe", err))
        return false;
    c.options.cleansession = broker->version != MQTT_5;
    c.options.cleanstart = broker->version == MQTT_5;
    bool ok = mqtt_connector_open(&c, NULL, NULL, err);
    mqtt_connector_release(&c, 0);
    return ok;
}
