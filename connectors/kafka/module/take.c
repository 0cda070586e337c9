#include <inttypes.h>
#include <stdlib.h>

#include "connectors/kafka/module/source.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/datetime.h"

enum {
    CHUNK_MIN = 16 << 10,
    CHUNK_MAX = 1 << 20,
    MOST_RECORDS = 16384,
    LOOK_AROUND_US = 1000000, /* a source that waits for memory polls at least this often */
};

/* ---- partitions -------------------------------------------------------------------------------------------------- */

/* What the format wants to know of a stream's start (CSV: names) is the same for every message. */
static void prime(const struct kafka_source *k, struct partition *p)
{
    const struct source_common *common = k->component->source_common;
    const struct format *format = formats[common->format];
    struct framer f = {.format = format, .options = &common->formats, .max_record = common->max_record, .partition = p};
    struct error ignored; /* kafka_check has seen to it that names are there */
    if (format->prime)
        format->prime(&f, "", 0, true, &ignored);
}

struct kafka_part *kafka_part_new(struct kafka_source *k, const char *topic, int32_t number, const char *key)
{
    struct kafka_part *p = mem_zalloc(sizeof(*p));
    p->partition = lane_partition(k->lane, key);
    p->partition->topic = mem_strdup(topic);
    p->partition->number = number;
    p->partition->source_state = p;
    p->name = p->partition->topic;
    p->number = number;
    p->chunk = CHUNK_MIN;
    prime(k, p->partition);
    return p;
}

void kafka_part_measure(const struct kafka_source *k, const struct kafka_part *p)
{
    int64_t begin, end;
    if (p->lag && !rd_kafka_get_watermark_offsets(k->rk, p->name, p->number, &begin, &end) && end >= 0)
        lag_set(p->lag, (uint64_t)end > p->settled ? (uint64_t)end - p->settled : 0);
}

void kafka_part_free(struct kafka_source *k, struct kafka_part *p)
{
    if (p->lag)
        lane_end_lag(k->lane, p->lag);
    if (p->batch)
        lane_discard(k->lane, p->batch);
    p->partition->source_state = NULL;
    partition_unref(p->partition);
    free(p);
}

/* Messages come in runs of one partition: the one found moves to the front. */
static struct kafka_part *part_of(struct kafka_source *k, const rd_kafka_message_t *m)
{
    for (struct kafka_part **link = &k->parts, *p; (p = *link); link = &p->next) {
        if (p->number != m->partition || (p->topic && p->topic != m->rkt))
            continue;
        if (!p->topic && strcmp(p->name, rd_kafka_topic_name(m->rkt)) != 0)
            continue;
        p->topic = m->rkt;
        *link = p->next;
        p->next = k->parts;
        k->parts = p;
        return p;
    }
    return NULL;
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* While a batch is filled its bytes may still move: texts are kept as offsets until it goes. */
static void settle_texts(const struct batch *b, struct value *values)
{
    for (uint32_t i = 0; values && i < b->record_count; i++)
        if (values[i].kind != VALUE_NULL)
            values[i].ptr = b->bytes + values[i].i;
}

static void emit(struct kafka_source *k, struct kafka_part *p, bool more)
{
    struct batch *b = p->batch;
    p->batch = NULL;
    if (b->len < p->chunk / 4 && b->record_count < MOST_RECORDS && p->chunk > CHUNK_MIN)
        p->chunk /= 2;
    b->more = more;
    b->read_at = lane_clock(k->lane)->wall_us(lane_clock(k->lane)) - PG_EPOCH_SECS * USECS_PER_SEC;
    batch_shrink(b);
    settle_texts(b, b->meta.key);
    settle_texts(b, b->meta.headers);
    p->emitted = p->span_first = b->spans[0].next = p->position;
    lane_emit(k->lane, b);
}

void kafka_emit(struct kafka_source *k, int64_t opened_before_us, bool more)
{
    for (struct kafka_part *p = k->parts; p; p = p->next)
        if (p->batch && p->opened_us <= opened_before_us)
            emit(k, p, more);
}

static bool is_ours(const struct kafka_source *k, const struct kafka_part *wanted, uint64_t fetched)
{
    for (const struct kafka_part *p = k->parts; p; p = p->next)
        if (p == wanted)
            return p->generation <= fetched;
    return false;
}

/* Waits for memory, if need be, and looks after the group meanwhile. false: the partition was taken away, or the run
 * ends. */
static bool draw(struct kafka_source *k, struct kafka_part *p, size_t need, uint64_t fetched)
{
    size_t bytes = need > p->chunk ? need : p->chunk;
    struct pollfd fd = {.fd = k->event_fd, .events = POLLIN};
    struct batch *b;
    while (!(b = lane_draw_or(k->lane, bytes, &fd, 1, LOOK_AROUND_US))) {
        if (lane_stopping(k->lane))
            return false;
        kafka_emit(k, INT64_MAX, false);
        if (!kafka_serve(k) || !is_ours(k, p, fetched))
            return false;
    }
    p->batch = b;
    p->limit = bytes;
    p->meta_capacity = 0;
    p->opened_us = clock_now_us(lane_clock(k->lane));
    batch_add_span(b, p->partition, p->span_first);
    return true;
}

static bool ensure_room(struct kafka_source *k, struct kafka_part *p, size_t need, uint64_t fetched)
{
    if (p->batch && p->limit - p->batch->len >= need && p->batch->record_count < MOST_RECORDS &&
        p->batch->record_count < lane_most_records(k->lane))
        return true;
    if (p->batch) {
        if (p->batch->record_count < MOST_RECORDS && p->chunk < CHUNK_MAX)
            p->chunk *= 2;
        emit(k, p, true);
    }
    return draw(k, p, need, fetched);
}

/* ---- meta -------------------------------------------------------------------------------------------------------- */

static struct value *meta_slot(const struct kafka_source *k, const struct kafka_part *p, struct value **values)
{
    if (!*values) {
        *values = mem_zalloc(p->meta_capacity * sizeof(**values));
        lane_charge(k->lane, p->batch, p->meta_capacity * sizeof(**values));
    }
    return &(*values)[p->batch->record_count];
}

static void grow(const struct kafka_source *k, const struct kafka_part *p, struct value **values, uint32_t from)
{
    if (!*values)
        return;
    *values = mem_realloc(*values, p->meta_capacity * sizeof(**values));
    memset(*values + from, 0, (p->meta_capacity - from) * sizeof(**values));
    lane_charge(k->lane, p->batch, (p->meta_capacity - from) * sizeof(**values));
}

/* Room for the meta of one more record; absent is NULL. */
static void ensure_meta(const struct kafka_source *k, struct kafka_part *p)
{
    struct record_meta *meta = &p->batch->meta;
    uint32_t from = p->meta_capacity;
    if (p->batch->record_count < from)
        return;
    p->meta_capacity = from ? from * 2 : 64;
    grow(k, p, &meta->timestamp, from);
    grow(k, p, &meta->key, from);
    grow(k, p, &meta->headers, from);
}

static struct value text_at(size_t offset, size_t len, enum value_kind kind)
{
    return (struct value){.kind = (uint8_t)kind, .len = (uint32_t)len, .i = (int64_t)offset};
}

static void add_timestamp(const struct kafka_source *k, struct kafka_part *p, const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(m, &type);
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
        *meta_slot(k, p, &p->batch->meta.timestamp) =
            (struct value){.kind = VALUE_TIMESTAMPTZ, .i = (ms - PG_EPOCH_SECS * 1000) * 1000};
}

static size_t hex(char *out, struct str bytes)
{
    static const char digits[] = "0123456789abcdef";
    *out++ = '\\';
    *out++ = 'x';
    for (size_t i = 0; i < bytes.len; i++) {
        *out++ = digits[(unsigned char)bytes.data[i] >> 4];
        *out++ = digits[(unsigned char)bytes.data[i] & 15];
    }
    return 2 + bytes.len * 2;
}

/* Appends text, or what is no text as \x and hexadecimal digits; there is room. */
static size_t add_text(struct batch *b, struct str bytes)
{
    bool is_text = utf8_valid_prefix(bytes) == bytes.len;
    size_t len = bytes.len;
    if (is_text)
        memcpy(b->bytes + b->len, bytes.data ? bytes.data : "", bytes.len);
    else
        len = hex(b->bytes + b->len, bytes);
    b->len += len;
    return len;
}

static void add_key(const struct kafka_source *k, struct kafka_part *p, const rd_kafka_message_t *m)
{
    if (!m->key)
        return;
    size_t at = p->batch->len;
    size_t len = add_text(p->batch, (struct str){m->key, m->key_len});
    *meta_slot(k, p, &p->batch->meta.key) = text_at(at, len, VALUE_TEXT);
}

static void add_string(struct buffer *out, struct str s)
{
    buffer_add_byte(out, '"');
    json_escape(out, s);
    buffer_add_byte(out, '"');
}

/* Headers as a JSON object of texts, in `out`. Of several with one name the last wins. */
static void print_headers(const rd_kafka_headers_t *headers, struct buffer *out)
{
    const char *name;
    const void *data;
    size_t len, printed = 0;
    struct buffer text = {0};
    buffer_add_byte(out, '{');
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &data, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const void *later;
        size_t ignored;
        rd_kafka_header_get_last(headers, name, &later, &ignored);
        if (later != data)
            continue;
        buffer_printf(out, printed++ ? ", " : "");
        add_string(out, str_of(name));
        buffer_add(out, ": ", 2);
        buffer_clear(&text);
        struct str bytes = {data, len};
        if (!data) {
            buffer_add(out, "null", 4);
        } else if (utf8_valid_prefix(bytes) == len) {
            add_string(out, bytes);
        } else {
            text.len = hex(buffer_reserve(&text, 2 + 2 * len), bytes);
            add_string(out, (struct str){text.data, text.len});
        }
    }
    buffer_add_byte(out, '}');
    buffer_release(&text);
}

/* ---- a message --------------------------------------------------------------------------------------------------- */

static void add_record(const struct kafka_source *k, struct kafka_part *p, const rd_kafka_message_t *m,
                       const struct buffer *headers, size_t max_record)
{
    struct batch *b = p->batch;
    size_t len = m->len < max_record ? m->len : max_record;
    ensure_meta(k, p);
    size_t at = b->len;
    memcpy(b->bytes + at, m->payload ? m->payload : "", len);
    b->len += len;
    add_timestamp(k, p, m);
    add_key(k, p, m);
    if (headers->len) {
        *meta_slot(k, p, &b->meta.headers) = text_at(b->len, headers->len, VALUE_JSON);
        memcpy(b->bytes + b->len, headers->data, headers->len);
        b->len += headers->len;
    }
    struct record *r = batch_add_record(b);
    r->position = (uint64_t)m->offset;
    r->offset = (uint32_t)at;
    r->length = (uint32_t)len;
    r->fault = m->len > max_record ? RECORD_TOO_LONG : RECORD_OK;
    b->spans[0].count++;
}

/* The position moves without a record: a tombstone that is passed over, or a control record at the end of the log. It
 * is told with the next batch, or at once where everything before is through already. */
static bool pass(struct kafka_source *k, struct kafka_part *p, uint64_t to, uint64_t fetched)
{
    if (to <= p->position)
        return true;
    if (!p->batch && !draw(k, p, 0, fetched))
        return false;
    p->position = to;
    return true;
}

static bool take_event(struct kafka_source *k, struct kafka_part *p, const rd_kafka_message_t *m, uint64_t fetched)
{
    struct error err;
    switch ((int)m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (!pass(k, p, (uint64_t)m->offset, fetched))
            return false;
        p->at_end = true;
        return true;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return kafka_find_again(k, p, &err) || kafka_source_fails(k, &err);
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED: /* librdkafka would go on behind it */
        error_set(&err, ERROR_STOP, "%s/%d cannot be read: %s", p->name, p->number, rd_kafka_message_errstr(m));
        return kafka_source_fails(k, &err);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        kafka_take_error(k, m);
        return !k->failed;
    default:
        if (p->trouble != m->err)
            log_warn(k->component->name, "%s/%d: %s; trying again", p->name, p->number, rd_kafka_message_errstr(m));
        p->trouble = m->err;
        return true;
    }
}

bool kafka_take(struct kafka_source *k, const rd_kafka_message_t *m, uint64_t fetched)
{
    struct kafka_part *p = part_of(k, m);
    if (!p || p->generation > fetched)
        return !k->failed;
    if (m->err)
        return take_event(k, p, m, fetched);
    p->trouble = RD_KAFKA_RESP_ERR_NO_ERROR;
    uint64_t offset = (uint64_t)m->offset;
    if (offset < p->position)
        return true;
    if (offset >= p->end) {
        p->at_end = true;
        return pass(k, p, p->end, fetched);
    }
    if (!m->payload && k->options->tombstones == KAFKA_TOMBSTONES_SKIP)
        return pass(k, p, offset + 1, fetched);

    struct buffer printed = {0};
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        print_headers(headers, &printed);
    size_t max_record = k->component->source_common->max_record;
    size_t need = (m->len < max_record ? m->len : max_record) + 2 + 2 * m->key_len + printed.len;
    bool room = ensure_room(k, p, need, fetched);
    if (room) {
        add_record(k, p, m, &printed, max_record);
        p->position = offset + 1;
        p->at_end = p->position >= p->end;
        k->read_bytes += m->len;
    }
    buffer_release(&printed);
    return room || (!lane_stopping(k->lane) && !k->failed);
}
