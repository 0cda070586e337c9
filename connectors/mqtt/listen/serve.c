/*
 * What a server of publishers does with each packet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "connectors/mqtt/listen/hub.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/hash.h"

enum { CLIENT_ID_MAX = 1024, ALIAS_BYTES_MAX = 64 << 10 };

/* ---- CONNECT
 * --------------------------------------------------------------------------------------------------------------- */

/* In a time that depends on neither's content. */
static bool is_same(struct str a, const char *b)
{
    size_t len = strlen(b);
    unsigned char differs = a.len != len;
    for (size_t i = 0; i < a.len; i++)
        differs |= (unsigned char)a.data[i] ^ (unsigned char)b[len ? i % len : 0];
    return differs == 0;
}

static bool is_user(const struct mqtt_connect *c, const char *name, const char *password)
{
    bool right =
        is_same(c->password, password ? password : ""); /* in any case: who there is takes no less time to find out */
    return right && str_eq(c->username, str_of(name));
}

static bool may_enter(const struct mqtt_listener *l, const struct mqtt_connect *c)
{
    const struct mqtt_source_options *o = l->options;
    const struct text_table *users = &o->listening.users;
    if (!o->broker.username && users->count == 0 && !l->password_ops)
        return true;
    bool known = o->broker.username && is_user(c, o->broker.username, o->broker.password);
    for (uint32_t i = 0; i < users->count; i++)
        known |= is_user(c, users->items[i].key, users->items[i].value);
    if (l->password_ops && !known)
        known = mqtt_passwords_allow(&l->passwords, l->password_ops, c->username, c->password);
    return known && c->has_username;
}

/* why == NULL: it may. */
static struct mqtt_fault refusal(const struct mqtt_guest *g, const struct mqtt_connect *c)
{
    if (c->properties.has_auth_method)
        return (struct mqtt_fault){MQTT_BAD_AUTH_METHOD,
                                   "it asks for an authentication method: there is only user and password"};
    if (!may_enter(g->hub->listener, c))
        return (struct mqtt_fault){MQTT_BAD_PASSWORD, "wrong user or password"};
    if (c->client_id.len > CLIENT_ID_MAX)
        return (struct mqtt_fault){MQTT_BAD_CLIENT_ID, "the client id is longer than 1,024 bytes"};
    if (c->client_id.len == 0 && !c->v5 && !c->clean_start)
        return (struct mqtt_fault){MQTT_BAD_CLIENT_ID, "a session that is to be kept needs a client id"};
    return (struct mqtt_fault){0};
}

uint32_t mqtt_hub_of(const struct mqtt_listener *l, struct str client_id)
{
    return (uint32_t)(hash64(client_id.data, client_id.len, 0) >> 32) % l->lanes;
}

uint32_t mqtt_serve_destination(const struct mqtt_guest *g, const struct mqtt_frame *f)
{
    struct mqtt_connect c;
    if (mqtt_read_connect(f, &c).why || c.client_id.len == 0)
        return g->hub->number;
    return mqtt_hub_of(g->hub->listener, c.client_id);
}

/* One that belongs to this hub. */
static struct str make_client_id(const struct mqtt_guest *g, char *out, size_t size)
{
    struct str id;
    do {
        uint64_t random[2] = {0};
        if (getrandom(random, sizeof(random), 0) != sizeof(random))
            random[0] = (uint64_t)g->hub->now_us;
        id = (struct str){
            out, (size_t)snprintf(out, size, "auto-%016llx%08x", (unsigned long long)random[0], (unsigned)random[1])};
    } while (mqtt_hub_of(g->hub->listener, id) != g->hub->number);
    return id;
}

static void keep_will(struct mqtt_guest *g, const struct mqtt_connect *c)
{
    struct mqtt_will *w = &g->will;
    w->is_there = c->has_will;
    if (!c->has_will)
        return;
    w->topic_len = c->will_topic.len;
    w->payload_len = c->will_payload.len;
    w->qos = c->will_qos;
    w->retain = c->will_retain;
    buffer_add_str(&w->bytes, c->will_topic);
    buffer_add_str(&w->bytes, c->will_payload);
    if (c->will_properties.has_shown)
        buffer_add_str(&w->bytes, c->will_properties.raw);
}

/* How long the session outlives the connection. `cut`: not as long as the client asked for. */
static int64_t expiry_of(const struct mqtt_source_options *o, const struct mqtt_connect *c, bool *cut)
{
    *cut = false;
    if (!c->v5)
        return c->clean_start ? 0 : o->session_expiry;
    int64_t wanted = (int64_t)c->properties.session_expiry * 1000000;
    *cut = wanted > o->session_expiry;
    return *cut ? o->session_expiry : wanted;
}

static void take_over(struct mqtt_session *s)
{
    struct mqtt_guest *old = s->guest;
    if (!old)
        return;
    if (old->v5)
        mqtt_write_disconnect(&old->out, MQTT_TAKEN_OVER);
    s->expiry_us =
        s->expiry_us ? s->expiry_us : 1; /* the session is not to end with this connection: the new one decides */
    mqtt_guest_flush(old);
    mqtt_guest_end(old, false);
}

static struct mqtt_journal *journal_of(const struct mqtt_guest *g)
{
    return lane_is_trial(g->hub->lane) ? NULL : &g->hub->journal;
}

/* The client's session, old or new. */
static struct mqtt_session *enter_session(struct mqtt_guest *g, struct str id, bool clean, bool *present)
{
    struct mqtt_sessions *all = &g->hub->sessions;
    struct mqtt_session *s = mqtt_session_find(all, id);
    bool was_kept = s && (s->expiry_us || !s->guest);
    if (s)
        take_over(s);
    if (s && (clean || !was_kept)) {
        mqtt_session_end(all, s);
        s = NULL;
    }
    *present = s != NULL;
    if (s)
        mqtt_session_resume(s);
    else if (all->count < (uint32_t)g->hub->options->listening.max_connections)
        s = mqtt_session_add(all, id);
    return s;
}

static void connect(struct mqtt_guest *g, const struct mqtt_frame *f)
{
    struct mqtt_connect c;
    struct mqtt_fault fault = mqtt_read_connect(f, &c);
    g->v5 = c.v5;
    if (!fault.why)
        fault = refusal(g, &c);
    char made[64];
    struct str id = c.client_id;
    struct mqtt_limits limits = {.receive_maximum = (uint16_t)g->hub->options->window,
                                 .topic_alias_maximum = MQTT_ALIASES,
                                 .maximum_packet_size = g->hub->listener->packet_max};
    struct mqtt_session *s = NULL;
    bool present = false;
    if (!fault.why) {
        if (id.len == 0)
            id = limits.assigned_client_id = make_client_id(g, made, sizeof(made));
        s = enter_session(g, id, c.clean_start, &present);
        if (!s)
            fault = (struct mqtt_fault){MQTT_QUOTA_EXCEEDED, "there are as many sessions as max_connections allows"};
    }
    if (fault.why) {
        mqtt_write_connack(&g->out, c.v5 || c.level > 5, false, fault.reason, &limits);
        mqtt_guest_refuse(g, fault);
        return;
    }
    s->guest = g;
    mqtt_session_keep(s, journal_of(g), expiry_of(g->hub->options, &c, &limits.cut_session_expiry));
    limits.session_expiry = (uint32_t)(s->expiry_us / 1000000);
    g->session = s;
    s->refs++;
    g->keepalive_us = (int64_t)c.keepalive * 1500000;
    if (mqtt_guest_deadline(g) < g->hub->check_at_us)
        g->hub->check_at_us = mqtt_guest_deadline(g);
    keep_will(g, &c);
    mqtt_write_connack(&g->out, c.v5, present, MQTT_SUCCESS, &limits);
}

/* ---- PUBLISH
 * --------------------------------------------------------------------------------------------------------------- */

/* The topic as text that lives as long as the batch. */
static struct mqtt_fault resolve(struct mqtt_guest *g, const struct mqtt_publish *p, struct str *topic)
{
    *topic = p->topic;
    if (!p->properties.has_topic_alias)
        return (struct mqtt_fault){0};
    if (p->properties.topic_alias > MQTT_ALIASES)
        return (struct mqtt_fault){MQTT_BAD_TOPIC_ALIAS, "a topic alias is larger than the maximum"};
    if (!g->aliases)
        g->aliases = mem_zalloc(MQTT_ALIASES * sizeof(*g->aliases));
    struct mqtt_alias *a = &g->aliases[p->properties.topic_alias - 1];
    if (p->topic.len) {
        g->alias_bytes += (uint32_t)p->topic.len - a->len;
        if (g->alias_bytes > ALIAS_BYTES_MAX)
            return (struct mqtt_fault){MQTT_QUOTA_EXCEEDED, "topic aliases stand for more than 64 KiB"};
        a->text = mem_realloc(a->text, p->topic.len);
        a->len = (uint32_t)p->topic.len;
        a->serial = 0;
        memcpy(a->text, p->topic.data, p->topic.len);
        return (struct mqtt_fault){0};
    }
    if (!a->text)
        return (struct mqtt_fault){MQTT_PROTOCOL_ERROR, "a topic alias stands for nothing yet"};
    struct mqtt_intake *in = &g->hub->intake;
    if (a->serial != in->serial) {
        a->in_batch = mqtt_intake_text(in, (struct str){a->text, a->len});
        a->serial = in->serial;
    }
    *topic = a->in_batch;
    return (struct mqtt_fault){0};
}

static struct str client_of(struct mqtt_guest *g)
{
    struct mqtt_intake *in = &g->hub->intake;
    if (g->key_serial != in->serial) {
        g->key = mqtt_intake_text(in, str_of(g->session->client_id));
        g->key_serial = in->serial;
    }
    return g->key;
}

bool mqtt_serve_publish(struct mqtt_guest *g, const struct mqtt_frame *f)
{
    struct mqtt_publish p;
    struct str topic;
    struct mqtt_intake *in = &g->hub->intake;
    struct mqtt_fault fault = mqtt_read_publish(f, g->v5, &p);
    if (!fault.why && p.payload.len > in->common->max_record)
        fault = (struct mqtt_fault){MQTT_TOO_LARGE, "a message is larger than max_record"};
    if (!fault.why)
        fault = resolve(g, &p, &topic);
    if (!fault.why && p.qos && g->v5 && mqtt_session_in_flight(g->session) >= (uint32_t)g->hub->options->window &&
        !g->session->resending)
        fault = (struct mqtt_fault){MQTT_RECEIVE_MAXIMUM_EXCEEDED,
                                    "more messages are under way than the receive maximum allows"};
    if (fault.why) {
        mqtt_guest_refuse(g, fault);
        return false;
    }
    if (p.qos && mqtt_session_knows(g->session, &p))
        return false;
    mqtt_intake_add(in, &p, topic, client_of(g));
    if (p.qos)
        mqtt_session_push(g->session, p.id, p.qos, in->next);
    g->hub->unconfirmed |= p.qos == 2;
    return p.qos != 0;
}

void mqtt_serve_will(struct mqtt_guest *g)
{
    struct mqtt_will *w = &g->will;
    if (!w->is_there)
        return;
    w->is_there = false;
    size_t room;
    struct mqtt_intake *in = &g->hub->intake;
    char *to = mqtt_intake_room(in, w->bytes.len, &room);
    if (!to)
        return;
    memcpy(to, w->bytes.data, w->bytes.len);
    size_t head = w->topic_len + w->payload_len;
    struct mqtt_publish p = {.qos = w->qos,
                             .retain = w->retain,
                             .topic = {to, w->topic_len},
                             .payload = {to + w->topic_len, w->payload_len},
                             .properties = {.raw = {to + head, w->bytes.len - head}, .has_shown = w->bytes.len > head}};
    in->batch->len += w->bytes.len;
    mqtt_intake_add(in, &p, p.topic, mqtt_intake_text(in, str_of(g->session->client_id)));
}

/* ---- all others
 * ------------------------------------------------------------------------------------------------------------ */

static void release(struct mqtt_guest *g, uint16_t id)
{
    enum mqtt_reason reason = mqtt_session_release(g->session, id);
    if (reason == MQTT_PROTOCOL_ERROR)
        mqtt_guest_refuse(g, (struct mqtt_fault){reason, "PUBREL for a message that has no PUBREC yet"});
    else
        mqtt_write_ack_reason(&g->out, g->v5, MQTT_PUBCOMP, id, reason);
}

static void disconnect(struct mqtt_guest *g, const struct mqtt_short *s)
{
    if (s->has_session_expiry && s->session_expiry && g->session->expiry_us == 0) {
        mqtt_guest_refuse(
            g, (struct mqtt_fault){MQTT_PROTOCOL_ERROR, "DISCONNECT wants to keep a session that CONNECT did not"});
        return;
    }
    if (s->has_session_expiry) {
        int64_t wanted = (int64_t)s->session_expiry * 1000000, most = g->hub->options->session_expiry;
        mqtt_session_keep(g->session, journal_of(g), wanted < most ? wanted : most);
    }
    if (g->held)
        mqtt_hub_sync(g->hub);
    mqtt_guest_flush(g);
    mqtt_guest_end(g, s->reason != MQTT_WITH_WILL);
}

void mqtt_serve(struct mqtt_guest *g, const struct mqtt_frame *f)
{
    if (f->type == MQTT_CONNECT) {
        if (g->session)
            mqtt_guest_refuse(g, (struct mqtt_fault){MQTT_PROTOCOL_ERROR, "a second CONNECT"});
        else
            connect(g, f);
        return;
    }
    struct mqtt_short s;
    struct mqtt_fault fault = mqtt_read_short(f, g->v5, &s);
    if (fault.why) {
        mqtt_guest_refuse(g, fault);
        return;
    }
    switch (f->type) {
    case MQTT_PUBREL:
        release(g, s.id);
        return;
    case MQTT_SUBSCRIBE:
        mqtt_write_suback_refused(&g->out, g->v5, s.id, s.filters);
        mqtt_hub_complain(g->hub, g, "it wants to subscribe: there is nothing to be had here");
        return;
    case MQTT_UNSUBSCRIBE:
        mqtt_write_unsuback(&g->out, g->v5, s.id, s.filters);
        return;
    case MQTT_PINGREQ:
        mqtt_write_pingresp(&g->out);
        return;
    case MQTT_DISCONNECT:
        disconnect(g, &s);
        return;
    default: /* acknowledgements of what we never send */
        mqtt_guest_refuse(g, (struct mqtt_fault){MQTT_PROTOCOL_ERROR, "an acknowledgement of what was never sent"});
        return;
    }
}
