#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connectors/mqtt/listen/hub.h"
#include "pipeline/base/clock.h"

enum {
    CONNECT_MAX = 256 << 10, /* the largest packet of somebody we do not know yet */
    APART_MIN =
        32 << 10, /* a packet at least so large is gathered outside of the batch, so that each byte is copied once */
    OUT_MAX = 256 << 10, /* a guest that does not take what it is answered is not read */
    APART_STEP = 256 << 10,
};

struct mqtt_guest *mqtt_guest_new(int fd, const char *address, int64_t now_us)
{
    struct mqtt_guest *g = mem_zalloc(sizeof(*g));
    g->fd = fd;
    g->since_us = now_us;
    snprintf(g->address, sizeof(g->address), "%s", address);
    return g;
}

void mqtt_guest_free(struct mqtt_guest *g)
{
    if (g->session)
        mqtt_session_unref(g->session);
    for (int i = 0; g->aliases && i < MQTT_ALIASES; i++)
        free(g->aliases[i].text);
    free(g->aliases);
    buffer_release(&g->in);
    buffer_release(&g->out);
    buffer_release(&g->will.bytes);
    free(g);
}

/* ---- the end
 * --------------------------------------------------------------------------------------------------------------- */

void mqtt_guest_end(struct mqtt_guest *g, bool leaves_well)
{
    if (g->fd < 0)
        return;
    struct mqtt_hub *hub = g->hub;
    struct mqtt_session *s = g->session;
    if (leaves_well)
        g->will.is_there = false;
    if (g->tls)
        hub->listener->tls->free(g->tls);
    g->tls = NULL;
    for (struct mqtt_guest **link = &hub->held; g->held && *link; link = &(*link)->next_held)
        if (*link == g) {
            *link = g->next_held;
            g->held = false;
            break;
        }
    close(g->fd);
    g->fd = -1;
    atomic_fetch_sub(&hub->listener->connections, 1);
    *g->link = g->next;
    if (g->next)
        g->next->link = g->link;
    g->next = hub->graves;
    hub->graves = g;
    if (!s || s->guest != g)
        return;
    s->guest = NULL;
    s->expires_at_us = hub->now_us + s->expiry_us;
    if (s->expiry_us == 0)
        mqtt_session_end(&hub->sessions, s);
    else if (s->expires_at_us < hub->check_at_us)
        hub->check_at_us = s->expires_at_us;
}

void mqtt_guest_refuse(struct mqtt_guest *g, struct mqtt_fault fault)
{
    if (g->fd < 0)
        return;
    if (g->held)
        mqtt_hub_sync(g->hub);
    if (g->session && g->v5)
        mqtt_write_disconnect(&g->out, fault.reason);
    mqtt_guest_flush(g);
    mqtt_hub_complain(g->hub, g, fault.why);
    mqtt_guest_end(g, false);
}

/* ---- writing
 * --------------------------------------------------------------------------------------------------------------- */

static ssize_t put(struct mqtt_guest *g, const char *data, size_t len)
{
    return g->tls ? g->hub->listener->tls->write(g->tls, data, len) : send(g->fd, data, len, MSG_NOSIGNAL);
}

/* What TLS has taken from the socket already epoll does not tell of. */
static void read_again(struct mqtt_guest *g)
{
    if (g->again || !g->tls || !g->hub->listener->tls->pending(g->tls))
        return;
    g->again = true;
    g->next_again = g->hub->again;
    g->hub->again = g;
}

void mqtt_guest_balance(struct mqtt_guest *g)
{
    if (g->fd < 0)
        return;
    if (g->session) {
        uint32_t window = (uint32_t)g->hub->options->window, under_way = g->session->last - g->session->settled;
        g->full = g->full ? under_way > window / 2 : under_way >= window;
    }
    size_t waiting = g->out.len - g->out_from;
    uint32_t interest = (g->full || waiting > OUT_MAX ? 0 : EPOLLIN) | (waiting ? EPOLLOUT : 0);
    if (interest == g->interest)
        return;
    struct epoll_event event = {.events = interest, .data.ptr = g};
    epoll_ctl(g->hub->epoll_fd, EPOLL_CTL_MOD, g->fd, &event);
    if (interest & ~g->interest & EPOLLIN)
        read_again(g);
    g->interest = interest;
}

void mqtt_guest_flush(struct mqtt_guest *g)
{
    if (g->held)
        return;
    while (g->fd >= 0 && g->out_from < g->out.len) {
        ssize_t n = put(g, g->out.data + g->out_from, g->out.len - g->out_from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            mqtt_guest_end(g, false);
            return;
        }
        g->out_from += (size_t)n;
    }
    if (g->out_from == g->out.len)
        g->out_from = g->out.len = 0;
    mqtt_guest_balance(g);
}

/* ---- reading
 * --------------------------------------------------------------------------------------------------------------- */

static uint32_t packet_max(const struct mqtt_guest *g)
{
    return g->session ? g->hub->listener->packet_max : CONNECT_MAX;
}

/*
 * Takes the whole packets of [at, end), which lie in the batch; returns the end of what is done with. *receipts: how
 * many are to be acknowledged later.
 */
static char *take_packets(struct mqtt_guest *g, char *at, char *end, uint32_t *receipts)
{
    g->in_wants = 0;
    while (at < end && g->fd >= 0) {
        if (!g->session && (uint8_t)*at >> 4 != MQTT_CONNECT) {
            mqtt_guest_refuse(g, (struct mqtt_fault){MQTT_PROTOCOL_ERROR, "the first packet is no CONNECT"});
            break;
        }
        struct mqtt_frame f;
        enum mqtt_frame_status status = mqtt_frame(at, (size_t)(end - at), &f);
        if (status == MQTT_FRAME_MORE)
            break;
        if (status == MQTT_FRAME_BAD) {
            mqtt_guest_refuse(g, (struct mqtt_fault){MQTT_MALFORMED, "a packet's length is longer than four bytes"});
            break;
        }
        if (f.size > packet_max(g)) {
            mqtt_guest_refuse(g, (struct mqtt_fault){MQTT_TOO_LARGE, "a packet is larger than max_record and 64 KiB"});
            break;
        }
        if (status == MQTT_FRAME_HEAD) {
            g->in_wants = f.size;
            break;
        }
        if (f.type == MQTT_PUBLISH && g->session) {
            *receipts += mqtt_serve_publish(g, &f);
        } else {
            uint32_t destination =
                f.type == MQTT_CONNECT && !g->session ? mqtt_serve_destination(g, &f) : g->hub->number;
            if (destination != g->hub->number) {
                buffer_clear(&g->in);
                buffer_add(&g->in, at, (size_t)(end - at));
                mqtt_hub_pass_on(g->hub, g, destination);
                return NULL;
            }
            mqtt_serve(g, &f);
        }
        at += f.size;
    }
    return at;
}

/* Unless what it is answered depends on something that is not durable yet: then the loop does it, once for all. */
static void answer(struct mqtt_guest *g)
{
    struct mqtt_hub *hub = g->hub;
    if (hub->journal.holds_answers && !g->held && g->out.len) {
        g->held = true;
        g->next_held = hub->held;
        hub->held = g;
    }
    mqtt_guest_flush(g);
}

/* [start, start + len) lies behind the batch's end: packets, then the beginning of one. */
static void take(struct mqtt_guest *g, char *start, size_t len)
{
    struct mqtt_intake *in = &g->hub->intake;
    struct batch *b = in->batch;
    uint32_t receipts = 0, records = b->record_count;
    uint64_t position = in->next;
    char *done = take_packets(g, start, start + len, &receipts);
    if (!done)
        return; /* somebody else's now */
    if (in->next != position || b->record_count != records)
        b->len = (size_t)(done - b->bytes);
    if (receipts && g->session)
        mqtt_receipts_add(&g->hub->receipts, g->session, in->next, receipts);
    size_t left = len - (size_t)(done - start);
    buffer_clear(&g->in);
    if (g->fd < 0)
        return;
    if (left)
        buffer_add(&g->in, done, left);
    else if (g->in.capacity > 4096)
        buffer_release(&g->in);
    answer(g);
}

static ssize_t get(struct mqtt_guest *g, char *to, size_t room)
{
    if (!g->tls)
        return recv(g->fd, to, room, 0);
    const struct mqtt_tls_ops *tls = g->hub->listener->tls;
    size_t got = 0;
    ssize_t n = 0;
    while (got < room && (n = tls->read(g->tls, to + got, room - got)) > 0)
        got += (size_t)n;
    read_again(g);
    return got ? (ssize_t)got : n;
}

/* What came is n of errno's. Returns whether there are bytes. */
static bool heard(struct mqtt_guest *g, ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0 && g->tls && errno == EPROTO)
        mqtt_hub_complain(g->hub, g, g->hub->listener->tls->why(g->tls));
    if (n <= 0) {
        mqtt_guest_end(g, false);
        return false;
    }
    g->active_us = g->hub->now_us;
    lane_count_bytes(g->hub->lane, (uint64_t)n);
    return true;
}

/* A large packet is gathered in g->in, and goes into the batch when it is whole. */
static void read_apart(struct mqtt_guest *g)
{
    size_t missing = g->in_wants - g->in.len, step = missing < APART_STEP ? missing : APART_STEP;
    ssize_t n = get(g, buffer_reserve(&g->in, step), step);
    if (!heard(g, n))
        return;
    g->in.len += (size_t)n;
    if (g->in.len < g->in_wants)
        return;
    size_t room;
    char *to = mqtt_intake_room(&g->hub->intake, g->in.len, &room);
    if (!to || g->fd < 0)
        return;
    memcpy(to, g->in.data, g->in.len);
    take(g, to, g->in.len);
}

void mqtt_guest_read(struct mqtt_guest *g)
{
    if (g->in_wants >= APART_MIN) {
        read_apart(g);
        return;
    }
    size_t carried = g->in.len, room;
    char *to = mqtt_intake_room(&g->hub->intake, carried + 4096, &room);
    if (!to || g->fd < 0)
        return;
    ssize_t n = get(g, to + carried, room - carried);
    if (!heard(g, n))
        return;
    if (carried)
        memcpy(to, g->in.data, carried);
    take(g, to, carried + (size_t)n);
}

void mqtt_guest_enter(struct mqtt_hub *hub, struct mqtt_guest *g)
{
    g->hub = hub;
    g->interest = EPOLLIN;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = g};
    g->next = hub->guests;
    g->link = &hub->guests;
    if (g->next)
        g->next->link = &g->next;
    hub->guests = g;
    g->active_us = hub->now_us;
    if (mqtt_guest_deadline(g) < hub->check_at_us)
        hub->check_at_us = mqtt_guest_deadline(g);
    if (epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, g->fd, &event) != 0) {
        mqtt_guest_end(g, false);
        return;
    }
    if (g->in.len == 0)
        return;
    size_t room, len = g->in.len;
    char *to = mqtt_intake_room(&hub->intake, len, &room);
    if (!to)
        return;
    memcpy(to, g->in.data, len);
    take(g, to, len);
    if (g->fd >= 0)
        read_again(g);
}

int64_t mqtt_guest_deadline(const struct mqtt_guest *g)
{
    int64_t patience = g->hub->options->listening.connect_timeout;
    if (!g->session)
        return g->since_us + patience;
    bool halts = g->in.len > 0;
    if (g->keepalive_us && (!halts || g->keepalive_us < patience))
        return g->active_us + g->keepalive_us;
    return halts ? g->active_us + patience : INT64_MAX;
}
