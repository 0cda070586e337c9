#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connectors/mqtt/listen/hub.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/module.h"

enum { EVENTS = 64, LANES_MAX = 16, BACKLOG = 4096, DESCRIPTORS_BESIDE = 512, ACCEPTS_MAX = 64 };

/* What epoll tells beside guests. */
static char socket_is_ready, post_is_ready;

/* ---- the address
 * ----------------------------------------------------------------------------------------------------------- */

/* "HOST:PORT", "[V6]:PORT", ":PORT"; host: at least as large as the text. */
static bool split_address(const char *text, char *host, const char **port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) || atol(colon + 1) > 65535)
        return false;
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    *port = colon + 1;
    return true;
}

void mqtt_listen_check(const struct component *c, const struct mqtt_source_options *o, struct problems *p)
{
    char host[256];
    const char *port;
    if (strlen(o->listen) >= sizeof(host) || !split_address(o->listen, host, &port))
        problem_add(p, config_place(c, "listen"),
                    "\"%s\" is no address to listen on: it is HOST:PORT, as in \"0.0.0.0:1883\" or \"[::]:1883\"",
                    o->listen);
    if (!o->broker.tls_cert != !o->broker.tls_key)
        problem_add(p, config_place(c, o->broker.tls_cert ? "tls.cert" : "tls.key"),
                    "a certificate needs its private key and the other way round: set both tls.cert and tls.key");
    if (o->broker.tls_ca && !o->broker.tls_cert)
        problem_add(p, config_place(c, "tls.ca"),
                    "tls.ca checks the devices' certificates; the listener itself needs tls.cert and tls.key");
    if (o->broker.tls_server_name)
        problem_add(p, config_place(c, "tls.server_name"),
                    "tls.server_name is the name of a broker that is connected to; with `listen` the name is in the "
                    "certificate of tls.cert");
    if (o->topics.count)
        problem_add(p, config_place(c, "topics"),
                    "`topics` are subscribed to at a broker; with `listen` devices publish what they like: filter on "
                    "meta.topic");
}

static bool bind_to(const struct addrinfo *a, int *out)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
               sizeof(on)); /* the last run's connections may still be waiting for their end */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* guests inherit these */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on,
               sizeof(on)); /* nobody else sees that one without a keepalive is gone */
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *out = fd;
        return true;
    }
    int why = errno;
    close(fd);
    errno = why;
    return false;
}

static bool open_socket(struct mqtt_listener *l, struct error *err)
{
    char host[256];
    const char *port;
    if (!split_address(l->options->listen, host, &port))
        return error_set(err, ERROR_STOP, "%s is no address to listen on", l->options->listen);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *all;
    int failed = getaddrinfo(*host ? host : NULL, port, &hints, &all);
    if (failed)
        return error_set(err, ERROR_STOP, "cannot listen on %s: %s", l->options->listen, gai_strerror(failed));
    bool bound = false;
    for (const struct addrinfo *a = all; a && !bound; a = a->ai_next)
        bound = bind_to(a, &l->fd);
    int why = errno;
    freeaddrinfo(all);
    if (!bound && why == EADDRINUSE)
        return error_set(err, ERROR_STOP, "cannot listen on %s: another program does (a broker, or another pipe?)",
                         l->options->listen);
    return bound || error_errno(err, why, "cannot listen on %s", l->options->listen);
}

/* As many descriptors as there may be devices, as far as the system lets us. */
static void raise_limit(const struct component *c, const struct mqtt_source_options *o)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)o->listening.max_connections + DESCRIPTORS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warn(
            c->name,
            "max_connections is %lld, but the system allows %llu open files: raise the limit (LimitNOFILE=, ulimit -n)",
            (long long)o->listening.max_connections, (unsigned long long)limit.rlim_cur);
}

/* ---- what the lanes share
 * -------------------------------------------------------------------------------------------------- */

uint32_t mqtt_listen_lanes(const struct component *c)
{
    (void)c;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > LANES_MAX ? LANES_MAX : (uint32_t)cores;
}

static bool open_tls(struct mqtt_listener *l, struct error *err)
{
    const struct mqtt_broker_options *o = &l->options->broker;
    if (!o->tls_cert)
        return true;
    l->tls = module_load("mqtt_tls", "mqtt_tls", err);
    if (l->tls)
        l->tls_server = l->tls->server_new(o->tls_cert, o->tls_key, o->tls_ca, err);
    return l->tls_server != NULL;
}

static bool open_passwords(struct mqtt_listener *l, struct error *err)
{
    const char *path = l->options->listening.users_file;
    if (!path)
        return true;
    l->password_ops = module_load("mqtt_tls", "mqtt_password", err);
    return l->password_ops && mqtt_passwords_read(&l->passwords, path, err);
}

/* What devices meet: the address, our certificate, their passwords. */
static bool open_endpoint(struct mqtt_listener *l, struct error *err)
{
    return open_tls(l, err) && open_passwords(l, err) && open_socket(l, err);
}

/* Also one that was opened in part. */
static void close_endpoint(struct mqtt_listener *l)
{
    if (l->tls_server)
        l->tls->server_free(l->tls_server);
    mqtt_passwords_release(&l->passwords);
    if (l->fd >= 0)
        close(l->fd);
}

static void listener_release(void *shared)
{
    struct mqtt_listener *l = shared;
    for (uint32_t i = 0; i < l->lanes; i++) {
        for (struct mqtt_guest *g = l->posts[i].first, *next; g; g = next) {
            next = g->next;
            if (g->tls)
                l->tls->free(g->tls);
            close(g->fd);
            mqtt_guest_free(g);
        }
        close(l->posts[i].event_fd);
        pthread_mutex_destroy(&l->posts[i].lock);
    }
    close_endpoint(l);
    for (uint32_t i = 0; i < l->old_count; i++)
        buffer_release(&l->old[i].bytes);
    free(l->old);
    free(l->posts);
    free(l);
}

static bool listener_open(struct lane *first, void **shared, struct error *err)
{
    const struct component *c = lane_component(first);
    uint32_t lanes = lane_count(first);
    struct mqtt_listener *l = mem_zalloc(sizeof(*l));
    *l = (struct mqtt_listener){
        .component = c, .options = c->options, .state_dir = lane_state_dir(first), .fd = -1, .lanes = lanes};
    uint64_t most = c->source_common->max_record + MQTT_OVERHEAD;
    l->packet_max = most < MQTT_PACKET_MAX ? (uint32_t)most : MQTT_PACKET_MAX;
    l->posts = mem_zalloc(lanes * sizeof(*l->posts));
    for (uint32_t i = 0; i < lanes; i++) {
        pthread_mutex_init(&l->posts[i].lock, NULL);
        l->posts[i].event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    raise_limit(c, l->options);
    if (!mqtt_listener_read_journals(l, err) || !open_endpoint(l, err)) {
        listener_release(l);
        return false;
    }
    *shared = l;
    log_info(c->name, "listening on %s", l->options->listen);
    return true;
}

/* ---- the hub's loop
 * -------------------------------------------------------------------------------------------------------- */

void mqtt_hub_complain(struct mqtt_hub *hub, const struct mqtt_guest *g, const char *why)
{
    struct mqtt_listener *l = hub->listener;
    lane_count_refused(hub->lane);
    int64_t next = atomic_load_explicit(&l->next_log_us, memory_order_relaxed);
    if (hub->now_us < next || !atomic_compare_exchange_strong(&l->next_log_us, &next, hub->now_us + 1000000)) {
        atomic_fetch_add(&l->unlogged, 1);
        return;
    }
    unsigned others = atomic_exchange(&l->unlogged, 0);
    const char *id = g && g->session ? g->session->client_id : NULL;
    char more[64] = "";
    if (others)
        snprintf(more, sizeof(more), " (%u more since the last message)", others);
    log_warn(l->component->name, "client %s%s%s: %s%s", id ? id : "", id ? " at " : "", g ? g->address : "", why, more);
}

/* Its hub shall not sleep on. */
static void ring(struct mqtt_post *post)
{
    uint64_t one = 1;
    ssize_t written = write(post->event_fd, &one, sizeof(one));
    (void)written; /* full: it is readable anyway */
}

void mqtt_hub_pass_on(struct mqtt_hub *hub, struct mqtt_guest *g, uint32_t destination)
{
    epoll_ctl(hub->epoll_fd, EPOLL_CTL_DEL, g->fd, NULL);
    *g->link = g->next;
    if (g->next)
        g->next->link = g->link;
    for (struct mqtt_guest **link = &hub->again; *link; link = &(*link)->next_again)
        if (*link == g) {
            *link = g->next_again;
            break;
        }
    g->again = false;
    struct mqtt_post *post = &hub->listener->posts[destination];
    pthread_mutex_lock(&post->lock);
    g->next = post->first;
    post->first = g;
    pthread_mutex_unlock(&post->lock);
    ring(post);
}

static void take_post(struct mqtt_hub *hub)
{
    struct mqtt_post *post = &hub->listener->posts[hub->number];
    uint64_t count;
    ssize_t got = read(post->event_fd, &count, sizeof(count));
    (void)got;
    pthread_mutex_lock(&post->lock);
    struct mqtt_guest *g = post->first;
    post->first = NULL;
    pthread_mutex_unlock(&post->lock);
    for (struct mqtt_guest *next; g; g = next) {
        next = g->next;
        mqtt_guest_enter(hub, g);
    }
}

static void watch_socket(struct mqtt_hub *hub, bool on)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &socket_is_ready};
    epoll_ctl(hub->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, hub->listener->fd, &event);
}

/* An accept that failed: is it worth going on? */
static bool accept_failed(struct mqtt_hub *hub)
{
    if (errno == ECONNABORTED || errno == EINTR)
        return true;
    if (errno == EAGAIN)
        return false;
    char why[128];
    snprintf(why, sizeof(why), "no connection can be accepted for a second: %s", strerror(errno));
    mqtt_hub_complain(hub, NULL, why);
    watch_socket(hub, false);
    hub->accept_at_us = hub->now_us + 1000000;
    if (hub->accept_at_us < hub->check_at_us)
        hub->check_at_us = hub->accept_at_us;
    return false;
}

static void accept_guests(struct mqtt_hub *hub)
{
    struct mqtt_listener *l = hub->listener;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof(from);
        int fd = accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && !accept_failed(hub))
            return;
        if (fd < 0)
            continue;
        char host[48] = "?", port[8] = "", address[64];
        getnameinfo((struct sockaddr *)&from, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV);
        snprintf(address, sizeof(address), "%s:%s", host, port);
        struct mqtt_guest *g = mqtt_guest_new(fd, address, hub->now_us);
        if (atomic_fetch_add(&l->connections, 1) >= (unsigned)hub->options->listening.max_connections) {
            atomic_fetch_sub(&l->connections, 1);
            mqtt_hub_complain(hub, g, "turned away: max_connections are there");
            close(fd);
            mqtt_guest_free(g);
            continue;
        }
        if (l->tls && !(g->tls = l->tls->new (l->tls_server, fd))) {
            close(fd);
            mqtt_guest_free(g);
            atomic_fetch_sub(&l->connections, 1);
            continue;
        }
        mqtt_guest_enter(hub, g);
    }
}

/* Those whose connections have ended; wills are published by the way. */
static void bury(struct mqtt_hub *hub)
{
    while (hub->graves) {
        struct mqtt_guest *g = hub->graves;
        hub->graves = g->next;
        if (g->session)
            mqtt_serve_will(g);
        for (struct mqtt_guest **link = &hub->again; g->again && *link; link = &(*link)->next_again)
            if (*link == g) {
                *link = g->next_again;
                break;
            }
        mqtt_guest_free(g);
    }
}

/* Somebody who has sent something is there, even if we have not read it. */
static bool has_unread(const struct mqtt_guest *g)
{
    char byte;
    return (g->tls && g->hub->listener->tls->pending(g->tls)) || recv(g->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void check_deadlines(struct mqtt_hub *hub)
{
    if (hub->now_us < hub->check_at_us)
        return;
    int64_t soonest = mqtt_sessions_expire(&hub->sessions, hub->now_us);
    for (struct mqtt_guest *g = hub->guests, *next; g; g = next) {
        next = g->next;
        int64_t deadline = mqtt_guest_deadline(g);
        if (deadline <= hub->now_us && has_unread(g)) {
            g->active_us = g->since_us = hub->now_us;
            deadline = mqtt_guest_deadline(g);
        }
        if (deadline <= hub->now_us)
            mqtt_guest_refuse(
                g, g->session && g->in.len == 0
                       ? (struct mqtt_fault){MQTT_KEEPALIVE_OVER,
                                             "nothing was heard for one and a half times its keepalive"}
                   : g->session ? (struct mqtt_fault){MQTT_KEEPALIVE_OVER, "it halted in the middle of a packet"}
                                : (struct mqtt_fault){MQTT_KEEPALIVE_OVER, "no CONNECT came within connect_timeout"});
        else if (deadline < soonest)
            soonest = deadline;
    }
    if (hub->accept_at_us && hub->accept_at_us <= hub->now_us) {
        hub->accept_at_us = 0;
        watch_socket(hub, true);
    } else if (hub->accept_at_us && hub->accept_at_us < soonest) {
        soonest = hub->accept_at_us;
    }
    hub->check_at_us = soonest;
}

static void take_event(struct mqtt_hub *hub, const struct epoll_event *e)
{
    if (e->data.ptr == &socket_is_ready) {
        accept_guests(hub);
        return;
    }
    if (e->data.ptr == &post_is_ready) {
        take_post(hub);
        return;
    }
    struct mqtt_guest *g = e->data.ptr;
    if (g->fd < 0 || g->hub != hub)
        return;
    if (e->events & EPOLLOUT)
        mqtt_guest_flush(g);
    if (g->fd >= 0 && e->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        if (g->interest & EPOLLIN)
            mqtt_guest_read(g);
        else if (e->events & (EPOLLHUP | EPOLLERR))
            mqtt_guest_end(g, false);
    }
}

void mqtt_hub_sync(struct mqtt_hub *hub)
{
    struct mqtt_intake *in = &hub->intake;
    if (!in->failed && !mqtt_journal_sync(&hub->journal, &in->err))
        in->failed = true;
    if (in->failed)
        return; /* nobody hears anything any more */
    while (hub->held) {
        struct mqtt_guest *g = hub->held;
        hub->held = g->next_held;
        g->held = false;
        mqtt_guest_flush(g);
    }
}

static void renew_journal(struct mqtt_hub *hub)
{
    if (!mqtt_hub_renew_journal(hub, &hub->intake.err))
        hub->intake.failed = true;
}

/* Bytes that TLS has taken from the socket already. */
static void read_again(struct mqtt_hub *hub)
{
    struct mqtt_guest *g = hub->again;
    hub->again = NULL;
    for (struct mqtt_guest *next; g; g = next) {
        next = g->next_again;
        g->again = false;
        if (g->fd >= 0 && g->interest & EPOLLIN)
            mqtt_guest_read(g);
    }
}

/* Nothing is to be read just now. */
static void rest(struct mqtt_hub *hub)
{
    struct mqtt_intake *in = &hub->intake;
    int64_t wait = -1;
    if (mqtt_intake_holds(in)) {
        wait = in->opened_us + in->common->linger - hub->now_us;
        if (wait <= 0 || lane_worker_idle(hub->lane)) {
            mqtt_intake_emit(in, false);
            wait = -1;
        }
    }
    if (hub->check_at_us != INT64_MAX && (wait < 0 || hub->check_at_us - hub->now_us < wait))
        wait = hub->check_at_us > hub->now_us ? hub->check_at_us - hub->now_us : 0;
    struct pollfd fd = {.fd = hub->epoll_fd, .events = POLLIN};
    lane_wait(hub->lane, &fd, 1, wait);
}

static void serve(struct mqtt_hub *hub)
{
    const struct clock *clock = lane_clock(hub->lane);
    while (!lane_stopping(hub->lane) && !hub->intake.failed) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(hub->epoll_fd, events, EVENTS, 0);
        hub->now_us = clock_now_us(clock);
        for (int i = 0; i < count; i++)
            take_event(hub, &events[i]);
        if (hub->again)
            read_again(hub);
        check_deadlines(hub);
        if (hub->held)
            mqtt_hub_sync(hub);
        if (mqtt_journal_is_long(&hub->journal) && !hub->held)
            renew_journal(hub);
        bury(hub);
        struct mqtt_intake *in = &hub->intake;
        if (count <= 0 && !hub->again)
            rest(hub);
        else if (mqtt_intake_holds(in) && hub->now_us - in->opened_us >= in->common->linger)
            mqtt_intake_emit(in, true);
        lane_serve(hub->lane);
    }
    mqtt_intake_emit(&hub->intake, false);
}

/* ---- the source
 * ------------------------------------------------------------------------------------------------------------ */

static bool listen_run(struct lane *lane, struct error *err)
{
    struct mqtt_listener *l = lane_shared(lane);
    struct mqtt_hub *hub = mem_zalloc(sizeof(*hub));
    *hub = (struct mqtt_hub){
        .lane = lane,
        .listener = l,
        .options = l->options,
        .number = lane_number(lane),
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .journal = {.path = mqtt_journal_path(l->state_dir, l->component->name, lane_number(lane)), .fd = -1},
        .check_at_us = INT64_MAX};
    lane_set_state(lane, hub);
    if (hub->epoll_fd < 0)
        return error_errno(err, errno, "cannot make an event loop");
    hub->now_us = clock_now_us(lane_clock(lane));
    mqtt_intake_init(&hub->intake, lane, hub->number, &hub->journal);
    if (!lane_is_trial(lane) && !mqtt_hub_remember(hub, err))
        return false;
    mqtt_intake_begin(&hub->intake);
    struct epoll_event post = {.events = EPOLLIN, .data.ptr = &post_is_ready};
    epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, l->posts[hub->number].event_fd, &post);
    watch_socket(hub, true);
    serve(hub);
    if (hub->intake.failed)
        *err = hub->intake.err;
    return !hub->intake.failed;
}

static void listen_settled(struct lane *lane, struct partition *p, uint64_t next)
{
    (void)p;
    struct mqtt_hub *hub = lane_state(lane);
    if (lane_is_trial(lane))
        return;
    mqtt_receipts_settle(&hub->receipts, next, &hub->dirty);
    uint64_t mark;
    if (hub->unconfirmed && lane_spooled_mark(lane, hub->number, &mark)) {
        hub->unconfirmed = false;
        mqtt_journal_add(&hub->journal, &(struct mqtt_entry){.kind = ENTRY_SETTLED, .number = next});
        mqtt_hub_sync(hub);
    }
    while (hub->dirty) {
        struct mqtt_guest *g = hub->dirty;
        hub->dirty = g->next_dirty;
        g->dirty = false;
        mqtt_guest_flush(g);
    }
    if (hub->again)
        ring(&hub->listener->posts[hub->number]);
}

/* Everything is settled, or given up: guests have stayed for their acknowledgements. */
static void listen_close(struct lane *lane)
{
    struct mqtt_hub *hub = lane_state(lane);
    if (!hub)
        return;
    while (hub->guests) {
        struct mqtt_guest *g = hub->guests;
        if (g->session && g->v5)
            mqtt_write_disconnect(&g->out, MQTT_SHUTTING_DOWN);
        mqtt_guest_flush(g);
        mqtt_guest_end(g, true);
    }
    while (hub->graves) {
        struct mqtt_guest *g = hub->graves;
        hub->graves = g->next;
        mqtt_guest_free(g);
    }
    mqtt_receipts_release(&hub->receipts);
    mqtt_sessions_release(&hub->sessions);
    mqtt_intake_release(&hub->intake);
    mqtt_journal_close(&hub->journal);
    if (hub->epoll_fd >= 0)
        close(hub->epoll_fd);
    free(hub);
    lane_set_state(lane, NULL);
}

static bool listen_probe(const struct component *c, struct error *err)
{
    struct mqtt_listener l = {.component = c, .options = c->options, .fd = -1};
    bool ok = open_endpoint(&l, err);
    close_endpoint(&l);
    return ok;
}

const struct source_ops mqtt_listen_ops = {
    .open = listener_open,
    .release = listener_release,
    .run = listen_run,
    .settled = listen_settled,
    .close = listen_close,
    .probe = listen_probe,
};
