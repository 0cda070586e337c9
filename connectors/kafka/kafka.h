/*
 * Kafka: options of the source and the sink, shared by the built-in part (options, documentation, check) and the module
 * (everything that needs librdkafka).
 */
#ifndef PIPE_KAFKA_H
#define PIPE_KAFKA_H

#include "pipeline/engine/component.h"

enum kafka_sasl { KAFKA_SASL_NONE, KAFKA_SASL_PLAIN, KAFKA_SASL_SCRAM_256, KAFKA_SASL_SCRAM_512 };

/* How the cluster is reached. */
struct kafka_connection {
    struct text_list brokers;
    bool tls; /* also where one of the files is given */
    const char *tls_ca, *tls_cert, *tls_key;
    int sasl; /* enum kafka_sasl */
    const char *sasl_username, *sasl_password;
    struct text_table librdkafka; /* passed through, over whatever else is set */
};

enum kafka_mode { KAFKA_STREAM, KAFKA_BATCH };
enum kafka_tombstones { KAFKA_TOMBSTONES_REJECT, KAFKA_TOMBSTONES_SKIP };
enum kafka_missing { KAFKA_MISSING_STOP, KAFKA_MISSING_SKIP };
enum kafka_forgotten { KAFKA_FORGOTTEN_STOP, KAFKA_FORGOTTEN_TRUST };

struct kafka_source_options {
    struct kafka_connection connection;
    struct text_list topics; /* "^…" is a pattern */
    const char *group;       /* NULL: PIPELINE.SOURCE */
    const char *start;       /* "earliest", "latest", or a timestamp */
    int mode;                /* enum kafka_mode */
    int tombstones, on_missing, on_forgotten;
};

enum kafka_compression { KAFKA_NONE, KAFKA_GZIP, KAFKA_SNAPPY, KAFKA_LZ4, KAFKA_ZSTD };

struct kafka_sink_options {
    struct kafka_connection connection;
    const char *topic, *key;   /* templates; key NULL: no key */
    struct text_table headers; /* name → template */
    int partitioner;
    int compression; /* enum kafka_compression */
};

/* `start` as an instant: milliseconds since 1970. KAFKA_EARLIEST and KAFKA_LATEST are what Kafka's protocol calls them.
 */
#define KAFKA_EARLIEST INT64_C(-2)
#define KAFKA_LATEST INT64_C(-1)
bool kafka_start_parse(const char *text, const struct zone *zone, int64_t *ms, struct error *err);

extern const struct option_choice kafka_partitioners[];
extern const struct source_type kafka_source_type;
extern const struct sink_type kafka_sink_type;

#endif
