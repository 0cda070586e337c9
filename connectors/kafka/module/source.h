/*
 * The inside of the kafka source. One lane, one consumer, one thread: the lane's, which polls, is called back about
 * rebalances, takes messages and commits.
 *
 *   1. Two queues: librdkafka's own, for events (rebalances, errors), and ours, to which every assigned partition
 * forwards its messages. So a source that waits for memory leaves messages where they are, fetching stops by itself
 * when librdkafka's buffer is full, and polling goes on.
 *   2. Messages are copied into a batch per partition and given back at once: no buffer of librdkafka's is pinned, and
 * each batch can be fenced with its partition.
 *   3. A partition is read only after the sinks have taken it over (assign.c); until then it is `pending` and
 * librdkafka waits for us to call assign.
 *   4. What is settled is committed to the group every few seconds, when a partition is taken away, and at the end.
 * Where reading begins is committed before anything is read: a partition of which sinks have something, and the group
 * nothing, is none that this pipeline has read.
 */
#ifndef PIPE_KAFKA_SOURCE_H
#define PIPE_KAFKA_SOURCE_H

#include "connectors/kafka/module/member.h"

/* A partition that is ours. */
struct kafka_part {
    struct kafka_part *next;
    struct partition *partition; /* a reference; its source_state points back while the partition is ours */
    rd_kafka_topic_t *topic;     /* as messages have it; NULL until the first one. Borrowed: only compared */
    const char *name;
    int32_t number;
    uint64_t generation; /* of the rebalance that gave it to us: older messages are not its */
    uint64_t position;   /* the offset expected next */
    uint64_t emitted, settled, committed;
    bool is_known;       /* to the group: it has an offset of it. Until then nothing is read */
    uint64_t span_first; /* where the next span begins: at first below position, for what nobody needs */
    uint64_t end;        /* batch mode: read up to here */
    bool at_end;
    rd_kafka_resp_err_t trouble; /* has been told, and lasts */
    struct lag *lag;             /* NULL: not read yet */

    struct batch *batch; /* being filled; NULL: none */
    size_t chunk, limit; /* how much to draw, how much was */
    uint32_t meta_capacity;
    int64_t opened_us;
};

struct kafka_source {
    struct lane *lane;
    const struct component *component;
    const struct kafka_source_options *options;
    const char *group;
    int64_t start_ms; /* KAFKA_EARLIEST, KAFKA_LATEST, or an instant */
    rd_kafka_t *rk;
    struct kafka_member *member; /* lane_shared */
    bool sink_commits;           /* a sink commits the offsets, in its transactions */
    bool topic_gone;             /* one of that name may be another by now: no more offsets are committed */
    rd_kafka_queue_t *events, *messages;
    int event_fd; /* readable when one of the queues is no longer empty */
    struct kafka_part *parts;
    uint64_t generation;

    rd_kafka_topic_partition_list_t *pending; /* given to us, not read yet; NULL: none */
    bool asked;                               /* the sinks are taking it over */
    int64_t retry_at_us;
    bool assigned;          /* at least once */
    int64_t group_asked_us; /* batch mode, all read: when the group's offsets were looked at; 0: not yet */
    rd_kafka_topic_partition_list_t *group_ends; /* … where all partitions ended then; NULL: not known yet */
    int64_t next_commit_us, next_measure_us;
    int64_t next_question_us, question_wait_us; /* fetch.c */
    uint64_t read_bytes;                        /* not told to the lane yet */
    bool closing;
    int64_t down_since_us; /* no broker answers; 0: all is well */
    int64_t next_look_us;  /* … when it is looked again whether one does */
    bool told;             /* that something is wrong with the connection */
    bool fenced;           /* another member with our group.instance.id took our place: failed, too */
    int64_t fenced_at_us;  /* … the last time; 0: never */
    bool failed;           /* by a callback: failure says why */
    struct error failure;
};

/* ---- assign.c: who reads what, from where ------------------------------------------------------------------------ */

void kafka_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *source);
/* One step further with the pending partitions. false with *err: the run fails. */
bool kafka_assign_pending(struct kafka_source *k, struct error *err);
/*
 * What comes next in a partition is no longer in the log: reads on from where it begins, if that is what on_missing
 * says. false with *err: the run fails.
 */
bool kafka_find_again(struct kafka_source *k, struct kafka_part *p, struct error *err);
/* The group has given our partitions to somebody else: what is in flight of them is left to others. */
void kafka_lose_all(struct kafka_source *k);
/* Assigns what is pending without reading it: librdkafka must not be left waiting when the consumer closes. */
void kafka_drop_pending(struct kafka_source *k);
/* Offsets that moved since the last commit. */
void kafka_commit(struct kafka_source *k, bool wait);
/* What became of a commit that was not waited for. */
void kafka_committed(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets, void *source);
/* Has the group an offset of every partition that is ours? */
bool kafka_is_known(const struct kafka_source *k);

/*
 * Batch mode: has the group committed everything that others were to read, up to the ends that were there when this was
 * first asked? Asks the brokers once a second. A member that dies leaves its partitions to the others, who then find
 * them among theirs.
 */
bool kafka_group_is_through(struct kafka_source *k);

/* ---- take.c: messages into batches ------------------------------------------------------------------------------- */

struct kafka_part *kafka_part_new(struct kafka_source *k, const char *topic, int32_t number, const char *key);
/* Looks how far the log goes, as the last answer to a fetch said: the lag is from there to what is settled. */
void kafka_part_measure(const struct kafka_source *k, const struct kafka_part *p);
/* Gives up the batch that is being filled. */
void kafka_part_free(struct kafka_source *k, struct kafka_part *p);
/* `fetched`: the generation when the message was taken off the queue. false: the lane is stopping, or the run has
 * failed. */
bool kafka_take(struct kafka_source *k, const rd_kafka_message_t *m, uint64_t fetched);
/* Hands on what has waited since before `opened_before_us`. more: the source goes on at once. */
void kafka_emit(struct kafka_source *k, int64_t opened_before_us, bool more);

/* ---- fetch.c: reading ahead -------------------------------------------------------------------------------------- */

/* What librdkafka may hold: counted as the pipeline's. */
size_t kafka_prefetch_bytes(const struct component *c);
size_t kafka_prefetch_messages(const struct component *c);
/* Is this a librdkafka that waits for a second when its buffer was full? */
bool kafka_backs_off_for_long(void);
/* Called after messages were taken, if there were any: has it go on where it would wait. Returns in how many
 * microseconds it wants to be called again. */
int64_t kafka_keep_fetching(struct kafka_source *k, bool any);

/* ---- source.c ---------------------------------------------------------------------------------------------------- */

/* How long something that is said at the end may take: until then, from its beginning. */
int64_t kafka_farewell_us(const struct kafka_source *k);

/* Rebalances, errors, pending partitions. false: the run has failed. */
bool kafka_serve(struct kafka_source *k);
void kafka_take_error(struct kafka_source *k, const rd_kafka_message_t *m);
bool kafka_source_fails(struct kafka_source *k, const struct error *err);

#endif
