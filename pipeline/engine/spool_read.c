#include "pipeline/engine/spool_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/log.h"

void spool_reader_init(struct spool_reader *r, struct spool_log *log, const char *source)
{
    *r = (struct spool_reader){.log = log, .source = source, .fd = -1};
}

static void forget_origin(struct origin_kept *k)
{
    free(k->bytes);
    partition_unref(k->partition);
    *k = (struct origin_kept){0};
}

void spool_reader_release(struct spool_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    for (uint32_t i = 0; i < SPOOL_ORIGINS_KEPT; i++)
        forget_origin(&r->kept[i]);
}

/* ---- origins ------------------------------------------------------------------------------------------------------------- */

static struct partition *new_origin(struct spool_reader *r, struct str origin)
{
    struct partition *p = r->partition(r->arg);
    if (!spool_origin_read(origin, p) || !p->head.len || !r->format || !r->format->prime)
        return p;
    struct error err;
    struct framer f = {.format = r->format, .options = r->options, .max_record = r->max_record, .partition = p};
    if (r->format->prime(&f, p->head.data, p->head.len, true, &err) == PRIME_ERROR)
        log_warn(r->source, "spool: a stream's head cannot be read again: %s", err.text);
    return p;
}

/* Most frames have the origin of the one before. */
static struct partition *origin_partition(struct spool_reader *r, struct str origin)
{
    for (uint32_t i = 0; i < SPOOL_ORIGINS_KEPT; i++) {
        const struct origin_kept *k = &r->kept[i];
        if (k->partition && str_eq((struct str){k->bytes, k->len}, origin))
            return k->partition;
    }
    struct origin_kept *k = &r->kept[r->next_kept++ % SPOOL_ORIGINS_KEPT];
    forget_origin(k);
    k->partition = new_origin(r, origin);
    k->bytes = mem_alloc(origin.len + 1);
    memcpy(k->bytes, origin.data, origin.len);
    k->len = origin.len;
    return k->partition;
}

/* ---- one call's work ----------------------------------------------------------------------------------------------------- */

struct filling {
    struct spool_reader *r;
    struct spool_place *place;
    struct spool_extent extent;
    uint64_t limit;
    struct batch *b;
    struct spool_got *got;
    struct span *span;
    uint32_t meta_capacity; /* of the batch's meta arrays */
};

static void use_span(struct filling *x, struct partition *p)
{
    if (x->span && x->span->partition == p)
        return;
    uint64_t first = x->span ? x->span->next : x->place->at;
    x->span = batch_add_span(x->b, p, first);
}

/* The meta arrays have room for as many records as there is room for. */
static void grow_meta(struct filling *x)
{
    struct batch *b = x->b;
    for (uint32_t i = 0; i < SPOOL_META_FIELDS && x->meta_capacity < b->record_capacity; i++) {
        struct value **values = spool_meta_field(&b->meta, i);
        if (!*values)
            continue;
        *values = mem_realloc(*values, b->record_capacity * sizeof(struct value));
        memset(*values + x->meta_capacity, 0, (b->record_capacity - x->meta_capacity) * sizeof(struct value));
    }
    if (b->meta.delivery && x->meta_capacity < b->record_capacity) {
        b->meta.delivery = mem_realloc(b->meta.delivery, b->record_capacity);
        memset(b->meta.delivery + x->meta_capacity, 0, b->record_capacity - x->meta_capacity);
    }
    x->meta_capacity = b->record_capacity;
}

static struct record *add_record(struct filling *x, uint64_t number)
{
    struct record *r = batch_add_record(x->b);
    grow_meta(x);
    r->position = number;
    r->span = (uint16_t)(x->b->span_count - 1);
    x->span->count++;
    x->span->next = number + 1;
    return r;
}

static struct value *meta_array(struct filling *x, uint32_t field)
{
    struct value **values = spool_meta_field(&x->b->meta, field);
    if (!*values)
        *values = mem_zalloc(x->meta_capacity * sizeof(struct value));
    return *values;
}

enum { TIMESTAMP = offsetof(struct record_meta, timestamp) / sizeof(struct value *) };

static void set_meta(struct filling *x, const char *at, size_t len, int64_t appended_us)
{
    uint32_t record = x->b->record_count - 1, field;
    struct value v;
    int64_t own = x->span->partition->timestamp;
    meta_array(x, TIMESTAMP)[record] = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = own == INT64_MIN ? appended_us : own};
    for (const char *end = at + len; spool_meta_next(&at, end, &field, &v);)
        if (field < SPOOL_META_FIELDS)
            meta_array(x, field)[record] = v;
}

static void set_delivery(struct filling *x, uint8_t delivery)
{
    struct record_meta *meta = &x->b->meta;
    if (delivery == NOT_DELIVERED)
        return;
    if (!meta->delivery)
        meta->delivery = mem_zalloc(x->meta_capacity);
    meta->delivery[x->b->record_count - 1] = delivery;
}

/* ---- damage -------------------------------------------------------------------------------------------------------------- */

static const char damage_text[] = "its bytes in the spool are damaged";

/* Several sinks may read the same place one after the other: it is told once. */
static bool is_news(struct filling *x, uint64_t upto)
{
    if (upto <= x->r->damaged_before)
        return false;
    x->r->damaged_before = upto;
    return true;
}

/* Records [place.at, upto) cannot be read: one stands for them all. */
static void lose(struct filling *x, uint64_t upto, const char *why)
{
    uint64_t from = x->place->at > x->extent.from ? x->place->at : x->extent.from;
    if (upto > x->limit)
        upto = x->limit;
    if (upto <= from)
        return;
    if (is_news(x, upto))
        log_error(x->r->source, "spool: %" PRIu64 " record%s lost at number %" PRIu64 " in %s/%020" PRIu64 ": %s", upto - from,
                  upto - from == 1 ? "" : "s", from, x->r->log->directory, x->extent.segment, why);
    use_span(x, origin_partition(x->r, (struct str){"", 0}));
    add_record(x, from)->fault = RECORD_CORRUPT;
    x->span->next = upto;
    if (!x->b->fault_text)
        x->b->fault_text = damage_text;
    x->got->lost += upto - from - 1;
    x->place->at = upto;
}

/* ---- frames -------------------------------------------------------------------------------------------------------------- */

static void take_record(struct filling *x, const struct spool_view *v, uint32_t i, size_t meta_at, const struct spool_entry *e, bool good)
{
    use_span(x, origin_partition(x->r, spool_view_origin(v, e->origin)));
    uint64_t number = v->head.first + i;
    struct record *r = add_record(x, number);
    r->offset = (uint32_t)(v->body + e->offset - x->b->bytes);
    r->length = e->length;
    r->line = e->line;
    r->fault = good ? e->fault : RECORD_CORRUPT;
    if (!x->got->appended_us)
        x->got->appended_us = v->head.appended_us;
    set_meta(x, v->meta + meta_at, good ? e->meta : 0, v->head.appended_us);
    set_delivery(x, e->delivery);
    x->place->at = number + 1;
    if (good)
        return;
    if (!x->b->fault_text)
        x->b->fault_text = damage_text;
    if (is_news(x, number + 1)) {
        log_error(x->r->source, "spool: record %" PRIu64 " in %s/%020" PRIu64 " is damaged%s", number, x->r->log->directory, x->extent.segment,
                  x->r->looks ? "" : "; its bytes are kept in quarantine/");
        if (!x->r->looks)
            spool_quarantine(x->r->log->directory, number, v->body + e->offset, e->length);
    }
}

/* false: it has to begin a batch of its own, since a batch has one fault text. */
static bool take_fault_text(struct filling *x, const struct spool_view *v)
{
    struct batch *b = x->b;
    if (!v->fault_text.len || str_eq(str_of(b->fault_text), v->fault_text))
        return true;
    if (b->fault_text)
        return false;
    char *copy = mem_alloc(v->fault_text.len + 1);
    memcpy(copy, v->fault_text.data, v->fault_text.len);
    copy[v->fault_text.len] = '\0';
    b->fault_text = copy;
    b->fault_text_owned = true;
    return true;
}

/* Is there room for the spans it may need? */
static bool has_spans_left(const struct filling *x, const struct spool_view *v)
{
    return x->b->span_count == 0 || (v->head.records < BATCH_MAX_SPANS / 2 && x->b->span_count + v->head.records < BATCH_MAX_SPANS) ||
           v->head.origins == 1;
}

/* false: the batch ends before the frame's end. */
static bool take_frame(struct filling *x, const struct spool_view *v)
{
    if (v->head.first > x->place->at && v->head.first > x->extent.from)
        lose(x, v->head.first, "the file is damaged there");
    if (!take_fault_text(x, v) || !has_spans_left(x, v))
        return false;
    size_t meta_at = 0;
    for (uint32_t i = 0; i < v->head.records; i++) {
        struct spool_entry e;
        bool good = spool_view_record(v, i, meta_at, &e);
        uint64_t number = v->head.first + i;
        if (number >= x->limit || number >= x->extent.end)
            return false;
        if (number >= x->place->at)
            take_record(x, v, i, meta_at, &e, good);
        meta_at += e.meta;
    }
    return true;
}

/* Behind bytes that are no frame: where the next one may begin. */
static size_t next_head(const char *data, size_t from, size_t len)
{
    const uint32_t wanted = SPOOL_FRAME_MAGIC;
    struct spool_head h;
    for (; from + sizeof(h) <= len; from++)
        if (memcmp(data + from, &wanted, sizeof(wanted)) == 0 && spool_head_parse(data + from, &h))
            break;
    return from;
}

static void keep_aside(struct filling *x, const char *data, size_t len)
{
    if (x->place->at >= x->r->damaged_before && !x->r->looks)
        spool_quarantine(x->r->log->directory, x->place->at, data, len);
}

/* Cuts what was read. Returns how many bytes are done with; *needed: how many one frame takes that did not fit. */
static size_t take_frames(struct filling *x, const char *data, size_t len, size_t *needed)
{
    size_t at = 0;
    while (at < len && x->place->at < x->limit && x->place->at < x->extent.end) {
        struct spool_view v;
        switch (spool_frame_parse(data + at, len - at, &v)) {
        case SPOOL_CUT:
            *needed = v.bytes ? v.bytes : sizeof(v.head);
            return at;
        case SPOOL_BAD_HEAD: {
            size_t next = next_head(data, at + 1, len);
            keep_aside(x, data + at, next - at);
            at = next;
            break;
        }
        case SPOOL_BAD_INDEX:
            keep_aside(x, data + at, v.bytes);
            at += v.bytes;
            break;
        case SPOOL_WHOLE:
            if (v.head.first + v.head.records > x->place->at && !take_frame(x, &v))
                return at;
            at += v.bytes;
            break;
        }
    }
    return at;
}

/* ---- files --------------------------------------------------------------------------------------------------------------- */

static bool open_segment(struct spool_reader *r, uint64_t segment)
{
    if (r->fd >= 0 && r->fd_segment == segment)
        return true;
    if (r->fd >= 0)
        close(r->fd);
    char *path = spool_segment_path(r->log->directory, segment);
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    r->fd_segment = segment;
    free(path);
    return r->fd >= 0;
}

static ssize_t read_chunk(struct filling *x, size_t len)
{
    for (;;) {
        ssize_t n = pread(x->r->fd, x->b->bytes, len, (off_t)x->place->offset);
        if (n >= 0 || errno != EINTR)
            return n;
    }
}

/* The frames of a segment begin behind its head, and end with what is durable. */
static void enter(struct spool_place *place, const struct spool_extent *extent)
{
    if (place->segment != extent->segment || place->offset < sizeof(struct spool_segment_head))
        *place = (struct spool_place){place->at, extent->segment, sizeof(struct spool_segment_head)};
}

size_t spool_read_room(struct spool_reader *r, const struct spool_place *place, size_t most)
{
    struct spool_extent extent;
    if (!spool_log_locate(r->log, place->at, &extent))
        return 0;
    struct spool_place here = *place;
    enter(&here, &extent);
    uint64_t left = extent.bytes > here.offset ? extent.bytes - here.offset : 1;
    return left < most ? (size_t)left : most;
}

/* The segment cannot be read from here on: whatever of it is left is lost. */
static void give_up_segment(struct filling *x, int why)
{
    if (x->extent.end > x->r->damaged_before && !x->r->looks)
        spool_set_aside(x->r->log->directory, x->extent.segment);
    lose(x, x->extent.end, why ? strerror(why) : "the file ends there");
}

void spool_read(struct spool_reader *r, struct spool_place *place, uint64_t limit, struct batch *b, struct spool_got *got)
{
    struct filling x = {.r = r, .place = place, .limit = limit, .b = b, .got = got};
    *got = (struct spool_got){0};
    if (!spool_log_locate(r->log, place->at, &x.extent) || x.extent.from >= limit)
        return;
    enter(place, &x.extent);
    if (!open_segment(r, x.extent.segment)) {
        give_up_segment(&x, errno);
        return;
    }
    uint64_t left = x.extent.bytes > place->offset ? x.extent.bytes - place->offset : 0;
    size_t needed = 0, want = left < b->capacity ? (size_t)left : b->capacity;
    ssize_t n = read_chunk(&x, want);
    if (n < 0) {
        give_up_segment(&x, errno);
        return;
    }
    size_t done = take_frames(&x, b->bytes, (size_t)n, &needed);
    if (done == 0 && needed > (size_t)n && needed <= left && (size_t)n == want) {
        want = needed;
        needed = 0;
        batch_reserve(b, want);
        n = read_chunk(&x, want);
        done = n < 0 ? 0 : take_frames(&x, b->bytes, (size_t)n, &needed);
    }
    b->len = b->record_count ? done : 0;
    place->offset += done;
    bool at_end = place->offset >= x.extent.bytes || needed > x.extent.bytes - place->offset || (size_t)(n < 0 ? 0 : n) < want;
    if (at_end && place->at < x.extent.end)
        lose(&x, x.extent.end, "the file ends there");
}
