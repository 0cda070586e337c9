/*
 * The options of struct kafka_connection, for the tables of source and sink: KAFKA_CONNECTION(struct
 * kafka_source_options).
 */
#ifndef PIPE_KAFKA_CONNECTION_H
#define PIPE_KAFKA_CONNECTION_H

#include "connectors/kafka/kafka.h"

extern const struct option_choice kafka_sasl_choices[];

#define KAFKA_CONNECTION(struct_)                                                                                      \
    OPT_AS("brokers", LIST, struct_, connection.brokers, .required = true,                                             \
           .doc = "Some of the cluster's brokers; the others are learnt from them.",                                   \
           .example = "[\"kafka1:9092\", \"kafka2:9092\"]"),                                                           \
        OPT_AS("tls.enabled", BOOL, struct_, connection.tls, .preset = "false",                                        \
               .doc = "Encrypt, and check the broker's certificate; also where another tls option is set."),           \
        OPT_AS("tls.ca", PATH, struct_, connection.tls_ca,                                                             \
               .doc = "The authorities that broker certificates may come from (PEM); without it, the system's.",       \
               .example = "\"ca.pem\""),                                                                               \
        OPT_AS("tls.cert", PATH, struct_, connection.tls_cert, .doc = "Our own certificate (PEM).",                    \
               .example = "\"client.pem\""),                                                                           \
        OPT_AS("tls.key", PATH, struct_, connection.tls_key, .doc = "Its key (PEM).", .example = "\"client.key\""),    \
        OPT_AS("sasl.mechanism", CHOICE, struct_, connection.sasl, .choices = kafka_sasl_choices, .preset = "none",    \
               .doc = "How to log in."),                                                                               \
        OPT_AS("sasl.username", TEXT, struct_, connection.sasl_username, .doc = "The user.", .example = "\"pipe\""),   \
        OPT_AS("sasl.password", SECRET, struct_, connection.sasl_password, .doc = "The user's password.",              \
               .example = "\"${secret:kafka}\""),                                                                      \
        OPT_AS("librdkafka", TABLE, struct_, connection.librdkafka,                                                    \
               .doc = "Any property of librdkafka's, over what the other options set.",                                \
               .example = "{ \"fetch.wait.max.ms\" = \"50\" }")

/* Reports what is wrong with the connection's options, and properties that are not to be set by hand: a NULL-ended list
 * of {property, what to use instead}. */
void kafka_check_connection(const struct component *c, const struct kafka_connection *k,
                            const char *const (*reserved)[2], struct problems *p);

#endif
