/*
 * Files that were seen but are not yet known to be whole, by path. Only these are remembered one by one.
 */
#ifndef PIPE_PENDING_H
#define PIPE_PENDING_H

#include <stddef.h>

#include "connectors/file/settle.h"

struct pending_file {
    struct pending_file *next; /* in its bucket, or in the list of pending_take_due */
    char *path;
    uint64_t hash;
    struct settle_seen seen;
    int64_t quiet_us; /* how long it has to be quiet */
    bool refused;     /* written in place where only renames count: waits for ever */
};

struct pending {
    struct pending_file **buckets;
    size_t count, capacity;
};

/* Finds or adds. */
struct pending_file *pending_at(struct pending *p, const char *path);
void pending_remove(struct pending *p, const char *path);
/* When the first of them may be whole: microseconds from now, -1: never. */
int64_t pending_wait_us(const struct pending *p, int64_t now_us, int64_t wall_us);
/* Takes out those whose time has come, in order of path; each is the caller's to free (pending_file_free). */
struct pending_file *pending_take_due(struct pending *p, int64_t now_us, int64_t wall_us);
void pending_file_free(struct pending_file *f);
void pending_release(struct pending *p);

#endif
