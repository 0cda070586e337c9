/*
 * A commit record being carried out: its parts become objects, as often as it takes. Sink thread only.
 */
#ifndef PIPE_CARRY_OUT_H
#define PIPE_CARRY_OUT_H

#include "connectors/object/commit_record.h"

/* Durable when it returns true: every part in `parts` has its object's name in `root`, every directory is synced. An
 * existing object is never replaced. Several processes may carry out the same record at the same time. */
bool carry_out_renames(const char *root, const char *parts, const struct rename_pair *renames, uint32_t count,
                       struct error *err);

#endif
