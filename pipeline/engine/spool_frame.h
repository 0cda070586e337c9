/*
 * One batch as it stands in the spool: bytes in, structs out, no files. Little-endian, packed, one frame behind the other:
 *
 *   head      64 bytes, with its own CRC32C
 *   index     where the records came from (origins), the batch's fault text, one entry of 24 bytes per record; covered by the head's index_crc
 *   meta      what some sources know of each record (key, topic, headers …), in the order of the records
 *   body      the records' bytes as they lay in the batch, gaps included, so that they are written and read back without being copied
 *
 * Each entry has the CRC32C of its record's bytes and meta: a flipped bit costs one record. A frame without a good head or index costs the frame.
 */
#ifndef PIPE_SPOOL_FRAME_H
#define PIPE_SPOOL_FRAME_H

#include <sys/uio.h>

#include "pipeline/base/buffer.h"
#include "pipeline/base/mailbox.h"
#include "pipeline/event/batch.h"

enum { SPOOL_MARKS = 16 }; /* fronts whose marks are looked for */

#define SPOOL_FRAME_MAGIC UINT32_C(0x316d7246) /* "Frm1" */

struct spool_head {
    uint32_t magic;
    uint32_t crc;        /* of what follows in the head */
    uint64_t first;      /* sequence number of its first record */
    int64_t appended_us; /* since 2000-01-01 UTC: now() for its records */
    uint32_t records, origins;
    uint32_t index_bytes, index_crc;
    uint32_t meta_bytes, body_bytes;
    uint32_t fault_bytes; /* of the batch's fault text */
    uint32_t front;       /* the lane that the batch came from */
    uint64_t mark;        /* batch.mark */
};
static_assert(sizeof(struct spool_head) == 64, "stored");

struct spool_entry {
    uint32_t offset, length; /* in the body */
    uint32_t crc;            /* of the record's bytes, then its meta */
    uint32_t line;
    uint32_t meta;           /* bytes of meta */
    uint16_t origin;
    uint8_t fault, delivery; /* delivery: record_meta.delivery; NOT_DELIVERED where the batch has none */
};
static_assert(sizeof(struct spool_entry) == 24, "stored");
enum { NOT_DELIVERED = 255 };

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

struct spool_frame {
    struct mail mail; /* on its way home to the batch's lane, once it is durable */
    struct spool_frame *next;
    struct batch *batch; /* a reference */
    struct spool_head head;
    struct buffer index, meta;
    const char *body;
    uint64_t bytes; /* of the whole frame; 0: no records, nothing to be stored */
};

enum { SPOOL_FRAME_PARTS = 4 };

/* Of a sealed batch; takes a reference to it. */
struct spool_frame *spool_frame_new(struct batch *b, int64_t appended_us);
void spool_frame_free(struct spool_frame *f);
/* The last thing before it is written. Returns the sequence number behind its last record. */
uint64_t spool_frame_number(struct spool_frame *f, uint64_t first);
void spool_frame_parts(struct spool_frame *f, struct iovec parts[SPOOL_FRAME_PARTS]);

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

/* Points into the bytes it was parsed from. */
struct spool_view {
    struct spool_head head;
    size_t bytes; /* of the whole frame; known from SPOOL_CUT on */
    const char *index, *entries, *meta, *body;
    struct str fault_text;
};

enum spool_parse {
    SPOOL_WHOLE,
    SPOOL_CUT,       /* the data ends within the frame; view.bytes: how much it takes, 0: not known yet */
    SPOOL_BAD_HEAD,  /* no frame starts here */
    SPOOL_BAD_INDEX, /* one does, but nothing in it can be told apart; view.bytes and view.head are good */
};

enum spool_parse spool_frame_parse(const char *data, size_t len, struct spool_view *v);
/* Does a good head start here? The data has at least a head's bytes. */
bool spool_head_parse(const char *data, struct spool_head *head);
/* Entry i, whose meta begins at meta_at (the sum of those before). false: the record is damaged. What is in *e lies within the frame either way. */
bool spool_view_record(const struct spool_view *v, uint32_t i, size_t meta_at, struct spool_entry *e);
/* The bytes that describe origin i; equal ones are equal origins. i is below head.origins. */
struct str spool_view_origin(const struct spool_view *v, uint32_t i);
/* Sets file, topic, number, timestamp, head of a new partition. false: damaged. */
bool spool_origin_read(struct str origin, struct partition *p);
/* Takes one value from meta[*at, end). `field`: index in struct record_meta. false: none left. Bytes of values are borrowed. */
bool spool_meta_next(const char **at, const char *end, uint32_t *field, struct value *v);

/* The fields of struct record_meta that are values, by index. */
enum { SPOOL_META_FIELDS = offsetof(struct record_meta, delivery) / sizeof(struct value *) };
static inline struct value **spool_meta_field(struct record_meta *meta, uint32_t field)
{
    return (struct value **)meta + field;
}

#endif
