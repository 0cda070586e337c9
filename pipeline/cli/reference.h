/*
 * The reference, from the tables that the program itself reads: as text for a terminal, or as Markdown for docs/reference.md.
 */
#ifndef PIPE_REFERENCE_H
#define PIPE_REFERENCE_H

#include "pipeline/base/buffer.h"
#include "pipeline/engine/config.h"

/* One component: what it does, its own options, where the common ones are, an example. */
void reference_component(enum component_kind kind, const struct component_type *type, bool markdown, struct buffer *out);
/* The SQL functions with their examples: all, or those of one name. Returns how many. */
uint32_t reference_functions(const char *name, bool markdown, struct buffer *out);
/* Everything, as Markdown. */
void reference_all(struct buffer *out);
/* One option's type, as in "size, 64KiB to 1GiB". */
void reference_option_type(const struct option *o, struct buffer *out);

#endif
