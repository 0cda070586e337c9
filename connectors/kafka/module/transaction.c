#include "connectors/kafka/module/transaction.h"

#include <stdlib.h>

#include "connectors/kafka/module/member.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

enum { STEP_MS = 5000 };

bool kafka_transacts(const struct sink *s)
{
    return s->component->sink_common->exactly_once == EXACTLY_ONCE_TRUE;
}

char *kafka_transactional_id(const struct sink *s)
{
    const struct identity *who = s->identity;
    bool named = who->instance && *who->instance;
    struct buffer id = {0};
    buffer_printf(&id, "%s.%s.%s", who->pipeline, who->sink, named ? who->instance : who->incarnation);
    char *copy = mem_strdup(buffer_cstr(&id));
    buffer_release(&id);
    return copy;
}

/* Was it open for longer than the coordinator lets it? Either clock may say so: one stands still while the machine
 * sleeps, the other may be set. */
static bool is_overdue(const struct transaction *t)
{
    const struct clock *clock = t->sink->clock;
    char text[32] = "60000";
    size_t size = sizeof text;
    rd_kafka_conf_get(rd_kafka_conf(t->rk), "transaction.timeout.ms", text, &size);
    int64_t limit = strtoll(text, NULL, 10) * 1000;
    return t->begun_us &&
           (clock_now_us(clock) - t->begun_us >= limit || clock->wall_us(clock) - t->begun_wall_us >= limit);
}

static bool is_fenced(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
           code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
}

static void tell_fenced(const struct transaction *t, const char *what, struct error *err)
{
    if (is_overdue(t))
        error_set(err, ERROR_RETRY, "%s: it took longer than transaction.timeout.ms, and the brokers have ended it",
                  what);
    else
        error_set(err, ERROR_STOP,
                  "%s: another process has taken over this one's transactions: two run with the same pipeline, sink "
                  "and instance. Give each its own pipeline.instance",
                  what);
}

/* A producer that cannot go on is replaced by a new one, unless that would be told the same. */
void transaction_tell_fatal(const struct transaction *t, const char *what, struct error *err)
{
    char text[512];
    rd_kafka_resp_err_t cause = rd_kafka_fatal_error(t->rk, text, sizeof text);
    if (is_fenced(cause))
        tell_fenced(t, what, err);
    else
        error_set(err, kafka_error_kind(cause), "%s: %s", what, text);
}

/* Takes `e`. What can be aborted may pass with the next attempt. */
static bool failed(struct transaction *t, rd_kafka_error_t *e, const char *what, struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(e);
    if (rd_kafka_error_is_fatal(e))
        transaction_tell_fatal(t, what, err);
    else if (is_fenced(code))
        tell_fenced(t, what, err);
    else if (rd_kafka_error_txn_requires_abort(e) || rd_kafka_error_is_retriable(e))
        error_set(err, ERROR_RETRY, "%s: %s", what, rd_kafka_error_string(e));
    else
        error_set(err, kafka_error_kind(code), "%s: %s", what, rd_kafka_error_string(e));
    rd_kafka_error_destroy(e);
    return false;
}

/* A call that may be made again as long as it is told so. */
static bool insist(struct transaction *t, rd_kafka_error_t *(*call)(rd_kafka_t *rk, int timeout_ms), const char *what,
                   struct error *err)
{
    rd_kafka_error_t *e;
    while ((e = call(t->rk, STEP_MS)) && rd_kafka_error_is_retriable(e) && !rd_kafka_error_txn_requires_abort(e) &&
           !sink_stopping(t->sink)) {
        log_debug(t->sink->component->name, "%s: %s; asking again", what, rd_kafka_error_string(e));
        rd_kafka_error_destroy(e);
    }
    return !e || failed(t, e, what, err);
}

bool transaction_open(struct transaction *t, struct sink *s, rd_kafka_t *rk, struct error *err)
{
    *t = (struct transaction){.sink = s, .rk = rk};
    rd_kafka_error_t *e = rd_kafka_init_transactions(rk, STEP_MS);
    return !e || failed(t, e, "starting transactions", err);
}

bool transaction_begin(struct transaction *t, struct error *err)
{
    rd_kafka_error_t *e = t->begun ? NULL : rd_kafka_begin_transaction(t->rk);
    if (e)
        return failed(t, e, "beginning a transaction", err);
    if (!t->begun) {
        t->begun_us = clock_now_us(t->sink->clock);
        t->begun_wall_us = t->sink->clock->wall_us(t->sink->clock);
    }
    t->begun = true;
    return true;
}

/* ---- offsets ----------------------------------------------------------------------------------------------------- */

static const struct lane *lane_of(struct output *const *outputs, uint32_t count, const char *source)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(lane_component(outputs[i]->batch->lane)->name, source) == 0)
            return outputs[i]->batch->lane;
    return NULL;
}

/* The member's lock is held. */
static bool send_locked(struct transaction *t, const struct kafka_member *m, struct output *const *outputs,
                        uint32_t count, const rd_kafka_topic_partition_list_t *offsets, struct error *err)
{
    for (uint32_t i = 0; i < count; i++)
        if (batch_is_lost(outputs[i]->batch))
            return error_set(err, ERROR_RETRY, "a partition was given up before it was committed");
    rd_kafka_consumer_group_metadata_t *group = m->rk ? rd_kafka_consumer_group_metadata(m->rk) : NULL;
    if (!group)
        return error_set(err, ERROR_RETRY, "the source has left its group before this was committed");
    rd_kafka_error_t *e = rd_kafka_send_offsets_to_transaction(t->rk, offsets, group, STEP_MS);
    rd_kafka_consumer_group_metadata_destroy(group);
    return !e || failed(t, e, "sending the group's offsets", err);
}

static bool send_offsets(struct transaction *t, struct output *const *outputs, uint32_t count, const char *source,
                         const rd_kafka_topic_partition_list_t *offsets, struct error *err)
{
    const struct lane *lane = lane_of(outputs, count, source);
    if (!lane_component(lane)->source->shared) /* dead letters that are tried again: they are in no topic */
        return true;
    struct kafka_member *m = lane_shared(lane);
    pthread_mutex_lock(&m->lock);
    bool ok = send_locked(t, m, outputs, count, offsets, err);
    pthread_mutex_unlock(&m->lock);
    return ok;
}

static bool send_all(struct transaction *t, struct output *const *outputs, uint32_t count,
                     const struct position *positions, uint32_t n, struct error *err)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < n;) {
        const char *source = positions[i].source;
        rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(8);
        for (; i < n && strcmp(positions[i].source, source) == 0; i++) {
            char topic[256];
            int32_t number;
            kafka_key_split(positions[i].partition, topic, &number);
            rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_find(offsets, topic, number);
            at = at ? at : rd_kafka_topic_partition_list_add(offsets, topic, number);
            at->offset = (int64_t)positions[i].range.next; /* sorted: of several ranges the last */
        }
        ok = send_offsets(t, outputs, count, source, offsets, err);
        rd_kafka_topic_partition_list_destroy(offsets);
    }
    return ok;
}

bool transaction_commit(struct transaction *t, struct output *const *outputs, uint32_t count, struct error *err)
{
    struct arena arena = ARENA_INIT;
    uint32_t n;
    const struct position *positions = positions_of_outputs(outputs, count, &arena, &n);
    bool ok = (n == 0 && !t->begun) || (transaction_begin(t, err) && send_all(t, outputs, count, positions, n, err) &&
                                        insist(t, rd_kafka_commit_transaction, "committing a transaction", err));
    t->begun &= !ok;
    arena_release(&arena);
    return ok;
}

void transaction_abort(struct transaction *t)
{
    struct error err;
    if (t->begun && !insist(t, rd_kafka_abort_transaction, "aborting a transaction", &err))
        log_debug(t->sink->component->name, "%s", err.text); /* the next producer's start ends it */
    t->begun = false;
}
