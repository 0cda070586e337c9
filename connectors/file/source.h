/*
 * The source `file`. One lane, one thread; these are the parts it is made of:
 *
 *   source.c     options and their check, the type
 *   scan.c       batch and watch: which files, when (glob.h, settle.h, watch.h)
 *   visit.c      one file: who it is (identity.h), what of it is still needed, reading it
 *   done.c       on_done: what happens to a file when every sink has committed it
 *   forget.c     stored positions of files that have gone
 *   tail.c       following files that grow (follow.c, book.h)
 *
 * Positions are byte offsets in the decompressed file. The last span of a file ends at STREAM_END, so that a file is
 * complete exactly if a sink has a range that reaches so far: whether it is compressed, has an unterminated last line
 * or is empty. In tail mode a file has no end.
 */
#ifndef PIPE_FILE_SOURCE_H
#define PIPE_FILE_SOURCE_H

#include "connectors/file/glob.h"
#include "connectors/file/identity.h"
#include "connectors/file/key_set.h"
#include "connectors/file/settle.h"
#include "pipeline/engine/stream.h"

extern const struct source_type file_source_type;

enum file_mode { FILE_BATCH, FILE_WATCH, FILE_TAIL };
enum file_on_done { ON_DONE_KEEP, ON_DONE_DELETE, ON_DONE_MOVE };

struct file_source_options {
    struct text_list path;
    int mode; /* enum file_mode */
    int compression;
    const char *settle;
    int on_done; /* enum file_on_done */
    const char *done_dir;
};

/* A file that is read but not yet settled, with something to be done then. */
struct leaving {
    struct leaving *next, **at; /* in file_source.leaving, or .stuck */
    char *path, *key;
    uint64_t size;
    int64_t mtime_ns;
};

struct file_source {
    struct lane *lane;
    const struct component *component;
    const struct file_source_options *options;
    const char *name, *directory; /* the component's; what paths are relative to */
    struct settle settle;
    struct glob *glob;
    struct stream stream;
    struct buffer key;
    struct key_set present; /* hashes of the keys of all files of the first scan; forget.c */
    bool collecting;        /* that scan is going on */

    /* progress, in batch mode */
    struct glob_walk *counting; /* ahead of the reading; NULL: done */
    uint64_t done_bytes, total_bytes;

    /* done.c */
    struct leaving *leaving;
    struct leaving *stuck;        /* settled, but could not be deleted or moved: tried again */
    struct key_set left;          /* keys of files left alone because of dead letters, also in earlier runs */
    struct buffer left_unwritten; /* lines for the list of them that the disk had no room for */
    bool left_failing;
    char **gone; /* keys of files that are deleted or moved, to be forgotten */
    char **gone_paths;
    uint32_t gone_count;
    bool ended;
};

enum visit { VISIT_DONE, VISIT_STOPPED, VISIT_FAILED };

/* Reads what sinks still need of a file. One that has vanished is logged and passed. */
enum visit file_visit(struct file_source *fs, int directory, const char *name, const char *path, struct error *err);

bool file_scan_run(struct file_source *fs, struct error *err);
bool file_tail_run(struct file_source *fs, struct error *err);

/* Makes the stream, just started, go on at `at` of an uncompressed file. */
bool file_seek(struct stream *s, int fd, const char *path, uint64_t at, struct error *err);

/* Reads the list of files left alone, makes done_dir. */
bool file_done_open(struct file_source *fs, struct error *err);
void file_done_close(struct file_source *fs);
/* The file's partition will tell when it is settled. */
void file_done_expect(struct file_source *fs, struct partition *p, const char *path, const struct file_identity *id);
/* It was settled in an earlier run, which did not come to this. */
void file_done_again(struct file_source *fs, const char *path, const char *key, const struct file_identity *id);
void file_done_settled(struct lane *lane, struct partition *p, uint64_t next);
/* Whether what could not be deleted or moved can be now. */
void file_done_retry(struct file_source *fs);
/* Forgets what has gone so far. */
void file_done_flush(struct file_source *fs);
bool file_is_done_dir(const struct file_source *fs, const char *path);

/* After a complete scan: stored keys whose file has gone are forgotten, and, if `present` is filled, those whose file
 * is another now. */
void file_forget(struct file_source *fs);

#endif
