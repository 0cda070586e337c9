/*
 * A small catalog for tests of the configuration: components with every kind of option, which open nothing.
 */
#ifndef TESTS_CONFIG_CATALOG_H
#define TESTS_CONFIG_CATALOG_H

#include "pipeline/engine/config.h"

enum test_mode { MODE_BATCH, MODE_WATCH, MODE_TAIL };
static const struct option_choice test_modes[] = {
    {"batch", MODE_BATCH, NULL}, {"watch", MODE_WATCH, NULL}, {"tail", MODE_TAIL, NULL}, {NULL, 0, NULL}};

struct test_file_source {
    struct text_list path;
    int mode;
    int64_t settle;
};
static const struct option test_file_source_options[] = {
    OPT(PATHS, struct test_file_source, path, .required = true),
    OPT(CHOICE, struct test_file_source, mode, .choices = test_modes, .preset = "batch"),
    OPT(DURATION, struct test_file_source, settle, .preset = "2s", .max = 3600000000),
    OPT_END,
};
static inline bool test_yes(const struct component *c)
{
    (void)c;
    return true;
}
static const struct source_type test_file_source = {
    .base = {.name = "file",
             .options = test_file_source_options,
             .options_size = sizeof(struct test_file_source),
             .has_format = true},
    .finite = test_yes,
    .rewindable = test_yes,
};

struct test_mqtt_source {
    const char *url, *username, *password, *ca;
    struct text_list topics;
    int64_t qos;
};
static const struct option test_mqtt_source_options[] = {
    OPT(TEXT, struct test_mqtt_source, url, .required = true),
    OPT(TEXT, struct test_mqtt_source, username),
    OPT(SECRET, struct test_mqtt_source, password),
    OPT_AS("tls.ca", PATH, struct test_mqtt_source, ca),
    OPT(LIST, struct test_mqtt_source, topics, .preset = "[\"a\", \"b\"]"),
    OPT(INTEGER, struct test_mqtt_source, qos, .preset = "1", .min = 0, .max = 2),
    OPT_END,
};
static const struct source_type test_mqtt_source = {
    .base = {.name = "mqtt",
             .options = test_mqtt_source_options,
             .options_size = sizeof(struct test_mqtt_source),
             .has_format = true},
};

/* These tests end where compiling begins. */
static inline bool test_bind_nothing(struct step *step, struct arena *arena, struct problems *p)
{
    (void)step, (void)arena, (void)p;
    return false;
}

struct test_sql {
    const char *query;
};
static const struct option test_sql_options[] = {
    OPT(TEXT, struct test_sql, query, .required = true),
    OPT_END,
};
/* Everything up to "BAD" is fine. */
static inline void test_sql_check(const struct component *c, struct problems *p)
{
    const struct test_sql *o = c->options;
    const char *bad = strstr(o->query, "BAD");
    if (bad)
        problem_add(p, config_place_in(c, "query", (size_t)(bad - o->query)), "the query has BAD in it")->length = 3;
}
static const struct transform_type test_sql = {
    .base = {.name = "sql",
             .options = test_sql_options,
             .options_size = sizeof(struct test_sql),
             .check = test_sql_check},
    .bind = test_bind_nothing,
};

struct test_route {
    struct text_table when;
};
static const struct option test_route_options[] = {
    OPT(TABLE, struct test_route, when, .required = true),
    OPT_END,
};
static inline uint32_t test_route_outputs(const struct component *c, const char **names)
{
    const struct test_route *o = c->options;
    uint32_t n = 0;
    for (; n < o->when.count && n < TRANSFORM_MAX_OUTPUTS - 1; n++)
        names[n] = o->when.items[n].key;
    names[n++] = "else";
    return n;
}
static const struct transform_type test_route = {
    .base = {.name = "route", .options = test_route_options, .options_size = sizeof(struct test_route)},
    .outputs = test_route_outputs,
    .bind = test_bind_nothing,
};

struct test_file_sink {
    const char *path;
    uint64_t rotate_size;
};
static const struct option test_file_sink_options[] = {
    OPT(PATH, struct test_file_sink, path, .required = true),
    OPT(SIZE, struct test_file_sink, rotate_size, .preset = "64MiB", .min = 4096),
    OPT_END,
};
static const struct sink_type test_file_sink = {
    .base = {.name = "file",
             .options = test_file_sink_options,
             .options_size = sizeof(struct test_file_sink),
             .has_format = true},
};

struct test_kafka_sink {
    const char *url, *topic;
    struct text_table librdkafka;
    double ratio;
    int64_t connections;
};
static const struct option test_kafka_sink_options[] = {
    OPT(TEXT, struct test_kafka_sink, url),
    OPT(TEXT, struct test_kafka_sink, topic, .preset = "events"),
    OPT(TABLE, struct test_kafka_sink, librdkafka),
    OPT(NUMBER, struct test_kafka_sink, ratio, .preset = "0.5", .min = 0, .max = 1),
    OPT(INTEGER, struct test_kafka_sink, connections, .preset = "4", .min = 1, .max = 8),
    OPT_END,
};
static const struct sink_type test_kafka_sink = {
    .base = {.name = "kafka", .options = test_kafka_sink_options, .options_size = sizeof(struct test_kafka_sink)},
    .exactly_once = true,
};

static const struct source_type *const test_sources[] = {&test_file_source, &test_mqtt_source, NULL};
static const struct transform_type *const test_transforms[] = {&test_sql, &test_route, NULL};
static const struct sink_type *const test_sinks[] = {&test_file_sink, &test_kafka_sink, NULL};
static const struct catalog test_catalog = {test_sources, test_transforms, test_sinks};

#endif
