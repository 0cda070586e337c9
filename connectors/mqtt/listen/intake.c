#include <stdio.h>
#include <stdlib.h>

#include "connectors/mqtt/listen/hub.h"
#include "pipeline/base/clock.h"

enum {
    CHUNK_MIN = 64 << 10,
    CHUNK_MAX = 1 << 20,
    ROOM_MIN = 16 << 10,  /* less than this is not worth a read */
    ROOM_MAX = 128 << 10, /* per read: guests take turns */
    MOST_RECORDS = 32768,
    SHORTEST_PUBLISH = 5,
    LEAST_META = 64,
};

#define MICROSECONDS_1970_TO_2000 INT64_C(946684800000000)

/*
 * Positions go on behind the highest that any sink has: what was not acknowledged comes again under new ones, and no
 * sink may take them for what it has.
 */
void mqtt_intake_init(struct mqtt_intake *in, struct lane *lane, uint32_t number, struct mqtt_journal *journal)
{
    const struct component *c = lane_component(lane);
    char key[32];
    snprintf(key, sizeof(key), "listen-%u", number);
    *in = (struct mqtt_intake){
        .lane = lane,
        .common = c->source_common,
        .format = formats[c->source_common->format],
        .partition = lane_partition(lane, key),
        .scratch = partition_new(key),
        .chunk = CHUNK_MIN,
        .usual_records = LEAST_META,
        .journal = journal,
    };
    struct error err;
    if (in->format->prime) /* what decoding needs of a stream's start: the same for all messages */
        in->format->prime(
            &(struct framer){
                .format = in->format, .options = &in->common->formats, .line = 1, .partition = in->partition},
            "", 0, true, &err);
    in->next = lane_reached(lane, in->partition);
}

/* The gap that this leaves for a sink that was behind is closed by a span of its own. */
void mqtt_intake_begin(struct mqtt_intake *in)
{
    uint64_t lowest = lane_settled(in->lane, in->partition);
    struct batch *b = lowest < in->next ? lane_draw(in->lane, 1) : NULL;
    if (!b)
        return;
    batch_add_span(b, in->partition, lowest)->next = in->next;
    lane_emit(in->lane, b);
}

void mqtt_intake_release(struct mqtt_intake *in)
{
    if (in->batch)
        lane_discard(in->lane, in->batch);
    partition_unref(in->partition);
    partition_unref(in->scratch);
    in->batch = NULL;
    in->partition = NULL;
}

/* Chunks follow what comes in. */
static void learn_chunk(struct mqtt_intake *in, bool full)
{
    if (full)
        in->chunk *= 2;
    else if (in->batch->len < in->chunk / 8)
        in->chunk /= 2;
    in->chunk = in->chunk < CHUNK_MIN ? CHUNK_MIN : in->chunk > CHUNK_MAX ? CHUNK_MAX : in->chunk;
}

void mqtt_intake_emit(struct mqtt_intake *in, bool more)
{
    struct batch *b = in->batch;
    if (!b)
        return;
    learn_chunk(in, in->limit - b->len < ROOM_MIN);
    in->batch = NULL;
    if (in->failed || !mqtt_journal_sync(in->journal, &in->err)) {
        in->failed = true;
        lane_discard(in->lane, b);
        return;
    }
    b->mark = in->next;
    in->usual_records =
        b->record_count + b->record_count / 8 > LEAST_META ? b->record_count + b->record_count / 8 : LEAST_META;
    b->more = more;
    b->read_at = lane_clock(in->lane)->wall_us(lane_clock(in->lane)) - MICROSECONDS_1970_TO_2000;
    lane_emit(in->lane, b);
}

static bool draw(struct mqtt_intake *in, size_t need)
{
    size_t size = need > in->chunk ? need : in->chunk;
    in->batch = lane_draw(in->lane, size);
    if (!in->batch)
        return false;
    in->limit = size;
    in->meta_capacity = 0;
    in->serial++;
    in->opened_us = clock_now_us(lane_clock(in->lane));
    batch_add_span(in->batch, in->partition, in->next);
    return true;
}

char *mqtt_intake_room(struct mqtt_intake *in, size_t need, size_t *room)
{
    if (need < ROOM_MIN)
        need = ROOM_MIN;
    struct batch *b = in->batch;
    if (b && (in->limit - b->len < need || b->record_count > MOST_RECORDS - ROOM_MIN / SHORTEST_PUBLISH))
        mqtt_intake_emit(in, true);
    if (in->failed || (!in->batch && !draw(in, need)))
        return NULL;
    b = in->batch;
    size_t most = (MOST_RECORDS - b->record_count) * (size_t)SHORTEST_PUBLISH;
    if (most > ROOM_MAX)
        most = ROOM_MAX;
    if (most < need)
        most = need; /* one large packet, behind few others */
    *room = in->limit - b->len < most ? in->limit - b->len : most;
    return b->bytes + b->len;
}

struct str mqtt_intake_text(struct mqtt_intake *in, struct str s)
{
    return arena_str(&in->batch->texts, s);
}

static void grow_meta(struct mqtt_intake *in)
{
    struct record_meta *m = &in->batch->meta;
    uint32_t capacity = in->meta_capacity ? in->meta_capacity * 2 : in->usual_records;
    m->topic = mem_realloc(m->topic, capacity * sizeof(*m->topic));
    m->key = mem_realloc(m->key, capacity * sizeof(*m->key));
    m->delivery = mem_realloc(m->delivery, capacity);
    if (m->properties)
        m->properties = mem_realloc(m->properties, capacity * sizeof(*m->properties));
    in->meta_capacity = capacity;
}

static struct value properties_of(struct mqtt_intake *in, const struct mqtt_publish *p)
{
    struct record_meta *m = &in->batch->meta;
    if (!m->properties) {
        m->properties = mem_alloc(in->meta_capacity * sizeof(*m->properties));
        for (uint32_t i = 0; i < in->batch->record_count; i++)
            m->properties[i] = value_null();
    }
    if (!p->properties.has_shown)
        return value_null();
    struct buffer json = {0};
    mqtt_properties_json(p->properties.raw, &json);
    struct str text = mqtt_intake_text(in, (struct str){json.data, json.len});
    buffer_release(&json);
    return (struct value){.kind = VALUE_JSON, .len = (uint32_t)text.len, .ptr = text.data};
}

/* Meta of the records [from, record_count), which are one message's. */
static void add_meta(struct mqtt_intake *in, uint32_t from, const struct mqtt_publish *p, struct str topic,
                     struct str client)
{
    struct batch *b = in->batch;
    uint32_t count = b->record_count;
    while (count > in->meta_capacity)
        grow_meta(in);
    uint8_t delivery = (uint8_t)(p->qos | (p->retain ? DELIVERY_RETAIN : 0));
    for (uint32_t i = from; i < count; i++) {
        b->meta.topic[i] = value_text(topic);
        b->meta.key[i] = value_text(client);
        b->meta.delivery[i] = delivery;
    }
    if (!p->properties.has_shown && !b->meta.properties)
        return;
    b->record_count = from; /* what has none so far */
    struct value v = properties_of(in, p);
    b->record_count = count;
    for (uint32_t i = from; i < count; i++)
        b->meta.properties[i] = v;
}

/* A payload that may be several records: an array, lines. */
static void cut(struct mqtt_intake *in, struct str payload)
{
    struct batch *b = in->batch;
    struct framer f = {.format = in->format,
                       .options = &in->common->formats,
                       .max_record = in->common->max_record,
                       .line = 1,
                       .partition = in->scratch};
    uint32_t from = b->record_count;
    size_t start = (size_t)(payload.data - b->bytes), end = start + payload.len, len = b->len;
    struct error err;
    ssize_t skipped = in->format->prime ? in->format->prime(&f, payload.data, payload.len, true, &err) : 0;
    if (skipped >= 0) {
        b->len = end;
        f.position = (uint64_t)skipped;
        in->format->frame(&f, b, start + (size_t)skipped, true, UINT32_MAX);
        b->len = len;
    }
    b->spans[0].count = from;
    if (b->record_count > from)
        return;
    struct record *whole =
        batch_add_record(b); /* nothing in it, or nothing that could be cut: the decoder says what is wrong */
    whole->offset = (uint32_t)start;
    whole->length = (uint32_t)payload.len;
}

void mqtt_intake_add(struct mqtt_intake *in, const struct mqtt_publish *p, struct str topic, struct str client)
{
    struct batch *b = in->batch;
    uint32_t from = b->record_count;
    struct str payload = p->payload;
    bool is_one = !in->format->frame || payload.len == 0 ||
                  (!memchr(payload.data, '\n', payload.len) && (in->format != &format_json || payload.data[0] == '{'));
    if (is_one) {
        struct record *r = batch_add_record(b);
        r->offset = (uint32_t)(payload.data - b->bytes);
        r->length = (uint32_t)payload.len;
    } else {
        cut(in, payload);
    }
    for (uint32_t i = from; i < b->record_count; i++) {
        b->records[i].position = in->next++;
        b->records[i].line = 0;
    }
    b->spans[0].count = b->record_count;
    b->spans[0].next = in->next;
    add_meta(in, from, p, topic, client);
}
