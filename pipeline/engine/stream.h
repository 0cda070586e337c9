/*
 * A byte stream on its way into batches: decompression, framing, and what lies between two batches. Shared by the
 * sources that read streams (files, stdin); used on the lane's thread only.
 *
 * The caller brings bytes; the stream says where to put them, so that uncompressed ones are read where they stay:
 *
 *     stream_start(s, partition, COMPRESSION_AUTO, 0);
 *     while ((to = stream_room(s, &room)) && (n = read(fd, to, room)) > 0 && stream_took(s, n) == STREAM_ON)
 *         ;
 *     stream_end(s, STREAM_END);
 *     stream_flush(s, false);
 *
 * One batch goes on from stream to stream, so that many small files share it. An unfinished record is copied to the
 * head of the next batch; one larger than a batch gets a larger batch. No record is parsed here.
 */
#ifndef PIPE_STREAM_H
#define PIPE_STREAM_H

#include "pipeline/codec/compress.h"
#include "pipeline/engine/lane.h"

/*
 * The position behind the end of a stream that is complete and cannot grow: it covers any length, also one that is only
 * known after decompression, and an empty stream. Positive as a signed number, since databases store it as such.
 */
#define STREAM_END ((uint64_t)INT64_MAX)

enum stream_status {
    STREAM_ON,
    STREAM_OVER,    /* nothing further of this stream is of use: it is corrupt, or it ended. Call stream_end. */
    STREAM_STOPPED, /* lane_draw said so: return from run */
};

struct stream {
    struct lane *lane;
    const struct source_common *common;
    const struct format *format;
    struct batch *batch; /* being filled; may hold the ends of earlier streams. NULL: none drawn */
    size_t limit;        /* how much of it was drawn from the budget */
    uint32_t most;       /* records that it is to have */
    int64_t opened_us;   /* when it was drawn */
    size_t chunk; /* bytes to draw: small while little comes in, for batches keep their memory until they are settled */
    struct buffer carry; /* the unfinished record between two batches */
    bool barren;         /* it filled a batch alone */

    /* the present stream */
    struct framer framer;
    struct partition *partition; /* a reference */
    uint64_t reached;            /* `next` of its last span: where its next span starts */
    uint64_t skip_to;            /* what lies before has been read in an earlier run */
    size_t from;                 /* batch->bytes[from, len) is not framed yet */
    bool in_batch;               /* the batch's last span is this stream's */
    bool primed, over;
    enum compression compression;
    bool at_frame_end; /* of compressed data */

    struct decompressor *decompressors[COMPRESSION_AUTO]; /* by kind, kept for the next stream */
    char *raw;                                            /* compressed bytes */
    size_t raw_from, raw_len;
};

/* chunk: how much to draw at first; it grows up to 1 MiB with what comes in. */
void stream_init(struct stream *s, struct lane *lane, size_t chunk);
void stream_release(struct stream *s); /* gives a drawn batch back unused */

/*
 * Begins a stream; takes its own reference to p. The bytes that follow are the stream's first; those before position
 * `at` are skipped. AUTO finds the compression out from the first bytes.
 */
void stream_start(struct stream *s, struct partition *p, enum compression compression, uint64_t at);
/*
 * For an uncompressed stream that can be read from its middle: the bytes that follow are those at position `at`, whose
 * line is `line` (0: unknown). head: the stream's first bytes, `whole`: there are no more; false: more are needed to
 * know how to read on. Between stream_start and the first stream_room.
 */
bool stream_seek(struct stream *s, uint64_t at, uint32_t line, const char *head, size_t head_len, bool whole);

/* Where to put the next bytes, at least 1. Hands on a full batch first. NULL: STREAM_STOPPED. */
char *stream_room(struct stream *s, size_t *room);
/* n bytes were put there. */
enum stream_status stream_took(struct stream *s, size_t n);
/*
 * The stream ends: an unterminated record is whole. next: STREAM_END, or STREAM_OPEN to leave the position where the
 * data ends.
 */
#define STREAM_OPEN UINT64_MAX
enum stream_status stream_end(struct stream *s, uint64_t next);
/* Leaves the stream in the middle, to go on later from s->framer.position with stream_continue: an unfinished record is
 * forgotten here. */
void stream_pause(struct stream *s);
void stream_continue(struct stream *s, struct partition *p, const struct framer *framer);

/* Hands the batch on, if there is anything in it. more: the source goes on at once. */
void stream_flush(struct stream *s, bool more);
/* As stream_flush, if the batch has waited for `linger`. */
void stream_linger(struct stream *s);
/* Is anything waiting in the batch that could go? */
bool stream_holds(const struct stream *s);

#endif
