/*
 * Private to config_*.c: the file as a tree, kept for as long as the config so that places can be looked up.
 */
#ifndef PIPE_CONFIG_DOCUMENT_H
#define PIPE_CONFIG_DOCUMENT_H

#include "pipeline/engine/config.h"
#include "pipeline/engine/option_parse.h"

struct config_document {
    struct str source; /* as in the file */
    struct toml_node *root;
    /* Per component, the last one for the dead letters: its own table and its connection's, or NULL. */
    const struct toml_node **own, **shared;
};

/* Reads and parses what `from` names, applies --set and interpolates. Problems are reported; NULL: there is nothing to
 * go on with. */
struct config_document *config_document_read(const struct config_sources *from, const char *directory,
                                             struct arena *arena, struct problems *problems);
/* The place of byte `offset` of a string's value, as interpolated. */
struct place toml_place_in(struct str source, const struct toml_node *node, size_t offset);

/* Resolves `inputs`, refuses cycles and too many ways, warns about outputs that nobody reads. False: nobody may walk along the graph. */
bool config_link(struct config *cfg, struct problems *problems);

/* ---- one load ---------------------------------------------------------------------------------------------------- */

struct loader {
    struct config *cfg;
    struct config_document *doc;
    struct problems *problems;
    struct arena *arena;
    bool *good; /* per component: nothing is wrong with it alone */
};

/* A table at the top of the file; NULL where there is none (or something else, which is reported). */
const struct toml_node *config_table(struct loader *l, const char *name);
/* What options_read needs, but for the groups. */
struct option_scope config_scope(struct loader *l, const char *name, const struct toml_node *own);
/* Unknown keys of [connections.…]. */
void config_check_connections(struct loader *l);
/* Reads c's table (document->own): type, connection, options. `extra`: a further group in front, for [dead_letter]; or NULL. */
bool config_read_component(struct loader *l, struct component *c, const char *name, const struct option_group *extra);

/* "format" of sources and of sinks, for types that have it */
extern const struct option source_format_options[], sink_format_options[];

#endif
