/*
 * Reading a spool: from a place in it into batches. A chunk of a segment is read to where it stays, and records are cut in place: offset and length, as from
 * any source. What is damaged becomes a record with RECORD_CORRUPT at its number, so that it gets a dead letter, and is kept in quarantine.
 */
#ifndef PIPE_SPOOL_READ_H
#define PIPE_SPOOL_READ_H

#include "pipeline/codec/format.h"
#include "pipeline/engine/spool_log.h"

/* Where a reader is. Zero is the beginning. */
struct spool_place {
    uint64_t at;              /* number of the next record to be read */
    uint64_t segment, offset; /* where its frame begins, if the segment is still the one; offset 0: not known */
};

enum { SPOOL_ORIGINS_KEPT = 8 };

struct spool_reader {
    struct spool_log *log;
    const char *source; /* for messages */
    /* The partition to carry an origin's meta; the caller holds the reference. */
    struct partition *(*partition)(void *arg);
    void *arg;
    const struct format *format; /* primed with an origin's head; NULL: none needs it */
    const struct format_options *options;
    size_t max_record;

    int fd; /* -1: none */
    uint64_t fd_segment;
    struct origin_kept {
        char *bytes;
        size_t len;
        struct partition *partition;
    } kept[SPOOL_ORIGINS_KEPT];
    uint32_t next_kept;
    bool looks;              /* damage is told, and neither put into quarantine nor moved aside */
    uint64_t damaged_before; /* what lies before has been reported */
};

void spool_reader_init(struct spool_reader *r, struct spool_log *log, const char *source);
void spool_reader_release(struct spool_reader *r);

/* How much a batch for the next read needs, at most `most`; 0: there is nothing to be read. */
size_t spool_read_room(struct spool_reader *r, const struct spool_place *place, size_t most);

struct spool_got {
    int64_t appended_us; /* of the first record; 0: none */
    uint64_t lost;       /* records that are not there: counted beside the one that stands for them */
};
/*
 * Fills an empty batch with what comes next, up to (not including) `limit`, and moves the place. It may end up without records, with or without a moved place: call again.
 * The batch grows where one frame needs more.
 */
void spool_read(struct spool_reader *r, struct spool_place *place, uint64_t limit, struct batch *b, struct spool_got *got);

#endif
