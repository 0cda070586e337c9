/*
 * The sink's thread: messages are produced from where they lie in the outputs' pieces, so all of them have to be
 * reported on before an output goes home: prepare waits for that, and so does a rollback.
 *
 * A broker refuses messages by the batch, and does not say which of them it means; or all of them fit, and the batch
 * does not. So what was not committed is written again by a careful producer, which sends each message as a batch of
 * its own: what is refused then is rejected. After some commits without a refusal the usual producer takes over again.
 * A transaction of which a message was refused cannot be committed: it is aborted, and others, which will be aborted,
 * too, try what is left, until it is known of each message whether it is accepted.
 */
#include <stdlib.h>

#include "connectors/kafka/module/member.h"
#include "connectors/kafka/module/row.h"
#include "connectors/kafka/module/transaction.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

enum {
    FIRST_CAREFUL_COMMITS = 50,
    REASON_MS = 100, /* in which a report comes that says why no more can be produced */
};

/* Outlives the producer. */
struct care {
    uint32_t commits; /* so many more by a careful producer; 0: none */
    uint32_t next;    /* how many it will be the next time: always more, where refusals are nothing unusual */
};

struct kafka_sink {
    struct sink *sink;
    rd_kafka_t *rk;
    struct transaction transaction; /* exactly_once = true */
    struct care care;
    bool careful;            /* this producer is */
    bool refused;            /* transactions: since the last attempt began a message was, and its row is marked */
    bool trying;             /* … this one is for what has not been tried */
    struct output **written; /* since the last commit */
    uint32_t written_count, written_room;
    uint64_t outstanding; /* produced, and not reported on */
    bool down;            /* it has been said that brokers cannot be reached */
    bool failed;          /* since the last commit; failure says why */
    struct error failure;
};

static const struct kafka_sink_options *options_of(const struct sink *s)
{
    return s->component->options;
}

/* ---- what librdkafka reports: on the sink's thread, while it polls -------------------------------------------------
 */

static void fails(struct kafka_sink *k, const struct error *err)
{
    if (!k->failed)
        k->failure = *err;
    k->failed = true;
}

/* The fault of a record in the batch, or of the batch: its neighbours can go on. */
static bool is_refusal(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE || code == RD_KAFKA_RESP_ERR_INVALID_RECORD ||
           code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

static void reject(struct output *o, uint32_t record, rd_kafka_resp_err_t code)
{
    struct error why;
    error_set(&why, ERROR_REJECT, "%s", rd_kafka_err2str(code));
    memcpy(why.sqlstate, "22023", 6);
    if (!output_is_rejected(o, record))
        output_reject(o, record, &why);
}

static void refuse(struct kafka_sink *k, struct kafka_row *row, rd_kafka_resp_err_t code, const char *topic)
{
    struct error err;
    if (k->careful && kafka_transacts(k->sink)) {
        row->refused = (uint32_t)code;
        k->refused = true;
    } else if (k->careful) {
        reject(row->output, row->record, code);
    } else {
        error_set(&err, ERROR_RETRY, "topic %s: a batch of messages is refused (%s): sending them one by one", topic,
                  rd_kafka_err2str(code));
        fails(k, &err);
    }
    if (k->care.commits == 0)
        k->care.next = k->care.next ? k->care.next * 2 : FIRST_CAREFUL_COMMITS;
    k->care.commits = k->care.next;
}

/* The producer is of no use any more; unless it lacks a right, another one may be. */
static void tell_fatal(const struct kafka_sink *k, struct error *err)
{
    char text[512];
    rd_kafka_resp_err_t cause = rd_kafka_fatal_error(k->rk, text, sizeof text);
    if (kafka_transacts(k->sink))
        transaction_tell_fatal(&k->transaction, "a transaction", err);
    else
        error_set(err, kafka_error_kind(cause), "%s", text);
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *sink)
{
    struct kafka_sink *k = sink;
    struct kafka_row *row = m->_private;
    struct error err;
    (void)rk;
    k->outstanding--;
    if (k->careful && !m->err)
        row->accepted = 1;
    if (!m->err)
        k->down = false;
    else if (is_refusal(m->err))
        refuse(k, row, m->err, rd_kafka_topic_name(m->rkt));
    else if (m->err == RD_KAFKA_RESP_ERR__FATAL)
        tell_fatal(k, &err), fails(k, &err);
    else if (m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        error_set(&err, ERROR_STOP, "the broker does not allow this user to write to topic %s",
                  rd_kafka_topic_name(m->rkt)),
            fails(k, &err);
    else if (!k->refused) /* else what follows from it */
        kafka_fail(&err, m->err, "topic %s", rd_kafka_topic_name(m->rkt)), fails(k, &err);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *sink)
{
    struct kafka_sink *k = sink;
    struct error err;
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        tell_fatal(k, &err);
        fails(k, &err);
    } else if (kafka_callback_kind((rd_kafka_resp_err_t)code, reason) == ERROR_STOP) {
        error_set(&err, ERROR_STOP, "%s", reason);
        fails(k, &err);
    } else if (!k->down && (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__SSL ||
                            code == RD_KAFKA_RESP_ERR__RESOLVE)) {
        log_warn(k->sink->component->name, "%s; trying again", reason);
        k->down = true;
    }
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static rd_kafka_t *make_producer(struct sink *s, struct error *err)
{
    static const char *const compressions[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    const struct kafka_sink_options *o = options_of(s);
    const struct kafka_sink *k = s->state;
    char *id = kafka_transacts(s) ? kafka_transactional_id(s) : NULL;
    const struct kafka_property presets[] = {
        {"transactional.id", id},
        {"enable.idempotence", "true"},
        {"partitioner", kafka_partitioners[o->partitioner].name},
        {"compression.type", compressions[o->compression]},
        {"queue.buffering.max.messages", "200000"},
        {"batch.num.messages", k->careful ? "1" : NULL},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf = kafka_conf(s->component, &o->connection, presets, err);
    free(id);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_opaque(conf, s->state);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return kafka_new(RD_KAFKA_PRODUCER, conf, err);
}

/* A cluster that answers: what cannot be reached makes the sink a late one. */
static bool await_cluster(struct kafka_sink *k, struct error *err)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(k->rk, 0, NULL, &metadata, 5000);
    rd_kafka_poll(k->rk, 0);
    if (!code)
        rd_kafka_metadata_destroy(metadata);
    if (k->failed)
        *err = k->failure;
    return !k->failed && (!code || kafka_fail(err, code, "the brokers cannot be reached"));
}

static void kafka_close(struct sink *s)
{
    struct kafka_sink *k = s->state;
    if (k->rk)
        rd_kafka_destroy(k->rk);
    free(k->written);
    *k = (struct kafka_sink){.care = k->care, .down = k->down};
}

static bool kafka_open(struct sink *s, struct error *err)
{
    struct kafka_sink *k = s->state;
    k->sink = s;
    k->careful = k->care.commits > 0;
    k->rk = make_producer(s, err);
    if (k->rk && await_cluster(k, err) && (!kafka_transacts(s) || transaction_open(&k->transaction, s, k->rk, err)))
        return true;
    kafka_close(s);
    return false;
}

/* ---- producing --------------------------------------------------------------------------------------------------- */

static rd_kafka_headers_t *headers_of(const char *data, size_t len)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    const char *end = data + len;
    while (data < end) {
        uint32_t name_len, value_len;
        memcpy(&name_len, data, sizeof name_len);
        const char *name = data + sizeof name_len, *value = name + name_len + sizeof value_len;
        memcpy(&value_len, name + name_len, sizeof value_len);
        rd_kafka_header_add(headers, name, name_len, value, value_len);
        data = value + value_len;
    }
    return headers;
}

static rd_kafka_resp_err_t produce_once(struct kafka_sink *k, rd_kafka_topic_t *topic, struct kafka_row *row)
{
    bool has_key = row->key_len != KAFKA_NO_KEY;
    char *key = (char *)(row + 1), *value = key + (has_key ? row->key_len : 0);
    if (row->headers_len == 0) {
        if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, value, row->value_len, has_key ? key : NULL,
                             has_key ? row->key_len : 0, row) == 0)
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        return rd_kafka_last_error();
    }
    rd_kafka_headers_t *headers = headers_of(value + row->value_len, row->headers_len);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        k->rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA), RD_KAFKA_V_MSGFLAGS(0),
        RD_KAFKA_V_VALUE(value, row->value_len), RD_KAFKA_V_KEY(has_key ? key : NULL, has_key ? row->key_len : 0),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(row), RD_KAFKA_V_END);
    if (code)
        rd_kafka_headers_destroy(headers);
    return code;
}

static bool produce(struct kafka_sink *k, rd_kafka_topic_t *topic, struct kafka_row *row, struct error *err)
{
    for (;;) {
        rd_kafka_resp_err_t code = produce_once(k, topic, row);
        k->outstanding += !code;
        if (!code)
            return true;
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && !k->failed && !sink_stopping(k->sink)) {
            rd_kafka_poll(k->rk, 100);
            continue;
        }
        if (is_refusal(code)) { /* by librdkafka, this one alone */
            reject(row->output, row->record, code);
            return true;
        }
        if (k->failed)
            *err = k->failure;
        else if (code == RD_KAFKA_RESP_ERR__FATAL)
            tell_fatal(k, err);
        return k->failed || code == RD_KAFKA_RESP_ERR__FATAL
                   ? false
                   : kafka_fail(err, code, "topic %s", rd_kafka_topic_name(topic));
    }
}

static bool produce_piece(struct kafka_sink *k, struct output *o, const struct piece *p, struct error *err)
{
    char name[256];
    bool ok = true;
    snprintf(name, sizeof name, STR_FMT, STR_ARG(p->target));
    rd_kafka_topic_t *topic = rd_kafka_topic_new(k->rk, name, NULL);
    if (!topic)
        return kafka_fail(err, rd_kafka_last_error(), "topic %s", name);
    for (char *at = p->bytes.data, *end = at + p->bytes.len; ok && at < end;
         at += kafka_row_size((struct kafka_row *)at)) {
        struct kafka_row *row = (struct kafka_row *)at;
        row->output = o;
        if (k->trying && row->accepted)
            continue;
        if (o->rejection_count == 0 || !output_is_rejected(o, row->record))
            ok = produce(k, topic, row, err);
    }
    rd_kafka_topic_destroy(topic);
    return ok;
}

/* What an earlier attempt has found out. */
static void reject_refused(struct output *o, const struct piece *p)
{
    for (char *at = p->bytes.data, *end = at + p->bytes.len; at < end; at += kafka_row_size((struct kafka_row *)at)) {
        const struct kafka_row *row = (const struct kafka_row *)at;
        if (row->refused)
            reject(o, row->record, (rd_kafka_resp_err_t)row->refused);
    }
}

static bool produce_output(struct kafka_sink *k, struct output *o, struct error *err)
{
    bool ok = true;
    for (uint32_t i = 0; k->careful && i < o->piece_count; i++)
        reject_refused(o, &o->pieces[i]);
    for (uint32_t i = 0; ok && i < o->piece_count; i++)
        ok = produce_piece(k, o, &o->pieces[i], err);
    while (rd_kafka_poll(k->rk, ok ? 0 : REASON_MS) && !ok && !k->refused)
        ;
    return ok;
}

/* Nothing refers to the outputs any more. */
static void take_back(struct kafka_sink *k)
{
    if (k->outstanding)
        rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (k->outstanding)
        rd_kafka_poll(k->rk, 100);
    transaction_abort(&k->transaction);
    k->failed = false;
}

static bool produce_again(struct kafka_sink *k, bool trying, struct error *err)
{
    take_back(k);
    k->refused = false;
    k->trying = trying;
    bool ok = transaction_begin(&k->transaction, err);
    for (uint32_t i = 0; ok && i < k->written_count; i++)
        ok = produce_output(k, k->written[i], err);
    k->trying = false;
    return ok;
}

static void await_reports(struct kafka_sink *k)
{
    while (k->outstanding && !k->failed && !k->refused && !sink_stopping(k->sink))
        rd_kafka_flush(k->rk, 100);
}

/* Everything since the last commit once more, without what is refused. */
static bool start_over(struct kafka_sink *k, struct error *err)
{
    do {
        if (!produce_again(k, true, err) && !k->refused)
            return false;
        await_reports(k);
    } while (k->refused && !k->failed && !sink_stopping(k->sink)); /* one more is known each time */
    if (k->failed) {
        *err = k->failure;
        return false;
    }
    if (k->outstanding || k->refused)
        return error_set(err, ERROR_RETRY, "stopped before it was known which messages are refused");
    return produce_again(k, false, err);
}

static void remember(struct kafka_sink *k, struct output *o)
{
    if (k->written_count == k->written_room) {
        k->written_room = k->written_room ? k->written_room * 2 : 16;
        k->written = mem_realloc(k->written, k->written_room * sizeof(struct output *));
    }
    k->written[k->written_count++] = o;
}

static bool kafka_write(struct sink *s, struct output *o, struct error *err)
{
    struct kafka_sink *k = s->state;
    if (k->careful && k->care.commits == 0 && k->written_count == 0) {
        kafka_close(s);
        if (!kafka_open(s, err))
            return false;
    }
    remember(k, o);
    bool ok = (!kafka_transacts(s) || transaction_begin(&k->transaction, err)) && produce_output(k, o, err);
    return ok || (k->refused && !k->failed && start_over(k, err));
}

static bool kafka_prepare(struct sink *s, struct error *err)
{
    struct kafka_sink *k = s->state;
    await_reports(k);
    while (k->refused && !k->failed && !sink_stopping(s)) {
        if (!start_over(k, err))
            return false;
        await_reports(k);
    }
    bool confirmed = !k->outstanding && !k->refused;
    if (k->failed)
        *err = k->failure;
    else if (!confirmed)
        error_set(err, ERROR_RETRY, "stopped before the brokers have confirmed %llu messages",
                  (unsigned long long)k->outstanding);
    return !k->failed && confirmed;
}

static void kafka_rollback(struct sink *s)
{
    struct kafka_sink *k = s->state;
    if (k->rk)
        take_back(k);
    k->written_count = 0;
    k->refused = false;
}

/* ---- exactly once: positions are the group's offsets ------------------------------------------------------------- */

/* A partition that was taken over: after a reconnect its offset says what is in. */
struct taken {
    struct taken *next;
    struct kafka_member *member;
    char *source, *key;
};

static bool add_committed(const struct taken *t, struct positions *out, struct error *err)
{
    const char *key = t->key;
    return kafka_member_committed(t->member, t->source, &key, 1, out, err);
}

static bool kafka_load_positions(struct sink *s, struct positions *out, struct error *err)
{
    bool ok = true;
    for (const struct taken *t = s->shared; ok && t; t = t->next)
        ok = add_committed(t, out, err);
    return ok;
}

/* Nothing but what shared sources have can be stored, and their starting points are found when partitions are taken
 * over. */
static bool kafka_store_positions(struct sink *s, const struct positions *p, struct error *err)
{
    (void)s;
    (void)p;
    (void)err;
    return true;
}

static void take(struct sink *s, struct kafka_member *m, const char *source, const char *key)
{
    for (const struct taken *t = s->shared; t; t = t->next)
        if (t->member == m && strcmp(t->key, key) == 0)
            return;
    struct taken *t = mem_zalloc(sizeof(*t));
    *t = (struct taken){.next = s->shared, .member = m, .source = mem_strdup(source), .key = mem_strdup(key)};
    s->shared = t;
}

static bool kafka_acquire(struct sink *s, const char *source, const char *const *keys, uint32_t count,
                          struct positions *out, struct error *err)
{
    struct kafka_member *m = sink_source_shared(s, source);
    if (!kafka_member_committed(m, source, keys, count, out, err))
        return false;
    for (uint32_t i = 0; i < count; i++)
        take(s, m, source, keys[i]);
    return true;
}

static bool kafka_commit_outputs(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err)
{
    struct kafka_sink *k = s->state;
    if (kafka_transacts(s) && !transaction_commit(&k->transaction, outputs, count, err))
        return false;
    k->care.commits -= k->care.commits && k->written_count;
    k->written_count = 0;
    return true;
}

static void kafka_release(struct sink *s)
{
    for (struct taken *t = s->shared, *next; t; t = next) {
        next = t->next;
        free(t->source);
        free(t->key);
        free(t);
    }
}

static bool kafka_probe(struct sink *s, struct binding *const *bindings, uint32_t count, struct buffer *ddl,
                        struct error *err)
{
    (void)bindings;
    (void)count;
    if (ddl)
        return true;
    bool ok = kafka_open(s, err);
    kafka_close(s);
    return ok;
}

extern const struct sink_ops kafka_sink_ops;
const struct sink_ops kafka_sink_ops = {
    .state_size = sizeof(struct kafka_sink),
    .open = kafka_open,
    .close = kafka_close,
    .release = kafka_release,
    .load_positions = kafka_load_positions,
    .store_positions = kafka_store_positions,
    .acquire = kafka_acquire,
    .bind = kafka_bind,
    .encode = kafka_encode,
    .write = kafka_write,
    .prepare = kafka_prepare,
    .commit = kafka_commit_outputs,
    .rollback = kafka_rollback,
    .probe = kafka_probe,
};
