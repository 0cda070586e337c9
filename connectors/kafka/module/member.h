/*
 * What a transactional sink needs of the source that its records come from: the consumer, whose group its transactions
 * commit offsets to. One per source, shared by the source's thread and the threads of sinks (lane_shared).
 *
 * The lock orders two things: a partition that is given up is marked lost under it, and offsets are sent to a
 * transaction under it, after a look at that mark. So no offsets of a partition are sent after it was given up; and
 * whoever has it next waits, as Kafka has it, for a transaction that holds offsets of it.
 */
#ifndef PIPE_KAFKA_MEMBER_H
#define PIPE_KAFKA_MEMBER_H

#include <pthread.h>

#include "connectors/kafka/module/client.h"
#include "pipeline/engine/lane.h"

struct kafka_member {
    pthread_mutex_t lock;
    rd_kafka_t *rk; /* NULL: not open yet, or closed */
};

/* source_ops.open and release */
bool kafka_member_make(struct lane *first, void **shared, struct error *err);
void kafka_member_free(void *shared);

/* Sink threads: adds what is committed to the group of each of these partitions ("topic/number") as [0, offset). Asks
 * the brokers. */
bool kafka_member_committed(struct kafka_member *m, const char *source, const char *const *keys, uint32_t count,
                            struct positions *out, struct error *err);
/* The topic and number of a key. */
void kafka_key_split(const char *key, char topic[256], int32_t *number);

#endif
