/*
 * A raw batch: what a source read, cut into records but not parsed, with the position of each record. Made and filled by one
 * lane, then sealed (lane_emit) and const for everybody; freed when every sink has given its verdict (receipt).
 *
 * A partition is something with positions of its own: a file, a Kafka partition, a spool. A span says that records
 * [from, from + count) of the batch are those of one partition, and that reading on after them starts at position `next`
 * (half-open [first, next): gaps are covered). The spans of a batch are in the order of reading and cover all records; a span may
 * have no records (the end of a file, a gap) and still moves the position.
 */
#ifndef PIPE_BATCH_H
#define PIPE_BATCH_H

#include <stdatomic.h>

#include "pipeline/base/arena.h"
#include "pipeline/event/value.h"

struct lane;

/*
 * Reference-counted: the lane, and every span, hold one. `key` is the stored identity, unique in its source. Written by the lane
 * before the first batch with it is emitted, then const, except what is marked.
 */
struct partition {
    atomic_uint refs;
    atomic_bool has_dead;   /* a record of it is in the dead letters; set by whoever puts it there */
    atomic_bool lost;       /* of a shared source: another process has it; what is in flight of it is dropped. Set by the lane, or by a sink that finds out */
    uint32_t index;         /* dense number within the lane, for the ledger */
    const char *key;        /* UTF-8; owned */
    const char *origin;     /* dead letters name this instead of key: where a record that is tried again came from; NULL: key. Owned */
    /* meta.* of the whole partition; NULL or INT64_MIN where it has none */
    const char *file;       /* path as the source sees it, relative to the source's base; owned */
    const char *topic;      /* owned */
    int32_t number;         /* Kafka partition; -1 */
    int64_t timestamp;      /* now() for its records: µs since 2000-01-01 UTC (a file's mtime) */
    void *format_state;     /* what the format needs of the partition's start (CSV: its header); owned */
    struct str head;        /* the stream's first bytes, of which format_state was made; owned */
    void (*format_state_free)(void *);
    void *source_state;     /* the source's own; lane thread only */
    void *resume;           /* the engine's: what the sinks have stored of it; NULL: nothing. Owned (free) */
};

struct partition *partition_new(const char *key);
struct partition *partition_ref(struct partition *p);
void partition_unref(struct partition *p);

struct span {
    struct partition *partition; /* a reference */
    uint64_t first, next;
    uint32_t from, count; /* records of the batch */
};

/* Why a record is bad before anybody has parsed it. */
enum record_fault {
    RECORD_OK,
    RECORD_TOO_LONG,  /* longer than max_record; `length` is the part kept for the dead letter */
    RECORD_TRUNCATED, /* the input ends in the middle (truncated compression, unclosed quote or bracket) */
    RECORD_CORRUPT,   /* the input cannot be read on from here; detail in batch.fault_text */
};

struct record {
    uint64_t position; /* where it starts: byte offset in the (decompressed) file, Kafka offset, sequence number */
    uint32_t offset;   /* its bytes: batch.bytes + offset, without the terminator */
    uint32_t length;
    uint32_t line; /* 1-based line of the file where it starts; 0: unknown */
    uint16_t span;
    uint8_t fault; /* enum record_fault */
    bool element;  /* of a JSON array: see batch_restart_before */
};
static_assert(sizeof(struct record) == 24, "one per event");

enum { BATCH_MAX_SPANS = 65535 };

/* Per-record meta that only some sources have; each is NULL or a malloc'd array of batch.record_count values, which the
 * batch frees. The spool stores the values by their place here: new ones go behind the others (spool_frame.c). */
struct record_meta {
    struct value *key, *timestamp, *headers, *properties, *topic;
    uint8_t *delivery; /* how an MQTT message was delivered: its QoS, and DELIVERY_RETAIN */
};
enum { DELIVERY_QOS = 3, DELIVERY_RETAIN = 4 };

struct batch {
    atomic_uint refs;
    atomic_uint byte_refs; /* bytes and records end when this is 0; spans live as long as the batch */
    struct lane *lane;
    uint64_t number;    /* per lane, from 0, without holes */
    char *bytes;        /* capacity bytes, then BATCH_PADDING readable ones, so that a decoder may load a vector at the end */
    size_t len, capacity;
    struct record *records;
    uint32_t record_count, record_capacity;
    struct span *spans;
    uint32_t span_count, span_capacity;
    struct record_meta meta;
    struct arena texts;      /* what meta values point into that is not in bytes; ends with the bytes */
    const void *prepared;    /* what the format has found for its records before workers decode them (format.h); in texts. NULL: nothing */
    const char *fault_text;  /* detail for RECORD_CORRUPT and RECORD_TRUNCATED; static or malloc'd with fault_text_owned */
    bool fault_text_owned;
    int64_t read_at;         /* when it was read, µs since 2000-01-01 UTC: now() for partitions without a timestamp; 0: unknown */
    uint64_t only;           /* mask of the sinks it is for, the others have had it; 0: all */
    uint64_t mark;           /* a number of the source's own that only grows over the batches of a lane: see lane_spooled_mark. 0: none */
    bool more;               /* the source goes on at once: a sink need not commit only because it is idle */
    atomic_size_t charged;   /* bytes drawn from the budget for it and what was made of it */
};

enum { BATCH_PADDING = 64 };

struct batch *batch_new(size_t capacity); /* pools the chunk memory */
struct batch *batch_ref(struct batch *b);
void batch_unref(struct batch *b);
/* The raw bytes, records and meta have holders of their own (an output which has been written, a job), so that they can go before the spans
 * are settled. Whoever drops the last one frees them and learns so by true; without any holder they live as long as the batch. */
void batch_hold_bytes(struct batch *b);
bool batch_drop_bytes(struct batch *b);

/* Grows bytes; pointers into it move. Only before lane_emit. */
void batch_reserve(struct batch *b, size_t capacity);
/* Moves little content out of a large chunk, so that a trickle does not hold megabytes; meta values that point into bytes follow. Only before anybody else does.
 * Meta arrays lose what is behind the last record. */
void batch_shrink(struct batch *b);
/* Raw bytes, records and meta: what the batch itself takes of the budget, beside what is made of it. */
size_t batch_memory(const struct batch *b);
/* The position at which a source would have to read on to get this record, and not the one before it. For an element of
 * a JSON array that is the ',' or '['. */
uint64_t batch_restart_before(const struct batch *b, uint32_t record);
struct record *batch_add_record(struct batch *b);
/* Starts a span of no records at [first, first); takes its own reference to p. The caller counts records into it and moves `next`. */
struct span *batch_add_span(struct batch *b, struct partition *p, uint64_t first);

/* Of a shared source, whose batches hold one partition each. */
static inline bool batch_is_lost(const struct batch *b)
{
    return b->span_count && atomic_load_explicit(&b->spans[0].partition->lost, memory_order_relaxed);
}

static inline struct str batch_record_bytes(const struct batch *b, uint32_t record)
{
    return (struct str){b->bytes + b->records[record].offset, b->records[record].length};
}
static inline const struct partition *batch_record_partition(const struct batch *b, uint32_t record)
{
    return b->spans[b->records[record].span].partition;
}

#endif
