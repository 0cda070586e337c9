/*
 * Tables of options (pipeline/base/option.h) filled from tables of a configuration.
 */
#ifndef PIPE_OPTION_PARSE_H
#define PIPE_OPTION_PARSE_H

#include "pipeline/engine/problem.h"
#include "pipeline/engine/toml.h"

/*
 * A table of options and the struct they are stored in. An option that two groups have is stored in both; the first
 * one's preset counts, so a component may have its own preset for a common option.
 */
struct option_group {
    const struct option *options;
    void *base;
};

struct option_scope {
    struct problems *problems;
    struct arena *arena;
    const char *directory;
    const char *name;   /* "sinks.warehouse", for messages */
    struct place place; /* where a missing option is reported */
    const struct option_group *groups;
    uint32_t group_count;
    const struct toml_node *own;    /* may be NULL: nothing is written */
    const struct toml_node *shared; /* [connections.x]: second to own, unknown keys are fine; or NULL */
    const char *const *reserved;    /* further known keys, which the caller reads; NULL-ended, or NULL */
};

/* Presets, then what is written. Reports unknown keys, wrong values, what is required and missing. */
bool options_read(const struct option_scope *scope);
/* Only the unknown keys of scope->own; the groups need no base. */
void options_check_keys(const struct option_scope *scope);

/* The node at a dotted name below a table ("retry.first"; quoted keys may hold dots themselves); NULL where there is
 * none. */
const struct toml_node *toml_find(const struct toml_node *table, const char *name);

/* Reports about a node's value, or its key: the place, the caret's length, and "--set …: " in front where it comes from
 * there. */
struct problem *problem_at_value(struct problems *p, const struct toml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct problem *problem_at_key(struct problems *p, const struct toml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "text", "a table", …: what a node is, for messages. */
const char *toml_kind_name(enum toml_kind kind);

#endif
