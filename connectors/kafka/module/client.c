#include "connectors/kafka/module/client.h"

#include <stdarg.h>
#include <stdio.h>

#include "pipeline/base/log.h"

/* ---- errors ------------------------------------------------------------------------------------------------------ */

enum error_kind kafka_error_kind(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__FATAL:
        return ERROR_STOP;
    default:
        return ERROR_RETRY;
    }
}

/* librdkafka has one code for both; without an answer the reason is one of its own errors. */
enum error_kind kafka_callback_kind(rd_kafka_resp_err_t code, const char *reason)
{
    bool broke = code == RD_KAFKA_RESP_ERR__AUTHENTICATION && strstr(reason, "mechanism handshake failed: Local: ");
    return broke ? ERROR_RETRY : kafka_error_kind(code);
}

bool kafka_fail(struct error *err, rd_kafka_resp_err_t code, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return error_set(err, kafka_error_kind(code), "%s: %s", what, rd_kafka_err2str(code));
}

bool kafka_fail_error(struct error *err, rd_kafka_error_t *e, const char *what)
{
    enum error_kind kind = rd_kafka_error_is_fatal(e)       ? ERROR_STOP
                           : rd_kafka_error_is_retriable(e) ? ERROR_RETRY
                                                            : kafka_error_kind(rd_kafka_error_code(e));
    error_set(err, kind, "%s: %s", what, rd_kafka_error_string(e));
    rd_kafka_error_destroy(e);
    return false;
}

/* Connections come and go: what matters is reported through the error callback. */
void kafka_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)level;
    (void)rk;
    log_debug(NULL, "librdkafka: %s: %s", facility, text);
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
    char text[256];
    if (!value || rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return true;
    return error_set(err, ERROR_STOP, "librdkafka %s: %s", name, text);
}

static bool set_brokers(rd_kafka_conf_t *conf, const struct text_list *brokers, struct error *err)
{
    struct buffer list = {0};
    for (uint32_t i = 0; i < brokers->count; i++)
        buffer_printf(&list, "%s%s", i ? "," : "", brokers->items[i]);
    bool ok = set(conf, "bootstrap.servers", buffer_cstr(&list), err);
    buffer_release(&list);
    return ok;
}

static bool set_security(rd_kafka_conf_t *conf, const struct kafka_connection *k, struct error *err)
{
    static const char *const mechanisms[] = {NULL, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    bool tls = k->tls || k->tls_ca || k->tls_cert, sasl = k->sasl != KAFKA_SASL_NONE;
    return set(conf, "security.protocol", tls ? (sasl ? "sasl_ssl" : "ssl") : (sasl ? "sasl_plaintext" : "plaintext"),
               err) &&
           set(conf, "ssl.ca.location", k->tls_ca, err) && set(conf, "ssl.certificate.location", k->tls_cert, err) &&
           set(conf, "ssl.key.location", k->tls_key, err) && set(conf, "sasl.mechanism", mechanisms[k->sasl], err) &&
           set(conf, "sasl.username", sasl ? k->sasl_username : NULL, err) &&
           set(conf, "sasl.password", sasl ? k->sasl_password : NULL, err);
}

rd_kafka_conf_t *kafka_conf(const struct component *c, const struct kafka_connection *k,
                            const struct kafka_property *presets, struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char client[256];
    snprintf(client, sizeof client, "pipe-%s-%s", c->config->pipeline.name, c->name);
    bool ok = set(conf, "client.id", client, err) && set_brokers(conf, &k->brokers, err) && set_security(conf, k, err);
    for (; ok && presets->name; presets++)
        ok = set(conf, presets->name, presets->value, err);
    for (uint32_t i = 0; ok && i < k->librdkafka.count; i++)
        ok = set(conf, k->librdkafka.items[i].key, k->librdkafka.items[i].value, err);
    rd_kafka_conf_set_log_cb(conf, kafka_log);
    if (ok)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_t *kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *err)
{
    char text[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk)
        return rk;
    rd_kafka_conf_destroy(conf);
    error_set(err, ERROR_STOP, "librdkafka: %s", text);
    return NULL;
}
