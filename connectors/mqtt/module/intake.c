#include "connectors/mqtt/module/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connectors/mqtt/client/client.h"
#include "pipeline/base/clock.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/datetime.h"

enum { FIRST_META = 64, GLANCE_MS = 20 };

void intake_init(struct intake *in, struct lane *lane, struct partition *p)
{
    *in = (struct intake){
        .common = lane_component(lane)->source_common,
        .clock = lane_clock(lane),
        .partition = p,
        .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .closed = true,
    };
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&in->changed, &attr);
    pthread_condattr_destroy(&attr);
}

static void free_meta(struct intake *in)
{
    free(in->topics);
    free(in->properties);
    free(in->delivery);
    in->topics = in->properties = NULL;
    in->delivery = NULL;
    in->meta_capacity = 0;
    in->has_properties = false;
}

void intake_release(struct intake *in, struct lane *lane)
{
    if (in->open)
        lane_discard(lane, in->open);
    free_meta(in);
    pthread_cond_destroy(&in->changed);
    close(in->event_fd);
}

/* ---- the receiver --------------------------------------------------------------------------------------------------
 */

static void ring(struct intake *in)
{
    uint64_t one = 1;
    while (write(in->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void ring_if_asleep(struct intake *in)
{
    if (in->lane != LANE_AWAKE)
        ring(in);
    in->lane = LANE_AWAKE;
}

void intake_wake(struct intake *in)
{
    ring(in);
}

static void grow_meta(struct intake *in)
{
    uint32_t capacity = in->meta_capacity ? in->meta_capacity * 2 : FIRST_META;
    while (capacity < in->open->record_count)
        capacity *= 2;
    in->topics = mem_realloc(in->topics, capacity * sizeof *in->topics);
    in->delivery = mem_realloc(in->delivery, capacity);
    if (in->properties)
        in->properties = mem_realloc(in->properties, capacity * sizeof *in->properties);
    in->meta_capacity = capacity;
}

/* Until the first message with properties there is no array of them. */
static struct value *properties_array(struct intake *in, uint32_t upto)
{
    if (!in->properties)
        in->properties = mem_alloc(in->meta_capacity * sizeof *in->properties);
    for (uint32_t i = 0; !in->has_properties && i < upto; i++)
        in->properties[i] = value_null();
    in->has_properties = true;
    return in->properties;
}

static struct str append(struct batch *b, struct str bytes)
{
    char *at = b->bytes + b->len;
    memcpy(at, bytes.data, bytes.len);
    b->len += bytes.len;
    return (struct str){at, bytes.len};
}

/* JSON that is no single object in one line, and CSV, may be several records. */
static bool may_be_several(const struct format *format, struct str payload)
{
    if (!format->frame || payload.len == 0)
        return false;
    if (format == &format_csv)
        return true;
    return format == &format_json && (payload.data[0] != '{' || memchr(payload.data, '\n', payload.len));
}

/* The framer's records lie in the payload where it is. false: it found none. */
static bool cut(struct intake *in, size_t from)
{
    struct batch *b = in->open;
    const struct format *format = formats[in->common->format];
    struct framer f = {
        .format = format,
        .options = &in->common->formats,
        .max_record = in->common->max_record,
        .partition = in->partition,
    };
    struct error err;
    uint32_t before = b->record_count;
    if (format->prime && format->prime(&f, b->bytes + from, b->len - from, true, &err) < 0)
        return false;
    for (size_t at = from; at < b->len;) {
        size_t done = format->frame(&f, b, at, true, UINT32_MAX);
        if (done == 0)
            break;
        at += done;
    }
    return b->record_count > before;
}

static void add_whole(struct batch *b, size_t from, size_t max_record, size_t length)
{
    struct record *r = batch_add_record(b);
    bool too_long = length > max_record;
    r->offset = (uint32_t)from;
    r->length = (uint32_t)(too_long ? max_record : length);
    r->fault = too_long ? RECORD_TOO_LONG : RECORD_OK;
    b->spans[0].count++;
}

static struct value value_of(enum value_kind kind, struct str s)
{
    return (struct value){.kind = (uint8_t)kind, .len = (uint32_t)s.len, .ptr = s.data};
}

/* What is kept of a payload: no more than its dead letter shows. */
static size_t kept_length(const struct intake *in, const struct message *m)
{
    return m->payload.len > in->common->max_record ? in->common->max_record : m->payload.len;
}

static void add(struct intake *in, const struct message *m)
{
    struct batch *b = in->open;
    if (b->span_count == 0) {
        batch_add_span(b, in->partition, in->next);
        in->opened_us = clock_now_us(in->clock);
        b->read_at = in->clock->wall_us(in->clock) - PG_EPOCH_SECS * USECS_PER_SEC;
    }
    uint32_t first = b->record_count;
    struct value topic = value_of(VALUE_TEXT, append(b, m->topic)), json = value_null();
    if (m->properties.len)
        json = value_of(VALUE_JSON, append(b, m->properties));
    size_t payload = b->len;
    append(b, (struct str){m->payload.data, kept_length(in, m)});
    if (!may_be_several(formats[in->common->format], m->payload) || m->payload.len > in->common->max_record ||
        !cut(in, payload))
        add_whole(b, payload, in->common->max_record, m->payload.len);
    if (b->record_count > in->meta_capacity)
        grow_meta(in);
    struct value *properties = m->properties.len || in->has_properties ? properties_array(in, first) : NULL;
    for (uint32_t i = first; i < b->record_count; i++) {
        b->records[i].position = in->next++;
        b->records[i].line = 0;
        in->topics[i] = topic;
        in->delivery[i] = (uint8_t)(m->qos | (m->retained ? DELIVERY_RETAIN : 0));
        if (properties)
            properties[i] = json;
    }
    b->spans[0].next = in->next;
    if (in->lane == LANE_WAITS_FOR_ANY)
        ring_if_asleep(in);
}

static bool fits(const struct intake *in, size_t need)
{
    return in->open && in->limit - in->open->len >= need;
}

static void wait_a_little(struct intake *in)
{
    struct timespec until = mqtt_from_now(GLANCE_MS);
    pthread_cond_timedwait(&in->changed, &in->lock, &until);
}

void intake_pause(struct intake *in)
{
    pthread_mutex_lock(&in->lock);
    wait_a_little(in);
    pthread_mutex_unlock(&in->lock);
}

/* For room; gives the lock back now and then. */
static void await_room(struct intake *in, size_t need, int64_t patience_us, void (*meanwhile)(void *), void *arg)
{
    int64_t until = clock_now_us(in->clock) + patience_us;
    while (!in->closed && !fits(in, need) && clock_now_us(in->clock) < until) {
        in->wanted = need;
        ring_if_asleep(in);
        wait_a_little(in);
        pthread_mutex_unlock(&in->lock);
        meanwhile(arg);
        pthread_mutex_lock(&in->lock);
    }
    in->wanted = 0;
}

enum intake_answer intake_put(struct intake *in, const struct message *m, int64_t patience_us,
                              void (*meanwhile)(void *arg), void *arg, uint64_t *next)
{
    pthread_mutex_lock(&in->lock);
    size_t need = m->topic.len + m->properties.len + kept_length(in, m);
    if (!fits(in, need))
        await_room(in, need, patience_us, meanwhile, arg);
    enum intake_answer answer = in->closed ? INTAKE_CLOSED : !fits(in, need) ? INTAKE_FULL : INTAKE_TAKEN;
    if (answer == INTAKE_TAKEN) {
        add(in, m);
        *next = in->next;
    }
    pthread_mutex_unlock(&in->lock);
    return answer;
}

/* ---- the lane ------------------------------------------------------------------------------------------------------
 */

void intake_close(struct intake *in, bool closed)
{
    pthread_mutex_lock(&in->lock);
    in->closed = closed;
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

void intake_settled(struct intake *in)
{
    pthread_cond_broadcast(&in->changed);
}

uint64_t intake_next(struct intake *in)
{
    pthread_mutex_lock(&in->lock);
    uint64_t next = in->next;
    pthread_mutex_unlock(&in->lock);
    return next;
}

struct intake_state intake_look(struct intake *in)
{
    pthread_mutex_lock(&in->lock);
    struct intake_state state = {.has_batch = in->open != NULL, .wanted = in->wanted};
    if (in->open && in->open->record_count) {
        state.bytes = in->open->len;
        state.records = in->open->record_count;
        state.waiting_us = clock_now_us(in->clock) - in->opened_us;
    }
    in->lane = state.records ? LANE_WAITS_FOR_MORE : LANE_WAITS_FOR_ANY;
    pthread_mutex_unlock(&in->lock);
    return state;
}

/* The arrays are the batch's from here on. */
static void give_meta(struct intake *in, struct batch *b)
{
    b->meta.topic = in->topics;
    b->meta.delivery = in->delivery;
    if (in->has_properties) {
        b->meta.properties = in->properties;
        in->properties = NULL;
    }
    in->topics = NULL;
    in->delivery = NULL;
    free_meta(in);
}

struct batch *intake_swap(struct intake *in, struct batch *fresh, size_t limit)
{
    pthread_mutex_lock(&in->lock);
    struct batch *full = in->open;
    if (full && full->record_count)
        give_meta(in, full);
    in->open = fresh;
    in->limit = limit;
    in->wanted = 0;
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
    return full;
}

void intake_sleep(struct intake *in, struct lane *lane, int64_t timeout_us)
{
    struct pollfd fd = {.fd = in->event_fd, .events = POLLIN};
    lane_wait(lane, &fd, 1, timeout_us);
    pthread_mutex_lock(&in->lock);
    in->lane = LANE_AWAKE;
    pthread_mutex_unlock(&in->lock);
    uint64_t count;
    if (fd.revents && read(in->event_fd, &count, sizeof count) < 0)
        return;
}
