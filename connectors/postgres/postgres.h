/*
 * The postgres sink's options, shared by the built-in part (options, documentation, check) and the module (everything
 * that needs libpq).
 */
#ifndef PIPE_POSTGRES_H
#define PIPE_POSTGRES_H

#include "pipeline/engine/component.h"

enum postgres_write { POSTGRES_APPEND, POSTGRES_UPSERT, POSTGRES_INSERT, POSTGRES_REPLACE };

struct postgres_options {
    const char *url;           /* NULL: libpq's environment */
    const char *table;         /* "readings", "plant.readings"; parts may be quoted as in SQL */
    struct text_table columns; /* table column → member of the event; empty: by name */
    int write;                 /* enum postgres_write */
    struct text_list key;
    bool create;
    const char *unknown; /* "error", "ignore", or a column */
};

extern const struct sink_type postgres_sink_type;

#endif
