/*
 * The objects that are being written: one part file each, and the encoded bytes that are still too few for a block.
 * What has been added is never lost by a failed write to disk: it stays in memory until a later flush succeeds. Sink
 * thread only.
 */
#ifndef PIPE_PARTS_H
#define PIPE_PARTS_H

#include "connectors/object/partition_log.h"
#include "pipeline/engine/component.h"

struct part {
    struct partition_log
        *log;          /* whose records they are: an object has those of one partition only. NULL: of no shared one */
    char *path;        /* absolute */
    const char *name;  /* its end: relative to parts/ */
    char *object;      /* where it goes, relative to the sink's directory */
    struct str target; /* owned */
    uint64_t hash;
    struct buffer pending, packed; /* not yet in a block; a block on its way to the file */
    uint64_t size;                 /* of the file */
    uint64_t rows;
};

struct parts {
    struct part *items;
    uint32_t count, capacity;
    uint32_t *index; /* open-addressed by log and hash: position in items + 1; a power of two */
    uint32_t index_size;
    size_t pending; /* in all */
};

struct part *parts_find(struct parts *p, struct partition_log *log, struct str target, uint64_t hash);
/* A new one; path and object are malloc'd and owned from now on. Pointers to parts move. */
struct part *parts_add(struct parts *p, struct partition_log *log, struct str target, uint64_t hash, char *path,
                       char *object);

/* Writes blocks of what is pending: where there is enough for one, or everything. */
bool parts_flush(struct parts *p, struct sink *s, enum compression how, bool everything, struct error *err);
/* Everything is on disk. */
bool parts_sync(struct parts *p, struct error *err);
/* What makes objects of a log's parts, malloc'd. Returns their count. */
uint32_t parts_renames(const struct parts *p, const struct partition_log *log, struct rename_pair **renames);
/* A log's parts belong to a commit now, or, with `discard`, are removed. */
void parts_drop(struct parts *p, const struct partition_log *log, bool discard);
void parts_clear(struct parts *p);

#endif
