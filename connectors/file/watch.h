/*
 * inotify: which names changed in the directories that are watched. Where it cannot be had (limits, network
 * filesystems), nothing is told, and the caller's scans find what is new.
 */
#ifndef PIPE_WATCH_H
#define PIPE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch {
    int fd;             /* for poll; -1: there is no inotify */
    char **directories; /* by watch descriptor */
    size_t count;
    uint32_t mask;
    bool warned;
    const char *component; /* for the log */
};

enum watch_event {
    WATCH_CREATED,  /* a name appeared; who made it may still be writing */
    WATCH_WRITTEN,  /* a writer closed it */
    WATCH_MODIFIED, /* bytes were written to a file of watch_file, or it was cut off; descriptor says which */
    WATCH_RENAMED,  /* it was renamed into place */
    WATCH_LOST,     /* events were lost, a directory appeared, or (WATCH_NAMES) a name came or went: scan again; path is
                       NULL */
};

/* What is told of directories: files as they are dropped, or only that the names in it have changed. */
enum watch_kind { WATCH_DROPS, WATCH_NAMES };

void watch_open(struct watch *w, const char *component, enum watch_kind kind);
void watch_close(struct watch *w);
/* Again for a directory that is watched already: nothing. Fits glob_walk_new's callback. */
void watch_directory(void *watch, const char *path);
/* One file, through links and renames. Returns its descriptor, the same for the same inode; -1: it cannot be watched.
 */
int watch_file(struct watch *w, const char *path);
void watch_forget(struct watch *w, int descriptor);
/* What has happened since the last time; never waits. */
typedef void watch_callback(void *arg, enum watch_event what, int descriptor, const char *path);
void watch_read(struct watch *w, watch_callback *event, void *arg);

#endif
