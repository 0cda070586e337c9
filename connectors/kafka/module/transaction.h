/*
 * exactly_once = true: what the sink writes between two commits is one Kafka transaction, which also holds the offsets
 * of the source's group. Sink thread.
 *
 *   1. open: rd_kafka_init_transactions, which ends what an earlier process with the same transactional.id left behind.
 *   2. begin before the first message; commit sends the offsets and commits; abort on every failure. The runner then
 * sends the outputs again.
 *   3. A member that the group went on without is refused by the group's coordinator (its generation), one that was
 * replaced by the transaction coordinator (its epoch). The latter ends a transaction that takes longer than
 * transaction.timeout.ms, too, and then refuses it with the same words.
 */
#ifndef PIPE_KAFKA_TRANSACTION_H
#define PIPE_KAFKA_TRANSACTION_H

#include "connectors/kafka/module/client.h"
#include "pipeline/engine/output.h"

struct transaction {
    struct sink *sink;
    rd_kafka_t *rk;
    bool begun;
    int64_t begun_us, begun_wall_us; /* the latest one */
};

bool kafka_transacts(const struct sink *s);
/* The transactional.id, malloc'd: the same for a process that takes this one's place, and for no other. */
char *kafka_transactional_id(const struct sink *s);

bool transaction_open(struct transaction *t, struct sink *s, rd_kafka_t *rk, struct error *err);
bool transaction_begin(struct transaction *t, struct error *err); /* unless it is */
bool transaction_commit(struct transaction *t, struct output *const *outputs, uint32_t count, struct error *err);
void transaction_abort(struct transaction *t);
/* What the producer's fatal error means: the end of this producer, or of the run. */
void transaction_tell_fatal(const struct transaction *t, const char *what, struct error *err);

#endif
