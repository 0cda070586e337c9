/*
 * The inside of the object sink.
 *
 *   object.c  options, opening, positions
 *   encode.c  workers: rows into pieces, one for each object that they go to
 *   write.c   the sink's thread: pieces into parts, parts into objects
 */
#ifndef PIPE_OBJECT_PRIVATE_H
#define PIPE_OBJECT_PRIVATE_H

#include "connectors/object/ledger_file.h"
#include "connectors/object/object.h"
#include "connectors/object/parts.h"
#include "pipeline/engine/config.h"

struct object_sink {
    struct ledger_file ledger;  /* of sources that are this process's alone; open where there are any */
    struct partition_log *logs; /* of partitions that processes share: each that has been ours in this run */
    struct parts parts;
    int64_t first_row_us; /* monotonic; of the oldest row in an open object */
    uint64_t rows, next_number;
    const struct output *added; /* in the parts already: a write that is repeated only flushes */
};

static inline const struct object_options *object_options_of(const struct sink *s)
{
    return s->component->options;
}

/* Opens it where that has not been done: also what is outside of all sources, dead letters, goes there. */
bool object_open_ledger(struct sink *s, struct error *err);

bool object_bind(struct sink *s, struct binding *b, struct error *err);
void object_release(struct sink *s);
void object_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                   struct tools *tools, struct output *out, struct rejections *r);

bool object_acquire(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct positions *out,
                    struct error *err);
bool object_write(struct sink *s, struct output *out, struct error *err);
bool object_commit(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err);
bool object_wants_commit(struct sink *s, int64_t now_us, int64_t *wait_us);

#endif
