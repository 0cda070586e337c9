/*
 * The source's loop, and the door of the module.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connectors/kafka/module/source.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

enum {
    MOST_MESSAGES = 4096,    /* taken off the queue at once */
    HEARTBEAT_US = 30000000, /* poll at least this often: see max.poll.interval.ms */
    PENDING_US = 100000,
    MEASURE_US = 1000000,
    LOOK_US = 1000000,         /* whether a broker answers again, … */
    LOOK_MS = 100,             /* … for so long */
    DOWN_LIMIT_US = 300000000, /* batch mode: no broker answers */
    FENCED_AGAIN_US = 60000000,
    HANDOVER_US = 30000000, /* how long a commit is waited for when partitions are given back, … */
    FAREWELL_US = 5000000,  /* … in a drain, … */
    HURRIED_US = 1000000,   /* … and when the run stops at once */
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *source)
{
    struct kafka_source *k = source;
    struct error err;
    char text[512];
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        error_set(&err, ERROR_STOP, "%s", rd_kafka_err2str(rd_kafka_fatal_error(rk, text, sizeof text)));
        kafka_source_fails(k, &err);
    } else if (code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        error_set(&err, ERROR_STOP, "a topic does not exist any more: %s", reason);
        k->topic_gone = true;
        kafka_source_fails(k, &err);
    } else if (kafka_callback_kind((rd_kafka_resp_err_t)code, reason) == ERROR_STOP) {
        error_set(&err, ERROR_STOP, "%s", reason);
        kafka_source_fails(k, &err);
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__SSL ||
               code == RD_KAFKA_RESP_ERR__RESOLVE) {
        if (!k->told)
            log_warn(k->component->name, "%s; trying again", reason);
        k->told = true;
        if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !k->down_since_us)
            k->down_since_us = clock_now_us(lane_clock(k->lane));
    } else {
        log_debug(k->component->name, "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
    }
}

static rd_kafka_conf_t *make_conf(struct kafka_source *k, struct error *err)
{
    const struct pipeline_options *pipeline = &k->component->config->pipeline;
    struct arena arena = ARENA_INIT;
    size_t prefetch = kafka_prefetch_bytes(k->component);
    /* A static member's partitions wait for it when it has gone: for one that ends by itself that would be for nothing.
     */
    bool is_static = pipeline->instance && *pipeline->instance && k->options->mode == KAFKA_STREAM;
    const struct kafka_property presets[] = {
        {"group.id", k->group},
        {"group.instance.id",
         is_static ? arena_printf(&arena, "%s-%s-%s", pipeline->name, pipeline->instance, k->component->name) : NULL},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"auto.offset.reset", "error"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "true"},
        {"topic.metadata.refresh.interval.ms", "30000"},
        {"fetch.wait.max.ms", "100"},
        {"queued.max.messages.kbytes", arena_printf(&arena, "%zu", prefetch / 2 >> 10)},
        {"queued.min.messages", arena_printf(&arena, "%zu", kafka_prefetch_messages(k->component))},
        {"fetch.queue.backoff.ms", kafka_backs_off_for_long() ? NULL : "10"},
        {"fetch.max.bytes", arena_printf(&arena, "%zu", prefetch / 8)},
        {"fetch.message.max.bytes", arena_printf(&arena, "%d", 1 << 20)},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf = kafka_conf(k->component, &k->options->connection, presets, err);
    arena_release(&arena);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_opaque(conf, k);
    rd_kafka_conf_set_rebalance_cb(conf, kafka_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, kafka_committed);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

static bool subscribe(struct kafka_source *k, struct error *err)
{
    const struct text_list *topics = &k->options->topics;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)topics->count);
    for (uint32_t i = 0; i < topics->count; i++)
        rd_kafka_topic_partition_list_add(list, topics->items[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return !code || kafka_fail(err, code, "subscribing");
}

static bool open_consumer(struct kafka_source *k, struct error *err)
{
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf = make_conf(k, err);
    if (!conf || !(k->rk = kafka_new(RD_KAFKA_CONSUMER, conf, err)))
        return false;
    rd_kafka_poll_set_consumer(k->rk);
    k->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    k->events = rd_kafka_queue_get_consumer(k->rk);
    k->messages = rd_kafka_queue_new(k->rk);
    rd_kafka_queue_io_event_enable(k->events, k->event_fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(k->messages, k->event_fd, &one, sizeof one);
    pthread_mutex_lock(&k->member->lock);
    k->member->rk = k->rk;
    pthread_mutex_unlock(&k->member->lock);
    return subscribe(k, err);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

bool kafka_source_fails(struct kafka_source *k, const struct error *err)
{
    if (!k->failed)
        k->failure = *err;
    k->failed = true;
    k->fenced = rd_kafka_fatal_error(k->rk, NULL, 0) == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
    return false;
}

/* A topic that is not there, a right that is missing. */
void kafka_take_error(struct kafka_source *k, const rd_kafka_message_t *m)
{
    struct error err;
    const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : NULL;
    switch ((int)m->err) {
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        log_warn(k->component->name, "%s", rd_kafka_message_errstr(m));
        return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        error_set(&err, ERROR_STOP, "topic %s does not exist%s", topic ? topic : "", k->assigned ? " any more" : "");
        k->topic_gone = true;
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        error_set(&err, ERROR_STOP, "the broker does not allow this user to read topic %s", topic ? topic : "");
        break;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        error_set(&err, ERROR_STOP, "the broker does not allow this user to join group %s", k->group);
        break;
    default:
        error_set(&err, kafka_error_kind(m->err), "%s", rd_kafka_message_errstr(m));
        break;
    }
    if (err.kind == ERROR_STOP)
        kafka_source_fails(k, &err);
    else
        log_debug(k->component->name, "%s", err.text);
}

static void works_again(struct kafka_source *k)
{
    if (k->down_since_us)
        log_info(k->component->name, "works again");
    k->down_since_us = 0;
    k->told = false;
}

/* Messages show that brokers are there again, but there may be none to come. */
static bool check_down(struct kafka_source *k)
{
    struct error err;
    const struct rd_kafka_metadata *metadata;
    int64_t now = clock_now_us(lane_clock(k->lane));
    if (!k->down_since_us || now < k->next_look_us)
        return true;
    k->next_look_us = now + LOOK_US;
    if (!rd_kafka_metadata(k->rk, 0, NULL, &metadata, LOOK_MS)) {
        rd_kafka_metadata_destroy(metadata);
        works_again(k);
    }
    if (!k->down_since_us || k->options->mode != KAFKA_BATCH || now - k->down_since_us < DOWN_LIMIT_US)
        return true;
    error_set(&err, ERROR_STOP, "gave up after 5 minutes: no broker answers");
    return kafka_source_fails(k, &err);
}

/* Also of partitions that nothing comes from or nothing settles. */
static void measure(struct kafka_source *k)
{
    int64_t now = clock_now_us(lane_clock(k->lane));
    if (now < k->next_measure_us)
        return;
    k->next_measure_us = now + MEASURE_US;
    for (const struct kafka_part *p = k->parts; p; p = p->next)
        kafka_part_measure(k, p);
}

bool kafka_serve(struct kafka_source *k)
{
    uint64_t count;
    struct error err;
    ssize_t n = read(k->event_fd, &count, sizeof count);
    (void)n;
    for (rd_kafka_message_t *m; !k->failed && (m = rd_kafka_consumer_poll(k->rk, 0)); rd_kafka_message_destroy(m))
        if (m->err)
            kafka_take_error(k, m);
    if (!k->failed && !kafka_assign_pending(k, &err))
        kafka_source_fails(k, &err);
    measure(k);
    return !k->failed && check_down(k);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

/* What there is, at once. false: the run ends. */
static bool take_messages(struct kafka_source *k, rd_kafka_message_t **messages, bool *any)
{
    ssize_t n = rd_kafka_consume_batch_queue(k->messages, 0, messages, MOST_MESSAGES);
    uint64_t fetched = k->generation;
    bool ok = true;
    for (ssize_t i = 0; i < n; i++) {
        ok = ok && kafka_take(k, messages[i], fetched);
        rd_kafka_message_destroy(messages[i]);
    }
    lane_count_bytes(k->lane, k->read_bytes);
    k->read_bytes = 0;
    *any = n > 0;
    if (*any && k->down_since_us)
        works_again(k);
    return ok;
}

/* Batch mode: what this member was given is read, and what others were given is through. */
static bool is_over(struct kafka_source *k)
{
    if (k->options->mode != KAFKA_BATCH || !k->assigned || k->pending)
        return false;
    for (const struct kafka_part *p = k->parts; p; p = p->next)
        if (!p->at_end)
            return false;
    return lane_reads_all(k->lane) || kafka_group_is_through(k);
}

static bool has_uncommitted(const struct kafka_source *k)
{
    for (const struct kafka_part *p = k->parts; p; p = p->next)
        if (p->settled != p->committed)
            return true;
    return false;
}

/* most_us: whatever else there is to wait for. */
static void rest(struct kafka_source *k, int64_t most_us)
{
    struct pollfd fd = {.fd = k->event_fd, .events = POLLIN};
    int64_t now = clock_now_us(lane_clock(k->lane)), wait = HEARTBEAT_US;
    bool waits_for_others = k->group_asked_us > 0;
    if (k->pending || waits_for_others)
        wait = PENDING_US;
    else if (k->down_since_us)
        wait = LOOK_US;
    else if (has_uncommitted(k))
        wait = k->next_commit_us > now ? k->next_commit_us - now : 0;
    lane_wait(k->lane, &fd, 1, wait < most_us ? wait : most_us);
}

static bool loop(struct kafka_source *k)
{
    rd_kafka_message_t **messages = mem_alloc(MOST_MESSAGES * sizeof(rd_kafka_message_t *));
    int64_t linger = k->component->source_common->linger;
    bool on = true;
    while (on && !lane_stopping(k->lane)) {
        bool any = false;
        on = kafka_serve(k) && (!kafka_is_known(k) || take_messages(k, messages, &any));
        if (!on)
            break;
        kafka_commit(k, false);
        kafka_emit(k, any ? clock_now_us(lane_clock(k->lane)) - linger : INT64_MAX, any);
        int64_t again_us = kafka_keep_fetching(k, any);
        if (any)
            continue;
        if (is_over(k))
            break;
        rest(k, again_us);
    }
    free(messages);
    return !k->failed;
}

/* Messages hold their partitions, which hold the queue that they forward to: neither would ever be freed. */
static void drain_messages(struct kafka_source *k)
{
    rd_kafka_message_t *messages[64];
    for (ssize_t n; (n = rd_kafka_consume_batch_queue(k->messages, 0, messages, 64)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            rd_kafka_message_destroy(messages[i]);
}

static void leave_member(struct kafka_source *k)
{
    pthread_mutex_lock(&k->member->lock);
    k->member->rk = NULL;
    pthread_mutex_unlock(&k->member->lock);
}

static void close_queues(struct kafka_source *k)
{
    drain_messages(k);
    rd_kafka_queue_destroy(k->messages);
    rd_kafka_queue_destroy(k->events);
    close(k->event_fd);
    k->event_fd = -1;
}

/*
 * A static member is fenced by a second process of its name, and by itself: where brokers stand still it joins again,
 * and they carry out the first attempt when they go on. So it joins once more; the second process, if there is one, is
 * soon back.
 */
static bool join_again(struct kafka_source *k, struct error *err)
{
    int64_t now = clock_now_us(lane_clock(k->lane)), last = k->fenced_at_us;
    *err = k->failure;
    if (!k->fenced || lane_stopping(k->lane))
        return false;
    if (last && now - last < FENCED_AGAIN_US)
        return error_set(
            err, ERROR_STOP,
            "group %s has given this member's place to another one of its name, twice within a minute: two "
            "processes run with the same pipeline.instance. Give each its own",
            k->group);
    log_warn(k->component->name, "group %s has given this member's place to another one of its name; joining again",
             k->group);
    k->fenced_at_us = now;
    leave_member(k);
    kafka_lose_all(k);
    close_queues(k);
    rd_kafka_destroy_flags(k->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    k->rk = NULL;
    k->fenced = k->failed = k->topic_gone = k->assigned = false;
    k->group_asked_us = k->down_since_us = 0;
    return open_consumer(k, err);
}

static bool kafka_run(struct lane *lane, struct error *err)
{
    const struct component *c = lane_component(lane);
    struct kafka_source *k = mem_zalloc(sizeof(*k));
    k->lane = lane;
    k->component = c;
    k->options = c->options;
    k->member = lane_shared(lane);
    k->sink_commits = lane_sink_commits(lane);
    k->event_fd = -1;
    struct buffer group = {0};
    buffer_printf(&group, "%s.%s", c->config->pipeline.name, c->name);
    k->group = mem_strdup(k->options->group ? k->options->group : buffer_cstr(&group));
    buffer_release(&group);
    lane_set_state(lane, k);
    lane_reserve(k->lane, kafka_prefetch_bytes(k->component));
    if (!kafka_start_parse(k->options->start, c->config->zone, &k->start_ms, err) || !open_consumer(k, err))
        return false;
    while (!loop(k))
        if (!join_again(k, err))
            return false;
    return true;
}

static void kafka_settled(struct lane *lane, struct partition *partition, uint64_t next)
{
    struct kafka_part *p = partition->source_state;
    if (!p)
        return;
    p->settled = next;
    kafka_part_measure(lane_state(lane), p);
}

/* A batch that has come to its end waits for its brokers as it did before: where they know it has been the next one
 * begins.
 */
int64_t kafka_farewell_us(const struct kafka_source *k)
{
    if (lane_stopping_now(k->lane))
        return HURRIED_US;
    if (lane_stopping(k->lane))
        return FAREWELL_US;
    return k->closing ? DOWN_LIMIT_US : HANDOVER_US;
}

/* Leaves the group: calls back, what is settled is committed, the rest lost. false: the brokers did not answer in time.
 */
static bool leave(struct kafka_source *k)
{
    int64_t begin = clock_now_us(lane_clock(k->lane));
    rd_kafka_queue_t *events = rd_kafka_queue_new(k->rk);
    rd_kafka_error_t *e = rd_kafka_consumer_close_queue(k->rk, events);
    while (!e && !rd_kafka_consumer_closed(k->rk) &&
           clock_now_us(lane_clock(k->lane)) - begin < 2 * kafka_farewell_us(k)) /* committing is part of it */
        rd_kafka_queue_poll_callback(events, 50);
    if (e)
        rd_kafka_error_destroy(e);
    rd_kafka_queue_destroy(events);
    return rd_kafka_consumer_closed(k->rk);
}

static void kafka_close(struct lane *lane)
{
    struct kafka_source *k = lane_state(lane);
    if (!k)
        return;
    k->closing = true;
    leave_member(k);
    if (k->rk) {
        kafka_drop_pending(k);
        bool left = leave(k);
        while (k->parts) {
            struct kafka_part *p = k->parts;
            k->parts = p->next;
            kafka_part_free(k, p);
        }
        close_queues(k);
        /* It would be waited for brokers that do not answer, and by librdkafka 2.0 for ever for a partition whose topic
         * was deleted: the handle stays until the process ends. */
        if (left && !k->failed)
            rd_kafka_destroy(k->rk);
    }
    if (k->group_ends)
        rd_kafka_topic_partition_list_destroy(k->group_ends);
    free((char *)k->group);
    free(k);
    lane_set_state(lane, NULL);
}

/* Can the cluster be reached, and are the topics there? */
static bool kafka_probe(const struct component *c, struct error *err)
{
    const struct kafka_source_options *o = c->options;
    const struct kafka_property none = {NULL, NULL};
    rd_kafka_conf_t *conf = kafka_conf(c, &o->connection, &none, err);
    rd_kafka_t *rk = conf ? kafka_new(RD_KAFKA_PRODUCER, conf, err) : NULL;
    if (!rk)
        return false;
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 1, NULL, &metadata, 10000);
    bool ok = !code || kafka_fail(err, code, "asking the brokers for their topics");
    for (uint32_t i = 0; ok && i < o->topics.count; i++) {
        bool found = o->topics.items[i][0] == '^';
        for (int t = 0; t < metadata->topic_cnt && !found; t++)
            found = strcmp(metadata->topics[t].topic, o->topics.items[i]) == 0;
        ok = found ||
             error_set(err, ERROR_STOP, "topic %s does not exist, or this user may not see it", o->topics.items[i]);
    }
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_destroy(rk);
    return ok;
}

extern const struct source_ops kafka_source_ops;
const struct source_ops kafka_source_ops = {
    .open = kafka_member_make,
    .release = kafka_member_free,
    .run = kafka_run,
    .settled = kafka_settled,
    .close = kafka_close,
    .probe = kafka_probe,
};
