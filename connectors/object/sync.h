/*
 * Many files made durable at once: one journal commit of the filesystem instead of one per file (measured on ext4: 200
 * files in 0.02 … 0.1 s instead of 0.6 s).
 */
#ifndef PIPE_OBJECT_SYNC_H
#define PIPE_OBJECT_SYNC_H

#include "pipeline/base/error.h"

/* Up to so many files are better synced one by one: others may have much to write on the same filesystem. */
enum { SYNC_SINGLY = 32 };

/* Everything written so far to the filesystem of `path` is durable. Linux 5.8 and later report what could not be
 * written. */
bool sync_filesystem_of(const char *path, struct error *err);

#endif
