/*
 * How much librdkafka reads ahead, and that it goes on in time.
 *
 * Its buffer is part of the pipeline's memory. When the sinks are slower than the brokers it is always full; librdkafka
 * before 2.2 then looks at it again after a whole second, however soon it is empty (later ones have
 * fetch.queue.backoff.ms). So it would have to hold what is read in a second, which is hundreds of megabytes. But its
 * thread looks whenever it has something else to do for the broker: a small question does it.
 */
#include "connectors/kafka/module/source.h"
#include "pipeline/base/clock.h"

enum {
    /* What a message of librdkafka's takes beside its bytes: the struct, its allocation, its part of the answer. */
    MESSAGE_OVERHEAD = 512,
    LEAST_PREFETCH = 8 << 20,
    MOST_PREFETCH = 64 << 20,
    HAS_QUEUE_BACKOFF = 0x02020000, /* librdkafka's version */
    QUESTION_FIRST_US =
        3000, /* as long as messages come; then more and more seldom, up to the second that librdkafka waits itself */
    QUESTION_MOST_US = 1000000,
};

size_t kafka_prefetch_bytes(const struct component *c)
{
    size_t bytes = c->config->pipeline.memory / 4;
    return bytes > MOST_PREFETCH ? MOST_PREFETCH : bytes < LEAST_PREFETCH ? LEAST_PREFETCH : bytes;
}

/* Half of it for the messages' bytes, half for what comes with them. */
size_t kafka_prefetch_messages(const struct component *c)
{
    return kafka_prefetch_bytes(c) / 2 / MESSAGE_OVERHEAD;
}

bool kafka_backs_off_for_long(void)
{
    return rd_kafka_version() < HAS_QUEUE_BACKOFF;
}

/* Has the log more than what is buffered, as far as the last answer to a fetch said? */
static bool brokers_have_more(const struct kafka_source *k, size_t buffered)
{
    uint64_t behind = 0;
    int64_t begin, end;
    for (const struct kafka_part *p = k->parts; p; p = p->next)
        if (!rd_kafka_get_watermark_offsets(k->rk, p->name, p->number, &begin, &end) && end > (int64_t)p->position)
            behind += (uint64_t)end - p->position;
    return behind > buffered;
}

/* Is sent, and not waited for: the answer goes nowhere. */
static void ask(struct kafka_source *k)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (const struct kafka_part *p = k->parts; p; p = p->next)
        rd_kafka_topic_partition_list_add(list, p->name, p->number)->offset = KAFKA_LATEST;
    rd_kafka_offsets_for_times(k->rk, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
}

int64_t kafka_keep_fetching(struct kafka_source *k, bool any)
{
    if (any)
        k->question_wait_us = QUESTION_FIRST_US;
    size_t buffered = rd_kafka_queue_length(k->messages);
    if (!kafka_backs_off_for_long() || buffered > kafka_prefetch_messages(k->component) / 2 || !k->parts ||
        k->down_since_us || k->question_wait_us >= QUESTION_MOST_US || !brokers_have_more(k, buffered))
        return INT64_MAX;
    int64_t now = clock_now_us(lane_clock(k->lane));
    if (now >= k->next_question_us) {
        ask(k);
        k->next_question_us = now + k->question_wait_us;
        k->question_wait_us *= 2;
    }
    return k->next_question_us - now;
}
