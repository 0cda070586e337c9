/*
 * The end of a batch that several processes share: nobody leaves before all of it is through.
 */
#include <regex.h>

#include "connectors/kafka/module/source.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

enum { ASK_EVERY_US = 1000000 };

static bool is_subscribed(const struct kafka_source *k, const char *topic)
{
    const struct text_list *wanted = &k->options->topics;
    for (uint32_t i = 0; i < wanted->count; i++) {
        regex_t pattern;
        if (wanted->items[i][0] != '^') {
            if (strcmp(wanted->items[i], topic) == 0)
                return true;
        } else if (regcomp(&pattern, wanted->items[i], REG_EXTENDED | REG_NOSUB) == 0) {
            bool matches = regexec(&pattern, topic, 0, NULL, 0) == 0;
            regfree(&pattern);
            if (matches)
                return true;
        }
    }
    return false;
}

/* false: of some partition the brokers do not say just now where it ends. */
static bool ask_ends(struct kafka_source *k, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code = list->cnt ? rd_kafka_offsets_for_times(k->rk, list, KAFKA_ASK_MS) : 0;
    for (int i = 0; !code && i < list->cnt; i++)
        code = list->elems[i].err;
    return !code;
}

/* Every partition of the topics, with its end. NULL: the brokers do not say so just now. */
static rd_kafka_topic_partition_list_t *all_ends(struct kafka_source *k)
{
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(k->rk, 1, NULL, &metadata, KAFKA_ASK_MS))
        return NULL;
    bool complete = true;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (int t = 0; t < metadata->topic_cnt; t++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[t];
        if (!is_subscribed(k, topic->topic))
            continue;
        complete &= !topic->err;
        for (int i = 0; i < topic->partition_cnt; i++)
            rd_kafka_topic_partition_list_add(list, topic->topic, topic->partitions[i].id)->offset = KAFKA_LATEST;
    }
    rd_kafka_metadata_destroy(metadata);
    if (complete && ask_ends(k, list))
        return list;
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

static bool is_ours(const struct kafka_source *k, const rd_kafka_topic_partition_t *tp)
{
    for (const struct kafka_part *p = k->parts; p; p = p->next)
        if (p->number == tp->partition && strcmp(p->name, tp->topic) == 0)
            return true;
    return false;
}

static rd_kafka_topic_partition_list_t *of_others(const struct kafka_source *k)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(k->group_ends->cnt);
    for (int i = 0; i < k->group_ends->cnt; i++)
        if (!is_ours(k, &k->group_ends->elems[i]))
            rd_kafka_topic_partition_list_add(list, k->group_ends->elems[i].topic, k->group_ends->elems[i].partition);
    return list;
}

static bool is_committed(const struct kafka_source *k, const rd_kafka_topic_partition_t *tp)
{
    const rd_kafka_topic_partition_t *end = rd_kafka_topic_partition_list_find(k->group_ends, tp->topic, tp->partition);
    return !tp->err && tp->offset >= end->offset;
}

static bool others_are_through(struct kafka_source *k)
{
    rd_kafka_topic_partition_list_t *others = of_others(k);
    bool through = others->cnt == 0 || !rd_kafka_committed(k->rk, others, KAFKA_ASK_MS);
    for (int i = 0; through && i < others->cnt; i++)
        through = is_committed(k, &others->elems[i]);
    rd_kafka_topic_partition_list_destroy(others);
    return through;
}

bool kafka_group_is_through(struct kafka_source *k)
{
    int64_t now = clock_now_us(lane_clock(k->lane));
    if (k->group_asked_us && now - k->group_asked_us < ASK_EVERY_US)
        return false;
    bool first = k->group_asked_us == 0;
    k->group_asked_us = now;
    if (!k->group_ends && !(k->group_ends = all_ends(k)))
        return false;
    if (others_are_through(k))
        return true;
    if (first) {
        log_info(k->component->name, "has read its share, and waits for the other members' to be through");
        lane_release(k->lane); /* they wait for ours, too */
        k->next_commit_us = 0;
    }
    return false;
}
