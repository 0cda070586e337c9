/*
 * The source `mqtt` as a broker's client. Paho's receiving thread puts messages into the intake; the lane makes batches
 * of them, keeps the session, and says what is settled; acknowledgements go out from either thread, whichever has
 * Paho's lock just then.
 */
#include <stdlib.h>

#include "connectors/mqtt/module/properties.h"
#include "connectors/mqtt/module/session.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

enum {
    FIRST_CHUNK = 32 << 10,
    MOST_CHUNK = 1 << 20,
    PATIENCE_US = 500000,      /* how long the receiver, and with it every MQTT source, waits for room */
    ACK_AGAIN_US = 1000,       /* Paho was busy, or its connection full */
    GATHER_PER_BATCH_US = 200, /* the more batches are under way, the larger the next is worth to become … */
    GATHER_MOST_US = 20000,
    MANY_RECORDS = 16, /* in one batch: messages come so fast that the next one may gather for … */
    GATHER_MANY_US = 1000,
};

struct source {
    struct lane *lane;
    const struct mqtt_source_options *options;
    struct partition *partition;
    struct intake intake;
    struct acks acks;
    struct session session;
    struct receiver receiver;
    struct buffer properties; /* of the message at hand, as JSON */
    struct arena scratch;
    size_t chunk;
    uint32_t last_records;
    uint64_t emitted, settled_batches; /* the lane's */
    uint64_t rest_until;               /* position that has to be settled before we come back */
    _Atomic bool overrun;              /* the receiver could not wait any longer */
    _Atomic uint64_t dropped;          /* QoS 0 messages that there was no room for */
};

/* ---- Paho's receiving thread, its lock held ------------------------------------------------------------------------
 */

static void meanwhile(void *arg)
{
    struct source *s = arg;
    acks_send(&s->acks);
}

/* More unacknowledged messages than agreed: some brokers do not keep to the receive maximum. */
static bool await_window(struct source *s)
{
    int64_t until = clock_now_us(s->intake.clock) + PATIENCE_US;
    while (acks_owed(&s->acks) >= (uint64_t)s->options->window) {
        if (clock_now_us(s->intake.clock) > until)
            return false;
        intake_pause(&s->intake);
        acks_send(&s->acks);
    }
    return true;
}

static void refuse(struct source *s, const struct message *m)
{
    if (m->qos == 0)
        atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
    if (s->options->qos == 0)
        return; /* the broker would keep nothing for us while we are away */
    intake_close(&s->intake, true);
    atomic_store(&s->overrun, true);
    intake_wake(&s->intake);
}

static void take(struct source *s, const struct message *m, uint16_t id)
{
    uint64_t next;
    if (m->qos && !await_window(s)) {
        refuse(s, m);
        return;
    }
    enum intake_answer answer = intake_put(&s->intake, m, PATIENCE_US, meanwhile, s, &next);
    if (answer == INTAKE_FULL)
        refuse(s, m);
    if (answer == INTAKE_TAKEN && m->qos)
        acks_owe(&s->acks, id, next);
}

static struct str as_str(const struct buffer *b)
{
    return (struct str){b->data, b->len};
}

/* A message again that we still have is only acknowledged again. */
static void receive(struct source *s, const struct message *m, uint16_t id, bool dup)
{
    if (!(m->qos && dup && acks_reattach(&s->acks, id)))
        take(s, m, id);
}

static bool publish(void *arg, const struct mqtt_frame *frame)
{
    struct source *s = arg;
    struct mqtt_publish p;
    if (mqtt_read_publish(frame, s->options->broker.version == MQTT_5, &p).why || p.qos > 1 || p.topic.len == 0)
        return false;
    buffer_clear(&s->properties);
    if (p.properties.has_shown)
        mqtt_properties_json(p.properties.raw, &s->properties);
    struct message m = {
        .topic = p.topic,
        .payload = p.payload,
        .properties = as_str(&s->properties),
        .qos = p.qos,
        .retained = p.retain,
    };
    receive(s, &m, p.id, p.dup);
    return true;
}

static void paused(void *arg)
{
    struct source *s = arg;
    acks_send(&s->acks);
}

static void closed(void *arg)
{
    struct source *s = arg;
    acks_disconnected(&s->acks);
}

static int arrived(void *context, char *topic, int topic_len, MQTTAsync_message *from)
{
    struct source *s = context;
    buffer_clear(&s->properties);
    if (s->options->broker.version == MQTT_5 && from->properties.count) {
        properties_to_json(&from->properties, &s->properties, &s->scratch);
        arena_reset(&s->scratch);
    }
    struct message m = {
        .topic = {topic, topic_len ? (size_t)topic_len : strlen(topic)},
        .payload = {from->payload, (size_t)from->payloadlen},
        .properties = as_str(&s->properties),
        .qos = (uint8_t)from->qos,
        .retained = from->retained,
    };
    receive(s, &m, (uint16_t)from->msgid, from->dup);
    acks_send(&s->acks);
    MQTTAsync_freeMessage(&from);
    MQTTAsync_free(topic);
    return 1; /* ours now; what was refused is not acknowledged, and comes again */
}

/* ---- the lane ------------------------------------------------------------------------------------------------------
 */

static void settled(struct lane *lane, struct partition *p, uint64_t next)
{
    struct source *s = lane_state(lane);
    (void)p;
    s->settled_batches++;
    acks_settle(&s->acks, next);
    intake_settled(&s->intake);
    if (!acks_try_send(&s->acks) && lane_stopping(lane))
        acks_send_now(&s->acks); /* nobody else would */
}

/* Large batches while there is much, small ones while there is little: an open one keeps its memory. */
static void adapt_chunk(struct source *s, size_t used, size_t limit)
{
    if (used > limit / 2 && s->chunk < MOST_CHUNK)
        s->chunk *= 2;
    else if (used < limit / 16 && s->chunk > FIRST_CHUNK)
        s->chunk /= 2;
}

static void emit(struct source *s, struct batch *b, bool more)
{
    b->more = more;
    s->last_records = b->record_count;
    s->emitted++;
    lane_count_bytes(s->lane, b->len);
    lane_emit(s->lane, b);
}

/* Hands on what the open batch holds, and puts `fresh` in its place. */
static void swap(struct source *s, struct batch *fresh, size_t limit, bool more)
{
    struct batch *full = intake_swap(&s->intake, fresh, limit);
    if (!full)
        return;
    adapt_chunk(s, full->len, s->chunk);
    if (full->record_count)
        emit(s, full, more);
    else
        lane_discard(s->lane, full);
}

/* Hands on what has come, and opens a new batch. false: the pipeline stops. */
static bool next_batch(struct source *s, const struct intake_state *state)
{
    size_t limit = state->wanted > s->chunk ? state->wanted : s->chunk;
    if (limit > MOST_CHUNK || state->bytes > MOST_CHUNK) /* one message may be more than the budget: then it is alone */
        swap(s, NULL, 0, true);
    struct batch *fresh = lane_draw(s->lane, limit);
    if (!fresh)
        return false;
    swap(s, fresh, limit, state->wanted != 0);
    return true;
}

/* How long the open batch should be left to gather more. */
static int64_t gather_us(const struct source *s)
{
    int64_t busy = (int64_t)(s->emitted - s->settled_batches) * GATHER_PER_BATCH_US;
    if (!lane_worker_idle(s->lane) && busy < s->intake.common->linger)
        busy = s->intake.common->linger;
    if (s->last_records >= MANY_RECORDS && busy < GATHER_MANY_US)
        busy = GATHER_MANY_US;
    return busy < GATHER_MOST_US ? busy : GATHER_MOST_US;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

static void leave(struct source *s)
{
    uint64_t settled_upto = atomic_load(&s->acks.settled), next = intake_next(&s->intake);
    s->rest_until = settled_upto + (next - settled_upto) / 2;
    log_warn(lane_component(s->lane)->name, "more messages come than the sinks take: leaving the broker until half of "
                                            "those under way are through");
    session_leave(&s->session);
}

static void tell_dropped(struct source *s)
{
    uint64_t dropped = atomic_exchange_explicit(&s->dropped, 0, memory_order_relaxed);
    if (dropped)
        log_warn(lane_component(s->lane)->name, "%llu QoS 0 messages were dropped: the sinks are too slow for them",
                 (unsigned long long)dropped);
}

/* What the receiver and the broker want. */
static bool look_after(struct source *s, int64_t *wait_us, struct error *err)
{
    if (atomic_load(&s->overrun) && session_is_open(&s->session)) {
        atomic_store(&s->overrun, false);
        leave(s);
    }
    tell_dropped(s);
    if (!session_step(&s->session, wait_us, err))
        return false;
    if (s->session.phase != SESSION_RESTING || atomic_load(&s->acks.settled) < s->rest_until)
        return true;
    session_rested(&s->session); /* perhaps nothing was under way any more when we left: nobody else would wake us */
    return session_step(&s->session, wait_us, err);
}

static bool serve(struct source *s, struct error *err)
{
    while (!lane_stopping(s->lane)) {
        int64_t wait_us;
        if (!look_after(s, &wait_us, err))
            return false;
        if (!acks_try_send(&s->acks))
            wait_us = sooner(wait_us, ACK_AGAIN_US);
        struct intake_state state = intake_look(&s->intake);
        int64_t left = state.records ? gather_us(s) - state.waiting_us : -1;
        if (!state.has_batch || state.wanted || (state.records && left <= 0)) {
            if (!next_batch(s, &state))
                break;
            continue;
        }
        intake_sleep(&s->intake, s->lane, sooner(wait_us, left));
    }
    return true;
}

/* What has come already is delivered still; what comes from now on stays with the broker. */
static void hand_over_rest(struct source *s)
{
    intake_close(&s->intake, true);
    struct batch *rest = intake_swap(&s->intake, NULL, 0);
    if (rest && rest->record_count)
        emit(s, rest, false);
    else if (rest)
        lane_discard(s->lane, rest);
}

static void source_close(struct lane *lane)
{
    struct source *s = lane_state(lane);
    if (!s)
        return;
    acks_send_now(&s->acks);
    session_release(&s->session);
    acks_release(&s->acks);
    intake_release(&s->intake, lane);
    buffer_release(&s->properties);
    arena_release(&s->scratch);
    partition_unref(s->partition);
    free(s);
    lane_set_state(lane, NULL);
}

static struct source *source_open(struct lane *lane, struct error *err)
{
    struct source *s = mem_zalloc(sizeof *s);
    s->lane = lane;
    s->options = lane_component(lane)->options;
    s->chunk = FIRST_CHUNK;
    s->partition = lane_partition_of_this_run(lane, "mqtt");
    s->receiver = (struct receiver){.publish = publish, .paused = paused, .closed = closed, .arg = s};
    intake_init(&s->intake, lane, s->partition);
    if (session_init(&s->session, lane, &s->intake, &s->acks, &s->receiver, arrived, err)) {
        acks_init(&s->acks, s->options->broker.version, s->session.connector.client_id);
        return s;
    }
    intake_release(&s->intake, lane);
    partition_unref(s->partition);
    free(s);
    return NULL;
}

static bool run(struct lane *lane, struct error *err)
{
    struct source *s = source_open(lane, err);
    if (!s)
        return false;
    lane_set_state(lane, s);
    bool ok = serve(s, err);
    hand_over_rest(s);
    return ok;
}

static bool probe(const struct component *c, struct error *err)
{
    const struct mqtt_source_options *o = c->options;
    return mqtt_probe(c, &o->broker, err);
}

extern const struct source_ops mqtt_source_ops;
const struct source_ops mqtt_source_ops = {.run = run, .settled = settled, .close = source_close, .probe = probe};
