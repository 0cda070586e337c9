#include "connectors/kafka/module/member.h"

#include <stdlib.h>

#include "pipeline/base/arena.h"

bool kafka_member_make(struct lane *first, void **shared, struct error *err)
{
    struct kafka_member *m = mem_zalloc(sizeof(*m));
    (void)first;
    (void)err;
    pthread_mutex_init(&m->lock, NULL);
    *shared = m;
    return true;
}

void kafka_member_free(void *shared)
{
    struct kafka_member *m = shared;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* A topic's name has no slash, and at most 249 characters. */
void kafka_key_split(const char *key, char topic[256], int32_t *number)
{
    const char *slash = strrchr(key, '/');
    size_t len = slash ? (size_t)(slash - key) : strlen(key);
    snprintf(topic, 256, "%.*s", (int)len, key);
    *number = slash ? (int32_t)strtol(slash + 1, NULL, 10) : 0;
}

static bool ask(struct kafka_member *m, rd_kafka_topic_partition_list_t *list, struct error *err)
{
    pthread_mutex_lock(&m->lock);
    rd_kafka_resp_err_t code = m->rk ? rd_kafka_committed(m->rk, list, KAFKA_ASK_MS) : RD_KAFKA_RESP_ERR__DESTROY;
    pthread_mutex_unlock(&m->lock);
    for (int i = 0; !code && i < list->cnt; i++)
        code = list->elems[i].err;
    if (!code)
        return true;
    /* The group has lost this member, or the source has ended: nothing that another attempt could not find otherwise.
     */
    return error_set(err, ERROR_RETRY, "asking for the group's offsets: %s", rd_kafka_err2str(code));
}

bool kafka_member_committed(struct kafka_member *m, const char *source, const char *const *keys, uint32_t count,
                            struct positions *out, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) {
        char topic[256];
        int32_t number;
        kafka_key_split(keys[i], topic, &number);
        rd_kafka_topic_partition_list_add(list, topic, number);
    }
    bool ok = count == 0 || ask(m, list, err);
    for (uint32_t i = 0; ok && i < count; i++)
        if (list->elems[i].offset > 0)
            positions_add(out, source, keys[i], SHARD_ALL, (struct range){0, (uint64_t)list->elems[i].offset});
    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}
