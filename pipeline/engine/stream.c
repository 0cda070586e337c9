#include "pipeline/engine/stream.h"

#include <stdlib.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/clock.h"

enum {
    CHUNK_MIN = 64 << 10,
    CHUNK_MAX = 1 << 20,
    ROOM_MIN = 16 << 10, /* less than this is not worth a read */
    RAW_SIZE = 128 << 10,
    MOST_RECORDS = 32768, /* 24 bytes each beside the chunk */
    MOST_SPANS = 8192,
};

#define MICROSECONDS_1970_TO_2000 INT64_C(946684800000000)

static uint32_t most_records(const struct stream *s)
{
    uint32_t most = lane_most_records(s->lane);
    return most < MOST_RECORDS ? most : MOST_RECORDS;
}

/* ---- batches -------------------------------------------------------------------------------------------------------
 */

void stream_init(struct stream *s, struct lane *lane, size_t chunk)
{
    const struct component *c = lane_component(lane);
    *s = (struct stream){
        .lane = lane,
        .common = c->source_common,
        .format = c->source_common->format >= 0 ? formats[c->source_common->format] : NULL,
        .chunk = chunk,
        .over = true,
    };
}

void stream_release(struct stream *s)
{
    if (s->batch)
        lane_discard(s->lane, s->batch);
    for (int i = 0; i < COMPRESSION_AUTO; i++)
        if (s->decompressors[i])
            decompressor_free(s->decompressors[i]);
    partition_unref(s->partition);
    buffer_release(&s->carry);
    free(s->raw);
    *s = (struct stream){0};
}

bool stream_holds(const struct stream *s)
{
    return s->batch && (s->batch->record_count > 0 || s->batch->span_count > 1);
}

/* Chunks follow what comes in: a trickle does not pin megabytes, a flood does not pay per batch. */
static void learn_chunk(struct stream *s, bool full)
{
    size_t used = s->batch->len;
    if (s->batch->record_count >= s->most)
        s->chunk = used - (s->from < used ? used - s->from : 0) + ROOM_MIN;
    else if (full)
        s->chunk *= 2;
    else if (used < s->chunk / 8)
        s->chunk /= 2;
    if (s->chunk < CHUNK_MIN)
        s->chunk = CHUNK_MIN;
    if (s->chunk > CHUNK_MAX)
        s->chunk = CHUNK_MAX;
}

/* The present stream's unframed bytes leave the batch. */
static void carry_over(struct stream *s)
{
    struct batch *b = s->batch;
    s->barren = s->in_batch && b->record_count == 0 && s->from < b->len;
    if (!s->in_batch)
        return;
    buffer_add(&s->carry, b->bytes + s->from, b->len - s->from);
    b->len = s->from;
    s->in_batch = false;
    s->from = 0;
}

static void emit(struct stream *s, bool more)
{
    struct batch *b = s->batch;
    b->more = more;
    b->read_at = lane_clock(s->lane)->wall_us(lane_clock(s->lane)) - MICROSECONDS_1970_TO_2000;
    s->batch = NULL;
    if (b->span_count > 0)
        lane_emit(s->lane, b);
    else
        lane_discard(s->lane, b);
}

void stream_flush(struct stream *s, bool more)
{
    if (!s->batch)
        return;
    learn_chunk(s, false);
    carry_over(s);
    emit(s, more);
}

void stream_linger(struct stream *s)
{
    if (stream_holds(s) && clock_now_us(lane_clock(s->lane)) - s->opened_us >= s->common->linger)
        stream_flush(s, true);
}

/* Carried bytes that filled a batch without ending a record get one twice as large. */
static bool draw(struct stream *s)
{
    size_t want = s->carry.len + (s->barren ? s->carry.len : 0) + CHUNK_MIN;
    if (want < s->chunk || s->carry.len == 0)
        want = s->chunk;
    s->batch = lane_draw(s->lane, want);
    if (!s->batch)
        return false;
    s->limit = want;
    s->most = most_records(s);
    s->opened_us = clock_now_us(lane_clock(s->lane));
    return true;
}

static void turn_over(struct stream *s)
{
    learn_chunk(s, true);
    carry_over(s);
    emit(s, true);
}

/* The present stream has a span in a batch with at least `room` bytes left. */
static bool ensure_room(struct stream *s, size_t room)
{
    if (s->batch && (s->limit - s->batch->len < room || s->batch->record_count >= s->most ||
                     s->batch->span_count >= MOST_SPANS))
        turn_over(s);
    if (!s->batch && !draw(s))
        return false;
    if (s->in_batch)
        return true;
    batch_add_span(s->batch, s->partition, s->reached);
    s->from = s->batch->len;
    s->in_batch = true;
    memcpy(s->batch->bytes + s->batch->len, s->carry.data ? s->carry.data : "", s->carry.len);
    s->batch->len += s->carry.len;
    buffer_clear(&s->carry);
    return true;
}

/* ---- framing -------------------------------------------------------------------------------------------------------
 */

static struct span *present_span(struct stream *s)
{
    return &s->batch->spans[s->batch->span_count - 1];
}

static void add_record(struct stream *s, size_t len, enum record_fault fault)
{
    struct record *r = batch_add_record(s->batch);
    r->position = s->framer.position;
    r->offset = (uint32_t)s->from;
    r->length = (uint32_t)(len < s->framer.max_record ? len : s->framer.max_record);
    r->line = s->framer.line;
    r->span = (uint16_t)(s->batch->span_count - 1);
    r->fault = (uint8_t)fault;
    present_span(s)->count++;
}

/* For formats without a framer: the whole stream is one record. */
static size_t frame_whole(struct stream *s, bool last)
{
    struct framer *f = &s->framer;
    uint32_t *skipping = &f->state[0];
    size_t len = s->batch->len - s->from;
    if (!*skipping && len <= f->max_record && !last)
        return 0;
    if (!*skipping)
        add_record(s, len, len > f->max_record ? RECORD_TOO_LONG : RECORD_OK);
    *skipping = true;
    f->position += len;
    if (last)
        present_span(s)->next = f->position;
    return len;
}

/* Cuts what is there, over as many batches as it takes. */
static enum stream_status frame(struct stream *s, bool last)
{
    for (;;) {
        if (s->format->frame)
            s->from += s->format->frame(&s->framer, s->batch, s->from, last, s->most);
        else
            s->from += frame_whole(s, last);
        s->reached = present_span(s)->next;
        if (s->batch->record_count < s->most || s->from == s->batch->len)
            return STREAM_ON;
        if (!ensure_room(s, 1))
            return STREAM_STOPPED;
    }
}

/*
 * The stream cannot be read on: what is left is one bad record. A batch has one text for that, so the record gets a
 * batch of its own. `text` is copied.
 */
static enum stream_status fault(struct stream *s, enum record_fault what, const char *text)
{
    if (s->batch && s->batch->record_count > 0)
        turn_over(s);
    if (!ensure_room(s, 1))
        return STREAM_STOPPED;
    add_record(s, s->batch->len - s->from, what);
    s->batch->fault_text = mem_strdup(text);
    s->batch->fault_text_owned = true;
    s->framer.position += s->batch->len - s->from;
    s->reached = present_span(s)->next = s->framer.position;
    s->from = s->batch->len;
    s->over = true;
    return STREAM_OVER;
}

static uint32_t count_lines(const char *data, size_t len)
{
    uint32_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += data[i] == '\n';
    return lines;
}

/* Bytes that are done with without being in a record need not stay. */
static void pass(struct stream *s, size_t n)
{
    s->from += n;
    s->framer.position += n;
    if (s->from == s->batch->len && s->batch->record_count == 0 && s->batch->span_count == 1)
        s->from = s->batch->len = 0;
}

/* Who reads the records back from a spool primes the format again. */
static void keep_head(struct partition *p, const char *data, size_t len)
{
    char *copy = mem_alloc(len);
    memcpy(copy, data, len);
    p->head = (struct str){copy, len};
}

static bool prime(struct stream *s, bool last, struct error *err)
{
    ssize_t n = 0;
    bool empty = last && s->framer.position == 0 && s->from == s->batch->len;
    if (s->format->prime && !empty)
        n = s->format->prime(&s->framer, s->batch->bytes + s->from, s->batch->len - s->from, last, err);
    if (n == PRIME_ERROR)
        return false;
    if (n != PRIME_MORE) {
        struct partition *p = s->partition;
        if (n > 0 && p->format_state && !p->head.data && s->common->ack == ACK_SPOOLED)
            keep_head(p, s->batch->bytes + s->from, (size_t)n);
        pass(s, (size_t)n);
        s->primed = true;
    }
    return true;
}

static void skip(struct stream *s)
{
    uint64_t left = s->skip_to - s->framer.position;
    size_t here = s->batch->len - s->from;
    size_t n = left < here ? (size_t)left : here;
    s->framer.line += count_lines(s->batch->bytes + s->from, n);
    pass(s, n);
}

/* New bytes lie behind from. */
static enum stream_status advance(struct stream *s, bool last)
{
    struct error err;
    if (!s->primed && !prime(s, last, &err))
        return fault(s, RECORD_CORRUPT, err.text);
    if (!s->primed)
        return STREAM_ON;
    if (s->framer.position < s->skip_to)
        skip(s);
    if (s->framer.position < s->skip_to)
        return STREAM_ON;
    return frame(s, last);
}

/* ---- decompression -------------------------------------------------------------------------------------------------
 */

static struct decompressor *decompressor(struct stream *s)
{
    struct decompressor **d = &s->decompressors[s->compression];
    if (!*d)
        *d = decompressor_new(s->compression);
    return *d;
}

static enum stream_status decompress(struct stream *s)
{
    for (;;) {
        if (!ensure_room(s, ROOM_MIN))
            return STREAM_STOPPED;
        struct batch *b = s->batch;
        struct error err;
        size_t in = s->raw_len - s->raw_from, room = s->limit - b->len, out = room;
        bool ok = decompressor_run(decompressor(s), s->raw + s->raw_from, &in, b->bytes + b->len, &out,
                                   &s->at_frame_end, &err);
        s->raw_from += in;
        b->len += out;
        enum stream_status status = out > 0 ? advance(s, false) : STREAM_ON;
        if (status != STREAM_ON)
            return status;
        if (!ok)
            return fault(s, RECORD_CORRUPT, err.text);
        if (s->raw_from == s->raw_len && out < room)
            break;
    }
    s->raw_from = s->raw_len = 0;
    return STREAM_ON;
}

/* The first bytes were read where uncompressed ones stay. */
static void move_to_raw(struct stream *s)
{
    struct batch *b = s->batch;
    decompressor_reset(decompressor(s));
    s->raw_from = 0;
    s->raw_len = b->len - s->from;
    s->raw = mem_realloc(s->raw, s->raw_len < RAW_SIZE ? RAW_SIZE : s->raw_len);
    memcpy(s->raw, b->bytes + s->from, s->raw_len);
    b->len = s->from;
}

/* Could bytes too few to tell still become compressed ones? */
static bool may_be_compressed(const char *data, size_t len)
{
    return len < 4 && (memcmp(data, "\x28\xb5\x2f\xfd", len) == 0 || memcmp(data, "\x1f\x8b", len < 2 ? len : 2) == 0);
}

/* False: not yet known. */
static bool detect(struct stream *s, bool last)
{
    const char *data = s->batch->bytes + s->from;
    size_t len = s->batch->len - s->from;
    if (!last && may_be_compressed(data, len))
        return false;
    s->compression = compression_detect(data, len);
    return true;
}

/* ---- the calls -----------------------------------------------------------------------------------------------------
 */

static void begin(struct stream *s, struct partition *p)
{
    partition_ref(p);
    partition_unref(s->partition);
    s->partition = p;
    s->in_batch = false;
    s->over = false;
    s->raw_from = s->raw_len = 0;
    s->at_frame_end = true;
    buffer_clear(&s->carry);
}

void stream_start(struct stream *s, struct partition *p, enum compression compression, uint64_t at)
{
    begin(s, p);
    s->framer = (struct framer){
        .format = s->format,
        .options = &s->common->formats,
        .max_record = s->common->max_record,
        .line = 1,
        .partition = p,
    };
    s->reached = s->skip_to = at;
    s->primed = false;
    s->compression = compression;
    if (compression == COMPRESSION_ZSTD || compression == COMPRESSION_GZIP) {
        decompressor_reset(decompressor(s));
        s->raw = mem_realloc(s->raw, RAW_SIZE);
    }
}

bool stream_seek(struct stream *s, uint64_t at, uint32_t line, const char *head, size_t head_len, bool whole)
{
    struct error err;
    ssize_t n = s->format->prime ? s->format->prime(&s->framer, head, head_len, whole, &err) : 0;
    if (n == PRIME_MORE)
        return false;
    /* A start that cannot be primed was a bad record of its own when it was first read: the stream ended there. */
    s->primed = true;
    s->compression = COMPRESSION_NONE;
    s->framer.position = s->reached = s->skip_to = at;
    s->framer.line = line;
    return true;
}

void stream_continue(struct stream *s, struct partition *p, const struct framer *framer)
{
    begin(s, p);
    s->framer = *framer;
    s->compression = COMPRESSION_NONE;
    s->primed = true;
    s->reached = s->skip_to = framer->position;
}

char *stream_room(struct stream *s, size_t *room)
{
    if (s->compression == COMPRESSION_ZSTD || s->compression == COMPRESSION_GZIP) {
        *room = RAW_SIZE;
        return s->raw;
    }
    if (!ensure_room(s, ROOM_MIN))
        return NULL;
    *room = s->limit - s->batch->len;
    return s->batch->bytes + s->batch->len;
}

static enum stream_status took(struct stream *s, size_t n, bool last)
{
    switch (s->compression) {
    case COMPRESSION_AUTO:
        s->batch->len += n;
        if (!detect(s, last))
            return STREAM_ON;
        if (s->compression == COMPRESSION_NONE)
            return advance(s, false);
        move_to_raw(s);
        return decompress(s);
    case COMPRESSION_NONE:
        s->batch->len += n;
        return advance(s, false);
    case COMPRESSION_ZSTD:
    case COMPRESSION_GZIP:
        s->raw_len = n;
        return decompress(s);
    }
    return STREAM_OVER;
}

enum stream_status stream_took(struct stream *s, size_t n)
{
    return took(s, n, false);
}

/* What is left when no more bytes come. */
static enum stream_status finish(struct stream *s)
{
    enum stream_status status = STREAM_ON;
    if (!ensure_room(s, 1))
        return STREAM_STOPPED;
    if (s->compression == COMPRESSION_AUTO)
        status = took(s, 0, true);
    if (status != STREAM_ON)
        return status;
    if (!s->at_frame_end)
        return fault(s, RECORD_TRUNCATED, "the compressed data ends in the middle");
    return advance(s, true);
}

enum stream_status stream_end(struct stream *s, uint64_t next)
{
    if (!s->over && finish(s) == STREAM_STOPPED)
        return STREAM_STOPPED;
    if (!ensure_room(s, 0))
        return STREAM_STOPPED;
    bool alone = s->batch->fault_text != NULL;
    present_span(s)->next = next == STREAM_OPEN ? s->framer.position : next;
    s->in_batch = false;
    s->over = true;
    partition_unref(s->partition);
    s->partition = NULL;
    s->framer.partition = NULL;
    if (alone)
        stream_flush(s, true);
    return STREAM_OVER;
}

void stream_pause(struct stream *s)
{
    if (s->in_batch)
        s->batch->len = s->from;
    s->in_batch = false;
    buffer_clear(&s->carry);
    partition_unref(s->partition);
    s->partition = NULL;
    s->over = true;
}
