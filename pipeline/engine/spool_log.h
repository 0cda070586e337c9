/*
 * The files of a spool: STATE_DIR/spool/SOURCE/
 *
 *   id                     a UUID made at its first use: positions in the spool are positions of the partition "spool-UUID"
 *   00000000000000000000   a segment, named for the sequence number of its first record: a head of 80 bytes, then frames (spool_frame.h)
 *   quarantine/            bytes that turned out to be damaged, named for the sequence number where they were found
 *
 *   1. Records are numbered from 0, without end; a number is never used twice, whatever happens to the files.
 *   2. What lies before `next` is durable. Readers look no further, so they never see what may yet be taken back.
 *   3. Only the last segment grows. The ones before were synced whole, so only the last can have a torn end; it is cut when the spool is opened.
 *
 * One thread writes (write, sync, take_back, roll); any thread may ask (locate) and drop.
 */
#ifndef PIPE_SPOOL_LOG_H
#define PIPE_SPOOL_LOG_H

#include <pthread.h>

#include "pipeline/base/error.h"
#include "pipeline/engine/spool_frame.h"

struct spool_segment_head {
    char magic[8];
    char id[40];         /* the spool's */
    uint64_t first;      /* number of its first record */
    uint64_t follows;    /* number behind the last record of the segment before: less than `first` where numbers were left out on purpose */
    int64_t created_us;  /* since 2000-01-01 UTC */
    uint32_t crc, unused;
};
static_assert(sizeof(struct spool_segment_head) == 80, "stored");

struct spool_segment {
    uint64_t first, follows;
    uint64_t bytes;     /* durable ones */
    int64_t created_us; /* INT64_MIN: its head cannot be read */
};

struct spool_log {
    char *directory;
    char id[37];
    uint64_t segment_size;
    uint64_t cut_bytes; /* off the last segment, when it was opened */
    uint64_t marks[SPOOL_MARKS]; /* what was durable then: per front the highest batch.mark in the last two segments */

    pthread_mutex_t lock; /* what follows */
    struct spool_segment *segments;
    uint32_t count, capacity;
    uint64_t next;  /* number behind the last durable record */
    uint64_t bytes; /* of all segments */

    /* the writer's; fd -1: the next write begins a segment */
    int fd;
    uint64_t written;      /* bytes of the last segment, durable or not */
    uint64_t written_next; /* number behind the last record written */
    bool unsynced;
};

/* Makes or reads DIRECTORY/id. Any time; the caller gives 37 bytes. */
bool spool_log_identify(const char *directory, char id[37], struct error *err);
/*
 * Opens for writing; cuts a torn end. used: a number that the next record must not be below, since a sink has stored it.
 * The log is zeroed storage of the caller's.
 */
bool spool_log_open(struct spool_log *l, const char *directory, uint64_t segment_size, uint64_t used, struct error *err);
/* Only looks: nothing is cut, nothing can be written. */
bool spool_log_look(struct spool_log *l, const char *directory, struct error *err);
void spool_log_close(struct spool_log *l);

/* Appends frames (a list), numbered on from the last. After a failure: spool_log_take_back. */
bool spool_log_write(struct spool_log *l, struct spool_frame *frames, int64_t now_us, struct error *err);
/* What was written is durable, and `next` moves behind it. */
bool spool_log_sync(struct spool_log *l, struct error *err);
/* After a failed write or sync: what is not durable is not there. After a failed sync nobody knows what the file holds: the next write begins another one. */
void spool_log_take_back(struct spool_log *l);
/* The next write begins a segment. Everything written has been synced. */
void spool_log_roll(struct spool_log *l);

/* Removes segments all of whose records lie before `number`; the last one only if it is not being written. Returns whether any went. */
bool spool_log_drop(struct spool_log *l, uint64_t number);
bool spool_log_can_drop(struct spool_log *l, uint64_t number);
/* The writer, with nothing unsynced and every record passed: the files go, all of them; numbers go on. For a disk without room for one more. */
void spool_log_empty(struct spool_log *l);
uint64_t spool_log_next(struct spool_log *l);
uint64_t spool_log_bytes(struct spool_log *l);

/* Where a record is to be found. */
struct spool_extent {
    uint64_t segment; /* its first number: its name */
    uint64_t from;    /* the number asked for, or the first one there is behind it */
    uint64_t end;     /* the segment's records end before this */
    uint64_t bytes;   /* of the segment: frames end here */
    bool last;        /* it may grow */
};
/* false: there is nothing at or behind `number`. */
bool spool_log_locate(struct spool_log *l, uint64_t number, struct spool_extent *out);
/* The first number there still is. */
uint64_t spool_log_first(struct spool_log *l);
/* How many records there are at or behind `number`. */
uint64_t spool_log_count(struct spool_log *l, uint64_t number);

/* malloc'd */
char *spool_segment_path(const char *directory, uint64_t first);
/* Moves a segment that cannot be read into quarantine. */
void spool_set_aside(const char *directory, uint64_t first);
/* Keeps damaged bytes aside; a failure is only logged. */
void spool_quarantine(const char *directory, uint64_t number, const char *data, size_t len);

#endif
