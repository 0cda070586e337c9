/*
 * The source `kafka`: options and what can be checked without a broker. The rest is in the module.
 */
#include "connectors/kafka/connection.h"
#include "pipeline/engine/config.h"
#include "pipeline/event/datetime.h"

static const struct option_choice modes[] = {
    {"stream", KAFKA_STREAM, "Stay, and read what arrives."},
    {"batch", KAFKA_BATCH, "Read up to the ends that the partitions have at the start, then end."},
    {NULL, 0, NULL},
};

static const struct option_choice tombstones[] = {
    {"reject", KAFKA_TOMBSTONES_REJECT, "They go to the format as empty records, and mostly to the dead letters."},
    {"skip", KAFKA_TOMBSTONES_SKIP, "They are passed over."},
    {NULL, 0, NULL},
};

static const struct option_choice missing[] = {
    {"stop", KAFKA_MISSING_STOP, "The run fails and says what is missing."},
    {"skip", KAFKA_MISSING_SKIP, "Reading goes on with the oldest record that is left, with a warning."},
    {NULL, 0, NULL},
};

static const struct option_choice forgotten[] = {
    {"stop", KAFKA_FORGOTTEN_STOP, "The run fails and says what may have happened."},
    {"trust", KAFKA_FORGOTTEN_TRUST, "It is the topic that the sinks know: reading goes on behind what they have."},
    {NULL, 0, NULL},
};

static const struct option options[] = {
    KAFKA_CONNECTION(struct kafka_source_options),
    OPT(LIST, struct kafka_source_options, topics, .required = true,
        .doc = "The topics. One that begins with ^ is a pattern (a POSIX regular expression): topics that match it are "
               "read as "
               "soon as they appear.",
        .example = "[\"readings\", \"^plant[0-9]+-events$\"]"),
    OPT(TEXT, struct kafka_source_options, group,
        .doc = "The consumer group; without it, PIPELINE.SOURCE. Processes with the same group share the partitions.",
        .example = "\"warehouse\""),
    OPT(TEXT, struct kafka_source_options, start, .preset = "earliest",
        .doc = "Where to begin with a partition of which nothing is stored: \"earliest\", \"latest\", or an instant "
               "(the first "
               "record from then on).",
        .example = "\"2026-03-01T00:00:00Z\""),
    OPT(CHOICE, struct kafka_source_options, mode, .preset = "stream", .choices = modes, .doc = "When to end."),
    OPT(CHOICE, struct kafka_source_options, tombstones, .preset = "reject", .choices = tombstones,
        .doc = "What happens to records without a value, which mark a key as deleted in compacted topics."),
    OPT(CHOICE, struct kafka_source_options, on_missing, .preset = "stop", .choices = missing,
        .doc = "What happens when records that were to be read next have been deleted from the log."),
    OPT(CHOICE, struct kafka_source_options, on_forgotten, .preset = "stop", .choices = forgotten,
        .doc = "What happens when the sinks have records of a partition of which the group has no offset: the topic "
               "may have been deleted and made "
               "anew, for Kafka then deletes the group's offsets, too. Or the group is a new one, or its offsets have "
               "expired "
               "(offsets.retention.minutes of the brokers, a week, after the last member has left)."),
    OPT_END,
};

static const char *const reserved[][2] = {
    {"bootstrap.servers", "use brokers"},
    {"group.id", "use group"},
    {"group.instance.id", "use pipeline.instance, which makes the membership static"},
    {"auto.offset.reset", "use start and on_missing"},
    {"enable.auto.commit", "offsets are committed when the sinks have the records"},
    {"enable.auto.offset.store", "offsets are committed when the sinks have the records"},
    {"enable.partition.eof", "it is always on"},
    {NULL, NULL},
};

bool kafka_start_parse(const char *text, const struct zone *zone, int64_t *ms, struct error *err)
{
    int64_t us;
    *ms = KAFKA_EARLIEST;
    if (strcmp(text, "earliest") == 0)
        return true;
    *ms = KAFKA_LATEST;
    if (strcmp(text, "latest") == 0)
        return true;
    if (!timestamptz_parse(str_of(text), zone, &us, err))
        return error_set(err, ERROR_STOP,
                         "start is \"earliest\", \"latest\" or an instant such as \"2026-03-01T00:00:00Z\", not \"%s\"",
                         text);
    *ms = us / 1000 + PG_EPOCH_SECS * 1000;
    return *ms >= 0 || error_set(err, ERROR_STOP, "start cannot lie before 1970");
}

static void check(const struct component *c, struct problems *p)
{
    const struct kafka_source_options *o = c->options;
    struct error err;
    int64_t ms;
    kafka_check_connection(c, &o->connection, reserved, p);
    if (!kafka_start_parse(o->start, c->config->zone, &ms, &err))
        problem_add(p, config_place(c, "start"), "%s", err.text);
    for (uint32_t i = 0; i < o->topics.count; i++)
        if (o->topics.items[i][0] == '\0')
            problem_add(p, config_place(c, "topics"), "a topic has a name");
    const struct source_common *common = c->source_common;
    if (common->format >= 0 && formats[common->format] == &format_csv && common->formats.csv_names.count == 0)
        problem_add(p, config_place(c, "format"), "a CSV message has no header: csv.names has to name the members");
}

static bool is_finite(const struct component *c)
{
    const struct kafka_source_options *o = c->options;
    return o->mode == KAFKA_BATCH;
}

static bool is_rewindable(const struct component *c)
{
    (void)c;
    return true;
}

static const char doc[] =
    "A record is a message's value, in the source's format. `meta.topic`, `meta.partition`, `meta.offset`, "
    "`meta.timestamp`, `meta.key` (a key that is "
    "not UTF-8 as `\\x` and hexadecimal digits) and `meta.headers` (an object of texts) come with it.\n"
    "\n"
    "**Positions**: offsets are committed to the group only up to where every sink has the records. A sink that stores "
    "positions with its data (postgres, "
    "sqlite, object) has the last word: when this process is given a partition, it takes over what the sink has stored "
    "of it, which shuts out the process that had it "
    "before, and reads on from there. So the records of a partition are there exactly once, however often processes "
    "come, go, or die. These positions "
    "belong to the pipeline's name alone, neither to `instance` nor to state_dir. A partition is read when all such "
    "sinks have taken it over: one that cannot be reached when the "
    "run starts holds the source up, and a second source with a `group` of its own keeps the others going.\n"
    "\n"
    "**Several processes** with the same configuration share the partitions (cooperative-sticky). With "
    "`pipeline.instance` the membership is static: a process "
    "that restarts within session.timeout.ms gets its partitions back without moving any other. When a partition is "
    "taken away, what is in flight of it is "
    "delivered and committed first, within half of max.poll.interval.ms.\n"
    "\n"
    "**Memory**: librdkafka holds at most a quarter of `pipeline.memory`, between 8 and 64 MiB, which counts there. "
    "When the sinks are slow, nothing more is "
    "fetched, and the group still sees a live member.\n"
    "\n"
    "**A topic made anew** must not be taken for the one that was there before: its first records would be skipped. "
    "The group's offset of a partition is committed "
    "before its first record is read, and Kafka deletes it with the topic. So a position that a sink has stored, but "
    "of which the group knows nothing, stops the run "
    "(`on_forgotten`), as does one beyond the end of its partition. One before its beginning means that records were "
    "deleted before they were read "
    "(`on_missing`).\n";

const struct source_type kafka_source_type = {
    .base =
        {
            .name = "kafka",
            .summary = "Reads Kafka topics as a member of a consumer group.",
            .doc = doc,
            .example = "brokers = [\"localhost:9092\"]\ntopics = [\"readings\"]\n",
            .options = options,
            .options_size = sizeof(struct kafka_source_options),
            .module = "kafka",
            .has_format = true,
            .check = check,
        },
    .finite = is_finite,
    .rewindable = is_rewindable,
    .shared = true,
};
