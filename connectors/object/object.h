/* The sink `object`: encoded events as objects (files) in a directory, partitioned by a template, exactly once. */
#ifndef PIPE_OBJECT_H
#define PIPE_OBJECT_H

#include "pipeline/engine/component.h"

struct object_options {
    const char *url, *partition, *object_name;
    int compression;
    uint64_t roll_size;
    int64_t roll_interval, roll_count;
};

extern const struct sink_type object_sink_type;

#endif
