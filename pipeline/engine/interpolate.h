/*
 * ${VAR} and its relatives inside the strings of a parsed configuration:
 *
 *   ${VAR}            the environment; unset is an error
 *   ${VAR:-default}   the default where it is unset or empty
 *   ${VAR:?message}   an error with that message where it is unset or empty
 *   ${file:PATH}      the file's text without one newline at its end; relative to the configuration's directory
 *   ${secret:NAME}    the file NAME in $CREDENTIALS_DIRECTORY (systemd), else in /run/secrets
 *   $${               a literal ${
 *
 * Results are not read again, so a value can never change the structure nor refer to others. Any other $ is itself.
 */
#ifndef PIPE_INTERPOLATE_H
#define PIPE_INTERPOLATE_H

#include "pipeline/base/error.h"
#include "pipeline/engine/toml.h"

struct environment_entry {
    const char *name, *value;
};

/* The variables of --env-file; the process's own environment goes before them. */
struct environment {
    struct environment_entry *entries;
    uint32_t count;
};

/* KEY=VALUE lines; blank lines, # comments, a leading "export " and quotes around the value are allowed. */
bool environment_read(struct environment *env, const char *path, struct arena *arena, struct error *err);
const char *environment_get(const struct environment *env, const char *name);

struct interpolation {
    struct arena *arena;
    const struct environment *environment;
    const char *directory;
};

/* Where in the node's text an error is, in bytes. */
struct interpolation_error {
    struct error error;
    size_t offset, length;
};

/* Replaces the node's text, if it has anything to replace, and sets its segments, loose and secret. */
bool interpolate(const struct interpolation *cx, struct toml_node *node, struct interpolation_error *err);

#endif
