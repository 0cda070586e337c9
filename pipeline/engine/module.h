/*
 * Modules: components whose library is too heavy for every start. <name>.so is looked for in $PIPE_MODULE_PATH
 * (directories, separated by colons), then beside the program: ../lib/pipe (build tree), ../<libdir>/pipe (installed).
 * A module stays loaded until the program ends. Any thread.
 */
#ifndef PIPE_MODULE_H
#define PIPE_MODULE_H

#include "pipeline/codec/avro_registry.h"
#include "pipeline/engine/config.h"

/* The address of `symbol` in the module; NULL with *err, which names the places that were looked at. */
void *module_load(const char *name, const char *symbol, struct error *err);

/* The type's own ops, or those of its module: <type>_source_ops, <type>_sink_ops. */
const struct source_ops *source_ops_of(const struct component *c, struct error *err);
const struct sink_ops *sink_ops_of(const struct component *c, struct error *err);

/* The registry's client, for formats whose options name one; NULL in *out otherwise. */
bool registry_ops_of(const struct format_options *o, const struct avro_registry_ops **out, struct error *err);

#endif
