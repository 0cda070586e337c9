/*
 * What consumer and producer have in common: configuration, errors, the library's log.
 */
#ifndef PIPE_KAFKA_CLIENT_H
#define PIPE_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "connectors/kafka/kafka.h"
#include "pipeline/base/error.h"
#include "pipeline/engine/config.h"

enum { KAFKA_ASK_MS = 5000 }; /* how long a question to the brokers is waited for */

struct kafka_property {
    const char *name, *value; /* name NULL ends a list; value NULL: not set */
};

/* Our presets, then the connection's options, then what is passed through. NULL with *err. */
rd_kafka_conf_t *kafka_conf(const struct component *c, const struct kafka_connection *k,
                            const struct kafka_property *presets, struct error *err);
/* Takes conf. */
rd_kafka_t *kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *err);

/* May the same call succeed later? Permissions, unknown topics and properties stay as they are; brokers come back. */
enum error_kind kafka_error_kind(rd_kafka_resp_err_t code);
/* The same for what the error callback is told: a connection that broke while we were logging in has refused nothing.
 */
enum error_kind kafka_callback_kind(rd_kafka_resp_err_t code, const char *reason);
/* "what: the library's text"; false. */
bool kafka_fail(struct error *err, rd_kafka_resp_err_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
/* As kafka_fail; takes `e`. */
bool kafka_fail_error(struct error *err, rd_kafka_error_t *e, const char *what);

/* Where the library's threads log. */
void kafka_log(const rd_kafka_t *rk, int level, const char *facility, const char *text);

#endif
