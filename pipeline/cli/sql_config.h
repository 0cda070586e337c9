/*
 * The pipeline that `pipe sql` runs: files or standard input → the query → standard output, written as a configuration in memory, so that it is read,
 * checked and run like any other.
 */
#ifndef PIPE_SQL_CONFIG_H
#define PIPE_SQL_CONFIG_H

#include "pipeline/engine/config.h"

enum sql_format { SQL_JSON, SQL_CSV, SQL_TEXT };

/* One source: files of one format. */
struct sql_input {
    enum sql_format format;
    const char *delimiter;  /* csv */
    struct text_list paths; /* none: standard input */
};

struct sql_pipeline {
    struct str query;
    const char *timezone;
    const struct sql_input *inputs; /* none: a query without FROM, which gives one row */
    uint32_t input_count;
    struct text_list names;    /* of a CSV input without a header */
    struct text_list types;    /* "NAME=TYPE" */
    const char *null;          /* CSV's text for NULL, both ways; may be NULL */
    enum sql_format to;
    const char *to_delimiter;
    bool no_header;
    struct text_list sets;
};

/*
 * NULL: problems, which have been printed on stderr, those of the query with its line and a caret. What binding adds to *problems afterwards
 * sql_config_print prints the same way.
 */
const struct config *sql_config_load(const struct sql_pipeline *p, struct arena *arena, struct problems *problems);
void sql_config_print(const struct sql_pipeline *p, const struct problems *problems, uint32_t from);

#endif
