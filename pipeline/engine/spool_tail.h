/*
 * How far a segment is whole: by its frames' heads only, so that a tail of 64 MiB is looked through in milliseconds. A frame that is cut off by the file's
 * end, or bytes behind which no good frame follows, are a torn end; bytes with a good frame behind them are damage, which the reader will pass over.
 */
#ifndef PIPE_SPOOL_TAIL_H
#define PIPE_SPOOL_TAIL_H

#include "pipeline/base/error.h"
#include "pipeline/engine/spool_log.h"

struct spool_tail {
    uint64_t bytes; /* the file is whole up to here */
    uint64_t next;  /* number behind its last record */
    uint64_t marks[SPOOL_MARKS]; /* per front the highest batch.mark */
};

/* Frames begin at byte `from` of the segment. keep: what is torn but begins like no frame is put into quarantine. */
bool spool_tail_find(const char *directory, const struct spool_segment *s, size_t from, bool keep, struct spool_tail *out, struct error *err);
/* The number of the first record of the log that was appended at or after a time (µs since 2000-01-01 UTC); the log's end where none was. */
uint64_t spool_find_time(struct spool_log *l, int64_t us);

#endif
