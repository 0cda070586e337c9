/*
 * What one raw batch becomes for one sink: pieces of encoded bytes, and the verdicts over its records. Made by a
 * worker, put to the sink's runner (which never waits), settled by it, and posted back to the batch's lane. Every batch
 * makes one for every sink it is meant for, if need be without pieces; one that becomes very much is put in parts, each
 * an output of its own, in order, with the same number.
 */
#ifndef PIPE_OUTPUT_H
#define PIPE_OUTPUT_H

#include "pipeline/base/buffer.h"
#include "pipeline/base/mailbox.h"
#include "pipeline/engine/component.h"

/* Encoded rows for one target: a table, a shard, an object's path. */
struct piece {
    struct str target;    /* owned; "" where the sink has only one */
    struct buffer bytes;
    uint32_t rows;
    uint32_t *row_end;    /* where each row ends in bytes; NULL unless the sink's encoder keeps them (output_rows) */
    uint32_t *row_record; /* its record: index in the batch */
    uint32_t row_capacity;
    uint64_t target_hash;
    void *extra;          /* the sink's own, malloc'd or NULL: freed with the piece */
};

/* A record that this sink rejected: gets a dead letter before the output is committed. */
struct sink_rejection {
    uint32_t record;
    uint32_t connection; /* that rejected it, and writes its dead letter */
    char sqlstate[6];
    char *text; /* owned */
};

struct output {
    struct mail mail;
    struct batch *batch; /* a reference */
    uint64_t number;     /* among those of its lane for its sink, from 0, without holes */
    atomic_uint open_shares; /* connections that have not settled their share */
    atomic_flag rejecting;   /* guards rejections and letters: several connections may reject rows */
    uint32_t sink;       /* index in the plan */
    uint32_t part;       /* of the batch, from 0, where it was put in parts (job.h) */
    bool more_parts;     /* of this number follow */
    bool handed;         /* its bytes count as a sink's (budget_hand) */
    uint32_t first_record, record_count; /* of the batch: what it covers */
    uint32_t first_span, span_count;     /* and of its spans: see output_span */
    uint64_t begins, ends;               /* where the first of them begins and the last ends, for this part */
    uint32_t records;    /* that it covers, without those skipped: delivered + filtered + dead at the end */
    uint32_t skipped;    /* the sink had them before */
    uint32_t filtered, dead; /* dead: rejected by workers; the runner adds the sink's own */
    uint32_t delivered;
    uint64_t rows;
    struct piece *pieces;
    uint32_t piece_count, piece_capacity;
    struct sink_rejection *rejections;
    _Atomic uint32_t rejection_count;
    uint32_t rejection_capacity;
    uint32_t *letters; /* records whose dead letters this sink has written */
    uint32_t letter_count, letter_capacity;
    uint64_t dead_ticket; /* dead letters up to here must be durable before this is committed; 0: none */
    size_t bytes;         /* of all pieces, charged to the budget */
    atomic_bool given_up;  /* by one of its connections */
    bool raw;             /* for a late sink: not encoded yet, the batch's bytes are kept for that */
    bool holds_bytes;
    bool settled;         /* false when posted back: given up, to be delivered again by the next run */
};

/* The piece of that target, made if need be; `target` is copied. Pointers to pieces move when another is made. */
struct piece *output_piece(struct output *o, struct str target);
/* Room for `rows` more in row_end/row_record of a piece. */
void piece_reserve_rows(struct piece *p, uint32_t rows);
/* Sink thread: this record's rows can't be stored here. All rows of the record must be left out. */
void output_reject(struct output *o, uint32_t record, const struct error *why);
/* The same, for sinks with several connections, which share an output. */
void output_reject_by(struct output *o, uint32_t connection, uint32_t record, const struct error *why);
/* Before a connection writes it once more: what that connection rejected may be accepted. */
void output_forgive(struct output *o, uint32_t connection);
bool output_is_rejected(struct output *o, uint32_t record);
/* What the connection rejected, as a malloc'd array; the texts stay the output's until it forgives. Returns their count. */
uint32_t output_rejections_of(struct output *o, uint32_t connection, struct sink_rejection **out);

/* Is the record's dead letter still to be written? True once: a commit that is tried again writes no second one. */
bool output_take_letter(struct output *o, uint32_t record);

/* The output is made of the records [first, end) of its batch. While the batch has its records. */
void output_cover(struct output *o, uint32_t first, uint32_t end);
/* The i-th of the output's spans: as in the batch, except that only what the output covers lies between first and next.
 * Its records are not counted. */
struct span output_span(const struct output *o, uint32_t i);

/* Bytes that the pieces take up, for the budget. */
size_t output_measure(const struct output *o);
/* Takes pieces away again, from the end, until `count` are left. */
void output_truncate(struct output *o, uint32_t count);
/* Gives back what pieces have allocated and do not use. */
void output_trim(struct output *o);
void output_free_pieces(struct output *o);
void output_free(struct output *o);

#endif
