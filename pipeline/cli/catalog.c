#include "pipeline/cli/catalog.h"

#include "connectors/file/file_sink.h"
#include "connectors/file/source.h"
#include "connectors/kafka/kafka.h"
#include "connectors/mqtt/mqtt.h"
#include "connectors/object/object.h"
#include "connectors/postgres/postgres.h"
#include "connectors/sqlite/sqlite.h"
#include "connectors/std/null.h"
#include "connectors/std/sources.h"
#include "connectors/std/stdout.h"
#include "transforms/route/route.h"
#include "transforms/sql/sql.h"

static const struct source_type *const sources[] = {
    &file_source_type,
    &mqtt_source_type,
    &stdin_source_type,
    &generate_source_type,
    &kafka_source_type,
    NULL,
};

static const struct transform_type *const transforms[] = {
    &sql_transform_type,
    &route_transform_type,
    NULL,
};

static const struct sink_type *const sinks[] = {
    &postgres_sink_type,
    &object_sink_type,
    &sqlite_sink_type,
    &mqtt_sink_type,
    &file_sink_type,
    &stdout_sink_type,
    &kafka_sink_type,
    &null_sink_type,
    NULL,
};

const struct catalog catalog = {.sources = sources, .transforms = transforms, .sinks = sinks};
