/*
 * The options that belong to the engine: [pipeline], what every source and every sink has, [dead_letter], [admin]; and
 * the kinds of components.
 */
#include "pipeline/engine/config_document.h"

#define SECONDS INT64_C(1000000)

const struct option pipeline_options[] = {
    OPT(TEXT, struct pipeline_options, name, .required = true, .example = "\"plant7\"",
        .doc = "Lower-case letters, digits, '_' and '-'. With the components' names it is the identity of all stored "
               "positions: "
               "another name starts from the beginning."),
    OPT(TEXT, struct pipeline_options, instance, .preset = "", .example = "\"gw-0042\"",
        .doc = "Part of that identity. Set it where many machines run one configuration against one database."),
    OPT(TEXT, struct pipeline_options, workers, .preset = "auto", .example = "4",
        .doc = "Threads that decode, transform and encode. \"auto\" is between one and the number of cores, with the "
               "load."),
    OPT(SIZE, struct pipeline_options, memory, .preset = "256MiB", .min = 4 << 20,
        .doc = "The budget for everything in flight. Sources wait when it is used up."),
    OPT(TEXT, struct pipeline_options, timezone, .preset = "UTC", .example = "\"Europe/Oslo\"",
        .doc = "An IANA name: how timestamps without a zone are read, and how templates and database sessions see "
               "time. The machine's own "
               "zone never matters."),
    OPT(PATH, struct pipeline_options, state_dir, .example = "\"state/plant7\"",
        .doc = "Positions, dead letters and the control socket; locked by one process. Without it NAME, or "
               "NAME-INSTANCE, under "
               "$STATE_DIRECTORY (systemd), else under state/ beside the file."),
    OPT(DURATION, struct pipeline_options, drain_timeout, .preset = "25s",
        .doc = "After SIGTERM: how long what is in flight may take to arrive."),
    OPT_END,
};

static const struct option_choice extra_choices[] = {
    {"error", EXTRA_ERROR, "A query that names an undeclared member is an error."},
    {"keep", EXTRA_KEEP, "Undeclared members are kept and may be named."},
    {NULL, 0, NULL},
};

static const struct option_choice ack_choices[] = {
    {"delivered", ACK_DELIVERED, "When all sinks have committed."},
    {"spooled", ACK_SPOOLED,
     "When it is durable in the spool, a log on this machine's disk from which the sinks are served: for sources that cannot be read again."},
    {NULL, 0, NULL},
};

const struct option source_common_options[] = {
    OPT(DURATION, struct source_common, linger, .preset = "5ms", .max = 60 * SECONDS,
        .doc = "How long records may wait for others to share a batch; only while all workers are busy."),
    OPT(SIZE, struct source_common, max_record, .preset = "1MiB", .min = 64, .max = INT64_C(1) << 30,
        .doc = "A longer record is rejected; its neighbours are not."),
    OPT(TABLE, struct source_common, columns,
        .example = "{ device = \"text\", ts = \"timestamptz\", temp = \"double precision\" }",
        .doc =
            "Types of members. Each is converted once, when it is read; a value that does not fit rejects the record."),
    OPT(CHOICE, struct source_common, extra, .choices = extra_choices, .preset = "error",
        .doc = "With `columns`: what about members that are not declared?"),
    OPT(CHOICE, struct source_common, ack, .choices = ack_choices, .preset = "delivered",
        .doc = "When the source is told that a record is safe."),
    OPT_AS("spool.max_size", SIZE, struct source_common, spool_max_size, .preset = "1GiB", .min = 1 << 20,
           .doc = "How much the spool may hold. Then reading waits: nothing is dropped."),
    OPT_AS("spool.segment_size", SIZE, struct source_common, spool_segment_size, .preset = "64MiB", .min = 64 << 10,
           .doc = "The size of the spool's files, at most an eighth of `spool.max_size`. One goes when all sinks have what is in it."),
    OPT_END,
};

const struct option source_format_options[] = {
    OPT(CHOICE, struct source_common, format, .choices = format_choices, .preset = "json",
        .doc = "How bytes become records."),
    OPT_END,
};

static const struct option_choice exactly_once_choices[] = {
    {"auto", EXACTLY_ONCE_AUTO, "Where source and sink can keep it."},
    {"true", EXACTLY_ONCE_TRUE, "An error where it cannot be kept."},
    {"false", EXACTLY_ONCE_FALSE, "At least once."},
    {NULL, 0, NULL},
};

const struct option sink_common_options[] = {
    OPT(INTEGER, struct sink_common, commit_rows, .preset = "100000", .min = 1, .max = 1000000000,
        .doc = "Commit at the latest after this many rows."),
    OPT(SIZE, struct sink_common, commit_bytes, .preset = "64MiB", .min = 1024,
        .doc = "Commit at the latest after this many encoded bytes."),
    OPT(DURATION, struct sink_common, commit_interval, .preset = "1s", .min = 1000,
        .doc = "Commit at the latest this long after the first row. An idle connection commits at once."),
    OPT_AS("retry.first", DURATION, struct sink_common, retry_first, .preset = "100ms", .min = 1000,
           .doc = "The pause before the first attempt after a failure; it doubles with each, with jitter."),
    OPT_AS("retry.max", DURATION, struct sink_common, retry_max, .preset = "30s", .min = 1000,
           .doc = "The longest pause between two attempts."),
    OPT_AS("retry.for", DURATION, struct sink_common, retry_for, .preset = "0", .example = "\"1h\"",
           .doc =
               "Give up after so long without success. 0: after five minutes when all sources are finite, else never."),
    OPT(BOOL, struct sink_common, backfill, .preset = "false",
        .doc = "A sink new to the pipeline starts at the beginning, instead of where its sources' other sinks are."),
    OPT(CHOICE, struct sink_common, exactly_once, .choices = exactly_once_choices, .preset = "auto",
        .doc = "Whether positions are stored together with the data."),
    OPT(INTEGER, struct sink_common, connections, .preset = "1", .min = 1, .max = 64,
        .doc = "How many connections write at the same time."),
    OPT(BOOL, struct sink_common, ordered, .preset = "true",
        .doc = "Rows of one source partition, or of one key for upserts, become visible in the source's order, so each "
               "stays on one "
               "connection. false: any connection takes any batch."),
    OPT_END,
};

const struct option sink_format_options[] = {
    OPT(CHOICE, struct sink_common, format, .choices = format_choices, .preset = "json",
        .doc = "How records become bytes."),
    OPT_END,
};

const struct option dead_letter_common_options[] = {
    OPT(INTEGER, struct dead_letter_options, max_records, .preset = "-1", .min = 0, .max = INT64_MAX, .example = "1000",
        .doc = "A finite run with more dead letters fails. Without it there is no limit."),
    OPT(NUMBER, struct dead_letter_options, max_ratio, .preset = "-1", .min = 0, .max = 1, .example = "0.01",
        .doc = "A run fails when more than this part of the records read is dead. Without it there is no limit."),
    OPT(INTEGER, struct dead_letter_options, exit, .preset = "3", .min = 0, .max = 125,
        .doc = "The exit code of a complete run with dead letters; 0 accepts them."),
    OPT_END,
};

const struct option admin_options[] = {
    OPT(TEXT, struct admin_options, listen, .example = "\"127.0.0.1:9790\"",
        .doc = "Address and port for /metrics, /health and /ready. Without it nothing listens."),
    OPT_END,
};

const struct component_type *catalog_type(const struct catalog *catalog, enum component_kind kind, uint32_t i)
{
    /* Every type starts with its component_type. */
    switch (kind) {
    case COMPONENT_SOURCE:
        return catalog->sources[i] ? &catalog->sources[i]->base : NULL;
    case COMPONENT_TRANSFORM:
        return catalog->transforms[i] ? &catalog->transforms[i]->base : NULL;
    case COMPONENT_SINK:
        return catalog->sinks[i] ? &catalog->sinks[i]->base : NULL;
    }
    return NULL;
}

const char *component_kind_name(enum component_kind kind)
{
    static const char *const names[] = {"source", "transform", "sink"};
    return names[kind];
}

const char *component_section_name(enum component_kind kind)
{
    static const char *const names[] = {"sources", "transforms", "sinks"};
    return names[kind];
}
