#include "connectors/kafka/connection.h"

#include "pipeline/engine/config.h"

const struct option_choice kafka_sasl_choices[] = {
    {"none", KAFKA_SASL_NONE, "Without logging in."},
    {"PLAIN", KAFKA_SASL_PLAIN, "The password goes to the broker as it is: use TLS."},
    {"SCRAM-SHA-256", KAFKA_SASL_SCRAM_256, "The password does not leave this machine."},
    {"SCRAM-SHA-512", KAFKA_SASL_SCRAM_512, "The same with a longer hash."},
    {NULL, 0, NULL},
};

void kafka_check_connection(const struct component *c, const struct kafka_connection *k,
                            const char *const (*reserved)[2], struct problems *p)
{
    if (k->sasl != KAFKA_SASL_NONE && (!k->sasl_username || !k->sasl_password))
        problem_add(p, config_place(c, "sasl.mechanism"), "sasl.mechanism needs sasl.username and sasl.password");
    if (k->sasl == KAFKA_SASL_NONE && k->sasl_username)
        problem_add(p, config_place(c, "sasl.username"), "sasl.username has no use without sasl.mechanism");
    if (!k->tls_cert != !k->tls_key)
        problem_add(p, config_place(c, k->tls_cert ? "tls.cert" : "tls.key"), "tls.cert and tls.key go together");
    for (uint32_t i = 0; i < k->librdkafka.count; i++)
        for (uint32_t n = 0; reserved[n][0]; n++)
            if (strcmp(k->librdkafka.items[i].key, reserved[n][0]) == 0)
                problem_add(p, k->librdkafka.items[i].key_place, "%s is not to be set by hand: %s", reserved[n][0],
                            reserved[n][1]);
}
