/*
 * A commit record: which ranges are in finished objects once it is carried out, and the renames that carry it out. On
 * disk it is lines of fields, the last of which says that the record is whole. Names are relative: the directory may be
 * moved.
 */
#ifndef PIPE_OBJECT_COMMIT_RECORD_H
#define PIPE_OBJECT_COMMIT_RECORD_H

#include "pipeline/base/buffer.h"
#include "pipeline/engine/position.h"

struct rename_pair {
    const char *part;   /* relative to parts/ */
    const char *object; /* relative to the sink's directory */
};

struct commit_record {
    int64_t epoch;     /* of a partition that processes share; 0: none */
    const char *owner; /* the state_dir that had it in this epoch; NULL: none */
    const struct position *ranges;
    const struct rename_pair *renames;
    uint32_t range_count, rename_count;
};

void commit_record_print(struct buffer *out, const struct commit_record *r);

/* As read back: the record points into `text` and into arrays of its own. */
struct commit_record_file {
    struct commit_record record;
    struct buffer text;
    struct position *ranges;
    struct rename_pair *renames;
};

/* What is there is released in any case. ERROR_STOP where it is damaged. */
bool commit_record_read(struct commit_record_file *f, const char *path, struct error *err);
void commit_record_release(struct commit_record_file *f);

#endif
