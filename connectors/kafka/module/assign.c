/*
 * Who reads what, from where. A rebalance gives partitions (they become pending, the sinks take them over, positions
 * are compared with what the log still has, and only then librdkafka is told to read them) and takes partitions (what
 * is in flight is delivered and committed first).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "connectors/kafka/module/source.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

enum {
    RETRY_US = 1000000,
    COMMIT_US = 5000000, /* as librdkafka's own: a commit that falls into a rebalance may cost the membership */
};

static int64_t now_us(const struct kafka_source *k)
{
    return clock_now_us(lane_clock(k->lane));
}

static bool is_cooperative(const struct kafka_source *k)
{
    return strcmp(rd_kafka_rebalance_protocol(k->rk), "COOPERATIVE") == 0;
}

/* ---- committing -------------------------------------------------------------------------------------------------- */

static void add_settled(struct kafka_part *p, rd_kafka_topic_partition_list_t *offsets)
{
    if (p->settled == p->committed)
        return;
    rd_kafka_topic_partition_list_add(offsets, p->name, p->number)->offset = (int64_t)p->settled;
    p->committed = p->settled;
}

/* Neither a partition's next owner nor a drain waits for brokers that do not answer: what is not committed is read
 * again. */
static rd_kafka_resp_err_t commit_and_wait(struct kafka_source *k, const rd_kafka_topic_partition_list_t *offsets)
{
    int64_t begin = now_us(k);
    rd_kafka_event_t *answer = NULL;
    rd_kafka_queue_t *answers = rd_kafka_queue_new(k->rk);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(k->rk, offsets, answers, NULL, NULL);
    while (!code && !answer && now_us(k) - begin < kafka_farewell_us(k))
        answer = rd_kafka_queue_poll(answers, 50);
    if (!code)
        code = answer ? rd_kafka_event_error(answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (answer)
        rd_kafka_event_destroy(answer);
    rd_kafka_queue_destroy(answers);
    return code;
}

/* Takes the list. */
static void commit(struct kafka_source *k, rd_kafka_topic_partition_list_t *offsets, bool wait)
{
    bool keeps = offsets->cnt && !k->topic_gone && !lane_is_trial(k->lane);
    rd_kafka_resp_err_t code = !keeps ? RD_KAFKA_RESP_ERR_NO_ERROR
                               : wait ? commit_and_wait(k, offsets)
                                      : rd_kafka_commit(k->rk, offsets, true);
    if (code)
        log_warn(k->component->name, "offsets are not committed: %s", rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(offsets);
}

void kafka_commit(struct kafka_source *k, bool wait)
{
    int64_t now = now_us(k);
    if (!wait && now < k->next_commit_us)
        return;
    k->next_commit_us = now + COMMIT_US;
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(8);
    for (struct kafka_part *p = k->parts; p; p = p->next)
        if (!k->sink_commits || !p->is_known) /* its first offset is the source's own: there is no transaction yet */
            add_settled(p, offsets);
    commit(k, offsets, wait);
}

static struct kafka_part *find_part(const struct kafka_source *k, const rd_kafka_topic_partition_t *tp)
{
    for (struct kafka_part *p = k->parts; p; p = p->next)
        if (p->number == tp->partition && strcmp(p->name, tp->topic) == 0)
            return p;
    return NULL;
}

void kafka_committed(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets, void *source)
{
    struct kafka_source *k = source;
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return;
    if (code)
        log_debug(k->component->name, "committing offsets: %s", rd_kafka_err2str(code));
    for (int i = 0; offsets && i < offsets->cnt; i++) {
        struct kafka_part *p = find_part(k, &offsets->elems[i]);
        if (!p)
            continue;
        if (!code && !offsets->elems[i].err) {
            p->is_known = true;
            continue;
        }
        p->committed = UINT64_MAX;
        if (!p->is_known)
            k->next_commit_us = now_us(k) + RETRY_US;
    }
}

bool kafka_is_known(const struct kafka_source *k)
{
    for (const struct kafka_part *p = k->parts; p; p = p->next)
        if (!p->is_known)
            return false;
    return true;
}

/* ---- partitions taken away --------------------------------------------------------------------------------------- */

/* Those of the list move from k->parts to the returned list; their half-filled batches go, for whoever is next reads
 * them again. */
static struct kafka_part *take_out(struct kafka_source *k, const rd_kafka_topic_partition_list_t *list)
{
    struct kafka_part *out = NULL;
    for (struct kafka_part **link = &k->parts, *p; (p = *link);) {
        if (!rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)list, p->name, p->number)) {
            link = &p->next;
            continue;
        }
        *link = p->next;
        p->next = out;
        out = p;
        if (p->batch)
            lane_discard(k->lane, p->batch);
        p->batch = NULL;
    }
    return out;
}

static bool all_settled(const struct kafka_part *parts)
{
    for (; parts; parts = parts->next)
        if (parts->settled < parts->emitted)
            return false;
    return true;
}

/* Half of the time after which the group would go on without us. */
static int64_t drain_limit_us(const struct kafka_source *k)
{
    char text[32] = "300000";
    size_t size = sizeof text;
    rd_kafka_conf_get(rd_kafka_conf(k->rk), "max.poll.interval.ms", text, &size);
    return strtoll(text, NULL, 10) * 1000 / 2;
}

static void await_settled(struct kafka_source *k, const struct kafka_part *parts)
{
    int64_t until = now_us(k) + drain_limit_us(k);
    lane_serve(k->lane);
    if (all_settled(parts))
        return;
    lane_release(k->lane);
    while (!all_settled(parts) && !lane_stopping(k->lane) && now_us(k) < until)
        lane_wait(k->lane, NULL, 0, 20000);
}

static void give_back(struct kafka_source *k, struct kafka_part *parts, bool lost)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(8);
    if (!lost && !k->closing)
        await_settled(k, parts);
    for (struct kafka_part *p = parts, *next; p; p = next) {
        next = p->next;
        if (!lost && !k->sink_commits)
            add_settled(p, offsets);
        if (p->settled < p->emitted) {
            pthread_mutex_lock(&k->member->lock);
            lane_lose(k->lane, p->partition);
            pthread_mutex_unlock(&k->member->lock);
        }
        kafka_part_free(k, p);
    }
    commit(k, offsets, true);
}

static void forget_pending(struct kafka_source *k, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; k->pending && i < list->cnt; i++)
        rd_kafka_topic_partition_list_del(k->pending, list->elems[i].topic, list->elems[i].partition);
}

static void revoke(struct kafka_source *k, rd_kafka_topic_partition_list_t *list)
{
    bool lost = rd_kafka_assignment_lost(k->rk);
    if (lost)
        log_warn(k->component->name,
                 "the group went on without this member: what is in flight of %d partitions is left to others",
                 list->cnt);
    else if (list->cnt)
        log_info(k->component->name, "gives back %d partitions", list->cnt);
    forget_pending(k, list);
    give_back(k, take_out(k, list), lost);
    if (is_cooperative(k)) {
        rd_kafka_error_t *e = rd_kafka_incremental_unassign(k->rk, list);
        if (e)
            log_warn(k->component->name, "giving back partitions: %s", rd_kafka_error_string(e));
        if (e)
            rd_kafka_error_destroy(e);
    } else {
        rd_kafka_assign(k->rk, NULL);
    }
}

/* ---- partitions given to us -------------------------------------------------------------------------------------- */

static void add_pending(struct kafka_source *k, const rd_kafka_topic_partition_list_t *list)
{
    if (!k->pending)
        k->pending = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++)
        if (!rd_kafka_topic_partition_list_find(k->pending, list->elems[i].topic, list->elems[i].partition))
            rd_kafka_topic_partition_list_add(k->pending, list->elems[i].topic, list->elems[i].partition);
    k->asked = false;
    k->retry_at_us = 0;
}

void kafka_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *source)
{
    struct kafka_source *k = source;
    (void)rk;
    k->generation++;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        add_pending(k, list);
    else
        revoke(k, list);
}

/* What is known of the pending partitions: one entry per partition, in the order of k->pending. */
struct offsets {
    rd_kafka_topic_partition_list_t *committed, *begin, *end, *start;
};

/*
 * Brokers, and what this process has heard from them, are behind one another in what partitions there are: one that was
 * just added is given to us before we know of it. A topic that is gone is told otherwise (kafka_take_error).
 */
static bool ask_failed(struct kafka_source *k, rd_kafka_resp_err_t code, const char *what, struct error *err)
{
    const struct rd_kafka_metadata *metadata;
    kafka_fail(err, code, "%s", what);
    if (code != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && code != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC &&
        code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return false;
    err->kind = ERROR_RETRY;
    if (!rd_kafka_metadata(k->rk, 0, NULL, &metadata, KAFKA_ASK_MS))
        rd_kafka_metadata_destroy(metadata);
    return false;
}

/* The offsets at an instant (or KAFKA_EARLIEST, KAFKA_LATEST): one request per broker. */
static rd_kafka_topic_partition_list_t *offsets_at(struct kafka_source *k, int64_t ms, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(k->pending);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(k->rk, list, KAFKA_ASK_MS);
    for (int i = 0; !code && i < list->cnt; i++)
        code = list->elems[i].err;
    if (!code)
        return list;
    ask_failed(k, code, "asking for offsets", err);
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

static rd_kafka_topic_partition_list_t *committed_offsets(struct kafka_source *k, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(k->pending);
    rd_kafka_resp_err_t code = rd_kafka_committed(k->rk, list, KAFKA_ASK_MS);
    for (int i = 0; !code && i < list->cnt; i++)
        code = list->elems[i].err;
    if (!code)
        return list;
    ask_failed(k, code, "asking for the group's offsets", err);
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

static void offsets_free(struct offsets *o)
{
    rd_kafka_topic_partition_list_t *all[] = {o->committed, o->begin, o->end, o->start};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            rd_kafka_topic_partition_list_destroy(all[i]);
}

static bool offsets_ask(struct kafka_source *k, struct offsets *o, struct error *err)
{
    bool at_instant = k->start_ms != KAFKA_EARLIEST && k->start_ms != KAFKA_LATEST;
    *o = (struct offsets){0};
    return (o->committed = committed_offsets(k, err)) && (o->begin = offsets_at(k, KAFKA_EARLIEST, err)) &&
           (o->end = offsets_at(k, KAFKA_LATEST, err)) && (!at_instant || (o->start = offsets_at(k, k->start_ms, err)));
}

/* Where `start` says; an instant behind the last record is the end. */
static int64_t start_of(const struct kafka_source *k, const struct offsets *o, int i)
{
    if (k->start_ms == KAFKA_EARLIEST)
        return o->begin->elems[i].offset;
    if (k->start_ms == KAFKA_LATEST || o->start->elems[i].offset < 0)
        return o->end->elems[i].offset;
    return o->start->elems[i].offset;
}

/* Is what comes next still there? A position that the log does not have must not be silently replaced. */
static bool check_position(const struct kafka_source *k, struct kafka_part *p, uint64_t begin, uint64_t end,
                           struct error *err)
{
    if (p->position > end)
        return error_set(err, ERROR_STOP,
                         "%s/%d ends at offset %" PRIu64 ", but records up to %" PRIu64
                         " have been delivered: the topic was deleted and made anew, or its log was truncated. To read "
                         "it from its beginning, forget the "
                         "positions that the sinks and group \"%s\" have of it (pipe state reset says how)",
                         p->name, p->number, end, p->position, k->group);
    if (p->position >= begin)
        return true;
    if (k->options->on_missing == KAFKA_MISSING_STOP)
        return error_set(err, ERROR_STOP,
                         "%s/%d: the records from offset %" PRIu64 " to %" PRIu64
                         " were deleted before they were read (the topic's retention is too short, or this pipeline "
                         "was stopped for too long). "
                         "on_missing = \"skip\" goes on without them",
                         p->name, p->number, p->position, begin - 1);
    log_warn(k->component->name,
             "%s/%d: the records from offset %" PRIu64 " to %" PRIu64 " were deleted before they were read", p->name,
             p->number, p->position, begin - 1);
    p->position = begin;
    return true;
}

/*
 * The group's offset of a partition is there before anything of it is read. Where sinks have some of it and the group
 * has none, Kafka has deleted it: with the topic, or for some other reason.
 */
static bool check_known(const struct kafka_source *k, const struct kafka_part *p, struct error *err)
{
    uint64_t reached = lane_reached(k->lane, p->partition);
    if (p->is_known || reached == 0 || k->options->on_forgotten == KAFKA_FORGOTTEN_TRUST)
        return true;
    return error_set(err, ERROR_STOP,
                     "%s/%d: sinks have records up to offset %" PRIu64
                     ", but group \"%s\" has no offset of it. Was the topic deleted and made anew? Then its first "
                     "records would be skipped: forget the positions that sinks have of it "
                     "(pipe state reset says how). If it is the same topic, and the group is a new one, or its offsets "
                     "were deleted or have expired, go on with: "
                     "--set sources.%s.on_forgotten=trust",
                     p->name, p->number, reached, k->group, k->component->name);
}

static struct kafka_part *part_for(struct kafka_source *k, const struct offsets *o, int i, struct error *err)
{
    rd_kafka_topic_partition_t *tp = &k->pending->elems[i];
    char key[512];
    snprintf(key, sizeof key, "%s/%d", tp->topic, tp->partition);
    struct kafka_part *p = kafka_part_new(k, tp->topic, tp->partition, key);
    bool reads_all = lane_reads_all(k->lane);
    uint64_t begin = (uint64_t)o->begin->elems[i].offset, end = (uint64_t)o->end->elems[i].offset;
    int64_t committed = o->committed->elems[i].offset;
    uint64_t start = (uint64_t)start_of(k, o, i);
    p->position =
        reads_all ? start : lane_resume_or(k->lane, p->partition, committed >= 0 ? (uint64_t)committed : start, begin);
    p->committed = committed >= 0 ? (uint64_t)committed : UINT64_MAX;
    p->is_known = committed >= 0 || lane_is_trial(k->lane);
    if (!check_position(k, p, begin, end, err) || (!reads_all && !check_known(k, p, err))) {
        kafka_part_free(k, p);
        return NULL;
    }
    p->span_first = lane_settled(k->lane, p->partition);
    if (p->span_first > p->position)
        p->span_first = p->position;
    p->emitted = p->settled = p->position;
    p->end = k->options->mode == KAFKA_BATCH ? end : UINT64_MAX;
    p->at_end = p->position >= p->end;
    p->generation = k->generation;
    p->lag = lane_begin_lag(k->lane, p->partition);
    lag_set(p->lag, end - p->position);
    return p;
}

/* Its messages come to our queue, not to that of the events. */
static void forward(struct kafka_source *k, const rd_kafka_topic_partition_t *tp)
{
    rd_kafka_queue_t *q = rd_kafka_queue_get_partition(k->rk, tp->topic, tp->partition);
    rd_kafka_queue_forward(q, k->messages);
    rd_kafka_queue_destroy(q);
}

static bool start_reading(struct kafka_source *k, const struct offsets *o, struct error *err)
{
    struct kafka_part *fresh = NULL, **last = &fresh;
    bool ok = true;
    for (int i = 0; ok && i < k->pending->cnt; i++) {
        struct kafka_part *p = part_for(k, o, i, err);
        ok = p != NULL;
        if (!ok)
            break;
        *last = p;
        last = &p->next;
        k->pending->elems[i].offset = (int64_t)p->position;
        forward(k, &k->pending->elems[i]);
    }
    if (ok && is_cooperative(k)) {
        rd_kafka_error_t *e = rd_kafka_incremental_assign(k->rk, k->pending);
        ok = !e || kafka_fail_error(err, e, "taking partitions");
    } else if (ok) {
        rd_kafka_resp_err_t code = rd_kafka_assign(k->rk, k->pending);
        ok = !code || kafka_fail(err, code, "taking partitions");
    }
    *last = k->parts;
    k->parts = fresh;
    return ok;
}

/*
 * librdkafka reads no more of a partition whose offset is not there, and takes no other one for it either. Giving it
 * back also ends the forwarding of its messages, a little later, in librdkafka's thread: what that thread is asked next
 * it answers behind that.
 */
static bool assign_anew(struct kafka_source *k, const struct kafka_part *p, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, p->name, p->number);
    rd_kafka_error_t *e = rd_kafka_incremental_unassign(k->rk, list);
    rd_kafka_rebalance_protocol(k->rk);
    tp->offset = (int64_t)p->position;
    forward(k, tp);
    if (!e)
        e = rd_kafka_incremental_assign(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return !e || kafka_fail_error(err, e, "reading on");
}

bool kafka_find_again(struct kafka_source *k, struct kafka_part *p, struct error *err)
{
    int64_t begin, end;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(k->rk, p->name, p->number, &begin, &end, KAFKA_ASK_MS);
    bool known = !code && is_cooperative(k);
    if (known && !check_position(k, p, (uint64_t)begin, (uint64_t)end, err))
        return false;
    if (known)
        return assign_anew(k, p, err);
    return error_set(err, ERROR_STOP,
                     "%s/%d has no offset %" PRIu64
                     " any more: the log was truncated, deleted faster than it was read, or the topic was made anew",
                     p->name, p->number, p->position);
}

static void ask_sinks(struct kafka_source *k)
{
    const char **keys = mem_alloc(((size_t)k->pending->cnt + 1) * sizeof(*keys));
    struct arena arena = ARENA_INIT;
    for (int i = 0; i < k->pending->cnt; i++)
        keys[i] = arena_printf(&arena, "%s/%d", k->pending->elems[i].topic, k->pending->elems[i].partition);
    lane_acquire(k->lane, keys, (uint32_t)k->pending->cnt);
    k->asked = true;
    arena_release(&arena);
    free(keys);
}

/* What cannot be answered just now is asked again, for as long as the partitions are ours. */
static bool try_again(struct kafka_source *k, const struct error *err)
{
    if (err->kind != ERROR_RETRY)
        return false;
    log_debug(k->component->name, "%s; trying again", err->text);
    k->retry_at_us = now_us(k) + RETRY_US;
    return true;
}

bool kafka_assign_pending(struct kafka_source *k, struct error *err)
{
    if (!k->pending || now_us(k) < k->retry_at_us)
        return true;
    if (!k->asked)
        ask_sinks(k);
    if (!lane_acquired(k->lane))
        return true;
    struct offsets o = {0};
    bool ok = k->pending->cnt == 0 || offsets_ask(k, &o, err); /* cooperative: also nothing may be given */
    if (!ok) {
        offsets_free(&o);
        return try_again(k, err);
    }
    ok = start_reading(k, &o, err);
    offsets_free(&o);
    if (!ok)
        return false;
    if (k->pending->cnt)
        log_info(k->component->name, "reads %d more partitions", k->pending->cnt);
    rd_kafka_topic_partition_list_destroy(k->pending);
    k->pending = NULL;
    k->assigned = true;
    k->next_commit_us =
        0; /* where reading begins is committed, too: a restart must not take another place for the latest */
    return true;
}

void kafka_lose_all(struct kafka_source *k)
{
    struct kafka_part *parts = k->parts;
    k->parts = NULL;
    k->generation++;
    give_back(k, parts, true);
    if (k->pending)
        rd_kafka_topic_partition_list_destroy(k->pending);
    k->pending = NULL;
}

void kafka_drop_pending(struct kafka_source *k)
{
    if (!k->pending)
        return;
    if (is_cooperative(k)) {
        rd_kafka_error_t *e = rd_kafka_incremental_assign(k->rk, k->pending);
        if (e)
            rd_kafka_error_destroy(e);
    } else {
        rd_kafka_assign(k->rk, k->pending);
    }
    rd_kafka_topic_partition_list_destroy(k->pending);
    k->pending = NULL;
}
