#include "pipeline/engine/spool_frame.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/hash.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are stored as they lie in memory");
/* What else there is to be known of a record has to be stored as well: add it here. */
static_assert(sizeof(struct record_meta) == (SPOOL_META_FIELDS + 1) * sizeof(struct value *), "values, then delivery");

enum { NO_TEXT = -1 };

/* ---- origins ------------------------------------------------------------------------------------------------------------- */

struct origin {
    uint32_t bytes; /* with this header and padding: a multiple of 8 */
    int32_t number;
    int64_t timestamp;
    int32_t file, topic; /* lengths; NO_TEXT */
    uint32_t head, unused;
};
static_assert(sizeof(struct origin) == 32, "stored");

static void pad(struct buffer *out)
{
    while (out->len % 8)
        buffer_add_byte(out, '\0');
}

static void add_origin(struct buffer *out, const struct partition *p)
{
    size_t start = out->len;
    struct origin o = {
        .number = p->number,
        .timestamp = p->timestamp,
        .file = p->file ? (int32_t)strlen(p->file) : NO_TEXT,
        .topic = p->topic ? (int32_t)strlen(p->topic) : NO_TEXT,
        .head = (uint32_t)p->head.len,
    };
    buffer_add(out, &o, sizeof(o));
    if (p->file)
        buffer_add(out, p->file, strlen(p->file));
    if (p->topic)
        buffer_add(out, p->topic, strlen(p->topic));
    if (p->head.len)
        buffer_add(out, p->head.data, p->head.len);
    pad(out);
    o.bytes = (uint32_t)(out->len - start);
    memcpy(out->data + start, &o, sizeof(o));
}

static bool take_text(struct str *rest, int64_t len, const char **text)
{
    if (len == NO_TEXT)
        return true;
    if (len < 0 || (uint64_t)len > rest->len)
        return false;
    char *copy = mem_alloc((size_t)len + 1);
    memcpy(copy, rest->data, (size_t)len);
    copy[len] = '\0';
    *rest = (struct str){rest->data + len, rest->len - (size_t)len};
    *text = copy;
    return true;
}

bool spool_origin_read(struct str origin, struct partition *p)
{
    struct origin o;
    if (origin.len < sizeof(o))
        return false;
    memcpy(&o, origin.data, sizeof(o));
    struct str rest = {origin.data + sizeof(o), origin.len - sizeof(o)};
    p->number = o.number;
    p->timestamp = o.timestamp;
    const char *head = NULL;
    if (!take_text(&rest, o.file, &p->file) || !take_text(&rest, o.topic, &p->topic) || (o.head && !take_text(&rest, o.head, &head)))
        return false;
    p->head = (struct str){head, o.head};
    return true;
}

struct str spool_view_origin(const struct spool_view *v, uint32_t i)
{
    const char *at = v->index, *end = v->entries;
    struct origin o = {0};
    for (uint32_t k = 0; (size_t)(end - at) >= sizeof(o); k++) {
        memcpy(&o, at, sizeof(o));
        if (o.bytes < sizeof(o) || o.bytes > (size_t)(end - at))
            break;
        if (k == i)
            return (struct str){at, o.bytes};
        at += o.bytes;
    }
    return (struct str){at, 0};
}

/* ---- meta ---------------------------------------------------------------------------------------------------------------- */

struct meta_value {
    uint8_t field, kind, flags, unused;
    uint16_t scale, unused_too;
    uint32_t len;
};
static_assert(sizeof(struct meta_value) == 12, "stored");

/* The bytes a value points to; 0: it is a number. */
static size_t pointed_bytes(uint8_t kind, uint32_t len)
{
    switch ((enum value_kind)kind) {
    case VALUE_NUMBER:
    case VALUE_TEXT:
    case VALUE_BYTES:
    case VALUE_JSON:
        return len;
    case VALUE_INTERVAL:
        return sizeof(struct interval);
    case VALUE_UUID:
        return 16;
    case VALUE_ARRAY: /* no source knows one */
    case VALUE_NULL:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_DOUBLE:
    case VALUE_REAL:
    case VALUE_DECIMAL:
    case VALUE_DATE:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        break;
    }
    return 0;
}

static bool is_pointer(uint8_t kind)
{
    return kind == VALUE_NUMBER || kind == VALUE_TEXT || kind == VALUE_BYTES || kind == VALUE_JSON || kind == VALUE_INTERVAL ||
           kind == VALUE_UUID;
}

static void add_meta(struct buffer *out, uint32_t field, const struct value *v)
{
    struct meta_value m = {.field = (uint8_t)field, .kind = v->kind, .flags = v->flags, .scale = v->scale, .len = v->len};
    buffer_add(out, &m, sizeof(m));
    if (!is_pointer(v->kind))
        buffer_add(out, &v->i, sizeof(v->i));
    else if (pointed_bytes(v->kind, v->len))
        buffer_add(out, v->ptr, pointed_bytes(v->kind, v->len));
}

bool spool_meta_next(const char **at, const char *end, uint32_t *field, struct value *v)
{
    struct meta_value m;
    if ((size_t)(end - *at) < sizeof(m))
        return false;
    memcpy(&m, *at, sizeof(m));
    size_t bytes = is_pointer(m.kind) ? pointed_bytes(m.kind, m.len) : sizeof(v->i);
    if ((size_t)(end - *at) - sizeof(m) < bytes)
        return false;
    *v = (struct value){.kind = m.kind, .flags = m.flags, .scale = m.scale, .len = m.len, .ptr = *at + sizeof(m)};
    if (!is_pointer(m.kind))
        memcpy(&v->i, *at + sizeof(m), sizeof(v->i));
    *field = m.field;
    *at += sizeof(m) + bytes;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static void add_record_meta(struct buffer *out, struct record_meta *meta, uint32_t record)
{
    for (uint32_t i = 0; i < SPOOL_META_FIELDS; i++) {
        const struct value *values = *spool_meta_field(meta, i);
        if (values && values[record].kind != VALUE_NULL)
            add_meta(out, i, &values[record]);
    }
}

/* What of the batch's bytes belongs to records. */
static void find_body(struct spool_frame *f, const struct batch *b)
{
    uint32_t from = UINT32_MAX, to = 0;
    for (uint32_t i = 0; i < b->record_count; i++) {
        const struct record *r = &b->records[i];
        from = r->offset < from ? r->offset : from;
        to = r->offset + r->length > to ? r->offset + r->length : to;
    }
    f->body = b->bytes + from;
    f->head.body_bytes = to - from;
}

static void add_entries(struct spool_frame *f, struct batch *b)
{
    uint32_t from = (uint32_t)(f->body - b->bytes);
    buffer_reserve(&f->index, b->record_count * sizeof(struct spool_entry));
    for (uint32_t i = 0; i < b->record_count; i++) {
        const struct record *r = &b->records[i];
        size_t meta = f->meta.len;
        add_record_meta(&f->meta, &b->meta, i);
        struct spool_entry e = {
            .offset = r->offset - from,
            .length = r->length,
            .crc = crc32c(0, b->bytes + r->offset, r->length),
            .line = r->line,
            .meta = (uint32_t)(f->meta.len - meta),
            .origin = r->span,
            .fault = (uint8_t)r->fault,
            .delivery = b->meta.delivery ? b->meta.delivery[i] : NOT_DELIVERED,
        };
        if (e.meta)
            e.crc = crc32c(e.crc, f->meta.data + meta, e.meta);
        buffer_add(&f->index, &e, sizeof(e));
    }
}

struct spool_frame *spool_frame_new(struct batch *b, int64_t appended_us)
{
    struct spool_frame *f = mem_zalloc(sizeof(*f));
    f->batch = batch_ref(b);
    f->head = (struct spool_head){
        .magic = SPOOL_FRAME_MAGIC,
        .appended_us = appended_us,
        .records = b->record_count,
        .mark = b->mark,
        .origins = b->span_count,
        .fault_bytes = b->fault_text ? (uint32_t)strlen(b->fault_text) : 0,
    };
    if (b->record_count == 0)
        return f;
    find_body(f, b);
    for (uint32_t i = 0; i < b->span_count; i++)
        add_origin(&f->index, b->spans[i].partition);
    if (f->head.fault_bytes)
        buffer_add(&f->index, b->fault_text, f->head.fault_bytes);
    pad(&f->index);
    add_entries(f, b);
    f->head.index_bytes = (uint32_t)f->index.len;
    f->head.index_crc = crc32c(0, f->index.data, f->index.len);
    f->head.meta_bytes = (uint32_t)f->meta.len;
    f->bytes = sizeof(f->head) + f->index.len + f->meta.len + f->head.body_bytes;
    return f;
}

void spool_frame_free(struct spool_frame *f)
{
    if (!f)
        return;
    batch_unref(f->batch);
    buffer_release(&f->index);
    buffer_release(&f->meta);
    free(f);
}

static uint32_t head_crc(const struct spool_head *h)
{
    return crc32c(0, &h->first, sizeof(*h) - offsetof(struct spool_head, first));
}

uint64_t spool_frame_number(struct spool_frame *f, uint64_t first)
{
    f->head.first = first;
    f->head.crc = head_crc(&f->head);
    return first + f->head.records;
}

void spool_frame_parts(struct spool_frame *f, struct iovec parts[SPOOL_FRAME_PARTS])
{
    parts[0] = (struct iovec){&f->head, sizeof(f->head)};
    parts[1] = (struct iovec){f->index.data, f->index.len};
    parts[2] = (struct iovec){f->meta.data, f->meta.len};
    parts[3] = (struct iovec){(char *)f->body, f->head.body_bytes};
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

bool spool_head_parse(const char *data, struct spool_head *head)
{
    memcpy(head, data, sizeof(*head));
    return head->magic == SPOOL_FRAME_MAGIC && head->crc == head_crc(head);
}

enum spool_parse spool_frame_parse(const char *data, size_t len, struct spool_view *v)
{
    *v = (struct spool_view){0};
    if (len < sizeof(v->head))
        return SPOOL_CUT;
    if (!spool_head_parse(data, &v->head))
        return SPOOL_BAD_HEAD;
    const struct spool_head *h = &v->head;
    v->bytes = sizeof(*h) + (size_t)h->index_bytes + h->meta_bytes + h->body_bytes;
    if (len < v->bytes)
        return SPOOL_CUT;
    v->index = data + sizeof(*h);
    v->meta = v->index + h->index_bytes;
    v->body = v->meta + h->meta_bytes;
    size_t entries = (size_t)h->records * sizeof(struct spool_entry), fault = ((size_t)h->fault_bytes + 7) & ~(size_t)7;
    if (crc32c(0, v->index, h->index_bytes) != h->index_crc || entries + fault > h->index_bytes)
        return SPOOL_BAD_INDEX;
    v->entries = v->meta - entries;
    v->fault_text = (struct str){v->entries - fault, h->fault_bytes};
    return SPOOL_WHOLE;
}

bool spool_view_record(const struct spool_view *v, uint32_t i, size_t meta_at, struct spool_entry *e)
{
    memcpy(e, v->entries + (size_t)i * sizeof(*e), sizeof(*e));
    if (e->offset > v->head.body_bytes || e->length > v->head.body_bytes - e->offset || meta_at > v->head.meta_bytes ||
        e->meta > v->head.meta_bytes - meta_at || e->origin >= v->head.origins) {
        *e = (struct spool_entry){.delivery = NOT_DELIVERED};
        return false;
    }
    uint32_t crc = crc32c(0, v->body + e->offset, e->length);
    if (e->meta)
        crc = crc32c(crc, v->meta + meta_at, e->meta);
    return crc == e->crc;
}
