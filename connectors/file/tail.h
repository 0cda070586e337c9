/*
 * What tail.c and follow.c share.
 */
#ifndef PIPE_TAIL_H
#define PIPE_TAIL_H

#include "connectors/file/book.h"
#include "connectors/file/source.h"
#include "connectors/file/watch.h"

/* A file that is there now. */
struct followed {
    struct followed *next, *next_marked;
    uint64_t device, inode;
    char *path;
    int fd;                   /* -1: closed, to be opened again by its path */
    int descriptor;           /* of its watch; -1 */
    struct book_entry *entry; /* NULL: empty so far, or a copy of a file that is being followed */
    uint64_t size;            /* when last looked at */
    int64_t read_us;          /* when bytes were last read */
    uint32_t scan;            /* the last that found it */
    bool marked;              /* something may be there to read */
    bool gone;                /* the last scan did not find it */
    bool ending;              /* gone and quiet: what it holds now is its end */
    bool unreadable;          /* compressed, or its header is broken: nothing of it is read until it is rewritten */
};

struct tail {
    struct file_source *fs;
    struct watch watch;
    struct book book;
    struct followed **buckets;
    size_t count, capacity;
    struct followed **by_descriptor;
    size_t by_descriptor_count;
    struct followed *marked, **last_marked;
    uint32_t open_count, open_max;
    uint32_t scan;
    bool scan_again, stopped;
    int64_t scan_at, scan_again_at, forgotten_at;
    bool troubled;    /* it has been said */
    int64_t retry_at; /* nothing is read before */
};

int64_t tail_now_us(const struct tail *t);
void tail_mark(struct tail *t, struct followed *f);

enum follow { FOLLOW_ALL, FOLLOW_MORE /* its turn is over, not its bytes */, FOLLOW_STOPPED, FOLLOW_FAILED };

/* Reads what a file has, up to a few megabytes. */
enum follow follow_read(struct tail *t, struct followed *f, struct error *err);
void follow_close(struct tail *t, struct followed *f);
void follow_state_free(struct book_entry *e);

#endif
