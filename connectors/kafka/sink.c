/*
 * The sink `kafka`: options and what can be checked without a broker. The rest is in the module.
 */
#include "connectors/kafka/connection.h"
#include "pipeline/engine/config.h"

enum { PARTITIONER_DEFAULT, PARTITIONER_MURMUR2, PARTITIONER_CONSISTENT, PARTITIONER_RANDOM, PARTITIONER_FNV1A };

const struct option_choice kafka_partitioners[] = {
    {"murmur2_random", PARTITIONER_DEFAULT, "By the key's hash, as Java clients do; without a key, anywhere."},
    {"murmur2", PARTITIONER_MURMUR2, "The same; records without a key all go to one partition."},
    {"consistent_random", PARTITIONER_CONSISTENT,
     "By the key's CRC32, as older librdkafka clients do; without a key, anywhere."},
    {"fnv1a_random", PARTITIONER_FNV1A, "By the key's FNV-1a hash, as Go's Sarama does; without a key, anywhere."},
    {"random", PARTITIONER_RANDOM, "Anywhere: no order is kept."},
    {NULL, 0, NULL},
};

static const struct option_choice compressions[] = {
    {"none", KAFKA_NONE, "As it is."},
    {"zstd", KAFKA_ZSTD, "Zstandard: the smallest."},
    {"lz4", KAFKA_LZ4, "LZ4: the cheapest."},
    {"snappy", KAFKA_SNAPPY, "Snappy."},
    {"gzip", KAFKA_GZIP, "Gzip."},
    {NULL, 0, NULL},
};

static const struct option options[] = {
    KAFKA_CONNECTION(struct kafka_sink_options),
    OPT(TEXT, struct kafka_sink_options, topic, .required = true,
        .doc = "The topic, as a template: {expression} over the event and meta. A record whose topic would be NULL or "
               "no name for a topic is rejected.",
        .example = "\"alerts-{site}\""),
    OPT(TEXT, struct kafka_sink_options, key,
        .doc = "The message key, as a template. Without it, or where it is empty, messages have none.",
        .example = "\"{device}\""),
    OPT(TABLE, struct kafka_sink_options, headers, .doc = "Message headers: each a name and a template.",
        .example = "{ source = \"{meta.topic}\", plant = \"7\" }"),
    OPT(CHOICE, struct kafka_sink_options, partitioner, .preset = "murmur2_random", .choices = kafka_partitioners,
        .doc = "How messages are spread over a topic's partitions."),
    OPT(CHOICE, struct kafka_sink_options, compression, .preset = "none", .choices = compressions,
        .doc = "Compress batches of messages."),
    OPT_END,
};

static const char *const reserved[][2] = {
    {"bootstrap.servers", "use brokers"},
    {"compression.type", "use compression"},
    {"partitioner", "use partitioner"},
    {"enable.idempotence", "it is always on"},
    {"transactional.id", "use exactly_once = true"},
    {NULL, NULL},
};

static void check(const struct component *c, struct problems *p)
{
    const struct kafka_sink_options *o = c->options;
    kafka_check_connection(c, &o->connection, reserved, p);
    if (c->sink_common->exactly_once == EXACTLY_ONCE_TRUE && c->sink_common->connections != 1)
        problem_add(p, config_place(c, "connections"),
                    "exactly_once = true of a kafka sink is kept with one connection: a transaction has one producer");
}

/* The same brokers, however they are listed. */
static bool is_one_cluster(const struct text_list *a, const struct text_list *b)
{
    for (uint32_t i = 0; i < a->count; i++)
        for (uint32_t j = 0; j < b->count; j++)
            if (strcmp(a->items[i], b->items[j]) == 0)
                return true;
    return false;
}

static const char *commits_for(const struct component *sink, const struct component *source)
{
    const struct kafka_sink_options *o = sink->options;
    if (source->source != &kafka_source_type)
        return "is not Kafka: offsets can be part of a Kafka transaction, nothing else can";
    const struct kafka_source_options *from = source->options;
    if (source->source_common->ack == ACK_SPOOLED)
        return "is spooled: its offsets are committed when records are in the spool";
    return is_one_cluster(&o->connection.brokers, &from->connection.brokers)
               ? NULL
               : "has other brokers: a transaction cannot reach beyond its cluster";
}

static const char doc[] =
    "Each row becomes a message. The producer is idempotent: what it repeats itself after a lost answer is stored "
    "once. A batch is acknowledged to its source only "
    "when the brokers have confirmed all its messages (`acks = all`). After a crash of this process, what was not "
    "acknowledged is sent again: at least once.\n"
    "\n"
    "**exactly_once = true**, with sources that are topics of the same cluster: each commit is a Kafka transaction "
    "that holds the messages and the offsets of the sources' "
    "groups. Consumers with isolation.level = read_committed see each record's messages once, whatever is killed when. "
    "A process is known by its pipeline.instance, or where that "
    "is empty by its state_dir. Other sinks of the same source have to store positions of their own.\n"
    "\n"
    "A message that the broker refuses for its own sake (too large, invalid) is rejected alone. Brokers refuse whole "
    "batches; then what was not acknowledged is sent again, one message per batch, and that for a while. Where a "
    "topic's "
    "`max.message.bytes` is less than a megabyte, set librdkafka's `batch.size` below it. A full queue is "
    "backpressure.\n";

const struct sink_type kafka_sink_type = {
    .base =
        {
            .name = "kafka",
            .summary = "Produces to Kafka topics.",
            .doc = doc,
            .example = "brokers = [\"localhost:9092\"]\ntopic = \"alerts\"\nkey = \"{device}\"\n",
            .options = options,
            .options_size = sizeof(struct kafka_sink_options),
            .module = "kafka",
            .has_format = true,
            .check = check,
        },
    .exactly_once = true,
    .acquires = true,
    .commits_for = commits_for,
};
